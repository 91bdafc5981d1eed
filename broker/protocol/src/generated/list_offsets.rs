// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Finds the offset of a timestamp, of the log's start (-2), its end (-1), the largest timestamp (-3, from
//! 7, KIP-734), the local start (-4, from 8, KIP-405), the last tiered offset (-5, from 9, KIP-1005) or the
//! earliest pending upload (-6, from 11).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 1 to 11.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListOffsetsRequest {
    pub replica_id: i32,
    /// From version 2.
    pub isolation_level: i8,
    pub topics: Vec<ListOffsetsTopic>,
    /// From version 10.
    pub timeout_ms: i32,
}

impl Message for ListOffsetsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        encodable("ListOffsetsRequest", version, 1, 11)?;
        to.i32(self.replica_id);
        if version >= 2 {
            to.i8(self.isolation_level);
        } else if self.isolation_level != 0 {
            return Err(EncodeError::not_in_version("ListOffsetsRequest.isolation_level", version));
        }
        to.at("ListOffsetsRequest.topics");
        to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        if version >= 10 {
            to.i32(self.timeout_ms);
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        decodable(from, "ListOffsetsRequest", version, 1, 11)?;
        from.at("ListOffsetsRequest.replica_id");
        let replica_id = from.i32()?;
        let isolation_level = if version >= 2 {
            from.at("ListOffsetsRequest.isolation_level");
            from.i8()?
        } else {
            0
        };
        from.at("ListOffsetsRequest.topics");
        let topics = from.array(flexible, 3, |from| ListOffsetsTopic::decode(from, version))?;
        let timeout_ms = if version >= 10 {
            from.at("ListOffsetsRequest.timeout_ms");
            from.i32()?
        } else {
            0
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { replica_id, isolation_level, topics, timeout_ms })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListOffsetsTopic {
    pub name: String,
    pub partitions: Vec<ListOffsetsPartition>,
}

impl Message for ListOffsetsTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        to.at("ListOffsetsTopic.name");
        to.string(&self.name, flexible)?;
        to.at("ListOffsetsTopic.partitions");
        to.array(&self.partitions, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        from.at("ListOffsetsTopic.name");
        let name = from.string(flexible)?;
        from.at("ListOffsetsTopic.partitions");
        let partitions = from.array(flexible, 12, |from| ListOffsetsPartition::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, partitions })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct ListOffsetsPartition {
    pub partition_index: i32,
    /// From version 4.
    pub current_leader_epoch: i32,
    pub timestamp: i64,
}

impl Default for ListOffsetsPartition {
    fn default() -> Self {
        Self { partition_index: 0, current_leader_epoch: -1, timestamp: 0 }
    }
}

impl Message for ListOffsetsPartition {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        to.i32(self.partition_index);
        if version >= 4 {
            to.i32(self.current_leader_epoch);
        }
        to.i64(self.timestamp);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        from.at("ListOffsetsPartition.partition_index");
        let partition_index = from.i32()?;
        let current_leader_epoch = if version >= 4 {
            from.at("ListOffsetsPartition.current_leader_epoch");
            from.i32()?
        } else {
            -1
        };
        from.at("ListOffsetsPartition.timestamp");
        let timestamp = from.i64()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { partition_index, current_leader_epoch, timestamp })
    }
}

impl Request for ListOffsetsRequest {
    const KEY: ApiKey = ApiKey::ListOffsets;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 11;
    type Response = crate::messages::ListOffsetsResponse;
}

/// Versions 1 to 11.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListOffsetsResponse {
    /// From version 2.
    pub throttle_time_ms: i32,
    pub topics: Vec<ListOffsetsTopicResponse>,
}

impl Message for ListOffsetsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        encodable("ListOffsetsResponse", version, 1, 11)?;
        if version >= 2 {
            to.i32(self.throttle_time_ms);
        }
        to.at("ListOffsetsResponse.topics");
        to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        decodable(from, "ListOffsetsResponse", version, 1, 11)?;
        let throttle_time_ms = if version >= 2 {
            from.at("ListOffsetsResponse.throttle_time_ms");
            from.i32()?
        } else {
            0
        };
        from.at("ListOffsetsResponse.topics");
        let topics = from.array(flexible, 3, |from| ListOffsetsTopicResponse::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, topics })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListOffsetsTopicResponse {
    pub name: String,
    pub partitions: Vec<ListOffsetsPartitionResponse>,
}

impl Message for ListOffsetsTopicResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        to.at("ListOffsetsTopicResponse.name");
        to.string(&self.name, flexible)?;
        to.at("ListOffsetsTopicResponse.partitions");
        to.array(&self.partitions, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        from.at("ListOffsetsTopicResponse.name");
        let name = from.string(flexible)?;
        from.at("ListOffsetsTopicResponse.partitions");
        let partitions =
            from.array(flexible, 22, |from| ListOffsetsPartitionResponse::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, partitions })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct ListOffsetsPartitionResponse {
    pub partition_index: i32,
    pub error_code: i16,
    pub timestamp: i64,
    pub offset: i64,
    /// From version 4.
    pub leader_epoch: i32,
}

impl Default for ListOffsetsPartitionResponse {
    fn default() -> Self {
        Self { partition_index: 0, error_code: 0, timestamp: -1, offset: -1, leader_epoch: -1 }
    }
}

impl Message for ListOffsetsPartitionResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        to.i32(self.partition_index);
        to.i16(self.error_code);
        to.i64(self.timestamp);
        to.i64(self.offset);
        if version >= 4 {
            to.i32(self.leader_epoch);
        } else if self.leader_epoch != -1 {
            return Err(EncodeError::not_in_version("ListOffsetsPartitionResponse.leader_epoch", version));
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        from.at("ListOffsetsPartitionResponse.partition_index");
        let partition_index = from.i32()?;
        from.at("ListOffsetsPartitionResponse.error_code");
        let error_code = from.i16()?;
        from.at("ListOffsetsPartitionResponse.timestamp");
        let timestamp = from.i64()?;
        from.at("ListOffsetsPartitionResponse.offset");
        let offset = from.i64()?;
        let leader_epoch = if version >= 4 {
            from.at("ListOffsetsPartitionResponse.leader_epoch");
            from.i32()?
        } else {
            -1
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { partition_index, error_code, timestamp, offset, leader_epoch })
    }
}

impl Response for ListOffsetsResponse {
    const KEY: ApiKey = ApiKey::ListOffsets;
}
