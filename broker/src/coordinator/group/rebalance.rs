//! From one generation to the next: who starts it, who is waited for, when it is complete.

use super::deadline::Deadline;
use super::state::{Group, InitialDelay, State};
use super::{Context, JoinError, JoinRefused, Pending, Reply, SyncError};

impl Group {
    /// The membership changed: starts a rebalance, or completes the one that runs if this was all it waited for.
    pub(super) fn rebalance_or_complete(&mut self, context: &mut Context<'_>) {
        match self.state {
            State::Empty | State::Stable | State::CompletingRebalance => self.prepare_rebalance(context),
            State::PreparingRebalance => self.complete_join_if_all_joined(context),
            State::Dead | State::Assigning | State::Reconciling => {}
        }
    }

    fn prepare_rebalance(&mut self, context: &mut Context<'_>) {
        self.refuse_waiting_syncs(context, SyncError::Rebalance);
        self.assignment_append = None;
        context.timers.cancel(&Deadline::Sync { group_id: self.id.clone() });
        let was_empty = self.state == State::Empty;
        self.enter(State::PreparingRebalance, context.now_ms);
        let timeout_ms = self.rebalance_timeout_ms();
        if was_empty && context.config.initial_rebalance_delay_ms > 0 {
            let step_ms = context.config.initial_rebalance_delay_ms;
            let remaining_ms = (timeout_ms - step_ms).max(0);
            self.initial_delay = Some(InitialDelay { step_ms, remaining_ms, another_joined: false });
            self.schedule_join(context, step_ms);
            return;
        }
        self.schedule_join(context, timeout_ms);
        self.complete_join_if_all_joined(context);
    }

    fn schedule_join(&self, context: &mut Context<'_>, delay_ms: i64) {
        context.timers.set(Deadline::Join { group_id: self.id.clone() }, context.now_ms + delay_ms);
    }

    pub(super) fn complete_join_if_all_joined(&mut self, context: &mut Context<'_>) {
        let all_joined = self.members.values().all(|member| member.waiting_join.is_some());
        let waits_for_more = self.initial_delay.is_some() && !self.members.is_empty();
        let complete = all_joined && self.pending_members.is_empty() && !waits_for_more;
        if self.state == State::PreparingRebalance && complete {
            self.complete_join(context);
        }
    }

    /// The time to join is over: extends the initial delay if somebody came, or goes on with who is there.
    pub(super) fn join_phase_timed_out(&mut self, context: &mut Context<'_>) {
        if self.state != State::PreparingRebalance {
            return;
        }
        if let Some(delay) = self.initial_delay
            && delay.another_joined
            && delay.remaining_ms > 0
        {
            let step_ms = context.config.initial_rebalance_delay_ms.min(delay.remaining_ms);
            let remaining_ms = (delay.remaining_ms - delay.step_ms).max(0);
            self.initial_delay = Some(InitialDelay { step_ms, remaining_ms, another_joined: false });
            self.schedule_join(context, step_ms);
            return;
        }
        self.complete_join(context);
    }

    fn complete_join(&mut self, context: &mut Context<'_>) {
        context.timers.cancel(&Deadline::Join { group_id: self.id.clone() });
        self.initial_delay = None;
        // Static members keep their place until their session ends; others had their time to come back.
        let absent: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| member.waiting_join.is_none() && member.instance_id.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        for member_id in &absent {
            self.remove_member(context, member_id);
        }
        if self.members.is_empty() {
            self.become_empty(context);
        } else if self.elect_leader() {
            self.begin_generation(context);
        } else {
            // Only static members that are away: nobody can assign, so wait for one of them.
            self.schedule_join(context, self.rebalance_timeout_ms());
        }
    }

    /// The leader has to be somebody who joined this time.
    fn elect_leader(&mut self) -> bool {
        let leads = |group: &Group, id: &String| {
            group.members.get(id).is_some_and(|member| member.waiting_join.is_some())
        };
        if self.leader.as_ref().is_some_and(|id| leads(self, id)) {
            return true;
        }
        match self.members.keys().find(|id| leads(self, id)).cloned() {
            Some(joined) => {
                self.leader = Some(joined);
                true
            }
            None => false,
        }
    }

    fn become_empty(&mut self, context: &mut Context<'_>) {
        self.generation = next_generation(self.generation);
        self.protocol = None;
        self.leader = None;
        self.pending_sync.clear();
        self.enter(State::Empty, context.now_ms);
        let record = self.record();
        context.outbox.append(None, vec![record], Pending::Emptied);
    }

    fn begin_generation(&mut self, context: &mut Context<'_>) {
        self.generation = next_generation(self.generation);
        self.protocol = self.select_protocol();
        self.enter(State::CompletingRebalance, context.now_ms);
        self.pending_sync.clear();
        let member_ids: Vec<String> = self.members.keys().cloned().collect();
        for member_id in member_ids {
            let joined = self.joined(&member_id);
            let Some(member) = self.members.get_mut(&member_id) else { continue };
            // A static member that is away stays in the group and hears of the generation when it returns.
            let Some(request) = member.waiting_join.take() else { continue };
            member.is_new = false;
            let timeout_ms = i64::from(member.session_timeout_ms);
            context.outbox.reply(request, Reply::Join(Ok(joined)));
            self.schedule_heartbeat(context, &member_id, timeout_ms);
            self.pending_sync.insert(member_id);
        }
        let deadline_ms = context.now_ms + self.rebalance_timeout_ms();
        context.timers.set(Deadline::Sync { group_id: self.id.clone() }, deadline_ms);
    }

    /// Takes members out and lets the rest rebalance.
    pub(super) fn remove_and_rebalance(&mut self, context: &mut Context<'_>, member_ids: &[String]) {
        for member_id in member_ids {
            self.remove_member(context, member_id);
        }
        if self.state != State::Empty {
            self.rebalance_or_complete(context);
        }
    }

    fn remove_member(&mut self, context: &mut Context<'_>, member_id: &str) {
        let Some(member) = self.members.remove(member_id) else { return };
        if let Some(request) = member.waiting_join {
            let refused = JoinRefused { error: JoinError::UnknownMember, member_id: String::new() };
            context.outbox.reply(request, Reply::Join(Err(refused)));
        }
        if let Some(request) = member.waiting_sync {
            context.outbox.reply(request, Reply::Sync(Err(SyncError::UnknownMember)));
        }
        self.cancel_heartbeat(context, member_id);
        self.pending_sync.remove(member_id);
        if let Some(instance_id) = &member.instance_id
            && self.static_members.get(instance_id).is_some_and(|owner| owner == member_id)
        {
            self.static_members.remove(instance_id);
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
    }
}

/// Generations count from 1 and start again there: negative numbers mean "no generation" on the wire.
fn next_generation(generation: i32) -> i32 {
    generation.checked_add(1).unwrap_or(1)
}
