// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Moves the log start offset of partitions; -1 means the high watermark (KIP-107).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteRecordsRequest {
    pub topics: Vec<DeleteRecordsTopic>,
    pub timeout_ms: i32,
}

impl Message for DeleteRecordsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("DeleteRecordsRequest", version, 0, 2)?;
        to.at("DeleteRecordsRequest.topics");
        to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        to.i32(self.timeout_ms);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "DeleteRecordsRequest", version, 0, 2)?;
        from.at("DeleteRecordsRequest.topics");
        let topics = from.array(flexible, 3, |from| DeleteRecordsTopic::decode(from, version))?;
        from.at("DeleteRecordsRequest.timeout_ms");
        let timeout_ms = from.i32()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { topics, timeout_ms })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteRecordsTopic {
    pub name: String,
    pub partitions: Vec<DeleteRecordsPartition>,
}

impl Message for DeleteRecordsTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.at("DeleteRecordsTopic.name");
        to.string(&self.name, flexible)?;
        to.at("DeleteRecordsTopic.partitions");
        to.array(&self.partitions, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("DeleteRecordsTopic.name");
        let name = from.string(flexible)?;
        from.at("DeleteRecordsTopic.partitions");
        let partitions = from.array(flexible, 12, |from| DeleteRecordsPartition::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, partitions })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteRecordsPartition {
    pub partition_index: i32,
    pub offset: i64,
}

impl Message for DeleteRecordsPartition {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.i32(self.partition_index);
        to.i64(self.offset);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("DeleteRecordsPartition.partition_index");
        let partition_index = from.i32()?;
        from.at("DeleteRecordsPartition.offset");
        let offset = from.i64()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { partition_index, offset })
    }
}

impl Request for DeleteRecordsRequest {
    const KEY: ApiKey = ApiKey::DeleteRecords;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 2;
    type Response = crate::messages::DeleteRecordsResponse;
}

/// Versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteRecordsResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<DeleteRecordsTopicResult>,
}

impl Message for DeleteRecordsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("DeleteRecordsResponse", version, 0, 2)?;
        to.i32(self.throttle_time_ms);
        to.at("DeleteRecordsResponse.topics");
        to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "DeleteRecordsResponse", version, 0, 2)?;
        from.at("DeleteRecordsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("DeleteRecordsResponse.topics");
        let topics = from.array(flexible, 3, |from| DeleteRecordsTopicResult::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, topics })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteRecordsTopicResult {
    pub name: String,
    pub partitions: Vec<DeleteRecordsPartitionResult>,
}

impl Message for DeleteRecordsTopicResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.at("DeleteRecordsTopicResult.name");
        to.string(&self.name, flexible)?;
        to.at("DeleteRecordsTopicResult.partitions");
        to.array(&self.partitions, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("DeleteRecordsTopicResult.name");
        let name = from.string(flexible)?;
        from.at("DeleteRecordsTopicResult.partitions");
        let partitions =
            from.array(flexible, 14, |from| DeleteRecordsPartitionResult::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, partitions })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteRecordsPartitionResult {
    pub partition_index: i32,
    pub low_watermark: i64,
    pub error_code: i16,
}

impl Message for DeleteRecordsPartitionResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.i32(self.partition_index);
        to.i64(self.low_watermark);
        to.i16(self.error_code);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("DeleteRecordsPartitionResult.partition_index");
        let partition_index = from.i32()?;
        from.at("DeleteRecordsPartitionResult.low_watermark");
        let low_watermark = from.i64()?;
        from.at("DeleteRecordsPartitionResult.error_code");
        let error_code = from.i16()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { partition_index, low_watermark, error_code })
    }
}

impl Response for DeleteRecordsResponse {
    const KEY: ApiKey = ApiKey::DeleteRecords;
}
