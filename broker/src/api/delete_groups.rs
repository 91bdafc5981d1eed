//! DeleteGroups (key 42), versions 0–3: removes empty groups with their offsets (KIP-229).

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};

use super::Call;
use crate::node::Node;

pub(super) async fn handle(
    node: Arc<Node>,
    call: Call,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut response = DeleteGroupsResponse::default();
    for group_id in request.groups_names {
        let (code, error_message) = match node.coordinators.delete_group(group_id.clone()).await {
            Ok(Ok(())) => (ErrorCode::None, None),
            Ok(Err(error)) => (error.code(), Some(error.to_string())),
            Err(unavailable) => (unavailable.code(), Some(unavailable.to_string())),
        };
        node.metrics.count_error(code);
        let error_code = code.code();
        response.results.push(DeletableGroupResult {
            group_id,
            error_code,
            error_message: from_version(call.version, error_message),
        });
    }
    response
}

/// Messages exist from version 3.
fn from_version(version: i16, error_message: Option<String>) -> Option<String> {
    error_message.filter(|_| version >= 3)
}
