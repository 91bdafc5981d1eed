//! AlterPartitionReassignments (key 45), versions 0–1: moves partitions between nodes (KIP-455). With one node the
//! only valid place of a partition is where it is; anything else is refused with the reason.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignablePartitionResponse, ReassignableTopicResponse,
};

use super::Call;
use crate::cluster::MetadataImage;
use crate::node::Node;

pub(super) async fn handle(
    node: Arc<Node>,
    call: Call,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let image = node.cluster.image();
    let responses = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let (error, error_message) = match refusal(&image, &topic.name, partition) {
                None => (ErrorCode::None, None),
                Some((error, message)) => (error, Some(message)),
            };
            let partition_index = partition.partition_index;
            ReassignablePartitionResponse { partition_index, error_code: error.code(), error_message }
        });
        ReassignableTopicResponse { partitions: partitions.collect(), name: topic.name }
    });
    let responses = responses.collect();
    let mut response = AlterPartitionReassignmentsResponse { responses, ..Default::default() };
    if call.version >= 1 {
        response.allow_replication_factor_change = request.allow_replication_factor_change;
    }
    response
}

/// Why a partition can't be moved; `None` if it is where it should be.
fn refusal(
    image: &MetadataImage,
    topic: &str,
    wanted: &ReassignablePartition,
) -> Option<(ErrorCode, String)> {
    let index = wanted.partition_index;
    let Some(current) = image.topic(topic).and_then(|topic| topic.partition(index)) else {
        let message = format!("partition {topic}-{index} does not exist");
        return Some((ErrorCode::UnknownTopicOrPartition, message));
    };
    let Some(replicas) = &wanted.replicas else {
        let message = format!("partition {topic}-{index} is not being moved");
        return Some((ErrorCode::NoReassignmentInProgress, message));
    };
    if let Some(unknown) = replicas.iter().find(|node| !image.brokers.contains_key(node)) {
        let message =
            format!("replica assignment of {topic}-{index} names broker {unknown}, which is not registered");
        return Some((ErrorCode::InvalidReplicaAssignment, message));
    }
    let same = replicas.len() == current.replicas.len()
        && replicas.iter().all(|node| current.replicas.contains(node));
    (!same).then(|| {
        let message = format!("replica assignment of {topic}-{index} must name each broker once");
        (ErrorCode::InvalidReplicaAssignment, message)
    })
}
