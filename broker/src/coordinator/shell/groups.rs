//! The group coordinators as the API layer asks them: one method per operation.

use futures_util::future::join_all;

use millstream_protocol::Uuid;

use super::shard::{Core, Replayed, Step};
use super::{Coordinators, Unavailable};
use crate::coordinator::group::{
    Commit, Committed, ConsumerDescription, ConsumerHeartbeat, ConsumerHeartbeatAnswer,
    ConsumerHeartbeatError, DeleteGroupError, DeletedOffsets, Effect, FetchOffsetError, FetchedOffsets,
    GroupCoordinator, GroupDescription, GroupListing, Heartbeat, HeartbeatError, Join, JoinRefused, Joined,
    LeaveError, LeavingMember, Reply, Sync, SyncError, Synced, TransactionalCommit,
};
use crate::coordinator::log_record::RecordError;
use crate::coordinator::{AppendError, AppendId, Outcome, Producer, TopicPartition};

/// Takes the one kind of reply that an operation has.
macro_rules! expect_reply {
    ($reply:expr, $kind:ident) => {
        match $reply {
            Reply::$kind(result) => Ok(result),
            other => unreachable!("the coordinator answers in kind, got {other:?}"),
        }
    };
}

impl Coordinators {
    pub(crate) async fn join_group(&self, join: Join) -> Result<Result<Joined, JoinRefused>, Unavailable> {
        let shard = self.groups.owner_of(&join.group_id)?;
        let topics = self.surroundings.topics();
        let work = move |core: &mut GroupCoordinator, now_ms, request| {
            core.know_topics(topics);
            core.join(now_ms, request, &join)
        };
        expect_reply!(shard.ask(work).await?, Join)
    }

    pub(crate) async fn sync_group(&self, sync: Sync) -> Result<Result<Synced, SyncError>, Unavailable> {
        let shard = self.groups.owner_of(&sync.group_id)?;
        let reply = shard.ask(move |core, now_ms, request| core.sync(now_ms, request, sync)).await?;
        expect_reply!(reply, Sync)
    }

    pub(crate) async fn heartbeat(
        &self,
        heartbeat: Heartbeat,
    ) -> Result<Result<(), HeartbeatError>, Unavailable> {
        let shard = self.groups.owner_of(&heartbeat.group_id)?;
        let topics = self.surroundings.topics();
        let work = move |core: &mut GroupCoordinator, now_ms, request| {
            core.know_topics(topics);
            core.heartbeat(now_ms, request, &heartbeat)
        };
        expect_reply!(shard.ask(work).await?, Heartbeat)
    }

    pub(crate) async fn consumer_heartbeat(
        &self,
        heartbeat: ConsumerHeartbeat,
    ) -> Result<Result<ConsumerHeartbeatAnswer, ConsumerHeartbeatError>, Unavailable> {
        let shard = self.groups.owner_of(&heartbeat.group_id)?;
        let topics = self.surroundings.topics();
        let work = move |core: &mut GroupCoordinator, now_ms, request| {
            core.know_topics(topics);
            core.consumer_heartbeat(now_ms, request, heartbeat)
        };
        expect_reply!(shard.ask(work).await?, ConsumerHeartbeat)
    }

    pub(crate) async fn describe_consumer_group(
        &self,
        group_id: String,
    ) -> Result<Option<ConsumerDescription>, Unavailable> {
        let shard = self.groups.owner_of(&group_id)?;
        shard.look(move |core, _| core.describe_consumer(&group_id)).await
    }

    /// Whether somebody may read a group's offsets as this member.
    pub(crate) async fn check_fetch(
        &self,
        group_id: String,
        member_id: Option<String>,
        epoch: i32,
    ) -> Result<Result<(), FetchOffsetError>, Unavailable> {
        let shard = self.groups.owner_of(&group_id)?;
        shard.look(move |core, _| core.check_fetch(&group_id, member_id.as_deref(), epoch)).await
    }

    pub(crate) async fn leave_group(
        &self,
        group_id: String,
        members: Vec<LeavingMember>,
    ) -> Result<Result<Vec<Result<(), LeaveError>>, LeaveError>, Unavailable> {
        let shard = self.groups.owner_of(&group_id)?;
        let reply =
            shard.ask(move |core, now_ms, request| core.leave(now_ms, request, &group_id, &members)).await?;
        expect_reply!(reply, Leave)
    }

    pub(crate) async fn commit_offsets(&self, commit: Commit) -> Result<Committed, Unavailable> {
        let shard = self.groups.owner_of(&commit.group_id)?;
        let reply = shard.ask(move |core, now_ms, request| core.commit(now_ms, request, commit)).await?;
        expect_reply!(reply, Commit)
    }

