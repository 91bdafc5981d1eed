// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Describes brokers and the controller (KIP-700).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 2.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeClusterRequest {
    pub include_cluster_authorized_operations: bool,
    /// From version 1.
    pub endpoint_type: i8,
    /// From version 2.
    pub include_fenced_brokers: bool,
}

impl Default for DescribeClusterRequest {
    fn default() -> Self {
        Self { include_cluster_authorized_operations: false, endpoint_type: 1, include_fenced_brokers: false }
    }
}

impl Message for DescribeClusterRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("DescribeClusterRequest", version, 0, 2)?;
        to.bool(self.include_cluster_authorized_operations);
        if version >= 1 {
            to.i8(self.endpoint_type);
        } else if self.endpoint_type != 1 {
            return Err(EncodeError::not_in_version("DescribeClusterRequest.endpoint_type", version));
        }
        if version >= 2 {
            to.bool(self.include_fenced_brokers);
        } else if self.include_fenced_brokers {
            return Err(EncodeError::not_in_version(
                "DescribeClusterRequest.include_fenced_brokers",
                version,
            ));
        }
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "DescribeClusterRequest", version, 0, 2)?;
        from.at("DescribeClusterRequest.include_cluster_authorized_operations");
        let include_cluster_authorized_operations = from.bool()?;
        let endpoint_type = if version >= 1 {
            from.at("DescribeClusterRequest.endpoint_type");
            from.i8()?
        } else {
            1
        };
        let include_fenced_brokers = if version >= 2 {
            from.at("DescribeClusterRequest.include_fenced_brokers");
            from.bool()?
        } else {
            false
        };
        from.skip_tags()?;
        Ok(Self { include_cluster_authorized_operations, endpoint_type, include_fenced_brokers })
    }
}

impl Request for DescribeClusterRequest {
    const KEY: ApiKey = ApiKey::DescribeCluster;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 2;
    type Response = crate::messages::DescribeClusterResponse;
}

/// Versions 0 to 2.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeClusterResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
    /// From version 1.
    pub endpoint_type: i8,
    pub cluster_id: String,
    pub controller_id: i32,
    pub brokers: Vec<DescribeClusterBroker>,
    pub cluster_authorized_operations: i32,
}

impl Default for DescribeClusterResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            error_message: None,
            endpoint_type: 1,
            cluster_id: String::new(),
            controller_id: -1,
            brokers: Vec::new(),
            cluster_authorized_operations: i32::MIN,
        }
    }
}

impl Message for DescribeClusterResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("DescribeClusterResponse", version, 0, 2)?;
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.at("DescribeClusterResponse.error_message");
        to.nullable_string(self.error_message.as_deref(), true, true)?;
        if version >= 1 {
            to.i8(self.endpoint_type);
        } else if self.endpoint_type != 1 {
            return Err(EncodeError::not_in_version("DescribeClusterResponse.endpoint_type", version));
        }
        to.at("DescribeClusterResponse.cluster_id");
        to.string(&self.cluster_id, true)?;
        to.i32(self.controller_id);
        to.at("DescribeClusterResponse.brokers");
        to.array(&self.brokers, true, |to, item| item.encode(to, version))?;
        to.i32(self.cluster_authorized_operations);
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "DescribeClusterResponse", version, 0, 2)?;
        from.at("DescribeClusterResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("DescribeClusterResponse.error_code");
        let error_code = from.i16()?;
        from.at("DescribeClusterResponse.error_message");
        let error_message = from.nullable_string(true, true)?;
        let endpoint_type = if version >= 1 {
            from.at("DescribeClusterResponse.endpoint_type");
            from.i8()?
        } else {
            1
        };
        from.at("DescribeClusterResponse.cluster_id");
        let cluster_id = from.string(true)?;
        from.at("DescribeClusterResponse.controller_id");
        let controller_id = from.i32()?;
        from.at("DescribeClusterResponse.brokers");
        let brokers = from.array(true, 11, |from| DescribeClusterBroker::decode(from, version))?;
        from.at("DescribeClusterResponse.cluster_authorized_operations");
        let cluster_authorized_operations = from.i32()?;
        from.skip_tags()?;
        Ok(Self {
            throttle_time_ms,
            error_code,
            error_message,
            endpoint_type,
            cluster_id,
            controller_id,
            brokers,
            cluster_authorized_operations,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeClusterBroker {
    pub broker_id: i32,
    pub host: String,
    pub port: i32,
    pub rack: Option<String>,
    /// From version 2.
    pub is_fenced: bool,
}

impl Message for DescribeClusterBroker {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.i32(self.broker_id);
        to.at("DescribeClusterBroker.host");
        to.string(&self.host, true)?;
        to.i32(self.port);
        to.at("DescribeClusterBroker.rack");
        to.nullable_string(self.rack.as_deref(), true, true)?;
        if version >= 2 {
            to.bool(self.is_fenced);
        } else if self.is_fenced {
            return Err(EncodeError::not_in_version("DescribeClusterBroker.is_fenced", version));
        }
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("DescribeClusterBroker.broker_id");
        let broker_id = from.i32()?;
        from.at("DescribeClusterBroker.host");
        let host = from.string(true)?;
        from.at("DescribeClusterBroker.port");
        let port = from.i32()?;
        from.at("DescribeClusterBroker.rack");
        let rack = from.nullable_string(true, true)?;
        let is_fenced = if version >= 2 {
            from.at("DescribeClusterBroker.is_fenced");
            from.bool()?
        } else {
            false
        };
        from.skip_tags()?;
        Ok(Self { broker_id, host, port, rack, is_fenced })
    }
}

impl Response for DescribeClusterResponse {
    const KEY: ApiKey = ApiKey::DescribeCluster;
}
