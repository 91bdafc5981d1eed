// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Lists transactions by state, producer, duration (from 1, KIP-994) and pattern (from 2, KIP-1152).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 2.
#[derive(Debug, Clone, PartialEq)]
pub struct ListTransactionsRequest {
    pub state_filters: Vec<String>,
    pub producer_id_filters: Vec<i64>,
    /// From version 1.
    pub duration_filter: i64,
    /// From version 2.
    pub transactional_id_pattern: Option<String>,
}

impl Default for ListTransactionsRequest {
    fn default() -> Self {
        Self {
            state_filters: Vec::new(),
            producer_id_filters: Vec::new(),
            duration_filter: -1,
            transactional_id_pattern: None,
        }
    }
}

impl Message for ListTransactionsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ListTransactionsRequest", version, 0, 2)?;
        to.at("ListTransactionsRequest.state_filters");
        to.array(&self.state_filters, true, |to, item| to.string(item, true))?;
        to.at("ListTransactionsRequest.producer_id_filters");
        to.array(&self.producer_id_filters, true, |to, item| {
            to.i64(*item);
            Ok(())
        })?;
        if version >= 1 {
            to.i64(self.duration_filter);
        } else if self.duration_filter != -1 {
            return Err(EncodeError::not_in_version("ListTransactionsRequest.duration_filter", version));
        }
        if version >= 2 {
            to.at("ListTransactionsRequest.transactional_id_pattern");
            to.nullable_string(self.transactional_id_pattern.as_deref(), true, true)?;
        } else if self.transactional_id_pattern.is_some() {
            return Err(EncodeError::not_in_version(
                "ListTransactionsRequest.transactional_id_pattern",
                version,
            ));
        }
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ListTransactionsRequest", version, 0, 2)?;
        from.at("ListTransactionsRequest.state_filters");
        let state_filters = from.array(true, 1, |from| from.string(true))?;
        from.at("ListTransactionsRequest.producer_id_filters");
        let producer_id_filters = from.array(true, 8, Decoder::i64)?;
        let duration_filter = if version >= 1 {
            from.at("ListTransactionsRequest.duration_filter");
            from.i64()?
        } else {
            -1
        };
        let transactional_id_pattern = if version >= 2 {
            from.at("ListTransactionsRequest.transactional_id_pattern");
            from.nullable_string(true, true)?
        } else {
            None
        };
        from.skip_tags()?;
        Ok(Self { state_filters, producer_id_filters, duration_filter, transactional_id_pattern })
    }
}

impl Request for ListTransactionsRequest {
    const KEY: ApiKey = ApiKey::ListTransactions;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 2;
    type Response = crate::messages::ListTransactionsResponse;
}

/// Versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListTransactionsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub unknown_state_filters: Vec<String>,
    pub transaction_states: Vec<ListedTransactionState>,
}

impl Message for ListTransactionsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ListTransactionsResponse", version, 0, 2)?;
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.at("ListTransactionsResponse.unknown_state_filters");
        to.array(&self.unknown_state_filters, true, |to, item| to.string(item, true))?;
        to.at("ListTransactionsResponse.transaction_states");
        to.array(&self.transaction_states, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ListTransactionsResponse", version, 0, 2)?;
        from.at("ListTransactionsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("ListTransactionsResponse.error_code");
        let error_code = from.i16()?;
        from.at("ListTransactionsResponse.unknown_state_filters");
        let unknown_state_filters = from.array(true, 1, |from| from.string(true))?;
        from.at("ListTransactionsResponse.transaction_states");
        let transaction_states =
            from.array(true, 11, |from| ListedTransactionState::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { throttle_time_ms, error_code, unknown_state_filters, transaction_states })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListedTransactionState {
    pub transactional_id: String,
    pub producer_id: i64,
    pub transaction_state: String,
}

impl Message for ListedTransactionState {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.at("ListedTransactionState.transactional_id");
        to.string(&self.transactional_id, true)?;
        to.i64(self.producer_id);
        to.at("ListedTransactionState.transaction_state");
        to.string(&self.transaction_state, true)?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("ListedTransactionState.transactional_id");
        let transactional_id = from.string(true)?;
        from.at("ListedTransactionState.producer_id");
        let producer_id = from.i64()?;
        from.at("ListedTransactionState.transaction_state");
        let transaction_state = from.string(true)?;
        from.skip_tags()?;
        Ok(Self { transactional_id, producer_id, transaction_state })
    }
}

impl Response for ListTransactionsResponse {
    const KEY: ApiKey = ApiKey::ListTransactions;
}
