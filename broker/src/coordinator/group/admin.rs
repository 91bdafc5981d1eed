//! What administrators ask of groups: list, describe, delete, and the clean-up of offsets nobody needs.

use std::collections::BTreeSet;

use bytes::Bytes;
use millstream_protocol::Uuid;

use super::consumer::{self, Consumer};
use super::offsets::Stored;
use super::state::{CONSUMER_PROTOCOL_TYPE, Group, State};
use super::{DeleteGroupError, DeleteOffsetError, Effect, GroupConfig, GroupCoordinator, Pending, Reply};
use crate::coordinator::{AppendError, LogRecord, RequestId, TopicPartition, log_record};

/// One row of ListGroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    pub group_id: String,
    pub protocol_type: String,
    pub state: State,
    /// A next-generation group (KIP-848), not a classic one.
    pub is_consumer: bool,
}

/// One group of DescribeGroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    pub state: State,
    pub protocol_type: String,
    pub protocol: String,
    pub generation: i32,
    pub members: Vec<DescribedMember>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedMember {
    pub member_id: String,
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    /// Known while the group is stable, empty otherwise; likewise the assignment.
    pub metadata: Bytes,
    pub assignment: Bytes,
}

impl GroupCoordinator {
    /// Every group of this partition, by id.
    pub fn list(&self) -> impl Iterator<Item = GroupListing> + '_ {
        self.groups.values().map(|group| GroupListing {
            group_id: group.id.clone(),
            protocol_type: match &group.consumer {
                Some(_) => CONSUMER_PROTOCOL_TYPE.to_owned(),
                None => group.protocol_type.clone().unwrap_or_default(),
            },
            state: group.shown_state(),
            is_consumer: group.consumer.is_some(),
        })
    }

    /// `None` when there is no such group, or when it is a next-generation one.
    pub fn describe(&self, group_id: &str) -> Option<GroupDescription> {
        let group = self.groups.get(group_id).filter(|group| group.consumer.is_none())?;
        let stable = group.state == State::Stable;
        let protocol = group.protocol.clone().filter(|_| stable).unwrap_or_default();
        let members = group.members.iter().map(|(member_id, member)| DescribedMember {
            member_id: member_id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: if stable { member.metadata(&protocol) } else { Bytes::new() },
            assignment: if stable { member.assignment.clone() } else { Bytes::new() },
        });
        Some(GroupDescription {
            state: group.state,
            protocol_type: group.protocol_type.clone().unwrap_or_default(),
            members: members.collect(),
            generation: group.generation,
            protocol,
        })
    }

    /// Deletes an empty group with its offsets; answered once the tombstones are durable.
    pub fn delete_group(&mut self, request: RequestId, group_id: &str) -> Vec<Effect> {
        let refused = match self.groups.get(group_id) {
            _ if group_id.is_empty() => Some(DeleteGroupError::InvalidGroupId),
            None => Some(DeleteGroupError::NotFound),
            Some(group) if group.shown_state() != State::Empty => Some(DeleteGroupError::NotEmpty),
            Some(_) => None,
        };
        if let Some(error) = refused {
            self.outbox.reply(request, Reply::DeleteGroup(Err(error)));
        } else if let Some(group) = self.groups.get(group_id) {
            let mut records = group.offset_tombstones(group.known_partitions().iter());
            records.extend(group.own_tombstones());
            let pending = Pending::DeleteGroup { request, group_id: group_id.to_owned() };
            self.outbox.append(None, records, pending);
        }
        self.outbox.drain()
    }

    pub(super) fn delete_appended(
        &mut self,
        request: RequestId,
        group_id: &str,
        outcome: Result<i64, AppendError>,
    ) {
        let result = outcome.map(|_| ()).map_err(DeleteGroupError::from);
        if let (Ok(()), Some(group)) = (result, self.groups.get_mut(group_id)) {
            group.offsets.stored.clear();
            group.offsets.pending.clear();
            group.forget_consumer();
            self.forget_if_unused(group_id);
        }
        self.outbox.reply(request, Reply::DeleteGroup(result));
    }

    /// Deletes offsets of partitions that no member subscribes to (KIP-496).
    pub fn delete_offsets(
        &mut self,
        request: RequestId,
        group_id: &str,
        partitions: &[TopicPartition],
    ) -> Vec<Effect> {
        let group = match self.groups.get(group_id) {
            _ if group_id.is_empty() => Err(DeleteOffsetError::InvalidGroupId),
            None => Err(DeleteOffsetError::NotFound),
            Some(group) => group.deletable_topics().map(|subscribed| (group, subscribed)),
        };
        let (group, subscribed) = match group {
            Ok(found) => found,
            Err(error) => {
                self.outbox.reply(request, Reply::DeleteOffsets(Err(error)));
                return self.outbox.drain();
            }
        };
        let results: Vec<_> = partitions
            .iter()
            .map(|partition| {
                let taken = subscribed.contains(&partition.topic);
                (partition.clone(), if taken { Err(DeleteOffsetError::Subscribed) } else { Ok(()) })
            })
            .collect();
        let allowed = results.iter().filter(|(_, result)| result.is_ok()).map(|(partition, _)| partition);
        let records = group.offset_tombstones(allowed);
        if records.is_empty() {
            self.outbox.reply(request, Reply::DeleteOffsets(Ok(results)));
        } else {
            let pending = Pending::DeleteOffsets { request, group_id: group_id.to_owned(), results };
            self.outbox.append(None, records, pending);
        }
        self.outbox.drain()
    }

    pub(super) fn delete_offsets_appended(
        &mut self,
        request: RequestId,
        group_id: &str,
        results: Vec<(TopicPartition, Result<(), DeleteOffsetError>)>,
        outcome: Result<i64, AppendError>,
    ) {
        let reply = outcome.map_err(DeleteOffsetError::from).map(|_| results);
        if let (Ok(results), Some(group)) = (&reply, self.groups.get_mut(group_id)) {
            for (partition, _) in results.iter().filter(|(_, result)| result.is_ok()) {
                group.offsets.remove(partition);
            }
        }
        self.outbox.reply(request, Reply::DeleteOffsets(reply));
    }

    /// Removes offsets that have outlived `offsets.retention.minutes`, and groups of which nothing is left.
    pub fn expire_offsets(&mut self, now_ms: i64) -> Vec<Effect> {
        for group in self.groups.values() {
            let partitions = group.expired_partitions(now_ms, &self.config);
            let nothing_left = group.is_unused_without(&partitions);
            if partitions.is_empty() && !nothing_left {
                continue;
            }
            let mut records = group.offset_tombstones(partitions.iter());
            if nothing_left {
                records.extend(group.own_tombstones());
            }
            self.outbox.append(None, records, Pending::Expired { group_id: group.id.clone(), partitions });
        }
        self.outbox.drain()
    }

    /// Removes the offsets of a topic that was deleted.
    pub fn topic_deleted(&mut self, topic: &str, topic_id: Uuid) -> Vec<Effect> {
        for group in self.groups.values() {
            let known = group.known_partitions();
            let gone =
                |known: &TopicPartition| known.topic == topic && group.offsets.is_of_topic(known, topic_id);
            let partitions: Vec<_> = known.into_iter().filter(gone).collect();
            if !partitions.is_empty() {
                let records = group.offset_tombstones(partitions.iter());
                let pending = Pending::Expired { group_id: group.id.clone(), partitions };
                self.outbox.append(None, records, pending);
            }
        }
        self.outbox.drain()
    }

    pub(super) fn expired_appended(
        &mut self,
        group_id: &str,
        partitions: &[TopicPartition],
        outcome: Result<i64, AppendError>,
    ) {
        // A failed clean-up is tried again the next time.
        if let (Ok(_), Some(group)) = (outcome, self.groups.get_mut(group_id)) {
            for partition in partitions {
                group.offsets.remove(partition);
            }
            if group.is_unused_without(&[]) {
                group.forget_consumer();
            }
            self.forget_if_unused(group_id);
        }
    }

    fn forget_if_unused(&mut self, group_id: &str) {
        if self.groups.get(group_id).is_some_and(|group| group.is_unused_without(&[])) {
            self.groups.remove(group_id);
        }
    }
}

