//! Consumer groups and committed offsets: one [`GroupCoordinator`] per partition of `__consumer_offsets`.
//!
//! Follows Kafka's classic group protocol: KIP-394 (member id required), KIP-345 (static members), KIP-814 (leader
//! skips an assignment it knows), KIP-134 (initial delay), KIP-211 (offset expiry), KIP-447 (transactional offsets
//! with member fencing), KIP-496 (offset delete). Next-generation groups (KIP-848) are in `consumer`.
//!
//! Every request goes in with the time and a [`RequestId`]; what has to happen comes out as [`Effect`]s. Whatever a
//! client is told to be durable is answered only when the owner reports its append with
//! [`GroupCoordinator::appended`].

mod admin;
mod commit;
mod consumer;
mod deadline;
mod error;
mod join;
mod member;
mod membership;
mod offsets;
mod rebalance;
mod replay;
mod state;
mod sync;
mod topics;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::timers::Timers;
use super::{AppendError, AppendId, LogRecord, Producer, RequestId, TopicPartition};
use deadline::Deadline;
use state::Group;

pub use admin::{DescribedMember, GroupDescription, GroupListing};
pub use commit::{Commit, CommitItem, TransactionalCommit};
pub use consumer::{
    Assignment, Assignor, ConsumerDescription, ConsumerHeartbeat, ConsumerHeartbeatAnswer,
    ConsumerHeartbeatError, DescribedConsumer, Migration, Reconciliation,
};
pub(crate) use consumer::{ClassicMember, Member as ConsumerMember};
pub use error::{
    CommitError, DeleteGroupError, DeleteOffsetError, FetchOffsetError, HeartbeatError, JoinError,
    LeaveError, SyncError,
};
pub use join::{Join, JoinRefused, Joined, JoinedMember, Protocol};
pub use membership::{Heartbeat, LeavingMember};
pub use offsets::CommittedOffset;
pub(crate) use replay::{StoredGroup, StoredMember};
pub use state::State;
pub use sync::{Sync, Synced};
pub use topics::{Topic, Topics};

