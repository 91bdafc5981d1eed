//! JoinGroup (key 11), versions 0–9: enters a classic group; answered when the generation is complete.
//!
//! Version 0 has one timeout for session and rebalance. From version 4 a new member must come back with the id
//! it is given (KIP-394), from 5 members may be static (KIP-345), from 9 a leader may skip assigning (KIP-814).

use std::sync::Arc;

use millstream_protocol::messages::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse, JoinGroupResponseMember,
};
use millstream_protocol::{ErrorCode, Uuid};

use super::Call;
use crate::coordinator::group::{Join, Joined, JoinedMember, Protocol};
use crate::node::Node;

const MEMBER_ID_REQUIRED_FROM: i16 = 4;
/// Below, a missing protocol is written as an empty string.
const NULLABLE_PROTOCOL_FROM: i16 = 7;
const SKIP_ASSIGNMENT_FROM: i16 = 9;

pub(super) async fn handle(node: Arc<Node>, call: Call, request: JoinGroupRequest) -> JoinGroupResponse {
    let version = call.version;
    let member_id = request.member_id.clone();
    let result = match node.coordinators.join_group(join(call, request)).await {
        Ok(result) => result.map_err(|refused| (refused.error.code(), refused.member_id)),
        Err(unavailable) => Err((unavailable.code(), member_id)),
    };
    match result {
        Ok(joined) => response(joined, version),
        Err((code, member_id)) => {
            node.metrics.count_error(code);
            refused(code, member_id, version)
        }
    }
}

fn join(call: Call, request: JoinGroupRequest) -> Join {
    let session_timeout_ms = request.session_timeout_ms;
    let protocol =
        |offered: JoinGroupRequestProtocol| Protocol { name: offered.name, metadata: offered.metadata };
    Join {
        group_id: request.group_id,
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        client_id: call.client_id,
        // As Java writes an address without a name: what tools show.
        client_host: format!("/{}", call.peer.host),
        session_timeout_ms,
        rebalance_timeout_ms: if call.version == 0 {
            session_timeout_ms
        } else {
            request.rebalance_timeout_ms
        },
        protocol_type: request.protocol_type,
        protocols: request.protocols.into_iter().map(protocol).collect(),
        requires_member_id: call.version >= MEMBER_ID_REQUIRED_FROM,
        supports_skipping_assignment: call.version >= SKIP_ASSIGNMENT_FROM,
        fresh_id: Uuid::random().to_string(),
    }
}

fn response(joined: Joined, version: i16) -> JoinGroupResponse {
    let member = |member: JoinedMember| JoinGroupResponseMember {
        member_id: member.member_id,
        group_instance_id: member.instance_id,
        metadata: member.metadata,
    };
    JoinGroupResponse {
        generation_id: joined.generation,
        protocol_type: joined.protocol_type,
        protocol_name: protocol_name(joined.protocol, version),
        leader: joined.leader,
        skip_assignment: joined.skip_assignment,
        member_id: joined.member_id,
        members: joined.members.into_iter().map(member).collect(),
        ..Default::default()
    }
}

fn refused(code: ErrorCode, member_id: String, version: i16) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code: code.code(),
        generation_id: -1,
        protocol_name: protocol_name(None, version),
        member_id,
        ..Default::default()
    }
}

fn protocol_name(name: Option<String>, version: i16) -> Option<String> {
    if version < NULLABLE_PROTOCOL_FROM { Some(name.unwrap_or_default()) } else { name }
}
