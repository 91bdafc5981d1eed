// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Carries a client's metrics (KIP-714).

use bytes::Bytes;

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response, Uuid};

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PushTelemetryRequest {
    pub client_instance_id: Uuid,
    pub subscription_id: i32,
    pub terminating: bool,
    pub compression_type: i8,
    pub metrics: Bytes,
}

impl Message for PushTelemetryRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("PushTelemetryRequest", version, 0, 0)?;
        to.uuid(self.client_instance_id);
        to.i32(self.subscription_id);
        to.bool(self.terminating);
        to.i8(self.compression_type);
        to.at("PushTelemetryRequest.metrics");
        to.bytes(&self.metrics, true)?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "PushTelemetryRequest", version, 0, 0)?;
        from.at("PushTelemetryRequest.client_instance_id");
        let client_instance_id = from.uuid()?;
        from.at("PushTelemetryRequest.subscription_id");
        let subscription_id = from.i32()?;
        from.at("PushTelemetryRequest.terminating");
        let terminating = from.bool()?;
        from.at("PushTelemetryRequest.compression_type");
        let compression_type = from.i8()?;
        from.at("PushTelemetryRequest.metrics");
        let metrics = from.bytes(true)?;
        from.skip_tags()?;
        Ok(Self { client_instance_id, subscription_id, terminating, compression_type, metrics })
    }
}

impl Request for PushTelemetryRequest {
    const KEY: ApiKey = ApiKey::PushTelemetry;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 0;
    type Response = crate::messages::PushTelemetryResponse;
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PushTelemetryResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
}

impl Message for PushTelemetryResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("PushTelemetryResponse", version, 0, 0)?;
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "PushTelemetryResponse", version, 0, 0)?;
        from.at("PushTelemetryResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("PushTelemetryResponse.error_code");
        let error_code = from.i16()?;
        from.skip_tags()?;
        Ok(Self { throttle_time_ms, error_code })
    }
}

impl Response for PushTelemetryResponse {
    const KEY: ApiKey = ApiKey::PushTelemetry;
}
