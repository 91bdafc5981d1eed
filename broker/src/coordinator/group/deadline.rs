//! What can fall due in a group.

use super::consumer::Event;
use super::state::{Group, State};
use super::{Context, Reply, SyncError};

/// The key of one timer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deadline {
    /// The join phase has lasted long enough.
    Join { group_id: String },
    /// Members that got their generation did not all ask for their assignment.
    Sync { group_id: String },
    /// A member, or an id handed out by KIP-394, was silent for its session timeout.
    Heartbeat { group_id: String, member_id: String },
    /// A member of a next-generation group did not do in time what it was told: give back, rejoin or sync.
    Revocation { group_id: String, member_id: String },
}

impl Deadline {
    pub(super) fn group_id(&self) -> &str {
        match self {
            Deadline::Join { group_id }
            | Deadline::Sync { group_id }
            | Deadline::Heartbeat { group_id, .. }
            | Deadline::Revocation { group_id, .. } => group_id,
        }
    }
}

impl Group {
    pub(super) fn expire(&mut self, context: &mut Context<'_>, deadline: &Deadline) {
        if self.consumer.is_some() {
            match deadline {
                Deadline::Heartbeat { member_id, .. } => {
                    self.consumer_event(context, Event::SessionEnded(member_id.clone()));
                }
                Deadline::Revocation { member_id, .. } => {
                    self.consumer_event(context, Event::PatienceEnded(member_id.clone()));
                }
                // Of the classic group that it was.
                Deadline::Join { .. } | Deadline::Sync { .. } => {}
            }
            return;
        }
        match deadline {
            Deadline::Revocation { .. } => {}
            Deadline::Join { .. } => self.join_phase_timed_out(context),
            Deadline::Sync { .. } => self.expire_pending_sync(context),
            Deadline::Heartbeat { member_id, .. } => self.expire_heartbeat(context, member_id),
        }
    }

    /// (Re)starts a member's session.
    pub(super) fn schedule_heartbeat(&self, context: &mut Context<'_>, member_id: &str, timeout_ms: i64) {
        let key = Deadline::Heartbeat { group_id: self.id.clone(), member_id: member_id.to_owned() };
        context.timers.set(key, context.now_ms + timeout_ms);
    }

    pub(super) fn cancel_heartbeat(&self, context: &mut Context<'_>, member_id: &str) {
        let key = Deadline::Heartbeat { group_id: self.id.clone(), member_id: member_id.to_owned() };
        context.timers.cancel(&key);
    }

    fn expire_heartbeat(&mut self, context: &mut Context<'_>, member_id: &str) {
        if self.pending_members.remove(member_id) {
            self.complete_join_if_all_joined(context);
            return;
        }
        let Some(member) = self.members.get(member_id) else { return };
        // A known member that waits for its group is alive; its session restarts with the answer.
        let waits = !member.is_new && (member.waiting_join.is_some() || member.waiting_sync.is_some());
        if !waits {
            self.remove_and_rebalance(context, &[member_id.to_owned()]);
        }
    }

    fn expire_pending_sync(&mut self, context: &mut Context<'_>) {
        let late: Vec<String> = self.pending_sync.iter().cloned().collect();
        if late.is_empty() || !matches!(self.state, State::CompletingRebalance | State::Stable) {
            return;
        }
        self.remove_and_rebalance(context, &late);
    }

    /// Answers everyone who waits for an assignment with an error; the assignment of this generation is void.
    pub(super) fn refuse_waiting_syncs(&mut self, context: &mut Context<'_>, error: SyncError) {
        let session_ms: Vec<(String, i64)> = self
            .members
            .iter_mut()
            .filter_map(|(id, member)| {
                let request = member.waiting_sync.take()?;
                context.outbox.reply(request, Reply::Sync(Err(error)));
                Some((id.clone(), i64::from(member.session_timeout_ms)))
            })
            .collect();
        for (member_id, timeout_ms) in session_ms {
            self.schedule_heartbeat(context, &member_id, timeout_ms);
        }
    }
}
