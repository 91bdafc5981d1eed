// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Stores a group's positions as part of a transaction. Fenced by member and generation from 3 (KIP-447);
//! from 5 adds itself to the transaction (KIP-890).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response, Uuid};

/// Versions 0 to 6.
#[derive(Debug, Clone, PartialEq)]
pub struct TxnOffsetCommitRequest {
    pub transactional_id: String,
    pub group_id: String,
    pub producer_id: i64,
    pub producer_epoch: i16,
    /// From version 3.
    pub generation_id_or_member_epoch: i32,
    /// From version 3.
    pub member_id: String,
    /// From version 3.
    pub group_instance_id: Option<String>,
    pub topics: Vec<TxnOffsetCommitRequestTopic>,
}

impl Default for TxnOffsetCommitRequest {
    fn default() -> Self {
        Self {
            transactional_id: String::new(),
            group_id: String::new(),
            producer_id: 0,
            producer_epoch: 0,
            generation_id_or_member_epoch: -1,
            member_id: String::new(),
            group_instance_id: None,
            topics: Vec::new(),
        }
    }
}

impl Message for TxnOffsetCommitRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        encodable("TxnOffsetCommitRequest", version, 0, 6)?;
        to.at("TxnOffsetCommitRequest.transactional_id");
        to.string(&self.transactional_id, flexible)?;
        to.at("TxnOffsetCommitRequest.group_id");
        to.string(&self.group_id, flexible)?;
        to.i64(self.producer_id);
        to.i16(self.producer_epoch);
        if version >= 3 {
            to.i32(self.generation_id_or_member_epoch);
        } else if self.generation_id_or_member_epoch != -1 {
            return Err(EncodeError::not_in_version(
                "TxnOffsetCommitRequest.generation_id_or_member_epoch",
                version,
            ));
        }
        if version >= 3 {
            to.at("TxnOffsetCommitRequest.member_id");
            to.string(&self.member_id, flexible)?;
        } else if !self.member_id.is_empty() {
            return Err(EncodeError::not_in_version("TxnOffsetCommitRequest.member_id", version));
        }
        if version >= 3 {
            to.at("TxnOffsetCommitRequest.group_instance_id");
            to.nullable_string(self.group_instance_id.as_deref(), true, flexible)?;
        } else if self.group_instance_id.is_some() {
            return Err(EncodeError::not_in_version("TxnOffsetCommitRequest.group_instance_id", version));
        }
        to.at("TxnOffsetCommitRequest.topics");
        to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        decodable(from, "TxnOffsetCommitRequest", version, 0, 6)?;
        from.at("TxnOffsetCommitRequest.transactional_id");
        let transactional_id = from.string(flexible)?;
        from.at("TxnOffsetCommitRequest.group_id");
        let group_id = from.string(flexible)?;
        from.at("TxnOffsetCommitRequest.producer_id");
        let producer_id = from.i64()?;
        from.at("TxnOffsetCommitRequest.producer_epoch");
        let producer_epoch = from.i16()?;
        let generation_id_or_member_epoch = if version >= 3 {
            from.at("TxnOffsetCommitRequest.generation_id_or_member_epoch");
            from.i32()?
        } else {
            -1
        };
        let member_id = if version >= 3 {
            from.at("TxnOffsetCommitRequest.member_id");
            from.string(flexible)?
        } else {
            String::new()
        };
        let group_instance_id = if version >= 3 {
            from.at("TxnOffsetCommitRequest.group_instance_id");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        from.at("TxnOffsetCommitRequest.topics");
        let topics = from.array(flexible, 3, |from| TxnOffsetCommitRequestTopic::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self {
            transactional_id,
            group_id,
            producer_id,
            producer_epoch,
            generation_id_or_member_epoch,
            member_id,
            group_instance_id,
            topics,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct TxnOffsetCommitRequestTopic {
    /// Versions 0 to 5.
    pub name: String,
    /// From version 6.
    pub topic_id: Uuid,
    pub partitions: Vec<TxnOffsetCommitRequestPartition>,
}

impl Message for TxnOffsetCommitRequestTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        if version <= 5 {
            to.at("TxnOffsetCommitRequestTopic.name");
            to.string(&self.name, flexible)?;
        }
        if version >= 6 {
            to.uuid(self.topic_id);
        }
        to.at("TxnOffsetCommitRequestTopic.partitions");
        to.array(&self.partitions, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        let name = if version <= 5 {
            from.at("TxnOffsetCommitRequestTopic.name");
            from.string(flexible)?
        } else {
            String::new()
        };
        let topic_id = if version >= 6 {
            from.at("TxnOffsetCommitRequestTopic.topic_id");
            from.uuid()?
        } else {
            Uuid::ZERO
        };
        from.at("TxnOffsetCommitRequestTopic.partitions");
        let partitions =
            from.array(flexible, 14, |from| TxnOffsetCommitRequestPartition::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, topic_id, partitions })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct TxnOffsetCommitRequestPartition {
    pub partition_index: i32,
    pub committed_offset: i64,
    /// From version 2.
    pub committed_leader_epoch: i32,
    pub committed_metadata: Option<String>,
}

impl Default for TxnOffsetCommitRequestPartition {
    fn default() -> Self {
        Self { partition_index: 0, committed_offset: 0, committed_leader_epoch: -1, committed_metadata: None }
    }
}

impl Message for TxnOffsetCommitRequestPartition {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        to.i32(self.partition_index);
        to.i64(self.committed_offset);
        if version >= 2 {
            to.i32(self.committed_leader_epoch);
        }
        to.at("TxnOffsetCommitRequestPartition.committed_metadata");
        to.nullable_string(self.committed_metadata.as_deref(), true, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        from.at("TxnOffsetCommitRequestPartition.partition_index");
        let partition_index = from.i32()?;
        from.at("TxnOffsetCommitRequestPartition.committed_offset");
        let committed_offset = from.i64()?;
        let committed_leader_epoch = if version >= 2 {
            from.at("TxnOffsetCommitRequestPartition.committed_leader_epoch");
            from.i32()?
        } else {
            -1
        };
        from.at("TxnOffsetCommitRequestPartition.committed_metadata");
        let committed_metadata = from.nullable_string(true, flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { partition_index, committed_offset, committed_leader_epoch, committed_metadata })
    }
}

impl Request for TxnOffsetCommitRequest {
    const KEY: ApiKey = ApiKey::TxnOffsetCommit;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 6;
    type Response = crate::messages::TxnOffsetCommitResponse;
}

/// Versions 0 to 6.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TxnOffsetCommitResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<TxnOffsetCommitResponseTopic>,
}

impl Message for TxnOffsetCommitResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        encodable("TxnOffsetCommitResponse", version, 0, 6)?;
        to.i32(self.throttle_time_ms);
        to.at("TxnOffsetCommitResponse.topics");
        to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        decodable(from, "TxnOffsetCommitResponse", version, 0, 6)?;
        from.at("TxnOffsetCommitResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("TxnOffsetCommitResponse.topics");
        let topics = from.array(flexible, 3, |from| TxnOffsetCommitResponseTopic::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, topics })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct TxnOffsetCommitResponseTopic {
    /// Versions 0 to 5.
    pub name: String,
    /// From version 6.
    pub topic_id: Uuid,
    pub partitions: Vec<TxnOffsetCommitResponsePartition>,
}

impl Message for TxnOffsetCommitResponseTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        if version <= 5 {
            to.at("TxnOffsetCommitResponseTopic.name");
            to.string(&self.name, flexible)?;
        }
        if version >= 6 {
            to.uuid(self.topic_id);
        }
        to.at("TxnOffsetCommitResponseTopic.partitions");
        to.array(&self.partitions, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        let name = if version <= 5 {
            from.at("TxnOffsetCommitResponseTopic.name");
            from.string(flexible)?
        } else {
            String::new()
        };
        let topic_id = if version >= 6 {
            from.at("TxnOffsetCommitResponseTopic.topic_id");
            from.uuid()?
        } else {
            Uuid::ZERO
        };
        from.at("TxnOffsetCommitResponseTopic.partitions");
        let partitions =
            from.array(flexible, 6, |from| TxnOffsetCommitResponsePartition::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, topic_id, partitions })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct TxnOffsetCommitResponsePartition {
    pub partition_index: i32,
    pub error_code: i16,
}

impl Message for TxnOffsetCommitResponsePartition {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        to.i32(self.partition_index);
        to.i16(self.error_code);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        from.at("TxnOffsetCommitResponsePartition.partition_index");
        let partition_index = from.i32()?;
        from.at("TxnOffsetCommitResponsePartition.error_code");
        let error_code = from.i16()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { partition_index, error_code })
    }
}

impl Response for TxnOffsetCommitResponse {
    const KEY: ApiKey = ApiKey::TxnOffsetCommit;
}
