// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Hands out the leader's assignment to the members of a classic group. Static members from 3 (KIP-345),
//! protocol checks from 5 (KIP-559).

use bytes::Bytes;

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SyncGroupRequest {
    pub group_id: String,
    pub generation_id: i32,
    pub member_id: String,
    /// From version 3.
    pub group_instance_id: Option<String>,
    /// From version 5.
    pub protocol_type: Option<String>,
    /// From version 5.
    pub protocol_name: Option<String>,
    pub assignments: Vec<SyncGroupRequestAssignment>,
}

impl Message for SyncGroupRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        encodable("SyncGroupRequest", version, 0, 5)?;
        to.at("SyncGroupRequest.group_id");
        to.string(&self.group_id, flexible)?;
        to.i32(self.generation_id);
        to.at("SyncGroupRequest.member_id");
        to.string(&self.member_id, flexible)?;
        if version >= 3 {
            to.at("SyncGroupRequest.group_instance_id");
            to.nullable_string(self.group_instance_id.as_deref(), true, flexible)?;
        } else if self.group_instance_id.is_some() {
            return Err(EncodeError::not_in_version("SyncGroupRequest.group_instance_id", version));
        }
        if version >= 5 {
            to.at("SyncGroupRequest.protocol_type");
            to.nullable_string(self.protocol_type.as_deref(), true, flexible)?;
        }
        if version >= 5 {
            to.at("SyncGroupRequest.protocol_name");
            to.nullable_string(self.protocol_name.as_deref(), true, flexible)?;
        }
        to.at("SyncGroupRequest.assignments");
        to.array(&self.assignments, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        decodable(from, "SyncGroupRequest", version, 0, 5)?;
        from.at("SyncGroupRequest.group_id");
        let group_id = from.string(flexible)?;
        from.at("SyncGroupRequest.generation_id");
        let generation_id = from.i32()?;
        from.at("SyncGroupRequest.member_id");
        let member_id = from.string(flexible)?;
        let group_instance_id = if version >= 3 {
            from.at("SyncGroupRequest.group_instance_id");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        let protocol_type = if version >= 5 {
            from.at("SyncGroupRequest.protocol_type");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        let protocol_name = if version >= 5 {
            from.at("SyncGroupRequest.protocol_name");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        from.at("SyncGroupRequest.assignments");
        let assignments =
            from.array(flexible, 3, |from| SyncGroupRequestAssignment::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self {
            group_id,
            generation_id,
            member_id,
            group_instance_id,
            protocol_type,
            protocol_name,
            assignments,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct SyncGroupRequestAssignment {
    pub member_id: String,
    pub assignment: Bytes,
}

impl Message for SyncGroupRequestAssignment {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        to.at("SyncGroupRequestAssignment.member_id");
        to.string(&self.member_id, flexible)?;
        to.at("SyncGroupRequestAssignment.assignment");
        to.bytes(&self.assignment, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        from.at("SyncGroupRequestAssignment.member_id");
        let member_id = from.string(flexible)?;
        from.at("SyncGroupRequestAssignment.assignment");
        let assignment = from.bytes(flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { member_id, assignment })
    }
}

impl Request for SyncGroupRequest {
    const KEY: ApiKey = ApiKey::SyncGroup;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 5;
    type Response = crate::messages::SyncGroupResponse;
}

/// Versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SyncGroupResponse {
    /// From version 1.
    pub throttle_time_ms: i32,
    pub error_code: i16,
    /// From version 5.
    pub protocol_type: Option<String>,
    /// From version 5.
    pub protocol_name: Option<String>,
    pub assignment: Bytes,
}

impl Message for SyncGroupResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        encodable("SyncGroupResponse", version, 0, 5)?;
        if version >= 1 {
            to.i32(self.throttle_time_ms);
        }
        to.i16(self.error_code);
        if version >= 5 {
            to.at("SyncGroupResponse.protocol_type");
            to.nullable_string(self.protocol_type.as_deref(), true, flexible)?;
        }
        if version >= 5 {
            to.at("SyncGroupResponse.protocol_name");
            to.nullable_string(self.protocol_name.as_deref(), true, flexible)?;
        }
        to.at("SyncGroupResponse.assignment");
        to.bytes(&self.assignment, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        decodable(from, "SyncGroupResponse", version, 0, 5)?;
        let throttle_time_ms = if version >= 1 {
            from.at("SyncGroupResponse.throttle_time_ms");
            from.i32()?
        } else {
            0
        };
        from.at("SyncGroupResponse.error_code");
        let error_code = from.i16()?;
        let protocol_type = if version >= 5 {
            from.at("SyncGroupResponse.protocol_type");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        let protocol_name = if version >= 5 {
            from.at("SyncGroupResponse.protocol_name");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        from.at("SyncGroupResponse.assignment");
        let assignment = from.bytes(flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, error_code, protocol_type, protocol_name, assignment })
    }
}

impl Response for SyncGroupResponse {
    const KEY: ApiKey = ApiKey::SyncGroup;
}
