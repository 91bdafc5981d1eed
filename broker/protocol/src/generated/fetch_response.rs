// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Reads whole record batches, long-polling until min_bytes are there or max_wait_ms passed.
//!
//! Incremental sessions (KIP-227) from 7, zstd allowed from 10, closest replica (KIP-392) from 11, epoch
//! fencing and divergence (KIP-320, 595) from 9 and 12, topic ids (KIP-516) from 13, leader hints (KIP-951)
//! from 16. The first batch is returned even when it is larger than the limits (KIP-74).

use bytes::Bytes;

use crate::primitives::{TagWriter, decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Response, Uuid};

/// Versions 4 to 18.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FetchResponse {
    pub throttle_time_ms: i32,
    /// From version 7.
    pub error_code: i16,
    /// From version 7.
    pub session_id: i32,
    pub responses: Vec<FetchableTopicResponse>,
    /// From version 16.
    pub node_endpoints: Vec<FetchNodeEndpoint>,
}

impl Message for FetchResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 12;
        encodable("FetchResponse", version, 4, 18)?;
        to.i32(self.throttle_time_ms);
        if version >= 7 {
            to.i16(self.error_code);
        }
        if version >= 7 {
            to.i32(self.session_id);
        } else if self.session_id != 0 {
            return Err(EncodeError::not_in_version("FetchResponse.session_id", version));
        }
        to.at("FetchResponse.responses");
        to.array(&self.responses, flexible, |to, item| item.encode(to, version))?;
        let mut tags = TagWriter::new();
        if !self.node_endpoints.is_empty() {
            if version >= 16 {
                tags.field(0, |to| {
                    to.at("FetchResponse.node_endpoints");
                    to.array(&self.node_endpoints, flexible, |to, item| item.encode(to, version))?;
                    Ok(())
                })?;
            } else {
                return Err(EncodeError::not_in_version("FetchResponse.node_endpoints", version));
            }
        }
        if flexible {
            tags.finish(to);
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 12;
        decodable(from, "FetchResponse", version, 4, 18)?;
        from.at("FetchResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        let error_code = if version >= 7 {
            from.at("FetchResponse.error_code");
            from.i16()?
        } else {
            0
        };
        let session_id = if version >= 7 {
            from.at("FetchResponse.session_id");
            from.i32()?
        } else {
            0
        };
        from.at("FetchResponse.responses");
        let responses = from.array(flexible, 3, |from| FetchableTopicResponse::decode(from, version))?;
        let mut node_endpoints = Vec::new();
        if flexible {
            from.tags(|tag, from| {
                match tag {
                    0 if version >= 16 => {
                        from.at("FetchResponse.node_endpoints");
                        node_endpoints =
                            from.array(flexible, 11, |from| FetchNodeEndpoint::decode(from, version))?;
                    }
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(Self { throttle_time_ms, error_code, session_id, responses, node_endpoints })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct FetchableTopicResponse {
    /// Versions 4 to 12.
    pub topic: String,
    /// From version 13.
    pub topic_id: Uuid,
    pub partitions: Vec<FetchPartitionData>,
}

impl Message for FetchableTopicResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 12;
        if version <= 12 {
            to.at("FetchableTopicResponse.topic");
            to.string(&self.topic, flexible)?;
        }
        if version >= 13 {
            to.uuid(self.topic_id);
        }
        to.at("FetchableTopicResponse.partitions");
        to.array(&self.partitions, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 12;
        let topic = if version <= 12 {
            from.at("FetchableTopicResponse.topic");
            from.string(flexible)?
        } else {
            String::new()
        };
        let topic_id = if version >= 13 {
            from.at("FetchableTopicResponse.topic_id");
            from.uuid()?
        } else {
            Uuid::ZERO
        };
        from.at("FetchableTopicResponse.partitions");
        let partitions = from.array(flexible, 30, |from| FetchPartitionData::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { topic, topic_id, partitions })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct FetchPartitionData {
    pub partition_index: i32,
    pub error_code: i16,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    /// From version 5.
    pub log_start_offset: i64,
    /// From version 12.
    pub diverging_epoch: FetchEpochEndOffset,
    /// From version 12.
    pub current_leader: FetchLeaderIdAndEpoch,
    /// From version 12.
    pub snapshot_id: SnapshotId,
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// From version 11.
    pub preferred_read_replica: i32,
    pub records: Option<Bytes>,
}

impl Default for FetchPartitionData {
    fn default() -> Self {
        Self {
            partition_index: 0,
            error_code: 0,
            high_watermark: 0,
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging_epoch: FetchEpochEndOffset::default(),
            current_leader: FetchLeaderIdAndEpoch::default(),
            snapshot_id: SnapshotId::default(),
            aborted_transactions: None,
            preferred_read_replica: -1,
            records: None,
        }
    }
}

impl Message for FetchPartitionData {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 12;
        to.i32(self.partition_index);
        to.i16(self.error_code);
        to.i64(self.high_watermark);
        to.i64(self.last_stable_offset);
        if version >= 5 {
            to.i64(self.log_start_offset);
        }
        to.at("FetchPartitionData.aborted_transactions");
        to.nullable_array(self.aborted_transactions.as_deref(), true, flexible, |to, item| {
            item.encode(to, version)
        })?;
        if version >= 11 {
            to.i32(self.preferred_read_replica);
        } else if self.preferred_read_replica != -1 {
            return Err(EncodeError::not_in_version("FetchPartitionData.preferred_read_replica", version));
        }
        to.at("FetchPartitionData.records");
        to.nullable_bytes(self.records.as_ref(), true, flexible)?;
        let mut tags = TagWriter::new();
        if self.diverging_epoch != FetchEpochEndOffset::default() {
            if version >= 12 {
                tags.field(0, |to| {
                    self.diverging_epoch.encode(to, version)?;
                    Ok(())
                })?;
            } else {
                return Err(EncodeError::not_in_version("FetchPartitionData.diverging_epoch", version));
            }
        }
        if self.current_leader != FetchLeaderIdAndEpoch::default() {
            if version >= 12 {
                tags.field(1, |to| {
                    self.current_leader.encode(to, version)?;
                    Ok(())
                })?;
            } else {
                return Err(EncodeError::not_in_version("FetchPartitionData.current_leader", version));
            }
        }
        if self.snapshot_id != SnapshotId::default() {
            if version >= 12 {
                tags.field(2, |to| {
                    self.snapshot_id.encode(to, version)?;
                    Ok(())
                })?;
            } else {
                return Err(EncodeError::not_in_version("FetchPartitionData.snapshot_id", version));
            }
        }
        if flexible {
            tags.finish(to);
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 12;
        from.at("FetchPartitionData.partition_index");
        let partition_index = from.i32()?;
        from.at("FetchPartitionData.error_code");
        let error_code = from.i16()?;
        from.at("FetchPartitionData.high_watermark");
        let high_watermark = from.i64()?;
        from.at("FetchPartitionData.last_stable_offset");
        let last_stable_offset = from.i64()?;
        let log_start_offset = if version >= 5 {
            from.at("FetchPartitionData.log_start_offset");
            from.i64()?
        } else {
            -1
        };
        let mut diverging_epoch = FetchEpochEndOffset::default();
        let mut current_leader = FetchLeaderIdAndEpoch::default();
        let mut snapshot_id = SnapshotId::default();
        from.at("FetchPartitionData.aborted_transactions");
        let aborted_transactions =
            from.nullable_array(true, flexible, 16, |from| AbortedTransaction::decode(from, version))?;
        let preferred_read_replica = if version >= 11 {
            from.at("FetchPartitionData.preferred_read_replica");
            from.i32()?
        } else {
            -1
        };
        from.at("FetchPartitionData.records");
        let records = from.nullable_bytes(true, flexible)?;
        if flexible {
            from.tags(|tag, from| {
                match tag {
                    0 => {
                        from.at("FetchPartitionData.diverging_epoch");
                        diverging_epoch = FetchEpochEndOffset::decode(from, version)?;
                    }
                    1 => {
                        from.at("FetchPartitionData.current_leader");
                        current_leader = FetchLeaderIdAndEpoch::decode(from, version)?;
                    }
                    2 => {
                        from.at("FetchPartitionData.snapshot_id");
                        snapshot_id = SnapshotId::decode(from, version)?;
                    }
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(Self {
            partition_index,
            error_code,
            high_watermark,
            last_stable_offset,
            log_start_offset,
            diverging_epoch,
            current_leader,
            snapshot_id,
            aborted_transactions,
            preferred_read_replica,
            records,
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct FetchEpochEndOffset {
    pub epoch: i32,
    pub end_offset: i64,
}

impl Default for FetchEpochEndOffset {
    fn default() -> Self {
        Self { epoch: -1, end_offset: -1 }
    }
}

impl Message for FetchEpochEndOffset {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 12;
        to.i32(self.epoch);
        to.i64(self.end_offset);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 12;
        from.at("FetchEpochEndOffset.epoch");
        let epoch = from.i32()?;
        from.at("FetchEpochEndOffset.end_offset");
        let end_offset = from.i64()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { epoch, end_offset })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct FetchLeaderIdAndEpoch {
    pub leader_id: i32,
    pub leader_epoch: i32,
}

impl Default for FetchLeaderIdAndEpoch {
    fn default() -> Self {
        Self { leader_id: -1, leader_epoch: -1 }
    }
}

impl Message for FetchLeaderIdAndEpoch {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 12;
        to.i32(self.leader_id);
        to.i32(self.leader_epoch);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 12;
        from.at("FetchLeaderIdAndEpoch.leader_id");
        let leader_id = from.i32()?;
        from.at("FetchLeaderIdAndEpoch.leader_epoch");
        let leader_epoch = from.i32()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { leader_id, leader_epoch })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotId {
    pub end_offset: i64,
    pub epoch: i32,
}

impl Default for SnapshotId {
    fn default() -> Self {
        Self { end_offset: -1, epoch: -1 }
    }
}

impl Message for SnapshotId {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 12;
        to.i64(self.end_offset);
        to.i32(self.epoch);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 12;
        from.at("SnapshotId.end_offset");
        let end_offset = from.i64()?;
        from.at("SnapshotId.epoch");
        let epoch = from.i32()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { end_offset, epoch })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct AbortedTransaction {
    pub producer_id: i64,
    pub first_offset: i64,
}

impl Message for AbortedTransaction {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 12;
        to.i64(self.producer_id);
        to.i64(self.first_offset);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 12;
        from.at("AbortedTransaction.producer_id");
        let producer_id = from.i64()?;
        from.at("AbortedTransaction.first_offset");
        let first_offset = from.i64()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { producer_id, first_offset })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct FetchNodeEndpoint {
    pub node_id: i32,
    pub host: String,
    pub port: i32,
    pub rack: Option<String>,
}

impl Message for FetchNodeEndpoint {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 12;
        to.i32(self.node_id);
        to.at("FetchNodeEndpoint.host");
        to.string(&self.host, flexible)?;
        to.i32(self.port);
        to.at("FetchNodeEndpoint.rack");
        to.nullable_string(self.rack.as_deref(), true, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 12;
        from.at("FetchNodeEndpoint.node_id");
        let node_id = from.i32()?;
        from.at("FetchNodeEndpoint.host");
        let host = from.string(flexible)?;
        from.at("FetchNodeEndpoint.port");
        let port = from.i32()?;
        from.at("FetchNodeEndpoint.rack");
        let rack = from.nullable_string(true, flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { node_id, host, port, rack })
    }
}

impl Response for FetchResponse {
    const KEY: ApiKey = ApiKey::Fetch;
}
