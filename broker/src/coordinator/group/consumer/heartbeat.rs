//! ConsumerGroupHeartbeat: how a member joins, stays, learns its assignment and leaves.

use std::collections::BTreeSet;

use super::super::{Context, GroupConfig, Reply};
use super::assignor::{Assignment, Assignor};
use super::error::ConsumerHeartbeatError as Error;
use super::group::{ConsumerGroup, check_pattern};
use super::member::{AWAY_EPOCH, Member, Reconciliation, is_subset};
use crate::coordinator::RequestId;
use crate::coordinator::group::topics::Topics;
use crate::coordinator::log_record::MAX_ID_BYTES;

/// The epoch with which a member joins, or comes back after it was fenced.
pub(super) const JOIN_EPOCH: i32 = 0;
/// The epoch with which a member leaves for good.
const LEAVE_EPOCH: i32 = -1;

/// One ConsumerGroupHeartbeat request; `None` where nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsumerHeartbeat {
    pub group_id: String,
    pub member_id: String,
    pub epoch: i32,
    pub instance_id: Option<String>,
    pub rack_id: Option<String>,
    pub rebalance_timeout_ms: Option<i32>,
    pub topics: Option<BTreeSet<String>>,
    pub regex: Option<String>,
    pub assignor: Option<String>,
    pub owned: Option<Assignment>,
    pub client_id: String,
    pub client_host: String,
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerHeartbeatAnswer {
    pub member_id: String,
    pub epoch: i32,
    pub heartbeat_interval_ms: i32,
    /// Set when the member asked for all there is to know, or when it changed.
    pub assignment: Option<Assignment>,
}

impl ConsumerHeartbeat {
    /// Whether it can be right in any state of the group.
    pub(super) fn check(&self, config: &GroupConfig) -> Result<(), Error> {
        let is_blank = |text: &Option<String>| text.as_ref().is_some_and(String::is_empty);
        if self.group_id.trim().is_empty() {
            return Err(Error::Invalid("GroupId can't be empty."));
        }
        if is_blank(&self.instance_id) {
            return Err(Error::Invalid("InstanceId can't be empty."));
        }
        if is_blank(&self.rack_id) {
            return Err(Error::Invalid("RackId can't be empty."));
        }
        let ids = [Some(&self.group_id), Some(&self.member_id), self.instance_id.as_ref()];
        if ids.into_iter().flatten().any(|id| id.len() > MAX_ID_BYTES) {
            return Err(Error::Invalid("GroupId, MemberId and InstanceId can't be longer than 32767 bytes."));
        }
        if self.member_id.is_empty() {
            return Err(Error::Invalid("MemberId can't be empty."));
        }
        match self.epoch {
            JOIN_EPOCH => self.check_join()?,
            AWAY_EPOCH if self.instance_id.is_none() => {
                return Err(Error::Invalid("InstanceId can't be null."));
            }
            epoch if epoch < AWAY_EPOCH => return Err(Error::Invalid("MemberEpoch is invalid.")),
            _ => {}
        }
        if let Some(assignor) = &self.assignor {
            let known = Assignor::find(assignor).filter(|found| found.name() == assignor);
            if known.is_none_or(|known| !config.consumer_assignors.contains(&known)) {
                return Err(Error::Assignor);
            }
        }
        match &self.regex {
            Some(pattern) => check_pattern(pattern).map_err(|_| Error::Pattern),
            None => Ok(()),
        }
    }

    fn check_join(&self) -> Result<(), Error> {
        if self.rebalance_timeout_ms.is_none() {
            return Err(Error::Invalid("RebalanceTimeoutMs must be provided in first request."));
        }
        if self.owned.as_ref().is_none_or(|owned| owned.values().any(|partitions| !partitions.is_empty())) {
            return Err(Error::Invalid("TopicPartitions must be empty when (re-)joining."));
        }
        if self.topics.is_none() && self.regex.is_none() {
            return Err(Error::Invalid(
                "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
            ));
        }
        Ok(())
    }

    /// Whether it asks for everything, as a client does that did not hear the last answer.
    fn is_full(&self) -> bool {
        self.epoch == JOIN_EPOCH
            || (self.rebalance_timeout_ms.is_some()
                && (self.topics.is_some() || self.regex.is_some())
                && self.owned.is_some())
    }

