//! Heartbeat (key 12), versions 0–4: a member of a classic group is alive, and hears of rebalances.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::Call;
use crate::coordinator::group::Heartbeat;
use crate::node::Node;

pub(super) async fn handle(node: Arc<Node>, _call: Call, request: HeartbeatRequest) -> HeartbeatResponse {
    let heartbeat = Heartbeat {
        group_id: request.group_id,
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        generation: request.generation_id,
    };
    let code = match node.coordinators.heartbeat(heartbeat).await {
        Ok(Ok(())) => ErrorCode::None,
        Ok(Err(error)) => error.code(),
        Err(unavailable) => unavailable.code(),
    };
    node.metrics.count_error(code);
    HeartbeatResponse { error_code: code.code(), ..Default::default() }
}
