//! The subscription and assignment blobs that members of a consumer group pass each other through the coordinator.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use millstream_protocol::messages::{
    AssignedTopicPartition, ConsumerProtocolAssignment, ConsumerProtocolSubscription, OwnedTopicPartition,
};
use millstream_protocol::{Decoder, Encoder, Message};

use super::committed::by_topic;
use crate::topic::TopicPartition;

/// A member's partitions out of its assignment blob; an empty blob is no partitions.
pub(crate) fn assignment_partitions(mut blob: Bytes) -> Result<Vec<TopicPartition>, String> {
    let Some(version) = take_version(&mut blob, ConsumerProtocolAssignment::MAX_VERSION)? else {
        return Ok(Vec::new());
    };
    let assignment = ConsumerProtocolAssignment::decode(&mut Decoder::new(blob), version)
        .map_err(|error| error.to_string())?;
    let mut places = Vec::new();
    for topic in assignment.assigned_partitions {
        let name: std::sync::Arc<str> = topic.topic.into();
        places.extend(topic.partitions.iter().map(|&partition| TopicPartition::new(name.clone(), partition)));
    }
    Ok(places)
}

/// The blob that assigns these partitions.
pub(crate) fn encode_assignment(places: &[TopicPartition]) -> Result<Bytes, String> {
    let topic = |(topic, partitions)| AssignedTopicPartition { topic, partitions };
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: by_topic(places.iter()).into_iter().map(topic).collect(),
        user_data: None,
    };
    // Version 0 is what every client reads.
    with_version(&assignment, 0)
}

/// What a member asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Subscription {
    pub(crate) topics: Vec<String>,
    pub(crate) owned: Vec<TopicPartition>,
    /// The generation in which `owned` was assigned; −1 when the member does not tell.
    pub(crate) generation: i32,
}

impl Subscription {
    pub(crate) fn encode(&self) -> Result<Bytes, String> {
        let topic = |(topic, partitions)| OwnedTopicPartition { topic, partitions };
        let subscription = ConsumerProtocolSubscription {
            topics: self.topics.clone(),
            user_data: None,
            owned_partitions: by_topic(self.owned.iter()).into_iter().map(topic).collect(),
            generation_id: self.generation,
            rack_id: None,
        };
        with_version(&subscription, ConsumerProtocolSubscription::MAX_VERSION)
    }

    pub(crate) fn decode(mut blob: Bytes) -> Result<Subscription, String> {
        let Some(version) = take_version(&mut blob, ConsumerProtocolSubscription::MAX_VERSION)? else {
            return Ok(Subscription { generation: -1, ..Subscription::default() });
        };
        let decoded = ConsumerProtocolSubscription::decode(&mut Decoder::new(blob), version)
            .map_err(|error| error.to_string())?;
        let mut owned = Vec::new();
        for topic in decoded.owned_partitions {
            let name: std::sync::Arc<str> = topic.topic.into();
            owned.extend(topic.partitions.iter().map(|&number| TopicPartition::new(name.clone(), number)));
        }
        Ok(Subscription { topics: decoded.topics, owned, generation: decoded.generation_id })
    }
}

/// Blobs open with their version; a newer one is read as the newest known, since versions only add at the end.
fn take_version(blob: &mut Bytes, newest: i16) -> Result<Option<i16>, String> {
    if blob.is_empty() {
        return Ok(None);
    }
    if blob.len() < 2 {
        return Err("blob is shorter than its version".to_owned());
    }
    let version = blob.get_i16();
    if version < 0 {
        return Err(format!("blob has version {version}"));
    }
    Ok(Some(version.min(newest)))
}

fn with_version(message: &impl Message, version: i16) -> Result<Bytes, String> {
    let mut encoder = Encoder::new();
    encoder.i16(version);
    message.encode(&mut encoder, version).map_err(|error| error.to_string())?;
    let mut blob = BytesMut::with_capacity(encoder.len());
    for segment in encoder.finish() {
        blob.put(segment);
    }
    Ok(blob.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_and_assignments_survive_the_trip() {
        let owned = vec![TopicPartition::new("a", 0), TopicPartition::new("a", 2)];
        let subscription = Subscription { topics: vec!["a".to_owned()], owned: owned.clone(), generation: 7 };
        assert_eq!(Subscription::decode(subscription.encode().unwrap()), Ok(subscription));
        assert_eq!(assignment_partitions(encode_assignment(&owned).unwrap()), Ok(owned));
        assert_eq!(assignment_partitions(Bytes::new()), Ok(Vec::new()));
        assert!(assignment_partitions(Bytes::from_static(b"\0")).is_err());
    }
}
