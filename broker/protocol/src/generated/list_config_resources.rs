// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Lists resources that have settings of their own; only client metrics in version 0 (KIP-714, 1142).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListConfigResourcesRequest {
    /// From version 1.
    pub resource_types: Vec<i8>,
}

impl Message for ListConfigResourcesRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ListConfigResourcesRequest", version, 0, 1)?;
        if version >= 1 {
            to.at("ListConfigResourcesRequest.resource_types");
            to.array(&self.resource_types, true, |to, item| {
                to.i8(*item);
                Ok(())
            })?;
        } else if !self.resource_types.is_empty() {
            return Err(EncodeError::not_in_version("ListConfigResourcesRequest.resource_types", version));
        }
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ListConfigResourcesRequest", version, 0, 1)?;
        let resource_types = if version >= 1 {
            from.at("ListConfigResourcesRequest.resource_types");
            from.array(true, 1, Decoder::i8)?
        } else {
            Vec::new()
        };
        from.skip_tags()?;
        Ok(Self { resource_types })
    }
}

impl Request for ListConfigResourcesRequest {
    const KEY: ApiKey = ApiKey::ListConfigResources;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 1;
    type Response = crate::messages::ListConfigResourcesResponse;
}

/// Versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListConfigResourcesResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub config_resources: Vec<ConfigResource>,
}

impl Message for ListConfigResourcesResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ListConfigResourcesResponse", version, 0, 1)?;
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.at("ListConfigResourcesResponse.config_resources");
        to.array(&self.config_resources, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ListConfigResourcesResponse", version, 0, 1)?;
        from.at("ListConfigResourcesResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("ListConfigResourcesResponse.error_code");
        let error_code = from.i16()?;
        from.at("ListConfigResourcesResponse.config_resources");
        let config_resources = from.array(true, 2, |from| ConfigResource::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { throttle_time_ms, error_code, config_resources })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct ConfigResource {
    pub resource_name: String,
    /// From version 1.
    pub resource_type: i8,
}

impl Default for ConfigResource {
    fn default() -> Self {
        Self { resource_name: String::new(), resource_type: 16 }
    }
}

impl Message for ConfigResource {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.at("ConfigResource.resource_name");
        to.string(&self.resource_name, true)?;
        if version >= 1 {
            to.i8(self.resource_type);
        }
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("ConfigResource.resource_name");
        let resource_name = from.string(true)?;
        let resource_type = if version >= 1 {
            from.at("ConfigResource.resource_type");
            from.i8()?
        } else {
            16
        };
        from.skip_tags()?;
        Ok(Self { resource_name, resource_type })
    }
}

impl Response for ListConfigResourcesResponse {
    const KEY: ApiKey = ApiKey::ListConfigResources;
}
