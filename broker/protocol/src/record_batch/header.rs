//! The first 61 bytes of a batch: reading them, and changing them in place.

use super::{BatchError, HEADER_BYTES, NO_PRODUCER_ID, NO_SEQUENCE, Producer};
use crate::compression::{Compression, CompressionError};

const BASE_OFFSET: usize = 0;
const LENGTH: usize = 8;
const LEADER_EPOCH: usize = 12;
const MAGIC: usize = 16;
const CRC: usize = 17;
const ATTRIBUTES: usize = 21;
const MAX_TIMESTAMP: usize = 35;
const PRODUCER_ID: usize = 43;
const PRODUCER_EPOCH: usize = 51;
const BASE_SEQUENCE: usize = 53;

/// Bytes up to and with the length field, which counts what follows.
pub(super) const LENGTH_END: usize = 12;

/// The only format written and read.
const MAGIC_V2: i8 = 2;

const COMPRESSION_MASK: i16 = 0b111;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;
const DELETE_HORIZON: i16 = 1 << 6;

/// Where the timestamps of a batch come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TimestampType {
    /// The producer set one per record.
    #[default]
    CreateTime,
    /// The broker set one for all records when it appended them.
    LogAppendTime,
}

/// What a batch says about itself in front of its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchHeader {
    /// Offset that the records' deltas count from.
    pub base_offset: i64,
    /// Bytes behind the length field; see [`BatchHeader::size_bytes`].
    pub length: i32,
    /// Epoch of the leader that appended the batch.
    pub partition_leader_epoch: i32,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// Compression in bits 0-2, then timestamp type, transactional, control, delete horizon.
    pub attributes: i16,
    /// Offset of the last record, counted from the base; may lie beyond the last record that compaction left.
    pub last_offset_delta: i32,
    /// Timestamp that the records' deltas count from; the delete horizon when that bit is set.
    pub base_timestamp_ms: i64,
    /// Largest timestamp in the batch.
    pub max_timestamp_ms: i64,
    /// -1 when the producer is not idempotent.
    pub producer_id: i64,
    /// -1 when the producer is not idempotent.
    pub producer_epoch: i16,
    /// Sequence of the first record; -1 when the producer is not idempotent.
    pub base_sequence: i32,
    /// Records in the batch.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`, which may hold more or only the header.
    ///
    /// Refused: other formats than v2, and lengths too short for a header. Not checked: the checksum, and
    /// whether `bytes` holds the whole batch.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let truncated = BatchError::Truncated { needed_bytes: HEADER_BYTES, present_bytes: bytes.len() };
        let magic = read_at::<1>(bytes, MAGIC).map(i8::from_be_bytes);
        match magic {
            Some(MAGIC_V2) => {}
            Some(magic) => return Err(BatchError::UnsupportedMagic(magic)),
            None => return Err(truncated),
        }
        let header = Self::fields(bytes).ok_or(truncated)?;
        if usize::try_from(header.length).is_ok_and(|length| length >= HEADER_BYTES - LENGTH_END) {
            Ok(header)
        } else {
            Err(BatchError::InvalidLength(header.length))
        }
    }

    fn fields(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            base_offset: i64::from_be_bytes(read_at(bytes, BASE_OFFSET)?),
            length: i32::from_be_bytes(read_at(bytes, LENGTH)?),
            partition_leader_epoch: i32::from_be_bytes(read_at(bytes, LEADER_EPOCH)?),
            crc: u32::from_be_bytes(read_at(bytes, CRC)?),
            attributes: i16::from_be_bytes(read_at(bytes, ATTRIBUTES)?),
            last_offset_delta: i32::from_be_bytes(read_at(bytes, 23)?),
            base_timestamp_ms: i64::from_be_bytes(read_at(bytes, 27)?),
            max_timestamp_ms: i64::from_be_bytes(read_at(bytes, MAX_TIMESTAMP)?),
            producer_id: i64::from_be_bytes(read_at(bytes, PRODUCER_ID)?),
            producer_epoch: i16::from_be_bytes(read_at(bytes, PRODUCER_EPOCH)?),
            base_sequence: i32::from_be_bytes(read_at(bytes, BASE_SEQUENCE)?),
            record_count: i32::from_be_bytes(read_at(bytes, 57)?),
        })
    }

    /// The header as bytes, for a batch whose records follow elsewhere.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        self.write(&mut bytes);
        bytes
    }

    pub(super) fn write(&self, bytes: &mut [u8; HEADER_BYTES]) {
        write_at(bytes, BASE_OFFSET, self.base_offset.to_be_bytes());
        write_at(bytes, LENGTH, self.length.to_be_bytes());
        write_at(bytes, LEADER_EPOCH, self.partition_leader_epoch.to_be_bytes());
        write_at(bytes, MAGIC, MAGIC_V2.to_be_bytes());
        write_at(bytes, CRC, self.crc.to_be_bytes());
        write_at(bytes, ATTRIBUTES, self.attributes.to_be_bytes());
        write_at(bytes, 23, self.last_offset_delta.to_be_bytes());
        write_at(bytes, 27, self.base_timestamp_ms.to_be_bytes());
        write_at(bytes, MAX_TIMESTAMP, self.max_timestamp_ms.to_be_bytes());
        write_at(bytes, PRODUCER_ID, self.producer_id.to_be_bytes());
        write_at(bytes, PRODUCER_EPOCH, self.producer_epoch.to_be_bytes());
        write_at(bytes, BASE_SEQUENCE, self.base_sequence.to_be_bytes());
        write_at(bytes, 57, self.record_count.to_be_bytes());
    }

    /// Bytes of the whole batch, header included.
    pub fn size_bytes(&self) -> usize {
        LENGTH_END + usize::try_from(self.length).unwrap_or_default()
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    /// Offset right behind the batch.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// Sequence of the last record, wrapping from the largest int32 to zero; -1 without producer.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        // Sequences use the 31 bits of a non-negative int32.
        self.base_sequence.wrapping_add(self.last_offset_delta) & i32::MAX
    }

    /// How the records are compressed.
    pub fn compression(&self) -> Result<Compression, CompressionError> {
        Compression::from_id((self.attributes & COMPRESSION_MASK) as u8)
    }

    /// Where the timestamps come from.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & LOG_APPEND_TIME != 0 {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether the batch holds a marker and no data.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Whether an idempotent producer wrote the batch.
    pub fn has_producer(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    /// When tombstones in the batch may go (KIP-534), if compaction has set that.
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes & DELETE_HORIZON != 0).then_some(self.base_timestamp_ms)
    }

    /// Sets or clears [`BatchHeader::delete_horizon_ms`].
    pub fn set_delete_horizon_ms(&mut self, horizon_ms: Option<i64>) {
        match horizon_ms {
            Some(horizon_ms) => {
                self.attributes |= DELETE_HORIZON;
                self.base_timestamp_ms = horizon_ms;
            }
            None => self.attributes &= !DELETE_HORIZON,
        }
    }

    pub(super) fn set_compression(&mut self, compression: Compression) {
        self.attributes = self.attributes & !COMPRESSION_MASK | i16::from(compression.id());
    }

    pub(super) fn set_timestamp_type(&mut self, timestamp_type: TimestampType) {
        self.set(LOG_APPEND_TIME, timestamp_type == TimestampType::LogAppendTime);
    }

    pub(super) fn set_transactional(&mut self, is_transactional: bool) {
        self.set(TRANSACTIONAL, is_transactional);
    }

    pub(super) fn set_control(&mut self) {
        self.set(CONTROL, true);
    }

    fn set(&mut self, bit: i16, on: bool) {
        self.attributes = if on { self.attributes | bit } else { self.attributes & !bit };
    }
}

