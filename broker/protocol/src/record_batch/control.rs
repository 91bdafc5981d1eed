//! Transaction markers: control batches of one record that end a producer's transaction in a partition.

use bytes::{BufMut, Bytes};

use super::{BatchBuilder, BuildError, NO_SEQUENCE, Producer, Record};
use crate::compression::Compression;

/// Version of a marker's key and value.
const VERSION: i16 = 0;

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ControlMarker {
    /// Everything since the transaction's start is void.
    Abort,
    /// Everything since the transaction's start counts.
    Commit,
}

impl ControlMarker {
    /// The type in the record's key.
    pub const fn code(self) -> i16 {
        match self {
            Self::Abort => 0,
            Self::Commit => 1,
        }
    }

    /// What the record of a control batch says, with the epoch of the coordinator that wrote it; none for
    /// control records that end no transaction.
    pub fn parse(record: &Record<'_>) -> Option<(Self, i32)> {
        let marker = match record.key?.get(2..4)? {
            [0, 0] => Self::Abort,
            [0, 1] => Self::Commit,
            _ => return None,
        };
        let epoch = record.value?.get(2..6)?.first_chunk().copied()?;
        Some((marker, i32::from_be_bytes(epoch)))
    }
}

/// A batch, at offset 0, that ends the transaction of a producer. The coordinator's epoch fences older ones.
pub fn control_batch(
    marker: ControlMarker,
    producer_id: i64,
    producer_epoch: i16,
    coordinator_epoch: i32,
    timestamp_ms: i64,
) -> Result<Bytes, BuildError> {
    let mut key = Vec::with_capacity(4);
    key.put_i16(VERSION);
    key.put_i16(marker.code());
    let mut value = Vec::with_capacity(6);
    value.put_i16(VERSION);
    value.put_i32(coordinator_epoch);
    let mut builder = BatchBuilder::new(Compression::None);
    builder.set_control();
    builder.set_transactional(true);
    builder.set_producer(Producer { id: producer_id, epoch: producer_epoch, base_sequence: NO_SEQUENCE });
    builder.append(timestamp_ms, Some(&key), Some(&value), &[])?;
    builder.finish()
}
