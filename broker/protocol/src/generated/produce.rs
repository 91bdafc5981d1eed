// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Appends record batches to partitions.
//!
//! Versions 0-2 carried the record formats before v2 and are gone. A broker still advertises 0, because
//! librdkafka derives its features from the range. Version 12 adds partitions to the transaction by itself
//! (KIP-890), 13 names topics by id (KIP-516). With acks=0 there is no response.
//! KIPs: 98 (transactions), 467 (record errors), 951 (leader hints), 890, 516.

use bytes::Bytes;

use crate::primitives::{TagWriter, decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response, Uuid};

/// Versions 3 to 13.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProduceRequest {
    pub transactional_id: Option<String>,
    pub acks: i16,
    pub timeout_ms: i32,
    pub topic_data: Vec<TopicProduceData>,
}

impl Message for ProduceRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        encodable("ProduceRequest", version, 3, 13)?;
        to.at("ProduceRequest.transactional_id");
        to.nullable_string(self.transactional_id.as_deref(), true, flexible)?;
        to.i16(self.acks);
        to.i32(self.timeout_ms);
        to.at("ProduceRequest.topic_data");
        to.array(&self.topic_data, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        decodable(from, "ProduceRequest", version, 3, 13)?;
        from.at("ProduceRequest.transactional_id");
        let transactional_id = from.nullable_string(true, flexible)?;
        from.at("ProduceRequest.acks");
        let acks = from.i16()?;
        from.at("ProduceRequest.timeout_ms");
        let timeout_ms = from.i32()?;
        from.at("ProduceRequest.topic_data");
        let topic_data = from.array(flexible, 3, |from| TopicProduceData::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { transactional_id, acks, timeout_ms, topic_data })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct TopicProduceData {
    /// Versions 3 to 12.
    pub name: String,
    /// From version 13.
    pub topic_id: Uuid,
    pub partition_data: Vec<PartitionProduceData>,
}

impl Message for TopicProduceData {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        if version <= 12 {
            to.at("TopicProduceData.name");
            to.string(&self.name, flexible)?;
        }
        if version >= 13 {
            to.uuid(self.topic_id);
        }
        to.at("TopicProduceData.partition_data");
        to.array(&self.partition_data, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        let name = if version <= 12 {
            from.at("TopicProduceData.name");
            from.string(flexible)?
        } else {
            String::new()
        };
        let topic_id = if version >= 13 {
            from.at("TopicProduceData.topic_id");
            from.uuid()?
        } else {
            Uuid::ZERO
        };
        from.at("TopicProduceData.partition_data");
        let partition_data = from.array(flexible, 6, |from| PartitionProduceData::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, topic_id, partition_data })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct PartitionProduceData {
    pub index: i32,
    pub records: Option<Bytes>,
}

impl Message for PartitionProduceData {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        to.i32(self.index);
        to.at("PartitionProduceData.records");
        to.nullable_bytes(self.records.as_ref(), true, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        from.at("PartitionProduceData.index");
        let index = from.i32()?;
        from.at("PartitionProduceData.records");
        let records = from.nullable_bytes(true, flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { index, records })
    }
}

impl Request for ProduceRequest {
    const KEY: ApiKey = ApiKey::Produce;
    const MIN_VERSION: i16 = 3;
    const MAX_VERSION: i16 = 13;
    type Response = crate::messages::ProduceResponse;
}

/// Versions 3 to 13.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProduceResponse {
    pub responses: Vec<TopicProduceResponse>,
    pub throttle_time_ms: i32,
    /// From version 10.
    pub node_endpoints: Vec<ProduceNodeEndpoint>,
}

impl Message for ProduceResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        encodable("ProduceResponse", version, 3, 13)?;
        to.at("ProduceResponse.responses");
        to.array(&self.responses, flexible, |to, item| item.encode(to, version))?;
        to.i32(self.throttle_time_ms);
        let mut tags = TagWriter::new();
        if !self.node_endpoints.is_empty() {
            if version >= 10 {
                tags.field(0, |to| {
                    to.at("ProduceResponse.node_endpoints");
                    to.array(&self.node_endpoints, flexible, |to, item| item.encode(to, version))?;
                    Ok(())
                })?;
            } else {
                return Err(EncodeError::not_in_version("ProduceResponse.node_endpoints", version));
            }
        }
        if flexible {
            tags.finish(to);
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        decodable(from, "ProduceResponse", version, 3, 13)?;
        from.at("ProduceResponse.responses");
        let responses = from.array(flexible, 3, |from| TopicProduceResponse::decode(from, version))?;
        from.at("ProduceResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        let mut node_endpoints = Vec::new();
        if flexible {
            from.tags(|tag, from| {
                match tag {
                    0 if version >= 10 => {
                        from.at("ProduceResponse.node_endpoints");
                        node_endpoints =
                            from.array(flexible, 11, |from| ProduceNodeEndpoint::decode(from, version))?;
                    }
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(Self { responses, throttle_time_ms, node_endpoints })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct TopicProduceResponse {
    /// Versions 3 to 12.
    pub name: String,
    /// From version 13.
    pub topic_id: Uuid,
    pub partition_responses: Vec<PartitionProduceResponse>,
}

impl Message for TopicProduceResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        if version <= 12 {
            to.at("TopicProduceResponse.name");
            to.string(&self.name, flexible)?;
        }
        if version >= 13 {
            to.uuid(self.topic_id);
        }
        to.at("TopicProduceResponse.partition_responses");
        to.array(&self.partition_responses, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        let name = if version <= 12 {
            from.at("TopicProduceResponse.name");
            from.string(flexible)?
        } else {
            String::new()
        };
        let topic_id = if version >= 13 {
            from.at("TopicProduceResponse.topic_id");
            from.uuid()?
        } else {
            Uuid::ZERO
        };
        from.at("TopicProduceResponse.partition_responses");
        let partition_responses =
            from.array(flexible, 22, |from| PartitionProduceResponse::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, topic_id, partition_responses })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct PartitionProduceResponse {
    pub index: i32,
    pub error_code: i16,
    pub base_offset: i64,
    pub log_append_time_ms: i64,
    /// From version 5.
    pub log_start_offset: i64,
    /// From version 8.
    pub record_errors: Vec<BatchIndexAndErrorMessage>,
    /// From version 8.
    pub error_message: Option<String>,
    /// From version 10.
    pub current_leader: ProduceLeaderIdAndEpoch,
}

impl Default for PartitionProduceResponse {
    fn default() -> Self {
        Self {
            index: 0,
            error_code: 0,
            base_offset: 0,
            log_append_time_ms: -1,
            log_start_offset: -1,
            record_errors: Vec::new(),
            error_message: None,
            current_leader: ProduceLeaderIdAndEpoch::default(),
        }
    }
}

impl Message for PartitionProduceResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        to.i32(self.index);
        to.i16(self.error_code);
        to.i64(self.base_offset);
        to.i64(self.log_append_time_ms);
        if version >= 5 {
            to.i64(self.log_start_offset);
        }
        if version >= 8 {
            to.at("PartitionProduceResponse.record_errors");
            to.array(&self.record_errors, flexible, |to, item| item.encode(to, version))?;
        }
        if version >= 8 {
            to.at("PartitionProduceResponse.error_message");
            to.nullable_string(self.error_message.as_deref(), true, flexible)?;
        }
        let mut tags = TagWriter::new();
        if self.current_leader != ProduceLeaderIdAndEpoch::default() {
            if version >= 10 {
                tags.field(0, |to| {
                    self.current_leader.encode(to, version)?;
                    Ok(())
                })?;
            } else {
                return Err(EncodeError::not_in_version("PartitionProduceResponse.current_leader", version));
            }
        }
        if flexible {
            tags.finish(to);
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        from.at("PartitionProduceResponse.index");
        let index = from.i32()?;
        from.at("PartitionProduceResponse.error_code");
        let error_code = from.i16()?;
        from.at("PartitionProduceResponse.base_offset");
        let base_offset = from.i64()?;
        from.at("PartitionProduceResponse.log_append_time_ms");
        let log_append_time_ms = from.i64()?;
        let log_start_offset = if version >= 5 {
            from.at("PartitionProduceResponse.log_start_offset");
            from.i64()?
        } else {
            -1
        };
        let record_errors = if version >= 8 {
            from.at("PartitionProduceResponse.record_errors");
            from.array(flexible, 6, |from| BatchIndexAndErrorMessage::decode(from, version))?
        } else {
            Vec::new()
        };
        let error_message = if version >= 8 {
            from.at("PartitionProduceResponse.error_message");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        let mut current_leader = ProduceLeaderIdAndEpoch::default();
        if flexible {
            from.tags(|tag, from| {
                match tag {
                    0 if version >= 10 => {
                        from.at("PartitionProduceResponse.current_leader");
                        current_leader = ProduceLeaderIdAndEpoch::decode(from, version)?;
                    }
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(Self {
            index,
            error_code,
            base_offset,
            log_append_time_ms,
            log_start_offset,
            record_errors,
            error_message,
            current_leader,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct BatchIndexAndErrorMessage {
    pub batch_index: i32,
    pub batch_index_error_message: Option<String>,
}

impl Message for BatchIndexAndErrorMessage {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        to.i32(self.batch_index);
        to.at("BatchIndexAndErrorMessage.batch_index_error_message");
        to.nullable_string(self.batch_index_error_message.as_deref(), true, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        from.at("BatchIndexAndErrorMessage.batch_index");
        let batch_index = from.i32()?;
        from.at("BatchIndexAndErrorMessage.batch_index_error_message");
        let batch_index_error_message = from.nullable_string(true, flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { batch_index, batch_index_error_message })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct ProduceLeaderIdAndEpoch {
    pub leader_id: i32,
    pub leader_epoch: i32,
}

impl Default for ProduceLeaderIdAndEpoch {
    fn default() -> Self {
        Self { leader_id: -1, leader_epoch: -1 }
    }
}

impl Message for ProduceLeaderIdAndEpoch {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        to.i32(self.leader_id);
        to.i32(self.leader_epoch);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        from.at("ProduceLeaderIdAndEpoch.leader_id");
        let leader_id = from.i32()?;
        from.at("ProduceLeaderIdAndEpoch.leader_epoch");
        let leader_epoch = from.i32()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { leader_id, leader_epoch })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProduceNodeEndpoint {
    pub node_id: i32,
    pub host: String,
    pub port: i32,
    pub rack: Option<String>,
}

impl Message for ProduceNodeEndpoint {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        to.i32(self.node_id);
        to.at("ProduceNodeEndpoint.host");
        to.string(&self.host, flexible)?;
        to.i32(self.port);
        to.at("ProduceNodeEndpoint.rack");
        to.nullable_string(self.rack.as_deref(), true, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        from.at("ProduceNodeEndpoint.node_id");
        let node_id = from.i32()?;
        from.at("ProduceNodeEndpoint.host");
        let host = from.string(flexible)?;
        from.at("ProduceNodeEndpoint.port");
        let port = from.i32()?;
        from.at("ProduceNodeEndpoint.rack");
        let rack = from.nullable_string(true, flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { node_id, host, port, rack })
    }
}

impl Response for ProduceResponse {
    const KEY: ApiKey = ApiKey::Produce;
}
