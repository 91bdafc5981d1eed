//! Members of the classic protocol inside a next-generation group: while a group's clients are exchanged one by one, old
//! ones join, sync and send heartbeats as ever, and are told to rejoin whenever their assignment moves.
//!
//! Nobody leads: each member gets its share from the group's target when it syncs. Its generation is its member epoch.

use std::collections::BTreeSet;

use bytes::Bytes;
use millstream_protocol::Uuid;

use super::super::state::CONSUMER_PROTOCOL_TYPE;
use super::super::topics::Topics;
use super::super::{
    Heartbeat, HeartbeatError, Join, JoinError, JoinRefused, Joined, LeaveError, LeavingMember, Reply, Sync,
    SyncError, Synced,
};
use super::assignor::Assignment;
use super::group::ConsumerGroup;
use super::heartbeat::Step;
use super::member::{ClassicMember, Member, Reconciliation};
use crate::coordinator::RequestId;
use crate::coordinator::log_record::{self, Subscription};

/// A member id or group instance id that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Unknown,
    Fenced,
}

macro_rules! from_fault {
    ($($error:ident),*) => {$(
        impl From<Fault> for $error {
            fn from(fault: Fault) -> Self {
                match fault {
                    Fault::Unknown => Self::UnknownMember,
                    Fault::Fenced => Self::FencedInstance,
                }
            }
        }
    )*};
}
from_fault!(JoinError, SyncError, HeartbeatError, LeaveError);

