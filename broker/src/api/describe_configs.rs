//! DescribeConfigs (key 32), versions 1–4: settings of topics and of this node, with where each value comes from
//! (KIP-133, KIP-226 synonyms, KIP-569 types and documentation).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym,
};

use super::Call;
use crate::cluster::{MetadataImage, TopicImage};
use crate::config::{Config, ConfigError, ConfigType, TopicKey, server_keys, topic_keys};
use crate::node::Node;

/// Where a value comes from, as numbered on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    DynamicTopic = 1,
    DynamicBroker = 2,
    DynamicDefaultBroker = 3,
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

/// Why a topic's setting was refused, in the words that users of Kafka's tools know.
pub(super) fn topic_refusal(error: &ConfigError) -> String {
    match error {
        ConfigError::Unknown { key, suggestion: None } => format!("Unknown topic config name: {key}"),
        ConfigError::Unknown { key, suggestion: Some(name) } => {
            format!("Unknown topic config name: {key}; did you mean {name}?")
        }
        ConfigError::Invalid { key, value, reason } => {
            format!("Invalid value {value} for configuration {key}: {reason}")
        }
    }
}

/// Where the node's own settings come from, strongest first.
pub(super) struct Layers {
    image: Arc<MetadataImage>,
    started: Arc<Config>,
    current: Arc<Config>,
}

impl Layers {
    pub(super) fn of(node: &Node) -> Layers {
        Layers { image: node.cluster.image(), started: node.config.clone(), current: node.hosting().config() }
    }

    /// What was set for a server key, and where.
    fn set(&self, key: &str) -> impl Iterator<Item = (&str, Source)> {
        let own = self.image.node_settings(Some(self.started.node_id)).get(key);
        let all = self.image.node_settings(None).get(key);
        [
            own.map(|value| (value.as_str(), Source::DynamicBroker)),
            all.map(|value| (value.as_str(), Source::DynamicDefaultBroker)),
            self.started.explicit(key).map(|value| (value, Source::StaticBroker)),
        ]
        .into_iter()
        .flatten()
    }

    /// What a topic gets that doesn't override a key.
    pub(super) fn topic_default(&self, key: &TopicKey) -> (String, Source) {
        let (value, synonym) = key.default_value(&self.current);
        let source = synonym.and_then(|name| self.set(name).next()).map(|(_, source)| source);
        (value, source.unwrap_or(Source::Default))
    }
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
            Some(topic) => Ok(topic_settings(topic, &Layers::of(node), wanted)),
            None => Err((ErrorCode::UnknownTopicOrPartition, "topic doesn't exist")),
        },
        // An empty name stands for what was set at run time for all nodes.
        BROKER if name.is_empty() => Ok(defaults_of_all(node.cluster.image().node_settings(None), wanted)),
        BROKER if name.parse() == Ok(node.config.node_id) => Ok(node_settings(&Layers::of(node), wanted)),
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

fn topic_settings(topic: &TopicImage, layers: &Layers, wanted: Wanted) -> Vec<DescribeConfigsResourceResult> {
    let described = topic_keys().iter().map(|key| {
        let mut synonyms = Vec::new();
        if let Some(value) = topic.settings.get(key.name) {
            synonyms.push(synonym(key.name, value, Source::DynamicTopic));
        }
        for name in key.synonyms {
            synonyms.extend(layers.set(name).map(|(value, source)| synonym(name, value, source)));
        }
        synonyms.push(synonym(
            key.synonyms.first().copied().unwrap_or(key.name),
            key.default,
            Source::Default,
        ));
        let (value, source) = match topic.settings.get(key.name) {
            Some(value) => (value.clone(), Source::DynamicTopic),
            None => layers.topic_default(key),
        };
        let setting = Setting { name: key.name, value, source, kind: key.kind, read_only: false };
        setting.describe(synonyms, key.documentation, wanted)
    });
    described.collect()
}

fn node_settings(layers: &Layers, wanted: Wanted) -> Vec<DescribeConfigsResourceResult> {
    let described = server_keys().iter().map(|key| {
        let mut synonyms: Vec<_> =
            layers.set(key.name).map(|(value, source)| synonym(key.name, value, source)).collect();
        synonyms.push(synonym(key.name, key.default, Source::Default));
        let (value, source) = layers.set(key.name).next().unwrap_or((key.default, Source::Default));
        let read_only = !Config::is_dynamic(key.name);
        let setting = Setting { name: key.name, value: value.to_owned(), source, kind: key.kind, read_only };
        setting.describe(synonyms, key.documentation, wanted)
    });
    // What is understood but changes nothing here shows where somebody has set it.
    let own = layers.image.node_settings(Some(layers.started.node_id));
    let all = layers.image.node_settings(None);
    let known = |name: &str| server_keys().iter().any(|key| key.name == name);
    let names: BTreeSet<&String> = own.keys().chain(all.keys()).filter(|name| !known(name)).collect();
    let without_effect = names.into_iter().filter_map(|name| {
        let set = || layers.set(name).map(|(value, source)| synonym(name, value, source));
        let (value, source) = layers.set(name).next()?;
        Some(untyped(name, value, source, set().collect(), wanted))
    });
    described.chain(without_effect).collect()
}

fn defaults_of_all(
    settings: &BTreeMap<String, String>,
    wanted: Wanted,
) -> Vec<DescribeConfigsResourceResult> {
    let described = settings.iter().map(|(name, value)| {
        let source = Source::DynamicDefaultBroker;
        let synonyms = vec![synonym(name, value, source)];
        match server_keys().iter().find(|key| key.name == name) {
            Some(key) => {
                let value = value.clone();
                let setting = Setting { name: key.name, value, source, kind: key.kind, read_only: false };
                setting.describe(synonyms, key.documentation, wanted)
            }
            None => untyped(name, value, source, synonyms, wanted),
        }
    });
    described.collect()
}

fn untyped(
    name: &str,
    value: &str,
    source: Source,
    synonyms: Vec<DescribeConfigsSynonym>,
    wanted: Wanted,
) -> DescribeConfigsResourceResult {
    let kind = ConfigType::String;
    let setting = Setting { name: "", value: value.to_owned(), source, kind, read_only: false };
    let described = setting.describe(synonyms, "Understood, without effect here.", wanted);
    DescribeConfigsResourceResult { name: name.to_owned(), ..described }
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
