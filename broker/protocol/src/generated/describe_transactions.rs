// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Describes transactions by transactional id (KIP-664).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeTransactionsRequest {
    pub transactional_ids: Vec<String>,
}

impl Message for DescribeTransactionsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("DescribeTransactionsRequest", version, 0, 0)?;
        to.at("DescribeTransactionsRequest.transactional_ids");
        to.array(&self.transactional_ids, true, |to, item| to.string(item, true))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "DescribeTransactionsRequest", version, 0, 0)?;
        from.at("DescribeTransactionsRequest.transactional_ids");
        let transactional_ids = from.array(true, 1, |from| from.string(true))?;
        from.skip_tags()?;
        Ok(Self { transactional_ids })
    }
}

impl Request for DescribeTransactionsRequest {
    const KEY: ApiKey = ApiKey::DescribeTransactions;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 0;
    type Response = crate::messages::DescribeTransactionsResponse;
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeTransactionsResponse {
    pub throttle_time_ms: i32,
    pub transaction_states: Vec<DescribedTransactionState>,
}

impl Message for DescribeTransactionsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("DescribeTransactionsResponse", version, 0, 0)?;
        to.i32(self.throttle_time_ms);
        to.at("DescribeTransactionsResponse.transaction_states");
        to.array(&self.transaction_states, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "DescribeTransactionsResponse", version, 0, 0)?;
        from.at("DescribeTransactionsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("DescribeTransactionsResponse.transaction_states");
        let transaction_states =
            from.array(true, 28, |from| DescribedTransactionState::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { throttle_time_ms, transaction_states })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribedTransactionState {
    pub error_code: i16,
    pub transactional_id: String,
    pub transaction_state: String,
    pub transaction_timeout_ms: i32,
    pub transaction_start_time_ms: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub topics: Vec<DescribedTransactionTopic>,
}

impl Message for DescribedTransactionState {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.at("DescribedTransactionState.transactional_id");
        to.string(&self.transactional_id, true)?;
        to.at("DescribedTransactionState.transaction_state");
        to.string(&self.transaction_state, true)?;
        to.i32(self.transaction_timeout_ms);
        to.i64(self.transaction_start_time_ms);
        to.i64(self.producer_id);
        to.i16(self.producer_epoch);
        to.at("DescribedTransactionState.topics");
        to.array(&self.topics, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("DescribedTransactionState.error_code");
        let error_code = from.i16()?;
        from.at("DescribedTransactionState.transactional_id");
        let transactional_id = from.string(true)?;
        from.at("DescribedTransactionState.transaction_state");
        let transaction_state = from.string(true)?;
        from.at("DescribedTransactionState.transaction_timeout_ms");
        let transaction_timeout_ms = from.i32()?;
        from.at("DescribedTransactionState.transaction_start_time_ms");
        let transaction_start_time_ms = from.i64()?;
        from.at("DescribedTransactionState.producer_id");
        let producer_id = from.i64()?;
        from.at("DescribedTransactionState.producer_epoch");
        let producer_epoch = from.i16()?;
        from.at("DescribedTransactionState.topics");
        let topics = from.array(true, 3, |from| DescribedTransactionTopic::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self {
            error_code,
            transactional_id,
            transaction_state,
            transaction_timeout_ms,
            transaction_start_time_ms,
            producer_id,
            producer_epoch,
            topics,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribedTransactionTopic {
    pub topic: String,
    pub partitions: Vec<i32>,
}

impl Message for DescribedTransactionTopic {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.at("DescribedTransactionTopic.topic");
        to.string(&self.topic, true)?;
        to.at("DescribedTransactionTopic.partitions");
        to.array(&self.partitions, true, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("DescribedTransactionTopic.topic");
        let topic = from.string(true)?;
        from.at("DescribedTransactionTopic.partitions");
        let partitions = from.array(true, 4, Decoder::i32)?;
        from.skip_tags()?;
        Ok(Self { topic, partitions })
    }
}

impl Response for DescribeTransactionsResponse {
    const KEY: ApiKey = ApiKey::DescribeTransactions;
}
