//! ListConfigResources (key 74), versions 0–1: what has settings (KIP-1142). Version 0 asks for client metrics
//! subscriptions alone (KIP-714), of which there are none.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
};

use super::Call;
use super::describe_configs::{BROKER, TOPIC};
use crate::node::Node;

const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

pub(super) async fn handle(
    node: Arc<Node>,
    call: Call,
    request: ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    let known = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];
    let wanted = match (call.version, request.resource_types) {
        (0, _) => vec![CLIENT_METRICS],
        (_, wanted) if wanted.is_empty() => known.to_vec(),
        (_, wanted) => wanted,
    };
    if wanted.iter().any(|kind| !known.contains(kind)) {
        return ListConfigResourcesResponse {
            error_code: ErrorCode::UnsupportedVersion.code(),
            ..Default::default()
        };
    }
    let image = node.cluster.image();
    let named = |resource_type: i8, resource_name: String| ConfigResource { resource_name, resource_type };
    let mut config_resources = Vec::new();
    if wanted.contains(&TOPIC) {
        config_resources.extend(image.topics().map(|topic| named(TOPIC, topic.name.to_string())));
    }
    for kind in [BROKER, BROKER_LOGGER].into_iter().filter(|kind| wanted.contains(kind)) {
        config_resources.extend(image.brokers.keys().map(|node_id| named(kind, node_id.to_string())));
    }
    ListConfigResourcesResponse { config_resources, ..Default::default() }
}
