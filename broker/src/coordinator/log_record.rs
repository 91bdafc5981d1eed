//! The records of the internal topics, encoded beside decoded: keys start with their type as int16, values with
//! their version. The layouts are Kafka's (`__consumer_offsets` types 0 to 2, `__transaction_state` type 0).
//!
//! Ids are bounded where requests come in ([`MAX_ID_BYTES`]), so encoding what the coordinators hold can't fail.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use millstream_protocol::messages::{
    AssignedTopicPartition, ConsumerProtocolAssignment, ConsumerProtocolSubscription, GroupMetadataKey,
    GroupMetadataValue, MemberMetadata, OffsetCommitKey, OffsetCommitValue, PartitionsSchema,
    TransactionLogKey, TransactionLogValue,
};
use millstream_protocol::{DecodeError, Decoder, Encoder, Message};
use thiserror::Error;

use super::consumer_record::{self, Kind};
use super::group::{CommittedOffset, StoredGroup, StoredMember};
use super::transaction::{State as TransactionState, TransactionMetadata};
use super::{LogRecord, TopicPartition};

/// What a key's string holds at most: its length is an int16.
pub(crate) const MAX_ID_BYTES: usize = i16::MAX as usize;

const OFFSET_KEY_TYPE: i16 = 1;
const GROUP_KEY_TYPE: i16 = 2;
const TRANSACTION_KEY_TYPE: i16 = 0;

/// The only version that can hold a retention of the client's own.
const OFFSET_VALUE_WITH_EXPIRY: i16 = 1;

/// A record of an internal topic that can't be read.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum RecordError {
    #[error(
        "record of an internal topic has a key of the unknown type {0}; a newer broker may have written it"
    )]
    UnknownType(i16),
    #[error("decode record of an internal topic: {0}")]
    Decode(#[from] DecodeError),
    #[error("record of an internal topic holds the unknown state {0}")]
    UnknownState(i8),
}

/// What a key of `__consumer_offsets` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GroupKey {
    Offset {
        group_id: String,
        partition: TopicPartition,
    },
    Group {
        group_id: String,
    },
    /// Of a next-generation group; the member id is empty where the record is the group's.
    Consumer {
        group_id: String,
        kind: Kind,
        member_id: String,
    },
}

pub(super) fn offset_record(
    group_id: &str,
    partition: &TopicPartition,
    committed: &CommittedOffset,
) -> LogRecord {
    let value = OffsetCommitValue {
        offset: committed.offset,
        leader_epoch: committed.leader_epoch,
        metadata: committed.metadata.clone(),
        commit_timestamp: committed.committed_ms,
        expire_timestamp: committed.expires_ms.unwrap_or(-1),
        topic_id: committed.topic_id,
    };
    let newest = OffsetCommitValue::MAX_VERSION;
    let version = if committed.expires_ms.is_some() { OFFSET_VALUE_WITH_EXPIRY } else { newest };
    LogRecord { key: offset_key(group_id, partition), value: Some(encode(version, version, &value)) }
}

pub(super) fn offset_tombstone(group_id: &str, partition: &TopicPartition) -> LogRecord {
    LogRecord { key: offset_key(group_id, partition), value: None }
}

fn offset_key(group_id: &str, partition: &TopicPartition) -> Bytes {
    let key = OffsetCommitKey {
        group: group_id.to_owned(),
        topic: partition.topic.clone(),
        partition: partition.partition,
    };
    encode(OFFSET_KEY_TYPE, 0, &key)
}

pub(super) fn group_record(group: &StoredGroup) -> LogRecord {
    let member = |member: &StoredMember| MemberMetadata {
        member_id: member.member_id.clone(),
        group_instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        rebalance_timeout: member.rebalance_timeout_ms,
        session_timeout: member.session_timeout_ms,
        subscription: member.subscription.clone(),
        assignment: member.assignment.clone(),
    };
    let value = GroupMetadataValue {
        protocol_type: group.protocol_type.clone(),
        generation: group.generation,
        protocol: group.protocol.clone(),
        leader: group.leader.clone(),
        current_state_timestamp: group.state_since_ms.unwrap_or(-1),
        members: group.members.iter().map(member).collect(),
    };
    let version = GroupMetadataValue::MAX_VERSION;
    LogRecord { key: group_key(&group.group_id), value: Some(encode(version, version, &value)) }
}

pub(super) fn group_tombstone(group_id: &str) -> LogRecord {
    LogRecord { key: group_key(group_id), value: None }
}

