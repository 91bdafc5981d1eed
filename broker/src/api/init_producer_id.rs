//! InitProducerId (key 22), versions 0–5: a producer id and epoch, with or without a transactional id.
//!
//! With one, an open transaction of the older instance is aborted first: CONCURRENT_TRANSACTIONS until that is
//! done. Versions 3 and later may name their own id and epoch to have the epoch bumped (KIP-360). KIPs: 98, 360,
//! 588, 890.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};

use super::Call;
use crate::coordinator::Producer;
use crate::coordinator::transaction::InitProducerId;
use crate::node::Node;

/// First version that knows PRODUCER_FENCED.
const FENCED_FROM: i16 = 4;

pub(super) async fn handle(
    node: Arc<Node>,
    call: Call,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let given = match request.transactional_id {
        None => without_transactions(&node).await,
        Some(transactional_id) => {
            let named = (request.producer_id >= 0)
                .then_some(Producer { id: request.producer_id, epoch: request.producer_epoch });
            let init = InitProducerId {
                transactional_id,
                timeout_ms: request.transaction_timeout_ms,
                producer: named,
            };
            match node.coordinators.init_producer_id(init).await {
                Ok(Ok(producer)) => Ok(producer),
                Ok(Err(error)) => Err(error.code(call.version >= FENCED_FROM)),
                Err(unavailable) => Err(unavailable.code()),
            }
        }
    };
    match given {
        Ok(producer) => InitProducerIdResponse {
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            ..Default::default()
        },
        Err(code) => {
            node.metrics.count_error(code);
            InitProducerIdResponse { error_code: code.code(), producer_epoch: -1, ..Default::default() }
        }
    }
}

/// An idempotent producer alone needs no state: its id is new, so its epoch is the first.
async fn without_transactions(node: &Node) -> Result<Producer, ErrorCode> {
    let id = node.coordinators.producer_id().await.ok_or(ErrorCode::CoordinatorNotAvailable)?;
    Ok(Producer { id, epoch: 0 })
}
