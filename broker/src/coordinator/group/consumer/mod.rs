//! Next-generation consumer groups (KIP-848): the coordinator assigns, members only tell what they want and have.
//!
//! A group is a value. What comes in is worked on a copy; the records that tell the copy from the original are
//! appended, and only when they are durable does the copy take the original's place and is anybody answered. What comes
//! in meanwhile waits and is then taken together, so that many members cost few appends. Left out: rack-aware
//! assignment, assignors of the client's own.

mod assignor;
mod classic;
mod describe;
mod error;
mod group;
mod heartbeat;
mod member;
mod migration;
mod records;

use std::collections::VecDeque;

use super::deadline::Deadline;
use super::replay::StoredGroup;
use super::state::Group;
use super::{
    Context, Effect, GroupCoordinator, Heartbeat, HeartbeatError, Join, JoinError, JoinRefused, LeaveError,
    LeavingMember, Outbox, Pending, Reply, Sync, SyncError,
};
use crate::coordinator::{AppendError, AppendId, LogRecord, RequestId, log_record};
use heartbeat::{JOIN_EPOCH, Step};

pub use assignor::{Assignment, Assignor};
pub use describe::{ConsumerDescription, DescribedConsumer};
pub use error::ConsumerHeartbeatError;
pub(crate) use group::ConsumerGroup;
pub use heartbeat::{ConsumerHeartbeat, ConsumerHeartbeatAnswer};
pub use member::Reconciliation;
pub(crate) use member::{ClassicMember, Member};
pub use migration::Migration;
pub(super) use records::tombstones;

/// What may wait for one group's append; beyond, clients are told to come back.
const WAITING_MAX: usize = 10_000;

/// A deadline whose consequences could not be made durable falls due again after this.
const ENDED_AGAIN_MS: i64 = 1_000;

/// The next-generation side of a group.
#[derive(Debug, Default)]
pub(super) struct Consumer {
    /// As the log has it.
    pub(super) current: ConsumerGroup,
    /// Whether the log has it at all; otherwise it comes from nothing or from a classic group.
    is_stored: bool,
    staged: Option<Staged>,
    waiting: VecDeque<Event>,
}

/// A state on its way to the disk, and who is answered when it is there.
#[derive(Debug)]
struct Staged {
    append: AppendId,
    next: Next,
    answers: Vec<(RequestId, Reply)>,
}

#[derive(Debug)]
enum Next {
    Consumer(ConsumerGroup),
    /// The last member of the new protocol is gone.
    Classic(StoredGroup, ConsumerGroup),
}

/// What happens to a next-generation group.
#[derive(Debug)]
pub(super) enum Event {
    Heartbeat(RequestId, ConsumerHeartbeat),
    Join(RequestId, Join),
    Sync(RequestId, Sync),
    ClassicHeartbeat(RequestId, Heartbeat),
    Leave(RequestId, Vec<LeavingMember>),
    SessionEnded(String),
    PatienceEnded(String),
}

impl Consumer {
    pub(super) fn stored() -> Consumer {
        Consumer { is_stored: true, ..Consumer::default() }
    }

    /// Nothing is on its way.
    pub(super) fn is_at_rest(&self) -> bool {
        self.is_stored && self.staged.is_none() && self.waiting.is_empty()
    }
}

impl GroupCoordinator {
    /// One heartbeat of a member of a next-generation group; joining and leaving are heartbeats too.
    pub fn consumer_heartbeat(
        &mut self,
        now_ms: i64,
        request: RequestId,
        heartbeat: ConsumerHeartbeat,
    ) -> Vec<Effect> {
        if let Err(error) = heartbeat.check(&self.config) {
            self.outbox.refuse_consumer(request, error);
            return self.outbox.drain();
        }
        let group_id = heartbeat.group_id.clone();
        if heartbeat.epoch == JOIN_EPOCH && !self.groups.contains_key(&group_id) {
            self.groups.insert(group_id.clone(), Group::new(&group_id));
        }
        match self.open(now_ms, &group_id) {
            Some((group, mut context)) => group.consumer_heartbeat(&mut context, request, heartbeat),
            None => self.outbox.refuse_consumer(request, ConsumerHeartbeatError::UnknownMember),
        }
        self.outbox.drain()
    }
}

impl Outbox {
    fn refuse_consumer(&mut self, request: RequestId, error: ConsumerHeartbeatError) {
        self.reply(request, Reply::ConsumerHeartbeat(Err(error)));
    }
}

impl Group {
    fn consumer_heartbeat(
        &mut self,
        context: &mut Context<'_>,
        request: RequestId,
        heartbeat: ConsumerHeartbeat,
    ) {
        if let Some(answer) = self.plain_answer(context, &heartbeat) {
            context.outbox.reply(request, Reply::ConsumerHeartbeat(Ok(answer)));
            return;
        }
        if self.consumer.is_none() {
            if heartbeat.epoch != JOIN_EPOCH {
                context.outbox.refuse_consumer(request, ConsumerHeartbeatError::UnknownMember);
                return;
            }
            if !self.is_settled() {
                context.outbox.refuse_consumer(request, ConsumerHeartbeatError::Changing);
                return;
            }
            let Some(current) = self.upgraded(context.config, &**context.topics) else {
                context.outbox.refuse_consumer(request, ConsumerHeartbeatError::ClassicGroup);
                return;
            };
            self.consumer = Some(Consumer { current, ..Consumer::default() });
        }
        self.consumer_event(context, Event::Heartbeat(request, heartbeat));
    }

