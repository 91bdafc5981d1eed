// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Sets (0), deletes (1), appends to (2) or subtracts from (3) single settings (KIP-339).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IncrementalAlterConfigsRequest {
    pub resources: Vec<IncrementalAlterConfigsResource>,
    pub validate_only: bool,
}

impl Message for IncrementalAlterConfigsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        encodable("IncrementalAlterConfigsRequest", version, 0, 1)?;
        to.at("IncrementalAlterConfigsRequest.resources");
        to.array(&self.resources, flexible, |to, item| item.encode(to, version))?;
        to.bool(self.validate_only);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        decodable(from, "IncrementalAlterConfigsRequest", version, 0, 1)?;
        from.at("IncrementalAlterConfigsRequest.resources");
        let resources =
            from.array(flexible, 4, |from| IncrementalAlterConfigsResource::decode(from, version))?;
        from.at("IncrementalAlterConfigsRequest.validate_only");
        let validate_only = from.bool()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { resources, validate_only })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct IncrementalAlterConfigsResource {
    pub resource_type: i8,
    pub resource_name: String,
    pub configs: Vec<IncrementalAlterableConfig>,
}

impl Message for IncrementalAlterConfigsResource {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        to.i8(self.resource_type);
        to.at("IncrementalAlterConfigsResource.resource_name");
        to.string(&self.resource_name, flexible)?;
        to.at("IncrementalAlterConfigsResource.configs");
        to.array(&self.configs, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        from.at("IncrementalAlterConfigsResource.resource_type");
        let resource_type = from.i8()?;
        from.at("IncrementalAlterConfigsResource.resource_name");
        let resource_name = from.string(flexible)?;
        from.at("IncrementalAlterConfigsResource.configs");
        let configs = from.array(flexible, 4, |from| IncrementalAlterableConfig::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { resource_type, resource_name, configs })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct IncrementalAlterableConfig {
    pub name: String,
    pub config_operation: i8,
    pub value: Option<String>,
}

impl Message for IncrementalAlterableConfig {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        to.at("IncrementalAlterableConfig.name");
        to.string(&self.name, flexible)?;
        to.i8(self.config_operation);
        to.at("IncrementalAlterableConfig.value");
        to.nullable_string(self.value.as_deref(), true, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        from.at("IncrementalAlterableConfig.name");
        let name = from.string(flexible)?;
        from.at("IncrementalAlterableConfig.config_operation");
        let config_operation = from.i8()?;
        from.at("IncrementalAlterableConfig.value");
        let value = from.nullable_string(true, flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, config_operation, value })
    }
}

impl Request for IncrementalAlterConfigsRequest {
    const KEY: ApiKey = ApiKey::IncrementalAlterConfigs;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 1;
    type Response = crate::messages::IncrementalAlterConfigsResponse;
}

/// Versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IncrementalAlterConfigsResponse {
    pub throttle_time_ms: i32,
    pub responses: Vec<IncrementalAlterConfigsResourceResponse>,
}

impl Message for IncrementalAlterConfigsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        encodable("IncrementalAlterConfigsResponse", version, 0, 1)?;
        to.i32(self.throttle_time_ms);
        to.at("IncrementalAlterConfigsResponse.responses");
        to.array(&self.responses, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        decodable(from, "IncrementalAlterConfigsResponse", version, 0, 1)?;
        from.at("IncrementalAlterConfigsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("IncrementalAlterConfigsResponse.responses");
        let responses =
            from.array(flexible, 6, |from| IncrementalAlterConfigsResourceResponse::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, responses })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct IncrementalAlterConfigsResourceResponse {
    pub error_code: i16,
    pub error_message: Option<String>,
    pub resource_type: i8,
    pub resource_name: String,
}

impl Message for IncrementalAlterConfigsResourceResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        to.i16(self.error_code);
        to.at("IncrementalAlterConfigsResourceResponse.error_message");
        to.nullable_string(self.error_message.as_deref(), true, flexible)?;
        to.i8(self.resource_type);
        to.at("IncrementalAlterConfigsResourceResponse.resource_name");
        to.string(&self.resource_name, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        from.at("IncrementalAlterConfigsResourceResponse.error_code");
        let error_code = from.i16()?;
        from.at("IncrementalAlterConfigsResourceResponse.error_message");
        let error_message = from.nullable_string(true, flexible)?;
        from.at("IncrementalAlterConfigsResourceResponse.resource_type");
        let resource_type = from.i8()?;
        from.at("IncrementalAlterConfigsResourceResponse.resource_name");
        let resource_name = from.string(flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { error_code, error_message, resource_type, resource_name })
    }
}

impl Response for IncrementalAlterConfigsResponse {
    const KEY: ApiKey = ApiKey::IncrementalAlterConfigs;
}
