//! DescribeConfigs (key 32), versions 1–4: settings of topics and of this node, with where each value comes from
//! (KIP-133, KIP-226 synonyms, KIP-569 types and documentation).

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym,
};

use super::Call;
use crate::cluster::TopicImage;
use crate::config::{Config, ConfigType, TopicKey, server_keys, topic_keys};
use crate::node::Node;

/// Where a value comes from, as numbered on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    DynamicTopic = 1,
    StaticBroker = 4,
    Default = 5,
}

/// Kinds of resource that have settings, as numbered on the wire.
pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;

pub(super) async fn handle(
    node: Arc<Node>,
    _call: Call,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let wanted = Wanted { synonyms: request.include_synonyms, documentation: request.include_documentation };
    let results = request.resources.into_iter().map(|resource| describe(&node, resource, wanted));
    DescribeConfigsResponse { results: results.collect(), ..Default::default() }
}

/// What a topic gets that doesn't override a key.
pub(super) fn topic_default(key: &TopicKey, config: &Config) -> (String, Source) {
    let (value, synonym) = key.default_value(config);
    (value, if synonym.is_some() { Source::StaticBroker } else { Source::Default })
}

#[derive(Debug, Clone, Copy)]
struct Wanted {
    synonyms: bool,
    documentation: bool,
}

fn describe(node: &Node, resource: DescribeConfigsResource, wanted: Wanted) -> DescribeConfigsResult {
    let name = resource.resource_name.as_str();
    let configs = match resource.resource_type {
        TOPIC => match node.cluster.image().topic(name) {
            Some(topic) => Ok(topic_settings(topic, &node.config, wanted)),
            None => Err((ErrorCode::UnknownTopicOrPartition, "topic doesn't exist")),
        },
        // An empty name stands for the cluster-wide dynamic defaults, of which there are none.
        BROKER if name.is_empty() => Ok(Vec::new()),
        BROKER if name.parse() == Ok(node.config.node_id) => Ok(node_settings(&node.config, wanted)),
        BROKER => Err((ErrorCode::InvalidRequest, "settings of another node; ask that one")),
        // Groups, client metrics and loggers have no settings here.
        _ => Ok(Vec::new()),
    };
    let result = DescribeConfigsResult {
        resource_type: resource.resource_type,
        resource_name: resource.resource_name,
        ..Default::default()
    };
    match configs {
        Ok(mut configs) => {
            if let Some(keys) = resource.configuration_keys {
                configs.retain(|config| keys.contains(&config.name));
            }
            DescribeConfigsResult { configs, ..result }
        }
        Err((error, message)) => {
            let error_message = Some(message.to_owned());
            DescribeConfigsResult { error_code: error.code(), error_message, ..result }
        }
    }
}

fn topic_settings(topic: &TopicImage, config: &Config, wanted: Wanted) -> Vec<DescribeConfigsResourceResult> {
    let described = topic_keys().iter().map(|key| {
        let mut synonyms = Vec::new();
        if let Some(value) = topic.settings.get(key.name) {
            synonyms.push(synonym(key.name, value, Source::DynamicTopic));
        }
        for name in key.synonyms {
            if let Some(value) = config.explicit(name) {
                synonyms.push(synonym(name, value, Source::StaticBroker));
            }
        }
        synonyms.push(synonym(
            key.synonyms.first().copied().unwrap_or(key.name),
            key.default,
            Source::Default,
        ));
        let (value, source) = match topic.settings.get(key.name) {
            Some(value) => (value.clone(), Source::DynamicTopic),
            None => topic_default(key, config),
        };
        let setting = Setting { name: key.name, value, source, kind: key.kind, read_only: false };
        setting.describe(synonyms, key.documentation, wanted)
    });
    described.collect()
}

fn node_settings(config: &Config, wanted: Wanted) -> Vec<DescribeConfigsResourceResult> {
    let described = server_keys().iter().map(|key| {
        let explicit = config.explicit(key.name);
        let mut synonyms = Vec::new();
        if let Some(value) = explicit {
            synonyms.push(synonym(key.name, value, Source::StaticBroker));
        }
        synonyms.push(synonym(key.name, key.default, Source::Default));
        let source = if explicit.is_some() { Source::StaticBroker } else { Source::Default };
        let setting =
            Setting { name: key.name, value: config.value(key), source, kind: key.kind, read_only: true };
        setting.describe(synonyms, key.documentation, wanted)
    });
    described.collect()
}

fn synonym(name: &str, value: &str, source: Source) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym { name: name.to_owned(), value: Some(value.to_owned()), source: source as i8 }
}

struct Setting {
    name: &'static str,
    value: String,
    source: Source,
    kind: ConfigType,
    read_only: bool,
}

impl Setting {
    fn describe(
        self,
        synonyms: Vec<DescribeConfigsSynonym>,
        documentation: &str,
        wanted: Wanted,
    ) -> DescribeConfigsResourceResult {
        DescribeConfigsResourceResult {
            name: self.name.to_owned(),
            value: Some(self.value),
            read_only: self.read_only,
            config_source: self.source as i8,
            is_sensitive: false,
            synonyms: if wanted.synonyms { synonyms } else { Vec::new() },
            config_type: self.kind as i8,
            documentation: wanted.documentation.then(|| documentation.to_owned()),
        }
    }
}
