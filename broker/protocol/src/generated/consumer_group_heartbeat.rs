// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Joins, keeps and leaves a next-generation consumer group (KIP-848); regular expressions and client-made
//! member ids from 1.

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response, Uuid};

/// Versions 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerGroupHeartbeatRequest {
    pub group_id: String,
    pub member_id: String,
    pub member_epoch: i32,
    pub instance_id: Option<String>,
    pub rack_id: Option<String>,
    pub rebalance_timeout_ms: i32,
    pub subscribed_topic_names: Option<Vec<String>>,
    /// From version 1.
    pub subscribed_topic_regex: Option<String>,
    pub server_assignor: Option<String>,
    pub topic_partitions: Option<Vec<HeartbeatOwnedTopicPartitions>>,
}

impl Default for ConsumerGroupHeartbeatRequest {
    fn default() -> Self {
        Self {
            group_id: String::new(),
            member_id: String::new(),
            member_epoch: 0,
            instance_id: None,
            rack_id: None,
            rebalance_timeout_ms: -1,
            subscribed_topic_names: None,
            subscribed_topic_regex: None,
            server_assignor: None,
            topic_partitions: None,
        }
    }
}

impl Message for ConsumerGroupHeartbeatRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ConsumerGroupHeartbeatRequest", version, 0, 1)?;
        to.at("ConsumerGroupHeartbeatRequest.group_id");
        to.string(&self.group_id, true)?;
        to.at("ConsumerGroupHeartbeatRequest.member_id");
        to.string(&self.member_id, true)?;
        to.i32(self.member_epoch);
        to.at("ConsumerGroupHeartbeatRequest.instance_id");
        to.nullable_string(self.instance_id.as_deref(), true, true)?;
        to.at("ConsumerGroupHeartbeatRequest.rack_id");
        to.nullable_string(self.rack_id.as_deref(), true, true)?;
        to.i32(self.rebalance_timeout_ms);
        to.at("ConsumerGroupHeartbeatRequest.subscribed_topic_names");
        to.nullable_array(self.subscribed_topic_names.as_deref(), true, true, |to, item| {
            to.string(item, true)
        })?;
        if version >= 1 {
            to.at("ConsumerGroupHeartbeatRequest.subscribed_topic_regex");
            to.nullable_string(self.subscribed_topic_regex.as_deref(), true, true)?;
        } else if self.subscribed_topic_regex.is_some() {
            return Err(EncodeError::not_in_version(
                "ConsumerGroupHeartbeatRequest.subscribed_topic_regex",
                version,
            ));
        }
        to.at("ConsumerGroupHeartbeatRequest.server_assignor");
        to.nullable_string(self.server_assignor.as_deref(), true, true)?;
        to.at("ConsumerGroupHeartbeatRequest.topic_partitions");
        to.nullable_array(self.topic_partitions.as_deref(), true, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ConsumerGroupHeartbeatRequest", version, 0, 1)?;
        from.at("ConsumerGroupHeartbeatRequest.group_id");
        let group_id = from.string(true)?;
        from.at("ConsumerGroupHeartbeatRequest.member_id");
        let member_id = from.string(true)?;
        from.at("ConsumerGroupHeartbeatRequest.member_epoch");
        let member_epoch = from.i32()?;
        from.at("ConsumerGroupHeartbeatRequest.instance_id");
        let instance_id = from.nullable_string(true, true)?;
        from.at("ConsumerGroupHeartbeatRequest.rack_id");
        let rack_id = from.nullable_string(true, true)?;
        from.at("ConsumerGroupHeartbeatRequest.rebalance_timeout_ms");
        let rebalance_timeout_ms = from.i32()?;
        from.at("ConsumerGroupHeartbeatRequest.subscribed_topic_names");
        let subscribed_topic_names = from.nullable_array(true, true, 1, |from| from.string(true))?;
        let subscribed_topic_regex = if version >= 1 {
            from.at("ConsumerGroupHeartbeatRequest.subscribed_topic_regex");
            from.nullable_string(true, true)?
        } else {
            None
        };
        from.at("ConsumerGroupHeartbeatRequest.server_assignor");
        let server_assignor = from.nullable_string(true, true)?;
        from.at("ConsumerGroupHeartbeatRequest.topic_partitions");
        let topic_partitions =
            from.nullable_array(true, true, 18, |from| HeartbeatOwnedTopicPartitions::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self {
            group_id,
            member_id,
            member_epoch,
            instance_id,
            rack_id,
            rebalance_timeout_ms,
            subscribed_topic_names,
            subscribed_topic_regex,
            server_assignor,
            topic_partitions,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeartbeatOwnedTopicPartitions {
    pub topic_id: Uuid,
    pub partitions: Vec<i32>,
}

impl Message for HeartbeatOwnedTopicPartitions {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.uuid(self.topic_id);
        to.at("HeartbeatOwnedTopicPartitions.partitions");
        to.array(&self.partitions, true, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("HeartbeatOwnedTopicPartitions.topic_id");
        let topic_id = from.uuid()?;
        from.at("HeartbeatOwnedTopicPartitions.partitions");
        let partitions = from.array(true, 4, Decoder::i32)?;
        from.skip_tags()?;
        Ok(Self { topic_id, partitions })
    }
}

impl Request for ConsumerGroupHeartbeatRequest {
    const KEY: ApiKey = ApiKey::ConsumerGroupHeartbeat;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 1;
    type Response = crate::messages::ConsumerGroupHeartbeatResponse;
}

/// Versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConsumerGroupHeartbeatResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
    pub member_id: Option<String>,
    pub member_epoch: i32,
    pub heartbeat_interval_ms: i32,
    pub assignment: Option<HeartbeatAssignment>,
}

impl Message for ConsumerGroupHeartbeatResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ConsumerGroupHeartbeatResponse", version, 0, 1)?;
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.at("ConsumerGroupHeartbeatResponse.error_message");
        to.nullable_string(self.error_message.as_deref(), true, true)?;
        to.at("ConsumerGroupHeartbeatResponse.member_id");
        to.nullable_string(self.member_id.as_deref(), true, true)?;
        to.i32(self.member_epoch);
        to.i32(self.heartbeat_interval_ms);
        to.nullable_struct(self.assignment.as_ref(), version)?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ConsumerGroupHeartbeatResponse", version, 0, 1)?;
        from.at("ConsumerGroupHeartbeatResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("ConsumerGroupHeartbeatResponse.error_code");
        let error_code = from.i16()?;
        from.at("ConsumerGroupHeartbeatResponse.error_message");
        let error_message = from.nullable_string(true, true)?;
        from.at("ConsumerGroupHeartbeatResponse.member_id");
        let member_id = from.nullable_string(true, true)?;
        from.at("ConsumerGroupHeartbeatResponse.member_epoch");
        let member_epoch = from.i32()?;
        from.at("ConsumerGroupHeartbeatResponse.heartbeat_interval_ms");
        let heartbeat_interval_ms = from.i32()?;
        from.at("ConsumerGroupHeartbeatResponse.assignment");
        let assignment = from.nullable_struct(version)?;
        from.skip_tags()?;
        Ok(Self {
            throttle_time_ms,
            error_code,
            error_message,
            member_id,
            member_epoch,
            heartbeat_interval_ms,
            assignment,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeartbeatAssignment {
    pub topic_partitions: Vec<HeartbeatAssignedTopicPartitions>,
}

impl Message for HeartbeatAssignment {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.at("HeartbeatAssignment.topic_partitions");
        to.array(&self.topic_partitions, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("HeartbeatAssignment.topic_partitions");
        let topic_partitions =
            from.array(true, 18, |from| HeartbeatAssignedTopicPartitions::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { topic_partitions })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeartbeatAssignedTopicPartitions {
    pub topic_id: Uuid,
    pub partitions: Vec<i32>,
}

impl Message for HeartbeatAssignedTopicPartitions {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.uuid(self.topic_id);
        to.at("HeartbeatAssignedTopicPartitions.partitions");
        to.array(&self.partitions, true, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("HeartbeatAssignedTopicPartitions.topic_id");
        let topic_id = from.uuid()?;
        from.at("HeartbeatAssignedTopicPartitions.partitions");
        let partitions = from.array(true, 4, Decoder::i32)?;
        from.skip_tags()?;
        Ok(Self { topic_id, partitions })
    }
}

impl Response for ConsumerGroupHeartbeatResponse {
    const KEY: ApiKey = ApiKey::ConsumerGroupHeartbeat;
}
