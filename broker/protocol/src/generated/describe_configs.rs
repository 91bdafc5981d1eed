// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Reads the settings of topics, brokers and groups; types and documentation from 3 (KIP-569).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 1 to 4.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeConfigsRequest {
    pub resources: Vec<DescribeConfigsResource>,
    pub include_synonyms: bool,
    /// From version 3.
    pub include_documentation: bool,
}

impl Message for DescribeConfigsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        encodable("DescribeConfigsRequest", version, 1, 4)?;
        to.at("DescribeConfigsRequest.resources");
        to.array(&self.resources, flexible, |to, item| item.encode(to, version))?;
        to.bool(self.include_synonyms);
        if version >= 3 {
            to.bool(self.include_documentation);
        } else if self.include_documentation {
            return Err(EncodeError::not_in_version("DescribeConfigsRequest.include_documentation", version));
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        decodable(from, "DescribeConfigsRequest", version, 1, 4)?;
        from.at("DescribeConfigsRequest.resources");
        let resources = from.array(flexible, 4, |from| DescribeConfigsResource::decode(from, version))?;
        from.at("DescribeConfigsRequest.include_synonyms");
        let include_synonyms = from.bool()?;
        let include_documentation = if version >= 3 {
            from.at("DescribeConfigsRequest.include_documentation");
            from.bool()?
        } else {
            false
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { resources, include_synonyms, include_documentation })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeConfigsResource {
    pub resource_type: i8,
    pub resource_name: String,
    pub configuration_keys: Option<Vec<String>>,
}

impl Message for DescribeConfigsResource {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        to.i8(self.resource_type);
        to.at("DescribeConfigsResource.resource_name");
        to.string(&self.resource_name, flexible)?;
        to.at("DescribeConfigsResource.configuration_keys");
        to.nullable_array(self.configuration_keys.as_deref(), true, flexible, |to, item| {
            to.string(item, flexible)
        })?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        from.at("DescribeConfigsResource.resource_type");
        let resource_type = from.i8()?;
        from.at("DescribeConfigsResource.resource_name");
        let resource_name = from.string(flexible)?;
        from.at("DescribeConfigsResource.configuration_keys");
        let configuration_keys = from.nullable_array(true, flexible, 1, |from| from.string(flexible))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { resource_type, resource_name, configuration_keys })
    }
}

impl Request for DescribeConfigsRequest {
    const KEY: ApiKey = ApiKey::DescribeConfigs;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 4;
    type Response = crate::messages::DescribeConfigsResponse;
}

/// Versions 1 to 4.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeConfigsResponse {
    pub throttle_time_ms: i32,
    pub results: Vec<DescribeConfigsResult>,
}

impl Message for DescribeConfigsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        encodable("DescribeConfigsResponse", version, 1, 4)?;
        to.i32(self.throttle_time_ms);
        to.at("DescribeConfigsResponse.results");
        to.array(&self.results, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        decodable(from, "DescribeConfigsResponse", version, 1, 4)?;
        from.at("DescribeConfigsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("DescribeConfigsResponse.results");
        let results = from.array(flexible, 7, |from| DescribeConfigsResult::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, results })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeConfigsResult {
    pub error_code: i16,
    pub error_message: Option<String>,
    pub resource_type: i8,
    pub resource_name: String,
    pub configs: Vec<DescribeConfigsResourceResult>,
}

impl Message for DescribeConfigsResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        to.i16(self.error_code);
        to.at("DescribeConfigsResult.error_message");
        to.nullable_string(self.error_message.as_deref(), true, flexible)?;
        to.i8(self.resource_type);
        to.at("DescribeConfigsResult.resource_name");
        to.string(&self.resource_name, flexible)?;
        to.at("DescribeConfigsResult.configs");
        to.array(&self.configs, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        from.at("DescribeConfigsResult.error_code");
        let error_code = from.i16()?;
        from.at("DescribeConfigsResult.error_message");
        let error_message = from.nullable_string(true, flexible)?;
        from.at("DescribeConfigsResult.resource_type");
        let resource_type = from.i8()?;
        from.at("DescribeConfigsResult.resource_name");
        let resource_name = from.string(flexible)?;
        from.at("DescribeConfigsResult.configs");
        let configs = from.array(flexible, 9, |from| DescribeConfigsResourceResult::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { error_code, error_message, resource_type, resource_name, configs })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct DescribeConfigsResourceResult {
    pub name: String,
    pub value: Option<String>,
    pub read_only: bool,
    pub config_source: i8,
    pub is_sensitive: bool,
    pub synonyms: Vec<DescribeConfigsSynonym>,
    /// From version 3.
    pub config_type: i8,
    /// From version 3.
    pub documentation: Option<String>,
}

impl Default for DescribeConfigsResourceResult {
    fn default() -> Self {
        Self {
            name: String::new(),
            value: None,
            read_only: false,
            config_source: -1,
            is_sensitive: false,
            synonyms: Vec::new(),
            config_type: 0,
            documentation: None,
        }
    }
}

impl Message for DescribeConfigsResourceResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        to.at("DescribeConfigsResourceResult.name");
        to.string(&self.name, flexible)?;
        to.at("DescribeConfigsResourceResult.value");
        to.nullable_string(self.value.as_deref(), true, flexible)?;
        to.bool(self.read_only);
        to.i8(self.config_source);
        to.bool(self.is_sensitive);
        to.at("DescribeConfigsResourceResult.synonyms");
        to.array(&self.synonyms, flexible, |to, item| item.encode(to, version))?;
        if version >= 3 {
            to.i8(self.config_type);
        }
        if version >= 3 {
            to.at("DescribeConfigsResourceResult.documentation");
            to.nullable_string(self.documentation.as_deref(), true, flexible)?;
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        from.at("DescribeConfigsResourceResult.name");
        let name = from.string(flexible)?;
        from.at("DescribeConfigsResourceResult.value");
        let value = from.nullable_string(true, flexible)?;
        from.at("DescribeConfigsResourceResult.read_only");
        let read_only = from.bool()?;
        from.at("DescribeConfigsResourceResult.config_source");
        let config_source = from.i8()?;
        from.at("DescribeConfigsResourceResult.is_sensitive");
        let is_sensitive = from.bool()?;
        from.at("DescribeConfigsResourceResult.synonyms");
        let synonyms = from.array(flexible, 4, |from| DescribeConfigsSynonym::decode(from, version))?;
        let config_type = if version >= 3 {
            from.at("DescribeConfigsResourceResult.config_type");
            from.i8()?
        } else {
            0
        };
        let documentation = if version >= 3 {
            from.at("DescribeConfigsResourceResult.documentation");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, value, read_only, config_source, is_sensitive, synonyms, config_type, documentation })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeConfigsSynonym {
    pub name: String,
    pub value: Option<String>,
    pub source: i8,
}

impl Message for DescribeConfigsSynonym {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        to.at("DescribeConfigsSynonym.name");
        to.string(&self.name, flexible)?;
        to.at("DescribeConfigsSynonym.value");
        to.nullable_string(self.value.as_deref(), true, flexible)?;
        to.i8(self.source);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        from.at("DescribeConfigsSynonym.name");
        let name = from.string(flexible)?;
        from.at("DescribeConfigsSynonym.value");
        let value = from.nullable_string(true, flexible)?;
        from.at("DescribeConfigsSynonym.source");
        let source = from.i8()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, value, source })
    }
}

impl Response for DescribeConfigsResponse {
    const KEY: ApiKey = ApiKey::DescribeConfigs;
}
