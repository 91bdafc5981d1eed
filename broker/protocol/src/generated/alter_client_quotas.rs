// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Sets client quotas (KIP-546).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterClientQuotasRequest {
    pub entries: Vec<AlterClientQuotasEntryData>,
    pub validate_only: bool,
}

impl Message for AlterClientQuotasRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        encodable("AlterClientQuotasRequest", version, 0, 1)?;
        to.at("AlterClientQuotasRequest.entries");
        to.array(&self.entries, flexible, |to, item| item.encode(to, version))?;
        to.bool(self.validate_only);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        decodable(from, "AlterClientQuotasRequest", version, 0, 1)?;
        from.at("AlterClientQuotasRequest.entries");
        let entries = from.array(flexible, 3, |from| AlterClientQuotasEntryData::decode(from, version))?;
        from.at("AlterClientQuotasRequest.validate_only");
        let validate_only = from.bool()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { entries, validate_only })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterClientQuotasEntryData {
    pub entity: Vec<AlterClientQuotasEntityData>,
    pub ops: Vec<OpData>,
}

impl Message for AlterClientQuotasEntryData {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        to.at("AlterClientQuotasEntryData.entity");
        to.array(&self.entity, flexible, |to, item| item.encode(to, version))?;
        to.at("AlterClientQuotasEntryData.ops");
        to.array(&self.ops, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        from.at("AlterClientQuotasEntryData.entity");
        let entity = from.array(flexible, 3, |from| AlterClientQuotasEntityData::decode(from, version))?;
        from.at("AlterClientQuotasEntryData.ops");
        let ops = from.array(flexible, 11, |from| OpData::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { entity, ops })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterClientQuotasEntityData {
    pub entity_type: String,
    pub entity_name: Option<String>,
}

impl Message for AlterClientQuotasEntityData {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        to.at("AlterClientQuotasEntityData.entity_type");
        to.string(&self.entity_type, flexible)?;
        to.at("AlterClientQuotasEntityData.entity_name");
        to.nullable_string(self.entity_name.as_deref(), true, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        from.at("AlterClientQuotasEntityData.entity_type");
        let entity_type = from.string(flexible)?;
        from.at("AlterClientQuotasEntityData.entity_name");
        let entity_name = from.nullable_string(true, flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { entity_type, entity_name })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct OpData {
    pub key: String,
    pub value: f64,
    pub remove: bool,
}

impl Message for OpData {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        to.at("OpData.key");
        to.string(&self.key, flexible)?;
        to.f64(self.value);
        to.bool(self.remove);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        from.at("OpData.key");
        let key = from.string(flexible)?;
        from.at("OpData.value");
        let value = from.f64()?;
        from.at("OpData.remove");
        let remove = from.bool()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { key, value, remove })
    }
}

impl Request for AlterClientQuotasRequest {
    const KEY: ApiKey = ApiKey::AlterClientQuotas;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 1;
    type Response = crate::messages::AlterClientQuotasResponse;
}

/// Versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterClientQuotasResponse {
    pub throttle_time_ms: i32,
    pub entries: Vec<AlterClientQuotasEntryDataResponse>,
}

impl Message for AlterClientQuotasResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        encodable("AlterClientQuotasResponse", version, 0, 1)?;
        to.i32(self.throttle_time_ms);
        to.at("AlterClientQuotasResponse.entries");
        to.array(&self.entries, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        decodable(from, "AlterClientQuotasResponse", version, 0, 1)?;
        from.at("AlterClientQuotasResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("AlterClientQuotasResponse.entries");
        let entries =
            from.array(flexible, 5, |from| AlterClientQuotasEntryDataResponse::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, entries })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterClientQuotasEntryDataResponse {
    pub error_code: i16,
    pub error_message: Option<String>,
    pub entity: Vec<AlterClientQuotasEntityDataResponse>,
}

impl Message for AlterClientQuotasEntryDataResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        to.i16(self.error_code);
        to.at("AlterClientQuotasEntryDataResponse.error_message");
        to.nullable_string(self.error_message.as_deref(), true, flexible)?;
        to.at("AlterClientQuotasEntryDataResponse.entity");
        to.array(&self.entity, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        from.at("AlterClientQuotasEntryDataResponse.error_code");
        let error_code = from.i16()?;
        from.at("AlterClientQuotasEntryDataResponse.error_message");
        let error_message = from.nullable_string(true, flexible)?;
        from.at("AlterClientQuotasEntryDataResponse.entity");
        let entity =
            from.array(flexible, 3, |from| AlterClientQuotasEntityDataResponse::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { error_code, error_message, entity })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterClientQuotasEntityDataResponse {
    pub entity_type: String,
    pub entity_name: Option<String>,
}

impl Message for AlterClientQuotasEntityDataResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        to.at("AlterClientQuotasEntityDataResponse.entity_type");
        to.string(&self.entity_type, flexible)?;
        to.at("AlterClientQuotasEntityDataResponse.entity_name");
        to.nullable_string(self.entity_name.as_deref(), true, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        from.at("AlterClientQuotasEntityDataResponse.entity_type");
        let entity_type = from.string(flexible)?;
        from.at("AlterClientQuotasEntityDataResponse.entity_name");
        let entity_name = from.nullable_string(true, flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { entity_type, entity_name })
    }
}

impl Response for AlterClientQuotasResponse {
    const KEY: ApiKey = ApiKey::AlterClientQuotas;
}
