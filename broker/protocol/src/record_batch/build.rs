//! Writing batches: records are appended to one growing buffer, header and checksum come last.

use bytes::Bytes;
use thiserror::Error;

use super::header::{LENGTH_END, checksum};
use super::{
    BatchHeader, HEADER_BYTES, NO_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP,
    TimestampType, varint,
};
use crate::compression::{Compression, CompressionError};

/// Why a batch cannot be written.
#[derive(Debug, Error)]
pub enum BuildError {
    /// Length, count or an offset would not fit its field.
    #[error("append a record to a batch: the batch would be too large for its format")]
    TooLarge,
    /// Records must be appended by ascending offset.
    #[error("append a record to a batch: offset {offset} does not follow {last}")]
    OffsetNotAscending { offset: i64, last: i64 },
    /// The records cannot be compressed.
    #[error("finish a record batch")]
    Compression(#[from] CompressionError),
    /// What is to be written anew cannot be read.
    #[error("write a record batch anew: a record is damaged")]
    Damaged,
}

/// Who writes a batch, so that the broker can drop repeats and fence old writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Producer {
    /// Handed out by InitProducerId.
    pub id: i64,
    /// Rises when an older writer of the same id is fenced.
    pub epoch: i16,
    /// Number of the batch's first record among all that the producer sent to the partition.
    pub base_sequence: i32,
}

impl Producer {
    /// A producer that is not idempotent.
    pub const NONE: Self = Self { id: NO_PRODUCER_ID, epoch: NO_PRODUCER_EPOCH, base_sequence: NO_SEQUENCE };
}

/// Collects records into one batch.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    /// The header's room, then the records as they will be before compression.
    buffer: Vec<u8>,
    header: BatchHeader,
    compression: Compression,
}

impl BatchBuilder {
    /// An empty batch at offset 0, written by no idempotent producer.
    pub fn new(compression: Compression) -> Self {
        Self::with_capacity(compression, 0)
    }

    /// Like [`BatchBuilder::new`], with room for records of so many bytes before compression.
    pub fn with_capacity(compression: Compression, records_bytes: usize) -> Self {
        let mut buffer = Vec::with_capacity(HEADER_BYTES + records_bytes);
        buffer.resize(HEADER_BYTES, 0);
        let mut header = BatchHeader {
            partition_leader_epoch: NO_LEADER_EPOCH,
            last_offset_delta: -1,
            base_timestamp_ms: NO_TIMESTAMP,
            max_timestamp_ms: NO_TIMESTAMP,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            ..BatchHeader::default()
        };
        header.set_compression(compression);
        Self { buffer, header, compression }
    }

