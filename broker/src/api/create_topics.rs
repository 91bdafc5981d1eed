//! CreateTopics (key 19), versions 2–7, and the creation of topics that a client merely names.
//!
//! −1 partitions or replicas take the node's defaults (KIP-464); the response describes what was made, settings
//! included (KIP-525), with the topic id from version 7 (KIP-516). Each topic succeeds or fails by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millstream_protocol::messages::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use millstream_protocol::{ErrorCode, Uuid};

use super::Call;
use crate::cluster::{self, ClusterError, CreateTopic, CreateTopicError, CreatedTopic};
use crate::config::{ConfigError, topic_keys};
use crate::coordinator::{GROUP_TOPIC, TRANSACTION_TOPIC};
use crate::node::Node;

pub(super) async fn handle(
    node: Arc<Node>,
    call: Call,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let mut seen = BTreeSet::new();
    let repeated: BTreeSet<String> = request
        .topics
        .iter()
        .filter(|topic| !seen.insert(topic.name.as_str()))
        .map(|topic| topic.name.clone())
        .collect();
    let mut response = CreateTopicsResponse::default();
    for topic in request.topics {
        if response.topics.iter().any(|result| result.name == topic.name) {
            continue;
        }
        let result = if repeated.contains(&topic.name) {
            refused(topic.name, ErrorCode::InvalidRequest, "topic is named twice in one request".to_owned())
        } else {
            create(&node, &call, topic, request.validate_only).await
        };
        response.topics.push(result);
    }
    response
}

/// Creates the topics among `names` that don't exist, if the node may do so by itself. Failures show in the
/// answer of the request that named the topic.
pub(super) async fn create_missing(node: &Node, names: impl Iterator<Item = &str>) {
    let image = node.cluster.image();
    for name in names.filter(|name| image.topic(name).is_none()) {
        let Some(command) = implicit(node, name) else { continue };
        match node.cluster.create_topic(&command, false).await {
            Ok(created) => {
                tracing::info!(topic = name, partitions = created.partitions, "created a topic on demand")
            }
            Err(ClusterError::Refused(error)) => {
                tracing::debug!(topic = name, %error, "did not create a topic")
            }
            Err(error) => tracing::error!(topic = name, %error, "cannot create a topic"),
        }
    }
}

/// Creates an internal topic unless it exists.
///
/// # Errors
/// The code for a client that needed it.
pub(crate) async fn ensure_internal(node: &Node, name: &str) -> Result<(), ErrorCode> {
    if node.cluster.image().topic(name).is_some() {
        return Ok(());
    }
    let command = internal(node, name).ok_or(ErrorCode::InvalidTopicException)?;
    match node.cluster.create_topic(&command, false).await {
        Ok(_) | Err(ClusterError::Refused(CreateTopicError::Exists(_))) => Ok(()),
        Err(error) => {
            tracing::error!(topic = name, %error, "cannot create an internal topic");
            Err(ErrorCode::CoordinatorNotAvailable)
        }
    }
}

pub(super) fn is_valid_name(name: &str) -> bool {
    cluster::check_topic_name(name).is_ok()
}

fn implicit(node: &Node, name: &str) -> Option<CreateTopic> {
    if let Some(command) = internal(node, name) {
        return Some(command);
    }
    node.config.auto_create_topics.then(|| CreateTopic { name: name.to_owned(), ..CreateTopic::default() })
}

/// How an internal topic is made: compacted, never expired.
fn internal(node: &Node, name: &str) -> Option<CreateTopic> {
    let config = &node.config;
    let (partitions, replication_factor, segment_bytes) = match name {
        GROUP_TOPIC => {
            (config.offsets_partitions, config.offsets_replication_factor, config.offsets_segment_bytes)
        }
        TRANSACTION_TOPIC => (
            config.transaction_partitions,
            config.transaction_replication_factor,
            config.transaction_segment_bytes,
        ),
        _ => return None,
    };
    let settings = [
        ("cleanup.policy", "compact".to_owned()),
        ("compression.type", "producer".to_owned()),
        ("segment.bytes", segment_bytes.to_string()),
    ];
    Some(CreateTopic {
        name: name.to_owned(),
        partitions: Some(partitions),
        replication_factor: Some(replication_factor),
        assignments: Vec::new(),
        settings: settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    })
}

