//! Loading: from the records of one `__consumer_offsets` partition back to its groups.

use bytes::Bytes;

use super::consumer::Consumer;
use super::member::Member;
use super::offsets::Stored;
use super::state::{Group, State};
use super::{Effect, GroupCoordinator, Protocol};
use crate::coordinator::consumer_record::Kind;
use crate::coordinator::log_record::{self, GroupKey, RecordError};
use crate::coordinator::{LogRecord, TopicPartition};

/// A group as its record holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredGroup {
    pub(crate) group_id: String,
    pub(crate) protocol_type: String,
    pub(crate) generation: i32,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: Option<String>,
    pub(crate) state_since_ms: Option<i64>,
    pub(crate) members: Vec<StoredMember>,
}

/// A member as its group's record holds it: only the chosen protocol is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredMember {
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout_ms: i32,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) subscription: Bytes,
    pub(crate) assignment: Bytes,
}

impl GroupCoordinator {
    /// Takes in one record, oldest first. `producer_id` names the transaction that the record is part of; control
    /// batches go to [`Self::transaction_ended`] in their place among the records.
    pub fn replay(
        &mut self,
        record_offset: i64,
        producer_id: Option<i64>,
        key: Bytes,
        value: Option<Bytes>,
    ) -> Result<(), RecordError> {
        match log_record::read_group_key(key)? {
            GroupKey::Offset { group_id, partition } => {
                self.replay_offset(record_offset, producer_id, group_id, partition, value)
            }
            GroupKey::Group { group_id } => self.replay_group(group_id, value),
            GroupKey::Consumer { group_id, kind, member_id } => {
                let group = self.groups.entry(group_id.clone()).or_insert_with(|| Group::new(&group_id));
                if (kind, &value) == (Kind::Group, &None) {
                    group.consumer = None;
                    return Ok(());
                }
                if group.consumer.is_none() && value.is_none() {
                    return Ok(());
                }
                group.consumer.get_or_insert_with(Consumer::stored).current.replay(kind, member_id, value)
            }
        }
    }

    fn replay_offset(
        &mut self,
        record_offset: i64,
        producer_id: Option<i64>,
        group_id: String,
        partition: TopicPartition,
        value: Option<Bytes>,
    ) -> Result<(), RecordError> {
        let committed = value.map(log_record::read_offset).transpose()?;
        let group = self.groups.entry(group_id.clone()).or_insert_with(|| Group::new(&group_id));
        match (committed, producer_id) {
            (None, _) => group.offsets.remove(&partition),
            (Some(committed), None) => group.offsets.store(partition, Stored { committed, record_offset }),
            (Some(committed), Some(producer_id)) => {
                group.offsets.hold(producer_id, partition, Stored { committed, record_offset });
                self.groups_by_producer.entry(producer_id).or_default().insert(group_id);
            }
        }
        Ok(())
    }

    fn replay_group(&mut self, group_id: String, value: Option<Bytes>) -> Result<(), RecordError> {
        let stored = value.map(|value| log_record::read_group(group_id.clone(), value)).transpose()?;
        let before = self.groups.remove(&group_id).unwrap_or_default();
        let mut group = match stored {
            Some(stored) => Group::restore(stored),
            // Compaction may leave the tombstone of a classic group behind the records of its successor.
            None => Group { consumer: before.consumer, ..Group::new(&group_id) },
        };
        group.offsets = before.offsets;
        self.groups.insert(group_id, group);
        Ok(())
    }

    /// Everything was replayed: sessions start anew, because nobody could send heartbeats meanwhile.
    pub fn loaded(&mut self, now_ms: i64) -> Vec<Effect> {
        // What remains of groups whose every record was deleted.
        self.groups.retain(|_, group| {
            group.protocol_type.is_some()
                || !group.members.is_empty()
                || !group.offsets.is_empty()
                || group.consumer.is_some()
        });
        let group_ids: Vec<String> = self.groups.keys().cloned().collect();
        for group_id in group_ids {
            let Some((group, mut context)) = self.open(now_ms, &group_id) else { continue };
            group.consumer_loaded(&mut context);
            for member_id in group.members.keys() {
                group.renew_session(&mut context, member_id);
            }
            if group.members.len() > context.config.max_size {
                group.rebalance_or_complete(&mut context);
            }
        }
        self.outbox.drain()
    }
}

impl Group {
    pub(super) fn restore(stored: StoredGroup) -> Group {
        let mut group = Group::new(&stored.group_id);
        group.generation = stored.generation;
        group.state_since_ms = stored.state_since_ms;
        group.protocol_type = Some(stored.protocol_type).filter(|kind| !kind.is_empty());
        group.state = if stored.members.is_empty() { State::Empty } else { State::Stable };
        for member in stored.members {
            if let Some(instance_id) = &member.instance_id {
                group.static_members.insert(instance_id.clone(), member.member_id.clone());
            }
            let name = stored.protocol.clone().unwrap_or_default();
            let restored = Member {
                instance_id: member.instance_id,
                client_id: member.client_id,
                client_host: member.client_host,
                session_timeout_ms: member.session_timeout_ms,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                protocols: vec![Protocol { name, metadata: member.subscription }],
                assignment: member.assignment,
                is_new: false,
                waiting_join: None,
                waiting_sync: None,
            };
            group.members.insert(member.member_id, restored);
        }
        group.protocol = stored.protocol;
        group.leader = stored.leader;
        group
    }

    /// The record that `restore` reads, with the assignments that the group holds.
    pub(super) fn record(&self) -> LogRecord {
        self.record_with(|_, member| member.assignment.clone())
    }

    /// The same with assignments that the group will hold once the record is durable.
    pub(super) fn record_with(&self, assignment: impl Fn(&str, &Member) -> Bytes) -> LogRecord {
        let protocol = self.protocol.clone().unwrap_or_default();
        let members = self.members.iter().map(|(member_id, member)| StoredMember {
            member_id: member_id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            session_timeout_ms: member.session_timeout_ms,
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            subscription: member.metadata(&protocol),
            assignment: assignment(member_id, member),
        });
        log_record::group_record(&StoredGroup {
            group_id: self.id.clone(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_since_ms: self.state_since_ms,
            members: members.collect(),
        })
    }
}
