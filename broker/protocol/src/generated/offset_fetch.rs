// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Reads a group's positions. Stable offsets only from 7 (KIP-447), many groups at once from 8 (KIP-709),
//! member epochs from 9 (KIP-848), topic ids from 10.

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response, Uuid};

/// Versions 1 to 10.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetFetchRequest {
    /// Versions 1 to 7.
    pub group_id: String,
    /// Versions 1 to 7.
    pub topics: Option<Vec<OffsetFetchRequestTopic>>,
    /// From version 8.
    pub groups: Vec<OffsetFetchRequestGroup>,
    /// From version 7.
    pub require_stable: bool,
}

impl Message for OffsetFetchRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        encodable("OffsetFetchRequest", version, 1, 10)?;
        if version <= 7 {
            to.at("OffsetFetchRequest.group_id");
            to.string(&self.group_id, flexible)?;
        } else if !self.group_id.is_empty() {
            return Err(EncodeError::not_in_version("OffsetFetchRequest.group_id", version));
        }
        if version <= 7 {
            to.at("OffsetFetchRequest.topics");
            to.nullable_array(self.topics.as_deref(), version >= 2, flexible, |to, item| {
                item.encode(to, version)
            })?;
        } else if self.topics.as_ref().is_some_and(|items| !items.is_empty()) {
            return Err(EncodeError::not_in_version("OffsetFetchRequest.topics", version));
        }
        if version >= 8 {
            to.at("OffsetFetchRequest.groups");
            to.array(&self.groups, flexible, |to, item| item.encode(to, version))?;
        } else if !self.groups.is_empty() {
            return Err(EncodeError::not_in_version("OffsetFetchRequest.groups", version));
        }
        if version >= 7 {
            to.bool(self.require_stable);
        } else if self.require_stable {
            return Err(EncodeError::not_in_version("OffsetFetchRequest.require_stable", version));
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        decodable(from, "OffsetFetchRequest", version, 1, 10)?;
        let group_id = if version <= 7 {
            from.at("OffsetFetchRequest.group_id");
            from.string(flexible)?
        } else {
            String::new()
        };
        let topics = if version <= 7 {
            from.at("OffsetFetchRequest.topics");
            from.nullable_array(version >= 2, flexible, 3, |from| {
                OffsetFetchRequestTopic::decode(from, version)
            })?
        } else {
            None
        };
        let groups = if version >= 8 {
            from.at("OffsetFetchRequest.groups");
            from.array(flexible, 3, |from| OffsetFetchRequestGroup::decode(from, version))?
        } else {
            Vec::new()
        };
        let require_stable = if version >= 7 {
            from.at("OffsetFetchRequest.require_stable");
            from.bool()?
        } else {
            false
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { group_id, topics, groups, require_stable })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetFetchRequestTopic {
    pub name: String,
    pub partition_indexes: Vec<i32>,
}

impl Message for OffsetFetchRequestTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        to.at("OffsetFetchRequestTopic.name");
        to.string(&self.name, flexible)?;
        to.at("OffsetFetchRequestTopic.partition_indexes");
        to.array(&self.partition_indexes, flexible, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        from.at("OffsetFetchRequestTopic.name");
        let name = from.string(flexible)?;
        from.at("OffsetFetchRequestTopic.partition_indexes");
        let partition_indexes = from.array(flexible, 4, Decoder::i32)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, partition_indexes })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct OffsetFetchRequestGroup {
    pub group_id: String,
    /// From version 9.
    pub member_id: Option<String>,
    /// From version 9.
    pub member_epoch: i32,
    pub topics: Option<Vec<OffsetFetchRequestTopics>>,
}

impl Default for OffsetFetchRequestGroup {
    fn default() -> Self {
        Self { group_id: String::new(), member_id: None, member_epoch: -1, topics: None }
    }
}

