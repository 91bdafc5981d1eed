// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Leaves a classic group; several static members at once from 3 (KIP-345), reasons from 5 (KIP-800).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LeaveGroupRequest {
    pub group_id: String,
    /// Versions 0 to 2.
    pub member_id: String,
    /// From version 3.
    pub members: Vec<MemberIdentity>,
}

impl Message for LeaveGroupRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        encodable("LeaveGroupRequest", version, 0, 5)?;
        to.at("LeaveGroupRequest.group_id");
        to.string(&self.group_id, flexible)?;
        if version <= 2 {
            to.at("LeaveGroupRequest.member_id");
            to.string(&self.member_id, flexible)?;
        } else if !self.member_id.is_empty() {
            return Err(EncodeError::not_in_version("LeaveGroupRequest.member_id", version));
        }
        if version >= 3 {
            to.at("LeaveGroupRequest.members");
            to.array(&self.members, flexible, |to, item| item.encode(to, version))?;
        } else if !self.members.is_empty() {
            return Err(EncodeError::not_in_version("LeaveGroupRequest.members", version));
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        decodable(from, "LeaveGroupRequest", version, 0, 5)?;
        from.at("LeaveGroupRequest.group_id");
        let group_id = from.string(flexible)?;
        let member_id = if version <= 2 {
            from.at("LeaveGroupRequest.member_id");
            from.string(flexible)?
        } else {
            String::new()
        };
        let members = if version >= 3 {
            from.at("LeaveGroupRequest.members");
            from.array(flexible, 3, |from| MemberIdentity::decode(from, version))?
        } else {
            Vec::new()
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { group_id, member_id, members })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct MemberIdentity {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    /// From version 5.
    pub reason: Option<String>,
}

impl Message for MemberIdentity {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        to.at("MemberIdentity.member_id");
        to.string(&self.member_id, flexible)?;
        to.at("MemberIdentity.group_instance_id");
        to.nullable_string(self.group_instance_id.as_deref(), true, flexible)?;
        if version >= 5 {
            to.at("MemberIdentity.reason");
            to.nullable_string(self.reason.as_deref(), true, flexible)?;
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        from.at("MemberIdentity.member_id");
        let member_id = from.string(flexible)?;
        from.at("MemberIdentity.group_instance_id");
        let group_instance_id = from.nullable_string(true, flexible)?;
        let reason = if version >= 5 {
            from.at("MemberIdentity.reason");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { member_id, group_instance_id, reason })
    }
}

impl Request for LeaveGroupRequest {
    const KEY: ApiKey = ApiKey::LeaveGroup;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 5;
    type Response = crate::messages::LeaveGroupResponse;
}

/// Versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LeaveGroupResponse {
    /// From version 1.
    pub throttle_time_ms: i32,
    pub error_code: i16,
    /// From version 3.
    pub members: Vec<MemberResponse>,
}

impl Message for LeaveGroupResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        encodable("LeaveGroupResponse", version, 0, 5)?;
        if version >= 1 {
            to.i32(self.throttle_time_ms);
        }
        to.i16(self.error_code);
        if version >= 3 {
            to.at("LeaveGroupResponse.members");
            to.array(&self.members, flexible, |to, item| item.encode(to, version))?;
        } else if !self.members.is_empty() {
            return Err(EncodeError::not_in_version("LeaveGroupResponse.members", version));
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        decodable(from, "LeaveGroupResponse", version, 0, 5)?;
        let throttle_time_ms = if version >= 1 {
            from.at("LeaveGroupResponse.throttle_time_ms");
            from.i32()?
        } else {
            0
        };
        from.at("LeaveGroupResponse.error_code");
        let error_code = from.i16()?;
        let members = if version >= 3 {
            from.at("LeaveGroupResponse.members");
            from.array(flexible, 5, |from| MemberResponse::decode(from, version))?
        } else {
            Vec::new()
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, error_code, members })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct MemberResponse {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub error_code: i16,
}

impl Message for MemberResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        to.at("MemberResponse.member_id");
        to.string(&self.member_id, flexible)?;
        to.at("MemberResponse.group_instance_id");
        to.nullable_string(self.group_instance_id.as_deref(), true, flexible)?;
        to.i16(self.error_code);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        from.at("MemberResponse.member_id");
        let member_id = from.string(flexible)?;
        from.at("MemberResponse.group_instance_id");
        let group_instance_id = from.nullable_string(true, flexible)?;
        from.at("MemberResponse.error_code");
        let error_code = from.i16()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { member_id, group_instance_id, error_code })
    }
}

impl Response for LeaveGroupResponse {
    const KEY: ApiKey = ApiKey::LeaveGroup;
}
