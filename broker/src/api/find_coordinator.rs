//! FindCoordinator (key 10), versions 0–6: the node that coordinates a group or a transactional id.
//!
//! Several keys at once from version 4 (KIP-699). The internal topic is created by the first question. Share
//! groups (key type 2) have no coordinator here.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};

use super::{Call, create_topics, metadata};
use crate::coordinator::{GROUP_TOPIC, TRANSACTION_TOPIC, partition_for};
use crate::node::Node;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// First version with several keys.
const BATCHED_FROM: i16 = 4;

pub(super) async fn handle(
    node: Arc<Node>,
    call: Call,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    if call.version >= BATCHED_FROM {
        let mut response = FindCoordinatorResponse::default();
        for key in request.coordinator_keys {
            response.coordinators.push(find(&node, &call, request.key_type, key).await);
        }
        return response;
    }
    let found = find(&node, &call, request.key_type, request.key).await;
    FindCoordinatorResponse {
        error_code: found.error_code,
        error_message: found.error_message,
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..Default::default()
    }
}

async fn find(node: &Node, call: &Call, key_type: i8, key: String) -> Coordinator {
    match locate(node, call, key_type, &key).await {
        Ok((node_id, host, port)) => {
            Coordinator { key, node_id, host, port, error_message: None, ..Default::default() }
        }
        Err(code) => {
            node.metrics.count_error(code);
            let error_message = Some(code.name().to_owned());
            Coordinator {
                key,
                node_id: -1,
                port: -1,
                error_code: code.code(),
                error_message,
                ..Default::default()
            }
        }
    }
}

async fn locate(node: &Node, call: &Call, key_type: i8, key: &str) -> Result<(i32, String, i32), ErrorCode> {
    let topic = match key_type {
        GROUP => GROUP_TOPIC,
        TRANSACTION => TRANSACTION_TOPIC,
        _ => return Err(ErrorCode::InvalidRequest),
    };
    if key.is_empty() {
        return Err(if key_type == GROUP { ErrorCode::InvalidGroupId } else { ErrorCode::InvalidRequest });
    }
    create_topics::ensure_internal(node, topic).await?;
    let image = node.cluster.image();
    let topic = image.topic(topic).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let partition = topic.partition(partition_for(key, count)).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let (host, port) =
        metadata::endpoint(&image, partition.leader, &call.peer).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    Ok((partition.leader, host, port))
}
