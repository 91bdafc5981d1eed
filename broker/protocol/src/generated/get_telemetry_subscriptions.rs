// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Tells a client which metrics to push (KIP-714).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response, Uuid};

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GetTelemetrySubscriptionsRequest {
    pub client_instance_id: Uuid,
}

impl Message for GetTelemetrySubscriptionsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("GetTelemetrySubscriptionsRequest", version, 0, 0)?;
        to.uuid(self.client_instance_id);
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "GetTelemetrySubscriptionsRequest", version, 0, 0)?;
        from.at("GetTelemetrySubscriptionsRequest.client_instance_id");
        let client_instance_id = from.uuid()?;
        from.skip_tags()?;
        Ok(Self { client_instance_id })
    }
}

impl Request for GetTelemetrySubscriptionsRequest {
    const KEY: ApiKey = ApiKey::GetTelemetrySubscriptions;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 0;
    type Response = crate::messages::GetTelemetrySubscriptionsResponse;
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GetTelemetrySubscriptionsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub client_instance_id: Uuid,
    pub subscription_id: i32,
    pub accepted_compression_types: Vec<i8>,
    pub push_interval_ms: i32,
    pub telemetry_max_bytes: i32,
    pub delta_temporality: bool,
    pub requested_metrics: Vec<String>,
}

impl Message for GetTelemetrySubscriptionsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("GetTelemetrySubscriptionsResponse", version, 0, 0)?;
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.uuid(self.client_instance_id);
        to.i32(self.subscription_id);
        to.at("GetTelemetrySubscriptionsResponse.accepted_compression_types");
        to.array(&self.accepted_compression_types, true, |to, item| {
            to.i8(*item);
            Ok(())
        })?;
        to.i32(self.push_interval_ms);
        to.i32(self.telemetry_max_bytes);
        to.bool(self.delta_temporality);
        to.at("GetTelemetrySubscriptionsResponse.requested_metrics");
        to.array(&self.requested_metrics, true, |to, item| to.string(item, true))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "GetTelemetrySubscriptionsResponse", version, 0, 0)?;
        from.at("GetTelemetrySubscriptionsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("GetTelemetrySubscriptionsResponse.error_code");
        let error_code = from.i16()?;
        from.at("GetTelemetrySubscriptionsResponse.client_instance_id");
        let client_instance_id = from.uuid()?;
        from.at("GetTelemetrySubscriptionsResponse.subscription_id");
        let subscription_id = from.i32()?;
        from.at("GetTelemetrySubscriptionsResponse.accepted_compression_types");
        let accepted_compression_types = from.array(true, 1, Decoder::i8)?;
        from.at("GetTelemetrySubscriptionsResponse.push_interval_ms");
        let push_interval_ms = from.i32()?;
        from.at("GetTelemetrySubscriptionsResponse.telemetry_max_bytes");
        let telemetry_max_bytes = from.i32()?;
        from.at("GetTelemetrySubscriptionsResponse.delta_temporality");
        let delta_temporality = from.bool()?;
        from.at("GetTelemetrySubscriptionsResponse.requested_metrics");
        let requested_metrics = from.array(true, 1, |from| from.string(true))?;
        from.skip_tags()?;
        Ok(Self {
            throttle_time_ms,
            error_code,
            client_instance_id,
            subscription_id,
            accepted_compression_types,
            push_interval_ms,
            telemetry_max_bytes,
            delta_temporality,
            requested_metrics,
        })
    }
}

impl Response for GetTelemetrySubscriptionsResponse {
    const KEY: ApiKey = ApiKey::GetTelemetrySubscriptions;
}
