//! LeaveGroup (key 13), versions 0–5: members go at once. Several, and static ones by instance id alone, from
//! version 3 (KIP-345).

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse};

use super::Call;
use crate::coordinator::group::LeavingMember;
use crate::node::Node;

const BATCHED_FROM: i16 = 3;

pub(super) async fn handle(node: Arc<Node>, call: Call, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let batched = call.version >= BATCHED_FROM;
    let identities = if batched {
        request.members
    } else {
        vec![MemberIdentity { member_id: request.member_id, ..Default::default() }]
    };
    let leaving = identities.iter().map(|identity| LeavingMember {
        member_id: identity.member_id.clone(),
        instance_id: identity.group_instance_id.clone(),
    });
    let left = match node.coordinators.leave_group(request.group_id, leaving.collect()).await {
        Ok(Ok(left)) => left,
        Ok(Err(error)) => return refused(&node, error.code()),
        Err(unavailable) => return refused(&node, unavailable.code()),
    };
    let codes = left.into_iter().map(|result| result.map_or_else(|error| error.code(), |()| ErrorCode::None));
    if !batched {
        return refused(&node, codes.into_iter().next().unwrap_or(ErrorCode::None));
    }
    let member = |(identity, code): (MemberIdentity, ErrorCode)| MemberResponse {
        member_id: identity.member_id,
        group_instance_id: identity.group_instance_id,
        error_code: code.code(),
    };
    LeaveGroupResponse {
        members: identities.into_iter().zip(codes).map(member).collect(),
        ..Default::default()
    }
}

fn refused(node: &Node, code: ErrorCode) -> LeaveGroupResponse {
    node.metrics.count_error(code);
    LeaveGroupResponse { error_code: code.code(), ..Default::default() }
}
