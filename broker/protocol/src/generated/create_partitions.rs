// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Grows topics to a new number of partitions (KIP-195).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 3.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreatePartitionsRequest {
    pub topics: Vec<CreatePartitionsTopic>,
    pub timeout_ms: i32,
    pub validate_only: bool,
}

impl Message for CreatePartitionsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("CreatePartitionsRequest", version, 0, 3)?;
        to.at("CreatePartitionsRequest.topics");
        to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        to.i32(self.timeout_ms);
        to.bool(self.validate_only);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "CreatePartitionsRequest", version, 0, 3)?;
        from.at("CreatePartitionsRequest.topics");
        let topics = from.array(flexible, 7, |from| CreatePartitionsTopic::decode(from, version))?;
        from.at("CreatePartitionsRequest.timeout_ms");
        let timeout_ms = from.i32()?;
        from.at("CreatePartitionsRequest.validate_only");
        let validate_only = from.bool()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { topics, timeout_ms, validate_only })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreatePartitionsTopic {
    pub name: String,
    pub count: i32,
    pub assignments: Option<Vec<CreatePartitionsAssignment>>,
}

impl Message for CreatePartitionsTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.at("CreatePartitionsTopic.name");
        to.string(&self.name, flexible)?;
        to.i32(self.count);
        to.at("CreatePartitionsTopic.assignments");
        to.nullable_array(self.assignments.as_deref(), true, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("CreatePartitionsTopic.name");
        let name = from.string(flexible)?;
        from.at("CreatePartitionsTopic.count");
        let count = from.i32()?;
        from.at("CreatePartitionsTopic.assignments");
        let assignments =
            from.nullable_array(true, flexible, 2, |from| CreatePartitionsAssignment::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, count, assignments })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreatePartitionsAssignment {
    pub broker_ids: Vec<i32>,
}

impl Message for CreatePartitionsAssignment {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.at("CreatePartitionsAssignment.broker_ids");
        to.array(&self.broker_ids, flexible, |to, item| {
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
        from.at("CreatePartitionsAssignment.broker_ids");
        let broker_ids = from.array(flexible, 4, Decoder::i32)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { broker_ids })
    }
}

impl Request for CreatePartitionsRequest {
    const KEY: ApiKey = ApiKey::CreatePartitions;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 3;
    type Response = crate::messages::CreatePartitionsResponse;
}

/// Versions 0 to 3.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreatePartitionsResponse {
    pub throttle_time_ms: i32,
    pub results: Vec<CreatePartitionsTopicResult>,
}

impl Message for CreatePartitionsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("CreatePartitionsResponse", version, 0, 3)?;
        to.i32(self.throttle_time_ms);
        to.at("CreatePartitionsResponse.results");
        to.array(&self.results, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "CreatePartitionsResponse", version, 0, 3)?;
        from.at("CreatePartitionsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("CreatePartitionsResponse.results");
        let results = from.array(flexible, 5, |from| CreatePartitionsTopicResult::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, results })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreatePartitionsTopicResult {
    pub name: String,
    pub error_code: i16,
    pub error_message: Option<String>,
}

impl Message for CreatePartitionsTopicResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.at("CreatePartitionsTopicResult.name");
        to.string(&self.name, flexible)?;
        to.i16(self.error_code);
        to.at("CreatePartitionsTopicResult.error_message");
        to.nullable_string(self.error_message.as_deref(), true, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("CreatePartitionsTopicResult.name");
        let name = from.string(flexible)?;
        from.at("CreatePartitionsTopicResult.error_code");
        let error_code = from.i16()?;
        from.at("CreatePartitionsTopicResult.error_message");
        let error_message = from.nullable_string(true, flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, error_code, error_message })
    }
}

impl Response for CreatePartitionsResponse {
    const KEY: ApiKey = ApiKey::CreatePartitions;
}
