//! DescribeGroups (key 15), versions 0–6: a classic group's state and members.
//!
//! An unknown group is described as "Dead", and from version 6 also refused with GROUP_ID_NOT_FOUND (KIP-1043).

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};

use super::Call;
use crate::coordinator::group::{DescribedMember, GroupDescription, State};
use crate::node::Node;

const NOT_FOUND_FROM: i16 = 6;
/// Bits of the operations that an administrator may do on a group (KIP-430): read, delete, describe, describe
/// configs, alter configs.
pub(super) const GROUP_OPERATIONS: i32 = (1 << 3) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 11);

pub(super) async fn handle(
    node: Arc<Node>,
    call: Call,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let mut response = DescribeGroupsResponse::default();
    for group_id in request.groups {
        let mut group = match node.coordinators.describe_group(group_id.clone()).await {
            Ok(Some(description)) => described(group_id, description),
            Ok(None) => unknown(group_id, call.version),
            Err(unavailable) => refused(group_id, unavailable.code()),
        };
        if request.include_authorized_operations && group.error_code == ErrorCode::None.code() {
            group.authorized_operations = GROUP_OPERATIONS;
        }
        response.groups.push(group);
    }
    response
}

fn described(group_id: String, description: GroupDescription) -> DescribedGroup {
    let member = |member: DescribedMember| DescribedGroupMember {
        member_id: member.member_id,
        group_instance_id: member.instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        member_metadata: member.metadata,
        member_assignment: member.assignment,
    };
    DescribedGroup {
        group_id,
        group_state: description.state.name().to_owned(),
        protocol_type: description.protocol_type,
        protocol_data: description.protocol,
        members: description.members.into_iter().map(member).collect(),
        ..Default::default()
    }
}

fn unknown(group_id: String, version: i16) -> DescribedGroup {
    let code = if version >= NOT_FOUND_FROM { ErrorCode::GroupIdNotFound } else { ErrorCode::None };
    let error_message = (version >= NOT_FOUND_FROM).then(|| format!("group {group_id} not found"));
    DescribedGroup {
        error_code: code.code(),
        error_message,
        group_id,
        group_state: State::Dead.name().to_owned(),
        ..Default::default()
    }
}

fn refused(group_id: String, code: ErrorCode) -> DescribedGroup {
    DescribedGroup { error_code: code.code(), group_id, ..Default::default() }
}
