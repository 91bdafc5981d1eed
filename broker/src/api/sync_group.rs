//! SyncGroup (key 14), versions 0–5: the leader's assignment in, the member's part out, once it is durable.

use std::sync::Arc;

use millstream_protocol::messages::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse};

use super::Call;
use crate::coordinator::group::Sync;
use crate::node::Node;

pub(super) async fn handle(node: Arc<Node>, _call: Call, request: SyncGroupRequest) -> SyncGroupResponse {
    let assignment = |given: SyncGroupRequestAssignment| (given.member_id, given.assignment);
    let sync = Sync {
        group_id: request.group_id,
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        generation: request.generation_id,
        protocol_type: request.protocol_type,
        protocol: request.protocol_name,
        assignments: request.assignments.into_iter().map(assignment).collect(),
    };
    let result = match node.coordinators.sync_group(sync).await {
        Ok(result) => result.map_err(|error| error.code()),
        Err(unavailable) => Err(unavailable.code()),
    };
    match result {
        Ok(synced) => SyncGroupResponse {
            protocol_type: synced.protocol_type,
            protocol_name: synced.protocol,
            assignment: synced.assignment,
            ..Default::default()
        },
        Err(code) => {
            node.metrics.count_error(code);
            SyncGroupResponse { error_code: code.code(), ..Default::default() }
        }
    }
}
