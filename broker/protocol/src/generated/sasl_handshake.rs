// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Chooses a SASL mechanism; from 1 the tokens travel in SaslAuthenticate (KIP-152).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SaslHandshakeRequest {
    pub mechanism: String,
}

impl Message for SaslHandshakeRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("SaslHandshakeRequest", version, 0, 1)?;
        to.at("SaslHandshakeRequest.mechanism");
        to.string(&self.mechanism, false)?;
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "SaslHandshakeRequest", version, 0, 1)?;
        from.at("SaslHandshakeRequest.mechanism");
        let mechanism = from.string(false)?;
        Ok(Self { mechanism })
    }
}

impl Request for SaslHandshakeRequest {
    const KEY: ApiKey = ApiKey::SaslHandshake;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 1;
    type Response = crate::messages::SaslHandshakeResponse;
}

/// Versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SaslHandshakeResponse {
    pub error_code: i16,
    pub mechanisms: Vec<String>,
}

impl Message for SaslHandshakeResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("SaslHandshakeResponse", version, 0, 1)?;
        to.i16(self.error_code);
        to.at("SaslHandshakeResponse.mechanisms");
        to.array(&self.mechanisms, false, |to, item| to.string(item, false))?;
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "SaslHandshakeResponse", version, 0, 1)?;
        from.at("SaslHandshakeResponse.error_code");
        let error_code = from.i16()?;
        from.at("SaslHandshakeResponse.mechanisms");
        let mechanisms = from.array(false, 2, |from| from.string(false))?;
        Ok(Self { error_code, mechanisms })
    }
}

impl Response for SaslHandshakeResponse {
    const KEY: ApiKey = ApiKey::SaslHandshake;
}
