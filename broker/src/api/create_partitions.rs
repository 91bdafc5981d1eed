//! CreatePartitions (key 37), versions 0–3: more partitions for a topic; fewer is impossible (KIP-195).

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, CreatePartitionsTopicResult,
};

use super::Call;
use crate::cluster::{ClusterError, GrowTopic, GrowTopicError};
use crate::node::Node;

pub(super) async fn handle(
    node: Arc<Node>,
    _call: Call,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut response = CreatePartitionsResponse::default();
    for topic in request.topics {
        let result = grow(&node, topic, request.validate_only).await;
        response.results.push(result);
    }
    response
}

async fn grow(node: &Node, topic: CreatePartitionsTopic, validate_only: bool) -> CreatePartitionsTopicResult {
    let assignments = topic
        .assignments
        .map(|assignments| assignments.into_iter().map(|assignment| assignment.broker_ids).collect());
    let command = GrowTopic { name: topic.name, partitions: topic.count, assignments };
    let grown = node.cluster.grow_topic(&command, validate_only).await;
    let (error, error_message) = match grown {
        Ok(()) => (ErrorCode::None, None),
        Err(error) => {
            let code = match &error {
                ClusterError::Refused(GrowTopicError::Unknown(_)) => ErrorCode::UnknownTopicOrPartition,
                ClusterError::Refused(GrowTopicError::Same { .. } | GrowTopicError::NotMore { .. }) => {
                    ErrorCode::InvalidPartitions
                }
                ClusterError::Refused(GrowTopicError::TooMany(_)) => ErrorCode::PolicyViolation,
                ClusterError::Refused(GrowTopicError::Assignment(_)) => ErrorCode::InvalidReplicaAssignment,
                other => super::failure_code(other),
            };
            (code, Some(error.to_string()))
        }
    };
    CreatePartitionsTopicResult { name: command.name, error_code: error.code(), error_message }
}
