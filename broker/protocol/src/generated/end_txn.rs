// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Commits or aborts a transaction. From 5 the epoch is bumped at each end and returned (KIP-890).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EndTxnRequest {
    pub transactional_id: String,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub committed: bool,
}

impl Message for EndTxnRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        encodable("EndTxnRequest", version, 0, 5)?;
        to.at("EndTxnRequest.transactional_id");
        to.string(&self.transactional_id, flexible)?;
        to.i64(self.producer_id);
        to.i16(self.producer_epoch);
        to.bool(self.committed);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        decodable(from, "EndTxnRequest", version, 0, 5)?;
        from.at("EndTxnRequest.transactional_id");
        let transactional_id = from.string(flexible)?;
        from.at("EndTxnRequest.producer_id");
        let producer_id = from.i64()?;
        from.at("EndTxnRequest.producer_epoch");
        let producer_epoch = from.i16()?;
        from.at("EndTxnRequest.committed");
        let committed = from.bool()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { transactional_id, producer_id, producer_epoch, committed })
    }
}

impl Request for EndTxnRequest {
    const KEY: ApiKey = ApiKey::EndTxn;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 5;
    type Response = crate::messages::EndTxnResponse;
}

/// Versions 0 to 5.
#[derive(Debug, Clone, PartialEq)]
pub struct EndTxnResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    /// From version 5.
    pub producer_id: i64,
    /// From version 5.
    pub producer_epoch: i16,
}

impl Default for EndTxnResponse {
    fn default() -> Self {
        Self { throttle_time_ms: 0, error_code: 0, producer_id: -1, producer_epoch: -1 }
    }
}

impl Message for EndTxnResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        encodable("EndTxnResponse", version, 0, 5)?;
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        if version >= 5 {
            to.i64(self.producer_id);
        }
        if version >= 5 {
            to.i16(self.producer_epoch);
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        decodable(from, "EndTxnResponse", version, 0, 5)?;
        from.at("EndTxnResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("EndTxnResponse.error_code");
        let error_code = from.i16()?;
        let producer_id = if version >= 5 {
            from.at("EndTxnResponse.producer_id");
            from.i64()?
        } else {
            -1
        };
        let producer_epoch = if version >= 5 {
            from.at("EndTxnResponse.producer_epoch");
            from.i16()?
        } else {
            -1
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, error_code, producer_id, producer_epoch })
    }
}

impl Response for EndTxnResponse {
    const KEY: ApiKey = ApiKey::EndTxn;
}
