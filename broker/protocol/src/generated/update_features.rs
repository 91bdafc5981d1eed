// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Sets the level of cluster features (KIP-584).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 2.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateFeaturesRequest {
    pub timeout_ms: i32,
    pub feature_updates: Vec<FeatureUpdateKey>,
    /// From version 1.
    pub validate_only: bool,
}

impl Default for UpdateFeaturesRequest {
    fn default() -> Self {
        Self { timeout_ms: 60000, feature_updates: Vec::new(), validate_only: false }
    }
}

impl Message for UpdateFeaturesRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("UpdateFeaturesRequest", version, 0, 2)?;
        to.i32(self.timeout_ms);
        to.at("UpdateFeaturesRequest.feature_updates");
        to.array(&self.feature_updates, true, |to, item| item.encode(to, version))?;
        if version >= 1 {
            to.bool(self.validate_only);
        } else if self.validate_only {
            return Err(EncodeError::not_in_version("UpdateFeaturesRequest.validate_only", version));
        }
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "UpdateFeaturesRequest", version, 0, 2)?;
        from.at("UpdateFeaturesRequest.timeout_ms");
        let timeout_ms = from.i32()?;
        from.at("UpdateFeaturesRequest.feature_updates");
        let feature_updates = from.array(true, 5, |from| FeatureUpdateKey::decode(from, version))?;
        let validate_only = if version >= 1 {
            from.at("UpdateFeaturesRequest.validate_only");
            from.bool()?
        } else {
            false
        };
        from.skip_tags()?;
        Ok(Self { timeout_ms, feature_updates, validate_only })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct FeatureUpdateKey {
    pub feature: String,
    pub max_version_level: i16,
    /// Only in version 0.
    pub allow_downgrade: bool,
    /// From version 1.
    pub upgrade_type: i8,
}

impl Default for FeatureUpdateKey {
    fn default() -> Self {
        Self { feature: String::new(), max_version_level: 0, allow_downgrade: false, upgrade_type: 1 }
    }
}

impl Message for FeatureUpdateKey {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.at("FeatureUpdateKey.feature");
        to.string(&self.feature, true)?;
        to.i16(self.max_version_level);
        if version <= 0 {
            to.bool(self.allow_downgrade);
        } else if self.allow_downgrade {
            return Err(EncodeError::not_in_version("FeatureUpdateKey.allow_downgrade", version));
        }
        if version >= 1 {
            to.i8(self.upgrade_type);
        } else if self.upgrade_type != 1 {
            return Err(EncodeError::not_in_version("FeatureUpdateKey.upgrade_type", version));
        }
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("FeatureUpdateKey.feature");
        let feature = from.string(true)?;
        from.at("FeatureUpdateKey.max_version_level");
        let max_version_level = from.i16()?;
        let allow_downgrade = if version <= 0 {
            from.at("FeatureUpdateKey.allow_downgrade");
            from.bool()?
        } else {
            false
        };
        let upgrade_type = if version >= 1 {
            from.at("FeatureUpdateKey.upgrade_type");
            from.i8()?
        } else {
            1
        };
        from.skip_tags()?;
        Ok(Self { feature, max_version_level, allow_downgrade, upgrade_type })
    }
}

impl Request for UpdateFeaturesRequest {
    const KEY: ApiKey = ApiKey::UpdateFeatures;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 2;
    type Response = crate::messages::UpdateFeaturesResponse;
}

/// Versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UpdateFeaturesResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
    /// Versions 0 to 1.
    pub results: Vec<UpdatableFeatureResult>,
}

impl Message for UpdateFeaturesResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("UpdateFeaturesResponse", version, 0, 2)?;
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.at("UpdateFeaturesResponse.error_message");
        to.nullable_string(self.error_message.as_deref(), true, true)?;
        if version <= 1 {
            to.at("UpdateFeaturesResponse.results");
            to.array(&self.results, true, |to, item| item.encode(to, version))?;
        }
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "UpdateFeaturesResponse", version, 0, 2)?;
        from.at("UpdateFeaturesResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("UpdateFeaturesResponse.error_code");
        let error_code = from.i16()?;
        from.at("UpdateFeaturesResponse.error_message");
        let error_message = from.nullable_string(true, true)?;
        let results = if version <= 1 {
            from.at("UpdateFeaturesResponse.results");
            from.array(true, 5, |from| UpdatableFeatureResult::decode(from, version))?
        } else {
            Vec::new()
        };
        from.skip_tags()?;
        Ok(Self { throttle_time_ms, error_code, error_message, results })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct UpdatableFeatureResult {
    pub feature: String,
    pub error_code: i16,
    pub error_message: Option<String>,
}

impl Message for UpdatableFeatureResult {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.at("UpdatableFeatureResult.feature");
        to.string(&self.feature, true)?;
        to.i16(self.error_code);
        to.at("UpdatableFeatureResult.error_message");
        to.nullable_string(self.error_message.as_deref(), true, true)?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("UpdatableFeatureResult.feature");
        let feature = from.string(true)?;
        from.at("UpdatableFeatureResult.error_code");
        let error_code = from.i16()?;
        from.at("UpdatableFeatureResult.error_message");
        let error_message = from.nullable_string(true, true)?;
        from.skip_tags()?;
        Ok(Self { feature, error_code, error_message })
    }
}

impl Response for UpdateFeaturesResponse {
    const KEY: ApiKey = ApiKey::UpdateFeatures;
}
