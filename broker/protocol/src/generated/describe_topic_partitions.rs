// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Pages through topics and their partitions with eligible leaders (KIP-966).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response, Uuid};

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeTopicPartitionsRequest {
    pub topics: Vec<DescribeTopicPartitionsTopicRequest>,
    pub response_partition_limit: i32,
    pub cursor: Option<DescribeTopicPartitionsCursor>,
}

impl Default for DescribeTopicPartitionsRequest {
    fn default() -> Self {
        Self { topics: Vec::new(), response_partition_limit: 2000, cursor: None }
    }
}

impl Message for DescribeTopicPartitionsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("DescribeTopicPartitionsRequest", version, 0, 0)?;
        to.at("DescribeTopicPartitionsRequest.topics");
        to.array(&self.topics, true, |to, item| item.encode(to, version))?;
        to.i32(self.response_partition_limit);
        to.nullable_struct(self.cursor.as_ref(), version)?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "DescribeTopicPartitionsRequest", version, 0, 0)?;
        from.at("DescribeTopicPartitionsRequest.topics");
        let topics =
            from.array(true, 2, |from| DescribeTopicPartitionsTopicRequest::decode(from, version))?;
        from.at("DescribeTopicPartitionsRequest.response_partition_limit");
        let response_partition_limit = from.i32()?;
        from.at("DescribeTopicPartitionsRequest.cursor");
        let cursor = from.nullable_struct(version)?;
        from.skip_tags()?;
        Ok(Self { topics, response_partition_limit, cursor })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeTopicPartitionsTopicRequest {
    pub name: String,
}

impl Message for DescribeTopicPartitionsTopicRequest {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.at("DescribeTopicPartitionsTopicRequest.name");
        to.string(&self.name, true)?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("DescribeTopicPartitionsTopicRequest.name");
        let name = from.string(true)?;
        from.skip_tags()?;
        Ok(Self { name })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeTopicPartitionsCursor {
    pub topic_name: String,
    pub partition_index: i32,
}

impl Message for DescribeTopicPartitionsCursor {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.at("DescribeTopicPartitionsCursor.topic_name");
        to.string(&self.topic_name, true)?;
        to.i32(self.partition_index);
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("DescribeTopicPartitionsCursor.topic_name");
        let topic_name = from.string(true)?;
        from.at("DescribeTopicPartitionsCursor.partition_index");
        let partition_index = from.i32()?;
        from.skip_tags()?;
        Ok(Self { topic_name, partition_index })
    }
}

impl Request for DescribeTopicPartitionsRequest {
    const KEY: ApiKey = ApiKey::DescribeTopicPartitions;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 0;
    type Response = crate::messages::DescribeTopicPartitionsResponse;
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeTopicPartitionsResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<DescribeTopicPartitionsResponseTopic>,
    pub next_cursor: Option<DescribeTopicPartitionsNextCursor>,
}

