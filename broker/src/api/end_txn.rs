//! EndTxn (key 26), versions 0–5: commits or aborts; answered once the decision is durable, markers follow.
//!
//! From version 5 the epoch is bumped with each end and the producer's next id and epoch are returned (KIP-890).

use std::sync::Arc;

use millstream_protocol::messages::{EndTxnRequest, EndTxnResponse};

use super::Call;
use crate::coordinator::transaction::EndTransaction;
use crate::coordinator::{Outcome, Producer};
use crate::node::Node;

const KNOWS_FENCED_FROM: i16 = 2;
const BUMPS_EPOCH_FROM: i16 = 5;

pub(super) async fn handle(node: Arc<Node>, call: Call, request: EndTxnRequest) -> EndTxnResponse {
    let bumps_epoch = call.version >= BUMPS_EPOCH_FROM;
    let end = EndTransaction {
        transactional_id: request.transactional_id,
        producer: Producer { id: request.producer_id, epoch: request.producer_epoch },
        outcome: if request.committed { Outcome::Commit } else { Outcome::Abort },
        client_version: if bumps_epoch { 2 } else { 0 },
    };
    let result = match node.coordinators.end_transaction(end).await {
        Ok(result) => result.map_err(|error| error.code(call.version >= KNOWS_FENCED_FROM)),
        Err(unavailable) => Err(unavailable.code()),
    };
    match result {
        Ok(producer) if bumps_epoch => {
            EndTxnResponse { producer_id: producer.id, producer_epoch: producer.epoch, ..Default::default() }
        }
        Ok(_) => EndTxnResponse::default(),
        Err(code) => {
            node.metrics.count_error(code);
            EndTxnResponse { error_code: code.code(), ..Default::default() }
        }
    }
}
