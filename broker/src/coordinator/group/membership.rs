//! Heartbeat and LeaveGroup: how a member shows that it is there, and how it goes.

use super::consumer::Event;
use super::state::{Group, State};
use super::{Context, Effect, GroupCoordinator, HeartbeatError, LeaveError, Reply};
use crate::coordinator::RequestId;

/// One Heartbeat request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    pub group_id: String,
    pub member_id: String,
    pub instance_id: Option<String>,
    pub generation: i32,
}

/// One member of a LeaveGroup request: by member id, or by instance id alone (an administrator's way).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeavingMember {
    pub member_id: String,
    pub instance_id: Option<String>,
}

impl GroupCoordinator {
    /// Keeps a member's session alive and tells it about a rebalance.
    pub fn heartbeat(&mut self, now_ms: i64, request: RequestId, heartbeat: &Heartbeat) -> Vec<Effect> {
        let result = if heartbeat.group_id.is_empty() {
            Err(HeartbeatError::InvalidGroupId)
        } else {
            match self.open(now_ms, &heartbeat.group_id) {
                Some((group, mut context)) if group.consumer.is_some() => {
                    group.consumer_event(&mut context, Event::ClassicHeartbeat(request, heartbeat.clone()));
                    return self.outbox.drain();
                }
                Some((group, mut context)) => group.heartbeat(&mut context, heartbeat),
                None => Err(HeartbeatError::UnknownMember),
            }
        };
        self.outbox.reply(request, Reply::Heartbeat(result));
        self.outbox.drain()
    }

    /// Takes members out at once instead of waiting for their sessions to end. One result per member.
    pub fn leave(
        &mut self,
        now_ms: i64,
        request: RequestId,
        group_id: &str,
        members: &[LeavingMember],
    ) -> Vec<Effect> {
        let result = if group_id.is_empty() {
            Err(LeaveError::InvalidGroupId)
        } else {
            match self.open(now_ms, group_id) {
                Some((group, mut context)) if group.consumer.is_some() => {
                    group.consumer_event(&mut context, Event::Leave(request, members.to_vec()));
                    return self.outbox.drain();
                }
                Some((group, mut context)) => Ok(group.leave(&mut context, members)),
                None => Ok(vec![Err(LeaveError::UnknownMember); members.len()]),
            }
        };
        self.outbox.reply(request, Reply::Leave(result));
        self.outbox.drain()
    }
}

impl Group {
    fn heartbeat(&mut self, context: &mut Context<'_>, heartbeat: &Heartbeat) -> Result<(), HeartbeatError> {
        self.check_member(&heartbeat.member_id, heartbeat.instance_id.as_deref())?;
        if heartbeat.generation != self.generation {
            return Err(HeartbeatError::IllegalGeneration);
        }
        self.renew_session(context, &heartbeat.member_id);
        match self.state {
            State::PreparingRebalance => Err(HeartbeatError::Rebalance),
            // A member may send heartbeats between its join and its assignment.
            State::CompletingRebalance | State::Stable => Ok(()),
            State::Empty | State::Dead | State::Assigning | State::Reconciling => {
                Err(HeartbeatError::UnknownMember)
            }
        }
    }

    /// The member was heard of.
    pub(super) fn renew_session(&self, context: &mut Context<'_>, member_id: &str) {
        if let Some(member) = self.members.get(member_id) {
            self.schedule_heartbeat(context, member_id, i64::from(member.session_timeout_ms));
        }
    }

    fn leave(&mut self, context: &mut Context<'_>, members: &[LeavingMember]) -> Vec<Result<(), LeaveError>> {
        let mut gone = Vec::new();
        let mut results = Vec::with_capacity(members.len());
        let mut pending_left = false;
        for leaving in members {
            if leaving.instance_id.is_none() && self.pending_members.remove(&leaving.member_id) {
                self.cancel_heartbeat(context, &leaving.member_id);
                pending_left = true;
                results.push(Ok(()));
                continue;
            }
            let found = self.find_leaving(leaving);
            if let Ok(member_id) = &found {
                gone.push(member_id.clone());
            }
            results.push(found.map(|_| ()));
        }
        if !gone.is_empty() {
            self.remove_and_rebalance(context, &gone);
        } else if pending_left {
            self.complete_join_if_all_joined(context);
        }
        results
    }

    fn find_leaving(&self, leaving: &LeavingMember) -> Result<String, LeaveError> {
        let instance_id = leaving.instance_id.as_deref();
        if leaving.member_id.is_empty() {
            let owner = instance_id.and_then(|instance_id| self.static_members.get(instance_id));
            return owner.cloned().ok_or(LeaveError::UnknownMember);
        }
        self.check_member(&leaving.member_id, instance_id)?;
        Ok(leaving.member_id.clone())
    }
}
