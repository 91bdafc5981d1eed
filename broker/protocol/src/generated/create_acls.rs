// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Adds access rules; prefixed patterns from 1 (KIP-290).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 1 to 3.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreateAclsRequest {
    pub creations: Vec<AclCreation>,
}

impl Message for CreateAclsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("CreateAclsRequest", version, 1, 3)?;
        to.at("CreateAclsRequest.creations");
        to.array(&self.creations, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "CreateAclsRequest", version, 1, 3)?;
        from.at("CreateAclsRequest.creations");
        let creations = from.array(flexible, 8, |from| AclCreation::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { creations })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct AclCreation {
    pub resource_type: i8,
    pub resource_name: String,
    pub resource_pattern_type: i8,
    pub principal: String,
    pub host: String,
    pub operation: i8,
    pub permission_type: i8,
}

impl Default for AclCreation {
    fn default() -> Self {
        Self {
            resource_type: 0,
            resource_name: String::new(),
            resource_pattern_type: 3,
            principal: String::new(),
            host: String::new(),
            operation: 0,
            permission_type: 0,
        }
    }
}

impl Message for AclCreation {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.i8(self.resource_type);
        to.at("AclCreation.resource_name");
        to.string(&self.resource_name, flexible)?;
        to.i8(self.resource_pattern_type);
        to.at("AclCreation.principal");
        to.string(&self.principal, flexible)?;
        to.at("AclCreation.host");
        to.string(&self.host, flexible)?;
        to.i8(self.operation);
        to.i8(self.permission_type);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("AclCreation.resource_type");
        let resource_type = from.i8()?;
        from.at("AclCreation.resource_name");
        let resource_name = from.string(flexible)?;
        from.at("AclCreation.resource_pattern_type");
        let resource_pattern_type = from.i8()?;
        from.at("AclCreation.principal");
        let principal = from.string(flexible)?;
        from.at("AclCreation.host");
        let host = from.string(flexible)?;
        from.at("AclCreation.operation");
        let operation = from.i8()?;
        from.at("AclCreation.permission_type");
        let permission_type = from.i8()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self {
            resource_type,
            resource_name,
            resource_pattern_type,
            principal,
            host,
            operation,
            permission_type,
        })
    }
}

impl Request for CreateAclsRequest {
    const KEY: ApiKey = ApiKey::CreateAcls;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 3;
    type Response = crate::messages::CreateAclsResponse;
}

/// Versions 1 to 3.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreateAclsResponse {
    pub throttle_time_ms: i32,
    pub results: Vec<AclCreationResult>,
}

impl Message for CreateAclsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("CreateAclsResponse", version, 1, 3)?;
        to.i32(self.throttle_time_ms);
        to.at("CreateAclsResponse.results");
        to.array(&self.results, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "CreateAclsResponse", version, 1, 3)?;
        from.at("CreateAclsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("CreateAclsResponse.results");
        let results = from.array(flexible, 4, |from| AclCreationResult::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, results })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct AclCreationResult {
    pub error_code: i16,
    pub error_message: Option<String>,
}

impl Message for AclCreationResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.i16(self.error_code);
        to.at("AclCreationResult.error_message");
        to.nullable_string(self.error_message.as_deref(), true, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("AclCreationResult.error_code");
        let error_code = from.i16()?;
        from.at("AclCreationResult.error_message");
        let error_message = from.nullable_string(true, flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { error_code, error_message })
    }
}

impl Response for CreateAclsResponse {
    const KEY: ApiKey = ApiKey::CreateAcls;
}
