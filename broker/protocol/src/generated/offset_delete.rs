// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Deletes positions of a group for topics that it no longer reads (KIP-496).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetDeleteRequest {
    pub group_id: String,
    pub topics: Vec<OffsetDeleteRequestTopic>,
}

impl Message for OffsetDeleteRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("OffsetDeleteRequest", version, 0, 0)?;
        to.at("OffsetDeleteRequest.group_id");
        to.string(&self.group_id, false)?;
        to.at("OffsetDeleteRequest.topics");
        to.array(&self.topics, false, |to, item| item.encode(to, version))?;
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "OffsetDeleteRequest", version, 0, 0)?;
        from.at("OffsetDeleteRequest.group_id");
        let group_id = from.string(false)?;
        from.at("OffsetDeleteRequest.topics");
        let topics = from.array(false, 6, |from| OffsetDeleteRequestTopic::decode(from, version))?;
        Ok(Self { group_id, topics })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetDeleteRequestTopic {
    pub name: String,
    pub partitions: Vec<OffsetDeleteRequestPartition>,
}

impl Message for OffsetDeleteRequestTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.at("OffsetDeleteRequestTopic.name");
        to.string(&self.name, false)?;
        to.at("OffsetDeleteRequestTopic.partitions");
        to.array(&self.partitions, false, |to, item| item.encode(to, version))?;
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("OffsetDeleteRequestTopic.name");
        let name = from.string(false)?;
        from.at("OffsetDeleteRequestTopic.partitions");
        let partitions = from.array(false, 4, |from| OffsetDeleteRequestPartition::decode(from, version))?;
        Ok(Self { name, partitions })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetDeleteRequestPartition {
    pub partition_index: i32,
}

impl Message for OffsetDeleteRequestPartition {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("OffsetDeleteRequestPartition.partition_index");
        let partition_index = from.i32()?;
        Ok(Self { partition_index })
    }
}

impl Request for OffsetDeleteRequest {
    const KEY: ApiKey = ApiKey::OffsetDelete;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 0;
    type Response = crate::messages::OffsetDeleteResponse;
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetDeleteResponse {
    pub error_code: i16,
    pub throttle_time_ms: i32,
    pub topics: Vec<OffsetDeleteResponseTopic>,
}

impl Message for OffsetDeleteResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("OffsetDeleteResponse", version, 0, 0)?;
        to.i16(self.error_code);
        to.i32(self.throttle_time_ms);
        to.at("OffsetDeleteResponse.topics");
        to.array(&self.topics, false, |to, item| item.encode(to, version))?;
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "OffsetDeleteResponse", version, 0, 0)?;
        from.at("OffsetDeleteResponse.error_code");
        let error_code = from.i16()?;
        from.at("OffsetDeleteResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("OffsetDeleteResponse.topics");
        let topics = from.array(false, 6, |from| OffsetDeleteResponseTopic::decode(from, version))?;
        Ok(Self { error_code, throttle_time_ms, topics })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetDeleteResponseTopic {
    pub name: String,
    pub partitions: Vec<OffsetDeleteResponsePartition>,
}

impl Message for OffsetDeleteResponseTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.at("OffsetDeleteResponseTopic.name");
        to.string(&self.name, false)?;
        to.at("OffsetDeleteResponseTopic.partitions");
        to.array(&self.partitions, false, |to, item| item.encode(to, version))?;
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("OffsetDeleteResponseTopic.name");
        let name = from.string(false)?;
        from.at("OffsetDeleteResponseTopic.partitions");
        let partitions = from.array(false, 6, |from| OffsetDeleteResponsePartition::decode(from, version))?;
        Ok(Self { name, partitions })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetDeleteResponsePartition {
    pub partition_index: i32,
    pub error_code: i16,
}

impl Message for OffsetDeleteResponsePartition {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i16(self.error_code);
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("OffsetDeleteResponsePartition.partition_index");
        let partition_index = from.i32()?;
        from.at("OffsetDeleteResponsePartition.error_code");
        let error_code = from.i16()?;
        Ok(Self { partition_index, error_code })
    }
}

impl Response for OffsetDeleteResponse {
    const KEY: ApiKey = ApiKey::OffsetDelete;
}
