//! DescribeClientQuotas (key 48), versions 0–1: the quotas of users, clients and addresses (KIP-546). None can be set
//! yet, so a question that makes sense has an empty answer.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};

use super::Call;
use crate::node::Node;

const ENTITY_TYPES: [&str; 3] = ["user", "client-id", "ip"];

pub(super) async fn handle(
    _node: Arc<Node>,
    _call: Call,
    request: DescribeClientQuotasRequest,
) -> DescribeClientQuotasResponse {
    let unknown = request
        .components
        .into_iter()
        .map(|component| component.entity_type)
        .find(|entity_type| !ENTITY_TYPES.contains(&entity_type.as_str()));
    match unknown {
        None => DescribeClientQuotasResponse { entries: Some(Vec::new()), ..Default::default() },
        Some(entity_type) => DescribeClientQuotasResponse {
            error_code: ErrorCode::UnsupportedVersion.code(),
            error_message: Some(format!("quotas are for user, client-id and ip, not for {entity_type:?}")),
            ..Default::default()
        },
    }
}
