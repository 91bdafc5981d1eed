// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Records of the internal topic __transaction_state, each preceded by its version as int16.

use crate::primitives::{TagWriter, decodable, encodable};
use crate::{DecodeError, Decoder, EncodeError, Encoder, Message};

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TransactionLogKey {
    pub transactional_id: String,
}

impl TransactionLogKey {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 0;
}

impl Message for TransactionLogKey {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("TransactionLogKey", version, 0, 0)?;
        to.at("TransactionLogKey.transactional_id");
        to.string(&self.transactional_id, false)?;
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "TransactionLogKey", version, 0, 0)?;
        from.at("TransactionLogKey.transactional_id");
        let transactional_id = from.string(false)?;
        Ok(Self { transactional_id })
    }
}

/// Versions 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct TransactionLogValue {
    pub producer_id: i64,
    /// From version 1.
    pub previous_producer_id: i64,
    /// From version 1.
    pub next_producer_id: i64,
    pub producer_epoch: i16,
    /// From version 1.
    pub next_producer_epoch: i16,
    pub transaction_timeout_ms: i32,
    pub transaction_status: i8,
    pub transaction_partitions: Option<Vec<PartitionsSchema>>,
    pub transaction_last_update_timestamp_ms: i64,
    pub transaction_start_timestamp_ms: i64,
    /// From version 1.
    pub client_transaction_version: i16,
}

impl TransactionLogValue {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 1;
}

impl Default for TransactionLogValue {
    fn default() -> Self {
        Self {
            producer_id: 0,
            previous_producer_id: -1,
            next_producer_id: -1,
            producer_epoch: 0,
            next_producer_epoch: -1,
            transaction_timeout_ms: 0,
            transaction_status: 0,
            transaction_partitions: None,
            transaction_last_update_timestamp_ms: 0,
            transaction_start_timestamp_ms: 0,
            client_transaction_version: 0,
        }
    }
}

impl Message for TransactionLogValue {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        encodable("TransactionLogValue", version, 0, 1)?;
        to.i64(self.producer_id);
        to.i16(self.producer_epoch);
        to.i32(self.transaction_timeout_ms);
        to.i8(self.transaction_status);
        to.at("TransactionLogValue.transaction_partitions");
        to.nullable_array(self.transaction_partitions.as_deref(), true, flexible, |to, item| {
            item.encode(to, version)
        })?;
        to.i64(self.transaction_last_update_timestamp_ms);
        to.i64(self.transaction_start_timestamp_ms);
        let mut tags = TagWriter::new();
        if self.previous_producer_id != -1 {
            if version >= 1 {
                tags.field(0, |to| {
                    to.i64(self.previous_producer_id);
                    Ok(())
                })?;
            } else {
                return Err(EncodeError::not_in_version("TransactionLogValue.previous_producer_id", version));
            }
        }
        if self.next_producer_id != -1 {
            if version >= 1 {
                tags.field(1, |to| {
                    to.i64(self.next_producer_id);
                    Ok(())
                })?;
            } else {
                return Err(EncodeError::not_in_version("TransactionLogValue.next_producer_id", version));
            }
        }
        if self.client_transaction_version != 0 {
            if version >= 1 {
                tags.field(2, |to| {
                    to.i16(self.client_transaction_version);
                    Ok(())
                })?;
            } else {
                return Err(EncodeError::not_in_version(
                    "TransactionLogValue.client_transaction_version",
                    version,
                ));
            }
        }
        if self.next_producer_epoch != -1 {
            if version >= 1 {
                tags.field(3, |to| {
                    to.i16(self.next_producer_epoch);
                    Ok(())
                })?;
            } else {
                return Err(EncodeError::not_in_version("TransactionLogValue.next_producer_epoch", version));
            }
        }
        if flexible {
            tags.finish(to);
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        decodable(from, "TransactionLogValue", version, 0, 1)?;
        from.at("TransactionLogValue.producer_id");
        let producer_id = from.i64()?;
        let mut previous_producer_id = -1;
        let mut next_producer_id = -1;
        from.at("TransactionLogValue.producer_epoch");
        let producer_epoch = from.i16()?;
        let mut next_producer_epoch = -1;
        from.at("TransactionLogValue.transaction_timeout_ms");
        let transaction_timeout_ms = from.i32()?;
        from.at("TransactionLogValue.transaction_status");
        let transaction_status = from.i8()?;
        from.at("TransactionLogValue.transaction_partitions");
        let transaction_partitions =
            from.nullable_array(true, flexible, 3, |from| PartitionsSchema::decode(from, version))?;
        from.at("TransactionLogValue.transaction_last_update_timestamp_ms");
        let transaction_last_update_timestamp_ms = from.i64()?;
        from.at("TransactionLogValue.transaction_start_timestamp_ms");
        let transaction_start_timestamp_ms = from.i64()?;
        let mut client_transaction_version = 0;
        if flexible {
            from.tags(|tag, from| {
                match tag {
                    0 => {
                        from.at("TransactionLogValue.previous_producer_id");
                        previous_producer_id = from.i64()?;
                    }
                    1 => {
                        from.at("TransactionLogValue.next_producer_id");
                        next_producer_id = from.i64()?;
                    }
                    2 => {
                        from.at("TransactionLogValue.client_transaction_version");
                        client_transaction_version = from.i16()?;
                    }
                    3 => {
                        from.at("TransactionLogValue.next_producer_epoch");
                        next_producer_epoch = from.i16()?;
                    }
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(Self {
            producer_id,
            previous_producer_id,
            next_producer_id,
            producer_epoch,
            next_producer_epoch,
            transaction_timeout_ms,
            transaction_status,
            transaction_partitions,
            transaction_last_update_timestamp_ms,
            transaction_start_timestamp_ms,
            client_transaction_version,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct PartitionsSchema {
    pub topic: String,
    pub partition_ids: Vec<i32>,
}

impl Message for PartitionsSchema {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        to.at("PartitionsSchema.topic");
        to.string(&self.topic, flexible)?;
        to.at("PartitionsSchema.partition_ids");
        to.array(&self.partition_ids, flexible, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        from.at("PartitionsSchema.topic");
        let topic = from.string(flexible)?;
        from.at("PartitionsSchema.partition_ids");
        let partition_ids = from.array(flexible, 4, Decoder::i32)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { topic, partition_ids })
    }
}
