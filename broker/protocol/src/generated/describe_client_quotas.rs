// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Lists client quotas by entity (KIP-546).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeClientQuotasRequest {
    pub components: Vec<ComponentData>,
    pub strict: bool,
}

impl Message for DescribeClientQuotasRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        encodable("DescribeClientQuotasRequest", version, 0, 1)?;
        to.at("DescribeClientQuotasRequest.components");
        to.array(&self.components, flexible, |to, item| item.encode(to, version))?;
        to.bool(self.strict);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        decodable(from, "DescribeClientQuotasRequest", version, 0, 1)?;
        from.at("DescribeClientQuotasRequest.components");
        let components = from.array(flexible, 4, |from| ComponentData::decode(from, version))?;
        from.at("DescribeClientQuotasRequest.strict");
        let strict = from.bool()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { components, strict })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ComponentData {
    pub entity_type: String,
    pub match_type: i8,
    pub match_name: Option<String>,
}

impl Message for ComponentData {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        to.at("ComponentData.entity_type");
        to.string(&self.entity_type, flexible)?;
        to.i8(self.match_type);
        to.at("ComponentData.match_name");
        to.nullable_string(self.match_name.as_deref(), true, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        from.at("ComponentData.entity_type");
        let entity_type = from.string(flexible)?;
        from.at("ComponentData.match_type");
        let match_type = from.i8()?;
        from.at("ComponentData.match_name");
        let match_name = from.nullable_string(true, flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { entity_type, match_type, match_name })
    }
}

impl Request for DescribeClientQuotasRequest {
    const KEY: ApiKey = ApiKey::DescribeClientQuotas;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 1;
    type Response = crate::messages::DescribeClientQuotasResponse;
}

/// Versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeClientQuotasResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
    pub entries: Option<Vec<DescribeClientQuotasEntryData>>,
}

impl Message for DescribeClientQuotasResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        encodable("DescribeClientQuotasResponse", version, 0, 1)?;
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.at("DescribeClientQuotasResponse.error_message");
        to.nullable_string(self.error_message.as_deref(), true, flexible)?;
        to.at("DescribeClientQuotasResponse.entries");
        to.nullable_array(self.entries.as_deref(), true, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        decodable(from, "DescribeClientQuotasResponse", version, 0, 1)?;
        from.at("DescribeClientQuotasResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("DescribeClientQuotasResponse.error_code");
        let error_code = from.i16()?;
        from.at("DescribeClientQuotasResponse.error_message");
        let error_message = from.nullable_string(true, flexible)?;
        from.at("DescribeClientQuotasResponse.entries");
        let entries = from
            .nullable_array(true, flexible, 3, |from| DescribeClientQuotasEntryData::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, error_code, error_message, entries })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeClientQuotasEntryData {
    pub entity: Vec<DescribeClientQuotasEntityData>,
    pub values: Vec<ValueData>,
}

impl Message for DescribeClientQuotasEntryData {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        to.at("DescribeClientQuotasEntryData.entity");
        to.array(&self.entity, flexible, |to, item| item.encode(to, version))?;
        to.at("DescribeClientQuotasEntryData.values");
        to.array(&self.values, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        from.at("DescribeClientQuotasEntryData.entity");
        let entity = from.array(flexible, 3, |from| DescribeClientQuotasEntityData::decode(from, version))?;
        from.at("DescribeClientQuotasEntryData.values");
        let values = from.array(flexible, 10, |from| ValueData::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { entity, values })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeClientQuotasEntityData {
    pub entity_type: String,
    pub entity_name: Option<String>,
}

impl Message for DescribeClientQuotasEntityData {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        to.at("DescribeClientQuotasEntityData.entity_type");
        to.string(&self.entity_type, flexible)?;
        to.at("DescribeClientQuotasEntityData.entity_name");
        to.nullable_string(self.entity_name.as_deref(), true, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        from.at("DescribeClientQuotasEntityData.entity_type");
        let entity_type = from.string(flexible)?;
        from.at("DescribeClientQuotasEntityData.entity_name");
        let entity_name = from.nullable_string(true, flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { entity_type, entity_name })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ValueData {
    pub key: String,
    pub value: f64,
}

impl Message for ValueData {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        to.at("ValueData.key");
        to.string(&self.key, flexible)?;
        to.f64(self.value);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        from.at("ValueData.key");
        let key = from.string(flexible)?;
        from.at("ValueData.value");
        let value = from.f64()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { key, value })
    }
}

impl Response for DescribeClientQuotasResponse {
    const KEY: ApiKey = ApiKey::DescribeClientQuotas;
}