fn group_key(group_id: &str) -> Bytes {
    encode(GROUP_KEY_TYPE, 0, &GroupMetadataKey { group: group_id.to_owned() })
}

pub(super) fn read_group_key(key: Bytes) -> Result<GroupKey, RecordError> {
    let mut from = Decoder::new(key);
    match from.i16()? {
        0 | OFFSET_KEY_TYPE => {
            let key = OffsetCommitKey::decode(&mut from, 0)?;
            let partition = TopicPartition::new(key.topic, key.partition);
            Ok(GroupKey::Offset { group_id: key.group, partition })
        }
        GROUP_KEY_TYPE => Ok(GroupKey::Group { group_id: GroupMetadataKey::decode(&mut from, 0)?.group }),
        other => {
            let kind = Kind::ALL.into_iter().find(|kind| kind.key_type() == other);
            let kind = kind.ok_or(RecordError::UnknownType(other))?;
            let (group_id, member_id) = consumer_record::read_key(kind, &mut from)?;
            Ok(GroupKey::Consumer { group_id, kind, member_id })
        }
    }
}

pub(super) fn read_offset(value: Bytes) -> Result<CommittedOffset, RecordError> {
    let value: OffsetCommitValue = decode(value)?;
    Ok(CommittedOffset {
        offset: value.offset,
        leader_epoch: value.leader_epoch,
        metadata: value.metadata,
        topic_id: value.topic_id,
        committed_ms: value.commit_timestamp,
        expires_ms: Some(value.expire_timestamp).filter(|expires_ms| *expires_ms >= 0),
    })
}

pub(super) fn read_group(group_id: String, value: Bytes) -> Result<StoredGroup, RecordError> {
    let value: GroupMetadataValue = decode(value)?;
    let member = |member: MemberMetadata| StoredMember {
        member_id: member.member_id,
        instance_id: member.group_instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        session_timeout_ms: member.session_timeout,
        // Version 0 had one timeout for both.
        rebalance_timeout_ms: if member.rebalance_timeout < 0 {
            member.session_timeout
        } else {
            member.rebalance_timeout
        },
        subscription: member.subscription,
        assignment: member.assignment,
    };
    Ok(StoredGroup {
        group_id,
        protocol_type: value.protocol_type,
        generation: value.generation,
        protocol: value.protocol,
        leader: value.leader,
        state_since_ms: Some(value.current_state_timestamp).filter(|since_ms| *since_ms >= 0),
        members: value.members.into_iter().map(member).collect(),
    })
}

/// The topics of a consumer's subscription, as JoinGroup carries it for the protocol type "consumer"; `None` if it
/// can't be read.
pub fn subscribed_topics(subscription: &Bytes) -> Option<Vec<String>> {
    Some(self::subscription(subscription)?.topics.into_iter().collect())
}

/// What a consumer's subscription tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) topics: BTreeSet<String>,
    pub(super) owned: Vec<(String, Vec<i32>)>,
    pub(super) rack_id: Option<String>,
}

/// `None` if it can't be read.
pub(super) fn subscription(metadata: &Bytes) -> Option<Subscription> {
    let mut from = Decoder::new(metadata.clone());
    let version = from.i16().ok()?;
    // Newer versions only add fields at the end.
    let version =
        version.clamp(ConsumerProtocolSubscription::MIN_VERSION, ConsumerProtocolSubscription::MAX_VERSION);
    let read = ConsumerProtocolSubscription::decode(&mut from, version).ok()?;
    let owned = read.owned_partitions.into_iter().map(|owned| (owned.topic, owned.partitions));
    Some(Subscription {
        topics: read.topics.into_iter().collect(),
        owned: owned.collect(),
        rack_id: read.rack_id,
    })
}

/// The version in which a consumer wrote its subscription, and reads its assignment.
pub(super) fn version_of(metadata: &Bytes) -> i16 {
    Decoder::new(metadata.clone()).i16().unwrap_or(0)
}

/// An assignment as SyncGroup carries it for the protocol type "consumer".
pub(super) fn consumer_assignment(version: i16, topics: Vec<(String, Vec<i32>)>) -> Bytes {
    let version =
        version.clamp(ConsumerProtocolAssignment::MIN_VERSION, ConsumerProtocolAssignment::MAX_VERSION);
    let assigned = topics.into_iter().map(|(topic, partitions)| AssignedTopicPartition { topic, partitions });
    let value = ConsumerProtocolAssignment { assigned_partitions: assigned.collect(), ..Default::default() };
    encode(version, version, &value)
}

