//! Committed offsets of a group: reading and writing them at its coordinator.

use std::collections::BTreeMap;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetFetchRequest,
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics, OffsetFetchResponse,
};
use tokio::time::Instant;

use super::GroupMetadata;
use crate::client::Client;
use crate::connection::CallError;
use crate::coordinator::{CoordinatorKind, is_coordinator_trouble};
use crate::topic::{CommittedOffset, TopicPartition};

/// OffsetFetch names several groups from this version on (KIP-709).
const FIRST_BATCHED_FETCH: i16 = 8;
/// The coordinator holds back offsets of open transactions from this version on (KIP-447).
const FIRST_STABLE_FETCH: i16 = 7;

type Offsets = Vec<(TopicPartition, CommittedOffset)>;

/// Partition numbers by topic name, both in order.
pub(crate) fn by_topic<'a>(places: impl Iterator<Item = &'a TopicPartition>) -> BTreeMap<String, Vec<i32>> {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for place in places {
        topics.entry(place.topic.to_string()).or_default().push(place.partition);
    }
    topics
}

/// Reads committed offsets; partitions without one are left out. Waits for open transactions that hold some.
pub(crate) async fn fetch_committed(
    client: &Client,
    group_id: &str,
    partitions: Option<&[TopicPartition]>,
) -> Result<Result<Offsets, ErrorCode>, CallError> {
    let deadline = Instant::now() + client.shared.config.operation_timeout;
    let mut backoff = client.retry_backoff();
    loop {
        let result = fetch_once(client, group_id, partitions).await;
        let wait = backoff.next_wait();
        let out_of_time = Instant::now() + wait >= deadline;
        match result {
            Ok(Err(code)) if !out_of_time && is_passing(code) => {
                if is_coordinator_trouble(code) {
                    client.forget_coordinator(CoordinatorKind::Group, group_id);
                }
            }
            Err(error) if !out_of_time && error.is_retriable() => {
                client.forget_coordinator(CoordinatorKind::Group, group_id);
            }
            done => return done,
        }
        tokio::time::sleep(wait).await;
    }
}

fn is_passing(code: ErrorCode) -> bool {
    is_coordinator_trouble(code) || code == ErrorCode::UnstableOffsetCommit
}

async fn fetch_once(
    client: &Client,
    group_id: &str,
    partitions: Option<&[TopicPartition]>,
) -> Result<Result<Offsets, ErrorCode>, CallError> {
    let connection = client.coordinator(CoordinatorKind::Group, group_id).await?;
    let version = connection.version::<OffsetFetchRequest>()?;
    let topics = partitions.map(|partitions| by_topic(partitions.iter()));
    let mut request =
        OffsetFetchRequest { require_stable: version >= FIRST_STABLE_FETCH, ..Default::default() };
    if version >= FIRST_BATCHED_FETCH {
        let named = |(name, partition_indexes)| OffsetFetchRequestTopics {
            name,
            partition_indexes,
            ..Default::default()
        };
        request.groups = vec![OffsetFetchRequestGroup {
            group_id: group_id.to_owned(),
            topics: topics.map(|topics| topics.into_iter().map(named).collect()),
            ..Default::default()
        }];
    } else {
        let named = |(name, partition_indexes)| OffsetFetchRequestTopic { name, partition_indexes };
        request.group_id = group_id.to_owned();
        request.topics = topics.map(|topics| topics.into_iter().map(named).collect());
    }
    Ok(read_offsets(connection.call_version(request, version).await?))
}

/// Both shapes of the response, as a flat list.
fn read_offsets(response: OffsetFetchResponse) -> Result<Offsets, ErrorCode> {
    let mut offsets = Offsets::new();
    let mut take = |topic: &str, partition, offset, leader_epoch, metadata: Option<String>, code| {
        match ErrorCode::from_code(code) {
            ErrorCode::None if offset >= 0 => {
                let metadata = metadata.unwrap_or_default();
                let committed = CommittedOffset { offset, leader_epoch, metadata };
                offsets.push((TopicPartition::new(topic, partition), committed));
                Ok(())
            }
            // Deleted and never committed are the same to the caller.
            ErrorCode::None | ErrorCode::UnknownTopicOrPartition => Ok(()),
            code => Err(code),
        }
    };
    let whole = response.groups.first().map_or(response.error_code, |group| group.error_code);
    if ErrorCode::from_code(whole) != ErrorCode::None {
        return Err(ErrorCode::from_code(whole));
    }
    for topic in response.topics {
        for entry in topic.partitions {
            let (offset, epoch) = (entry.committed_offset, entry.committed_leader_epoch);
            take(&topic.name, entry.partition_index, offset, epoch, entry.metadata, entry.error_code)?;
        }
    }
    for topic in response.groups.into_iter().flat_map(|group| group.topics) {
        for entry in topic.partitions {
            let (offset, epoch) = (entry.committed_offset, entry.committed_leader_epoch);
            take(&topic.name, entry.partition_index, offset, epoch, entry.metadata, entry.error_code)?;
        }
    }
    Ok(offsets)
}

/// Writes committed offsets as the given member, or as nobody in particular. The inner error is the coordinator's first
/// refusal.
pub(crate) async fn store_committed(
    client: &Client,
    group: &GroupMetadata,
    offsets: &[(TopicPartition, CommittedOffset)],
) -> Result<Result<(), ErrorCode>, CallError> {
    let request = OffsetCommitRequest {
        group_id: group.group_id.clone(),
        generation_id_or_member_epoch: group.generation,
        member_id: group.member_id.clone(),
        group_instance_id: group.instance_id.clone(),
        topics: commit_topics(offsets),
        ..Default::default()
    };
    let first_code = |response: &millstream_protocol::messages::OffsetCommitResponse| {
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        let mut codes = partitions.map(|partition| ErrorCode::from_code(partition.error_code));
        codes.find(|code| *code != ErrorCode::None).unwrap_or(ErrorCode::None)
    };
    let response =
        client.call_coordinator(CoordinatorKind::Group, &group.group_id, request, first_code).await?;
    Ok(match first_code(&response) {
        ErrorCode::None => Ok(()),
        code => Err(code),
    })
}

fn commit_topics(offsets: &[(TopicPartition, CommittedOffset)]) -> Vec<OffsetCommitRequestTopic> {
    let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for (place, committed) in offsets {
        topics.entry(&place.topic).or_default().push(OffsetCommitRequestPartition {
            partition_index: place.partition,
            committed_offset: committed.offset,
            committed_leader_epoch: committed.leader_epoch,
            committed_metadata: Some(committed.metadata.clone()),
        });
    }
    let topic = |(name, partitions): (&str, _)| OffsetCommitRequestTopic {
        name: name.to_owned(),
        partitions,
        ..Default::default()
    };
    topics.into_iter().map(topic).collect()
}