impl Message for OffsetFetchRequestGroup {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        to.at("OffsetFetchRequestGroup.group_id");
        to.string(&self.group_id, flexible)?;
        if version >= 9 {
            to.at("OffsetFetchRequestGroup.member_id");
            to.nullable_string(self.member_id.as_deref(), true, flexible)?;
        }
        if version >= 9 {
            to.i32(self.member_epoch);
        }
        to.at("OffsetFetchRequestGroup.topics");
        to.nullable_array(self.topics.as_deref(), true, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        from.at("OffsetFetchRequestGroup.group_id");
        let group_id = from.string(flexible)?;
        let member_id = if version >= 9 {
            from.at("OffsetFetchRequestGroup.member_id");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        let member_epoch = if version >= 9 {
            from.at("OffsetFetchRequestGroup.member_epoch");
            from.i32()?
        } else {
            -1
        };
        from.at("OffsetFetchRequestGroup.topics");
        let topics =
            from.nullable_array(true, flexible, 2, |from| OffsetFetchRequestTopics::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { group_id, member_id, member_epoch, topics })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetFetchRequestTopics {
    /// Versions 8 to 9.
    pub name: String,
    /// From version 10.
    pub topic_id: Uuid,
    pub partition_indexes: Vec<i32>,
}

impl Message for OffsetFetchRequestTopics {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        if (8..=9).contains(&version) {
            to.at("OffsetFetchRequestTopics.name");
            to.string(&self.name, flexible)?;
        }
        if version >= 10 {
            to.uuid(self.topic_id);
        }
        to.at("OffsetFetchRequestTopics.partition_indexes");
        to.array(&self.partition_indexes, flexible, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        let name = if (8..=9).contains(&version) {
            from.at("OffsetFetchRequestTopics.name");
            from.string(flexible)?
        } else {
            String::new()
        };
        let topic_id = if version >= 10 {
            from.at("OffsetFetchRequestTopics.topic_id");
            from.uuid()?
        } else {
            Uuid::ZERO
        };
        from.at("OffsetFetchRequestTopics.partition_indexes");
        let partition_indexes = from.array(flexible, 4, Decoder::i32)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, topic_id, partition_indexes })
    }
}

impl Request for OffsetFetchRequest {
    const KEY: ApiKey = ApiKey::OffsetFetch;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 10;
    type Response = crate::messages::OffsetFetchResponse;
}

/// Versions 1 to 10.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetFetchResponse {
    /// From version 3.
    pub throttle_time_ms: i32,
    /// Versions 1 to 7.
    pub topics: Vec<OffsetFetchResponseTopic>,
    /// Versions 2 to 7.
    pub error_code: i16,
    /// From version 8.
    pub groups: Vec<OffsetFetchResponseGroup>,
}

impl Message for OffsetFetchResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        encodable("OffsetFetchResponse", version, 1, 10)?;
        if version >= 3 {
            to.i32(self.throttle_time_ms);
        }
        if version <= 7 {
            to.at("OffsetFetchResponse.topics");
            to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        } else if !self.topics.is_empty() {
            return Err(EncodeError::not_in_version("OffsetFetchResponse.topics", version));
        }
        if (2..=7).contains(&version) {
            to.i16(self.error_code);
        }
        if version >= 8 {
            to.at("OffsetFetchResponse.groups");
            to.array(&self.groups, flexible, |to, item| item.encode(to, version))?;
        } else if !self.groups.is_empty() {
            return Err(EncodeError::not_in_version("OffsetFetchResponse.groups", version));
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        decodable(from, "OffsetFetchResponse", version, 1, 10)?;
        let throttle_time_ms = if version >= 3 {
            from.at("OffsetFetchResponse.throttle_time_ms");
            from.i32()?
        } else {
            0
        };
        let topics = if version <= 7 {
            from.at("OffsetFetchResponse.topics");
            from.array(flexible, 3, |from| OffsetFetchResponseTopic::decode(from, version))?
        } else {
            Vec::new()
        };
        let error_code = if (2..=7).contains(&version) {
            from.at("OffsetFetchResponse.error_code");
            from.i16()?
        } else {
            0
        };
        let groups = if version >= 8 {
            from.at("OffsetFetchResponse.groups");
            from.array(flexible, 5, |from| OffsetFetchResponseGroup::decode(from, version))?
        } else {
            Vec::new()
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, topics, error_code, groups })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetFetchResponseTopic {
    pub name: String,
    pub partitions: Vec<OffsetFetchResponsePartition>,
}

impl Message for OffsetFetchResponseTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        to.at("OffsetFetchResponseTopic.name");
        to.string(&self.name, flexible)?;
        to.at("OffsetFetchResponseTopic.partitions");
        to.array(&self.partitions, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        from.at("OffsetFetchResponseTopic.name");
        let name = from.string(flexible)?;
        from.at("OffsetFetchResponseTopic.partitions");
        let partitions =
            from.array(flexible, 16, |from| OffsetFetchResponsePartition::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, partitions })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct OffsetFetchResponsePartition {
    pub partition_index: i32,
    pub committed_offset: i64,
    /// From version 5.
    pub committed_leader_epoch: i32,
    pub metadata: Option<String>,
    pub error_code: i16,
}

impl Default for OffsetFetchResponsePartition {
    fn default() -> Self {
        Self {
            partition_index: 0,
            committed_offset: 0,
            committed_leader_epoch: -1,
            metadata: None,
            error_code: 0,
        }
    }
}

