// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Carries SASL tokens (KIP-152); session lifetimes from 1 (KIP-368).

use bytes::Bytes;

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SaslAuthenticateRequest {
    pub auth_bytes: Bytes,
}

impl Message for SaslAuthenticateRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("SaslAuthenticateRequest", version, 0, 2)?;
        to.at("SaslAuthenticateRequest.auth_bytes");
        to.bytes(&self.auth_bytes, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "SaslAuthenticateRequest", version, 0, 2)?;
        from.at("SaslAuthenticateRequest.auth_bytes");
        let auth_bytes = from.bytes(flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { auth_bytes })
    }
}

impl Request for SaslAuthenticateRequest {
    const KEY: ApiKey = ApiKey::SaslAuthenticate;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 2;
    type Response = crate::messages::SaslAuthenticateResponse;
}

/// Versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SaslAuthenticateResponse {
    pub error_code: i16,
    pub error_message: Option<String>,
    pub auth_bytes: Bytes,
    /// From version 1.
    pub session_lifetime_ms: i64,
}

impl Message for SaslAuthenticateResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("SaslAuthenticateResponse", version, 0, 2)?;
        to.i16(self.error_code);
        to.at("SaslAuthenticateResponse.error_message");
        to.nullable_string(self.error_message.as_deref(), true, flexible)?;
        to.at("SaslAuthenticateResponse.auth_bytes");
        to.bytes(&self.auth_bytes, flexible)?;
        if version >= 1 {
            to.i64(self.session_lifetime_ms);
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "SaslAuthenticateResponse", version, 0, 2)?;
        from.at("SaslAuthenticateResponse.error_code");
        let error_code = from.i16()?;
        from.at("SaslAuthenticateResponse.error_message");
        let error_message = from.nullable_string(true, flexible)?;
        from.at("SaslAuthenticateResponse.auth_bytes");
        let auth_bytes = from.bytes(flexible)?;
        let session_lifetime_ms = if version >= 1 {
            from.at("SaslAuthenticateResponse.session_lifetime_ms");
            from.i64()?
        } else {
            0
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { error_code, error_message, auth_bytes, session_lifetime_ms })
    }
}

impl Response for SaslAuthenticateResponse {
    const KEY: ApiKey = ApiKey::SaslAuthenticate;
}
