//! Live migration: a classic group becomes a next-generation one when its first member of that protocol joins, and a
//! classic one again when the last such member goes (`group.consumer.migration.policy`).

use std::collections::BTreeMap;

use super::super::replay::{StoredGroup, StoredMember};
use super::super::state::{CONSUMER_PROTOCOL_TYPE, Group, State};
use super::super::topics::Topics;
use super::super::{Context, GroupConfig, JoinError, JoinRefused, Reply, SyncError};
use super::classic::by_id;
use super::group::ConsumerGroup;
use super::member::{ClassicMember, Member};
use crate::coordinator::group::deadline::Deadline;
use crate::coordinator::log_record;

/// Which way groups may change their protocol while they have members.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Migration {
    Disabled,
    Upgrade,
    Downgrade,
    #[default]
    Bidirectional,
}

impl Migration {
    pub fn find(name: &str) -> Option<Migration> {
        match name.to_ascii_lowercase().as_str() {
            "disabled" => Some(Migration::Disabled),
            "upgrade" => Some(Migration::Upgrade),
            "downgrade" => Some(Migration::Downgrade),
            "bidirectional" => Some(Migration::Bidirectional),
            _ => None,
        }
    }

    fn allows_upgrade(self) -> bool {
        matches!(self, Migration::Upgrade | Migration::Bidirectional)
    }

    pub(super) fn allows_downgrade(self) -> bool {
        matches!(self, Migration::Downgrade | Migration::Bidirectional)
    }
}

impl Group {
    /// Whether its members know what they have: while they rebalance, what one gave up is not told from what it has.
    pub(super) fn is_settled(&self) -> bool {
        self.members.is_empty() || (self.state == State::Stable && self.pending_sync.is_empty())
    }

    /// This classic group as a next-generation one; `None` if it may not or cannot become one.
    pub(super) fn upgraded(&self, config: &GroupConfig, topics: &dyn Topics) -> Option<ConsumerGroup> {
        let mut next = ConsumerGroup { epoch: self.generation.max(0), ..ConsumerGroup::default() };
        if self.members.is_empty() {
            return Some(next);
        }
        let is_consumer = self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE);
        if !config.consumer_migration.allows_upgrade()
            || !is_consumer
            || self.members.len() > config.consumer_max_size
        {
            return None;
        }
        for (id, classic) in &self.members {
            let subscription = log_record::subscription(&classic.protocols.first()?.metadata)?;
            let assigned = if classic.assignment.is_empty() {
                Vec::new()
            } else {
                log_record::read_consumer_assignment(&classic.assignment)?
            };
            let assigned = by_id(&assigned, topics);
            let member = Member {
                epoch: next.epoch,
                previous_epoch: next.epoch,
                instance_id: classic.instance_id.clone(),
                rack_id: subscription.rack_id,
                client_id: classic.client_id.clone(),
                client_host: classic.client_host.clone(),
                topics: subscription.topics,
                rebalance_timeout_ms: classic.rebalance_timeout_ms,
                assigned: assigned.clone(),
                classic: Some(ClassicMember {
                    session_timeout_ms: classic.session_timeout_ms,
                    protocols: classic.protocols.clone(),
                }),
                ..Member::default()
            };
            next.members.insert(id.clone(), member);
            next.target.insert(id.clone(), assigned);
        }
        next.target_epoch = next.epoch;
        Some(next)
    }

    /// The next-generation group is durable: what made it a classic one goes, and who waits is told to rejoin.
    pub(super) fn forget_classic(&mut self, context: &mut Context<'_>) {
        self.refuse_waiting_syncs(context, SyncError::Rebalance);
        for (id, member) in &mut self.members {
            if let Some(request) = member.waiting_join.take() {
                let refused = JoinRefused { error: JoinError::Replaced, member_id: id.clone() };
                context.outbox.reply(request, Reply::Join(Err(refused)));
            }
        }
        context.timers.cancel(&Deadline::Join { group_id: self.id.clone() });
        context.timers.cancel(&Deadline::Sync { group_id: self.id.clone() });
        let (id, offsets, consumer) =
            (std::mem::take(&mut self.id), std::mem::take(&mut self.offsets), self.consumer.take());
        *self = Group { id, offsets, consumer, ..Group::default() };
    }

    /// The classic group is durable: its members rebalance among themselves from now on.
    pub(super) fn become_classic(
        &mut self,
        context: &mut Context<'_>,
        stored: StoredGroup,
        from: &ConsumerGroup,
    ) {
        let offsets = std::mem::take(&mut self.offsets);
        let mut group = Group::restore(stored);
        group.offsets = offsets;
        for (id, member) in &mut group.members {
            if let Some(classic) = from.members.get(id).and_then(|member| member.classic.clone()) {
                member.protocols = classic.protocols;
            }
        }
        *self = group;
        self.enter(State::Stable, context.now_ms);
        for (id, member) in &self.members {
            let key = Deadline::Revocation { group_id: self.id.clone(), member_id: id.clone() };
            context.timers.cancel(&key);
            self.schedule_heartbeat(context, id, i64::from(member.session_timeout_ms));
        }
        self.rebalance_or_complete(context);
    }
}

impl ConsumerGroup {
    /// Whether it consists of classic members alone, and so may become a classic group.
    pub(super) fn is_all_classic(&self) -> bool {
        !self.members.is_empty() && self.members.values().all(|member| member.classic.is_some())
    }

    /// This group as the record of a classic one. Everybody keeps what it may still be reading: a rebalance follows at
    /// once, and until it is through the group may change back.
    pub(super) fn downgraded(&self, group_id: &str, topics: &dyn Topics, now_ms: i64) -> Option<StoredGroup> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for classic in self.members.values().filter_map(|member| member.classic.as_ref()) {
            for offered in &classic.protocols {
                *votes.entry(&offered.name).or_default() += 1;
            }
        }
        let (protocol, _) = votes.into_iter().find(|(_, votes)| *votes == self.members.len())?;
        let members = self.members.iter().filter_map(|(id, member)| {
            let classic = member.classic.as_ref()?;
            let chosen = classic.protocols.iter().find(|offered| offered.name == protocol)?;
            Some(StoredMember {
                member_id: id.clone(),
                instance_id: member.instance_id.clone(),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                session_timeout_ms: classic.session_timeout_ms,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                subscription: chosen.metadata.clone(),
                assignment: classic.encode(&member.held(), topics),
            })
        });
        Some(StoredGroup {
            group_id: group_id.to_owned(),
            protocol_type: CONSUMER_PROTOCOL_TYPE.to_owned(),
            generation: self.epoch,
            protocol: Some(protocol.to_owned()),
            leader: self.members.keys().next().cloned(),
            state_since_ms: Some(now_ms),
            members: members.collect(),
        })
    }
}
