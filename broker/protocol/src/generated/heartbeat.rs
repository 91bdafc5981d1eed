// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Keeps a member of a classic group alive and tells it of a rebalance. Static members from 3 (KIP-345).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 4.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeartbeatRequest {
    pub group_id: String,
    pub generation_id: i32,
    pub member_id: String,
    /// From version 3.
    pub group_instance_id: Option<String>,
}

impl Message for HeartbeatRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        encodable("HeartbeatRequest", version, 0, 4)?;
        to.at("HeartbeatRequest.group_id");
        to.string(&self.group_id, flexible)?;
        to.i32(self.generation_id);
        to.at("HeartbeatRequest.member_id");
        to.string(&self.member_id, flexible)?;
        if version >= 3 {
            to.at("HeartbeatRequest.group_instance_id");
            to.nullable_string(self.group_instance_id.as_deref(), true, flexible)?;
        } else if self.group_instance_id.is_some() {
            return Err(EncodeError::not_in_version("HeartbeatRequest.group_instance_id", version));
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        decodable(from, "HeartbeatRequest", version, 0, 4)?;
        from.at("HeartbeatRequest.group_id");
        let group_id = from.string(flexible)?;
        from.at("HeartbeatRequest.generation_id");
        let generation_id = from.i32()?;
        from.at("HeartbeatRequest.member_id");
        let member_id = from.string(flexible)?;
        let group_instance_id = if version >= 3 {
            from.at("HeartbeatRequest.group_instance_id");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { group_id, generation_id, member_id, group_instance_id })
    }
}

impl Request for HeartbeatRequest {
    const KEY: ApiKey = ApiKey::Heartbeat;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 4;
    type Response = crate::messages::HeartbeatResponse;
}

/// Versions 0 to 4.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeartbeatResponse {
    /// From version 1.
    pub throttle_time_ms: i32,
    pub error_code: i16,
}

impl Message for HeartbeatResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        encodable("HeartbeatResponse", version, 0, 4)?;
        if version >= 1 {
            to.i32(self.throttle_time_ms);
        }
        to.i16(self.error_code);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        decodable(from, "HeartbeatResponse", version, 0, 4)?;
        let throttle_time_ms = if version >= 1 {
            from.at("HeartbeatResponse.throttle_time_ms");
            from.i32()?
        } else {
            0
        };
        from.at("HeartbeatResponse.error_code");
        let error_code = from.i16()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, error_code })
    }
}

impl Response for HeartbeatResponse {
    const KEY: ApiKey = ApiKey::Heartbeat;
}