impl Message for OffsetFetchResponsePartition {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        to.i32(self.partition_index);
        to.i64(self.committed_offset);
        if version >= 5 {
            to.i32(self.committed_leader_epoch);
        }
        to.at("OffsetFetchResponsePartition.metadata");
        to.nullable_string(self.metadata.as_deref(), true, flexible)?;
        to.i16(self.error_code);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        from.at("OffsetFetchResponsePartition.partition_index");
        let partition_index = from.i32()?;
        from.at("OffsetFetchResponsePartition.committed_offset");
        let committed_offset = from.i64()?;
        let committed_leader_epoch = if version >= 5 {
            from.at("OffsetFetchResponsePartition.committed_leader_epoch");
            from.i32()?
        } else {
            -1
        };
        from.at("OffsetFetchResponsePartition.metadata");
        let metadata = from.nullable_string(true, flexible)?;
        from.at("OffsetFetchResponsePartition.error_code");
        let error_code = from.i16()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { partition_index, committed_offset, committed_leader_epoch, metadata, error_code })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetFetchResponseGroup {
    pub group_id: String,
    pub topics: Vec<OffsetFetchResponseTopics>,
    pub error_code: i16,
}

impl Message for OffsetFetchResponseGroup {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        to.at("OffsetFetchResponseGroup.group_id");
        to.string(&self.group_id, flexible)?;
        to.at("OffsetFetchResponseGroup.topics");
        to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        to.i16(self.error_code);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        from.at("OffsetFetchResponseGroup.group_id");
        let group_id = from.string(flexible)?;
        from.at("OffsetFetchResponseGroup.topics");
        let topics = from.array(flexible, 2, |from| OffsetFetchResponseTopics::decode(from, version))?;
        from.at("OffsetFetchResponseGroup.error_code");
        let error_code = from.i16()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { group_id, topics, error_code })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetFetchResponseTopics {
    /// Versions 8 to 9.
    pub name: String,
    /// From version 10.
    pub topic_id: Uuid,
    pub partitions: Vec<OffsetFetchResponsePartitions>,
}

impl Message for OffsetFetchResponseTopics {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        if (8..=9).contains(&version) {
            to.at("OffsetFetchResponseTopics.name");
            to.string(&self.name, flexible)?;
        }
        if version >= 10 {
            to.uuid(self.topic_id);
        }
        to.at("OffsetFetchResponseTopics.partitions");
        to.array(&self.partitions, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        let name = if (8..=9).contains(&version) {
            from.at("OffsetFetchResponseTopics.name");
            from.string(flexible)?
        } else {
            String::new()
        };
        let topic_id = if version >= 10 {
            from.at("OffsetFetchResponseTopics.topic_id");
            from.uuid()?
        } else {
            Uuid::ZERO
        };
        from.at("OffsetFetchResponseTopics.partitions");
        let partitions =
            from.array(flexible, 20, |from| OffsetFetchResponsePartitions::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, topic_id, partitions })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct OffsetFetchResponsePartitions {
    pub partition_index: i32,
    pub committed_offset: i64,
    pub committed_leader_epoch: i32,
    pub metadata: Option<String>,
    pub error_code: i16,
}

impl Default for OffsetFetchResponsePartitions {
    fn default() -> Self {
        Self {
            partition_index: 0,
            committed_offset: 0,
            committed_leader_epoch: -1,
            metadata: None,
            error_code: 0,
        }
    }
}

impl Message for OffsetFetchResponsePartitions {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        to.i32(self.partition_index);
        to.i64(self.committed_offset);
        to.i32(self.committed_leader_epoch);
        to.at("OffsetFetchResponsePartitions.metadata");
        to.nullable_string(self.metadata.as_deref(), true, flexible)?;
        to.i16(self.error_code);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        from.at("OffsetFetchResponsePartitions.partition_index");
        let partition_index = from.i32()?;
        from.at("OffsetFetchResponsePartitions.committed_offset");
        let committed_offset = from.i64()?;
        from.at("OffsetFetchResponsePartitions.committed_leader_epoch");
        let committed_leader_epoch = from.i32()?;
        from.at("OffsetFetchResponsePartitions.metadata");
        let metadata = from.nullable_string(true, flexible)?;
        from.at("OffsetFetchResponsePartitions.error_code");
        let error_code = from.i16()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { partition_index, committed_offset, committed_leader_epoch, metadata, error_code })
    }
}

impl Response for OffsetFetchResponse {
    const KEY: ApiKey = ApiKey::OffsetFetch;
}