async fn create(
    node: &Node,
    call: &Call,
    topic: CreatableTopic,
    validate_only: bool,
) -> CreatableTopicResult {
    let name = topic.name.clone();
    let command = CreateTopic {
        name: topic.name,
        partitions: (topic.num_partitions != -1).then_some(topic.num_partitions),
        replication_factor: (topic.replication_factor != -1).then_some(topic.replication_factor),
        assignments: topic
            .assignments
            .into_iter()
            .map(|assignment| (assignment.partition_index, assignment.broker_ids))
            .collect(),
        settings: topic
            .configs
            .into_iter()
            .filter_map(|config| config.value.map(|value| (config.name, value)))
            .collect(),
    };
    match node.cluster.create_topic(&command, validate_only).await {
        Ok(created) => described(node, call, command, &created, validate_only),
        Err(error) => {
            let code = code(&error);
            if code == ErrorCode::UnknownServerError || code == ErrorCode::KafkaStorageError {
                tracing::error!(topic = name, %error, "cannot create a topic");
            }
            refused(name, code, message(&error))
        }
    }
}

fn described(
    node: &Node,
    call: &Call,
    command: CreateTopic,
    created: &CreatedTopic,
    validate_only: bool,
) -> CreatableTopicResult {
    CreatableTopicResult {
        name: command.name,
        topic_id: if validate_only { Uuid::ZERO } else { created.id },
        num_partitions: created.partitions,
        replication_factor: created.replication_factor,
        configs: (call.version >= 5).then(|| settings(node, &command.settings)),
        ..Default::default()
    }
}

fn settings(node: &Node, overrides: &BTreeMap<String, String>) -> Vec<CreatableTopicConfigs> {
    let layers = super::describe_configs::Layers::of(node);
    let config = topic_keys().iter().map(|key| {
        let (value, source) = match overrides.get(key.name) {
            Some(value) => (value.clone(), super::describe_configs::Source::DynamicTopic),
            None => layers.topic_default(key),
        };
        CreatableTopicConfigs {
            name: key.name.to_owned(),
            value: Some(value),
            read_only: false,
            config_source: source as i8,
            is_sensitive: false,
        }
    });
    config.collect()
}

fn refused(name: String, error: ErrorCode, message: String) -> CreatableTopicResult {
    CreatableTopicResult {
        name,
        error_code: error.code(),
        error_message: Some(message),
        ..Default::default()
    }
}

fn message(error: &ClusterError<CreateTopicError>) -> String {
    match error {
        ClusterError::Refused(CreateTopicError::Setting(error)) => {
            super::describe_configs::topic_refusal(error)
        }
        other => other.to_string(),
    }
}

fn code(error: &ClusterError<CreateTopicError>) -> ErrorCode {
    match error {
        ClusterError::Refused(refusal) => match refusal {
            CreateTopicError::Name(_) | CreateTopicError::Collides(..) => ErrorCode::InvalidTopicException,
            CreateTopicError::Exists(_) => ErrorCode::TopicAlreadyExists,
            CreateTopicError::Partitions(_) => ErrorCode::InvalidPartitions,
            CreateTopicError::TooMany { .. } => ErrorCode::PolicyViolation,
            CreateTopicError::Replication { .. } => ErrorCode::InvalidReplicationFactor,
            CreateTopicError::Assignment(_) => ErrorCode::InvalidReplicaAssignment,
            CreateTopicError::Both => ErrorCode::InvalidRequest,
            CreateTopicError::Setting(ConfigError::Unknown { .. } | ConfigError::Invalid { .. }) => {
                ErrorCode::InvalidConfig
            }
        },
        other => super::failure_code(other),
    }
}
