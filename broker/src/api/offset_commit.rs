//! OffsetCommit (key 8), versions 2–10: a group's positions, answered once they are durable.
//!
//! Topics are named by id from version 10 (KIP-848). A retention of the client's own exists in versions 2 to 4.

use std::collections::HashMap;
use std::sync::Arc;

use millstream_protocol::messages::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use millstream_protocol::{ErrorCode, Uuid};

use super::Call;
use crate::cluster::MetadataImage;
use crate::coordinator::TopicPartition;
use crate::coordinator::group::{Commit, CommitItem};
use crate::node::Node;

/// First version that names topics by id.
const TOPIC_IDS_FROM: i16 = 10;

pub(super) async fn handle(
    node: Arc<Node>,
    call: Call,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let image = node.cluster.image();
    let retention_ms = Some(request.retention_time_ms).filter(|retention_ms| *retention_ms >= 0);
    let mut refused = HashMap::new();
    let mut items = Vec::new();
    for topic in &request.topics {
        let name = find_name(&image, call.version, topic);
        for partition in &topic.partitions {
            match &name {
                Ok(name) if exists(&image, name, partition.partition_index) => {
                    items.push(item(&image, name, partition, retention_ms));
                }
                Ok(_) => drop(refused.insert(place(topic, partition), ErrorCode::UnknownTopicOrPartition)),
                Err(code) => drop(refused.insert(place(topic, partition), *code)),
            }
        }
    }
    let commit = Commit {
        group_id: request.group_id,
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        generation: request.generation_id_or_member_epoch,
        items,
    };
    let (results, unavailable) = match node.coordinators.commit_offsets(commit).await {
        Ok(results) => (results, ErrorCode::None),
        Err(unavailable) => (Vec::new(), unavailable.code()),
    };
    let committed: HashMap<TopicPartition, ErrorCode> = results
        .into_iter()
        .map(|(place, result)| (place, result.map_or_else(|error| error.code(), |()| ErrorCode::None)))
        .collect();
    let code_of = |topic: &OffsetCommitRequestTopic, partition: &OffsetCommitRequestPartition| {
        let name = find_name(&image, call.version, topic).unwrap_or_default();
        let asked = TopicPartition::new(name, partition.partition_index);
        let code = refused.get(&place(topic, partition)).or_else(|| committed.get(&asked));
        code.copied().unwrap_or(unavailable)
    };
    let topics =
        request.topics.iter().map(|topic| response(&node, topic, |partition| code_of(topic, partition)));
    OffsetCommitResponse { topics: topics.collect(), ..Default::default() }
}

fn response(
    node: &Node,
    topic: &OffsetCommitRequestTopic,
    code_of: impl Fn(&OffsetCommitRequestPartition) -> ErrorCode,
) -> OffsetCommitResponseTopic {
    let partitions = topic.partitions.iter().map(|partition| {
        let code = code_of(partition);
        node.metrics.count_error(code);
        OffsetCommitResponsePartition { partition_index: partition.partition_index, error_code: code.code() }
    });
    let partitions = partitions.collect();
    OffsetCommitResponseTopic { name: topic.name.clone(), topic_id: topic.topic_id, partitions }
}

/// A partition as the request names it.
type Asked = (String, millstream_protocol::Uuid, i32);

fn place(topic: &OffsetCommitRequestTopic, partition: &OffsetCommitRequestPartition) -> Asked {
    (topic.name.clone(), topic.topic_id, partition.partition_index)
}

fn find_name(
    image: &MetadataImage,
    version: i16,
    topic: &OffsetCommitRequestTopic,
) -> Result<String, ErrorCode> {
    if version < TOPIC_IDS_FROM {
        return Ok(topic.name.clone());
    }
    let found = image.topic_by_id(topic.topic_id).ok_or(ErrorCode::UnknownTopicId)?;
    Ok(found.name.to_string())
}

/// Whether the metadata knows the partition: what does not exist has no position.
pub(super) fn exists(image: &MetadataImage, topic: &str, index: i32) -> bool {
    image.topic(topic).is_some_and(|topic| topic.partition(index).is_some())
}

fn item(
    image: &MetadataImage,
    name: &str,
    partition: &OffsetCommitRequestPartition,
    retention_ms: Option<i64>,
) -> CommitItem {
    CommitItem {
        topic_id: image.topic(name).map_or(Uuid::ZERO, |topic| topic.id),
        partition: TopicPartition::new(name, partition.partition_index),
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.clone().unwrap_or_default(),
        retention_ms,
    }
}
