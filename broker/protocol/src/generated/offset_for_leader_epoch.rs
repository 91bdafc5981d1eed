// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Finds where a leader epoch ends, for truncation and its detection (KIP-101, 320).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 2 to 4.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetForLeaderEpochRequest {
    /// From version 3.
    pub replica_id: i32,
    pub topics: Vec<OffsetForLeaderTopic>,
}

impl Default for OffsetForLeaderEpochRequest {
    fn default() -> Self {
        Self { replica_id: -2, topics: Vec::new() }
    }
}

impl Message for OffsetForLeaderEpochRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        encodable("OffsetForLeaderEpochRequest", version, 2, 4)?;
        if version >= 3 {
            to.i32(self.replica_id);
        }
        to.at("OffsetForLeaderEpochRequest.topics");
        to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        decodable(from, "OffsetForLeaderEpochRequest", version, 2, 4)?;
        let replica_id = if version >= 3 {
            from.at("OffsetForLeaderEpochRequest.replica_id");
            from.i32()?
        } else {
            -2
        };
        from.at("OffsetForLeaderEpochRequest.topics");
        let topics = from.array(flexible, 3, |from| OffsetForLeaderTopic::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { replica_id, topics })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetForLeaderTopic {
    pub topic: String,
    pub partitions: Vec<OffsetForLeaderPartition>,
}

impl Message for OffsetForLeaderTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        to.at("OffsetForLeaderTopic.topic");
        to.string(&self.topic, flexible)?;
        to.at("OffsetForLeaderTopic.partitions");
        to.array(&self.partitions, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        from.at("OffsetForLeaderTopic.topic");
        let topic = from.string(flexible)?;
        from.at("OffsetForLeaderTopic.partitions");
        let partitions = from.array(flexible, 12, |from| OffsetForLeaderPartition::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { topic, partitions })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct OffsetForLeaderPartition {
    pub partition: i32,
    pub current_leader_epoch: i32,
    pub leader_epoch: i32,
}

impl Default for OffsetForLeaderPartition {
    fn default() -> Self {
        Self { partition: 0, current_leader_epoch: -1, leader_epoch: 0 }
    }
}

impl Message for OffsetForLeaderPartition {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        to.i32(self.partition);
        to.i32(self.current_leader_epoch);
        to.i32(self.leader_epoch);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        from.at("OffsetForLeaderPartition.partition");
        let partition = from.i32()?;
        from.at("OffsetForLeaderPartition.current_leader_epoch");
        let current_leader_epoch = from.i32()?;
        from.at("OffsetForLeaderPartition.leader_epoch");
        let leader_epoch = from.i32()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { partition, current_leader_epoch, leader_epoch })
    }
}

impl Request for OffsetForLeaderEpochRequest {
    const KEY: ApiKey = ApiKey::OffsetForLeaderEpoch;
    const MIN_VERSION: i16 = 2;
    const MAX_VERSION: i16 = 4;
    type Response = crate::messages::OffsetForLeaderEpochResponse;
}

/// Versions 2 to 4.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetForLeaderEpochResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<OffsetForLeaderTopicResult>,
}

impl Message for OffsetForLeaderEpochResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        encodable("OffsetForLeaderEpochResponse", version, 2, 4)?;
        to.i32(self.throttle_time_ms);
        to.at("OffsetForLeaderEpochResponse.topics");
        to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        decodable(from, "OffsetForLeaderEpochResponse", version, 2, 4)?;
        from.at("OffsetForLeaderEpochResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("OffsetForLeaderEpochResponse.topics");
        let topics = from.array(flexible, 3, |from| OffsetForLeaderTopicResult::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, topics })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetForLeaderTopicResult {
    pub topic: String,
    pub partitions: Vec<EpochEndOffset>,
}

impl Message for OffsetForLeaderTopicResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        to.at("OffsetForLeaderTopicResult.topic");
        to.string(&self.topic, flexible)?;
        to.at("OffsetForLeaderTopicResult.partitions");
        to.array(&self.partitions, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        from.at("OffsetForLeaderTopicResult.topic");
        let topic = from.string(flexible)?;
        from.at("OffsetForLeaderTopicResult.partitions");
        let partitions = from.array(flexible, 18, |from| EpochEndOffset::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { topic, partitions })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct EpochEndOffset {
    pub error_code: i16,
    pub partition: i32,
    pub leader_epoch: i32,
    pub end_offset: i64,
}

impl Default for EpochEndOffset {
    fn default() -> Self {
        Self { error_code: 0, partition: 0, leader_epoch: -1, end_offset: -1 }
    }
}

impl Message for EpochEndOffset {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        to.i16(self.error_code);
        to.i32(self.partition);
        to.i32(self.leader_epoch);
        to.i64(self.end_offset);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        from.at("EpochEndOffset.error_code");
        let error_code = from.i16()?;
        from.at("EpochEndOffset.partition");
        let partition = from.i32()?;
        from.at("EpochEndOffset.leader_epoch");
        let leader_epoch = from.i32()?;
        from.at("EpochEndOffset.end_offset");
        let end_offset = from.i64()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { error_code, partition, leader_epoch, end_offset })
    }
}

impl Response for OffsetForLeaderEpochResponse {
    const KEY: ApiKey = ApiKey::OffsetForLeaderEpoch;
}
