//! DescribeUserScramCredentials (key 50), version 0: who has SCRAM credentials (KIP-554). Nobody can have any yet.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
};

use super::Call;
use crate::node::Node;

pub(super) async fn handle(
    _node: Arc<Node>,
    _call: Call,
    request: DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    let named = request.users.unwrap_or_default().into_iter();
    let results = named.map(|user| DescribeUserScramCredentialsResult {
        error_code: ErrorCode::ResourceNotFound.code(),
        error_message: Some(format!("user {:?} has no SCRAM credentials", user.name)),
        user: user.name,
        ..Default::default()
    });
    DescribeUserScramCredentialsResponse { results: results.collect(), ..Default::default() }
}
