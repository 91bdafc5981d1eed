//! Consuming as a member of a group: partitions are shared out among the members, offsets are committed.
//!
//! The classic protocol: the member elected leader runs the assignor. [`GroupConsumer::poll`] drives joining, so that a
//! caller can commit between losing a partition and giving it up; heartbeats run in the background.

mod assignor;
mod blobs;
mod committed;
mod election;
mod heartbeat;
mod join;
mod member;

use std::time::Duration;

use millstream_protocol::ErrorCode;

pub(crate) use blobs::assignment_partitions;
pub(crate) use committed::{by_topic, fetch_committed, store_committed};
pub use election::{Election, ElectionConfig, Lease, Seat};
pub use member::GroupConsumer;

use crate::connection::CallError;
use crate::consumer::{ConsumeError, ConsumerConfig, Fetched};
use crate::metadata::MetadataError;
use crate::topic::TopicPartition;

/// How the leader shares partitions out. The group uses one that all members list. Members keep their partitions during a
/// rebalance only if all that they list are cooperative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// Consecutive partitions of each topic; all members give everything up on a rebalance.
    Range,
    /// Keeps what members have and moves as little as balance needs (KIP-429): only moved partitions pause.
    CooperativeSticky,
}

/// Settings of a group member.
#[derive(Debug, Clone)]
pub struct GroupConfig {
    pub group_id: String,
    /// Set for a static member (KIP-345): it may restart within `session_timeout` without a rebalance.
    pub instance_id: Option<String>,
    pub assignors: Vec<Assignor>,
    pub session_timeout: Duration,
    pub heartbeat_interval: Duration,
    /// How long members have to rejoin; also the longest pause between polls before this member leaves by itself.
    pub rebalance_timeout: Duration,
    /// Commit positions of polled records by this interval, on revocation and on close; `None` leaves it to the caller.
    pub auto_commit: Option<Duration>,
    pub consumer: ConsumerConfig,
}

impl GroupConfig {
    /// The times of Kafka's own clients, cooperative rebalancing, no automatic commits.
    pub fn new(group_id: impl Into<String>) -> Self {
        GroupConfig {
            group_id: group_id.into(),
            instance_id: None,
            assignors: vec![Assignor::CooperativeSticky],
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            rebalance_timeout: Duration::from_secs(300),
            auto_commit: None,
            consumer: ConsumerConfig::default(),
        }
    }
}

/// Who a member is at the moment, for offsets inside transactions (KIP-447).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMetadata {
    pub group_id: String,
    /// −1 outside a group.
    pub generation: i32,
    pub member_id: String,
    pub instance_id: Option<String>,
}

impl GroupMetadata {
    /// A group used only to keep offsets, without members.
    pub fn simple(group_id: impl Into<String>) -> Self {
        GroupMetadata {
            group_id: group_id.into(),
            generation: -1,
            member_id: String::new(),
            instance_id: None,
        }
    }
}

/// What a poll brought.
#[derive(Debug)]
pub enum GroupPoll {
    Records(Fetched),
    /// A new generation: these partitions are read from now on, besides those already assigned. May be empty.
    Assigned(Vec<TopicPartition>),
    /// These partitions will be given up at the next poll: commit now.
    Revoked(Vec<TopicPartition>),
    /// These partitions are gone already, perhaps to another member: their positions must not be committed.
    Lost(Vec<TopicPartition>),
    /// Nothing within the time given.
    Idle,
}

/// Why a group operation failed. Rebalances and lost coordinators are handled inside.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GroupError {
    #[error("{attempt} in group \"{group_id}\" was refused: {code}")]
    Refused { attempt: &'static str, group_id: String, code: ErrorCode },
    #[error(
        "commit in group \"{group_id}\" came too late: its partitions may belong to another member by now; poll to rejoin"
    )]
    Rebalanced { group_id: String },
    #[error("another member took over the instance id \"{instance_id}\" of group \"{group_id}\"")]
    Fenced { group_id: String, instance_id: String },
    #[error("{attempt} in group \"{group_id}\" got no answer: {source}")]
    Call { attempt: &'static str, group_id: String, source: CallError },
    #[error("group \"{group_id}\" sent an assignment that cannot be read: {reason}")]
    BadAssignment { group_id: String, reason: String },
    #[error("topics of group \"{group_id}\" cannot be looked up: {source}")]
    Topics { group_id: String, source: MetadataError },
    #[error("group \"{group_id}\" has no committed offset for {place}; commit one, or set an offset reset")]
    NoOffset { group_id: String, place: TopicPartition },
    #[error("joining group \"{group_id}\" was interrupted: {reason}")]
    Interrupted { group_id: String, reason: String },
    #[error(transparent)]
    Consume(#[from] ConsumeError),
}
