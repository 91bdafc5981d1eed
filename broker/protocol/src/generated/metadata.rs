// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Describes brokers, topics and partition leaders; may create topics by itself.
//!
//! Null topics means all topics (an empty array does in version 0). Topic ids from 10 (KIP-516), lookup by
//! id from 12, cluster-level operations moved to DescribeCluster at 11.

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response, Uuid};

/// Versions 0 to 13.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataRequest {
    pub topics: Option<Vec<MetadataRequestTopic>>,
    /// From version 4.
    pub allow_auto_topic_creation: bool,
    /// Versions 8 to 10.
    pub include_cluster_authorized_operations: bool,
    /// From version 8.
    pub include_topic_authorized_operations: bool,
}

impl Default for MetadataRequest {
    fn default() -> Self {
        Self {
            topics: None,
            allow_auto_topic_creation: true,
            include_cluster_authorized_operations: false,
            include_topic_authorized_operations: false,
        }
    }
}

impl Message for MetadataRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        encodable("MetadataRequest", version, 0, 13)?;
        to.at("MetadataRequest.topics");
        to.nullable_array(self.topics.as_deref(), version >= 1, flexible, |to, item| {
            item.encode(to, version)
        })?;
        if version >= 4 {
            to.bool(self.allow_auto_topic_creation);
        } else if !self.allow_auto_topic_creation {
            return Err(EncodeError::not_in_version("MetadataRequest.allow_auto_topic_creation", version));
        }
        if (8..=10).contains(&version) {
            to.bool(self.include_cluster_authorized_operations);
        } else if self.include_cluster_authorized_operations {
            return Err(EncodeError::not_in_version(
                "MetadataRequest.include_cluster_authorized_operations",
                version,
            ));
        }
        if version >= 8 {
            to.bool(self.include_topic_authorized_operations);
        } else if self.include_topic_authorized_operations {
            return Err(EncodeError::not_in_version(
                "MetadataRequest.include_topic_authorized_operations",
                version,
            ));
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        decodable(from, "MetadataRequest", version, 0, 13)?;
        from.at("MetadataRequest.topics");
        let topics = from
            .nullable_array(version >= 1, flexible, 2, |from| MetadataRequestTopic::decode(from, version))?;
        let allow_auto_topic_creation = if version >= 4 {
            from.at("MetadataRequest.allow_auto_topic_creation");
            from.bool()?
        } else {
            true
        };
        let include_cluster_authorized_operations = if (8..=10).contains(&version) {
            from.at("MetadataRequest.include_cluster_authorized_operations");
            from.bool()?
        } else {
            false
        };
        let include_topic_authorized_operations = if version >= 8 {
            from.at("MetadataRequest.include_topic_authorized_operations");
            from.bool()?
        } else {
            false
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self {
            topics,
            allow_auto_topic_creation,
            include_cluster_authorized_operations,
            include_topic_authorized_operations,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetadataRequestTopic {
    /// From version 10.
    pub topic_id: Uuid,
    pub name: Option<String>,
}

impl Message for MetadataRequestTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        if version >= 10 {
            to.uuid(self.topic_id);
        }
        to.at("MetadataRequestTopic.name");
        to.nullable_string(self.name.as_deref(), version >= 10, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        let topic_id = if version >= 10 {
            from.at("MetadataRequestTopic.topic_id");
            from.uuid()?
        } else {
            Uuid::ZERO
        };
        from.at("MetadataRequestTopic.name");
        let name = from.nullable_string(version >= 10, flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { topic_id, name })
    }
}

impl Request for MetadataRequest {
    const KEY: ApiKey = ApiKey::Metadata;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 13;
    type Response = crate::messages::MetadataResponse;
}

/// Versions 0 to 13.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataResponse {
    /// From version 3.
    pub throttle_time_ms: i32,
    pub brokers: Vec<MetadataResponseBroker>,
    /// From version 2.
    pub cluster_id: Option<String>,
    /// From version 1.
    pub controller_id: i32,
    pub topics: Vec<MetadataResponseTopic>,
    /// Versions 8 to 10.
    pub cluster_authorized_operations: i32,
    /// From version 13.
    pub error_code: i16,
}

impl Default for MetadataResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            brokers: Vec::new(),
            cluster_id: None,
            controller_id: -1,
            topics: Vec::new(),
            cluster_authorized_operations: i32::MIN,
            error_code: 0,
        }
    }
}

