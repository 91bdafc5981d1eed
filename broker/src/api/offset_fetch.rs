//! OffsetFetch (key 9), versions 1–10: the positions that groups committed.
//!
//! All of a group's partitions when none are named (from version 2), refused while a transaction may change them
//! when stable ones are required (KIP-447, from 7), several groups from 8 (KIP-709), as a
//! member in its epoch from 9 and topic ids from 10 (KIP-848).

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};

use super::Call;
use crate::cluster::MetadataImage;
use crate::coordinator::TopicPartition;
use crate::coordinator::group::{CommittedOffset, FetchOffsetError};
use crate::node::Node;

const GROUPS_FROM: i16 = 8;
/// First version that names topics by id.
const TOPIC_IDS_FROM: i16 = 10;

pub(super) async fn handle(node: Arc<Node>, call: Call, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let require_stable = request.require_stable;
    if call.version >= GROUPS_FROM {
        let mut response = OffsetFetchResponse::default();
        for group in request.groups {
            response.groups.push(fetch(&node, call.version, group, require_stable).await);
        }
        return response;
    }
    let topics = request.topics.map(|topics| {
        let topic = |topic: OffsetFetchRequestTopic| OffsetFetchRequestTopics {
            name: topic.name,
            partition_indexes: topic.partition_indexes,
            ..Default::default()
        };
        topics.into_iter().map(topic).collect()
    });
    let group = OffsetFetchRequestGroup { group_id: request.group_id, topics, ..Default::default() };
    single(fetch(&node, call.version, group, require_stable).await)
}

/// Before version 8 the one group's answer is the response.
fn single(group: OffsetFetchResponseGroup) -> OffsetFetchResponse {
    let partition = |partition: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    };
    let topic = |topic: OffsetFetchResponseTopics| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(partition).collect(),
    };
    OffsetFetchResponse {
        topics: group.topics.into_iter().map(topic).collect(),
        error_code: group.error_code,
        ..Default::default()
    }
}

async fn fetch(
    node: &Node,
    version: i16,
    group: OffsetFetchRequestGroup,
    require_stable: bool,
) -> OffsetFetchResponseGroup {
    let image = node.cluster.image();
    let by_id = version >= TOPIC_IDS_FROM;
    let group_id = group.group_id;
    let (asked, unknown) = match group.topics {
        None => (None, Vec::new()),
        Some(topics) => {
            let (asked, unknown) = split(&image, by_id, topics);
            (Some(asked), unknown)
        }
    };
    let asked_for_all = asked.is_none();
    let allowed = node.coordinators.check_fetch(group_id.clone(), group.member_id, group.member_epoch).await;
    if let Some(code) =
        allowed.map_or_else(|error| Some(error.code()), |checked| checked.err().map(FetchOffsetError::code))
    {
        node.metrics.count_error(code);
        return OffsetFetchResponseGroup { group_id, error_code: code.code(), ..Default::default() };
    }
    let fetched = match node.coordinators.fetch_offsets(group_id.clone(), asked, require_stable).await {
        Ok(fetched) => fetched,
        Err(unavailable) => {
            let code = unavailable.code();
            node.metrics.count_error(code);
            return OffsetFetchResponseGroup { group_id, error_code: code.code(), ..Default::default() };
        }
    };
    let mut by_topic: BTreeMap<String, Vec<OffsetFetchResponsePartitions>> = BTreeMap::new();
    for (place, result) in fetched {
        let result =
            result.map(|committed| committed.filter(|committed| is_current(&image, &place, committed)));
        if asked_for_all && matches!(result, Ok(None)) {
            continue;
        }
        by_topic.entry(place.topic).or_default().push(partition(place.partition, result));
    }
    let found = by_topic.into_iter().filter_map(|(name, partitions)| named(&image, by_id, name, partitions));
    let topics = found.chain(unknown.into_iter().map(unknown_topic)).collect();
    OffsetFetchResponseGroup { group_id, topics, ..Default::default() }
}

/// Whether an offset was committed for the topic that has the name now, and not for one that was deleted.
fn is_current(image: &MetadataImage, place: &TopicPartition, committed: &CommittedOffset) -> bool {
    committed.topic_id.is_zero()
        || image.topic(&place.topic).is_some_and(|topic| topic.id == committed.topic_id)
}

/// The partitions to ask the group for, and the topics whose id names nothing.
fn split(
    image: &MetadataImage,
    by_id: bool,
    topics: Vec<OffsetFetchRequestTopics>,
) -> (Vec<TopicPartition>, Vec<OffsetFetchRequestTopics>) {
    let mut asked = Vec::new();
    let mut unknown = Vec::new();
    for topic in topics {
        let name = if by_id {
            image.topic_by_id(topic.topic_id).map(|found| found.name.to_string())
        } else {
            Some(topic.name.clone())
        };
        match name {
            Some(name) => {
                let partitions = topic.partition_indexes.iter();
                asked.extend(partitions.map(|index| TopicPartition::new(name.clone(), *index)));
            }
            None => unknown.push(topic),
        }
    }
    (asked, unknown)
}

/// A topic's answer; nothing for one that is gone where topics go by id.
fn named(
    image: &MetadataImage,
    by_id: bool,
    name: String,
    partitions: Vec<OffsetFetchResponsePartitions>,
) -> Option<OffsetFetchResponseTopics> {
    if !by_id {
        return Some(OffsetFetchResponseTopics { name, partitions, ..Default::default() });
    }
    let topic_id = image.topic(&name)?.id;
    Some(OffsetFetchResponseTopics { topic_id, partitions, ..Default::default() })
}

fn partition(
    partition_index: i32,
    result: Result<Option<CommittedOffset>, FetchOffsetError>,
) -> OffsetFetchResponsePartitions {
    let blank = OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some(String::new()),
        error_code: ErrorCode::None.code(),
    };
    match result {
        Ok(None) => blank,
        Ok(Some(committed)) => OffsetFetchResponsePartitions {
            committed_offset: committed.offset,
            committed_leader_epoch: committed.leader_epoch,
            metadata: Some(committed.metadata),
            ..blank
        },
        Err(error) => OffsetFetchResponsePartitions { error_code: error.code().code(), ..blank },
    }
}

fn unknown_topic(topic: OffsetFetchRequestTopics) -> OffsetFetchResponseTopics {
    let refused = |index: i32| OffsetFetchResponsePartitions {
        error_code: ErrorCode::UnknownTopicId.code(),
        ..partition(index, Ok(None))
    };
    let partitions = topic.partition_indexes.into_iter().map(refused).collect();
    OffsetFetchResponseTopics { topic_id: topic.topic_id, partitions, ..Default::default() }
}
