// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Enters a classic group's rebalance. A member id is demanded first from 4 (KIP-394), static members from
//! 5 (KIP-345), the protocol's name comes back from 7 (KIP-559), reasons from 8 (KIP-800), skipping the
//! assignment from 9 (KIP-814).

use bytes::Bytes;

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 9.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinGroupRequest {
    pub group_id: String,
    pub session_timeout_ms: i32,
    /// From version 1.
    pub rebalance_timeout_ms: i32,
    pub member_id: String,
    /// From version 5.
    pub group_instance_id: Option<String>,
    pub protocol_type: String,
    pub protocols: Vec<JoinGroupRequestProtocol>,
    /// From version 8.
    pub reason: Option<String>,
}

impl Default for JoinGroupRequest {
    fn default() -> Self {
        Self {
            group_id: String::new(),
            session_timeout_ms: 0,
            rebalance_timeout_ms: -1,
            member_id: String::new(),
            group_instance_id: None,
            protocol_type: String::new(),
            protocols: Vec::new(),
            reason: None,
        }
    }
}

impl Message for JoinGroupRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        encodable("JoinGroupRequest", version, 0, 9)?;
        to.at("JoinGroupRequest.group_id");
        to.string(&self.group_id, flexible)?;
        to.i32(self.session_timeout_ms);
        if version >= 1 {
            to.i32(self.rebalance_timeout_ms);
        }
        to.at("JoinGroupRequest.member_id");
        to.string(&self.member_id, flexible)?;
        if version >= 5 {
            to.at("JoinGroupRequest.group_instance_id");
            to.nullable_string(self.group_instance_id.as_deref(), true, flexible)?;
        } else if self.group_instance_id.is_some() {
            return Err(EncodeError::not_in_version("JoinGroupRequest.group_instance_id", version));
        }
        to.at("JoinGroupRequest.protocol_type");
        to.string(&self.protocol_type, flexible)?;
        to.at("JoinGroupRequest.protocols");
        to.array(&self.protocols, flexible, |to, item| item.encode(to, version))?;
        if version >= 8 {
            to.at("JoinGroupRequest.reason");
            to.nullable_string(self.reason.as_deref(), true, flexible)?;
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        decodable(from, "JoinGroupRequest", version, 0, 9)?;
        from.at("JoinGroupRequest.group_id");
        let group_id = from.string(flexible)?;
        from.at("JoinGroupRequest.session_timeout_ms");
        let session_timeout_ms = from.i32()?;
        let rebalance_timeout_ms = if version >= 1 {
            from.at("JoinGroupRequest.rebalance_timeout_ms");
            from.i32()?
        } else {
            -1
        };
        from.at("JoinGroupRequest.member_id");
        let member_id = from.string(flexible)?;
        let group_instance_id = if version >= 5 {
            from.at("JoinGroupRequest.group_instance_id");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        from.at("JoinGroupRequest.protocol_type");
        let protocol_type = from.string(flexible)?;
        from.at("JoinGroupRequest.protocols");
        let protocols = from.array(flexible, 3, |from| JoinGroupRequestProtocol::decode(from, version))?;
        let reason = if version >= 8 {
            from.at("JoinGroupRequest.reason");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self {
            group_id,
            session_timeout_ms,
            rebalance_timeout_ms,
            member_id,
            group_instance_id,
            protocol_type,
            protocols,
            reason,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct JoinGroupRequestProtocol {
    pub name: String,
    pub metadata: Bytes,
}

impl Message for JoinGroupRequestProtocol {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        to.at("JoinGroupRequestProtocol.name");
        to.string(&self.name, flexible)?;
        to.at("JoinGroupRequestProtocol.metadata");
        to.bytes(&self.metadata, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        from.at("JoinGroupRequestProtocol.name");
        let name = from.string(flexible)?;
        from.at("JoinGroupRequestProtocol.metadata");
        let metadata = from.bytes(flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, metadata })
    }
}

impl Request for JoinGroupRequest {
    const KEY: ApiKey = ApiKey::JoinGroup;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 9;
    type Response = crate::messages::JoinGroupResponse;
}

/// Versions 0 to 9.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinGroupResponse {
    /// From version 2.
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub generation_id: i32,
    /// From version 7.
    pub protocol_type: Option<String>,
    pub protocol_name: Option<String>,
    pub leader: String,
    /// From version 9.
    pub skip_assignment: bool,
    pub member_id: String,
    pub members: Vec<JoinGroupResponseMember>,
}

impl Default for JoinGroupResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            generation_id: -1,
            protocol_type: None,
            protocol_name: None,
            leader: String::new(),
            skip_assignment: false,
            member_id: String::new(),
            members: Vec::new(),
        }
    }
}

