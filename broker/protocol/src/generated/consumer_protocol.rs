// Generated from `definitions/` by `tests/codegen`; do not edit.

//! The blobs inside JoinGroup and SyncGroup of consumers, each preceded by its version as int16. Brokers
//! never need to read them but to describe a group.

use bytes::Bytes;

use crate::primitives::{decodable, encodable};
use crate::{DecodeError, Decoder, EncodeError, Encoder, Message};

/// Versions 0 to 3.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerProtocolSubscription {
    pub topics: Vec<String>,
    pub user_data: Option<Bytes>,
    /// From version 1.
    pub owned_partitions: Vec<OwnedTopicPartition>,
    /// From version 2.
    pub generation_id: i32,
    /// From version 3.
    pub rack_id: Option<String>,
}

impl ConsumerProtocolSubscription {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 3;
}

impl Default for ConsumerProtocolSubscription {
    fn default() -> Self {
        Self {
            topics: Vec::new(),
            user_data: None,
            owned_partitions: Vec::new(),
            generation_id: -1,
            rack_id: None,
        }
    }
}

impl Message for ConsumerProtocolSubscription {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ConsumerProtocolSubscription", version, 0, 3)?;
        to.at("ConsumerProtocolSubscription.topics");
        to.array(&self.topics, false, |to, item| to.string(item, false))?;
        to.at("ConsumerProtocolSubscription.user_data");
        to.nullable_bytes(self.user_data.as_ref(), true, false)?;
        if version >= 1 {
            to.at("ConsumerProtocolSubscription.owned_partitions");
            to.array(&self.owned_partitions, false, |to, item| item.encode(to, version))?;
        }
        if version >= 2 {
            to.i32(self.generation_id);
        }
        if version >= 3 {
            to.at("ConsumerProtocolSubscription.rack_id");
            to.nullable_string(self.rack_id.as_deref(), true, false)?;
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ConsumerProtocolSubscription", version, 0, 3)?;
        from.at("ConsumerProtocolSubscription.topics");
        let topics = from.array(false, 2, |from| from.string(false))?;
        from.at("ConsumerProtocolSubscription.user_data");
        let user_data = from.nullable_bytes(true, false)?;
        let owned_partitions = if version >= 1 {
            from.at("ConsumerProtocolSubscription.owned_partitions");
            from.array(false, 6, |from| OwnedTopicPartition::decode(from, version))?
        } else {
            Vec::new()
        };
        let generation_id = if version >= 2 {
            from.at("ConsumerProtocolSubscription.generation_id");
            from.i32()?
        } else {
            -1
        };
        let rack_id = if version >= 3 {
            from.at("ConsumerProtocolSubscription.rack_id");
            from.nullable_string(true, false)?
        } else {
            None
        };
        Ok(Self { topics, user_data, owned_partitions, generation_id, rack_id })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct OwnedTopicPartition {
    pub topic: String,
    pub partitions: Vec<i32>,
}

impl Message for OwnedTopicPartition {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.at("OwnedTopicPartition.topic");
        to.string(&self.topic, false)?;
        to.at("OwnedTopicPartition.partitions");
        to.array(&self.partitions, false, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("OwnedTopicPartition.topic");
        let topic = from.string(false)?;
        from.at("OwnedTopicPartition.partitions");
        let partitions = from.array(false, 4, Decoder::i32)?;
        Ok(Self { topic, partitions })
    }
}

/// Versions 0 to 3.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConsumerProtocolAssignment {
    pub assigned_partitions: Vec<AssignedTopicPartition>,
    pub user_data: Option<Bytes>,
}

impl ConsumerProtocolAssignment {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 3;
}

impl Message for ConsumerProtocolAssignment {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ConsumerProtocolAssignment", version, 0, 3)?;
        to.at("ConsumerProtocolAssignment.assigned_partitions");
        to.array(&self.assigned_partitions, false, |to, item| item.encode(to, version))?;
        to.at("ConsumerProtocolAssignment.user_data");
        to.nullable_bytes(self.user_data.as_ref(), true, false)?;
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ConsumerProtocolAssignment", version, 0, 3)?;
        from.at("ConsumerProtocolAssignment.assigned_partitions");
        let assigned_partitions =
            from.array(false, 6, |from| AssignedTopicPartition::decode(from, version))?;
        from.at("ConsumerProtocolAssignment.user_data");
        let user_data = from.nullable_bytes(true, false)?;
        Ok(Self { assigned_partitions, user_data })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct AssignedTopicPartition {
    pub topic: String,
    pub partitions: Vec<i32>,
}

impl Message for AssignedTopicPartition {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.at("AssignedTopicPartition.topic");
        to.string(&self.topic, false)?;
        to.at("AssignedTopicPartition.partitions");
        to.array(&self.partitions, false, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("AssignedTopicPartition.topic");
        let topic = from.string(false)?;
        from.at("AssignedTopicPartition.partitions");
        let partitions = from.array(false, 4, Decoder::i32)?;
        Ok(Self { topic, partitions })
    }
}
