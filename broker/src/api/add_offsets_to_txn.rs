//! AddOffsetsToTxn (key 25), versions 0–4: a group's partition of `__consumer_offsets` joins a transaction.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use super::{Call, create_topics};
use crate::coordinator::transaction::AddPartitions;
use crate::coordinator::{GROUP_TOPIC, Producer};
use crate::node::Node;

const KNOWS_FENCED_FROM: i16 = 2;

pub(super) async fn handle(
    node: Arc<Node>,
    call: Call,
    request: AddOffsetsToTxnRequest,
) -> AddOffsetsToTxnResponse {
    let code = add(&node, &call, request).await.err().unwrap_or(ErrorCode::None);
    node.metrics.count_error(code);
    AddOffsetsToTxnResponse { error_code: code.code(), ..Default::default() }
}

async fn add(node: &Node, call: &Call, request: AddOffsetsToTxnRequest) -> Result<(), ErrorCode> {
    if request.group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    create_topics::ensure_internal(node, GROUP_TOPIC).await?;
    let partition =
        node.coordinators.group_partition(&request.group_id).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let add = AddPartitions {
        transactional_id: request.transactional_id,
        producer: Producer { id: request.producer_id, epoch: request.producer_epoch },
        client_version: 0,
        partitions: vec![partition],
    };
    let result = node.coordinators.add_partitions(add).await.map_err(|unavailable| unavailable.code())?;
    result.map_err(|error| error.code(call.version >= KNOWS_FENCED_FROM))
}
