//! ListPartitionReassignments (key 46), version 0: partitions on their way to other nodes (KIP-455). With one node
//! nothing moves.

use std::sync::Arc;

use millstream_protocol::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

use super::Call;
use crate::node::Node;

pub(super) async fn handle(
    _node: Arc<Node>,
    _call: Call,
    _request: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default()
}
