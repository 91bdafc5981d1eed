// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Creates topics; -1 partitions or replicas mean the broker's default from 4 (KIP-464), details come back
//! from 5 (KIP-525).

use crate::primitives::{TagWriter, decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response, Uuid};

/// Versions 2 to 7.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTopicsRequest {
    pub topics: Vec<CreatableTopic>,
    pub timeout_ms: i32,
    pub validate_only: bool,
}

impl Default for CreateTopicsRequest {
    fn default() -> Self {
        Self { topics: Vec::new(), timeout_ms: 60000, validate_only: false }
    }
}

impl Message for CreateTopicsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 5;
        encodable("CreateTopicsRequest", version, 2, 7)?;
        to.at("CreateTopicsRequest.topics");
        to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        to.i32(self.timeout_ms);
        to.bool(self.validate_only);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 5;
        decodable(from, "CreateTopicsRequest", version, 2, 7)?;
        from.at("CreateTopicsRequest.topics");
        let topics = from.array(flexible, 10, |from| CreatableTopic::decode(from, version))?;
        from.at("CreateTopicsRequest.timeout_ms");
        let timeout_ms = from.i32()?;
        from.at("CreateTopicsRequest.validate_only");
        let validate_only = from.bool()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { topics, timeout_ms, validate_only })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreatableTopic {
    pub name: String,
    pub num_partitions: i32,
    pub replication_factor: i16,
    pub assignments: Vec<CreatableReplicaAssignment>,
    pub configs: Vec<CreatableTopicConfig>,
}

impl Message for CreatableTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 5;
        to.at("CreatableTopic.name");
        to.string(&self.name, flexible)?;
        to.i32(self.num_partitions);
        to.i16(self.replication_factor);
        to.at("CreatableTopic.assignments");
        to.array(&self.assignments, flexible, |to, item| item.encode(to, version))?;
        to.at("CreatableTopic.configs");
        to.array(&self.configs, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 5;
        from.at("CreatableTopic.name");
        let name = from.string(flexible)?;
        from.at("CreatableTopic.num_partitions");
        let num_partitions = from.i32()?;
        from.at("CreatableTopic.replication_factor");
        let replication_factor = from.i16()?;
        from.at("CreatableTopic.assignments");
        let assignments =
            from.array(flexible, 6, |from| CreatableReplicaAssignment::decode(from, version))?;
        from.at("CreatableTopic.configs");
        let configs = from.array(flexible, 3, |from| CreatableTopicConfig::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, num_partitions, replication_factor, assignments, configs })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreatableReplicaAssignment {
    pub partition_index: i32,
    pub broker_ids: Vec<i32>,
}

impl Message for CreatableReplicaAssignment {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 5;
        to.i32(self.partition_index);
        to.at("CreatableReplicaAssignment.broker_ids");
        to.array(&self.broker_ids, flexible, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 5;
        from.at("CreatableReplicaAssignment.partition_index");
        let partition_index = from.i32()?;
        from.at("CreatableReplicaAssignment.broker_ids");
        let broker_ids = from.array(flexible, 4, Decoder::i32)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { partition_index, broker_ids })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreatableTopicConfig {
    pub name: String,
    pub value: Option<String>,
}

impl Message for CreatableTopicConfig {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 5;
        to.at("CreatableTopicConfig.name");
        to.string(&self.name, flexible)?;
        to.at("CreatableTopicConfig.value");
        to.nullable_string(self.value.as_deref(), true, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 5;
        from.at("CreatableTopicConfig.name");
        let name = from.string(flexible)?;
        from.at("CreatableTopicConfig.value");
        let value = from.nullable_string(true, flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, value })
    }
}

impl Request for CreateTopicsRequest {
    const KEY: ApiKey = ApiKey::CreateTopics;
    const MIN_VERSION: i16 = 2;
    const MAX_VERSION: i16 = 7;
    type Response = crate::messages::CreateTopicsResponse;
}

/// Versions 2 to 7.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreateTopicsResponse {
    pub throttle_time_ms: i32,
    pub topics: Vec<CreatableTopicResult>,
}