    /// The caller has made the group's partition part of the transaction, or has verified that it is.
    pub(crate) async fn commit_offsets_in_transaction(
        &self,
        commit: TransactionalCommit,
    ) -> Result<Committed, Unavailable> {
        let shard = self.groups.owner_of(&commit.commit.group_id)?;
        let work = move |core: &mut GroupCoordinator, now_ms, request| {
            core.commit_in_transaction(now_ms, request, commit)
        };
        expect_reply!(shard.ask(work).await?, Commit)
    }

    pub(crate) async fn fetch_offsets(
        &self,
        group_id: String,
        partitions: Option<Vec<TopicPartition>>,
        require_stable: bool,
    ) -> Result<FetchedOffsets, Unavailable> {
        let shard = self.groups.owner_of(&group_id)?;
        shard.look(move |core, _| core.fetch_offsets(&group_id, partitions.as_deref(), require_stable)).await
    }

    pub(crate) async fn describe_group(
        &self,
        group_id: String,
    ) -> Result<Option<GroupDescription>, Unavailable> {
        let shard = self.groups.owner_of(&group_id)?;
        shard.look(move |core, _| core.describe(&group_id)).await
    }

    /// Every group on this node. A coordinator that is still loading makes the list incomplete, and so an error.
    pub(crate) async fn list_groups(&self) -> Result<Vec<GroupListing>, Unavailable> {
        let shards = self.groups.all();
        let lists =
            join_all(shards.iter().map(|shard| shard.look(|core, _| core.list().collect::<Vec<_>>())));
        lists.await.into_iter().try_fold(Vec::new(), |mut all, list| {
            all.extend(list?);
            Ok(all)
        })
    }

    pub(crate) async fn delete_group(
        &self,
        group_id: String,
    ) -> Result<Result<(), DeleteGroupError>, Unavailable> {
        let shard = self.groups.owner_of(&group_id)?;
        let reply = shard.ask(move |core, _, request| core.delete_group(request, &group_id)).await?;
        expect_reply!(reply, DeleteGroup)
    }

    pub(crate) async fn delete_offsets(
        &self,
        group_id: String,
        partitions: Vec<TopicPartition>,
    ) -> Result<DeletedOffsets, Unavailable> {
        let shard = self.groups.owner_of(&group_id)?;
        let work = move |core: &mut GroupCoordinator, _, request| {
            core.delete_offsets(request, &group_id, &partitions)
        };
        expect_reply!(shard.ask(work).await?, DeleteOffsets)
    }

    /// The topic is gone: so are the offsets that groups committed for it.
    pub(crate) async fn topic_deleted(&self, topic: &str, topic_id: Uuid) {
        for shard in self.groups.all() {
            let topic = topic.to_owned();
            // A coordinator that stops now leaves offsets behind that nobody is told any more: they carry the topic's
            // id, and expire like others.
            shard.tell(move |core, _| core.topic_deleted(&topic, topic_id)).await.ok();
        }
    }
}

impl Core for GroupCoordinator {
    type Effect = Effect;
    type Reply = Reply;

    fn step(effect: Effect) -> Step<Reply> {
        match effect {
            Effect::Reply { request, reply } => Step::Reply(request, reply),
            Effect::Append { append, producer, records } => Step::Append { append, producer, records },
        }
    }

    fn replay(&mut self, replayed: Replayed) -> Result<(), RecordError> {
        match replayed {
            Replayed::Record { offset, producer_id, key, value } => {
                GroupCoordinator::replay(self, offset, producer_id, key, value)
            }
            Replayed::Marker { producer_id, outcome } => {
                GroupCoordinator::transaction_ended(self, producer_id, outcome);
                Ok(())
            }
        }
    }

    fn loaded(&mut self, now_ms: i64) -> Vec<Effect> {
        GroupCoordinator::loaded(self, now_ms)
    }

    fn next_deadline_ms(&self) -> Option<i64> {
        GroupCoordinator::next_deadline_ms(self)
    }

    fn tick(&mut self, now_ms: i64) -> Vec<Effect> {
        GroupCoordinator::tick(self, now_ms)
    }

    fn sweep(&mut self, now_ms: i64) -> Vec<Effect> {
        self.expire_offsets(now_ms)
    }

    fn appended(&mut self, now_ms: i64, append: AppendId, outcome: Result<i64, AppendError>) -> Vec<Effect> {
        GroupCoordinator::appended(self, now_ms, append, outcome)
    }

    fn transaction_ended(&mut self, producer_id: i64, outcome: Outcome) {
        GroupCoordinator::transaction_ended(self, producer_id, outcome);
    }

    fn marker_reported(&mut self, _: i64, _: &str, _: Producer, _: &TopicPartition, _: bool) -> Vec<Effect> {
        // Groups ask for no markers.
        Vec::new()
    }
}
