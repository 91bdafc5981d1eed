//! JoinGroup: how a member enters a group or its next generation.

use bytes::Bytes;

use super::consumer::Event;
use super::member::Member;
use super::state::{Group, State};
use super::{Context, Effect, GroupCoordinator, JoinError, Pending, Reply, SyncError};
use crate::coordinator::log_record::MAX_ID_BYTES;
use crate::coordinator::{AppendError, RequestId, subscribed_topics};

/// One JoinGroup request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    pub group_id: String,
    /// Empty for a member that has no id yet.
    pub member_id: String,
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub session_timeout_ms: i32,
    pub rebalance_timeout_ms: i32,
    pub protocol_type: String,
    /// In the member's order of preference.
    pub protocols: Vec<Protocol>,
    /// Request version 4 and above: the member must come back with the id that it is given (KIP-394).
    pub requires_member_id: bool,
    /// Request version 9 and above: a leader understands that it need not assign (KIP-814).
    pub supports_skipping_assignment: bool,
    /// A fresh UUID's text, from which a new member's id is made.
    pub fresh_id: String,
}

/// One way of assigning that a member offers, with its blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    pub name: String,
    pub metadata: Bytes,
}

/// A member's place in a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    pub member_id: String,
    pub generation: i32,
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    pub leader: String,
    pub skip_assignment: bool,
    /// Everyone in the group, for the leader only.
    pub members: Vec<JoinedMember>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    pub member_id: String,
    pub instance_id: Option<String>,
    pub metadata: Bytes,
}

/// A refusal, with the member id that the response has to carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRefused {
    pub error: JoinError,
    pub member_id: String,
}

impl GroupCoordinator {
    /// Joins a group. The answer comes when the generation is complete.
    pub fn join(&mut self, now_ms: i64, request: RequestId, join: &Join) -> Vec<Effect> {
        if let Err(error) = self.check_join(join) {
            self.outbox.refuse_join(request, error, &join.member_id);
            return self.outbox.drain();
        }
        if join.member_id.is_empty() && !self.groups.contains_key(&join.group_id) {
            let mut group = Group::new(&join.group_id);
            group.state_since_ms = Some(now_ms);
            self.groups.insert(join.group_id.clone(), group);
        }
        match self.open(now_ms, &join.group_id) {
            Some((group, mut context)) if group.consumer.is_some() => {
                group.consumer_event(&mut context, Event::Join(request, join.clone()));
            }
            Some((group, mut context)) => group.join(&mut context, request, join),
            None => self.outbox.refuse_join(request, JoinError::UnknownMember, &join.member_id),
        }
        self.outbox.drain()
    }

    fn check_join(&self, join: &Join) -> Result<(), JoinError> {
        if join.group_id.is_empty() || join.group_id.len() > MAX_ID_BYTES {
            return Err(JoinError::InvalidGroupId);
        }
        let allowed_ms = self.config.min_session_timeout_ms..=self.config.max_session_timeout_ms;
        if !allowed_ms.contains(&join.session_timeout_ms) {
            return Err(JoinError::InvalidSessionTimeout);
        }
        Ok(())
    }
}

impl super::Outbox {
    fn refuse_join(&mut self, request: RequestId, error: JoinError, member_id: &str) {
        let refused = JoinRefused { error, member_id: member_id.to_owned() };
        self.reply(request, Reply::Join(Err(refused)));
    }
}

impl Group {
    fn join(&mut self, context: &mut Context<'_>, request: RequestId, join: &Join) {
        if !self.has_room_for(&join.member_id, context.config.max_size) {
            if self.members.contains_key(&join.member_id) {
                self.remove_and_rebalance(context, std::slice::from_ref(&join.member_id));
            }
            self.pending_members.remove(&join.member_id);
            context.outbox.refuse_join(request, JoinError::GroupFull, "");
        } else if !self.supports(&join.protocol_type, &join.protocols) {
            context.outbox.refuse_join(request, JoinError::InconsistentProtocol, &join.member_id);
        } else if join.member_id.is_empty() {
            self.join_new(context, request, join);
        } else {
            self.join_known(context, request, join);
        }
    }

