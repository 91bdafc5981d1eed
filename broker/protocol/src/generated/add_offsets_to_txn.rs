// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Adds the partition that holds a group's positions to a transaction (KIP-98).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 4.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AddOffsetsToTxnRequest {
    pub transactional_id: String,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub group_id: String,
}

impl Message for AddOffsetsToTxnRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        encodable("AddOffsetsToTxnRequest", version, 0, 4)?;
        to.at("AddOffsetsToTxnRequest.transactional_id");
        to.string(&self.transactional_id, flexible)?;
        to.i64(self.producer_id);
        to.i16(self.producer_epoch);
        to.at("AddOffsetsToTxnRequest.group_id");
        to.string(&self.group_id, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        decodable(from, "AddOffsetsToTxnRequest", version, 0, 4)?;
        from.at("AddOffsetsToTxnRequest.transactional_id");
        let transactional_id = from.string(flexible)?;
        from.at("AddOffsetsToTxnRequest.producer_id");
        let producer_id = from.i64()?;
        from.at("AddOffsetsToTxnRequest.producer_epoch");
        let producer_epoch = from.i16()?;
        from.at("AddOffsetsToTxnRequest.group_id");
        let group_id = from.string(flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { transactional_id, producer_id, producer_epoch, group_id })
    }
}

impl Request for AddOffsetsToTxnRequest {
    const KEY: ApiKey = ApiKey::AddOffsetsToTxn;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 4;
    type Response = crate::messages::AddOffsetsToTxnResponse;
}

/// Versions 0 to 4.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AddOffsetsToTxnResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
}

impl Message for AddOffsetsToTxnResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        encodable("AddOffsetsToTxnResponse", version, 0, 4)?;
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        decodable(from, "AddOffsetsToTxnResponse", version, 0, 4)?;
        from.at("AddOffsetsToTxnResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("AddOffsetsToTxnResponse.error_code");
        let error_code = from.i16()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, error_code })
    }
}

impl Response for AddOffsetsToTxnResponse {
    const KEY: ApiKey = ApiKey::AddOffsetsToTxn;
}
