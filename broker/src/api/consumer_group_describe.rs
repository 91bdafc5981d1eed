//! ConsumerGroupDescribe (key 69), versions 0–1: next-generation groups with what members have and shall have (KIP-848).
//!
//! A classic group is GROUP_ID_NOT_FOUND here, as an unknown one is: tools then ask DescribeGroups.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupDescribedGroup,
    ConsumerGroupDescribedMember, DescribedAssignment, DescribedTopicPartitions,
};

use super::Call;
use super::describe_groups::GROUP_OPERATIONS;
use crate::cluster::MetadataImage;
use crate::coordinator::group::{Assignment, ConsumerDescription, DescribedConsumer};
use crate::node::Node;

pub(super) async fn handle(
    node: Arc<Node>,
    _call: Call,
    request: ConsumerGroupDescribeRequest,
) -> ConsumerGroupDescribeResponse {
    let mut response = ConsumerGroupDescribeResponse::default();
    for group_id in request.group_ids {
        let mut group = match node.coordinators.describe_consumer_group(group_id.clone()).await {
            Ok(Some(description)) => described(&node.cluster.image(), group_id, description),
            Ok(None) => {
                let message = format!("Group {group_id} is not a consumer group.");
                refused(group_id, ErrorCode::GroupIdNotFound, message)
            }
            Err(unavailable) => refused(group_id, unavailable.code(), unavailable.to_string()),
        };
        if request.include_authorized_operations && group.error_code == ErrorCode::None.code() {
            group.authorized_operations = GROUP_OPERATIONS;
        }
        response.groups.push(group);
    }
    response
}

fn described(
    image: &MetadataImage,
    group_id: String,
    description: ConsumerDescription,
) -> ConsumerGroupDescribedGroup {
    ConsumerGroupDescribedGroup {
        group_id,
        group_state: description.state.name().to_owned(),
        group_epoch: description.epoch,
        assignment_epoch: description.target_epoch,
        assignor_name: description.assignor.to_owned(),
        members: description.members.into_iter().map(|described| member(image, described)).collect(),
        ..Default::default()
    }
}

fn member(image: &MetadataImage, member: DescribedConsumer) -> ConsumerGroupDescribedMember {
    ConsumerGroupDescribedMember {
        member_id: member.member_id,
        instance_id: member.instance_id,
        rack_id: member.rack_id,
        member_epoch: member.epoch,
        client_id: member.client_id,
        client_host: member.client_host,
        subscribed_topic_names: member.topics,
        subscribed_topic_regex: member.regex,
        assignment: assignment(image, member.assigned),
        target_assignment: assignment(image, member.target),
        member_type: i8::from(!member.is_classic),
    }
}

/// Topics that are gone have no name to show and are left out.
fn assignment(image: &MetadataImage, assignment: Assignment) -> DescribedAssignment {
    let topics = assignment.into_iter().filter_map(|(topic_id, partitions)| {
        Some(DescribedTopicPartitions {
            topic_id,
            topic_name: image.topic_by_id(topic_id)?.name.to_string(),
            partitions: partitions.into_iter().collect(),
        })
    });
    DescribedAssignment { topic_partitions: topics.collect() }
}

fn refused(group_id: String, code: ErrorCode, message: String) -> ConsumerGroupDescribedGroup {
    ConsumerGroupDescribedGroup {
        error_code: code.code(),
        error_message: Some(message),
        group_id,
        ..Default::default()
    }
}
