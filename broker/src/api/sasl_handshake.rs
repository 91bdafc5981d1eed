//! SaslHandshake (key 17), versions 0–1: refused, with the empty list of mechanisms, because no listener
//! authenticates yet.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{SaslHandshakeRequest, SaslHandshakeResponse};

use super::Call;
use crate::node::Node;

pub(super) async fn handle(
    _node: Arc<Node>,
    _call: Call,
    _request: SaslHandshakeRequest,
) -> SaslHandshakeResponse {
    SaslHandshakeResponse { error_code: ErrorCode::UnsupportedSaslMechanism.code(), mechanisms: Vec::new() }
}
