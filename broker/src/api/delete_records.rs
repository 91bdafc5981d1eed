//! DeleteRecords (key 21), versions 0–2: makes everything before an offset unreadable (KIP-107). −1 stands for the
//! high watermark. Refused for internal topics, and where the topic's policy is not to delete.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopicResult,
};

use super::{Call, lookup};
use crate::cluster::is_internal;
use crate::log::DeleteRecordsError;
use crate::node::Node;

pub(super) async fn handle(
    node: Arc<Node>,
    _call: Call,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let mut response = DeleteRecordsResponse::default();
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let index = partition.partition_index;
            let (low_watermark, code) = match delete(&node, &topic.name, index, partition.offset).await {
                Ok(start) => (start, ErrorCode::None),
                Err(code) => (-1, code),
            };
            let error_code = code.code();
            partitions.push(DeleteRecordsPartitionResult {
                partition_index: index,
                low_watermark,
                error_code,
            });
        }
        response.topics.push(DeleteRecordsTopicResult { name: topic.name, partitions });
    }
    response
}

async fn delete(node: &Node, topic: &str, index: i32, offset: i64) -> Result<i64, ErrorCode> {
    let image = node.cluster.image();
    if is_internal(topic) {
        return Err(ErrorCode::InvalidTopicException);
    }
    let partition = lookup::leader(node, lookup::topic(&image, topic)?, index, -1)?;
    // Stores the log's new start, which flushes.
    let deleted = tokio::task::spawn_blocking(move || partition.delete_records(offset)).await;
    match deleted {
        Ok(Ok(start)) => Ok(start),
        Ok(Err(DeleteRecordsError::OffsetOutOfRange { .. })) => Err(ErrorCode::OffsetOutOfRange),
        Ok(Err(DeleteRecordsError::NotAllowed)) => Err(ErrorCode::PolicyViolation),
        Ok(Err(error)) => {
            tracing::error!(%error, topic, index, "cannot delete records");
            Err(ErrorCode::KafkaStorageError)
        }
        Err(_) => Err(ErrorCode::UnknownServerError),
    }
}
