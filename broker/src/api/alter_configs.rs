//! AlterConfigs (key 33), versions 0–2: replaces all overrides of a topic or node by the ones given (KIP-133). The
//! incremental form is the better one; this stays for old clients.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
};

use super::{Call, incremental_alter_configs};
use crate::cluster::ConfigChange;
use crate::node::Node;

pub(super) async fn handle(
    node: Arc<Node>,
    _call: Call,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let mut response = AlterConfigsResponse::default();
    for resource in request.resources {
        let changes = |current: &BTreeMap<String, String>| replacement(current, &resource);
        let (error, error_message) = incremental_alter_configs::change(
            &node,
            resource.resource_type,
            &resource.resource_name,
            changes,
            request.validate_only,
        )
        .await;
        response.responses.push(AlterConfigsResourceResponse {
            error_code: error.code(),
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
        });
    }
    response
}

/// What turns the overrides into exactly the ones given; a null value leaves the default.
fn replacement(
    current: &BTreeMap<String, String>,
    resource: &AlterConfigsResource,
) -> Vec<(String, ConfigChange)> {
    let wanted: BTreeMap<&String, &String> =
        resource.configs.iter().filter_map(|config| Some((&config.name, config.value.as_ref()?))).collect();
    let gone = current.keys().filter(|key| !wanted.contains_key(key));
    let removed = gone.map(|key| (key.clone(), ConfigChange::Remove));
    let set = wanted.iter().map(|(key, value)| ((*key).clone(), ConfigChange::Set((*value).clone())));
    removed.chain(set).collect()
}
