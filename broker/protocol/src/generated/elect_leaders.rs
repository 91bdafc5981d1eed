// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Elects preferred (0) or unclean (1) leaders (KIP-460).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 2.
#[derive(Debug, Clone, PartialEq)]
pub struct ElectLeadersRequest {
    /// From version 1.
    pub election_type: i8,
    pub topic_partitions: Option<Vec<ElectLeadersTopicPartitions>>,
    pub timeout_ms: i32,
}

impl Default for ElectLeadersRequest {
    fn default() -> Self {
        Self { election_type: 0, topic_partitions: None, timeout_ms: 60000 }
    }
}

impl Message for ElectLeadersRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("ElectLeadersRequest", version, 0, 2)?;
        if version >= 1 {
            to.i8(self.election_type);
        } else if self.election_type != 0 {
            return Err(EncodeError::not_in_version("ElectLeadersRequest.election_type", version));
        }
        to.at("ElectLeadersRequest.topic_partitions");
        to.nullable_array(self.topic_partitions.as_deref(), true, flexible, |to, item| {
            item.encode(to, version)
        })?;
        to.i32(self.timeout_ms);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "ElectLeadersRequest", version, 0, 2)?;
        let election_type = if version >= 1 {
            from.at("ElectLeadersRequest.election_type");
            from.i8()?
        } else {
            0
        };
        from.at("ElectLeadersRequest.topic_partitions");
        let topic_partitions = from
            .nullable_array(true, flexible, 3, |from| ElectLeadersTopicPartitions::decode(from, version))?;
        from.at("ElectLeadersRequest.timeout_ms");
        let timeout_ms = from.i32()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { election_type, topic_partitions, timeout_ms })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ElectLeadersTopicPartitions {
    pub topic: String,
    pub partitions: Vec<i32>,
}

impl Message for ElectLeadersTopicPartitions {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.at("ElectLeadersTopicPartitions.topic");
        to.string(&self.topic, flexible)?;
        to.at("ElectLeadersTopicPartitions.partitions");
        to.array(&self.partitions, flexible, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("ElectLeadersTopicPartitions.topic");
        let topic = from.string(flexible)?;
        from.at("ElectLeadersTopicPartitions.partitions");
        let partitions = from.array(flexible, 4, Decoder::i32)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { topic, partitions })
    }
}

impl Request for ElectLeadersRequest {
    const KEY: ApiKey = ApiKey::ElectLeaders;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 2;
    type Response = crate::messages::ElectLeadersResponse;
}

/// Versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ElectLeadersResponse {
    pub throttle_time_ms: i32,
    /// From version 1.
    pub error_code: i16,
    pub replica_election_results: Vec<ReplicaElectionResult>,
}

impl Message for ElectLeadersResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("ElectLeadersResponse", version, 0, 2)?;
        to.i32(self.throttle_time_ms);
        if version >= 1 {
            to.i16(self.error_code);
        } else if self.error_code != 0 {
            return Err(EncodeError::not_in_version("ElectLeadersResponse.error_code", version));
        }
        to.at("ElectLeadersResponse.replica_election_results");
        to.array(&self.replica_election_results, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "ElectLeadersResponse", version, 0, 2)?;
        from.at("ElectLeadersResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        let error_code = if version >= 1 {
            from.at("ElectLeadersResponse.error_code");
            from.i16()?
        } else {
            0
        };
        from.at("ElectLeadersResponse.replica_election_results");
        let replica_election_results =
            from.array(flexible, 3, |from| ReplicaElectionResult::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, error_code, replica_election_results })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReplicaElectionResult {
    pub topic: String,
    pub partition_result: Vec<PartitionResult>,
}

impl Message for ReplicaElectionResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.at("ReplicaElectionResult.topic");
        to.string(&self.topic, flexible)?;
        to.at("ReplicaElectionResult.partition_result");
        to.array(&self.partition_result, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("ReplicaElectionResult.topic");
        let topic = from.string(flexible)?;
        from.at("ReplicaElectionResult.partition_result");
        let partition_result = from.array(flexible, 8, |from| PartitionResult::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { topic, partition_result })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct PartitionResult {
    pub partition_id: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
}

impl Message for PartitionResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.i32(self.partition_id);
        to.i16(self.error_code);
        to.at("PartitionResult.error_message");
        to.nullable_string(self.error_message.as_deref(), true, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("PartitionResult.partition_id");
        let partition_id = from.i32()?;
        from.at("PartitionResult.error_code");
        let error_code = from.i16()?;
        from.at("PartitionResult.error_message");
        let error_message = from.nullable_string(true, flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { partition_id, error_code, error_message })
    }
}

impl Response for ElectLeadersResponse {
    const KEY: ApiKey = ApiKey::ElectLeaders;
}
