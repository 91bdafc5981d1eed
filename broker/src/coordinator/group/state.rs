//! A group's state, and the questions that every request asks of it.

use std::collections::{BTreeMap, BTreeSet};

use super::Protocol;
use super::consumer::Consumer;
use super::member::Member;
use super::offsets::Offsets;
use crate::coordinator::{AppendId, subscribed_topics};

/// The protocol type of ordinary consumers, whose subscriptions the broker can read.
pub(super) const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// Where a group stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// No members; offsets may remain.
    #[default]
    Empty,
    /// Waiting for members to join the next generation.
    PreparingRebalance,
    /// Everyone has the new generation; waiting for the leader's assignment to be durable.
    CompletingRebalance,
    /// A next-generation group has changed and has no new target yet.
    Assigning,
    /// A next-generation group's members are on their way to their targets.
    Reconciling,
    /// Everyone can have its assignment.
    Stable,
    /// The group is gone: only the answer to a question about an unknown group.
    Dead,
}

impl State {
    /// The state's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::PreparingRebalance => "PreparingRebalance",
            State::CompletingRebalance => "CompletingRebalance",
            State::Assigning => "Assigning",
            State::Reconciling => "Reconciling",
            State::Stable => "Stable",
            State::Dead => "Dead",
        }
    }
}

/// The first rebalance of an empty group waits for more members, in steps of the initial delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InitialDelay {
    pub(super) step_ms: i64,
    pub(super) remaining_ms: i64,
    pub(super) another_joined: bool,
}

#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) state: State,
    /// When the group entered its state; unknown for groups stored by old brokers.
    pub(super) state_since_ms: Option<i64>,
    pub(super) generation: i32,
    pub(super) protocol_type: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) leader: Option<String>,
    pub(super) members: BTreeMap<String, Member>,
    /// Member id by group instance id.
    pub(super) static_members: BTreeMap<String, String>,
    /// Ids handed out with MEMBER_ID_REQUIRED that have not joined yet.
    pub(super) pending_members: BTreeSet<String>,
    /// Members of this generation that have not asked for their assignment.
    pub(super) pending_sync: BTreeSet<String>,
    /// Set while the first rebalance of an empty group runs.
    pub(super) initial_delay: Option<InitialDelay>,
    /// The append that makes this generation's assignment durable.
    pub(super) assignment_append: Option<AppendId>,
    pub(super) offsets: Offsets,
    /// Set for a next-generation group: everything above but the id is then that of the classic group it may still be.
    pub(super) consumer: Option<Consumer>,
}

/// A member id or group instance id that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemberFault {
    Unknown,
    Fenced,
}

/// Gives each operation's own error enum its two variants for a faulty member.
macro_rules! from_member_fault {
    ($($error:ident),*) => {$(
        impl From<MemberFault> for super::$error {
            fn from(fault: MemberFault) -> Self {
                match fault {
                    MemberFault::Unknown => Self::UnknownMember,
                    MemberFault::Fenced => Self::FencedInstance,
                }
            }
        }
    )*};
}
from_member_fault!(JoinError, SyncError, HeartbeatError, LeaveError, CommitError);

impl Group {
    pub(super) fn new(id: &str) -> Group {
        Group { id: id.to_owned(), ..Group::default() }
    }

    pub(super) fn enter(&mut self, state: State, now_ms: i64) {
        self.state = state;
        self.state_since_ms = Some(now_ms);
    }

    /// The member must be known, and own its instance id if it claims one.
    pub(super) fn check_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), MemberFault> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(MemberFault::Unknown),
                Some(owner) if owner != member_id => return Err(MemberFault::Fenced),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(MemberFault::Unknown) }
    }

    pub(super) fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    pub(super) fn waiting_join_count(&self) -> usize {
        self.members.values().filter(|member| member.waiting_join.is_some()).count()
    }

    /// The longest time that any member wants to be given to rejoin.
    pub(super) fn rebalance_timeout_ms(&self) -> i64 {
        self.members.values().map(|member| i64::from(member.rebalance_timeout_ms)).max().unwrap_or(0)
    }

    /// Whether a member that offers these protocols can be part of the group.
    pub(super) fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.state == State::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols
                .iter()
                .any(|offered| self.members.values().all(|member| member.supports(&offered.name)))
    }

    /// The protocol that every member supports and most prefer; the leader's order breaks a tie.
    pub(super) fn select_protocol(&self) -> Option<String> {
        let first = self.leader.as_ref().and_then(|id| self.members.get(id));
        let candidates: Vec<&str> = first
            .or_else(|| self.members.values().next())?
            .protocols
            .iter()
            .map(|offered| offered.name.as_str())
            .filter(|name| self.members.values().all(|member| member.supports(name)))
            .collect();
        let mut best: Option<(&str, usize)> = None;
        for candidate in &candidates {
            let votes =
                self.members.values().filter(|member| votes_for(member, &candidates) == Some(*candidate));
            let votes = votes.count();
            if best.is_none_or(|(_, most)| votes > most) {
                best = Some((candidate, votes));
            }
        }
        best.map(|(name, _)| name.to_owned())
    }

    /// The topics that the members of a consumer group subscribe to; `None` where that can't be told.
    pub(super) fn subscribed_topics(&self) -> Option<BTreeSet<String>> {
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        if self.protocol_type.as_deref() != Some(CONSUMER_PROTOCOL_TYPE) {
            return None;
        }
        let protocol = self.protocol.as_deref()?;
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(subscribed_topics(&member.metadata(protocol))?);
        }
        Some(topics)
    }
}

/// A member votes for the candidate that stands first in its own list.
fn votes_for<'a>(member: &Member, candidates: &[&'a str]) -> Option<&'a str> {
    member
        .protocols
        .iter()
        .find_map(|offered| candidates.iter().find(|candidate| **candidate == offered.name).copied())
}
