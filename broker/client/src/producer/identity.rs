//! Asking the cluster for a producer id.

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::InitProducerIdRequest;
use tokio::time::Instant;

use super::line::ProducerIdentity;
use crate::client::Client;

/// A fresh id without a transactional id. Tries until `operation_timeout`; the error is the last reason.
pub(crate) async fn request_identity(client: &Client) -> Result<ProducerIdentity, String> {
    let deadline = Instant::now() + client.shared.config.operation_timeout;
    let mut backoff = client.retry_backoff();
    loop {
        let request = InitProducerIdRequest { transaction_timeout_ms: i32::MAX, ..Default::default() };
        let called = async { client.shared.pool.any().await?.call(request).await };
        let (reason, is_retriable) = match called.await {
            Ok(response) => match ErrorCode::from_code(response.error_code) {
                ErrorCode::None => {
                    return Ok(ProducerIdentity {
                        producer_id: response.producer_id,
                        epoch: response.producer_epoch,
                    });
                }
                code => (code.name().to_owned(), code.is_retriable()),
            },
            Err(error) => (error.to_string(), error.is_retriable()),
        };
        let wait = backoff.next_wait();
        if !is_retriable || Instant::now() + wait >= deadline {
            return Err(reason);
        }
        tokio::time::sleep(wait).await;
    }
}
