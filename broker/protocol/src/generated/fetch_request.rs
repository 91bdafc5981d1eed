// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Reads whole record batches, long-polling until min_bytes are there or max_wait_ms passed.
//!
//! Incremental sessions (KIP-227) from 7, zstd allowed from 10, closest replica (KIP-392) from 11, epoch
//! fencing and divergence (KIP-320, 595) from 9 and 12, topic ids (KIP-516) from 13, leader hints (KIP-951)
//! from 16. The first batch is returned even when it is larger than the limits (KIP-74).

use crate::primitives::{TagWriter, decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Uuid};

/// Versions 4 to 18.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchRequest {
    /// From version 12.
    pub cluster_id: Option<String>,
    /// Versions 4 to 14.
    pub replica_id: i32,
    /// From version 15.
    pub replica_state: FetchReplicaState,
    pub max_wait_ms: i32,
    pub min_bytes: i32,
    pub max_bytes: i32,
    pub isolation_level: i8,
    /// From version 7.
    pub session_id: i32,
    /// From version 7.
    pub session_epoch: i32,
    pub topics: Vec<FetchTopic>,
    /// From version 7.
    pub forgotten_topics_data: Vec<ForgottenTopic>,
    /// From version 11.
    pub rack_id: String,
}

impl Default for FetchRequest {
    fn default() -> Self {
        Self {
            cluster_id: None,
            replica_id: -1,
            replica_state: FetchReplicaState::default(),
            max_wait_ms: 0,
            min_bytes: 0,
            max_bytes: i32::MAX,
            isolation_level: 0,
            session_id: 0,
            session_epoch: -1,
            topics: Vec::new(),
            forgotten_topics_data: Vec::new(),
            rack_id: String::new(),
        }
    }
}

