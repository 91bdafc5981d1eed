// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Describes the metadata quorum (KIP-836).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response, Uuid};

/// Versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeQuorumRequest {
    pub topics: Vec<DescribeQuorumTopicData>,
}

impl Message for DescribeQuorumRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("DescribeQuorumRequest", version, 0, 2)?;
        to.at("DescribeQuorumRequest.topics");
        to.array(&self.topics, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "DescribeQuorumRequest", version, 0, 2)?;
        from.at("DescribeQuorumRequest.topics");
        let topics = from.array(true, 3, |from| DescribeQuorumTopicData::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { topics })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeQuorumTopicData {
    pub topic_name: String,
    pub partitions: Vec<DescribeQuorumPartitionData>,
}

impl Message for DescribeQuorumTopicData {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.at("DescribeQuorumTopicData.topic_name");
        to.string(&self.topic_name, true)?;
        to.at("DescribeQuorumTopicData.partitions");
        to.array(&self.partitions, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("DescribeQuorumTopicData.topic_name");
        let topic_name = from.string(true)?;
        from.at("DescribeQuorumTopicData.partitions");
        let partitions = from.array(true, 5, |from| DescribeQuorumPartitionData::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { topic_name, partitions })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeQuorumPartitionData {
    pub partition_index: i32,
}

impl Message for DescribeQuorumPartitionData {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("DescribeQuorumPartitionData.partition_index");
        let partition_index = from.i32()?;
        from.skip_tags()?;
        Ok(Self { partition_index })
    }
}

impl Request for DescribeQuorumRequest {
    const KEY: ApiKey = ApiKey::DescribeQuorum;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 2;
    type Response = crate::messages::DescribeQuorumResponse;
}

/// Versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeQuorumResponse {
    pub error_code: i16,
    /// From version 2.
    pub error_message: Option<String>,
    pub topics: Vec<DescribeQuorumTopicDataResponse>,
    /// From version 2.
    pub nodes: Vec<Node>,
}

impl Message for DescribeQuorumResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("DescribeQuorumResponse", version, 0, 2)?;
        to.i16(self.error_code);
        if version >= 2 {
            to.at("DescribeQuorumResponse.error_message");
            to.nullable_string(self.error_message.as_deref(), true, true)?;
        }
        to.at("DescribeQuorumResponse.topics");
        to.array(&self.topics, true, |to, item| item.encode(to, version))?;
        if version >= 2 {
            to.at("DescribeQuorumResponse.nodes");
            to.array(&self.nodes, true, |to, item| item.encode(to, version))?;
        } else if !self.nodes.is_empty() {
            return Err(EncodeError::not_in_version("DescribeQuorumResponse.nodes", version));
        }
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "DescribeQuorumResponse", version, 0, 2)?;
        from.at("DescribeQuorumResponse.error_code");
        let error_code = from.i16()?;
        let error_message = if version >= 2 {
            from.at("DescribeQuorumResponse.error_message");
            from.nullable_string(true, true)?
        } else {
            None
        };
        from.at("DescribeQuorumResponse.topics");
        let topics = from.array(true, 3, |from| DescribeQuorumTopicDataResponse::decode(from, version))?;
        let nodes = if version >= 2 {
            from.at("DescribeQuorumResponse.nodes");
            from.array(true, 6, |from| Node::decode(from, version))?
        } else {
            Vec::new()
        };
        from.skip_tags()?;
        Ok(Self { error_code, error_message, topics, nodes })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeQuorumTopicDataResponse {
    pub topic_name: String,
    pub partitions: Vec<DescribeQuorumPartitionDataResponse>,
}

impl Message for DescribeQuorumTopicDataResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.at("DescribeQuorumTopicDataResponse.topic_name");
        to.string(&self.topic_name, true)?;
        to.at("DescribeQuorumTopicDataResponse.partitions");
        to.array(&self.partitions, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("DescribeQuorumTopicDataResponse.topic_name");
        let topic_name = from.string(true)?;
        from.at("DescribeQuorumTopicDataResponse.partitions");
        let partitions =
            from.array(true, 25, |from| DescribeQuorumPartitionDataResponse::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { topic_name, partitions })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeQuorumPartitionDataResponse {
    pub partition_index: i32,
    pub error_code: i16,
    /// From version 2.
    pub error_message: Option<String>,
    pub leader_id: i32,
    pub leader_epoch: i32,
    pub high_watermark: i64,
    pub current_voters: Vec<DescribeQuorumReplicaState>,
    pub observers: Vec<DescribeQuorumReplicaState>,
}

impl Message for DescribeQuorumPartitionDataResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i16(self.error_code);
        if version >= 2 {
            to.at("DescribeQuorumPartitionDataResponse.error_message");
            to.nullable_string(self.error_message.as_deref(), true, true)?;
        }
        to.i32(self.leader_id);
        to.i32(self.leader_epoch);
        to.i64(self.high_watermark);
        to.at("DescribeQuorumPartitionDataResponse.current_voters");
        to.array(&self.current_voters, true, |to, item| item.encode(to, version))?;
        to.at("DescribeQuorumPartitionDataResponse.observers");
        to.array(&self.observers, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("DescribeQuorumPartitionDataResponse.partition_index");
        let partition_index = from.i32()?;
        from.at("DescribeQuorumPartitionDataResponse.error_code");
        let error_code = from.i16()?;
        let error_message = if version >= 2 {
            from.at("DescribeQuorumPartitionDataResponse.error_message");
            from.nullable_string(true, true)?
        } else {
            None
        };
        from.at("DescribeQuorumPartitionDataResponse.leader_id");
        let leader_id = from.i32()?;
        from.at("DescribeQuorumPartitionDataResponse.leader_epoch");
        let leader_epoch = from.i32()?;
        from.at("DescribeQuorumPartitionDataResponse.high_watermark");
        let high_watermark = from.i64()?;
        from.at("DescribeQuorumPartitionDataResponse.current_voters");
        let current_voters =
            from.array(true, 13, |from| DescribeQuorumReplicaState::decode(from, version))?;
        from.at("DescribeQuorumPartitionDataResponse.observers");
        let observers = from.array(true, 13, |from| DescribeQuorumReplicaState::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self {
            partition_index,
            error_code,
            error_message,
            leader_id,
            leader_epoch,
            high_watermark,
            current_voters,
            observers,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Node {
    pub node_id: i32,
    pub listeners: Vec<Listener>,
}

impl Message for Node {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.i32(self.node_id);
        to.at("Node.listeners");
        to.array(&self.listeners, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("Node.node_id");
        let node_id = from.i32()?;
        from.at("Node.listeners");
        let listeners = from.array(true, 5, |from| Listener::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { node_id, listeners })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Listener {
    pub name: String,
    pub host: String,
    pub port: u16,
}

impl Message for Listener {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.at("Listener.name");
        to.string(&self.name, true)?;
        to.at("Listener.host");
        to.string(&self.host, true)?;
        to.u16(self.port);
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("Listener.name");
        let name = from.string(true)?;
        from.at("Listener.host");
        let host = from.string(true)?;
        from.at("Listener.port");
        let port = from.u16()?;
        from.skip_tags()?;
        Ok(Self { name, host, port })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct DescribeQuorumReplicaState {
    pub replica_id: i32,
    /// From version 2.
    pub replica_directory_id: Uuid,
    pub log_end_offset: i64,
    /// From version 1.
    pub last_fetch_timestamp: i64,
    /// From version 1.
    pub last_caught_up_timestamp: i64,
}

impl Default for DescribeQuorumReplicaState {
    fn default() -> Self {
        Self {
            replica_id: 0,
            replica_directory_id: Uuid::ZERO,
            log_end_offset: 0,
            last_fetch_timestamp: -1,
            last_caught_up_timestamp: -1,
        }
    }
}

impl Message for DescribeQuorumReplicaState {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.i32(self.replica_id);
        if version >= 2 {
            to.uuid(self.replica_directory_id);
        } else if !self.replica_directory_id.is_zero() {
            return Err(EncodeError::not_in_version(
                "DescribeQuorumReplicaState.replica_directory_id",
                version,
            ));
        }
        to.i64(self.log_end_offset);
        if version >= 1 {
            to.i64(self.last_fetch_timestamp);
        }
        if version >= 1 {
            to.i64(self.last_caught_up_timestamp);
        }
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("DescribeQuorumReplicaState.replica_id");
        let replica_id = from.i32()?;
        let replica_directory_id = if version >= 2 {
            from.at("DescribeQuorumReplicaState.replica_directory_id");
            from.uuid()?
        } else {
            Uuid::ZERO
        };
        from.at("DescribeQuorumReplicaState.log_end_offset");
        let log_end_offset = from.i64()?;
        let last_fetch_timestamp = if version >= 1 {
            from.at("DescribeQuorumReplicaState.last_fetch_timestamp");
            from.i64()?
        } else {
            -1
        };
        let last_caught_up_timestamp = if version >= 1 {
            from.at("DescribeQuorumReplicaState.last_caught_up_timestamp");
            from.i64()?
        } else {
            -1
        };
        from.skip_tags()?;
        Ok(Self {
            replica_id,
            replica_directory_id,
            log_end_offset,
            last_fetch_timestamp,
            last_caught_up_timestamp,
        })
    }
}

impl Response for DescribeQuorumResponse {
    const KEY: ApiKey = ApiKey::DescribeQuorum;
}
