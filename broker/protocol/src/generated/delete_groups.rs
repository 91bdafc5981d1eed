// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Deletes empty groups (KIP-229).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 3.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteGroupsRequest {
    pub groups_names: Vec<String>,
}

impl Message for DeleteGroupsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("DeleteGroupsRequest", version, 0, 3)?;
        to.at("DeleteGroupsRequest.groups_names");
        to.array(&self.groups_names, flexible, |to, item| to.string(item, flexible))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "DeleteGroupsRequest", version, 0, 3)?;
        from.at("DeleteGroupsRequest.groups_names");
        let groups_names = from.array(flexible, 1, |from| from.string(flexible))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { groups_names })
    }
}

impl Request for DeleteGroupsRequest {
    const KEY: ApiKey = ApiKey::DeleteGroups;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 3;
    type Response = crate::messages::DeleteGroupsResponse;
}

/// Versions 0 to 3.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteGroupsResponse {
    pub throttle_time_ms: i32,
    pub results: Vec<DeletableGroupResult>,
}

impl Message for DeleteGroupsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("DeleteGroupsResponse", version, 0, 3)?;
        to.i32(self.throttle_time_ms);
        to.at("DeleteGroupsResponse.results");
        to.array(&self.results, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "DeleteGroupsResponse", version, 0, 3)?;
        from.at("DeleteGroupsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("DeleteGroupsResponse.results");
        let results = from.array(flexible, 4, |from| DeletableGroupResult::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, results })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeletableGroupResult {
    pub group_id: String,
    pub error_code: i16,
    /// From version 3.
    pub error_message: Option<String>,
}

impl Message for DeletableGroupResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.at("DeletableGroupResult.group_id");
        to.string(&self.group_id, flexible)?;
        to.i16(self.error_code);
        if version >= 3 {
            to.at("DeletableGroupResult.error_message");
            to.nullable_string(self.error_message.as_deref(), true, flexible)?;
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("DeletableGroupResult.group_id");
        let group_id = from.string(flexible)?;
        from.at("DeletableGroupResult.error_code");
        let error_code = from.i16()?;
        let error_message = if version >= 3 {
            from.at("DeletableGroupResult.error_message");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { group_id, error_code, error_message })
    }
}

impl Response for DeleteGroupsResponse {
    const KEY: ApiKey = ApiKey::DeleteGroups;
}
