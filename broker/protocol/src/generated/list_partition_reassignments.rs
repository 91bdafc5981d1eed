// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Lists moves of partitions that are under way (KIP-455).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq)]
pub struct ListPartitionReassignmentsRequest {
    pub timeout_ms: i32,
    pub topics: Option<Vec<ListPartitionReassignmentsTopics>>,
}

impl Default for ListPartitionReassignmentsRequest {
    fn default() -> Self {
        Self { timeout_ms: 60000, topics: None }
    }
}

impl Message for ListPartitionReassignmentsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ListPartitionReassignmentsRequest", version, 0, 0)?;
        to.i32(self.timeout_ms);
        to.at("ListPartitionReassignmentsRequest.topics");
        to.nullable_array(self.topics.as_deref(), true, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ListPartitionReassignmentsRequest", version, 0, 0)?;
        from.at("ListPartitionReassignmentsRequest.timeout_ms");
        let timeout_ms = from.i32()?;
        from.at("ListPartitionReassignmentsRequest.topics");
        let topics = from
            .nullable_array(true, true, 3, |from| ListPartitionReassignmentsTopics::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { timeout_ms, topics })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListPartitionReassignmentsTopics {
    pub name: String,
    pub partition_indexes: Vec<i32>,
}

impl Message for ListPartitionReassignmentsTopics {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.at("ListPartitionReassignmentsTopics.name");
        to.string(&self.name, true)?;
        to.at("ListPartitionReassignmentsTopics.partition_indexes");
        to.array(&self.partition_indexes, true, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("ListPartitionReassignmentsTopics.name");
        let name = from.string(true)?;
        from.at("ListPartitionReassignmentsTopics.partition_indexes");
        let partition_indexes = from.array(true, 4, Decoder::i32)?;
        from.skip_tags()?;
        Ok(Self { name, partition_indexes })
    }
}

impl Request for ListPartitionReassignmentsRequest {
    const KEY: ApiKey = ApiKey::ListPartitionReassignments;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 0;
    type Response = crate::messages::ListPartitionReassignmentsResponse;
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListPartitionReassignmentsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
    pub topics: Vec<OngoingTopicReassignment>,
}

impl Message for ListPartitionReassignmentsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ListPartitionReassignmentsResponse", version, 0, 0)?;
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.at("ListPartitionReassignmentsResponse.error_message");
        to.nullable_string(self.error_message.as_deref(), true, true)?;
        to.at("ListPartitionReassignmentsResponse.topics");
        to.array(&self.topics, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ListPartitionReassignmentsResponse", version, 0, 0)?;
        from.at("ListPartitionReassignmentsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("ListPartitionReassignmentsResponse.error_code");
        let error_code = from.i16()?;
        from.at("ListPartitionReassignmentsResponse.error_message");
        let error_message = from.nullable_string(true, true)?;
        from.at("ListPartitionReassignmentsResponse.topics");
        let topics = from.array(true, 3, |from| OngoingTopicReassignment::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { throttle_time_ms, error_code, error_message, topics })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct OngoingTopicReassignment {
    pub name: String,
    pub partitions: Vec<OngoingPartitionReassignment>,
}

impl Message for OngoingTopicReassignment {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.at("OngoingTopicReassignment.name");
        to.string(&self.name, true)?;
        to.at("OngoingTopicReassignment.partitions");
        to.array(&self.partitions, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("OngoingTopicReassignment.name");
        let name = from.string(true)?;
        from.at("OngoingTopicReassignment.partitions");
        let partitions = from.array(true, 8, |from| OngoingPartitionReassignment::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { name, partitions })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct OngoingPartitionReassignment {
    pub partition_index: i32,
    pub replicas: Vec<i32>,
    pub adding_replicas: Vec<i32>,
    pub removing_replicas: Vec<i32>,
}

impl Message for OngoingPartitionReassignment {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.at("OngoingPartitionReassignment.replicas");
        to.array(&self.replicas, true, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        to.at("OngoingPartitionReassignment.adding_replicas");
        to.array(&self.adding_replicas, true, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        to.at("OngoingPartitionReassignment.removing_replicas");
        to.array(&self.removing_replicas, true, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("OngoingPartitionReassignment.partition_index");
        let partition_index = from.i32()?;
        from.at("OngoingPartitionReassignment.replicas");
        let replicas = from.array(true, 4, Decoder::i32)?;
        from.at("OngoingPartitionReassignment.adding_replicas");
        let adding_replicas = from.array(true, 4, Decoder::i32)?;
        from.at("OngoingPartitionReassignment.removing_replicas");
        let removing_replicas = from.array(true, 4, Decoder::i32)?;
        from.skip_tags()?;
        Ok(Self { partition_index, replicas, adding_replicas, removing_replicas })
    }
}

impl Response for ListPartitionReassignmentsResponse {
    const KEY: ApiKey = ApiKey::ListPartitionReassignments;
}