    /// `group.max.size` holds for newcomers; a rebalance admits the first ones that come back.
    fn has_room_for(&self, member_id: &str, max_size: usize) -> bool {
        match self.state {
            State::Empty | State::Dead | State::Assigning | State::Reconciling => true,
            State::PreparingRebalance => {
                let waits = self.members.get(member_id).is_some_and(|member| member.waiting_join.is_some());
                waits || self.waiting_join_count() < max_size
            }
            State::CompletingRebalance | State::Stable => {
                self.members.contains_key(member_id) || self.members.len() < max_size
            }
        }
    }

    fn join_new(&mut self, context: &mut Context<'_>, request: RequestId, join: &Join) {
        let prefix = join.instance_id.as_ref().unwrap_or(&join.client_id);
        let member_id = format!("{prefix}-{}", join.fresh_id);
        let static_owner = join.instance_id.as_ref().and_then(|instance| self.static_members.get(instance));
        if let Some(owner) = static_owner.cloned() {
            self.replace_static_member(context, request, join, &owner, member_id);
        } else if join.instance_id.is_none() && join.requires_member_id {
            self.schedule_heartbeat(context, &member_id, i64::from(join.session_timeout_ms));
            context.outbox.refuse_join(request, JoinError::MemberIdRequired, &member_id);
            self.pending_members.insert(member_id);
        } else {
            self.add_member(context, request, join, member_id);
        }
    }

    fn join_known(&mut self, context: &mut Context<'_>, request: RequestId, join: &Join) {
        if join.instance_id.is_none() && self.pending_members.contains(&join.member_id) {
            self.add_member(context, request, join, join.member_id.clone());
            return;
        }
        if let Err(fault) = self.check_member(&join.member_id, join.instance_id.as_deref()) {
            context.outbox.refuse_join(request, fault.into(), &join.member_id);
            return;
        }
        let same = self.members.get(&join.member_id).is_some_and(|member| member.protocols == join.protocols);
        let repeats = match self.state {
            State::PreparingRebalance => false,
            // The member joined this generation already, but did not hear the answer.
            State::CompletingRebalance => same,
            // A leader that joins again asks for a rebalance.
            State::Stable => same && !self.is_leader(&join.member_id),
            State::Empty | State::Dead | State::Assigning | State::Reconciling => {
                context.outbox.refuse_join(request, JoinError::UnknownMember, &join.member_id);
                return;
            }
        };
        if repeats {
            let joined = self.joined(&join.member_id);
            context.outbox.reply(request, Reply::Join(Ok(joined)));
        } else {
            self.update_member(context, request, join);
            self.rebalance_or_complete(context);
        }
    }

    fn add_member(&mut self, context: &mut Context<'_>, request: RequestId, join: &Join, member_id: String) {
        self.pending_members.remove(&member_id);
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        if self.leader.is_none() {
            self.leader = Some(member_id.clone());
        }
        if let Some(instance_id) = &join.instance_id {
            self.static_members.insert(instance_id.clone(), member_id.clone());
        }
        self.members.insert(member_id.clone(), Member::new(join, request));
        if let Some(delay) = &mut self.initial_delay {
            delay.another_joined = true;
        }
        // Its session timeout can't count yet: without the answer it has no id to send heartbeats with.
        self.schedule_heartbeat(context, &member_id, context.config.new_member_join_timeout_ms);
        self.rebalance_or_complete(context);
    }

    fn update_member(&mut self, context: &mut Context<'_>, request: RequestId, join: &Join) {
        let Some(member) = self.members.get_mut(&join.member_id) else { return };
        member.update(join);
        if let Some(older) = member.waiting_join.replace(request) {
            context.outbox.refuse_join(older, JoinError::Replaced, &join.member_id);
        }
    }

