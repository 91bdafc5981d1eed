// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Replaces all settings of a resource; superseded by IncrementalAlterConfigs.

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterConfigsRequest {
    pub resources: Vec<AlterConfigsResource>,
    pub validate_only: bool,
}

impl Message for AlterConfigsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("AlterConfigsRequest", version, 0, 2)?;
        to.at("AlterConfigsRequest.resources");
        to.array(&self.resources, flexible, |to, item| item.encode(to, version))?;
        to.bool(self.validate_only);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "AlterConfigsRequest", version, 0, 2)?;
        from.at("AlterConfigsRequest.resources");
        let resources = from.array(flexible, 4, |from| AlterConfigsResource::decode(from, version))?;
        from.at("AlterConfigsRequest.validate_only");
        let validate_only = from.bool()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { resources, validate_only })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterConfigsResource {
    pub resource_type: i8,
    pub resource_name: String,
    pub configs: Vec<AlterableConfig>,
}

impl Message for AlterConfigsResource {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.i8(self.resource_type);
        to.at("AlterConfigsResource.resource_name");
        to.string(&self.resource_name, flexible)?;
        to.at("AlterConfigsResource.configs");
        to.array(&self.configs, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("AlterConfigsResource.resource_type");
        let resource_type = from.i8()?;
        from.at("AlterConfigsResource.resource_name");
        let resource_name = from.string(flexible)?;
        from.at("AlterConfigsResource.configs");
        let configs = from.array(flexible, 3, |from| AlterableConfig::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { resource_type, resource_name, configs })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterableConfig {
    pub name: String,
    pub value: Option<String>,
}

impl Message for AlterableConfig {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.at("AlterableConfig.name");
        to.string(&self.name, flexible)?;
        to.at("AlterableConfig.value");
        to.nullable_string(self.value.as_deref(), true, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("AlterableConfig.name");
        let name = from.string(flexible)?;
        from.at("AlterableConfig.value");
        let value = from.nullable_string(true, flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, value })
    }
}

impl Request for AlterConfigsRequest {
    const KEY: ApiKey = ApiKey::AlterConfigs;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 2;
    type Response = crate::messages::AlterConfigsResponse;
}

/// Versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterConfigsResponse {
    pub throttle_time_ms: i32,
    pub responses: Vec<AlterConfigsResourceResponse>,
}

impl Message for AlterConfigsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("AlterConfigsResponse", version, 0, 2)?;
        to.i32(self.throttle_time_ms);
        to.at("AlterConfigsResponse.responses");
        to.array(&self.responses, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "AlterConfigsResponse", version, 0, 2)?;
        from.at("AlterConfigsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("AlterConfigsResponse.responses");
        let responses =
            from.array(flexible, 6, |from| AlterConfigsResourceResponse::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, responses })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterConfigsResourceResponse {
    pub error_code: i16,
    pub error_message: Option<String>,
    pub resource_type: i8,
    pub resource_name: String,
}

impl Message for AlterConfigsResourceResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        to.i16(self.error_code);
        to.at("AlterConfigsResourceResponse.error_message");
        to.nullable_string(self.error_message.as_deref(), true, flexible)?;
        to.i8(self.resource_type);
        to.at("AlterConfigsResourceResponse.resource_name");
        to.string(&self.resource_name, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        from.at("AlterConfigsResourceResponse.error_code");
        let error_code = from.i16()?;
        from.at("AlterConfigsResourceResponse.error_message");
        let error_message = from.nullable_string(true, flexible)?;
        from.at("AlterConfigsResourceResponse.resource_type");
        let resource_type = from.i8()?;
        from.at("AlterConfigsResourceResponse.resource_name");
        let resource_name = from.string(flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { error_code, error_message, resource_type, resource_name })
    }
}

impl Response for AlterConfigsResponse {
    const KEY: ApiKey = ApiKey::AlterConfigs;
}
