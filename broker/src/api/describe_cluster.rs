//! DescribeCluster (key 60), versions 0–2: the cluster's id, controller and brokers (KIP-700, KIP-919).

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse};

use super::{Call, metadata};
use crate::node::Node;

const BROKERS: i8 = 1;

pub(super) async fn handle(
    node: Arc<Node>,
    call: Call,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    let cluster_id = node.cluster.identity().cluster_id.clone();
    let endpoint_type = request.endpoint_type;
    if endpoint_type != BROKERS {
        // Controllers have no listener of their own on a single node.
        return DescribeClusterResponse {
            error_code: ErrorCode::MismatchedEndpointType.code(),
            error_message: Some("this listener is for brokers".to_owned()),
            endpoint_type,
            cluster_id,
            ..Default::default()
        };
    }
    let image = node.cluster.image();
    let brokers = image.brokers.iter().filter_map(|(node_id, broker)| {
        let (host, port) = metadata::endpoint(&image, *node_id, &call.peer)?;
        let rack = broker.rack.clone();
        Some(DescribeClusterBroker { broker_id: *node_id, host, port, rack, is_fenced: false })
    });
    let mut response = DescribeClusterResponse {
        endpoint_type,
        cluster_id,
        controller_id: image.brokers.keys().next().copied().unwrap_or(-1),
        brokers: brokers.collect(),
        ..Default::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = metadata::CLUSTER_OPERATIONS;
    }
    response
}
