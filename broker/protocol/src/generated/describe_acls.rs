// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Lists access rules by filter; prefixed patterns from 1 (KIP-290).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 1 to 3.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeAclsRequest {
    pub resource_type_filter: i8,
    pub resource_name_filter: Option<String>,
    pub pattern_type_filter: i8,
    pub principal_filter: Option<String>,
    pub host_filter: Option<String>,
    pub operation: i8,
    pub permission_type: i8,
}

impl Default for DescribeAclsRequest {
    fn default() -> Self {
        Self {
            resource_type_filter: 0,
            resource_name_filter: None,
            pattern_type_filter: 3,
            principal_filter: None,
            host_filter: None,
            operation: 0,
            permission_type: 0,
        }
    }
}

impl Message for DescribeAclsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("DescribeAclsRequest", version, 1, 3)?;
        to.i8(self.resource_type_filter);
        to.at("DescribeAclsRequest.resource_name_filter");
        to.nullable_string(self.resource_name_filter.as_deref(), true, flexible)?;
        to.i8(self.pattern_type_filter);
        to.at("DescribeAclsRequest.principal_filter");
        to.nullable_string(self.principal_filter.as_deref(), true, flexible)?;
        to.at("DescribeAclsRequest.host_filter");
        to.nullable_string(self.host_filter.as_deref(), true, flexible)?;
        to.i8(self.operation);
        to.i8(self.permission_type);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "DescribeAclsRequest", version, 1, 3)?;
        from.at("DescribeAclsRequest.resource_type_filter");
        let resource_type_filter = from.i8()?;
        from.at("DescribeAclsRequest.resource_name_filter");
        let resource_name_filter = from.nullable_string(true, flexible)?;
        from.at("DescribeAclsRequest.pattern_type_filter");
        let pattern_type_filter = from.i8()?;
        from.at("DescribeAclsRequest.principal_filter");
        let principal_filter = from.nullable_string(true, flexible)?;
        from.at("DescribeAclsRequest.host_filter");
        let host_filter = from.nullable_string(true, flexible)?;
        from.at("DescribeAclsRequest.operation");
        let operation = from.i8()?;
        from.at("DescribeAclsRequest.permission_type");
        let permission_type = from.i8()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self {
            resource_type_filter,
            resource_name_filter,
            pattern_type_filter,
            principal_filter,
            host_filter,
            operation,
            permission_type,
        })
    }
}

impl Request for DescribeAclsRequest {
    const KEY: ApiKey = ApiKey::DescribeAcls;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 3;
    type Response = crate::messages::DescribeAclsResponse;
}

/// Versions 1 to 3.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeAclsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
    pub resources: Vec<DescribeAclsResource>,
}

impl Message for DescribeAclsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("DescribeAclsResponse", version, 1, 3)?;
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.at("DescribeAclsResponse.error_message");
        to.nullable_string(self.error_message.as_deref(), true, flexible)?;
        to.at("DescribeAclsResponse.resources");
        to.array(&self.resources, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "DescribeAclsResponse", version, 1, 3)?;
        from.at("DescribeAclsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("DescribeAclsResponse.error_code");
        let error_code = from.i16()?;
        from.at("DescribeAclsResponse.error_message");
        let error_message = from.nullable_string(true, flexible)?;
        from.at("DescribeAclsResponse.resources");
        let resources = from.array(flexible, 5, |from| DescribeAclsResource::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, error_code, error_message, resources })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct DescribeAclsResource {
    pub resource_type: i8,
    pub resource_name: String,
    pub pattern_type: i8,
    pub acls: Vec<AclDescription>,
}

impl Default for DescribeAclsResource {
    fn default() -> Self {
        Self { resource_type: 0, resource_name: String::new(), pattern_type: 3, acls: Vec::new() }
    }
}

impl Message for DescribeAclsResource {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.i8(self.resource_type);
        to.at("DescribeAclsResource.resource_name");
        to.string(&self.resource_name, flexible)?;
        to.i8(self.pattern_type);
        to.at("DescribeAclsResource.acls");
        to.array(&self.acls, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("DescribeAclsResource.resource_type");
        let resource_type = from.i8()?;
        from.at("DescribeAclsResource.resource_name");
        let resource_name = from.string(flexible)?;
        from.at("DescribeAclsResource.pattern_type");
        let pattern_type = from.i8()?;
        from.at("DescribeAclsResource.acls");
        let acls = from.array(flexible, 5, |from| AclDescription::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { resource_type, resource_name, pattern_type, acls })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct AclDescription {
    pub principal: String,
    pub host: String,
    pub operation: i8,
    pub permission_type: i8,
}

impl Message for AclDescription {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.at("AclDescription.principal");
        to.string(&self.principal, flexible)?;
        to.at("AclDescription.host");
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
        from.at("AclDescription.principal");
        let principal = from.string(flexible)?;
        from.at("AclDescription.host");
        let host = from.string(flexible)?;
        from.at("AclDescription.operation");
        let operation = from.i8()?;
        from.at("AclDescription.permission_type");
        let permission_type = from.i8()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { principal, host, operation, permission_type })
    }
}

impl Response for DescribeAclsResponse {
    const KEY: ApiKey = ApiKey::DescribeAcls;
}
