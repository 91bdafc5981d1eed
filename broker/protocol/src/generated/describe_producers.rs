// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Lists the producers known to a partition's leader (KIP-664).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeProducersRequest {
    pub topics: Vec<DescribeProducersTopicRequest>,
}

impl Message for DescribeProducersRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("DescribeProducersRequest", version, 0, 0)?;
        to.at("DescribeProducersRequest.topics");
        to.array(&self.topics, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "DescribeProducersRequest", version, 0, 0)?;
        from.at("DescribeProducersRequest.topics");
        let topics = from.array(true, 3, |from| DescribeProducersTopicRequest::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { topics })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeProducersTopicRequest {
    pub name: String,
    pub partition_indexes: Vec<i32>,
}

impl Message for DescribeProducersTopicRequest {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.at("DescribeProducersTopicRequest.name");
        to.string(&self.name, true)?;
        to.at("DescribeProducersTopicRequest.partition_indexes");
        to.array(&self.partition_indexes, true, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("DescribeProducersTopicRequest.name");
        let name = from.string(true)?;
        from.at("DescribeProducersTopicRequest.partition_indexes");
        let partition_indexes = from.array(true, 4, Decoder::i32)?;
        from.skip_tags()?;
        Ok(Self { name, partition_indexes })
    }
}

impl Request for DescribeProducersRequest {
    const KEY: ApiKey = ApiKey::DescribeProducers;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 0;
    type Response = crate::messages::DescribeProducersResponse;
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeProducersResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<TopicResponse>,
}

impl Message for DescribeProducersResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("DescribeProducersResponse", version, 0, 0)?;
        to.i32(self.throttle_time_ms);
        to.at("DescribeProducersResponse.topics");
        to.array(&self.topics, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "DescribeProducersResponse", version, 0, 0)?;
        from.at("DescribeProducersResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("DescribeProducersResponse.topics");
        let topics = from.array(true, 3, |from| TopicResponse::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { throttle_time_ms, topics })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct TopicResponse {
    pub name: String,
    pub partitions: Vec<PartitionResponse>,
}

impl Message for TopicResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.at("TopicResponse.name");
        to.string(&self.name, true)?;
        to.at("TopicResponse.partitions");
        to.array(&self.partitions, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("TopicResponse.name");
        let name = from.string(true)?;
        from.at("TopicResponse.partitions");
        let partitions = from.array(true, 9, |from| PartitionResponse::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { name, partitions })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct PartitionResponse {
    pub partition_index: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
    pub active_producers: Vec<ProducerState>,
}

impl Message for PartitionResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i16(self.error_code);
        to.at("PartitionResponse.error_message");
        to.nullable_string(self.error_message.as_deref(), true, true)?;
        to.at("PartitionResponse.active_producers");
        to.array(&self.active_producers, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("PartitionResponse.partition_index");
        let partition_index = from.i32()?;
        from.at("PartitionResponse.error_code");
        let error_code = from.i16()?;
        from.at("PartitionResponse.error_message");
        let error_message = from.nullable_string(true, true)?;
        from.at("PartitionResponse.active_producers");
        let active_producers = from.array(true, 37, |from| ProducerState::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { partition_index, error_code, error_message, active_producers })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct ProducerState {
    pub producer_id: i64,
    pub producer_epoch: i32,
    pub last_sequence: i32,
    pub last_timestamp: i64,
    pub coordinator_epoch: i32,
    pub current_txn_start_offset: i64,
}

impl Default for ProducerState {
    fn default() -> Self {
        Self {
            producer_id: 0,
            producer_epoch: 0,
            last_sequence: -1,
            last_timestamp: -1,
            coordinator_epoch: 0,
            current_txn_start_offset: -1,
        }
    }
}

impl Message for ProducerState {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.i64(self.producer_id);
        to.i32(self.producer_epoch);
        to.i32(self.last_sequence);
        to.i64(self.last_timestamp);
        to.i32(self.coordinator_epoch);
        to.i64(self.current_txn_start_offset);
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("ProducerState.producer_id");
        let producer_id = from.i64()?;
        from.at("ProducerState.producer_epoch");
        let producer_epoch = from.i32()?;
        from.at("ProducerState.last_sequence");
        let last_sequence = from.i32()?;
        from.at("ProducerState.last_timestamp");
        let last_timestamp = from.i64()?;
        from.at("ProducerState.coordinator_epoch");
        let coordinator_epoch = from.i32()?;
        from.at("ProducerState.current_txn_start_offset");
        let current_txn_start_offset = from.i64()?;
        from.skip_tags()?;
        Ok(Self {
            producer_id,
            producer_epoch,
            last_sequence,
            last_timestamp,
            coordinator_epoch,
            current_txn_start_offset,
        })
    }
}

impl Response for DescribeProducersResponse {
    const KEY: ApiKey = ApiKey::DescribeProducers;
}