impl Message for DescribeTopicPartitionsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("DescribeTopicPartitionsResponse", version, 0, 0)?;
        to.i32(self.throttle_time_ms);
        to.at("DescribeTopicPartitionsResponse.topics");
        to.array(&self.topics, true, |to, item| item.encode(to, version))?;
        to.nullable_struct(self.next_cursor.as_ref(), version)?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "DescribeTopicPartitionsResponse", version, 0, 0)?;
        from.at("DescribeTopicPartitionsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("DescribeTopicPartitionsResponse.topics");
        let topics =
            from.array(true, 26, |from| DescribeTopicPartitionsResponseTopic::decode(from, version))?;
        from.at("DescribeTopicPartitionsResponse.next_cursor");
        let next_cursor = from.nullable_struct(version)?;
        from.skip_tags()?;
        Ok(Self { throttle_time_ms, topics, next_cursor })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct DescribeTopicPartitionsResponseTopic {
    pub error_code: i16,
    pub name: Option<String>,
    pub topic_id: Uuid,
    pub is_internal: bool,
    pub partitions: Vec<DescribeTopicPartitionsResponsePartition>,
    pub topic_authorized_operations: i32,
}

impl Default for DescribeTopicPartitionsResponseTopic {
    fn default() -> Self {
        Self {
            error_code: 0,
            name: None,
            topic_id: Uuid::ZERO,
            is_internal: false,
            partitions: Vec::new(),
            topic_authorized_operations: i32::MIN,
        }
    }
}

impl Message for DescribeTopicPartitionsResponseTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.at("DescribeTopicPartitionsResponseTopic.name");
        to.nullable_string(self.name.as_deref(), true, true)?;
        to.uuid(self.topic_id);
        to.bool(self.is_internal);
        to.at("DescribeTopicPartitionsResponseTopic.partitions");
        to.array(&self.partitions, true, |to, item| item.encode(to, version))?;
        to.i32(self.topic_authorized_operations);
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("DescribeTopicPartitionsResponseTopic.error_code");
        let error_code = from.i16()?;
        from.at("DescribeTopicPartitionsResponseTopic.name");
        let name = from.nullable_string(true, true)?;
        from.at("DescribeTopicPartitionsResponseTopic.topic_id");
        let topic_id = from.uuid()?;
        from.at("DescribeTopicPartitionsResponseTopic.is_internal");
        let is_internal = from.bool()?;
        from.at("DescribeTopicPartitionsResponseTopic.partitions");
        let partitions =
            from.array(true, 20, |from| DescribeTopicPartitionsResponsePartition::decode(from, version))?;
        from.at("DescribeTopicPartitionsResponseTopic.topic_authorized_operations");
        let topic_authorized_operations = from.i32()?;
        from.skip_tags()?;
        Ok(Self { error_code, name, topic_id, is_internal, partitions, topic_authorized_operations })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct DescribeTopicPartitionsResponsePartition {
    pub error_code: i16,
    pub partition_index: i32,
    pub leader_id: i32,
    pub leader_epoch: i32,
    pub replica_nodes: Vec<i32>,
    pub isr_nodes: Vec<i32>,
    pub eligible_leader_replicas: Option<Vec<i32>>,
    pub last_known_elr: Option<Vec<i32>>,
    pub offline_replicas: Vec<i32>,
}

impl Default for DescribeTopicPartitionsResponsePartition {
    fn default() -> Self {
        Self {
            error_code: 0,
            partition_index: 0,
            leader_id: 0,
            leader_epoch: -1,
            replica_nodes: Vec::new(),
            isr_nodes: Vec::new(),
            eligible_leader_replicas: None,
            last_known_elr: None,
            offline_replicas: Vec::new(),
        }
    }
}

impl Message for DescribeTopicPartitionsResponsePartition {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.i32(self.partition_index);
        to.i32(self.leader_id);
        to.i32(self.leader_epoch);
        to.at("DescribeTopicPartitionsResponsePartition.replica_nodes");
        to.array(&self.replica_nodes, true, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        to.at("DescribeTopicPartitionsResponsePartition.isr_nodes");
        to.array(&self.isr_nodes, true, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        to.at("DescribeTopicPartitionsResponsePartition.eligible_leader_replicas");
        to.nullable_array(self.eligible_leader_replicas.as_deref(), true, true, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        to.at("DescribeTopicPartitionsResponsePartition.last_known_elr");
        to.nullable_array(self.last_known_elr.as_deref(), true, true, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        to.at("DescribeTopicPartitionsResponsePartition.offline_replicas");
        to.array(&self.offline_replicas, true, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("DescribeTopicPartitionsResponsePartition.error_code");
        let error_code = from.i16()?;
        from.at("DescribeTopicPartitionsResponsePartition.partition_index");
        let partition_index = from.i32()?;
        from.at("DescribeTopicPartitionsResponsePartition.leader_id");
        let leader_id = from.i32()?;
        from.at("DescribeTopicPartitionsResponsePartition.leader_epoch");
        let leader_epoch = from.i32()?;
        from.at("DescribeTopicPartitionsResponsePartition.replica_nodes");
        let replica_nodes = from.array(true, 4, Decoder::i32)?;
        from.at("DescribeTopicPartitionsResponsePartition.isr_nodes");
        let isr_nodes = from.array(true, 4, Decoder::i32)?;
        from.at("DescribeTopicPartitionsResponsePartition.eligible_leader_replicas");
        let eligible_leader_replicas = from.nullable_array(true, true, 4, Decoder::i32)?;
        from.at("DescribeTopicPartitionsResponsePartition.last_known_elr");
        let last_known_elr = from.nullable_array(true, true, 4, Decoder::i32)?;
        from.at("DescribeTopicPartitionsResponsePartition.offline_replicas");
        let offline_replicas = from.array(true, 4, Decoder::i32)?;
        from.skip_tags()?;
        Ok(Self {
            error_code,
            partition_index,
            leader_id,
            leader_epoch,
            replica_nodes,
            isr_nodes,
            eligible_leader_replicas,
            last_known_elr,
            offline_replicas,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeTopicPartitionsNextCursor {
    pub topic_name: String,
    pub partition_index: i32,
}

impl Message for DescribeTopicPartitionsNextCursor {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.at("DescribeTopicPartitionsNextCursor.topic_name");
        to.string(&self.topic_name, true)?;
        to.i32(self.partition_index);
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("DescribeTopicPartitionsNextCursor.topic_name");
        let topic_name = from.string(true)?;
        from.at("DescribeTopicPartitionsNextCursor.partition_index");
        let partition_index = from.i32()?;
        from.skip_tags()?;
        Ok(Self { topic_name, partition_index })
    }
}

impl Response for DescribeTopicPartitionsResponse {
    const KEY: ApiKey = ApiKey::DescribeTopicPartitions;
}
