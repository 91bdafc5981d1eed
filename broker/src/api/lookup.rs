//! From a topic and partition that a client names to the partition that this node leads.

use std::sync::Arc;

use millstream_protocol::{ErrorCode, Uuid};

use super::fetch_session::TopicName;
use crate::cluster::{MetadataImage, TopicImage};
use crate::log::Partition;
use crate::node::Node;

/// The topic of a name.
pub(super) fn topic<'image>(
    image: &'image MetadataImage,
    name: &str,
) -> Result<&'image Arc<TopicImage>, ErrorCode> {
    image.topic(name).ok_or(ErrorCode::UnknownTopicOrPartition)
}

/// The topic that a request of this version means: by id where the version names ids.
pub(super) fn topic_named<'image>(
    image: &'image MetadataImage,
    name: &TopicName,
) -> Result<&'image Arc<TopicImage>, ErrorCode> {
    match name {
        TopicName::Name(name) => topic(image, name),
        TopicName::Id(id) => topic_by_id(image, *id),
    }
}

pub(super) fn topic_by_id(image: &MetadataImage, id: Uuid) -> Result<&Arc<TopicImage>, ErrorCode> {
    image.topic_by_id(id).ok_or(ErrorCode::UnknownTopicId)
}

/// The partition, if this node leads it. `client_epoch` is the leader epoch that the client knows, −1 for none
/// (KIP-320): an older one is fenced, a newer one means that this node has yet to learn.
pub(super) fn leader(
    node: &Node,
    topic: &TopicImage,
    index: i32,
    client_epoch: i32,
) -> Result<Arc<Partition>, ErrorCode> {
    let partition = topic.partition(index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if partition.leader != node.config.node_id {
        return Err(ErrorCode::NotLeaderOrFollower);
    }
    if client_epoch >= 0 && client_epoch < partition.leader_epoch {
        return Err(ErrorCode::FencedLeaderEpoch);
    }
    if client_epoch > partition.leader_epoch {
        return Err(ErrorCode::UnknownLeaderEpoch);
    }
    node.hosting().find(topic.id, index).ok_or(ErrorCode::NotLeaderOrFollower)
}
