// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Lists groups by state (from 4, KIP-518) and type (from 5, KIP-848).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListGroupsRequest {
    /// From version 4.
    pub states_filter: Vec<String>,
    /// From version 5.
    pub types_filter: Vec<String>,
}

impl Message for ListGroupsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        encodable("ListGroupsRequest", version, 0, 5)?;
        if version >= 4 {
            to.at("ListGroupsRequest.states_filter");
            to.array(&self.states_filter, flexible, |to, item| to.string(item, flexible))?;
        } else if !self.states_filter.is_empty() {
            return Err(EncodeError::not_in_version("ListGroupsRequest.states_filter", version));
        }
        if version >= 5 {
            to.at("ListGroupsRequest.types_filter");
            to.array(&self.types_filter, flexible, |to, item| to.string(item, flexible))?;
        } else if !self.types_filter.is_empty() {
            return Err(EncodeError::not_in_version("ListGroupsRequest.types_filter", version));
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        decodable(from, "ListGroupsRequest", version, 0, 5)?;
        let states_filter = if version >= 4 {
            from.at("ListGroupsRequest.states_filter");
            from.array(flexible, 1, |from| from.string(flexible))?
        } else {
            Vec::new()
        };
        let types_filter = if version >= 5 {
            from.at("ListGroupsRequest.types_filter");
            from.array(flexible, 1, |from| from.string(flexible))?
        } else {
            Vec::new()
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { states_filter, types_filter })
    }
}

impl Request for ListGroupsRequest {
    const KEY: ApiKey = ApiKey::ListGroups;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 5;
    type Response = crate::messages::ListGroupsResponse;
}

/// Versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListGroupsResponse {
    /// From version 1.
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub groups: Vec<ListedGroup>,
}

impl Message for ListGroupsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        encodable("ListGroupsResponse", version, 0, 5)?;
        if version >= 1 {
            to.i32(self.throttle_time_ms);
        }
        to.i16(self.error_code);
        to.at("ListGroupsResponse.groups");
        to.array(&self.groups, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        decodable(from, "ListGroupsResponse", version, 0, 5)?;
        let throttle_time_ms = if version >= 1 {
            from.at("ListGroupsResponse.throttle_time_ms");
            from.i32()?
        } else {
            0
        };
        from.at("ListGroupsResponse.error_code");
        let error_code = from.i16()?;
        from.at("ListGroupsResponse.groups");
        let groups = from.array(flexible, 3, |from| ListedGroup::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, error_code, groups })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListedGroup {
    pub group_id: String,
    pub protocol_type: String,
    /// From version 4.
    pub group_state: String,
    /// From version 5.
    pub group_type: String,
}

impl Message for ListedGroup {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        to.at("ListedGroup.group_id");
        to.string(&self.group_id, flexible)?;
        to.at("ListedGroup.protocol_type");
        to.string(&self.protocol_type, flexible)?;
        if version >= 4 {
            to.at("ListedGroup.group_state");
            to.string(&self.group_state, flexible)?;
        }
        if version >= 5 {
            to.at("ListedGroup.group_type");
            to.string(&self.group_type, flexible)?;
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        from.at("ListedGroup.group_id");
        let group_id = from.string(flexible)?;
        from.at("ListedGroup.protocol_type");
        let protocol_type = from.string(flexible)?;
        let group_state = if version >= 4 {
            from.at("ListedGroup.group_state");
            from.string(flexible)?
        } else {
            String::new()
        };
        let group_type = if version >= 5 {
            from.at("ListedGroup.group_type");
            from.string(flexible)?
        } else {
            String::new()
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { group_id, protocol_type, group_state, group_type })
    }
}

impl Response for ListGroupsResponse {
    const KEY: ApiKey = ApiKey::ListGroups;
}
