// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Names the broker that coordinates a group (type 0), a transactional id (1) or a share partition (2, from
//! 6). Many keys at once from 4 (KIP-699).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 6.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FindCoordinatorRequest {
    /// Versions 0 to 3.
    pub key: String,
    /// From version 1.
    pub key_type: i8,
    /// From version 4.
    pub coordinator_keys: Vec<String>,
}

impl Message for FindCoordinatorRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        encodable("FindCoordinatorRequest", version, 0, 6)?;
        if version <= 3 {
            to.at("FindCoordinatorRequest.key");
            to.string(&self.key, flexible)?;
        } else if !self.key.is_empty() {
            return Err(EncodeError::not_in_version("FindCoordinatorRequest.key", version));
        }
        if version >= 1 {
            to.i8(self.key_type);
        } else if self.key_type != 0 {
            return Err(EncodeError::not_in_version("FindCoordinatorRequest.key_type", version));
        }
        if version >= 4 {
            to.at("FindCoordinatorRequest.coordinator_keys");
            to.array(&self.coordinator_keys, flexible, |to, item| to.string(item, flexible))?;
        } else if !self.coordinator_keys.is_empty() {
            return Err(EncodeError::not_in_version("FindCoordinatorRequest.coordinator_keys", version));
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        decodable(from, "FindCoordinatorRequest", version, 0, 6)?;
        let key = if version <= 3 {
            from.at("FindCoordinatorRequest.key");
            from.string(flexible)?
        } else {
            String::new()
        };
        let key_type = if version >= 1 {
            from.at("FindCoordinatorRequest.key_type");
            from.i8()?
        } else {
            0
        };
        let coordinator_keys = if version >= 4 {
            from.at("FindCoordinatorRequest.coordinator_keys");
            from.array(flexible, 1, |from| from.string(flexible))?
        } else {
            Vec::new()
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { key, key_type, coordinator_keys })
    }
}

impl Request for FindCoordinatorRequest {
    const KEY: ApiKey = ApiKey::FindCoordinator;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 6;
    type Response = crate::messages::FindCoordinatorResponse;
}

/// Versions 0 to 6.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FindCoordinatorResponse {
    /// From version 1.
    pub throttle_time_ms: i32,
    /// Versions 0 to 3.
    pub error_code: i16,
    /// Versions 1 to 3.
    pub error_message: Option<String>,
    /// Versions 0 to 3.
    pub node_id: i32,
    /// Versions 0 to 3.
    pub host: String,
    /// Versions 0 to 3.
    pub port: i32,
    /// From version 4.
    pub coordinators: Vec<Coordinator>,
}

impl Message for FindCoordinatorResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        encodable("FindCoordinatorResponse", version, 0, 6)?;
        if version >= 1 {
            to.i32(self.throttle_time_ms);
        }
        if version <= 3 {
            to.i16(self.error_code);
        } else if self.error_code != 0 {
            return Err(EncodeError::not_in_version("FindCoordinatorResponse.error_code", version));
        }
        if (1..=3).contains(&version) {
            to.at("FindCoordinatorResponse.error_message");
            to.nullable_string(self.error_message.as_deref(), true, flexible)?;
        }
        if version <= 3 {
            to.i32(self.node_id);
        } else if self.node_id != 0 {
            return Err(EncodeError::not_in_version("FindCoordinatorResponse.node_id", version));
        }
        if version <= 3 {
            to.at("FindCoordinatorResponse.host");
            to.string(&self.host, flexible)?;
        } else if !self.host.is_empty() {
            return Err(EncodeError::not_in_version("FindCoordinatorResponse.host", version));
        }
        if version <= 3 {
            to.i32(self.port);
        } else if self.port != 0 {
            return Err(EncodeError::not_in_version("FindCoordinatorResponse.port", version));
        }
        if version >= 4 {
            to.at("FindCoordinatorResponse.coordinators");
            to.array(&self.coordinators, flexible, |to, item| item.encode(to, version))?;
        } else if !self.coordinators.is_empty() {
            return Err(EncodeError::not_in_version("FindCoordinatorResponse.coordinators", version));
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        decodable(from, "FindCoordinatorResponse", version, 0, 6)?;
        let throttle_time_ms = if version >= 1 {
            from.at("FindCoordinatorResponse.throttle_time_ms");
            from.i32()?
        } else {
            0
        };
        let error_code = if version <= 3 {
            from.at("FindCoordinatorResponse.error_code");
            from.i16()?
        } else {
            0
        };
        let error_message = if (1..=3).contains(&version) {
            from.at("FindCoordinatorResponse.error_message");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        let node_id = if version <= 3 {
            from.at("FindCoordinatorResponse.node_id");
            from.i32()?
        } else {
            0
        };
        let host = if version <= 3 {
            from.at("FindCoordinatorResponse.host");
            from.string(flexible)?
        } else {
            String::new()
        };
        let port = if version <= 3 {
            from.at("FindCoordinatorResponse.port");
            from.i32()?
        } else {
            0
        };
        let coordinators = if version >= 4 {
            from.at("FindCoordinatorResponse.coordinators");
            from.array(flexible, 14, |from| Coordinator::decode(from, version))?
        } else {
            Vec::new()
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, error_code, error_message, node_id, host, port, coordinators })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Coordinator {
    pub key: String,
    pub node_id: i32,
    pub host: String,
    pub port: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
}

impl Message for Coordinator {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        to.at("Coordinator.key");
        to.string(&self.key, flexible)?;
        to.i32(self.node_id);
        to.at("Coordinator.host");
        to.string(&self.host, flexible)?;
        to.i32(self.port);
        to.i16(self.error_code);
        to.at("Coordinator.error_message");
        to.nullable_string(self.error_message.as_deref(), true, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        from.at("Coordinator.key");
        let key = from.string(flexible)?;
        from.at("Coordinator.node_id");
        let node_id = from.i32()?;
        from.at("Coordinator.host");
        let host = from.string(flexible)?;
        from.at("Coordinator.port");
        let port = from.i32()?;
        from.at("Coordinator.error_code");
        let error_code = from.i16()?;
        from.at("Coordinator.error_message");
        let error_message = from.nullable_string(true, flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { key, node_id, host, port, error_code, error_message })
    }
}

impl Response for FindCoordinatorResponse {
    const KEY: ApiKey = ApiKey::FindCoordinator;
}