impl Message for MetadataResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        encodable("MetadataResponse", version, 0, 13)?;
        if version >= 3 {
            to.i32(self.throttle_time_ms);
        }
        to.at("MetadataResponse.brokers");
        to.array(&self.brokers, flexible, |to, item| item.encode(to, version))?;
        if version >= 2 {
            to.at("MetadataResponse.cluster_id");
            to.nullable_string(self.cluster_id.as_deref(), true, flexible)?;
        }
        if version >= 1 {
            to.i32(self.controller_id);
        }
        to.at("MetadataResponse.topics");
        to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        if (8..=10).contains(&version) {
            to.i32(self.cluster_authorized_operations);
        } else if self.cluster_authorized_operations != i32::MIN {
            return Err(EncodeError::not_in_version(
                "MetadataResponse.cluster_authorized_operations",
                version,
            ));
        }
        if version >= 13 {
            to.i16(self.error_code);
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        decodable(from, "MetadataResponse", version, 0, 13)?;
        let throttle_time_ms = if version >= 3 {
            from.at("MetadataResponse.throttle_time_ms");
            from.i32()?
        } else {
            0
        };
        from.at("MetadataResponse.brokers");
        let brokers = from.array(flexible, 10, |from| MetadataResponseBroker::decode(from, version))?;
        let cluster_id = if version >= 2 {
            from.at("MetadataResponse.cluster_id");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        let controller_id = if version >= 1 {
            from.at("MetadataResponse.controller_id");
            from.i32()?
        } else {
            -1
        };
        from.at("MetadataResponse.topics");
        let topics = from.array(flexible, 8, |from| MetadataResponseTopic::decode(from, version))?;
        let cluster_authorized_operations = if (8..=10).contains(&version) {
            from.at("MetadataResponse.cluster_authorized_operations");
            from.i32()?
        } else {
            i32::MIN
        };
        let error_code = if version >= 13 {
            from.at("MetadataResponse.error_code");
            from.i16()?
        } else {
            0
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self {
            throttle_time_ms,
            brokers,
            cluster_id,
            controller_id,
            topics,
            cluster_authorized_operations,
            error_code,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetadataResponseBroker {
    pub node_id: i32,
    pub host: String,
    pub port: i32,
    /// From version 1.
    pub rack: Option<String>,
}

impl Message for MetadataResponseBroker {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        to.i32(self.node_id);
        to.at("MetadataResponseBroker.host");
        to.string(&self.host, flexible)?;
        to.i32(self.port);
        if version >= 1 {
            to.at("MetadataResponseBroker.rack");
            to.nullable_string(self.rack.as_deref(), true, flexible)?;
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        from.at("MetadataResponseBroker.node_id");
        let node_id = from.i32()?;
        from.at("MetadataResponseBroker.host");
        let host = from.string(flexible)?;
        from.at("MetadataResponseBroker.port");
        let port = from.i32()?;
        let rack = if version >= 1 {
            from.at("MetadataResponseBroker.rack");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { node_id, host, port, rack })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct MetadataResponseTopic {
    pub error_code: i16,
    pub name: Option<String>,
    /// From version 10.
    pub topic_id: Uuid,
    /// From version 1.
    pub is_internal: bool,
    pub partitions: Vec<MetadataResponsePartition>,
    /// From version 8.
    pub topic_authorized_operations: i32,
}

impl Default for MetadataResponseTopic {
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

impl Message for MetadataResponseTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        to.i16(self.error_code);
        to.at("MetadataResponseTopic.name");
        to.nullable_string(self.name.as_deref(), version >= 12, flexible)?;
        if version >= 10 {
            to.uuid(self.topic_id);
        }
        if version >= 1 {
            to.bool(self.is_internal);
        }
        to.at("MetadataResponseTopic.partitions");
        to.array(&self.partitions, flexible, |to, item| item.encode(to, version))?;
        if version >= 8 {
            to.i32(self.topic_authorized_operations);
        } else if self.topic_authorized_operations != i32::MIN {
            return Err(EncodeError::not_in_version(
                "MetadataResponseTopic.topic_authorized_operations",
                version,
            ));
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        from.at("MetadataResponseTopic.error_code");
        let error_code = from.i16()?;
        from.at("MetadataResponseTopic.name");
        let name = from.nullable_string(version >= 12, flexible)?;
        let topic_id = if version >= 10 {
            from.at("MetadataResponseTopic.topic_id");
            from.uuid()?
        } else {
            Uuid::ZERO
        };
        let is_internal = if version >= 1 {
            from.at("MetadataResponseTopic.is_internal");
            from.bool()?
        } else {
            false
        };
        from.at("MetadataResponseTopic.partitions");
        let partitions = from.array(flexible, 18, |from| MetadataResponsePartition::decode(from, version))?;
        let topic_authorized_operations = if version >= 8 {
            from.at("MetadataResponseTopic.topic_authorized_operations");
            from.i32()?
        } else {
            i32::MIN
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { error_code, name, topic_id, is_internal, partitions, topic_authorized_operations })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct MetadataResponsePartition {
    pub error_code: i16,
    pub partition_index: i32,
    pub leader_id: i32,
    /// From version 7.
    pub leader_epoch: i32,
    pub replica_nodes: Vec<i32>,
    pub isr_nodes: Vec<i32>,
    /// From version 5.
    pub offline_replicas: Vec<i32>,
}

impl Default for MetadataResponsePartition {
    fn default() -> Self {
        Self {
            error_code: 0,
            partition_index: 0,
            leader_id: 0,
            leader_epoch: -1,
            replica_nodes: Vec::new(),
            isr_nodes: Vec::new(),
            offline_replicas: Vec::new(),
        }
    }
}

impl Message for MetadataResponsePartition {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        to.i16(self.error_code);
        to.i32(self.partition_index);
        to.i32(self.leader_id);
        if version >= 7 {
            to.i32(self.leader_epoch);
        }
        to.at("MetadataResponsePartition.replica_nodes");
        to.array(&self.replica_nodes, flexible, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        to.at("MetadataResponsePartition.isr_nodes");
        to.array(&self.isr_nodes, flexible, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        if version >= 5 {
            to.at("MetadataResponsePartition.offline_replicas");
            to.array(&self.offline_replicas, flexible, |to, item| {
                to.i32(*item);
                Ok(())
            })?;
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        from.at("MetadataResponsePartition.error_code");
        let error_code = from.i16()?;
        from.at("MetadataResponsePartition.partition_index");
        let partition_index = from.i32()?;
        from.at("MetadataResponsePartition.leader_id");
        let leader_id = from.i32()?;
        let leader_epoch = if version >= 7 {
            from.at("MetadataResponsePartition.leader_epoch");
            from.i32()?
        } else {
            -1
        };
        from.at("MetadataResponsePartition.replica_nodes");
        let replica_nodes = from.array(flexible, 4, Decoder::i32)?;
        from.at("MetadataResponsePartition.isr_nodes");
        let isr_nodes = from.array(flexible, 4, Decoder::i32)?;
        let offline_replicas = if version >= 5 {
            from.at("MetadataResponsePartition.offline_replicas");
            from.array(flexible, 4, Decoder::i32)?
        } else {
            Vec::new()
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self {
            error_code,
            partition_index,
            leader_id,
            leader_epoch,
            replica_nodes,
            isr_nodes,
            offline_replicas,
        })
    }
}

impl Response for MetadataResponse {
    const KEY: ApiKey = ApiKey::Metadata;
}