impl Message for FetchRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 12;
        encodable("FetchRequest", version, 4, 18)?;
        if version <= 14 {
            to.i32(self.replica_id);
        } else if self.replica_id != -1 {
            return Err(EncodeError::not_in_version("FetchRequest.replica_id", version));
        }
        to.i32(self.max_wait_ms);
        to.i32(self.min_bytes);
        to.i32(self.max_bytes);
        to.i8(self.isolation_level);
        if version >= 7 {
            to.i32(self.session_id);
        }
        if version >= 7 {
            to.i32(self.session_epoch);
        }
        to.at("FetchRequest.topics");
        to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        if version >= 7 {
            to.at("FetchRequest.forgotten_topics_data");
            to.array(&self.forgotten_topics_data, flexible, |to, item| item.encode(to, version))?;
        } else if !self.forgotten_topics_data.is_empty() {
            return Err(EncodeError::not_in_version("FetchRequest.forgotten_topics_data", version));
        }
        if version >= 11 {
            to.at("FetchRequest.rack_id");
            to.string(&self.rack_id, flexible)?;
        }
        let mut tags = TagWriter::new();
        if version >= 12 && self.cluster_id.is_some() {
            tags.field(0, |to| {
                to.at("FetchRequest.cluster_id");
                to.nullable_string(self.cluster_id.as_deref(), true, flexible)?;
                Ok(())
            })?;
        }
        if self.replica_state != FetchReplicaState::default() {
            if version >= 15 {
                tags.field(1, |to| {
                    self.replica_state.encode(to, version)?;
                    Ok(())
                })?;
            } else {
                return Err(EncodeError::not_in_version("FetchRequest.replica_state", version));
            }
        }
        if flexible {
            tags.finish(to);
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 12;
        decodable(from, "FetchRequest", version, 4, 18)?;
        let mut cluster_id = None;
        let replica_id = if version <= 14 {
            from.at("FetchRequest.replica_id");
            from.i32()?
        } else {
            -1
        };
        let mut replica_state = FetchReplicaState::default();
        from.at("FetchRequest.max_wait_ms");
        let max_wait_ms = from.i32()?;
        from.at("FetchRequest.min_bytes");
        let min_bytes = from.i32()?;
        from.at("FetchRequest.max_bytes");
        let max_bytes = from.i32()?;
        from.at("FetchRequest.isolation_level");
        let isolation_level = from.i8()?;
        let session_id = if version >= 7 {
            from.at("FetchRequest.session_id");
            from.i32()?
        } else {
            0
        };
        let session_epoch = if version >= 7 {
            from.at("FetchRequest.session_epoch");
            from.i32()?
        } else {
            -1
        };
        from.at("FetchRequest.topics");
        let topics = from.array(flexible, 3, |from| FetchTopic::decode(from, version))?;
        let forgotten_topics_data = if version >= 7 {
            from.at("FetchRequest.forgotten_topics_data");
            from.array(flexible, 3, |from| ForgottenTopic::decode(from, version))?
        } else {
            Vec::new()
        };
        let rack_id = if version >= 11 {
            from.at("FetchRequest.rack_id");
            from.string(flexible)?
        } else {
            String::new()
        };
        if flexible {
            from.tags(|tag, from| {
                match tag {
                    0 => {
                        from.at("FetchRequest.cluster_id");
                        cluster_id = from.nullable_string(true, flexible)?;
                    }
                    1 if version >= 15 => {
                        from.at("FetchRequest.replica_state");
                        replica_state = FetchReplicaState::decode(from, version)?;
                    }
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(Self {
            cluster_id,
            replica_id,
            replica_state,
            max_wait_ms,
            min_bytes,
            max_bytes,
            isolation_level,
            session_id,
            session_epoch,
            topics,
            forgotten_topics_data,
            rack_id,
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct FetchReplicaState {
    pub replica_id: i32,
    pub replica_epoch: i64,
}

impl Default for FetchReplicaState {
    fn default() -> Self {
        Self { replica_id: -1, replica_epoch: -1 }
    }
}

impl Message for FetchReplicaState {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 12;
        to.i32(self.replica_id);
        to.i64(self.replica_epoch);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 12;
        from.at("FetchReplicaState.replica_id");
        let replica_id = from.i32()?;
        from.at("FetchReplicaState.replica_epoch");
        let replica_epoch = from.i64()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { replica_id, replica_epoch })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct FetchTopic {
    /// Versions 4 to 12.
    pub topic: String,
    /// From version 13.
    pub topic_id: Uuid,
    pub partitions: Vec<FetchPartition>,
}

impl Message for FetchTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 12;
        if version <= 12 {
            to.at("FetchTopic.topic");
            to.string(&self.topic, flexible)?;
        }
        if version >= 13 {
            to.uuid(self.topic_id);
        }
        to.at("FetchTopic.partitions");
        to.array(&self.partitions, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 12;
        let topic = if version <= 12 {
            from.at("FetchTopic.topic");
            from.string(flexible)?
        } else {
            String::new()
        };
        let topic_id = if version >= 13 {
            from.at("FetchTopic.topic_id");
            from.uuid()?
        } else {
            Uuid::ZERO
        };
        from.at("FetchTopic.partitions");
        let partitions = from.array(flexible, 16, |from| FetchPartition::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { topic, topic_id, partitions })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct FetchPartition {
    pub partition: i32,
    /// From version 9.
    pub current_leader_epoch: i32,
    pub fetch_offset: i64,
    /// From version 12.
    pub last_fetched_epoch: i32,
    /// From version 5.
    pub log_start_offset: i64,
    pub partition_max_bytes: i32,
    /// From version 17.
    pub replica_directory_id: Uuid,
    /// From version 18.
    pub high_watermark: i64,
}

impl Default for FetchPartition {
    fn default() -> Self {
        Self {
            partition: 0,
            current_leader_epoch: -1,
            fetch_offset: 0,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: 0,
            replica_directory_id: Uuid::ZERO,
            high_watermark: i64::MAX,
        }
    }
}

impl Message for FetchPartition {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 12;
        to.i32(self.partition);
        if version >= 9 {
            to.i32(self.current_leader_epoch);
        }
        to.i64(self.fetch_offset);
        if version >= 12 {
            to.i32(self.last_fetched_epoch);
        } else if self.last_fetched_epoch != -1 {
            return Err(EncodeError::not_in_version("FetchPartition.last_fetched_epoch", version));
        }
        if version >= 5 {
            to.i64(self.log_start_offset);
        }
        to.i32(self.partition_max_bytes);
        let mut tags = TagWriter::new();
        if version >= 17 && !self.replica_directory_id.is_zero() {
            tags.field(0, |to| {
                to.uuid(self.replica_directory_id);
                Ok(())
            })?;
        }
        if version >= 18 && self.high_watermark != i64::MAX {
            tags.field(1, |to| {
                to.i64(self.high_watermark);
                Ok(())
            })?;
        }
        if flexible {
            tags.finish(to);
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 12;
        from.at("FetchPartition.partition");
        let partition = from.i32()?;
        let current_leader_epoch = if version >= 9 {
            from.at("FetchPartition.current_leader_epoch");
            from.i32()?
        } else {
            -1
        };
        from.at("FetchPartition.fetch_offset");
        let fetch_offset = from.i64()?;
        let last_fetched_epoch = if version >= 12 {
            from.at("FetchPartition.last_fetched_epoch");
            from.i32()?
        } else {
            -1
        };
        let log_start_offset = if version >= 5 {
            from.at("FetchPartition.log_start_offset");
            from.i64()?
        } else {
            -1
        };
        from.at("FetchPartition.partition_max_bytes");
        let partition_max_bytes = from.i32()?;
        let mut replica_directory_id = Uuid::ZERO;
        let mut high_watermark = i64::MAX;
        if flexible {
            from.tags(|tag, from| {
                match tag {
                    0 if version >= 17 => {
                        from.at("FetchPartition.replica_directory_id");
                        replica_directory_id = from.uuid()?;
                    }
                    1 if version >= 18 => {
                        from.at("FetchPartition.high_watermark");
                        high_watermark = from.i64()?;
                    }
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(Self {
            partition,
            current_leader_epoch,
            fetch_offset,
            last_fetched_epoch,
            log_start_offset,
            partition_max_bytes,
            replica_directory_id,
            high_watermark,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ForgottenTopic {
    /// Versions 7 to 12.
    pub topic: String,
    /// From version 13.
    pub topic_id: Uuid,
    pub partitions: Vec<i32>,
}

impl Message for ForgottenTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 12;
        if (7..=12).contains(&version) {
            to.at("ForgottenTopic.topic");
            to.string(&self.topic, flexible)?;
        }
        if version >= 13 {
            to.uuid(self.topic_id);
        }
        to.at("ForgottenTopic.partitions");
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
        let flexible = version >= 12;
        let topic = if (7..=12).contains(&version) {
            from.at("ForgottenTopic.topic");
            from.string(flexible)?
        } else {
            String::new()
        };
        let topic_id = if version >= 13 {
            from.at("ForgottenTopic.topic_id");
            from.uuid()?
        } else {
            Uuid::ZERO
        };
        from.at("ForgottenTopic.partitions");
        let partitions = from.array(flexible, 4, Decoder::i32)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { topic, topic_id, partitions })
    }
}

impl Request for FetchRequest {
    const KEY: ApiKey = ApiKey::Fetch;
    const MIN_VERSION: i16 = 4;
    const MAX_VERSION: i16 = 18;
    type Response = crate::messages::FetchResponse;
}