/// Bounds and delays of every group on this node, named after Kafka's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`
    pub max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: i64,
    /// `group.max.size`
    pub max_size: usize,
    /// `offset.metadata.max.bytes`
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`, in milliseconds
    pub offsets_retention_ms: i64,
    /// How long a member may wait in its first join: it has no id yet and cannot send heartbeats.
    pub new_member_join_timeout_ms: i64,
    /// `group.consumer.session.timeout.ms`
    pub consumer_session_timeout_ms: i32,
    /// `group.consumer.heartbeat.interval.ms`
    pub consumer_heartbeat_interval_ms: i32,
    /// `group.consumer.max.size`
    pub consumer_max_size: usize,
    /// `group.consumer.assignors`; the first is the one of members that name none.
    pub consumer_assignors: Vec<Assignor>,
    /// `group.consumer.migration.policy`
    pub consumer_migration: Migration,
}

impl Default for GroupConfig {
    fn default() -> Self {
        GroupConfig {
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            max_size: i32::MAX as usize,
            offset_metadata_max_bytes: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            new_member_join_timeout_ms: 300_000,
            consumer_session_timeout_ms: 45_000,
            consumer_heartbeat_interval_ms: 5_000,
            consumer_max_size: i32::MAX as usize,
            consumer_assignors: Assignor::ALL.to_vec(),
            consumer_migration: Migration::default(),
        }
    }
}

/// What the owner of a coordinator has to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Answer a request that is waiting.
    Reply { request: RequestId, reply: Reply },
    /// Append to the coordinator's partition as one batch (transactional if a producer is named), then report it.
    Append { append: AppendId, producer: Option<Producer>, records: Vec<LogRecord> },
}

/// Per-partition results of a commit.
pub type Committed = Vec<(TopicPartition, Result<(), CommitError>)>;
/// Per-partition results of an offset fetch; `None` where nothing is committed.
pub type FetchedOffsets = Vec<(TopicPartition, Result<Option<CommittedOffset>, FetchOffsetError>)>;
/// Per-partition results of deleting offsets, or one reason for all.
pub type DeletedOffsets = Result<Vec<(TopicPartition, Result<(), DeleteOffsetError>)>, DeleteOffsetError>;

/// The answer to one request. Per-item results keep the order of the request.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Join(Result<Joined, JoinRefused>),
    Sync(Result<Synced, SyncError>),
    Heartbeat(Result<(), HeartbeatError>),
    Leave(Result<Vec<Result<(), LeaveError>>, LeaveError>),
    Commit(Committed),
    DeleteGroup(Result<(), DeleteGroupError>),
    DeleteOffsets(DeletedOffsets),
    ConsumerHeartbeat(Result<ConsumerHeartbeatAnswer, ConsumerHeartbeatError>),
}

/// The groups of one partition of `__consumer_offsets`: rebuilt by `replay`, opened by `loaded`, then served.
#[derive(Debug)]
pub struct GroupCoordinator {
    config: GroupConfig,
    topics: Arc<dyn Topics>,
    groups: BTreeMap<String, Group>,
    timers: Timers<Deadline>,
    outbox: Outbox,
    /// Groups that hold pending offsets of a producer's open transaction.
    groups_by_producer: BTreeMap<i64, BTreeSet<String>>,
}

impl GroupCoordinator {
    pub fn new(config: GroupConfig) -> GroupCoordinator {
        GroupCoordinator {
            config,
            topics: Arc::new(topics::NoTopics),
            groups: BTreeMap::new(),
            timers: Timers::default(),
            outbox: Outbox::default(),
            groups_by_producer: BTreeMap::new(),
        }
    }

    /// Tells which topics there are, before a request that may need to know; the newest news count.
    pub fn know_topics(&mut self, topics: Arc<dyn Topics>) {
        if topics.version() >= self.topics.version() {
            self.topics = topics;
        }
    }

    /// When `tick` has something to do next.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.timers.next_deadline_ms()
    }

    /// Carries out every deadline that is due: session timeouts, rebalance and sync timeouts.
    pub fn tick(&mut self, now_ms: i64) -> Vec<Effect> {
        while let Some(deadline) = self.timers.pop_due(now_ms) {
            if let Some((group, mut context)) = self.open(now_ms, deadline.group_id()) {
                group.expire(&mut context, &deadline);
            }
        }
        self.outbox.drain()
    }

    /// Reports an append; outcomes come in the order of the `Append` effects, with the first record's offset.
    pub fn appended(
        &mut self,
        now_ms: i64,
        append: AppendId,
        outcome: Result<i64, AppendError>,
    ) -> Vec<Effect> {
        let Some(pending) = self.outbox.pending.remove(&append) else { return Vec::new() };
        match pending {
            Pending::Assignment { group_id, generation, assignments } => {
                if let Some((group, mut context)) = self.open(now_ms, &group_id) {
                    group.assignment_appended(&mut context, append, generation, assignments, outcome);
                }
            }
            Pending::StaticMember { group_id, member_id, joined } => {
                if let Some((group, mut context)) = self.open(now_ms, &group_id) {
                    group.static_member_appended(&mut context, &member_id, joined, outcome);
                }
            }
            Pending::Emptied => {}
            Pending::Consumer { group_id } => {
                if let Some((group, mut context)) = self.open(now_ms, &group_id) {
                    group.consumer_appended(&mut context, append, outcome);
                }
            }
            Pending::Commit(commit) => self.commit_appended(commit, outcome),
            Pending::DeleteGroup { request, group_id } => self.delete_appended(request, &group_id, outcome),
            Pending::DeleteOffsets { request, group_id, results } => {
                self.delete_offsets_appended(request, &group_id, results, outcome);
            }
            Pending::Expired { group_id, partitions } => {
                self.expired_appended(&group_id, &partitions, outcome)
            }
        }
        self.outbox.drain()
    }

    fn open(&mut self, now_ms: i64, group_id: &str) -> Option<(&mut Group, Context<'_>)> {
        let group = self.groups.get_mut(group_id)?;
        let context = Context {
            now_ms,
            config: &self.config,
            topics: &self.topics,
            timers: &mut self.timers,
            outbox: &mut self.outbox,
        };
        Some((group, context))
    }
}

/// What a group needs while it handles one event.
struct Context<'a> {
    now_ms: i64,
    config: &'a GroupConfig,
    topics: &'a Arc<dyn Topics>,
    timers: &'a mut Timers<Deadline>,
    outbox: &'a mut Outbox,
}

/// Effects not handed out yet, and what to do when their appends come back.
#[derive(Debug, Default)]
struct Outbox {
    effects: Vec<Effect>,
    pending: BTreeMap<AppendId, Pending>,
    appends: u64,
}

impl Outbox {
    fn reply(&mut self, request: RequestId, reply: Reply) {
        self.effects.push(Effect::Reply { request, reply });
    }

    fn append(&mut self, producer: Option<Producer>, records: Vec<LogRecord>, pending: Pending) -> AppendId {
        self.appends += 1;
        let append = AppendId(self.appends);
        self.pending.insert(append, pending);
        self.effects.push(Effect::Append { append, producer, records });
        append
    }

    fn drain(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}

/// What follows an append. Memory changes only here, so that a failed append leaves nothing behind.
#[derive(Debug)]
enum Pending {
    Assignment {
        group_id: String,
        generation: i32,
        assignments: BTreeMap<String, Bytes>,
    },
    StaticMember {
        group_id: String,
        member_id: String,
        joined: Joined,
    },
    /// The last member left: nobody waits, and a lost record costs one generation number.
    Emptied,
    /// A next-generation group's new state.
    Consumer {
        group_id: String,
    },
    Commit(commit::PendingCommit),
    DeleteGroup {
        request: RequestId,
        group_id: String,
    },
    DeleteOffsets {
        request: RequestId,
        group_id: String,
        results: Vec<(TopicPartition, Result<(), DeleteOffsetError>)>,
    },
    Expired {
        group_id: String,
        partitions: Vec<TopicPartition>,
    },
}