impl Message for CreateTopicsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 5;
        encodable("CreateTopicsResponse", version, 2, 7)?;
        to.i32(self.throttle_time_ms);
        to.at("CreateTopicsResponse.topics");
        to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 5;
        decodable(from, "CreateTopicsResponse", version, 2, 7)?;
        from.at("CreateTopicsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("CreateTopicsResponse.topics");
        let topics = from.array(flexible, 6, |from| CreatableTopicResult::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, topics })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreatableTopicResult {
    pub name: String,
    /// From version 7.
    pub topic_id: Uuid,
    pub error_code: i16,
    pub error_message: Option<String>,
    /// From version 5.
    pub topic_config_error_code: i16,
    /// From version 5.
    pub num_partitions: i32,
    /// From version 5.
    pub replication_factor: i16,
    /// From version 5.
    pub configs: Option<Vec<CreatableTopicConfigs>>,
}

impl Default for CreatableTopicResult {
    fn default() -> Self {
        Self {
            name: String::new(),
            topic_id: Uuid::ZERO,
            error_code: 0,
            error_message: None,
            topic_config_error_code: 0,
            num_partitions: -1,
            replication_factor: -1,
            configs: None,
        }
    }
}

impl Message for CreatableTopicResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 5;
        to.at("CreatableTopicResult.name");
        to.string(&self.name, flexible)?;
        if version >= 7 {
            to.uuid(self.topic_id);
        }
        to.i16(self.error_code);
        to.at("CreatableTopicResult.error_message");
        to.nullable_string(self.error_message.as_deref(), true, flexible)?;
        if version >= 5 {
            to.i32(self.num_partitions);
        }
        if version >= 5 {
            to.i16(self.replication_factor);
        }
        if version >= 5 {
            to.at("CreatableTopicResult.configs");
            to.nullable_array(self.configs.as_deref(), true, flexible, |to, item| item.encode(to, version))?;
        }
        let mut tags = TagWriter::new();
        if version >= 5 && self.topic_config_error_code != 0 {
            tags.field(0, |to| {
                to.i16(self.topic_config_error_code);
                Ok(())
            })?;
        }
        if flexible {
            tags.finish(to);
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 5;
        from.at("CreatableTopicResult.name");
        let name = from.string(flexible)?;
        let topic_id = if version >= 7 {
            from.at("CreatableTopicResult.topic_id");
            from.uuid()?
        } else {
            Uuid::ZERO
        };
        from.at("CreatableTopicResult.error_code");
        let error_code = from.i16()?;
        from.at("CreatableTopicResult.error_message");
        let error_message = from.nullable_string(true, flexible)?;
        let mut topic_config_error_code = 0;
        let num_partitions = if version >= 5 {
            from.at("CreatableTopicResult.num_partitions");
            from.i32()?
        } else {
            -1
        };
        let replication_factor = if version >= 5 {
            from.at("CreatableTopicResult.replication_factor");
            from.i16()?
        } else {
            -1
        };
        let configs = if version >= 5 {
            from.at("CreatableTopicResult.configs");
            from.nullable_array(true, flexible, 6, |from| CreatableTopicConfigs::decode(from, version))?
        } else {
            None
        };
        if flexible {
            from.tags(|tag, from| {
                match tag {
                    0 => {
                        from.at("CreatableTopicResult.topic_config_error_code");
                        topic_config_error_code = from.i16()?;
                    }
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(Self {
            name,
            topic_id,
            error_code,
            error_message,
            topic_config_error_code,
            num_partitions,
            replication_factor,
            configs,
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreatableTopicConfigs {
    pub name: String,
    pub value: Option<String>,
    pub read_only: bool,
    pub config_source: i8,
    pub is_sensitive: bool,
}

impl Default for CreatableTopicConfigs {
    fn default() -> Self {
        Self { name: String::new(), value: None, read_only: false, config_source: -1, is_sensitive: false }
    }
}

impl Message for CreatableTopicConfigs {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 5;
        to.at("CreatableTopicConfigs.name");
        to.string(&self.name, flexible)?;
        to.at("CreatableTopicConfigs.value");
        to.nullable_string(self.value.as_deref(), true, flexible)?;
        to.bool(self.read_only);
        to.i8(self.config_source);
        to.bool(self.is_sensitive);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 5;
        from.at("CreatableTopicConfigs.name");
        let name = from.string(flexible)?;
        from.at("CreatableTopicConfigs.value");
        let value = from.nullable_string(true, flexible)?;
        from.at("CreatableTopicConfigs.read_only");
        let read_only = from.bool()?;
        from.at("CreatableTopicConfigs.config_source");
        let config_source = from.i8()?;
        from.at("CreatableTopicConfigs.is_sensitive");
        let is_sensitive = from.bool()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, value, read_only, config_source, is_sensitive })
    }
}

impl Response for CreateTopicsResponse {
    const KEY: ApiKey = ApiKey::CreateTopics;
}