impl Step<'_> {
    pub(super) fn join(&mut self, request: RequestId, join: &Join) {
        let result = self.join_as(join);
        self.answers.push((request, Reply::Join(result)));
    }

    fn join_as(&mut self, join: &Join) -> Result<Joined, JoinRefused> {
        let refused = |error, member_id: &str| JoinRefused { error, member_id: member_id.to_owned() };
        let subscription =
            readable(join).ok_or_else(|| refused(JoinError::InconsistentProtocol, &join.member_id))?;
        if !self.next.shares_a_protocol(join) {
            return Err(refused(JoinError::InconsistentProtocol, &join.member_id));
        }
        if join.member_id.is_empty() && join.instance_id.is_none() && join.requires_member_id {
            let member_id = format!("{}-{}", join.client_id, join.fresh_id);
            return Err(refused(JoinError::MemberIdRequired, &member_id));
        }
        // One that was removed and does not know yet must not go on with what others may have by now.
        if !subscription.owned.is_empty() && !self.next.members.contains_key(&join.member_id) {
            return Err(refused(JoinError::UnknownMember, &join.member_id));
        }
        let (id, is_new) = self.classic_place(join).map_err(|error| refused(error, &join.member_id))?;
        let owned = by_id(&subscription.owned, self.topics);
        let Some(member) = self.next.members.get_mut(&id) else {
            return Err(refused(JoinError::UnknownMember, &id));
        };
        let changed = is_new || member.topics != subscription.topics || member.regex.is_some();
        member.become_classic(join, subscription);
        self.advance(changed, &id, Some(&owned));
        // It has so long to ask for its assignment.
        self.patience_ms.push((id.clone(), Some(i64::from(join.rebalance_timeout_ms))));
        let member = self.next.members.get(&id);
        Ok(Joined {
            generation: member.map_or(-1, |member| member.epoch),
            member_id: id,
            protocol_type: Some(CONSUMER_PROTOCOL_TYPE.to_owned()),
            protocol: join.protocols.first().map(|offered| offered.name.clone()),
            leader: String::new(),
            skip_assignment: false,
            members: Vec::new(),
        })
    }

    /// The id under which it is a member, and whether it is new.
    fn classic_place(&mut self, join: &Join) -> Result<(String, bool), JoinError> {
        let fresh = |prefix: &str| format!("{prefix}-{}", join.fresh_id);
        if let Some(instance_id) = &join.instance_id {
            match self.next.static_member(instance_id).cloned() {
                Some(owner) if join.member_id.is_empty() => {
                    let id = fresh(instance_id);
                    self.next.replace(&owner, &id);
                    return Ok((id, false));
                }
                Some(owner) if owner == join.member_id => return Ok((owner, false)),
                Some(_) => return Err(JoinError::FencedInstance),
                None if join.member_id.is_empty() => {}
                None => return Err(JoinError::UnknownMember),
            }
        }
        let id = match (join.member_id.is_empty(), &join.instance_id) {
            (false, _) => join.member_id.clone(),
            (true, Some(instance_id)) => fresh(instance_id),
            (true, None) => fresh(&join.client_id),
        };
        if self.next.members.contains_key(&id) {
            return Ok((id, false));
        }
        if self.next.members.len() >= self.config.consumer_max_size {
            return Err(JoinError::GroupFull);
        }
        self.next.members.insert(id.clone(), Member::default());
        Ok((id, true))
    }

    pub(super) fn sync(&mut self, request: RequestId, sync: &Sync) {
        let result = self.sync_as(sync);
        self.answers.push((request, Reply::Sync(result)));
    }

    fn sync_as(&mut self, sync: &Sync) -> Result<Synced, SyncError> {
        let (member, classic) = self.next.classic_member(&sync.member_id, sync.instance_id.as_deref())?;
        if sync.generation != member.epoch {
            return Err(SyncError::IllegalGeneration);
        }
        let own = classic.protocols.first().map(|offered| offered.name.as_str());
        let other_type = sync.protocol_type.as_deref().is_some_and(|kind| kind != CONSUMER_PROTOCOL_TYPE);
        if other_type || (sync.protocol.is_some() && sync.protocol.as_deref() != own) {
            return Err(SyncError::InconsistentProtocol);
        }
        // One that gives partitions back has rejoined already; it syncs, gives back and rejoins.
        if self.next.epoch > member.epoch && member.state != Reconciliation::Revoking {
            return Err(SyncError::Rebalance);
        }
        let assignment = classic.encode(&member.assigned, self.topics);
        let protocol = own.map(str::to_owned);
        self.heard.insert(sync.member_id.clone());
        self.patience_ms.push((sync.member_id.clone(), None));
        Ok(Synced { protocol_type: Some(CONSUMER_PROTOCOL_TYPE.to_owned()), protocol, assignment })
    }

    pub(super) fn classic_heartbeat(&mut self, request: RequestId, heartbeat: &Heartbeat) {
        let result = self.classic_heartbeat_as(heartbeat);
        self.answers.push((request, Reply::Heartbeat(result)));
    }

    fn classic_heartbeat_as(&mut self, heartbeat: &Heartbeat) -> Result<(), HeartbeatError> {
        let id = &heartbeat.member_id;
        let (member, _) = self.next.classic_member(id, heartbeat.instance_id.as_deref())?;
        if heartbeat.generation != member.epoch {
            return Err(HeartbeatError::IllegalGeneration);
        }
        let patience_ms = i64::from(member.rebalance_timeout_ms);
        self.heard.insert(id.clone());
        // Nobody else may ask about the topics when all members are classic.
        if !self.next.has_seen(self.topics) && self.next.look_at(self.topics) {
            self.next.epoch += 1;
        }
        if self.next.has_news_for(id) {
            self.patience_ms.push((id.clone(), Some(patience_ms)));
            return Err(HeartbeatError::Rebalance);
        }
        Ok(())
    }

    pub(super) fn leave_classic(&mut self, request: RequestId, members: &[LeavingMember]) {
        let results = members.iter().map(|leaving| self.leave_one(leaving)).collect();
        self.answers.push((request, Reply::Leave(Ok(results))));
    }

    /// By member id, or by instance id alone (an administrator's way, for members of either protocol).
    fn leave_one(&mut self, leaving: &LeavingMember) -> Result<(), LeaveError> {
        let id = match (leaving.member_id.is_empty(), leaving.instance_id.as_deref()) {
            (true, instance_id) => {
                let owner = instance_id.and_then(|instance_id| self.next.static_member(instance_id));
                owner.cloned().ok_or(LeaveError::UnknownMember)?
            }
            (false, instance_id) => {
                self.next.classic_member(&leaving.member_id, instance_id)?;
                leaving.member_id.clone()
            }
        };
        self.next.remove(&id);
        Ok(())
    }
}

