//! One batch from its first record to the bytes that are sent, and sent again.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use millstream_protocol::record_batch::{BatchBuilder, BatchHeader, HEADER_BYTES, Producer};

use super::line::Numbering;
use super::{NewRecord, ProducerConfig};

/// An open batch starts with at most this much room and grows by need, so that many idle partitions stay cheap.
const FIRST_ROOM_BYTES_MAX: usize = 16 << 10;

pub(crate) struct BatchInMaking {
    stage: Stage,
    records: i32,
}

enum Stage {
    Open(BatchBuilder),
    /// Encoded under this numbering; a retry sends the very same bytes.
    Encoded {
        bytes: Bytes,
        numbering: Option<Numbering>,
    },
    /// Encoding failed; nothing is left.
    Spoilt,
}

impl BatchInMaking {
    /// An empty batch; `first_bytes` is what the first record needs.
    pub(crate) fn new(config: &ProducerConfig, first_bytes: usize) -> BatchInMaking {
        let room_bytes = config.batch_bytes.min(FIRST_ROOM_BYTES_MAX).max(first_bytes);
        let builder = BatchBuilder::with_capacity(config.compression, room_bytes);
        BatchInMaking { stage: Stage::Open(builder), records: 0 }
    }

    pub(crate) fn records(&self) -> i32 {
        self.records
    }

    /// Whether a record of at most `bytes` fits below `limit`; an empty batch takes any record.
    #[inline]
    pub(crate) fn has_room(&self, bytes: usize, limit: usize) -> bool {
        match &self.stage {
            Stage::Open(builder) => {
                builder.is_empty() || builder.size_bytes() + bytes <= limit.max(HEADER_BYTES)
            }
            Stage::Encoded { .. } | Stage::Spoilt => false,
        }
    }

    /// Appends a record; gives its position in the batch.
    #[inline]
    pub(crate) fn append(&mut self, record: &NewRecord<'_>) -> Result<i32, String> {
        let Stage::Open(builder) = &mut self.stage else {
            return Err("batch is closed already".to_owned());
        };
        let timestamp_ms = record.timestamp_ms.unwrap_or_else(now_ms);
        builder
            .append(timestamp_ms, record.key, record.value, record.headers)
            .map_err(|error| error.to_string())?;
        let position = self.records;
        self.records += 1;
        Ok(position)
    }

    /// The bytes to send under `numbering`: compressed and sealed the first time, patched when the numbering changed.
    pub(crate) fn encode(
        &mut self,
        numbering: Option<Numbering>,
        is_transactional: bool,
    ) -> Result<Bytes, String> {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Spoilt) {
            Stage::Open(mut builder) => {
                if let Some(numbering) = numbering {
                    builder.set_producer(producer(numbering));
                }
                builder.set_transactional(is_transactional);
                let bytes = builder.finish().map_err(|error| error.to_string())?;
                Stage::Encoded { bytes, numbering }
            }
            Stage::Encoded { bytes, numbering: older } if older != numbering => {
                let mut patched = BytesMut::from(&bytes[..]);
                let stamp = numbering.map_or(Producer::NONE, producer);
                BatchHeader::patch_producer(&mut patched, stamp).map_err(|error| error.to_string())?;
                Stage::Encoded { bytes: patched.freeze(), numbering }
            }
            other => other,
        };
        match &self.stage {
            Stage::Encoded { bytes, .. } => Ok(bytes.clone()),
            Stage::Open(_) | Stage::Spoilt => Err("batch could not be encoded before".to_owned()),
        }
    }
}

fn producer(numbering: Numbering) -> Producer {
    Producer {
        id: numbering.identity.producer_id,
        epoch: numbering.identity.epoch,
        base_sequence: numbering.base_sequence,
    }
}

/// The wall clock; only record timestamps come from it.
fn now_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}
