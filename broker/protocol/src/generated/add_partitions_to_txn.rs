// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Adds partitions to a transaction. Clients speak up to 3; from 4 brokers send batches and may only verify
//! (KIP-890).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AddPartitionsToTxnRequest {
    /// From version 4.
    pub transactions: Vec<AddPartitionsToTxnTransaction>,
    /// Versions 0 to 3.
    pub v3_and_below_transactional_id: String,
    /// Versions 0 to 3.
    pub v3_and_below_producer_id: i64,
    /// Versions 0 to 3.
    pub v3_and_below_producer_epoch: i16,
    /// Versions 0 to 3.
    pub v3_and_below_topics: Vec<AddPartitionsToTxnTopic>,
}

impl Message for AddPartitionsToTxnRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        encodable("AddPartitionsToTxnRequest", version, 0, 5)?;
        if version >= 4 {
            to.at("AddPartitionsToTxnRequest.transactions");
            to.array(&self.transactions, flexible, |to, item| item.encode(to, version))?;
        } else if !self.transactions.is_empty() {
            return Err(EncodeError::not_in_version("AddPartitionsToTxnRequest.transactions", version));
        }
        if version <= 3 {
            to.at("AddPartitionsToTxnRequest.v3_and_below_transactional_id");
            to.string(&self.v3_and_below_transactional_id, flexible)?;
        } else if !self.v3_and_below_transactional_id.is_empty() {
            return Err(EncodeError::not_in_version(
                "AddPartitionsToTxnRequest.v3_and_below_transactional_id",
                version,
            ));
        }
        if version <= 3 {
            to.i64(self.v3_and_below_producer_id);
        } else if self.v3_and_below_producer_id != 0 {
            return Err(EncodeError::not_in_version(
                "AddPartitionsToTxnRequest.v3_and_below_producer_id",
                version,
            ));
        }
        if version <= 3 {
            to.i16(self.v3_and_below_producer_epoch);
        } else if self.v3_and_below_producer_epoch != 0 {
            return Err(EncodeError::not_in_version(
                "AddPartitionsToTxnRequest.v3_and_below_producer_epoch",
                version,
            ));
        }
        if version <= 3 {
            to.at("AddPartitionsToTxnRequest.v3_and_below_topics");
            to.array(&self.v3_and_below_topics, flexible, |to, item| item.encode(to, version))?;
        } else if !self.v3_and_below_topics.is_empty() {
            return Err(EncodeError::not_in_version(
                "AddPartitionsToTxnRequest.v3_and_below_topics",
                version,
            ));
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        decodable(from, "AddPartitionsToTxnRequest", version, 0, 5)?;
        let transactions = if version >= 4 {
            from.at("AddPartitionsToTxnRequest.transactions");
            from.array(flexible, 14, |from| AddPartitionsToTxnTransaction::decode(from, version))?
        } else {
            Vec::new()
        };
        let v3_and_below_transactional_id = if version <= 3 {
            from.at("AddPartitionsToTxnRequest.v3_and_below_transactional_id");
            from.string(flexible)?
        } else {
            String::new()
        };
        let v3_and_below_producer_id = if version <= 3 {
            from.at("AddPartitionsToTxnRequest.v3_and_below_producer_id");
            from.i64()?
        } else {
            0
        };
        let v3_and_below_producer_epoch = if version <= 3 {
            from.at("AddPartitionsToTxnRequest.v3_and_below_producer_epoch");
            from.i16()?
        } else {
            0
        };
        let v3_and_below_topics = if version <= 3 {
            from.at("AddPartitionsToTxnRequest.v3_and_below_topics");
            from.array(flexible, 3, |from| AddPartitionsToTxnTopic::decode(from, version))?
        } else {
            Vec::new()
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self {
            transactions,
            v3_and_below_transactional_id,
            v3_and_below_producer_id,
            v3_and_below_producer_epoch,
            v3_and_below_topics,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct AddPartitionsToTxnTransaction {
    pub transactional_id: String,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub verify_only: bool,
    pub topics: Vec<AddPartitionsToTxnTopic>,
}

impl Message for AddPartitionsToTxnTransaction {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        to.at("AddPartitionsToTxnTransaction.transactional_id");
        to.string(&self.transactional_id, flexible)?;
        to.i64(self.producer_id);
        to.i16(self.producer_epoch);
        to.bool(self.verify_only);
        to.at("AddPartitionsToTxnTransaction.topics");
        to.array(&self.topics, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        from.at("AddPartitionsToTxnTransaction.transactional_id");
        let transactional_id = from.string(flexible)?;
        from.at("AddPartitionsToTxnTransaction.producer_id");
        let producer_id = from.i64()?;
        from.at("AddPartitionsToTxnTransaction.producer_epoch");
        let producer_epoch = from.i16()?;
        from.at("AddPartitionsToTxnTransaction.verify_only");
        let verify_only = from.bool()?;
        from.at("AddPartitionsToTxnTransaction.topics");
        let topics = from.array(flexible, 3, |from| AddPartitionsToTxnTopic::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { transactional_id, producer_id, producer_epoch, verify_only, topics })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct AddPartitionsToTxnTopic {
    pub name: String,
    pub partitions: Vec<i32>,
}

impl Message for AddPartitionsToTxnTopic {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        to.at("AddPartitionsToTxnTopic.name");
        to.string(&self.name, flexible)?;
        to.at("AddPartitionsToTxnTopic.partitions");
        to.array(&self.partitions, flexible, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        from.at("AddPartitionsToTxnTopic.name");
        let name = from.string(flexible)?;
        from.at("AddPartitionsToTxnTopic.partitions");
        let partitions = from.array(flexible, 4, Decoder::i32)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, partitions })
    }
}

impl Request for AddPartitionsToTxnRequest {
    const KEY: ApiKey = ApiKey::AddPartitionsToTxn;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 5;
    type Response = crate::messages::AddPartitionsToTxnResponse;
}

/// Versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AddPartitionsToTxnResponse {
    pub throttle_time_ms: i32,
    /// From version 4.
    pub error_code: i16,
    /// From version 4.
    pub results_by_transaction: Vec<AddPartitionsToTxnResult>,
    /// Versions 0 to 3.
    pub results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult>,
}

impl Message for AddPartitionsToTxnResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        encodable("AddPartitionsToTxnResponse", version, 0, 5)?;
        to.i32(self.throttle_time_ms);
        if version >= 4 {
            to.i16(self.error_code);
        }
        if version >= 4 {
            to.at("AddPartitionsToTxnResponse.results_by_transaction");
            to.array(&self.results_by_transaction, flexible, |to, item| item.encode(to, version))?;
        } else if !self.results_by_transaction.is_empty() {
            return Err(EncodeError::not_in_version(
                "AddPartitionsToTxnResponse.results_by_transaction",
                version,
            ));
        }
        if version <= 3 {
            to.at("AddPartitionsToTxnResponse.results_by_topic_v3_and_below");
            to.array(&self.results_by_topic_v3_and_below, flexible, |to, item| item.encode(to, version))?;
        } else if !self.results_by_topic_v3_and_below.is_empty() {
            return Err(EncodeError::not_in_version(
                "AddPartitionsToTxnResponse.results_by_topic_v3_and_below",
                version,
            ));
        }
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        decodable(from, "AddPartitionsToTxnResponse", version, 0, 5)?;
        from.at("AddPartitionsToTxnResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        let error_code = if version >= 4 {
            from.at("AddPartitionsToTxnResponse.error_code");
            from.i16()?
        } else {
            0
        };
        let results_by_transaction = if version >= 4 {
            from.at("AddPartitionsToTxnResponse.results_by_transaction");
            from.array(flexible, 3, |from| AddPartitionsToTxnResult::decode(from, version))?
        } else {
            Vec::new()
        };
        let results_by_topic_v3_and_below = if version <= 3 {
            from.at("AddPartitionsToTxnResponse.results_by_topic_v3_and_below");
            from.array(flexible, 3, |from| AddPartitionsToTxnTopicResult::decode(from, version))?
        } else {
            Vec::new()
        };
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { throttle_time_ms, error_code, results_by_transaction, results_by_topic_v3_and_below })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct AddPartitionsToTxnResult {
    pub transactional_id: String,
    pub topic_results: Vec<AddPartitionsToTxnTopicResult>,
}

impl Message for AddPartitionsToTxnResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        to.at("AddPartitionsToTxnResult.transactional_id");
        to.string(&self.transactional_id, flexible)?;
        to.at("AddPartitionsToTxnResult.topic_results");
        to.array(&self.topic_results, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        from.at("AddPartitionsToTxnResult.transactional_id");
        let transactional_id = from.string(flexible)?;
        from.at("AddPartitionsToTxnResult.topic_results");
        let topic_results =
            from.array(flexible, 3, |from| AddPartitionsToTxnTopicResult::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { transactional_id, topic_results })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct AddPartitionsToTxnTopicResult {
    pub name: String,
    pub results_by_partition: Vec<AddPartitionsToTxnPartitionResult>,
}

impl Message for AddPartitionsToTxnTopicResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        to.at("AddPartitionsToTxnTopicResult.name");
        to.string(&self.name, flexible)?;
        to.at("AddPartitionsToTxnTopicResult.results_by_partition");
        to.array(&self.results_by_partition, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        from.at("AddPartitionsToTxnTopicResult.name");
        let name = from.string(flexible)?;
        from.at("AddPartitionsToTxnTopicResult.results_by_partition");
        let results_by_partition =
            from.array(flexible, 6, |from| AddPartitionsToTxnPartitionResult::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { name, results_by_partition })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct AddPartitionsToTxnPartitionResult {
    pub partition_index: i32,
    pub partition_error_code: i16,
}

impl Message for AddPartitionsToTxnPartitionResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        to.i32(self.partition_index);
        to.i16(self.partition_error_code);
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        from.at("AddPartitionsToTxnPartitionResult.partition_index");
        let partition_index = from.i32()?;
        from.at("AddPartitionsToTxnPartitionResult.partition_error_code");
        let partition_error_code = from.i16()?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { partition_index, partition_error_code })
    }
}

impl Response for AddPartitionsToTxnResponse {
    const KEY: ApiKey = ApiKey::AddPartitionsToTxn;
}
