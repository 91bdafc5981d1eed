// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Says which APIs, versions and features a broker has.
//!
//! The response always uses response header 0, and a request of an unknown version is answered in version 0
//! with error 35, so that a newer client can find a common version. Features from 3 (KIP-584), the expected
//! cluster and node from 5 (KIP-1242).

use crate::primitives::{TagWriter, decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 5.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiVersionsRequest {
    /// From version 3.
    pub client_software_name: String,
    /// From version 3.
    pub client_software_version: String,
    /// From version 5.
    pub cluster_id: Option<String>,
    /// From version 5.
    pub node_id: i32,
}

impl Default for ApiVersionsRequest {
    fn default() -> Self {
        Self {
            client_software_name: String::new(),
            client_software_version: String::new(),
            cluster_id: None,
            node_id: -1,
        }
    }
}

impl Message for ApiVersionsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        encodable("ApiVersionsRequest", version, 0, 5)?;
        if version >= 3 {
            to.at("ApiVersionsRequest.client_software_name");
            to.string(&self.client_software_name, flexible)?;
        }
        if version >= 3 {
            to.at("ApiVersionsRequest.client_software_version");
            to.string(&self.client_software_version, flexible)?;
        }
        if version >= 5 {
            to.at("ApiVersionsRequest.cluster_id");
            to.nullable_string(self.cluster_id.as_deref(), true, flexible)?;
        }
        if version >= 5 {
            to.i32(self.node_id);
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        decodable(from, "ApiVersionsRequest", version, 0, 5)?;
        let client_software_name = if version >= 3 {
            from.at("ApiVersionsRequest.client_software_name");
            from.string(flexible)?
        } else {
            String::new()
        };
        let client_software_version = if version >= 3 {
            from.at("ApiVersionsRequest.client_software_version");
            from.string(flexible)?
        } else {
            String::new()
        };
        let cluster_id = if version >= 5 {
            from.at("ApiVersionsRequest.cluster_id");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        let node_id = if version >= 5 {
            from.at("ApiVersionsRequest.node_id");
            from.i32()?
        } else {
            -1
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { client_software_name, client_software_version, cluster_id, node_id })
    }
}

impl Request for ApiVersionsRequest {
    const KEY: ApiKey = ApiKey::ApiVersions;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 5;
    type Response = crate::messages::ApiVersionsResponse;
}

/// Versions 0 to 5.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiVersionsResponse {
    pub error_code: i16,
    pub api_keys: Vec<ApiVersion>,
    /// From version 1.
    pub throttle_time_ms: i32,
    /// From version 3.
    pub supported_features: Vec<SupportedFeatureKey>,
    /// From version 3.
    pub finalized_features_epoch: i64,
    /// From version 3.
    pub finalized_features: Vec<FinalizedFeatureKey>,
    /// From version 3.
    pub zk_migration_ready: bool,
}

impl Default for ApiVersionsResponse {
    fn default() -> Self {
        Self {
            error_code: 0,
            api_keys: Vec::new(),
            throttle_time_ms: 0,
            supported_features: Vec::new(),
            finalized_features_epoch: -1,
            finalized_features: Vec::new(),
            zk_migration_ready: false,
        }
    }
}

