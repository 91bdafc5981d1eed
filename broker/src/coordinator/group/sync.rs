//! SyncGroup: the leader's assignment goes in, everyone's part comes out once it is durable.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::consumer::Event;
use super::deadline::Deadline;
use super::state::{Group, State};
use super::{Context, Effect, GroupCoordinator, Pending, Reply, SyncError};
use crate::coordinator::{AppendError, AppendId, RequestId};

/// One SyncGroup request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sync {
    pub group_id: String,
    pub member_id: String,
    pub instance_id: Option<String>,
    pub generation: i32,
    /// Request version 5 and above: what the member takes the group to use.
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    /// From the leader: member id and its part. Empty from everyone else.
    pub assignments: Vec<(String, Bytes)>,
}

/// A member's part of the assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    pub assignment: Bytes,
}

impl GroupCoordinator {
    /// Asks for a member's assignment, or gives the leader's. The answer comes when it is durable.
    pub fn sync(&mut self, now_ms: i64, request: RequestId, sync: Sync) -> Vec<Effect> {
        if sync.group_id.is_empty() {
            self.outbox.reply(request, Reply::Sync(Err(SyncError::InvalidGroupId)));
            return self.outbox.drain();
        }
        match self.open(now_ms, &sync.group_id) {
            Some((group, mut context)) if group.consumer.is_some() => {
                group.consumer_event(&mut context, Event::Sync(request, sync));
            }
            Some((group, mut context)) => group.sync(&mut context, request, sync),
            None => self.outbox.reply(request, Reply::Sync(Err(SyncError::UnknownMember))),
        }
        self.outbox.drain()
    }
}

impl Group {
    fn sync(&mut self, context: &mut Context<'_>, request: RequestId, sync: Sync) {
        if let Err(error) = self.check_sync(&sync) {
            context.outbox.reply(request, Reply::Sync(Err(error)));
            return;
        }
        self.pending_sync.remove(&sync.member_id);
        let Some(member) = self.members.get_mut(&sync.member_id) else { return };
        if self.state == State::Stable {
            let timeout_ms = i64::from(member.session_timeout_ms);
            let synced = self.synced(&sync.member_id);
            context.outbox.reply(request, Reply::Sync(Ok(synced)));
            self.schedule_heartbeat(context, &sync.member_id, timeout_ms);
            return;
        }
        if let Some(older) = member.waiting_sync.replace(request) {
            context.outbox.reply(older, Reply::Sync(Err(SyncError::Rebalance)));
        }
        if self.is_leader(&sync.member_id) && self.assignment_append.is_none() {
            self.store_assignment(context, sync.assignments);
        }
    }

    fn check_sync(&self, sync: &Sync) -> Result<(), SyncError> {
        self.check_member(&sync.member_id, sync.instance_id.as_deref())?;
        if sync.generation != self.generation {
            return Err(SyncError::IllegalGeneration);
        }
        let differs = |asked: &Option<String>, ours: &Option<String>| asked.is_some() && asked != ours;
        if differs(&sync.protocol_type, &self.protocol_type) || differs(&sync.protocol, &self.protocol) {
            return Err(SyncError::InconsistentProtocol);
        }
        match self.state {
            State::CompletingRebalance | State::Stable => Ok(()),
            State::PreparingRebalance => Err(SyncError::Rebalance),
            State::Empty | State::Dead | State::Assigning | State::Reconciling => {
                Err(SyncError::UnknownMember)
            }
        }
    }

    fn store_assignment(&mut self, context: &mut Context<'_>, assignments: Vec<(String, Bytes)>) {
        let mut given: BTreeMap<String, Bytes> = assignments.into_iter().collect();
        let assignments: BTreeMap<String, Bytes> =
            self.members.keys().map(|id| (id.clone(), given.remove(id).unwrap_or_default())).collect();
        let record = self.record_with(|id, _| assignments.get(id).cloned().unwrap_or_default());
        let pending =
            Pending::Assignment { group_id: self.id.clone(), generation: self.generation, assignments };
        self.assignment_append = Some(context.outbox.append(None, vec![record], pending));
    }

    pub(super) fn assignment_appended(
        &mut self,
        context: &mut Context<'_>,
        append: AppendId,
        generation: i32,
        assignments: BTreeMap<String, Bytes>,
        outcome: Result<i64, AppendError>,
    ) {
        // A rebalance that began meanwhile made this assignment void.
        let current = self.assignment_append == Some(append) && self.generation == generation;
        if !current || self.state != State::CompletingRebalance {
            return;
        }
        self.assignment_append = None;
        if let Err(error) = outcome {
            self.refuse_waiting_syncs(context, error.into());
            self.rebalance_or_complete(context);
            return;
        }
        for (member_id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&member_id) {
                member.assignment = assignment;
            }
        }
        self.enter(State::Stable, context.now_ms);
        self.answer_waiting_syncs(context);
    }

    fn answer_waiting_syncs(&mut self, context: &mut Context<'_>) {
        let member_ids: Vec<String> = self.members.keys().cloned().collect();
        for member_id in member_ids {
            let synced = self.synced(&member_id);
            let Some(member) = self.members.get_mut(&member_id) else { continue };
            let Some(request) = member.waiting_sync.take() else { continue };
            let timeout_ms = i64::from(member.session_timeout_ms);
            context.outbox.reply(request, Reply::Sync(Ok(synced)));
            self.schedule_heartbeat(context, &member_id, timeout_ms);
        }
        if self.pending_sync.is_empty() {
            context.timers.cancel(&Deadline::Sync { group_id: self.id.clone() });
        }
    }

    fn synced(&self, member_id: &str) -> Synced {
        let assignment = self.members.get(member_id).map(|member| member.assignment.clone());
        Synced {
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: assignment.unwrap_or_default(),
        }
    }
}
