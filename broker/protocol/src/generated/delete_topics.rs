// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Deletes topics by name, or by id from 6 (KIP-516).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response, Uuid};

/// Versions 1 to 6.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteTopicsRequest {
    /// From version 6.
    pub topics: Vec<DeleteTopicState>,
    /// Versions 1 to 5.
    pub topic_names: Vec<String>,
    pub timeout_ms: i32,
}

impl Message for DeleteTopicsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        encodable("DeleteTopicsRequest", version, 1, 6)?;
        if version >= 6 {
            to.at("DeleteTopicsRequest.topics");
            to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        } else if !self.topics.is_empty() {
            return Err(EncodeError::not_in_version("DeleteTopicsRequest.topics", version));
        }
        if version <= 5 {
            to.at("DeleteTopicsRequest.topic_names");
            to.array(&self.topic_names, flexible, |to, item| to.string(item, flexible))?;
        }
        to.i32(self.timeout_ms);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        decodable(from, "DeleteTopicsRequest", version, 1, 6)?;
        let topics = if version >= 6 {
            from.at("DeleteTopicsRequest.topics");
            from.array(flexible, 18, |from| DeleteTopicState::decode(from, version))?
        } else {
            Vec::new()
        };
        let topic_names = if version <= 5 {
            from.at("DeleteTopicsRequest.topic_names");
            from.array(flexible, 1, |from| from.string(flexible))?
        } else {
            Vec::new()
        };
        from.at("DeleteTopicsRequest.timeout_ms");
        let timeout_ms = from.i32()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { topics, topic_names, timeout_ms })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteTopicState {
    pub name: Option<String>,
    pub topic_id: Uuid,
}

impl Message for DeleteTopicState {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        to.at("DeleteTopicState.name");
        to.nullable_string(self.name.as_deref(), true, flexible)?;
        to.uuid(self.topic_id);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        from.at("DeleteTopicState.name");
        let name = from.nullable_string(true, flexible)?;
        from.at("DeleteTopicState.topic_id");
        let topic_id = from.uuid()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, topic_id })
    }
}

impl Request for DeleteTopicsRequest {
    const KEY: ApiKey = ApiKey::DeleteTopics;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 6;
    type Response = crate::messages::DeleteTopicsResponse;
}

/// Versions 1 to 6.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteTopicsResponse {
    pub throttle_time_ms: i32,
    pub responses: Vec<DeletableTopicResult>,
}

impl Message for DeleteTopicsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        encodable("DeleteTopicsResponse", version, 1, 6)?;
        to.i32(self.throttle_time_ms);
        to.at("DeleteTopicsResponse.responses");
        to.array(&self.responses, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        decodable(from, "DeleteTopicsResponse", version, 1, 6)?;
        from.at("DeleteTopicsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("DeleteTopicsResponse.responses");
        let responses = from.array(flexible, 4, |from| DeletableTopicResult::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, responses })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeletableTopicResult {
    pub name: Option<String>,
    /// From version 6.
    pub topic_id: Uuid,
    pub error_code: i16,
    /// From version 5.
    pub error_message: Option<String>,
}

impl Message for DeletableTopicResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        to.at("DeletableTopicResult.name");
        to.nullable_string(self.name.as_deref(), version >= 6, flexible)?;
        if version >= 6 {
            to.uuid(self.topic_id);
        }
        to.i16(self.error_code);
        if version >= 5 {
            to.at("DeletableTopicResult.error_message");
            to.nullable_string(self.error_message.as_deref(), true, flexible)?;
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        from.at("DeletableTopicResult.name");
        let name = from.nullable_string(version >= 6, flexible)?;
        let topic_id = if version >= 6 {
            from.at("DeletableTopicResult.topic_id");
            from.uuid()?
        } else {
            Uuid::ZERO
        };
        from.at("DeletableTopicResult.error_code");
        let error_code = from.i16()?;
        let error_message = if version >= 5 {
            from.at("DeletableTopicResult.error_message");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, topic_id, error_code, error_message })
    }
}

impl Response for DeleteTopicsResponse {
    const KEY: ApiKey = ApiKey::DeleteTopics;
}