    /// Whether it says nothing but that the member lives.
    pub(super) fn is_plain(&self) -> bool {
        self.epoch > JOIN_EPOCH
            && self.rack_id.is_none()
            && self.rebalance_timeout_ms.is_none()
            && self.topics.is_none()
            && self.regex.is_none()
            && self.assignor.is_none()
            && self.owned.is_none()
    }
}

/// The work on one copy of a group: events go in, answers and timers come out beside what changed.
pub(super) struct Step<'a> {
    pub(super) next: ConsumerGroup,
    pub(super) answers: Vec<(RequestId, Reply)>,
    /// Members that were heard of: their sessions begin anew.
    pub(super) heard: BTreeSet<String>,
    /// By member, how long it may take over what it was told; `None`: it has done it.
    pub(super) patience_ms: Vec<(String, Option<i64>)>,
    pub(super) config: &'a GroupConfig,
    pub(super) topics: &'a dyn Topics,
}

impl<'a> Step<'a> {
    pub(super) fn new(current: &ConsumerGroup, config: &'a GroupConfig, topics: &'a dyn Topics) -> Step<'a> {
        Step {
            next: current.clone(),
            answers: Vec::new(),
            heard: BTreeSet::new(),
            patience_ms: Vec::new(),
            config,
            topics,
        }
    }

    pub(super) fn heartbeat(&mut self, request: RequestId, heartbeat: &ConsumerHeartbeat) {
        let result = match heartbeat.epoch {
            LEAVE_EPOCH | AWAY_EPOCH => self.leave(heartbeat),
            _ => self.stay(heartbeat),
        };
        self.answers.push((request, Reply::ConsumerHeartbeat(result)));
    }

    fn stay(&mut self, heartbeat: &ConsumerHeartbeat) -> Result<ConsumerHeartbeatAnswer, Error> {
        let is_new = self.find_place(heartbeat)?;
        let id = &heartbeat.member_id;
        let Some(member) = self.next.members.get_mut(id) else { return Err(Error::UnknownMember) };
        let before = member.clone();
        member.update(heartbeat);
        let wishes = |member: &Member| (member.topics.clone(), member.regex.clone(), member.assignor.clone());
        let changed = is_new || wishes(&before) != wishes(member);
        self.advance(changed, id, heartbeat.owned.as_ref());
        let Some(member) = self.next.members.get(id) else { return Err(Error::UnknownMember) };
        let tells = heartbeat.is_full() || before.assigned != member.assigned;
        Ok(ConsumerHeartbeatAnswer {
            member_id: id.clone(),
            epoch: member.epoch,
            heartbeat_interval_ms: self.config.consumer_heartbeat_interval_ms,
            assignment: tells.then(|| member.assigned.clone()),
        })
    }

    /// What follows from a change of one member, up to its own next step.
    pub(super) fn advance(&mut self, changed: bool, member_id: &str, owned: Option<&Assignment>) {
        let topics_changed = self.next.look_at(self.topics);
        if changed || topics_changed {
            self.next.epoch += 1;
        }
        self.next.assign(self.topics, &self.config.consumer_assignors);
        let was = self.next.members.get(member_id).map(|member| (member.state, member.epoch));
        self.next.reconcile(member_id, owned);
        self.heard.insert(member_id.to_owned());
        let Some(member) = self.next.members.get(member_id) else { return };
        if member.classic.is_some() {
            return;
        }
        if member.state == Reconciliation::Revoking {
            if was != Some((member.state, member.epoch)) {
                let patience_ms = i64::from(member.rebalance_timeout_ms);
                self.patience_ms.push((member_id.to_owned(), Some(patience_ms)));
            }
        } else {
            self.patience_ms.push((member_id.to_owned(), None));
        }
    }

    /// Makes sure that the member has a place; true if it is a new one. Nothing changes when it may not have it.
    fn find_place(&mut self, heartbeat: &ConsumerHeartbeat) -> Result<bool, Error> {
        let id = &heartbeat.member_id;
        let joins = heartbeat.epoch == JOIN_EPOCH;
        if let Some(instance_id) = &heartbeat.instance_id {
            match self.next.static_member(instance_id).cloned() {
                Some(owner) if owner == *id => {}
                Some(_) if !joins => return Err(Error::FencedInstance),
                Some(owner) => {
                    // Only one that went away leaves its place to another.
                    if self.next.members.get(&owner).is_some_and(|member| member.epoch != AWAY_EPOCH) {
                        return Err(Error::UnreleasedInstance);
                    }
                    self.next.replace(&owner, id);
                    return Ok(false);
                }
                None if joins => {}
                None => return Err(Error::UnknownMember),
            }
        }
        match self.next.members.get(id) {
            Some(_) if joins => Ok(false),
            Some(member) => heartbeat.check_epoch(member).map(|()| false),
            None if !joins => Err(Error::UnknownMember),
            None if self.next.members.len() >= self.config.consumer_max_size => Err(Error::GroupFull),
            None => {
                self.next.members.insert(id.clone(), Member::default());
                Ok(true)
            }
        }
    }

    fn leave(&mut self, heartbeat: &ConsumerHeartbeat) -> Result<ConsumerHeartbeatAnswer, Error> {
        let id = &heartbeat.member_id;
        if let Some(instance_id) = &heartbeat.instance_id {
            match self.next.static_member(instance_id) {
                None => return Err(Error::UnknownMember),
                Some(owner) if owner != id => return Err(Error::FencedInstance),
                Some(_) => {}
            }
        }
        let Some(member) = self.next.members.get_mut(id) else { return Err(Error::UnknownMember) };
        if heartbeat.epoch == AWAY_EPOCH {
            // It keeps its place until its session ends.
            member.epoch = AWAY_EPOCH;
            member.revoking.clear();
            self.heard.insert(id.clone());
            self.patience_ms.push((id.clone(), None));
        } else {
            self.next.remove(id);
        }
        Ok(ConsumerHeartbeatAnswer {
            member_id: id.clone(),
            epoch: heartbeat.epoch,
            heartbeat_interval_ms: self.config.consumer_heartbeat_interval_ms,
            assignment: None,
        })
    }
}

