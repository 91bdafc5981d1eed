//! IncrementalAlterConfigs (key 44), versions 0–1: sets, removes, appends to and subtracts from single settings
//! of a topic (KIP-339), or of a node while it runs, or of all nodes (KIP-226).

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterConfigsResourceResponse,
    IncrementalAlterConfigsResponse, IncrementalAlterableConfig,
};

use super::Call;
use super::describe_configs::{BROKER, TOPIC, topic_refusal};
use crate::cluster::{ChangeNodeSettingsError, ChangeSettingsError, ClusterError, ConfigChange};
use crate::config::NodeSettingError;
use crate::node::Node;

pub(super) async fn handle(
    node: Arc<Node>,
    _call: Call,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mut response = IncrementalAlterConfigsResponse::default();
    for resource in request.resources {
        let (error, error_message) = alter(&node, &resource, request.validate_only).await;
        response.responses.push(IncrementalAlterConfigsResourceResponse {
            error_code: error.code(),
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
        });
    }
    response
}

/// Changes settings of one resource; shared with AlterConfigs.
pub(super) async fn change(
    node: &Node,
    resource_type: i8,
    name: &str,
    changes: impl FnOnce(&BTreeMap<String, String>) -> Vec<(String, ConfigChange)>,
    validate_only: bool,
) -> (ErrorCode, Option<String>) {
    match resource_type {
        TOPIC => {}
        BROKER => return change_node(node, name, changes, validate_only).await,
        _ => {
            return (
                ErrorCode::InvalidRequest,
                Some("this kind of resource has no settings here".to_owned()),
            );
        }
    }
    match node.cluster.change_settings(name, changes, validate_only).await {
        Ok(()) => (ErrorCode::None, None),
        Err(error) => {
            let code = match &error {
                ClusterError::Refused(ChangeSettingsError::Unknown) => ErrorCode::UnknownTopicOrPartition,
                ClusterError::Refused(ChangeSettingsError::Setting(_)) => ErrorCode::InvalidConfig,
                other => super::failure_code(other),
            };
            let message = match &error {
                ClusterError::Refused(ChangeSettingsError::Setting(error)) => topic_refusal(error),
                other => other.to_string(),
            };
            (code, Some(message))
        }
    }
}

async fn change_node(
    node: &Node,
    name: &str,
    changes: impl FnOnce(&BTreeMap<String, String>) -> Vec<(String, ConfigChange)>,
    validate_only: bool,
) -> (ErrorCode, Option<String>) {
    let target = match name.parse() {
        _ if name.is_empty() => None,
        Ok(node_id) => Some(node_id),
        Err(_) => {
            let message = format!("{name:?} is no broker id");
            return (ErrorCode::InvalidRequest, Some(message));
        }
    };
    match node.cluster.change_node_settings(target, changes, validate_only).await {
        Ok(()) => (ErrorCode::None, None),
        Err(error) => {
            let code = match &error {
                ClusterError::Refused(ChangeNodeSettingsError::Setting(NodeSettingError::Invalid(_))) => {
                    ErrorCode::InvalidConfig
                }
                ClusterError::Refused(_) => ErrorCode::InvalidRequest,
                other => super::failure_code(other),
            };
            (code, Some(error.to_string()))
        }
    }
}

async fn alter(
    node: &Node,
    resource: &IncrementalAlterConfigsResource,
    validate_only: bool,
) -> (ErrorCode, Option<String>) {
    let mut changes = Vec::with_capacity(resource.configs.len());
    for config in &resource.configs {
        match operation(config) {
            Ok(change) => changes.push((config.name.clone(), change)),
            Err(reason) => return (ErrorCode::InvalidConfig, Some(format!("{}: {reason}", config.name))),
        }
    }
    change(node, resource.resource_type, &resource.resource_name, |_| changes, validate_only).await
}

fn operation(config: &IncrementalAlterableConfig) -> Result<ConfigChange, &'static str> {
    const DELETE: i8 = 1;
    let value = config.value.clone();
    match (config.config_operation, value) {
        (DELETE, _) => Ok(ConfigChange::Remove),
        (0, Some(value)) => Ok(ConfigChange::Set(value)),
        (2, Some(value)) => Ok(ConfigChange::Append(value)),
        (3, Some(value)) => Ok(ConfigChange::Subtract(value)),
        (0 | 2 | 3, None) => Err("the value is missing"),
        _ => Err("unknown operation"),
    }
}