/// Changes in place. Each takes the bytes of a batch and refuses fewer than a header's; those that touch what
/// the checksum covers need the whole batch and bring the checksum up to date.
impl BatchHeader {
    /// Gives the batch its place in the log; outside the checksum.
    pub fn patch_base_offset(batch: &mut [u8], base_offset: i64) -> Result<(), BatchError> {
        write_at(header_of(batch)?, BASE_OFFSET, base_offset.to_be_bytes());
        Ok(())
    }

    /// Stamps the batch with the epoch of the leader that appends it; outside the checksum.
    pub fn patch_leader_epoch(batch: &mut [u8], leader_epoch: i32) -> Result<(), BatchError> {
        write_at(header_of(batch)?, LEADER_EPOCH, leader_epoch.to_be_bytes());
        Ok(())
    }

    /// Gives all records the time of the append. Costs a pass over the batch for the checksum.
    pub fn patch_log_append_time(batch: &mut [u8], timestamp_ms: i64) -> Result<(), BatchError> {
        let header = header_of(batch)?;
        let attributes = i16::from_be_bytes([header[ATTRIBUTES], header[ATTRIBUTES + 1]]) | LOG_APPEND_TIME;
        write_at(header, ATTRIBUTES, attributes.to_be_bytes());
        write_at(header, MAX_TIMESTAMP, timestamp_ms.to_be_bytes());
        Self::patch_crc(batch)
    }

    /// Changes who wrote the batch, as after an epoch bump. Costs a pass over the batch for the checksum.
    pub fn patch_producer(batch: &mut [u8], producer: Producer) -> Result<(), BatchError> {
        let header = header_of(batch)?;
        write_at(header, PRODUCER_ID, producer.id.to_be_bytes());
        write_at(header, PRODUCER_EPOCH, producer.epoch.to_be_bytes());
        write_at(header, BASE_SEQUENCE, producer.base_sequence.to_be_bytes());
        Self::patch_crc(batch)
    }

    /// Makes the checksum fit the bytes.
    pub fn patch_crc(batch: &mut [u8]) -> Result<(), BatchError> {
        let crc = checksum(batch);
        write_at(header_of(batch)?, CRC, crc.to_be_bytes());
        Ok(())
    }
}

/// CRC-32C of everything in a batch that it covers.
pub(super) fn checksum(batch: &[u8]) -> u32 {
    crc32c::crc32c(batch.get(ATTRIBUTES..).unwrap_or_default())
}

fn header_of(batch: &mut [u8]) -> Result<&mut [u8; HEADER_BYTES], BatchError> {
    let present_bytes = batch.len();
    batch.first_chunk_mut().ok_or(BatchError::Truncated { needed_bytes: HEADER_BYTES, present_bytes })
}

fn read_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn write_at<const N: usize>(header: &mut [u8; HEADER_BYTES], at: usize, value: [u8; N]) {
    header[at..at + N].copy_from_slice(&value);
}
