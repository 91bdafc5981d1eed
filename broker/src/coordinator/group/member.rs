//! One member of a classic group.

use bytes::Bytes;

use super::{Join, Protocol};
use crate::coordinator::RequestId;

#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) session_timeout_ms: i32,
    pub(super) rebalance_timeout_ms: i32,
    /// What the member can do, in its order of preference.
    pub(super) protocols: Vec<Protocol>,
    /// What the leader assigned in the current generation.
    pub(super) assignment: Bytes,
    /// Waits in its first join; nobody outside knows its id yet.
    pub(super) is_new: bool,
    pub(super) waiting_join: Option<RequestId>,
    pub(super) waiting_sync: Option<RequestId>,
}

impl Member {
    pub(super) fn new(join: &Join, request: RequestId) -> Member {
        Member {
            instance_id: join.instance_id.clone(),
            client_id: join.client_id.clone(),
            client_host: join.client_host.clone(),
            session_timeout_ms: join.session_timeout_ms,
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            protocols: join.protocols.clone(),
            assignment: Bytes::new(),
            is_new: true,
            waiting_join: Some(request),
            waiting_sync: None,
        }
    }

    pub(super) fn update(&mut self, join: &Join) {
        self.client_id.clone_from(&join.client_id);
        self.client_host.clone_from(&join.client_host);
        self.session_timeout_ms = join.session_timeout_ms;
        self.rebalance_timeout_ms = join.rebalance_timeout_ms;
        self.protocols.clone_from(&join.protocols);
    }

    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|offered| offered.name == protocol);
        found.map(|offered| offered.metadata.clone()).unwrap_or_default()
    }

    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|offered| offered.name == protocol)
    }
}
