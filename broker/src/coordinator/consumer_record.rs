//! The records of next-generation groups in `__consumer_offsets`, encoded beside decoded: Kafka's types 3 and 5 to 8.

use std::collections::BTreeMap;

use bytes::Bytes;
use millstream_protocol::messages::{
    ClassicMemberMetadata, ClassicProtocol, ConsumerGroupCurrentMemberAssignmentKey,
    ConsumerGroupCurrentMemberAssignmentTopicPartitions, ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue, ConsumerGroupTargetAssignmentMemberKey,
    ConsumerGroupTargetAssignmentMemberTopicPartition, ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue,
};
use millstream_protocol::{Decoder, Message};

use super::LogRecord;
use super::group::{Assignment, ClassicMember, ConsumerMember, Protocol, Reconciliation};
use super::log_record::{RecordError, decode, encode};

/// What a record of a group holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The group's epoch.
    Group,
    /// A member as it describes itself.
    Member,
    /// The epoch of the target.
    TargetEpoch,
    /// A member's target.
    Target,
    /// What a member has.
    Current,
}

impl Kind {
    pub(super) const ALL: [Kind; 5] =
        [Kind::Group, Kind::Member, Kind::TargetEpoch, Kind::Target, Kind::Current];

    pub(super) fn key_type(self) -> i16 {
        match self {
            Kind::Group => 3,
            Kind::Member => 5,
            Kind::TargetEpoch => 6,
            Kind::Target => 7,
            Kind::Current => 8,
        }
    }
}

/// What the members' records of the kind [`Kind::Current`] hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Current {
    pub(super) epoch: i32,
    pub(super) previous_epoch: i32,
    pub(super) state: Reconciliation,
    pub(super) assigned: Assignment,
    pub(super) revoking: Assignment,
}

/// One record; no value takes it away. The member id counts only where the record is a member's.
pub(super) fn record(group_id: &str, kind: Kind, member_id: &str, value: Option<Bytes>) -> LogRecord {
    let (group_id, member_id) = (group_id.to_owned(), member_id.to_owned());
    let key = match kind {
        Kind::Group => encode(kind.key_type(), 0, &ConsumerGroupMetadataKey { group_id }),
        Kind::TargetEpoch => {
            encode(kind.key_type(), 0, &ConsumerGroupTargetAssignmentMetadataKey { group_id })
        }
        Kind::Member => encode(kind.key_type(), 0, &ConsumerGroupMemberMetadataKey { group_id, member_id }),
        Kind::Target => {
            encode(kind.key_type(), 0, &ConsumerGroupTargetAssignmentMemberKey { group_id, member_id })
        }
        Kind::Current => {
            encode(kind.key_type(), 0, &ConsumerGroupCurrentMemberAssignmentKey { group_id, member_id })
        }
    };
    LogRecord { key, value }
}

/// Group and member id of a key whose type is read already.
pub(super) fn read_key(kind: Kind, from: &mut Decoder) -> Result<(String, String), RecordError> {
    Ok(match kind {
        Kind::Group => (ConsumerGroupMetadataKey::decode(from, 0)?.group_id, String::new()),
        Kind::TargetEpoch => {
            (ConsumerGroupTargetAssignmentMetadataKey::decode(from, 0)?.group_id, String::new())
        }
        Kind::Member => {
            let key = ConsumerGroupMemberMetadataKey::decode(from, 0)?;
            (key.group_id, key.member_id)
        }
        Kind::Target => {
            let key = ConsumerGroupTargetAssignmentMemberKey::decode(from, 0)?;
            (key.group_id, key.member_id)
        }
        Kind::Current => {
            let key = ConsumerGroupCurrentMemberAssignmentKey::decode(from, 0)?;
            (key.group_id, key.member_id)
        }
    })
}

pub(super) fn group_value(epoch: i32, metadata_hash: i64) -> Bytes {
    encode(0, 0, &ConsumerGroupMetadataValue { epoch, metadata_hash })
}

pub(super) fn read_group(value: Bytes) -> Result<(i32, i64), RecordError> {
    let value: ConsumerGroupMetadataValue = decode(value)?;
    Ok((value.epoch, value.metadata_hash))
}