    /// A static member came back without its id: it takes its old place, and the old id is fenced (KIP-345).
    fn replace_static_member(
        &mut self,
        context: &mut Context<'_>,
        request: RequestId,
        join: &Join,
        old_id: &str,
        new_id: String,
    ) {
        let Some(mut member) = self.members.remove(old_id) else { return };
        if let Some(waiting) = member.waiting_join.take() {
            context.outbox.refuse_join(waiting, JoinError::FencedInstance, old_id);
        }
        if let Some(waiting) = member.waiting_sync.take() {
            context.outbox.reply(waiting, Reply::Sync(Err(SyncError::FencedInstance)));
        }
        self.cancel_heartbeat(context, old_id);
        let old_leader = self.leader.clone();
        if self.is_leader(old_id) {
            self.leader = Some(new_id.clone());
        }
        if self.pending_sync.remove(old_id) {
            self.pending_sync.insert(new_id.clone());
        }
        if let Some(instance_id) = &join.instance_id {
            self.static_members.insert(instance_id.clone(), new_id.clone());
        }
        let same_topics = self.same_topics(&member, join);
        member.update(join);
        member.is_new = false;
        member.waiting_join = Some(request);
        self.members.insert(new_id.clone(), member);
        self.schedule_heartbeat(context, &new_id, i64::from(join.session_timeout_ms));

        if self.state == State::Stable && same_topics && self.select_protocol() == self.protocol {
            self.keep_generation(context, join, new_id, old_leader);
        } else {
            self.rebalance_or_complete(context);
        }
    }

    /// Whether the returning member still wants the topics that its place in the assignment was made for.
    fn same_topics(&self, member: &Member, join: &Join) -> bool {
        let Some(protocol) = &self.protocol else { return false };
        let Some(offered) = join.protocols.iter().find(|offered| offered.name == *protocol) else {
            return false;
        };
        let before = subscribed_topics(&member.metadata(protocol));
        before.is_none() || before == subscribed_topics(&offered.metadata)
    }

    /// The returning static member keeps its assignment; the group's record gets its new id before it is answered.
    fn keep_generation(
        &mut self,
        context: &mut Context<'_>,
        join: &Join,
        new_id: String,
        old_leader: Option<String>,
    ) {
        let mut joined = self.joined(&new_id);
        if join.supports_skipping_assignment {
            joined.skip_assignment = self.is_leader(&new_id);
        } else {
            // Told that somebody else leads, it does not assign again.
            joined.leader = old_leader.unwrap_or_default();
            joined.members.clear();
        }
        let record = self.record();
        let pending = Pending::StaticMember { group_id: self.id.clone(), member_id: new_id, joined };
        context.outbox.append(None, vec![record], pending);
    }

    pub(super) fn static_member_appended(
        &mut self,
        context: &mut Context<'_>,
        member_id: &str,
        joined: Joined,
        outcome: Result<i64, AppendError>,
    ) {
        // A rebalance that began meanwhile answers the member itself.
        if self.state != State::Stable || self.generation != joined.generation {
            return;
        }
        let Some(member) = self.members.get_mut(member_id) else { return };
        let timeout_ms = i64::from(member.session_timeout_ms);
        let Some(request) = member.waiting_join.take() else { return };
        match outcome {
            Ok(_) => context.outbox.reply(request, Reply::Join(Ok(joined))),
            // The log still holds the old id. The member asks again without an id and is replaced once more.
            Err(error) => context.outbox.refuse_join(request, error.into(), ""),
        }
        self.schedule_heartbeat(context, member_id, timeout_ms);
    }

    /// What a member is told about the current generation.
    pub(super) fn joined(&self, member_id: &str) -> Joined {
        let protocol = self.protocol.clone();
        let members = match (&protocol, self.is_leader(member_id)) {
            (Some(protocol), true) => self
                .members
                .iter()
                .map(|(id, member)| JoinedMember {
                    member_id: id.clone(),
                    instance_id: member.instance_id.clone(),
                    metadata: member.metadata(protocol),
                })
                .collect(),
            _ => Vec::new(),
        };
        Joined {
            member_id: member_id.to_owned(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol,
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            members,
        }
    }
}
