// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Describes log folders and the partitions in them (KIP-113); disk sizes from 4 (KIP-827).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 1 to 5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeLogDirsRequest {
    pub topics: Option<Vec<DescribableLogDirTopic>>,
}

impl Message for DescribeLogDirsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("DescribeLogDirsRequest", version, 1, 5)?;
        to.at("DescribeLogDirsRequest.topics");
        to.nullable_array(self.topics.as_deref(), true, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "DescribeLogDirsRequest", version, 1, 5)?;
        from.at("DescribeLogDirsRequest.topics");
        let topics =
            from.nullable_array(true, flexible, 3, |from| DescribableLogDirTopic::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { topics })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribableLogDirTopic {
    pub topic: String,
    pub partitions: Vec<i32>,
}

impl Message for DescribableLogDirTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.at("DescribableLogDirTopic.topic");
        to.string(&self.topic, flexible)?;
        to.at("DescribableLogDirTopic.partitions");
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
        from.at("DescribableLogDirTopic.topic");
        let topic = from.string(flexible)?;
        from.at("DescribableLogDirTopic.partitions");
        let partitions = from.array(flexible, 4, Decoder::i32)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { topic, partitions })
    }
}

impl Request for DescribeLogDirsRequest {
    const KEY: ApiKey = ApiKey::DescribeLogDirs;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 5;
    type Response = crate::messages::DescribeLogDirsResponse;
}

/// Versions 1 to 5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeLogDirsResponse {
    pub throttle_time_ms: i32,
    /// From version 3.
    pub error_code: i16,
    pub results: Vec<DescribeLogDirsResult>,
}

impl Message for DescribeLogDirsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("DescribeLogDirsResponse", version, 1, 5)?;
        to.i32(self.throttle_time_ms);
        if version >= 3 {
            to.i16(self.error_code);
        }
        to.at("DescribeLogDirsResponse.results");
        to.array(&self.results, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "DescribeLogDirsResponse", version, 1, 5)?;
        from.at("DescribeLogDirsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        let error_code = if version >= 3 {
            from.at("DescribeLogDirsResponse.error_code");
            from.i16()?
        } else {
            0
        };
        from.at("DescribeLogDirsResponse.results");
        let results = from.array(flexible, 5, |from| DescribeLogDirsResult::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, error_code, results })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct DescribeLogDirsResult {
    pub error_code: i16,
    pub log_dir: String,
    pub topics: Vec<DescribeLogDirsTopic>,
    /// From version 4.
    pub total_bytes: i64,
    /// From version 4.
    pub usable_bytes: i64,
    /// From version 5.
    pub is_cordoned: bool,
}

impl Default for DescribeLogDirsResult {
    fn default() -> Self {
        Self {
            error_code: 0,
            log_dir: String::new(),
            topics: Vec::new(),
            total_bytes: -1,
            usable_bytes: -1,
            is_cordoned: false,
        }
    }
}

impl Message for DescribeLogDirsResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.i16(self.error_code);
        to.at("DescribeLogDirsResult.log_dir");
        to.string(&self.log_dir, flexible)?;
        to.at("DescribeLogDirsResult.topics");
        to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        if version >= 4 {
            to.i64(self.total_bytes);
        }
        if version >= 4 {
            to.i64(self.usable_bytes);
        }
        if version >= 5 {
            to.bool(self.is_cordoned);
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("DescribeLogDirsResult.error_code");
        let error_code = from.i16()?;
        from.at("DescribeLogDirsResult.log_dir");
        let log_dir = from.string(flexible)?;
        from.at("DescribeLogDirsResult.topics");
        let topics = from.array(flexible, 3, |from| DescribeLogDirsTopic::decode(from, version))?;
        let total_bytes = if version >= 4 {
            from.at("DescribeLogDirsResult.total_bytes");
            from.i64()?
        } else {
            -1
        };
        let usable_bytes = if version >= 4 {
            from.at("DescribeLogDirsResult.usable_bytes");
            from.i64()?
        } else {
            -1
        };
        let is_cordoned = if version >= 5 {
            from.at("DescribeLogDirsResult.is_cordoned");
            from.bool()?
        } else {
            false
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { error_code, log_dir, topics, total_bytes, usable_bytes, is_cordoned })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeLogDirsTopic {
    pub name: String,
    pub partitions: Vec<DescribeLogDirsPartition>,
}

impl Message for DescribeLogDirsTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.at("DescribeLogDirsTopic.name");
        to.string(&self.name, flexible)?;
        to.at("DescribeLogDirsTopic.partitions");
        to.array(&self.partitions, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("DescribeLogDirsTopic.name");
        let name = from.string(flexible)?;
        from.at("DescribeLogDirsTopic.partitions");
        let partitions = from.array(flexible, 21, |from| DescribeLogDirsPartition::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, partitions })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeLogDirsPartition {
    pub partition_index: i32,
    pub partition_size: i64,
    pub offset_lag: i64,
    pub is_future_key: bool,
}

impl Message for DescribeLogDirsPartition {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.i32(self.partition_index);
        to.i64(self.partition_size);
        to.i64(self.offset_lag);
        to.bool(self.is_future_key);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("DescribeLogDirsPartition.partition_index");
        let partition_index = from.i32()?;
        from.at("DescribeLogDirsPartition.partition_size");
        let partition_size = from.i64()?;
        from.at("DescribeLogDirsPartition.offset_lag");
        let offset_lag = from.i64()?;
        from.at("DescribeLogDirsPartition.is_future_key");
        let is_future_key = from.bool()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { partition_index, partition_size, offset_lag, is_future_key })
    }
}

impl Response for DescribeLogDirsResponse {
    const KEY: ApiKey = ApiKey::DescribeLogDirs;
}
