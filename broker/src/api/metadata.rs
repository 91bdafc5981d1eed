//! Metadata (key 3), versions 0–13: brokers, and topics with their partitions, leaders and ids.
//!
//! Version 0 asks for all topics with an empty list, later ones with null. Unknown topics are created when both
//! the request and `auto.create.topics.enable` allow it (KIP-361), with internal topics getting their own
//! settings. Topics can be asked for by id from version 12 (KIP-516). No authorisation exists, so authorised
//! operations are those of an administrator when asked for (KIP-430).

use std::sync::Arc;

use millstream_protocol::messages::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};
use millstream_protocol::{ErrorCode, Uuid};

use super::{Call, Peer};
use crate::cluster::{MetadataImage, TopicImage, is_internal};
use crate::node::Node;

/// Bits of the operations that an administrator may do on a topic and on the cluster (KIP-430).
pub(super) const TOPIC_OPERATIONS: i32 = 0x0df8;
pub(super) const CLUSTER_OPERATIONS: i32 = 0x1fa0;

pub(super) async fn handle(node: Arc<Node>, call: Call, request: MetadataRequest) -> MetadataResponse {
    let everything = match &request.topics {
        None => true,
        Some(topics) => call.version == 0 && topics.is_empty(),
    };
    if !everything && request.allow_auto_topic_creation {
        let names = request.topics.iter().flatten().filter_map(|topic| topic.name.as_deref());
        super::create_topics::create_missing(&node, names).await;
    }
    let image = node.cluster.image();
    let mut topics = match request.topics {
        Some(topics) if !everything => topics.into_iter().map(|topic| asked(&image, topic)).collect(),
        _ => image.topics().map(|topic| described(topic)).collect::<Vec<_>>(),
    };
    if request.include_topic_authorized_operations {
        for topic in topics.iter_mut().filter(|topic| topic.error_code == 0) {
            topic.topic_authorized_operations = TOPIC_OPERATIONS;
        }
    }
    let mut response = MetadataResponse {
        brokers: brokers(&image, &call.peer),
        cluster_id: Some(node.cluster.identity().cluster_id.clone()),
        controller_id: image.brokers.keys().next().copied().unwrap_or(-1),
        topics,
        ..Default::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    response
}

/// Host and port of a broker for clients of this peer's listener.
pub(super) fn endpoint(image: &MetadataImage, node_id: i32, peer: &Peer) -> Option<(String, i32)> {
    let endpoints = &image.brokers.get(&node_id)?.endpoints;
    let endpoint = endpoints
        .iter()
        .find(|endpoint| endpoint.listener == *peer.listener)
        .or_else(|| endpoints.first())?;
    let host = if endpoint.host.is_empty() { peer.local.ip().to_string() } else { endpoint.host.clone() };
    Some((host, i32::from(endpoint.port)))
}

fn brokers(image: &MetadataImage, peer: &Peer) -> Vec<MetadataResponseBroker> {
    let known = image.brokers.iter().filter_map(|(node_id, broker)| {
        let (host, port) = endpoint(image, *node_id, peer)?;
        Some(MetadataResponseBroker { node_id: *node_id, host, port, rack: broker.rack.clone() })
    });
    known.collect()
}

fn asked(image: &MetadataImage, topic: MetadataRequestTopic) -> MetadataResponseTopic {
    let (found, missing) = match &topic.name {
        Some(name) => (image.topic(name), ErrorCode::UnknownTopicOrPartition),
        None => (image.topic_by_id(topic.topic_id), ErrorCode::UnknownTopicId),
    };
    let Some(found) = found else {
        let valid = topic.name.as_deref().is_none_or(super::create_topics::is_valid_name);
        let error = if valid { missing } else { ErrorCode::InvalidTopicException };
        return MetadataResponseTopic {
            error_code: error.code(),
            topic_id: if topic.name.is_some() { Uuid::ZERO } else { topic.topic_id },
            name: topic.name,
            ..Default::default()
        };
    };
    described(found)
}

fn described(topic: &TopicImage) -> MetadataResponseTopic {
    let partitions = (0..).zip(&topic.partitions).map(|(index, partition)| MetadataResponsePartition {
        error_code: ErrorCode::None.code(),
        partition_index: index,
        leader_id: partition.leader,
        leader_epoch: partition.leader_epoch,
        replica_nodes: partition.replicas.clone(),
        isr_nodes: partition.isr.clone(),
        offline_replicas: Vec::new(),
    });
    MetadataResponseTopic {
        error_code: ErrorCode::None.code(),
        name: Some(topic.name.to_string()),
        topic_id: topic.id,
        is_internal: is_internal(&topic.name),
        partitions: partitions.collect(),
        ..Default::default()
    }
}
