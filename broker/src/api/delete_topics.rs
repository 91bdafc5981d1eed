//! DeleteTopics (key 20), versions 1–6: by name, or by id from version 6 (KIP-516). Each topic succeeds or fails
//! by itself; the data is out of reach on return and leaves the disk a little later.

use std::sync::Arc;

use millstream_protocol::messages::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use millstream_protocol::{ErrorCode, Uuid};

use super::Call;
use crate::cluster::{ClusterError, DeleteTopicError};
use crate::node::Node;

pub(super) async fn handle(
    node: Arc<Node>,
    call: Call,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let topics = if call.version >= 6 {
        request.topics
    } else {
        let named = |name| DeleteTopicState { name: Some(name), topic_id: Uuid::ZERO };
        request.topic_names.into_iter().map(named).collect()
    };
    let mut response = DeleteTopicsResponse::default();
    for topic in topics {
        let result = delete(&node, topic).await;
        response.responses.push(result);
    }
    response
}

async fn delete(node: &Node, topic: DeleteTopicState) -> DeletableTopicResult {
    if topic.name.is_some() != topic.topic_id.is_zero() {
        return result(
            topic,
            ErrorCode::InvalidRequest,
            Some("name a topic or give its id, not both".to_owned()),
        );
    }
    let image = node.cluster.image();
    let known = match &topic.name {
        Some(name) => image.topic(name),
        None => image.topic_by_id(topic.topic_id),
    };
    let known =
        known.map(|known| DeleteTopicState { name: Some(known.name.to_string()), topic_id: known.id });
    let deleted = node
        .cluster
        .delete_topic(|image| match &topic.name {
            Some(name) => image.topic(name).cloned().ok_or(DeleteTopicError::Unknown),
            None => image.topic_by_id(topic.topic_id).cloned().ok_or(DeleteTopicError::UnknownId),
        })
        .await;
    match deleted {
        Ok(()) => {
            let deleted = known.unwrap_or(topic);
            if let Some(name) = &deleted.name {
                node.coordinators.topic_deleted(name, deleted.topic_id).await;
            }
            result(deleted, ErrorCode::None, None)
        }
        Err(error) => {
            let code = match &error {
                ClusterError::Refused(DeleteTopicError::Unknown) => ErrorCode::UnknownTopicOrPartition,
                ClusterError::Refused(DeleteTopicError::UnknownId) => ErrorCode::UnknownTopicId,
                ClusterError::Refused(DeleteTopicError::Disabled) => ErrorCode::TopicDeletionDisabled,
                other => super::failure_code(other),
            };
            result(topic, code, Some(error.to_string()))
        }
    }
}

fn result(topic: DeleteTopicState, error: ErrorCode, error_message: Option<String>) -> DeletableTopicResult {
    DeletableTopicResult {
        name: topic.name,
        topic_id: topic.topic_id,
        error_code: error.code(),
        error_message,
    }
}
