// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Hands out a producer id and epoch, fencing and aborting what came before.
//!
//! Epoch bumps by the client from 3 (KIP-360), PRODUCER_FENCED from 4 (KIP-588), two-phase commit from 6
//! (KIP-939).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 6.
#[derive(Debug, Clone, PartialEq)]
pub struct InitProducerIdRequest {
    pub transactional_id: Option<String>,
    pub transaction_timeout_ms: i32,
    /// From version 3.
    pub producer_id: i64,
    /// From version 3.
    pub producer_epoch: i16,
    /// From version 6.
    pub enable_2pc: bool,
    /// From version 6.
    pub keep_prepared_txn: bool,
}

impl Default for InitProducerIdRequest {
    fn default() -> Self {
        Self {
            transactional_id: None,
            transaction_timeout_ms: 0,
            producer_id: -1,
            producer_epoch: -1,
            enable_2pc: false,
            keep_prepared_txn: false,
        }
    }
}

impl Message for InitProducerIdRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("InitProducerIdRequest", version, 0, 6)?;
        to.at("InitProducerIdRequest.transactional_id");
        to.nullable_string(self.transactional_id.as_deref(), true, flexible)?;
        to.i32(self.transaction_timeout_ms);
        if version >= 3 {
            to.i64(self.producer_id);
        } else if self.producer_id != -1 {
            return Err(EncodeError::not_in_version("InitProducerIdRequest.producer_id", version));
        }
        if version >= 3 {
            to.i16(self.producer_epoch);
        } else if self.producer_epoch != -1 {
            return Err(EncodeError::not_in_version("InitProducerIdRequest.producer_epoch", version));
        }
        if version >= 6 {
            to.bool(self.enable_2pc);
        } else if self.enable_2pc {
            return Err(EncodeError::not_in_version("InitProducerIdRequest.enable_2pc", version));
        }
        if version >= 6 {
            to.bool(self.keep_prepared_txn);
        } else if self.keep_prepared_txn {
            return Err(EncodeError::not_in_version("InitProducerIdRequest.keep_prepared_txn", version));
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "InitProducerIdRequest", version, 0, 6)?;
        from.at("InitProducerIdRequest.transactional_id");
        let transactional_id = from.nullable_string(true, flexible)?;
        from.at("InitProducerIdRequest.transaction_timeout_ms");
        let transaction_timeout_ms = from.i32()?;
        let producer_id = if version >= 3 {
            from.at("InitProducerIdRequest.producer_id");
            from.i64()?
        } else {
            -1
        };
        let producer_epoch = if version >= 3 {
            from.at("InitProducerIdRequest.producer_epoch");
            from.i16()?
        } else {
            -1
        };
        let enable_2pc = if version >= 6 {
            from.at("InitProducerIdRequest.enable_2pc");
            from.bool()?
        } else {
            false
        };
        let keep_prepared_txn = if version >= 6 {
            from.at("InitProducerIdRequest.keep_prepared_txn");
            from.bool()?
        } else {
            false
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self {
            transactional_id,
            transaction_timeout_ms,
            producer_id,
            producer_epoch,
            enable_2pc,
            keep_prepared_txn,
        })
    }
}

impl Request for InitProducerIdRequest {
    const KEY: ApiKey = ApiKey::InitProducerId;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 6;
    type Response = crate::messages::InitProducerIdResponse;
}

/// Versions 0 to 6.
#[derive(Debug, Clone, PartialEq)]
pub struct InitProducerIdResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub producer_id: i64,
    pub producer_epoch: i16,
    /// From version 6.
    pub ongoing_txn_producer_id: i64,
    /// From version 6.
    pub ongoing_txn_producer_epoch: i16,
}

impl Default for InitProducerIdResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            producer_id: -1,
            producer_epoch: 0,
            ongoing_txn_producer_id: -1,
            ongoing_txn_producer_epoch: -1,
        }
    }
}

impl Message for InitProducerIdResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        encodable("InitProducerIdResponse", version, 0, 6)?;
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.i64(self.producer_id);
        to.i16(self.producer_epoch);
        if version >= 6 {
            to.i64(self.ongoing_txn_producer_id);
        } else if self.ongoing_txn_producer_id != -1 {
            return Err(EncodeError::not_in_version(
                "InitProducerIdResponse.ongoing_txn_producer_id",
                version,
            ));
        }
        if version >= 6 {
            to.i16(self.ongoing_txn_producer_epoch);
        } else if self.ongoing_txn_producer_epoch != -1 {
            return Err(EncodeError::not_in_version(
                "InitProducerIdResponse.ongoing_txn_producer_epoch",
                version,
            ));
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        decodable(from, "InitProducerIdResponse", version, 0, 6)?;
        from.at("InitProducerIdResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("InitProducerIdResponse.error_code");
        let error_code = from.i16()?;
        from.at("InitProducerIdResponse.producer_id");
        let producer_id = from.i64()?;
        from.at("InitProducerIdResponse.producer_epoch");
        let producer_epoch = from.i16()?;
        let ongoing_txn_producer_id = if version >= 6 {
            from.at("InitProducerIdResponse.ongoing_txn_producer_id");
            from.i64()?
        } else {
            -1
        };
        let ongoing_txn_producer_epoch = if version >= 6 {
            from.at("InitProducerIdResponse.ongoing_txn_producer_epoch");
            from.i16()?
        } else {
            -1
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self {
            throttle_time_ms,
            error_code,
            producer_id,
            producer_epoch,
            ongoing_txn_producer_id,
            ongoing_txn_producer_epoch,
        })
    }
}

impl Response for InitProducerIdResponse {
    const KEY: ApiKey = ApiKey::InitProducerId;
}
