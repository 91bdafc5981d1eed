//! Configs of topics and brokers.

use millstream_protocol::Request;
use millstream_protocol::messages::{
    DescribeConfigsRequest, DescribeConfigsResource, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResource, IncrementalAlterableConfig,
};

use super::{Admin, AdminError, accepted};
use crate::connection::{CallError, SHARED_LANE};

/// Whose configs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigResource {
    Topic(String),
    /// A node by id.
    Broker(i32),
    /// The defaults of all nodes.
    Brokers,
    Group(String),
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    Topic,
    DynamicBroker,
    DynamicBrokers,
    StaticBroker,
    Default,
    Group,
    Unknown,
}

/// One config as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    pub name: String,
    /// `None` for sensitive values.
    pub value: Option<String>,
    pub source: ConfigSource,
    pub is_read_only: bool,
    pub is_sensitive: bool,
    pub documentation: Option<String>,
}

/// One change to a config.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ConfigChange {
    Set(String, String),
    /// Back to the default.
    Delete(String),
    /// Adds to a list.
    Append(String, String),
    /// Removes from a list.
    Subtract(String, String),
}

impl Admin {
    /// All configs of one resource, sorted by name.
    pub async fn describe_configs(&self, resource: &ConfigResource) -> Result<Vec<ConfigEntry>, AdminError> {
        const ATTEMPT: &str = "describing configs of";
        let (resource_type, name) = resource.kind_and_name();
        let asked =
            DescribeConfigsResource { resource_type, resource_name: name.clone(), configuration_keys: None };
        let request = DescribeConfigsRequest {
            resources: vec![asked],
            include_synonyms: false,
            include_documentation: true,
        };
        let response = self.call_resource(resource, request).await.map_err(|source| AdminError::Call {
            attempt: ATTEMPT,
            name: name.clone(),
            source,
        })?;
        let result = response
            .results
            .into_iter()
            .next()
            .ok_or_else(|| AdminError::Unanswered { attempt: ATTEMPT, name: name.clone() })?;
        accepted(ATTEMPT, &name, result.error_code, result.error_message)?;
        let mut entries: Vec<ConfigEntry> = result
            .configs
            .into_iter()
            .map(|config| ConfigEntry {
                name: config.name,
                value: config.value,
                source: ConfigSource::from_number(config.config_source),
                is_read_only: config.read_only,
                is_sensitive: config.is_sensitive,
                documentation: config.documentation,
            })
            .collect();
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }

    /// Changes some configs of one resource and leaves the others alone (KIP-339).
    pub async fn alter_configs(
        &self,
        resource: &ConfigResource,
        changes: &[ConfigChange],
        validate_only: bool,
    ) -> Result<(), AdminError> {
        const ATTEMPT: &str = "altering configs of";
        let (resource_type, name) = resource.kind_and_name();
        let asked = IncrementalAlterConfigsResource {
            resource_type,
            resource_name: name.clone(),
            configs: changes.iter().map(alterable).collect(),
        };
        let request = IncrementalAlterConfigsRequest { resources: vec![asked], validate_only };
        let response = self.call_resource(resource, request).await.map_err(|source| AdminError::Call {
            attempt: ATTEMPT,
            name: name.clone(),
            source,
        })?;
        let answer = response
            .responses
            .into_iter()
            .next()
            .ok_or_else(|| AdminError::Unanswered { attempt: ATTEMPT, name: name.clone() })?;
        accepted(ATTEMPT, &name, answer.error_code, answer.error_message)
    }

    /// A broker's own configs are known only to that broker.
    async fn call_resource<R: Request>(
        &self,
        resource: &ConfigResource,
        request: R,
    ) -> Result<R::Response, CallError> {
        match resource {
            ConfigResource::Broker(node_id) => {
                self.client.shared.pool.node(*node_id, SHARED_LANE).await?.call(request).await
            }
            _ => self.call_controller_once(request).await,
        }
    }
}

impl ConfigResource {
    fn kind_and_name(&self) -> (i8, String) {
        match self {
            ConfigResource::Topic(name) => (2, name.clone()),
            ConfigResource::Broker(node_id) => (4, node_id.to_string()),
            ConfigResource::Brokers => (4, String::new()),
            ConfigResource::Group(name) => (32, name.clone()),
        }
    }
}

impl ConfigSource {
    fn from_number(number: i8) -> ConfigSource {
        match number {
            1 => ConfigSource::Topic,
            2 => ConfigSource::DynamicBroker,
            3 => ConfigSource::DynamicBrokers,
            4 => ConfigSource::StaticBroker,
            5 => ConfigSource::Default,
            8 => ConfigSource::Group,
            _ => ConfigSource::Unknown,
        }
    }
}

fn alterable(change: &ConfigChange) -> IncrementalAlterableConfig {
    let (name, config_operation, value) = match change {
        ConfigChange::Set(name, value) => (name, 0, Some(value)),
        ConfigChange::Delete(name) => (name, 1, None),
        ConfigChange::Append(name, value) => (name, 2, Some(value)),
        ConfigChange::Subtract(name, value) => (name, 3, Some(value)),
    };
    IncrementalAlterableConfig { name: name.clone(), config_operation, value: value.cloned() }
}