    /// Takes something in; the group must be a next-generation one.
    pub(super) fn consumer_event(&mut self, context: &mut Context<'_>, event: Event) {
        let Some(consumer) = &mut self.consumer else { return };
        if consumer.waiting.len() >= WAITING_MAX {
            event.refuse(context.outbox, AppendError::NotEnoughReplicas);
            return;
        }
        consumer.waiting.push_back(event);
        self.work(context);
    }

    /// Works through what waits, as far as that needs no append that is not durable yet.
    fn work(&mut self, context: &mut Context<'_>) {
        let (config, topics) = (context.config, &**context.topics);
        let Some(consumer) = self.consumer.as_mut().filter(|consumer| consumer.staged.is_none()) else {
            return;
        };
        if consumer.waiting.is_empty() {
            return;
        }
        let current = std::mem::take(&mut consumer.current);
        let mut step = Step::new(&current, config, topics);
        let mut downgrade = None;
        while let Some(event) = consumer.waiting.pop_front() {
            step.take(event);
            if config.consumer_migration.allows_downgrade()
                && step.next.is_all_classic()
                && !current.is_all_classic()
            {
                downgrade = step.next.downgraded(&self.id, step.topics, context.now_ms);
                if downgrade.is_some() {
                    break;
                }
            }
        }
        let Step { next, answers, heard, patience_ms, .. } = step;
        let is_stored = consumer.is_stored;
        let had_record = !is_stored && self.protocol_type.is_some();
        let records = match &downgrade {
            Some(stored) => records_of_downgrade(&self.id, &current, stored),
            None if !is_stored && next == current => Vec::new(),
            None => {
                let tombstone = had_record.then(|| log_record::group_tombstone(&self.id));
                let before = is_stored.then_some(&current);
                tombstone.into_iter().chain(records::changes(&self.id, before, &next)).collect()
            }
        };
        for member_id in heard.iter().filter(|id| next.members.contains_key(*id)) {
            let session_ms = session_ms(context, &next, member_id);
            self.schedule_heartbeat(context, member_id, session_ms);
        }
        for (member_id, patience_ms) in patience_ms {
            self.be_patient(context, member_id, patience_ms);
        }
        let Some(consumer) = &mut self.consumer else { return };
        if records.is_empty() {
            // What differs is not worth a record: which topics patterns match.
            consumer.current = next;
            let gives_up = !is_stored;
            answers.into_iter().for_each(|(request, reply)| context.outbox.reply(request, reply));
            if gives_up {
                self.consumer = None;
            }
            return;
        }
        consumer.current = current;
        let pending = Pending::Consumer { group_id: self.id.clone() };
        let append = context.outbox.append(None, records, pending);
        let next = match downgrade {
            Some(stored) => Next::Classic(stored, next),
            None => Next::Consumer(next),
        };
        consumer.staged = Some(Staged { append, next, answers });
    }

    /// A state is durable, or is not.
    pub(super) fn consumer_appended(
        &mut self,
        context: &mut Context<'_>,
        append: AppendId,
        outcome: Result<i64, AppendError>,
    ) {
        let Some(consumer) = &mut self.consumer else { return };
        let Some(Staged { next, answers, .. }) = consumer.staged.take_if(|staged| staged.append == append)
        else {
            return;
        };
        if let Err(error) = outcome {
            answers
                .into_iter()
                .for_each(|(request, reply)| context.outbox.reply(request, reply.failed(error)));
            if consumer.is_stored {
                // Deadlines that this step carried out are spent: they begin anew.
                self.consumer_loaded(context);
                self.work(context);
            } else {
                self.stay_classic(context, error);
            }
            return;
        }
        let was_stored = std::mem::replace(&mut consumer.is_stored, true);
        match next {
            Next::Consumer(next) => {
                let before = std::mem::replace(&mut consumer.current, next);
                if !was_stored {
                    self.forget_classic(context);
                }
                self.forget_timers(context, &before);
                answers.into_iter().for_each(|(request, reply)| context.outbox.reply(request, reply));
                self.work(context);
            }
            Next::Classic(stored, from) => {
                let waiting = std::mem::take(&mut consumer.waiting);
                answers.into_iter().for_each(|(request, reply)| context.outbox.reply(request, reply));
                self.become_classic(context, stored, &from);
                for event in waiting {
                    event.refuse(context.outbox, AppendError::NotEnoughReplicas);
                }
            }
        }
    }