impl ConsumerGroup {
    fn classic_member(
        &self,
        id: &str,
        instance_id: Option<&str>,
    ) -> Result<(&Member, &ClassicMember), Fault> {
        if let Some(instance_id) = instance_id {
            match self.static_member(instance_id) {
                None => return Err(Fault::Unknown),
                Some(owner) if owner != id => return Err(Fault::Fenced),
                Some(_) => {}
            }
        }
        let member = self.members.get(id).ok_or(Fault::Unknown)?;
        Ok((member, member.classic.as_ref().ok_or(Fault::Unknown)?))
    }

    /// Whether a classic member has to rejoin to hear of what is new.
    fn has_news_for(&self, id: &str) -> bool {
        let Some(member) = self.members.get(id) else { return false };
        member.epoch < self.epoch
            || member.state == Reconciliation::Revoking
            || (member.state == Reconciliation::Waiting && !self.must_wait(id))
    }

    /// All classic members must have one protocol in common, for the day when the group becomes a classic one.
    fn shares_a_protocol(&self, join: &Join) -> bool {
        let mut others = self
            .members
            .iter()
            .filter(|(id, _)| **id != join.member_id)
            .filter_map(|(_, member)| member.classic.as_ref())
            .peekable();
        if others.peek().is_none() {
            return true;
        }
        let others: Vec<&ClassicMember> = others.collect();
        join.protocols.iter().any(|offered| {
            others.iter().all(|other| other.protocols.iter().any(|theirs| theirs.name == offered.name))
        })
    }
}

impl Member {
    fn become_classic(&mut self, join: &Join, subscription: Subscription) {
        self.instance_id.clone_from(&join.instance_id);
        self.rack_id = subscription.rack_id;
        self.client_id.clone_from(&join.client_id);
        self.client_host.clone_from(&join.client_host);
        self.topics = subscription.topics;
        self.regex = None;
        self.assignor = None;
        self.rebalance_timeout_ms = join.rebalance_timeout_ms;
        self.classic = Some(ClassicMember {
            session_timeout_ms: join.session_timeout_ms,
            protocols: join.protocols.clone(),
        });
    }
}

impl ClassicMember {
    /// An assignment as consumers of the classic protocol read it.
    pub(super) fn encode(&self, assigned: &Assignment, topics: &dyn Topics) -> Bytes {
        let version = self.protocols.first().map_or(0, |offered| log_record::version_of(&offered.metadata));
        let named = assigned.iter().filter_map(|(topic, partitions)| {
            Some((topics.name(*topic)?, partitions.iter().copied().collect()))
        });
        log_record::consumer_assignment(version, named.collect())
    }
}

/// What the first protocol of a consumer says that it wants; `None` if it is no consumer.
fn readable(join: &Join) -> Option<Subscription> {
    if join.protocol_type != CONSUMER_PROTOCOL_TYPE {
        return None;
    }
    log_record::subscription(&join.protocols.first()?.metadata)
}

/// Topics that no longer exist fall out.
pub(super) fn by_id(named: &[(String, Vec<i32>)], topics: &dyn Topics) -> Assignment {
    let mut assignment = Assignment::new();
    for (name, partitions) in named {
        let Some(topic) = topics.find(name) else { continue };
        let own: BTreeSet<i32> = partitions.iter().copied().collect();
        if !own.is_empty() {
            assignment.entry(topic.id as Uuid).or_default().extend(own);
        }
    }
    assignment
}