/// Partitions by topic; `None` if it can't be read.
pub(super) fn read_consumer_assignment(assignment: &Bytes) -> Option<Vec<(String, Vec<i32>)>> {
    let mut from = Decoder::new(assignment.clone());
    let version = from.i16().ok()?;
    let version =
        version.clamp(ConsumerProtocolAssignment::MIN_VERSION, ConsumerProtocolAssignment::MAX_VERSION);
    let read = ConsumerProtocolAssignment::decode(&mut from, version).ok()?;
    Some(read.assigned_partitions.into_iter().map(|topic| (topic.topic, topic.partitions)).collect())
}

pub(super) fn transaction_record(transactional_id: &str, metadata: &TransactionMetadata) -> LogRecord {
    let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in &metadata.partitions {
        by_topic.entry(&partition.topic).or_default().push(partition.partition);
    }
    let partitions = by_topic
        .into_iter()
        .map(|(topic, partition_ids)| PartitionsSchema { topic: topic.to_owned(), partition_ids });
    let value = TransactionLogValue {
        producer_id: metadata.producer_id,
        previous_producer_id: metadata.previous_producer_id.unwrap_or(-1),
        next_producer_id: metadata.next_producer_id.unwrap_or(-1),
        producer_epoch: metadata.producer_epoch,
        transaction_timeout_ms: metadata.timeout_ms,
        transaction_status: metadata.state.id(),
        transaction_partitions: (metadata.state != TransactionState::Empty).then(|| partitions.collect()),
        transaction_last_update_timestamp_ms: metadata.updated_ms,
        transaction_start_timestamp_ms: metadata.started_ms.unwrap_or(-1),
        client_transaction_version: metadata.client_version,
        ..TransactionLogValue::default()
    };
    let version = TransactionLogValue::MAX_VERSION;
    LogRecord { key: transaction_key(transactional_id), value: Some(encode(version, version, &value)) }
}

pub(super) fn transaction_tombstone(transactional_id: &str) -> LogRecord {
    LogRecord { key: transaction_key(transactional_id), value: None }
}

fn transaction_key(transactional_id: &str) -> Bytes {
    let key = TransactionLogKey { transactional_id: transactional_id.to_owned() };
    encode(TRANSACTION_KEY_TYPE, 0, &key)
}

/// The transactional id that a key of `__transaction_state` names.
pub(super) fn read_transaction_key(key: Bytes) -> Result<String, RecordError> {
    let mut from = Decoder::new(key);
    match from.i16()? {
        TRANSACTION_KEY_TYPE => Ok(TransactionLogKey::decode(&mut from, 0)?.transactional_id),
        other => Err(RecordError::UnknownType(other)),
    }
}

pub(super) fn read_transaction(value: Bytes) -> Result<TransactionMetadata, RecordError> {
    let value: TransactionLogValue = decode(value)?;
    let id = |id: i64| Some(id).filter(|id| *id >= 0);
    let partitions = value.transaction_partitions.unwrap_or_default().into_iter().flat_map(|topic| {
        let PartitionsSchema { topic, partition_ids } = topic;
        partition_ids.into_iter().map(move |partition| TopicPartition::new(topic.clone(), partition))
    });
    Ok(TransactionMetadata {
        producer_id: value.producer_id,
        previous_producer_id: id(value.previous_producer_id),
        next_producer_id: id(value.next_producer_id),
        producer_epoch: value.producer_epoch,
        previous_epoch: None,
        timeout_ms: value.transaction_timeout_ms,
        state: TransactionState::from_id(value.transaction_status)
            .ok_or(RecordError::UnknownState(value.transaction_status))?,
        partitions: partitions.collect(),
        updated_ms: value.transaction_last_update_timestamp_ms,
        started_ms: id(value.transaction_start_timestamp_ms),
        client_version: value.client_transaction_version,
    })
}

pub(super) fn encode(prefix: i16, version: i16, message: &impl Message) -> Bytes {
    let mut to = Encoder::new();
    to.i16(prefix);
    message.encode(&mut to, version).expect("ids are bounded when they come in");
    to.into_bytes()
}

pub(super) fn decode<M: Message>(value: Bytes) -> Result<M, RecordError> {
    let mut from = Decoder::new(value);
    let version = from.i16()?;
    Ok(M::decode(&mut from, version)?)
}
