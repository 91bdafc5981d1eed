// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Stores a group's positions. Static members from 7 (KIP-345), next-generation groups from 9 (KIP-848),
//! topic ids from 10.

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response, Uuid};

/// Versions 2 to 10.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetCommitRequest {
    pub group_id: String,
    pub generation_id_or_member_epoch: i32,
    pub member_id: String,
    /// From version 7.
    pub group_instance_id: Option<String>,
    /// Versions 2 to 4.
    pub retention_time_ms: i64,
    pub topics: Vec<OffsetCommitRequestTopic>,
}

impl Default for OffsetCommitRequest {
    fn default() -> Self {
        Self {
            group_id: String::new(),
            generation_id_or_member_epoch: -1,
            member_id: String::new(),
            group_instance_id: None,
            retention_time_ms: -1,
            topics: Vec::new(),
        }
    }
}

impl Message for OffsetCommitRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 8;
        encodable("OffsetCommitRequest", version, 2, 10)?;
        to.at("OffsetCommitRequest.group_id");
        to.string(&self.group_id, flexible)?;
        to.i32(self.generation_id_or_member_epoch);
        to.at("OffsetCommitRequest.member_id");
        to.string(&self.member_id, flexible)?;
        if version >= 7 {
            to.at("OffsetCommitRequest.group_instance_id");
            to.nullable_string(self.group_instance_id.as_deref(), true, flexible)?;
        } else if self.group_instance_id.is_some() {
            return Err(EncodeError::not_in_version("OffsetCommitRequest.group_instance_id", version));
        }
        if version <= 4 {
            to.i64(self.retention_time_ms);
        }
        to.at("OffsetCommitRequest.topics");
        to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 8;
        decodable(from, "OffsetCommitRequest", version, 2, 10)?;
        from.at("OffsetCommitRequest.group_id");
        let group_id = from.string(flexible)?;
        from.at("OffsetCommitRequest.generation_id_or_member_epoch");
        let generation_id_or_member_epoch = from.i32()?;
        from.at("OffsetCommitRequest.member_id");
        let member_id = from.string(flexible)?;
        let group_instance_id = if version >= 7 {
            from.at("OffsetCommitRequest.group_instance_id");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        let retention_time_ms = if version <= 4 {
            from.at("OffsetCommitRequest.retention_time_ms");
            from.i64()?
        } else {
            -1
        };
        from.at("OffsetCommitRequest.topics");
        let topics = from.array(flexible, 3, |from| OffsetCommitRequestTopic::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self {
            group_id,
            generation_id_or_member_epoch,
            member_id,
            group_instance_id,
            retention_time_ms,
            topics,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetCommitRequestTopic {
    /// Versions 2 to 9.
    pub name: String,
    /// From version 10.
    pub topic_id: Uuid,
    pub partitions: Vec<OffsetCommitRequestPartition>,
}

impl Message for OffsetCommitRequestTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 8;
        if version <= 9 {
            to.at("OffsetCommitRequestTopic.name");
            to.string(&self.name, flexible)?;
        }
        if version >= 10 {
            to.uuid(self.topic_id);
        }
        to.at("OffsetCommitRequestTopic.partitions");
        to.array(&self.partitions, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 8;
        let name = if version <= 9 {
            from.at("OffsetCommitRequestTopic.name");
            from.string(flexible)?
        } else {
            String::new()
        };
        let topic_id = if version >= 10 {
            from.at("OffsetCommitRequestTopic.topic_id");
            from.uuid()?
        } else {
            Uuid::ZERO
        };
        from.at("OffsetCommitRequestTopic.partitions");
        let partitions =
            from.array(flexible, 14, |from| OffsetCommitRequestPartition::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, topic_id, partitions })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct OffsetCommitRequestPartition {
    pub partition_index: i32,
    pub committed_offset: i64,
    /// From version 6.
    pub committed_leader_epoch: i32,
    pub committed_metadata: Option<String>,
}

impl Default for OffsetCommitRequestPartition {
    fn default() -> Self {
        Self { partition_index: 0, committed_offset: 0, committed_leader_epoch: -1, committed_metadata: None }
    }
}

impl Message for OffsetCommitRequestPartition {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 8;
        to.i32(self.partition_index);
        to.i64(self.committed_offset);
        if version >= 6 {
            to.i32(self.committed_leader_epoch);
        }
        to.at("OffsetCommitRequestPartition.committed_metadata");
        to.nullable_string(self.committed_metadata.as_deref(), true, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 8;
        from.at("OffsetCommitRequestPartition.partition_index");
        let partition_index = from.i32()?;
        from.at("OffsetCommitRequestPartition.committed_offset");
        let committed_offset = from.i64()?;
        let committed_leader_epoch = if version >= 6 {
            from.at("OffsetCommitRequestPartition.committed_leader_epoch");
            from.i32()?
        } else {
            -1
        };
        from.at("OffsetCommitRequestPartition.committed_metadata");
        let committed_metadata = from.nullable_string(true, flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { partition_index, committed_offset, committed_leader_epoch, committed_metadata })
    }
}

impl Request for OffsetCommitRequest {
    const KEY: ApiKey = ApiKey::OffsetCommit;
    const MIN_VERSION: i16 = 2;
    const MAX_VERSION: i16 = 10;
    type Response = crate::messages::OffsetCommitResponse;
}

/// Versions 2 to 10.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetCommitResponse {
    /// From version 3.
    pub throttle_time_ms: i32,
    pub topics: Vec<OffsetCommitResponseTopic>,
}

impl Message for OffsetCommitResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 8;
        encodable("OffsetCommitResponse", version, 2, 10)?;
        if version >= 3 {
            to.i32(self.throttle_time_ms);
        }
        to.at("OffsetCommitResponse.topics");
        to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 8;
        decodable(from, "OffsetCommitResponse", version, 2, 10)?;
        let throttle_time_ms = if version >= 3 {
            from.at("OffsetCommitResponse.throttle_time_ms");
            from.i32()?
        } else {
            0
        };
        from.at("OffsetCommitResponse.topics");
        let topics = from.array(flexible, 3, |from| OffsetCommitResponseTopic::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, topics })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetCommitResponseTopic {
    /// Versions 2 to 9.
    pub name: String,
    /// From version 10.
    pub topic_id: Uuid,
    pub partitions: Vec<OffsetCommitResponsePartition>,
}

impl Message for OffsetCommitResponseTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 8;
        if version <= 9 {
            to.at("OffsetCommitResponseTopic.name");
            to.string(&self.name, flexible)?;
        }
        if version >= 10 {
            to.uuid(self.topic_id);
        }
        to.at("OffsetCommitResponseTopic.partitions");
        to.array(&self.partitions, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 8;
        let name = if version <= 9 {
            from.at("OffsetCommitResponseTopic.name");
            from.string(flexible)?
        } else {
            String::new()
        };
        let topic_id = if version >= 10 {
            from.at("OffsetCommitResponseTopic.topic_id");
            from.uuid()?
        } else {
            Uuid::ZERO
        };
        from.at("OffsetCommitResponseTopic.partitions");
        let partitions =
            from.array(flexible, 6, |from| OffsetCommitResponsePartition::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, topic_id, partitions })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetCommitResponsePartition {
    pub partition_index: i32,
    pub error_code: i16,
}

impl Message for OffsetCommitResponsePartition {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 8;
        to.i32(self.partition_index);
        to.i16(self.error_code);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 8;
        from.at("OffsetCommitResponsePartition.partition_index");
        let partition_index = from.i32()?;
        from.at("OffsetCommitResponsePartition.error_code");
        let error_code = from.i16()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { partition_index, error_code })
    }
}

impl Response for OffsetCommitResponse {
    const KEY: ApiKey = ApiKey::OffsetCommit;
}
