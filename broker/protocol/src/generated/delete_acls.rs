// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Deletes access rules by filter; prefixed patterns from 1 (KIP-290).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 1 to 3.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteAclsRequest {
    pub filters: Vec<DeleteAclsFilter>,
}

impl Message for DeleteAclsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("DeleteAclsRequest", version, 1, 3)?;
        to.at("DeleteAclsRequest.filters");
        to.array(&self.filters, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "DeleteAclsRequest", version, 1, 3)?;
        from.at("DeleteAclsRequest.filters");
        let filters = from.array(flexible, 8, |from| DeleteAclsFilter::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { filters })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct DeleteAclsFilter {
    pub resource_type_filter: i8,
    pub resource_name_filter: Option<String>,
    pub pattern_type_filter: i8,
    pub principal_filter: Option<String>,
    pub host_filter: Option<String>,
    pub operation: i8,
    pub permission_type: i8,
}

impl Default for DeleteAclsFilter {
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

impl Message for DeleteAclsFilter {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.i8(self.resource_type_filter);
        to.at("DeleteAclsFilter.resource_name_filter");
        to.nullable_string(self.resource_name_filter.as_deref(), true, flexible)?;
        to.i8(self.pattern_type_filter);
        to.at("DeleteAclsFilter.principal_filter");
        to.nullable_string(self.principal_filter.as_deref(), true, flexible)?;
        to.at("DeleteAclsFilter.host_filter");
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
        from.at("DeleteAclsFilter.resource_type_filter");
        let resource_type_filter = from.i8()?;
        from.at("DeleteAclsFilter.resource_name_filter");
        let resource_name_filter = from.nullable_string(true, flexible)?;
        from.at("DeleteAclsFilter.pattern_type_filter");
        let pattern_type_filter = from.i8()?;
        from.at("DeleteAclsFilter.principal_filter");
        let principal_filter = from.nullable_string(true, flexible)?;
        from.at("DeleteAclsFilter.host_filter");
        let host_filter = from.nullable_string(true, flexible)?;
        from.at("DeleteAclsFilter.operation");
        let operation = from.i8()?;
        from.at("DeleteAclsFilter.permission_type");
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

impl Request for DeleteAclsRequest {
    const KEY: ApiKey = ApiKey::DeleteAcls;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 3;
    type Response = crate::messages::DeleteAclsResponse;
}

/// Versions 1 to 3.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteAclsResponse {
    pub throttle_time_ms: i32,
    pub filter_results: Vec<DeleteAclsFilterResult>,
}

impl Message for DeleteAclsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("DeleteAclsResponse", version, 1, 3)?;
        to.i32(self.throttle_time_ms);
        to.at("DeleteAclsResponse.filter_results");
        to.array(&self.filter_results, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "DeleteAclsResponse", version, 1, 3)?;
        from.at("DeleteAclsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("DeleteAclsResponse.filter_results");
        let filter_results = from.array(flexible, 5, |from| DeleteAclsFilterResult::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, filter_results })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteAclsFilterResult {
    pub error_code: i16,
    pub error_message: Option<String>,
    pub matching_acls: Vec<DeleteAclsMatchingAcl>,
}

impl Message for DeleteAclsFilterResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.i16(self.error_code);
        to.at("DeleteAclsFilterResult.error_message");
        to.nullable_string(self.error_message.as_deref(), true, flexible)?;
        to.at("DeleteAclsFilterResult.matching_acls");
        to.array(&self.matching_acls, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("DeleteAclsFilterResult.error_code");
        let error_code = from.i16()?;
        from.at("DeleteAclsFilterResult.error_message");
        let error_message = from.nullable_string(true, flexible)?;
        from.at("DeleteAclsFilterResult.matching_acls");
        let matching_acls = from.array(flexible, 11, |from| DeleteAclsMatchingAcl::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { error_code, error_message, matching_acls })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct DeleteAclsMatchingAcl {
    pub error_code: i16,
    pub error_message: Option<String>,
    pub resource_type: i8,
    pub resource_name: String,
    pub pattern_type: i8,
    pub principal: String,
    pub host: String,
    pub operation: i8,
    pub permission_type: i8,
}

impl Default for DeleteAclsMatchingAcl {
    fn default() -> Self {
        Self {
            error_code: 0,
            error_message: None,
            resource_type: 0,
            resource_name: String::new(),
            pattern_type: 3,
            principal: String::new(),
            host: String::new(),
            operation: 0,
            permission_type: 0,
        }
    }
}

impl Message for DeleteAclsMatchingAcl {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.i16(self.error_code);
        to.at("DeleteAclsMatchingAcl.error_message");
        to.nullable_string(self.error_message.as_deref(), true, flexible)?;
        to.i8(self.resource_type);
        to.at("DeleteAclsMatchingAcl.resource_name");
        to.string(&self.resource_name, flexible)?;
        to.i8(self.pattern_type);
        to.at("DeleteAclsMatchingAcl.principal");
        to.string(&self.principal, flexible)?;
        to.at("DeleteAclsMatchingAcl.host");
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
        from.at("DeleteAclsMatchingAcl.error_code");
        let error_code = from.i16()?;
        from.at("DeleteAclsMatchingAcl.error_message");
        let error_message = from.nullable_string(true, flexible)?;
        from.at("DeleteAclsMatchingAcl.resource_type");
        let resource_type = from.i8()?;
        from.at("DeleteAclsMatchingAcl.resource_name");
        let resource_name = from.string(flexible)?;
        from.at("DeleteAclsMatchingAcl.pattern_type");
        let pattern_type = from.i8()?;
        from.at("DeleteAclsMatchingAcl.principal");
        let principal = from.string(flexible)?;
        from.at("DeleteAclsMatchingAcl.host");
        let host = from.string(flexible)?;
        from.at("DeleteAclsMatchingAcl.operation");
        let operation = from.i8()?;
        from.at("DeleteAclsMatchingAcl.permission_type");
        let permission_type = from.i8()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self {
            error_code,
            error_message,
            resource_type,
            resource_name,
            pattern_type,
            principal,
            host,
            operation,
            permission_type,
        })
    }
}

impl Response for DeleteAclsResponse {
    const KEY: ApiKey = ApiKey::DeleteAcls;
}