    /// Appends a record at the next offset. Headers are names and values.
    #[inline]
    pub fn append(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> Result<(), BuildError> {
        let delta = self.header.last_offset_delta.checked_add(1).ok_or(BuildError::TooLarge)?;
        self.append_delta(delta, timestamp_ms, key, value, headers)
    }

    /// Appends a record at a given offset, which must lie behind the last one; gaps are what compaction leaves.
    pub fn append_at(
        &mut self,
        offset: i64,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> Result<(), BuildError> {
        let last = self.header.last_offset();
        if offset <= last {
            return Err(BuildError::OffsetNotAscending { offset, last });
        }
        let delta = offset.wrapping_sub(self.header.base_offset);
        let delta = i32::try_from(delta).map_err(|_| BuildError::TooLarge)?;
        self.append_delta(delta, timestamp_ms, key, value, headers)
    }

    #[inline]
    fn append_delta(
        &mut self,
        offset_delta: i32,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> Result<(), BuildError> {
        if self.header.record_count == 0 {
            self.header.base_timestamp_ms = timestamp_ms;
        }
        let timestamp_delta = timestamp_ms.wrapping_sub(self.header.base_timestamp_ms);
        let body_bytes = body_size(timestamp_delta, offset_delta, key, value, headers);
        let record_bytes = varint::size(body_bytes as i64) + body_bytes;
        if record_bytes > i32::MAX as usize - self.buffer.len() {
            return Err(BuildError::TooLarge);
        }
        let to = &mut self.buffer;
        to.reserve(record_bytes);
        varint::write(to, body_bytes as i64);
        to.push(0);
        varint::write(to, timestamp_delta);
        varint::write(to, i64::from(offset_delta));
        write_bytes(to, key);
        write_bytes(to, value);
        varint::write(to, headers.len() as i64);
        for (name, value) in headers {
            write_bytes(to, Some(name.as_bytes()));
            write_bytes(to, *value);
        }
        self.header.last_offset_delta = offset_delta;
        self.header.record_count += 1;
        self.header.max_timestamp_ms = self.header.max_timestamp_ms.max(timestamp_ms);
        Ok(())
    }

    /// Records so far.
    pub fn record_count(&self) -> usize {
        self.header.record_count as usize
    }

    /// Whether there are no records yet.
    pub fn is_empty(&self) -> bool {
        self.header.record_count == 0
    }

    /// Bytes of the batch so far, header included, before compression.
    pub fn size_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// What [`BatchBuilder::size_bytes`] would be after appending this record.
    pub fn size_with(
        &self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> usize {
        let base_ms = if self.is_empty() { timestamp_ms } else { self.header.base_timestamp_ms };
        let delta = self.header.last_offset_delta.saturating_add(1);
        let body_bytes = body_size(timestamp_ms.wrapping_sub(base_ms), delta, key, value, headers);
        self.buffer.len() + varint::size(body_bytes as i64) + body_bytes
    }

    /// Largest timestamp so far; -1 without records.
    pub fn max_timestamp_ms(&self) -> i64 {
        self.header.max_timestamp_ms
    }

    /// Sets who writes the batch.
    pub fn set_producer(&mut self, producer: Producer) {
        self.header.producer_id = producer.id;
        self.header.producer_epoch = producer.epoch;
        self.header.base_sequence = producer.base_sequence;
    }

    /// Makes the batch part of a transaction.
    pub fn set_transactional(&mut self, is_transactional: bool) {
        self.header.set_transactional(is_transactional);
    }

    /// Makes it a batch of control records.
    pub fn set_control(&mut self) {
        self.header.set_control();
    }

    /// Sets where the timestamps come from.
    pub fn set_timestamp_type(&mut self, timestamp_type: TimestampType) {
        self.header.set_timestamp_type(timestamp_type);
    }

    /// Sets the offset of the first record; before anything is appended.
    pub fn set_base_offset(&mut self, base_offset: i64) {
        debug_assert!(self.is_empty(), "records count from the base offset");
        self.header.base_offset = base_offset;
    }

    /// Sets the epoch of the leader that appends the batch.
    pub fn set_leader_epoch(&mut self, leader_epoch: i32) {
        self.header.partition_leader_epoch = leader_epoch;
    }

    /// Makes the batch end at this offset even when no record is left there, as compaction must.
    pub fn set_last_offset(&mut self, last_offset: i64) -> Result<(), BuildError> {
        let last = self.header.last_offset();
        if last_offset < last {
            return Err(BuildError::OffsetNotAscending { offset: last_offset, last });
        }
        let delta = last_offset.wrapping_sub(self.header.base_offset);
        self.header.last_offset_delta = i32::try_from(delta).map_err(|_| BuildError::TooLarge)?;
        Ok(())
    }

    /// Compresses the records and writes header and checksum.
    pub fn finish(self) -> Result<Bytes, BuildError> {
        let Self { buffer, header, compression } = self;
        seal(buffer, header, compression, None)
    }
}

/// Makes a batch of records that stand uncompressed behind the header's room: compresses them, and writes the header
/// with what follows from them (compression, length, checksum).
pub(super) fn seal(
    buffer: Vec<u8>,
    mut header: BatchHeader,
    compression: Compression,
    level: Option<i32>,
) -> Result<Bytes, BuildError> {
    header.set_compression(compression);
    let mut batch = match compression {
        Compression::None => buffer,
        other => {
            let records = buffer.get(HEADER_BYTES..).unwrap_or_default();
            let mut batch = Vec::with_capacity(HEADER_BYTES + records.len() / 2);
            batch.resize(HEADER_BYTES, 0);
            other.compress_at(level, records, &mut batch)?;
            batch
        }
    };
    // The length counts what follows it.
    header.length = i32::try_from(batch.len() - LENGTH_END).map_err(|_| BuildError::TooLarge)?;
    if let Some(room) = batch.first_chunk_mut() {
        header.write(room);
    }
    header.crc = checksum(&batch);
    if let Some(room) = batch.first_chunk_mut() {
        header.write(room);
    }
    Ok(Bytes::from(batch))
}

#[inline]
fn body_size(
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[(&str, Option<&[u8]>)],
) -> usize {
    let headers_bytes: usize =
        headers.iter().map(|(name, value)| bytes_size(Some(name.as_bytes())) + bytes_size(*value)).sum();
    // One byte of attributes.
    1 + varint::size(timestamp_delta)
        + varint::size(i64::from(offset_delta))
        + bytes_size(key)
        + bytes_size(value)
        + varint::size(headers.len() as i64)
        + headers_bytes
}

#[inline]
fn bytes_size(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint::size(bytes.len() as i64) + bytes.len())
}

#[inline]
fn write_bytes(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            varint::write(to, bytes.len() as i64);
            to.extend_from_slice(bytes);
        }
        None => varint::write(to, -1),
    }
}
