// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Describes classic groups and their members. From 6 an unknown group is an error instead of a dead group
//! (KIP-1043).

use bytes::Bytes;

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 6.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeGroupsRequest {
    pub groups: Vec<String>,
    /// From version 3.
    pub include_authorized_operations: bool,
}

impl Message for DescribeGroupsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 5;
        encodable("DescribeGroupsRequest", version, 0, 6)?;
        to.at("DescribeGroupsRequest.groups");
        to.array(&self.groups, flexible, |to, item| to.string(item, flexible))?;
        if version >= 3 {
            to.bool(self.include_authorized_operations);
        } else if self.include_authorized_operations {
            return Err(EncodeError::not_in_version(
                "DescribeGroupsRequest.include_authorized_operations",
                version,
            ));
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 5;
        decodable(from, "DescribeGroupsRequest", version, 0, 6)?;
        from.at("DescribeGroupsRequest.groups");
        let groups = from.array(flexible, 1, |from| from.string(flexible))?;
        let include_authorized_operations = if version >= 3 {
            from.at("DescribeGroupsRequest.include_authorized_operations");
            from.bool()?
        } else {
            false
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { groups, include_authorized_operations })
    }
}

impl Request for DescribeGroupsRequest {
    const KEY: ApiKey = ApiKey::DescribeGroups;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 6;
    type Response = crate::messages::DescribeGroupsResponse;
}

/// Versions 0 to 6.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeGroupsResponse {
    /// From version 1.
    pub throttle_time_ms: i32,
    pub groups: Vec<DescribedGroup>,
}

impl Message for DescribeGroupsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 5;
        encodable("DescribeGroupsResponse", version, 0, 6)?;
        if version >= 1 {
            to.i32(self.throttle_time_ms);
        }
        to.at("DescribeGroupsResponse.groups");
        to.array(&self.groups, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 5;
        decodable(from, "DescribeGroupsResponse", version, 0, 6)?;
        let throttle_time_ms = if version >= 1 {
            from.at("DescribeGroupsResponse.throttle_time_ms");
            from.i32()?
        } else {
            0
        };
        from.at("DescribeGroupsResponse.groups");
        let groups = from.array(flexible, 12, |from| DescribedGroup::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, groups })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct DescribedGroup {
    pub error_code: i16,
    /// From version 6.
    pub error_message: Option<String>,
    pub group_id: String,
    pub group_state: String,
    pub protocol_type: String,
    pub protocol_data: String,
    pub members: Vec<DescribedGroupMember>,
    /// From version 3.
    pub authorized_operations: i32,
}

impl Default for DescribedGroup {
    fn default() -> Self {
        Self {
            error_code: 0,
            error_message: None,
            group_id: String::new(),
            group_state: String::new(),
            protocol_type: String::new(),
            protocol_data: String::new(),
            members: Vec::new(),
            authorized_operations: i32::MIN,
        }
    }
}

impl Message for DescribedGroup {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 5;
        to.i16(self.error_code);
        if version >= 6 {
            to.at("DescribedGroup.error_message");
            to.nullable_string(self.error_message.as_deref(), true, flexible)?;
        } else if self.error_message.is_some() {
            return Err(EncodeError::not_in_version("DescribedGroup.error_message", version));
        }
        to.at("DescribedGroup.group_id");
        to.string(&self.group_id, flexible)?;
        to.at("DescribedGroup.group_state");
        to.string(&self.group_state, flexible)?;
        to.at("DescribedGroup.protocol_type");
        to.string(&self.protocol_type, flexible)?;
        to.at("DescribedGroup.protocol_data");
        to.string(&self.protocol_data, flexible)?;
        to.at("DescribedGroup.members");
        to.array(&self.members, flexible, |to, item| item.encode(to, version))?;
        if version >= 3 {
            to.i32(self.authorized_operations);
        } else if self.authorized_operations != i32::MIN {
            return Err(EncodeError::not_in_version("DescribedGroup.authorized_operations", version));
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 5;
        from.at("DescribedGroup.error_code");
        let error_code = from.i16()?;
        let error_message = if version >= 6 {
            from.at("DescribedGroup.error_message");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        from.at("DescribedGroup.group_id");
        let group_id = from.string(flexible)?;
        from.at("DescribedGroup.group_state");
        let group_state = from.string(flexible)?;
        from.at("DescribedGroup.protocol_type");
        let protocol_type = from.string(flexible)?;
        from.at("DescribedGroup.protocol_data");
        let protocol_data = from.string(flexible)?;
        from.at("DescribedGroup.members");
        let members = from.array(flexible, 7, |from| DescribedGroupMember::decode(from, version))?;
        let authorized_operations = if version >= 3 {
            from.at("DescribedGroup.authorized_operations");
            from.i32()?
        } else {
            i32::MIN
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self {
            error_code,
            error_message,
            group_id,
            group_state,
            protocol_type,
            protocol_data,
            members,
            authorized_operations,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribedGroupMember {
    pub member_id: String,
    /// From version 4.
    pub group_instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub member_metadata: Bytes,
    pub member_assignment: Bytes,
}

impl Message for DescribedGroupMember {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 5;
        to.at("DescribedGroupMember.member_id");
        to.string(&self.member_id, flexible)?;
        if version >= 4 {
            to.at("DescribedGroupMember.group_instance_id");
            to.nullable_string(self.group_instance_id.as_deref(), true, flexible)?;
        }
        to.at("DescribedGroupMember.client_id");
        to.string(&self.client_id, flexible)?;
        to.at("DescribedGroupMember.client_host");
        to.string(&self.client_host, flexible)?;
        to.at("DescribedGroupMember.member_metadata");
        to.bytes(&self.member_metadata, flexible)?;
        to.at("DescribedGroupMember.member_assignment");
        to.bytes(&self.member_assignment, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 5;
        from.at("DescribedGroupMember.member_id");
        let member_id = from.string(flexible)?;
        let group_instance_id = if version >= 4 {
            from.at("DescribedGroupMember.group_instance_id");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        from.at("DescribedGroupMember.client_id");
        let client_id = from.string(flexible)?;
        from.at("DescribedGroupMember.client_host");
        let client_host = from.string(flexible)?;
        from.at("DescribedGroupMember.member_metadata");
        let member_metadata = from.bytes(flexible)?;
        from.at("DescribedGroupMember.member_assignment");
        let member_assignment = from.bytes(flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { member_id, group_instance_id, client_id, client_host, member_metadata, member_assignment })
    }
}

impl Response for DescribeGroupsResponse {
    const KEY: ApiKey = ApiKey::DescribeGroups;
}
