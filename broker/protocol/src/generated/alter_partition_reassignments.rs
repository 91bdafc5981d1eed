// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Starts or cancels moves of partitions (KIP-455).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterPartitionReassignmentsRequest {
    pub timeout_ms: i32,
    /// From version 1.
    pub allow_replication_factor_change: bool,
    pub topics: Vec<ReassignableTopic>,
}

impl Default for AlterPartitionReassignmentsRequest {
    fn default() -> Self {
        Self { timeout_ms: 60000, allow_replication_factor_change: true, topics: Vec::new() }
    }
}

impl Message for AlterPartitionReassignmentsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("AlterPartitionReassignmentsRequest", version, 0, 1)?;
        to.i32(self.timeout_ms);
        if version >= 1 {
            to.bool(self.allow_replication_factor_change);
        } else if !self.allow_replication_factor_change {
            return Err(EncodeError::not_in_version(
                "AlterPartitionReassignmentsRequest.allow_replication_factor_change",
                version,
            ));
        }
        to.at("AlterPartitionReassignmentsRequest.topics");
        to.array(&self.topics, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "AlterPartitionReassignmentsRequest", version, 0, 1)?;
        from.at("AlterPartitionReassignmentsRequest.timeout_ms");
        let timeout_ms = from.i32()?;
        let allow_replication_factor_change = if version >= 1 {
            from.at("AlterPartitionReassignmentsRequest.allow_replication_factor_change");
            from.bool()?
        } else {
            true
        };
        from.at("AlterPartitionReassignmentsRequest.topics");
        let topics = from.array(true, 3, |from| ReassignableTopic::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { timeout_ms, allow_replication_factor_change, topics })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReassignableTopic {
    pub name: String,
    pub partitions: Vec<ReassignablePartition>,
}

impl Message for ReassignableTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.at("ReassignableTopic.name");
        to.string(&self.name, true)?;
        to.at("ReassignableTopic.partitions");
        to.array(&self.partitions, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("ReassignableTopic.name");
        let name = from.string(true)?;
        from.at("ReassignableTopic.partitions");
        let partitions = from.array(true, 6, |from| ReassignablePartition::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { name, partitions })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReassignablePartition {
    pub partition_index: i32,
    pub replicas: Option<Vec<i32>>,
}

impl Message for ReassignablePartition {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.at("ReassignablePartition.replicas");
        to.nullable_array(self.replicas.as_deref(), true, true, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("ReassignablePartition.partition_index");
        let partition_index = from.i32()?;
        from.at("ReassignablePartition.replicas");
        let replicas = from.nullable_array(true, true, 4, Decoder::i32)?;
        from.skip_tags()?;
        Ok(Self { partition_index, replicas })
    }
}

impl Request for AlterPartitionReassignmentsRequest {
    const KEY: ApiKey = ApiKey::AlterPartitionReassignments;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 1;
    type Response = crate::messages::AlterPartitionReassignmentsResponse;
}

/// Versions 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterPartitionReassignmentsResponse {
    pub throttle_time_ms: i32,
    /// From version 1.
    pub allow_replication_factor_change: bool,
    pub error_code: i16,
    pub error_message: Option<String>,
    pub responses: Vec<ReassignableTopicResponse>,
}

impl Default for AlterPartitionReassignmentsResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            allow_replication_factor_change: true,
            error_code: 0,
            error_message: None,
            responses: Vec::new(),
        }
    }
}

impl Message for AlterPartitionReassignmentsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("AlterPartitionReassignmentsResponse", version, 0, 1)?;
        to.i32(self.throttle_time_ms);
        if version >= 1 {
            to.bool(self.allow_replication_factor_change);
        }
        to.i16(self.error_code);
        to.at("AlterPartitionReassignmentsResponse.error_message");
        to.nullable_string(self.error_message.as_deref(), true, true)?;
        to.at("AlterPartitionReassignmentsResponse.responses");
        to.array(&self.responses, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "AlterPartitionReassignmentsResponse", version, 0, 1)?;
        from.at("AlterPartitionReassignmentsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        let allow_replication_factor_change = if version >= 1 {
            from.at("AlterPartitionReassignmentsResponse.allow_replication_factor_change");
            from.bool()?
        } else {
            true
        };
        from.at("AlterPartitionReassignmentsResponse.error_code");
        let error_code = from.i16()?;
        from.at("AlterPartitionReassignmentsResponse.error_message");
        let error_message = from.nullable_string(true, true)?;
        from.at("AlterPartitionReassignmentsResponse.responses");
        let responses = from.array(true, 3, |from| ReassignableTopicResponse::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { throttle_time_ms, allow_replication_factor_change, error_code, error_message, responses })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReassignableTopicResponse {
    pub name: String,
    pub partitions: Vec<ReassignablePartitionResponse>,
}

impl Message for ReassignableTopicResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.at("ReassignableTopicResponse.name");
        to.string(&self.name, true)?;
        to.at("ReassignableTopicResponse.partitions");
        to.array(&self.partitions, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("ReassignableTopicResponse.name");
        let name = from.string(true)?;
        from.at("ReassignableTopicResponse.partitions");
        let partitions = from.array(true, 8, |from| ReassignablePartitionResponse::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { name, partitions })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReassignablePartitionResponse {
    pub partition_index: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
}

impl Message for ReassignablePartitionResponse {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i16(self.error_code);
        to.at("ReassignablePartitionResponse.error_message");
        to.nullable_string(self.error_message.as_deref(), true, true)?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("ReassignablePartitionResponse.partition_index");
        let partition_index = from.i32()?;
        from.at("ReassignablePartitionResponse.error_code");
        let error_code = from.i16()?;
        from.at("ReassignablePartitionResponse.error_message");
        let error_message = from.nullable_string(true, true)?;
        from.skip_tags()?;
        Ok(Self { partition_index, error_code, error_message })
    }
}

impl Response for AlterPartitionReassignmentsResponse {
    const KEY: ApiKey = ApiKey::AlterPartitionReassignments;
}