impl ConsumerHeartbeat {
    /// A member may be one epoch behind if the answer that told it got lost and it owns nothing that it should not.
    fn check_epoch(&self, member: &Member) -> Result<(), Error> {
        let missed_answer = self.epoch == member.previous_epoch
            && self.owned.as_ref().is_some_and(|owned| is_subset(owned, &member.assigned));
        if self.epoch == member.epoch || (self.epoch < member.epoch && missed_answer) {
            Ok(())
        } else {
            Err(Error::FencedEpoch)
        }
    }
}

impl Member {
    fn update(&mut self, heartbeat: &ConsumerHeartbeat) {
        let replace = |own: &mut Option<String>, new: &Option<String>| {
            if new.is_some() {
                own.clone_from(new);
            }
        };
        replace(&mut self.instance_id, &heartbeat.instance_id);
        replace(&mut self.rack_id, &heartbeat.rack_id);
        replace(&mut self.assignor, &heartbeat.assignor);
        if let Some(pattern) = &heartbeat.regex {
            self.regex = Some(pattern.clone()).filter(|pattern| !pattern.is_empty());
        }
        if let Some(topics) = &heartbeat.topics {
            self.topics.clone_from(topics);
        }
        if let Some(timeout_ms) = heartbeat.rebalance_timeout_ms {
            self.rebalance_timeout_ms = timeout_ms;
        }
        self.client_id.clone_from(&heartbeat.client_id);
        self.client_host.clone_from(&heartbeat.client_host);
        self.classic = None;
    }
}

impl super::super::state::Group {
    /// The answer to a heartbeat that changes nothing, as nearly all are: no copy, no record.
    pub(super) fn plain_answer(
        &self,
        context: &mut Context<'_>,
        heartbeat: &ConsumerHeartbeat,
    ) -> Option<ConsumerHeartbeatAnswer> {
        let consumer = self.consumer.as_ref().filter(|consumer| consumer.is_at_rest())?;
        let group = &consumer.current;
        let member = group.members.get(&heartbeat.member_id)?;
        let settled = member.is_settled_in(group.epoch) && group.epoch == group.target_epoch;
        let same = member.epoch == heartbeat.epoch
            && member.instance_id == heartbeat.instance_id.clone().or_else(|| member.instance_id.clone())
            && member.classic.is_none();
        if !heartbeat.is_plain() || !settled || !same || !group.has_seen(&**context.topics) {
            return None;
        }
        let session_ms = i64::from(context.config.consumer_session_timeout_ms);
        self.schedule_heartbeat(context, &heartbeat.member_id, session_ms);
        Some(ConsumerHeartbeatAnswer {
            member_id: heartbeat.member_id.clone(),
            epoch: member.epoch,
            heartbeat_interval_ms: context.config.consumer_heartbeat_interval_ms,
            assignment: None,
        })
    }
}