impl Message for ApiVersionsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        encodable("ApiVersionsResponse", version, 0, 5)?;
        to.i16(self.error_code);
        to.at("ApiVersionsResponse.api_keys");
        to.array(&self.api_keys, flexible, |to, item| item.encode(to, version))?;
        if version >= 1 {
            to.i32(self.throttle_time_ms);
        }
        let mut tags = TagWriter::new();
        if version >= 3 && !self.supported_features.is_empty() {
            tags.field(0, |to| {
                to.at("ApiVersionsResponse.supported_features");
                to.array(&self.supported_features, flexible, |to, item| item.encode(to, version))?;
                Ok(())
            })?;
        }
        if version >= 3 && self.finalized_features_epoch != -1 {
            tags.field(1, |to| {
                to.i64(self.finalized_features_epoch);
                Ok(())
            })?;
        }
        if version >= 3 && !self.finalized_features.is_empty() {
            tags.field(2, |to| {
                to.at("ApiVersionsResponse.finalized_features");
                to.array(&self.finalized_features, flexible, |to, item| item.encode(to, version))?;
                Ok(())
            })?;
        }
        if version >= 3 && self.zk_migration_ready {
            tags.field(3, |to| {
                to.bool(self.zk_migration_ready);
                Ok(())
            })?;
        }
        if flexible {
            tags.finish(to);
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        decodable(from, "ApiVersionsResponse", version, 0, 5)?;
        from.at("ApiVersionsResponse.error_code");
        let error_code = from.i16()?;
        from.at("ApiVersionsResponse.api_keys");
        let api_keys = from.array(flexible, 6, |from| ApiVersion::decode(from, version))?;
        let throttle_time_ms = if version >= 1 {
            from.at("ApiVersionsResponse.throttle_time_ms");
            from.i32()?
        } else {
            0
        };
        let mut supported_features = Vec::new();
        let mut finalized_features_epoch = -1;
        let mut finalized_features = Vec::new();
        let mut zk_migration_ready = false;
        if flexible {
            from.tags(|tag, from| {
                match tag {
                    0 => {
                        from.at("ApiVersionsResponse.supported_features");
                        supported_features =
                            from.array(flexible, 6, |from| SupportedFeatureKey::decode(from, version))?;
                    }
                    1 => {
                        from.at("ApiVersionsResponse.finalized_features_epoch");
                        finalized_features_epoch = from.i64()?;
                    }
                    2 => {
                        from.at("ApiVersionsResponse.finalized_features");
                        finalized_features =
                            from.array(flexible, 6, |from| FinalizedFeatureKey::decode(from, version))?;
                    }
                    3 => {
                        from.at("ApiVersionsResponse.zk_migration_ready");
                        zk_migration_ready = from.bool()?;
                    }
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(Self {
            error_code,
            api_keys,
            throttle_time_ms,
            supported_features,
            finalized_features_epoch,
            finalized_features,
            zk_migration_ready,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ApiVersion {
    pub api_key: i16,
    pub min_version: i16,
    pub max_version: i16,
}

impl Message for ApiVersion {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        to.i16(self.api_key);
        to.i16(self.min_version);
        to.i16(self.max_version);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        from.at("ApiVersion.api_key");
        let api_key = from.i16()?;
        from.at("ApiVersion.min_version");
        let min_version = from.i16()?;
        from.at("ApiVersion.max_version");
        let max_version = from.i16()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { api_key, min_version, max_version })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct SupportedFeatureKey {
    pub name: String,
    pub min_version: i16,
    pub max_version: i16,
}

impl Message for SupportedFeatureKey {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        to.at("SupportedFeatureKey.name");
        to.string(&self.name, flexible)?;
        to.i16(self.min_version);
        to.i16(self.max_version);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        from.at("SupportedFeatureKey.name");
        let name = from.string(flexible)?;
        from.at("SupportedFeatureKey.min_version");
        let min_version = from.i16()?;
        from.at("SupportedFeatureKey.max_version");
        let max_version = from.i16()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, min_version, max_version })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct FinalizedFeatureKey {
    pub name: String,
    pub max_version_level: i16,
    pub min_version_level: i16,
}

impl Message for FinalizedFeatureKey {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        to.at("FinalizedFeatureKey.name");
        to.string(&self.name, flexible)?;
        to.i16(self.max_version_level);
        to.i16(self.min_version_level);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        from.at("FinalizedFeatureKey.name");
        let name = from.string(flexible)?;
        from.at("FinalizedFeatureKey.max_version_level");
        let max_version_level = from.i16()?;
        from.at("FinalizedFeatureKey.min_version_level");
        let min_version_level = from.i16()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, max_version_level, min_version_level })
    }
}

impl Response for ApiVersionsResponse {
    const KEY: ApiKey = ApiKey::ApiVersions;
}