impl Message for JoinGroupResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        encodable("JoinGroupResponse", version, 0, 9)?;
        if version >= 2 {
            to.i32(self.throttle_time_ms);
        }
        to.i16(self.error_code);
        to.i32(self.generation_id);
        if version >= 7 {
            to.at("JoinGroupResponse.protocol_type");
            to.nullable_string(self.protocol_type.as_deref(), true, flexible)?;
        }
        to.at("JoinGroupResponse.protocol_name");
        to.nullable_string(self.protocol_name.as_deref(), version >= 7, flexible)?;
        to.at("JoinGroupResponse.leader");
        to.string(&self.leader, flexible)?;
        if version >= 9 {
            to.bool(self.skip_assignment);
        } else if self.skip_assignment {
            return Err(EncodeError::not_in_version("JoinGroupResponse.skip_assignment", version));
        }
        to.at("JoinGroupResponse.member_id");
        to.string(&self.member_id, flexible)?;
        to.at("JoinGroupResponse.members");
        to.array(&self.members, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        decodable(from, "JoinGroupResponse", version, 0, 9)?;
        let throttle_time_ms = if version >= 2 {
            from.at("JoinGroupResponse.throttle_time_ms");
            from.i32()?
        } else {
            0
        };
        from.at("JoinGroupResponse.error_code");
        let error_code = from.i16()?;
        from.at("JoinGroupResponse.generation_id");
        let generation_id = from.i32()?;
        let protocol_type = if version >= 7 {
            from.at("JoinGroupResponse.protocol_type");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        from.at("JoinGroupResponse.protocol_name");
        let protocol_name = from.nullable_string(version >= 7, flexible)?;
        from.at("JoinGroupResponse.leader");
        let leader = from.string(flexible)?;
        let skip_assignment = if version >= 9 {
            from.at("JoinGroupResponse.skip_assignment");
            from.bool()?
        } else {
            false
        };
        from.at("JoinGroupResponse.member_id");
        let member_id = from.string(flexible)?;
        from.at("JoinGroupResponse.members");
        let members = from.array(flexible, 4, |from| JoinGroupResponseMember::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self {
            throttle_time_ms,
            error_code,
            generation_id,
            protocol_type,
            protocol_name,
            leader,
            skip_assignment,
            member_id,
            members,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct JoinGroupResponseMember {
    pub member_id: String,
    /// From version 5.
    pub group_instance_id: Option<String>,
    pub metadata: Bytes,
}

impl Message for JoinGroupResponseMember {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        to.at("JoinGroupResponseMember.member_id");
        to.string(&self.member_id, flexible)?;
        if version >= 5 {
            to.at("JoinGroupResponseMember.group_instance_id");
            to.nullable_string(self.group_instance_id.as_deref(), true, flexible)?;
        }
        to.at("JoinGroupResponseMember.metadata");
        to.bytes(&self.metadata, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        from.at("JoinGroupResponseMember.member_id");
        let member_id = from.string(flexible)?;
        let group_instance_id = if version >= 5 {
            from.at("JoinGroupResponseMember.group_instance_id");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        from.at("JoinGroupResponseMember.metadata");
        let metadata = from.bytes(flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { member_id, group_instance_id, metadata })
    }
}

impl Response for JoinGroupResponse {
    const KEY: ApiKey = ApiKey::JoinGroup;
}
