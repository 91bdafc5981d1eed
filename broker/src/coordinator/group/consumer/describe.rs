//! What administrators ask of next-generation groups, and what commits have to prove.

use super::super::state::{Group, State};
use super::super::{Commit, CommitError, FetchOffsetError, GroupCoordinator};
use super::assignor::Assignment;
use super::group::ConsumerGroup;

/// One group of ConsumerGroupDescribe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerDescription {
    pub state: State,
    pub epoch: i32,
    pub target_epoch: i32,
    pub assignor: &'static str,
    pub members: Vec<DescribedConsumer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedConsumer {
    pub member_id: String,
    pub instance_id: Option<String>,
    pub rack_id: Option<String>,
    pub epoch: i32,
    pub client_id: String,
    pub client_host: String,
    pub topics: Vec<String>,
    pub regex: Option<String>,
    pub assigned: Assignment,
    pub target: Assignment,
    pub is_classic: bool,
}

impl GroupCoordinator {
    /// `None` when there is no such group, or when it is a classic one.
    pub fn describe_consumer(&self, group_id: &str) -> Option<ConsumerDescription> {
        let group = &self.groups.get(group_id)?.consumer.as_ref()?.current;
        let members = group.members.iter().map(|(id, member)| DescribedConsumer {
            member_id: id.clone(),
            instance_id: member.instance_id.clone(),
            rack_id: member.rack_id.clone(),
            epoch: member.epoch,
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            topics: member.topics.iter().cloned().collect(),
            regex: member.regex.clone(),
            assigned: member.assigned.clone(),
            target: group.target.get(id).cloned().unwrap_or_default(),
            is_classic: member.classic.is_some(),
        });
        Some(ConsumerDescription {
            state: group.state(),
            epoch: group.epoch,
            target_epoch: group.target_epoch,
            assignor: group.assignor(&self.config.consumer_assignors).name(),
            members: members.collect(),
        })
    }

    /// Whether somebody may read a group's offsets as this member in this epoch (OffsetFetch from version 9).
    pub fn check_fetch(
        &self,
        group_id: &str,
        member_id: Option<&str>,
        epoch: i32,
    ) -> Result<(), FetchOffsetError> {
        let Some(consumer) = self.groups.get(group_id).and_then(|group| group.consumer.as_ref()) else {
            return Ok(());
        };
        let Some(member_id) = member_id.filter(|id| !id.is_empty() || epoch >= 0) else { return Ok(()) };
        match consumer.current.members.get(member_id) {
            None => Err(FetchOffsetError::UnknownMember),
            Some(member) if member.epoch != epoch => Err(FetchOffsetError::StaleEpoch),
            Some(_) => Ok(()),
        }
    }
}

impl Group {
    /// The state that is shown: of whichever protocol the group has.
    pub(in super::super) fn shown_state(&self) -> State {
        self.consumer.as_ref().map_or(self.state, |consumer| consumer.current.state())
    }
}

impl ConsumerGroup {
    pub(in super::super) fn check_commit(
        &self,
        commit: &Commit,
        transactional: bool,
    ) -> Result<(), CommitError> {
        let anonymous = commit.member_id.is_empty() && commit.instance_id.is_none();
        if commit.generation < 0 && (self.members.is_empty() || (transactional && anonymous)) {
            return Ok(());
        }
        if let Some(instance_id) = &commit.instance_id
            && self.static_member(instance_id).is_some_and(|owner| *owner != commit.member_id)
        {
            return Err(CommitError::FencedInstance);
        }
        let member = self.members.get(&commit.member_id).ok_or(CommitError::UnknownMember)?;
        match commit.generation == member.epoch {
            true => Ok(()),
            false if transactional || member.classic.is_some() => Err(CommitError::IllegalGeneration),
            false => Err(CommitError::StaleEpoch),
        }
    }
}
