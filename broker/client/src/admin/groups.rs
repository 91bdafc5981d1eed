//! Consumer groups and their committed offsets.

use bytes::Bytes;
use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupDescribedMember,
    DeleteGroupsRequest, DescribeGroupsRequest, DescribedGroupMember, ListGroupsRequest, OffsetDeleteRequest,
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};

use super::{Admin, AdminError, accepted};
use crate::connection::CallError;
use crate::coordinator::CoordinatorKind;
use crate::group::{assignment_partitions, fetch_committed, store_committed};
use crate::topic::{CommittedOffset, TopicPartition};

/// One group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    pub group_id: String,
    /// `consumer` for consumer groups; empty for groups that only keep offsets.
    pub protocol_type: String,
    /// As the coordinator names it, such as `Stable` or `Empty`; empty when it does not tell.
    pub state: String,
    /// `Classic` or `Consumer`; empty when the coordinator does not tell.
    pub group_type: String,
}

/// One group in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    pub group_id: String,
    pub state: String,
    pub protocol_type: String,
    /// The assignor in use; empty while none is.
    pub assignor: String,
    pub members: Vec<GroupMember>,
}

/// One member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    pub member_id: String,
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub partitions: Vec<TopicPartition>,
}

impl Admin {
    /// Groups of all coordinators, sorted by id. Empty `states` means any.
    pub async fn list_groups(&self, states: &[&str]) -> Result<Vec<GroupListing>, AdminError> {
        const ATTEMPT: &str = "listing groups of node";
        let request = ListGroupsRequest {
            states_filter: states.iter().map(|&state| state.to_owned()).collect(),
            types_filter: Vec::new(),
        };
        let mut listings = Vec::new();
        for (node_id, answer) in self.call_all(request).await {
            let name = node_id.to_string();
            let response =
                answer.map_err(|source| AdminError::Call { attempt: ATTEMPT, name: name.clone(), source })?;
            accepted(ATTEMPT, &name, response.error_code, None)?;
            listings.extend(response.groups.into_iter().map(|group| GroupListing {
                group_id: group.group_id,
                protocol_type: group.protocol_type,
                state: group.group_state,
                group_type: group.group_type,
            }));
        }
        listings.sort_by(|left, right| left.group_id.cmp(&right.group_id));
        Ok(listings)
    }

    /// A group of either protocol. Asks for a next-generation one first, as only that tells the two apart.
    pub async fn describe_group(&self, group_id: &str) -> Result<GroupDescription, AdminError> {
        match self.describe_consumer_group(group_id).await {
            Some(described) => Ok(described),
            None => self.describe_classic_group(group_id).await,
        }
    }

    /// `None` for another kind of group, and where nobody can tell: the classic question finds out why.
    async fn describe_consumer_group(&self, group_id: &str) -> Option<GroupDescription> {
        let request = ConsumerGroupDescribeRequest {
            group_ids: vec![group_id.to_owned()],
            include_authorized_operations: false,
        };
        let code_of = |response: &ConsumerGroupDescribeResponse| {
            ErrorCode::from_code(response.groups.first().map_or(0, |group| group.error_code))
        };
        let asked = self.client.call_coordinator(CoordinatorKind::Group, group_id, request, code_of).await;
        let group = asked.ok()?.groups.into_iter().next().filter(|group| group.error_code == 0)?;
        Some(GroupDescription {
            group_id: group.group_id,
            state: group.group_state,
            protocol_type: "consumer".to_owned(),
            assignor: group.assignor_name,
            members: group.members.into_iter().map(consumer_member).collect(),
        })
    }

    pub(crate) async fn describe_classic_group(
        &self,
        group_id: &str,
    ) -> Result<GroupDescription, AdminError> {
        const ATTEMPT: &str = "describing group";
        let request =
            DescribeGroupsRequest { groups: vec![group_id.to_owned()], include_authorized_operations: false };
        let response = self
            .client
            .call_coordinator(CoordinatorKind::Group, group_id, request, |response| {
                ErrorCode::from_code(response.groups.first().map_or(0, |group| group.error_code))
            })
            .await
            .map_err(|source| failed(ATTEMPT, group_id, source))?;
        let group = response
            .groups
            .into_iter()
            .next()
            .ok_or_else(|| AdminError::Unanswered { attempt: ATTEMPT, name: group_id.to_owned() })?;
        accepted(ATTEMPT, group_id, group.error_code, group.error_message)?;
        Ok(GroupDescription {
            group_id: group.group_id,
            state: group.group_state,
            protocol_type: group.protocol_type,
            assignor: group.protocol_data,
            members: group.members.into_iter().map(member).collect(),
        })
    }