pub(super) fn member_value(member: &ConsumerMember) -> Bytes {
    let classic = member.classic.as_ref().map(|classic| ClassicMemberMetadata {
        session_timeout_ms: classic.session_timeout_ms,
        supported_protocols: classic
            .protocols
            .iter()
            .map(|offered| ClassicProtocol { name: offered.name.clone(), metadata: offered.metadata.clone() })
            .collect(),
    });
    let value = ConsumerGroupMemberMetadataValue {
        instance_id: member.instance_id.clone(),
        rack_id: member.rack_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        subscribed_topic_names: member.topics.iter().cloned().collect(),
        subscribed_topic_regex: member.regex.clone(),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        server_assignor: member.assignor.clone(),
        classic_member_metadata: classic,
    };
    encode(0, 0, &value)
}

/// A member without what it has.
pub(super) fn read_member(value: Bytes) -> Result<ConsumerMember, RecordError> {
    let value: ConsumerGroupMemberMetadataValue = decode(value)?;
    let classic = value.classic_member_metadata.map(|classic| ClassicMember {
        session_timeout_ms: classic.session_timeout_ms,
        protocols: classic
            .supported_protocols
            .into_iter()
            .map(|offered| Protocol { name: offered.name, metadata: offered.metadata })
            .collect(),
    });
    Ok(ConsumerMember {
        instance_id: value.instance_id,
        rack_id: value.rack_id,
        client_id: value.client_id,
        client_host: value.client_host,
        topics: value.subscribed_topic_names.into_iter().collect(),
        regex: value.subscribed_topic_regex,
        rebalance_timeout_ms: value.rebalance_timeout_ms,
        assignor: value.server_assignor,
        classic,
        ..ConsumerMember::default()
    })
}

pub(super) fn target_epoch_value(epoch: i32) -> Bytes {
    let value = ConsumerGroupTargetAssignmentMetadataValue { assignment_epoch: epoch, ..Default::default() };
    encode(0, 0, &value)
}

pub(super) fn read_target_epoch(value: Bytes) -> Result<i32, RecordError> {
    Ok(decode::<ConsumerGroupTargetAssignmentMetadataValue>(value)?.assignment_epoch)
}

pub(super) fn target_value(target: &Assignment) -> Bytes {
    let topic_partitions = target
        .iter()
        .map(|(topic_id, partitions)| ConsumerGroupTargetAssignmentMemberTopicPartition {
            topic_id: *topic_id,
            partitions: partitions.iter().copied().collect(),
        })
        .collect();
    encode(0, 0, &ConsumerGroupTargetAssignmentMemberValue { topic_partitions })
}

pub(super) fn read_target(value: Bytes) -> Result<Assignment, RecordError> {
    let value: ConsumerGroupTargetAssignmentMemberValue = decode(value)?;
    Ok(value
        .topic_partitions
        .into_iter()
        .map(|topic| (topic.topic_id, topic.partitions.into_iter().collect()))
        .collect())
}

pub(super) fn current_value(member: &ConsumerMember) -> Bytes {
    let topics = |assignment: &Assignment| {
        let topic = |(topic_id, partitions): (&_, &std::collections::BTreeSet<i32>)| {
            ConsumerGroupCurrentMemberAssignmentTopicPartitions {
                topic_id: *topic_id,
                partitions: partitions.iter().copied().collect(),
                ..Default::default()
            }
        };
        assignment.iter().map(topic).collect()
    };
    let value = ConsumerGroupCurrentMemberAssignmentValue {
        member_epoch: member.epoch,
        previous_member_epoch: member.previous_epoch,
        state: member.state.id(),
        assigned_partitions: topics(&member.assigned),
        partitions_pending_revocation: topics(&member.revoking),
    };
    encode(0, 0, &value)
}

pub(super) fn read_current(value: Bytes) -> Result<Current, RecordError> {
    let value: ConsumerGroupCurrentMemberAssignmentValue = decode(value)?;
    let assignment = |topics: Vec<ConsumerGroupCurrentMemberAssignmentTopicPartitions>| -> Assignment {
        let mut assignment = BTreeMap::new();
        for topic in topics {
            assignment.insert(topic.topic_id, topic.partitions.into_iter().collect());
        }
        assignment
    };
    Ok(Current {
        epoch: value.member_epoch,
        previous_epoch: value.previous_member_epoch,
        state: Reconciliation::from_id(value.state).ok_or(RecordError::UnknownState(value.state))?,
        assigned: assignment(value.assigned_partitions),
        revoking: assignment(value.partitions_pending_revocation),
    })
}