    /// The group could not become a next-generation one: what it was before goes on.
    fn stay_classic(&mut self, context: &mut Context<'_>, error: AppendError) {
        let waiting = self.consumer.take().map(|consumer| consumer.waiting).unwrap_or_default();
        for event in waiting {
            if let Event::SessionEnded(member_id) = &event {
                self.schedule_heartbeat(context, member_id, ENDED_AGAIN_MS);
            }
            event.refuse(context.outbox, error);
        }
        if !self.members.is_empty() {
            self.rebalance_or_complete(context);
        }
    }

    fn be_patient(&self, context: &mut Context<'_>, member_id: String, patience_ms: Option<i64>) {
        let key = Deadline::Revocation { group_id: self.id.clone(), member_id };
        match patience_ms {
            Some(patience_ms) => context.timers.set(key, context.now_ms + patience_ms),
            None => context.timers.cancel(&key),
        }
    }

    /// Members that went need no timers any more; new classic ones from a migration need theirs.
    fn forget_timers(&self, context: &mut Context<'_>, before: &ConsumerGroup) {
        let Some(consumer) = &self.consumer else { return };
        for member_id in before.members.keys().filter(|id| !consumer.current.members.contains_key(*id)) {
            self.cancel_heartbeat(context, member_id);
            self.be_patient(context, member_id.clone(), None);
        }
    }

    /// Sessions and what members were told to do begin anew: nobody could say anything while this was loaded.
    pub(super) fn consumer_loaded(&self, context: &mut Context<'_>) {
        let Some(consumer) = &self.consumer else { return };
        for (member_id, member) in &consumer.current.members {
            let session_ms = session_ms(context, &consumer.current, member_id);
            self.schedule_heartbeat(context, member_id, session_ms);
            if member.classic.is_none() && member.state == Reconciliation::Revoking {
                self.be_patient(context, member_id.clone(), Some(i64::from(member.rebalance_timeout_ms)));
            }
        }
    }
}

fn session_ms(context: &Context<'_>, group: &ConsumerGroup, member_id: &str) -> i64 {
    let classic = group.members.get(member_id).and_then(|member| member.classic.as_ref());
    i64::from(
        classic.map_or(context.config.consumer_session_timeout_ms, |classic| classic.session_timeout_ms),
    )
}

fn records_of_downgrade(group_id: &str, current: &ConsumerGroup, stored: &StoredGroup) -> Vec<LogRecord> {
    let mut records = tombstones(group_id, current);
    records.push(log_record::group_record(stored));
    records
}

impl Step<'_> {
    fn take(&mut self, event: Event) {
        match event {
            Event::Heartbeat(request, heartbeat) => self.heartbeat(request, &heartbeat),
            Event::Join(request, join) => self.join(request, &join),
            Event::Sync(request, sync) => self.sync(request, &sync),
            Event::ClassicHeartbeat(request, heartbeat) => self.classic_heartbeat(request, &heartbeat),
            Event::Leave(request, members) => self.leave_classic(request, &members),
            Event::SessionEnded(member_id) => {
                if !self.heard.contains(&member_id) {
                    self.next.remove(&member_id);
                }
            }
            Event::PatienceEnded(member_id) => {
                let overdue = self.next.members.get(&member_id).is_some_and(|member| {
                    member.classic.is_some() || member.state == Reconciliation::Revoking
                });
                if overdue {
                    self.next.remove(&member_id);
                }
            }
        }
    }
}

impl Event {
    /// Answers whoever waits with an error that makes it come back.
    fn refuse(self, outbox: &mut Outbox, error: AppendError) {
        match self {
            Event::Heartbeat(request, _) => outbox.refuse_consumer(request, error.into()),
            Event::Join(request, join) => {
                let refused = JoinRefused { error: JoinError::Append(error), member_id: join.member_id };
                outbox.reply(request, Reply::Join(Err(refused)));
            }
            Event::Sync(request, _) => outbox.reply(request, Reply::Sync(Err(SyncError::Rebalance))),
            Event::ClassicHeartbeat(request, _) => {
                outbox.reply(request, Reply::Heartbeat(Err(HeartbeatError::Rebalance)));
            }
            Event::Leave(request, members) => {
                let results = vec![Err(LeaveError::UnknownMember); members.len()];
                outbox.reply(request, Reply::Leave(Ok(results)));
            }
            Event::SessionEnded(_) | Event::PatienceEnded(_) => {}
        }
    }
}

impl Reply {
    /// The same request's answer when what it tells could not be made durable.
    fn failed(self, error: AppendError) -> Reply {
        match self {
            Reply::ConsumerHeartbeat(Ok(_)) => Reply::ConsumerHeartbeat(Err(error.into())),
            Reply::Join(Ok(joined)) => {
                let refused = JoinRefused { error: JoinError::Append(error), member_id: joined.member_id };
                Reply::Join(Err(refused))
            }
            Reply::Sync(Ok(_)) => Reply::Sync(Err(SyncError::Append(error))),
            // A member that leaves does not ask again: its session ends.
            other => other,
        }
    }
}