impl Group {
    /// Takes the group itself away, of whichever protocol it is.
    fn own_tombstones(&self) -> Vec<LogRecord> {
        match &self.consumer {
            Some(consumer) => consumer::tombstones(&self.id, &consumer.current),
            None => vec![log_record::group_tombstone(&self.id)],
        }
    }

    /// The records of an empty next-generation group are gone.
    fn forget_consumer(&mut self) {
        self.consumer.take_if(|consumer| consumer.is_at_rest() && consumer.current.members.is_empty());
    }

    /// Everything that the log may hold an offset for.
    fn known_partitions(&self) -> BTreeSet<TopicPartition> {
        let pending = self.offsets.pending.values().flat_map(|offsets| offsets.keys());
        self.offsets.stored.keys().chain(pending).chain(self.offsets.in_flight.keys()).cloned().collect()
    }

    fn offset_tombstones<'a>(&self, partitions: impl Iterator<Item = &'a TopicPartition>) -> Vec<LogRecord> {
        partitions.map(|partition| log_record::offset_tombstone(&self.id, partition)).collect()
    }

    /// The topics that must keep their offsets, if deleting any is allowed.
    fn deletable_topics(&self) -> Result<BTreeSet<String>, DeleteOffsetError> {
        if let Some(consumer) = &self.consumer {
            return Ok(consumer.current.subscribed_topics());
        }
        match self.subscribed_topics() {
            _ if self.state == State::Empty => Ok(BTreeSet::new()),
            Some(topics) => Ok(topics),
            None => Err(DeleteOffsetError::NotEmpty),
        }
    }

    /// KIP-211: the offsets of an empty group count from when it became empty; those of a running consumer group
    /// only for topics that it no longer subscribes to; those of consumers that assign themselves from the commit.
    fn expired_partitions(&self, now_ms: i64, config: &GroupConfig) -> Vec<TopicPartition> {
        let subscribed = match self.state {
            _ if self.consumer.is_some() => self.deletable_topics().unwrap_or_default(),
            State::Empty => BTreeSet::new(),
            State::Stable if self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE) => {
                let Some(topics) = self.subscribed_topics() else { return Vec::new() };
                topics
            }
            _ => return Vec::new(),
        };
        let emptied_ms =
            self.state_since_ms.filter(|_| self.state == State::Empty && self.protocol_type.is_some());
        let expired = |stored: &Stored| {
            let base_ms = emptied_ms.unwrap_or(stored.committed.committed_ms);
            let expires_ms = stored.committed.expires_ms;
            now_ms >= expires_ms.unwrap_or(base_ms.saturating_add(config.offsets_retention_ms))
        };
        self.offsets
            .stored
            .iter()
            .filter(|(partition, stored)| !subscribed.contains(&partition.topic) && expired(stored))
            .map(|(partition, _)| partition)
            .filter(|partition| !self.offsets.is_unstable(partition))
            .filter(|partition| !self.offsets.in_flight.contains_key(partition))
            .cloned()
            .collect()
    }

    /// Whether nothing would be left of the group without these offsets.
    fn is_unused_without(&self, partitions: &[TopicPartition]) -> bool {
        let at_rest = self.consumer.as_ref().is_none_or(Consumer::is_at_rest);
        let idle = self.shown_state() == State::Empty && self.pending_members.is_empty() && at_rest;
        idle && self.offsets.in_flight.is_empty()
            && self.offsets.pending.is_empty()
            && self.offsets.stored.keys().all(|stored| partitions.contains(stored))
    }
}