    /// Deletes groups without members, together with their offsets.
    pub async fn delete_groups(&self, group_ids: &[&str]) -> Vec<Result<(), AdminError>> {
        const ATTEMPT: &str = "deleting group";
        let delete = |group_id: String| async move {
            let request = DeleteGroupsRequest { groups_names: vec![group_id.clone()] };
            let response = self
                .client
                .call_coordinator(CoordinatorKind::Group, &group_id, request, |response| {
                    ErrorCode::from_code(response.results.first().map_or(0, |result| result.error_code))
                })
                .await
                .map_err(|source| failed(ATTEMPT, &group_id, source))?;
            let Some(result) = response.results.into_iter().next() else {
                return Err(AdminError::Unanswered { attempt: ATTEMPT, name: group_id });
            };
            accepted(ATTEMPT, &group_id, result.error_code, result.error_message)
        };
        futures_util::future::join_all(group_ids.iter().map(|&group_id| delete(group_id.to_owned()))).await
    }

    /// What a group has committed: for the given partitions, or all of them. Partitions without an offset are left out.
    /// Offsets of open transactions are waited for.
    pub async fn group_offsets(
        &self,
        group_id: &str,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<Vec<(TopicPartition, CommittedOffset)>, AdminError> {
        const ATTEMPT: &str = "fetching offsets of group";
        fetch_committed(&self.client, group_id, partitions)
            .await
            .map_err(|source| failed(ATTEMPT, group_id, source))?
            .map_err(|code| refused(ATTEMPT, group_id, code))
    }

    /// Sets offsets of a group that has no members.
    pub async fn alter_group_offsets(
        &self,
        group_id: &str,
        offsets: &[(TopicPartition, CommittedOffset)],
    ) -> Result<(), AdminError> {
        const ATTEMPT: &str = "setting offsets of group";
        let simple = crate::group::GroupMetadata::simple(group_id);
        store_committed(&self.client, &simple, offsets)
            .await
            .map_err(|source| failed(ATTEMPT, group_id, source))?
            .map_err(|code| refused(ATTEMPT, group_id, code))
    }

    /// Forgets offsets of partitions that no member subscribes to. One result per partition, in the order asked.
    pub async fn delete_group_offsets(
        &self,
        group_id: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Result<(), AdminError>>, AdminError> {
        const ATTEMPT: &str = "deleting offset in group of";
        let topics = crate::group::by_topic(partitions.iter())
            .into_iter()
            .map(|(name, indexes)| OffsetDeleteRequestTopic {
                name,
                partitions: indexes
                    .into_iter()
                    .map(|partition_index| OffsetDeleteRequestPartition { partition_index })
                    .collect(),
            })
            .collect();
        let request = OffsetDeleteRequest { group_id: group_id.to_owned(), topics };
        let response = self
            .client
            .call_coordinator(CoordinatorKind::Group, group_id, request, |response| {
                ErrorCode::from_code(response.error_code)
            })
            .await
            .map_err(|source| failed(ATTEMPT, group_id, source))?;
        accepted(ATTEMPT, group_id, response.error_code, None)?;
        let code_of = |place: &TopicPartition| {
            let topic = response.topics.iter().find(|topic| *topic.name == *place.topic)?;
            let indexed = |partition: &&millstream_protocol::messages::OffsetDeleteResponsePartition| {
                partition.partition_index == place.partition
            };
            topic.partitions.iter().find(indexed).map(|partition| partition.error_code)
        };
        let results = partitions.iter().map(|place| {
            let name = place.to_string();
            let code = code_of(place)
                .ok_or_else(|| AdminError::Unanswered { attempt: ATTEMPT, name: name.clone() })?;
            accepted(ATTEMPT, &name, code, None)
        });
        Ok(results.collect())
    }
}

fn member(member: DescribedGroupMember) -> GroupMember {
    let assignment: Bytes = member.member_assignment;
    GroupMember {
        member_id: member.member_id,
        instance_id: member.group_instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        // Groups of another protocol type carry other blobs: they are shown without partitions.
        partitions: assignment_partitions(assignment).unwrap_or_default(),
    }
}

fn consumer_member(member: ConsumerGroupDescribedMember) -> GroupMember {
    let topics = member.assignment.topic_partitions.into_iter();
    GroupMember {
        member_id: member.member_id,
        instance_id: member.instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        partitions: topics
            .flat_map(|topic| {
                let name: std::sync::Arc<str> = topic.topic_name.into();
                topic.partitions.into_iter().map(move |index| TopicPartition::new(name.clone(), index))
            })
            .collect(),
    }
}

fn failed(attempt: &'static str, group_id: &str, source: CallError) -> AdminError {
    AdminError::Call { attempt, name: group_id.to_owned(), source }
}

fn refused(attempt: &'static str, group_id: &str, code: ErrorCode) -> AdminError {
    AdminError::Refused { attempt, name: group_id.to_owned(), code, message: None }
}
