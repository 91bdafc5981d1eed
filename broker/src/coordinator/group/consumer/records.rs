//! A next-generation group in its log: the records that lead from one state to the next, and back from records to state.

use bytes::Bytes;

use super::assignor::Assignment;
use super::group::ConsumerGroup;
use super::member::Member;
use crate::coordinator::LogRecord;
use crate::coordinator::consumer_record::{self as record, Current, Kind};
use crate::coordinator::log_record::RecordError;

/// What `next` has that `before` has not. Without `before` the group is new in the log.
pub(super) fn changes(
    group_id: &str,
    before: Option<&ConsumerGroup>,
    next: &ConsumerGroup,
) -> Vec<LogRecord> {
    let nothing = ConsumerGroup::default();
    let old = before.unwrap_or(&nothing);
    let mut records = Vec::new();
    let mut put = |kind: Kind, member_id: &str, value: Option<Bytes>| {
        records.push(record::record(group_id, kind, member_id, value));
    };
    for id in old.members.keys().filter(|id| !next.members.contains_key(*id)) {
        MEMBER_KINDS.into_iter().for_each(|kind| put(kind, id, None));
    }
    for (id, member) in &next.members {
        if old.members.get(id).is_none_or(|old| !has_same_metadata(old, member)) {
            put(Kind::Member, id, Some(record::member_value(member)));
        }
    }
    if before.is_none() || (old.epoch, old.metadata_hash) != (next.epoch, next.metadata_hash) {
        put(Kind::Group, "", Some(record::group_value(next.epoch, next.metadata_hash)));
    }
    for (id, target) in &next.target {
        if old.target.get(id) != Some(target) {
            put(Kind::Target, id, Some(record::target_value(target)));
        }
    }
    if old.target_epoch != next.target_epoch {
        put(Kind::TargetEpoch, "", Some(record::target_epoch_value(next.target_epoch)));
    }
    for (id, member) in &next.members {
        if old.members.get(id).is_none_or(|old| !has_same_assignment(old, member)) {
            put(Kind::Current, id, Some(record::current_value(member)));
        }
    }
    records
}

/// The records of one member, in the order in which they go.
const MEMBER_KINDS: [Kind; 3] = [Kind::Current, Kind::Target, Kind::Member];

/// Takes all that the log holds of a group away.
pub(in super::super) fn tombstones(group_id: &str, group: &ConsumerGroup) -> Vec<LogRecord> {
    let of_members = group.members.keys().flat_map(|id| MEMBER_KINDS.map(|kind| (kind, id.as_str())));
    let all = of_members.chain([(Kind::TargetEpoch, ""), (Kind::Group, "")]);
    all.map(|(kind, member_id)| record::record(group_id, kind, member_id, None)).collect()
}

fn has_same_metadata(left: &Member, right: &Member) -> bool {
    let metadata = |member: &Member| Member {
        epoch: 0,
        previous_epoch: 0,
        state: Default::default(),
        assigned: Assignment::new(),
        revoking: Assignment::new(),
        ..member.clone()
    };
    metadata(left) == metadata(right)
}

fn has_same_assignment(left: &Member, right: &Member) -> bool {
    (left.epoch, left.previous_epoch, left.state) == (right.epoch, right.previous_epoch, right.state)
        && left.assigned == right.assigned
        && left.revoking == right.revoking
}

impl ConsumerGroup {
    /// Takes in one record of the log.
    pub(in super::super) fn replay(
        &mut self,
        kind: Kind,
        member_id: String,
        value: Option<Bytes>,
    ) -> Result<(), RecordError> {
        match (kind, value) {
            (Kind::Group, Some(value)) => (self.epoch, self.metadata_hash) = record::read_group(value)?,
            (Kind::Group, None) => *self = ConsumerGroup::default(),
            (Kind::Member, Some(value)) => {
                let read = record::read_member(value)?;
                let member = self.members.entry(member_id).or_default();
                let before = std::mem::take(member);
                *member = Member {
                    epoch: before.epoch,
                    previous_epoch: before.previous_epoch,
                    state: before.state,
                    assigned: before.assigned,
                    revoking: before.revoking,
                    ..read
                };
            }
            (Kind::Member, None) => drop(self.members.remove(&member_id)),
            (Kind::TargetEpoch, value) => {
                self.target_epoch = value.map(record::read_target_epoch).transpose()?.unwrap_or(0);
            }
            (Kind::Target, Some(value)) => drop(self.target.insert(member_id, record::read_target(value)?)),
            (Kind::Target, None) => drop(self.target.remove(&member_id)),
            (Kind::Current, Some(value)) => {
                let Current { epoch, previous_epoch, state, assigned, revoking } =
                    record::read_current(value)?;
                let member = self.members.entry(member_id).or_default();
                (member.epoch, member.previous_epoch, member.state) = (epoch, previous_epoch, state);
                (member.assigned, member.revoking) = (assigned, revoking);
            }
            (Kind::Current, None) => {
                if let Some(member) = self.members.get_mut(&member_id) {
                    member.assigned.clear();
                    member.revoking.clear();
                }
            }
        }
        Ok(())
    }
}
