//! DescribeTopicPartitions (key 75), version 0: partitions of topics, in pages (KIP-966). An empty list asks for
//! all topics; a page ends at the limit and the cursor says where the next one starts.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    DescribeTopicPartitionsNextCursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};

use super::{Call, create_topics, metadata};
use crate::cluster::{MetadataImage, TopicImage, is_internal};
use crate::limits;
use crate::node::Node;

pub(super) async fn handle(
    node: Arc<Node>,
    _call: Call,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let image = node.cluster.image();
    let limit = request.response_partition_limit.clamp(1, limits::DESCRIBE_PARTITIONS_MAX);
    let mut room = usize::try_from(limit).unwrap_or(1);
    let (start, first) = match &request.cursor {
        Some(cursor) => (cursor.topic_name.as_str(), usize::try_from(cursor.partition_index).unwrap_or(0)),
        None => ("", 0),
    };
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names(&image, &request, start) {
        let skip = if name == start { first } else { 0 };
        if room == 0 {
            let partition_index = i32::try_from(skip).unwrap_or(i32::MAX);
            response.next_cursor =
                Some(DescribeTopicPartitionsNextCursor { topic_name: name, partition_index });
            break;
        }
        let Some(topic) = image.topic(&name) else {
            response.topics.push(unknown(name));
            continue;
        };
        let described = describe(topic, skip, room);
        let end = skip + described.partitions.len();
        room -= described.partitions.len();
        response.topics.push(described);
        if end < topic.partitions.len() {
            let partition_index = i32::try_from(end).unwrap_or(i32::MAX);
            response.next_cursor =
                Some(DescribeTopicPartitionsNextCursor { topic_name: name, partition_index });
            break;
        }
    }
    response
}

/// The topics of this page and after it, sorted, each once.
fn names(image: &MetadataImage, request: &DescribeTopicPartitionsRequest, start: &str) -> Vec<String> {
    if request.topics.is_empty() {
        return image.topics_from(start).map(|topic| topic.name.to_string()).collect();
    }
    let mut names: Vec<String> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    names.sort();
    names.dedup();
    names.retain(|name| name.as_str() >= start);
    names
}

fn describe(topic: &TopicImage, skip: usize, room: usize) -> DescribeTopicPartitionsResponseTopic {
    let partitions = (0..).zip(&topic.partitions).skip(skip).take(room).map(|(index, partition)| {
        DescribeTopicPartitionsResponsePartition {
            error_code: ErrorCode::None.code(),
            partition_index: index,
            leader_id: partition.leader,
            leader_epoch: partition.leader_epoch,
            replica_nodes: partition.replicas.clone(),
            isr_nodes: partition.isr.clone(),
            eligible_leader_replicas: Some(Vec::new()),
            last_known_elr: Some(Vec::new()),
            offline_replicas: Vec::new(),
        }
    });
    DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::None.code(),
        name: Some(topic.name.to_string()),
        topic_id: topic.id,
        is_internal: is_internal(&topic.name),
        partitions: partitions.collect(),
        topic_authorized_operations: metadata::TOPIC_OPERATIONS,
    }
}

fn unknown(name: String) -> DescribeTopicPartitionsResponseTopic {
    let valid = create_topics::is_valid_name(&name);
    let error = if valid { ErrorCode::UnknownTopicOrPartition } else { ErrorCode::InvalidTopicException };
    DescribeTopicPartitionsResponseTopic { error_code: error.code(), name: Some(name), ..Default::default() }
}
