//! Walking batches, and the records inside one.

use std::borrow::Cow;

use bytes::Bytes;
use thiserror::Error;

use super::header::checksum;
use super::{BatchHeader, HEADER_BYTES, TimestampType, varint};
use crate::compression::{Compression, CompressionError};

/// Why bytes are no good batch, or a batch's records cannot be read.
#[derive(Debug, Error)]
pub enum BatchError {
    /// The batch does not end within the bytes; fetched data may end so.
    #[error("read a record batch: {needed_bytes} bytes are needed, {present_bytes} are there")]
    Truncated { needed_bytes: usize, present_bytes: usize },
    /// A message format before or after v2.
    #[error("read a record batch: message format {0} is not supported, only 2 is")]
    UnsupportedMagic(i8),
    /// The length field says less than a header.
    #[error("read a record batch: the length {0} is impossible")]
    InvalidLength(i32),
    /// The checksum says that bytes were damaged.
    #[error(
        "read the record batch at offset {base_offset}: the checksum is {found:#010x}, not {expected:#010x}"
    )]
    CrcMismatch { base_offset: i64, expected: u32, found: u32 },
    /// The records cannot be decompressed.
    #[error("read the record batch at offset {base_offset}")]
    Compression { base_offset: i64, source: CompressionError },
    /// A record is damaged.
    #[error("read record {index} of the record batch at offset {base_offset}: {problem}")]
    InvalidRecord { base_offset: i64, index: i32, problem: &'static str },
    /// Offsets and count do not fit each other.
    #[error("read the record batch at offset {base_offset}: {problem}")]
    Inconsistent { base_offset: i64, problem: &'static str },
}

impl BatchError {
    /// Whether more bytes could make it a batch.
    pub fn is_truncated(&self) -> bool {
        matches!(self, Self::Truncated { .. })
    }
}

/// Splits `bytes` into whole batches. Ends after the first error; a batch that is cut off is one
/// ([`BatchError::is_truncated`]).
pub fn batches(bytes: Bytes) -> Batches {
    Batches { rest: bytes }
}

/// See [`batches`].
#[derive(Debug, Clone)]
pub struct Batches {
    rest: Bytes,
}

impl Iterator for Batches {
    type Item = Result<Batch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let batch = Batch::split_from(&mut self.rest);
        if batch.is_err() {
            self.rest.clear();
        }
        Some(batch)
    }
}

/// One whole batch: its header, read, and its bytes, untouched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    header: BatchHeader,
    bytes: Bytes,
}

impl Batch {
    /// Takes the batch off the front of `bytes`, without looking at its checksum.
    pub fn split_from(bytes: &mut Bytes) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(bytes)?;
        let needed_bytes = header.size_bytes();
        if bytes.len() < needed_bytes {
            return Err(BatchError::Truncated { needed_bytes, present_bytes: bytes.len() });
        }
        Ok(Self { header, bytes: bytes.split_to(needed_bytes) })
    }

    /// What stands in front of the records.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The whole batch, header included.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The whole batch, header included.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Compares the checksum.
    pub fn verify_crc(&self) -> Result<(), BatchError> {
        let found = checksum(&self.bytes);
        if found == self.header.crc {
            return Ok(());
        }
        Err(BatchError::CrcMismatch {
            base_offset: self.header.base_offset,
            expected: self.header.crc,
            found,
        })
    }

    /// The batch with another place in the log, as header and records, so that the records need no copy.
    pub fn relocated(&self, base_offset: i64, leader_epoch: i32) -> ([u8; HEADER_BYTES], Bytes) {
        let header = BatchHeader { base_offset, partition_leader_epoch: leader_epoch, ..self.header };
        (header.to_bytes(), self.bytes.slice(HEADER_BYTES..))
    }

    /// The records, decompressed to at most `limit_bytes`. Uncompressed ones stay slices of the batch and are
    /// not limited: they are there already.
    pub fn records(&self, limit_bytes: usize) -> Result<RecordSet, BatchError> {
        let base_offset = self.header.base_offset;
        let failed = |source| BatchError::Compression { base_offset, source };
        let compressed = self.bytes.slice(HEADER_BYTES..);
        let data = match self.header.compression().map_err(failed)? {
            Compression::None => compressed,
            other => Bytes::from(other.decompress(&compressed, limit_bytes).map_err(failed)?),
        };
        Ok(RecordSet { header: self.header, data })
    }
}

/// The decompressed records of one batch.
#[derive(Debug, Clone)]
pub struct RecordSet {
    pub(super) header: BatchHeader,
    pub(super) data: Bytes,
}

impl RecordSet {
    /// The batch that the records come from.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The records in order, borrowed. Ends after the first error.
    pub fn iter(&self) -> Records<'_> {
        Records {
            header: &self.header,
            rest: &self.data,
            index: 0,
            log_append_time_ms: match self.header.timestamp_type() {
                TimestampType::LogAppendTime => Some(self.header.max_timestamp_ms),
                TimestampType::CreateTime => None,
            },
        }
    }

    /// A key, value or other part of a record of this set as shared bytes, without copying.
    pub fn share(&self, part: &[u8]) -> Bytes {
        self.data.slice_ref(part)
    }

    /// Reads everything once, as a broker must before it stores what a producer sent: every record and its
    /// headers are well formed, offsets count up from zero, and the count is right.
    pub fn validate(&self) -> Result<(), BatchError> {
        let header = &self.header;
        let inconsistent = |problem| BatchError::Inconsistent { base_offset: header.base_offset, problem };
        if header.record_count < 1 || header.last_offset_delta != header.record_count - 1 {
            return Err(inconsistent("the last offset does not fit the number of records"));
        }
        for (index, record) in (0i32..).zip(self) {
            let record = record?;
            let invalid =
                |problem| BatchError::InvalidRecord { base_offset: header.base_offset, index, problem };
            if record.offset != header.base_offset.wrapping_add(i64::from(index)) {
                return Err(invalid("its offset does not follow the one before"));
            }
            for record_header in record.headers {
                record_header.map_err(invalid)?;
            }
        }
        Ok(())
    }
}

impl<'a> IntoIterator for &'a RecordSet {
    type Item = Result<Record<'a>, BatchError>;
    type IntoIter = Records<'a>;

    fn into_iter(self) -> Records<'a> {
        self.iter()
    }
}

/// See [`RecordSet::iter`].
#[derive(Debug, Clone)]
pub struct Records<'a> {
    header: &'a BatchHeader,
    pub(super) rest: &'a [u8],
    index: i32,
    log_append_time_ms: Option<i64>,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.index >= self.header.record_count {
            return self.end();
        }
        match self.read() {
            Ok(record) => {
                self.index += 1;
                Some(Ok(record))
            }
            Err(problem) => Some(Err(self.fail(problem))),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, usize::try_from(self.header.record_count.saturating_sub(self.index)).ok())
    }
}

impl<'a> Records<'a> {
    #[inline]
    fn read(&mut self) -> Result<Record<'a>, &'static str> {
        let length = read_length(&mut self.rest)?.ok_or("its length is negative")?;
        let (mut body, rest) = self.rest.split_at_checked(length).ok_or("it is cut off")?;
        self.rest = rest;
        // Attributes of records are unused.
        body = body.get(1..).ok_or("it is cut off")?;
        let timestamp_delta = varint::read(&mut body).ok_or("its timestamp is damaged")?;
        let offset_delta = varint::read(&mut body).ok_or("its offset is damaged")?;
        let key = read_bytes(&mut body)?;
        let value = read_bytes(&mut body)?;
        let header_count = varint::read(&mut body).ok_or("its header count is damaged")?;
        // Each header takes two bytes at least.
        let count = usize::try_from(header_count).ok().filter(|count| *count <= body.len() / 2);
        let headers = Headers { count: count.ok_or("its header count is impossible")?, rest: body };
        if headers.count == 0 && !body.is_empty() {
            return Err("bytes are left behind its headers");
        }
        let timestamp_ms = match self.log_append_time_ms {
            Some(timestamp_ms) => timestamp_ms,
            None => self.header.base_timestamp_ms.wrapping_add(timestamp_delta),
        };
        let offset = self.header.base_offset.wrapping_add(offset_delta);
        Ok(Record { offset, timestamp_ms, key, value, headers })
    }

    #[cold]
    fn fail(&mut self, problem: &'static str) -> BatchError {
        let index = self.index;
        self.rest = &[];
        self.index = i32::MAX;
        BatchError::InvalidRecord { base_offset: self.header.base_offset, index, problem }
    }

    fn end(&mut self) -> Option<Result<Record<'a>, BatchError>> {
        if self.rest.is_empty() {
            return None;
        }
        self.index = self.header.record_count;
        Some(Err(self.fail("bytes are left behind the last record")))
    }
}

/// One record; its bytes are borrowed from the [`RecordSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Place in the partition.
    pub offset: i64,
    /// Milliseconds since 1970, UTC; -1 for none.
    pub timestamp_ms: i64,
    /// None for no key, which is not an empty one.
    pub key: Option<&'a [u8]>,
    /// None for no value (a tombstone), which is not an empty one.
    pub value: Option<&'a [u8]>,
    /// Names and values that travel along.
    pub headers: Headers<'a>,
}

/// The headers of a record, read while iterating; each item is an error where the bytes are damaged, and the
/// iteration ends there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Headers<'a> {
    count: usize,
    rest: &'a [u8],
}

impl Headers<'_> {
    /// Headers not yet read.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no header is left.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<'a> Headers<'a> {
    fn read(&mut self) -> Result<RecordHeader<'a>, &'static str> {
        let key = read_bytes(&mut self.rest)?.ok_or("the key of a header is null")?;
        let value = read_bytes(&mut self.rest)?;
        Ok(RecordHeader { key: String::from_utf8_lossy(key), value })
    }
}

impl<'a> Iterator for Headers<'a> {
    /// The error says what is wrong with the header.
    type Item = Result<RecordHeader<'a>, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        let mut header = self.read();
        if self.count == 0 && header.is_ok() && !self.rest.is_empty() {
            header = Err("bytes are left behind the last header");
        }
        if header.is_err() {
            self.count = 0;
        }
        Some(header)
    }
}

/// A header of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordHeader<'a> {
    /// The name; bytes that are no UTF-8 show as replacement characters.
    pub key: Cow<'a, str>,
    /// The value, which may be missing.
    pub value: Option<&'a [u8]>,
}

#[inline]
fn read_length(from: &mut &[u8]) -> Result<Option<usize>, &'static str> {
    match varint::read(from) {
        Some(-1) => Ok(None),
        Some(length) => match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) => Err("a length is negative"),
        },
        None => Err("a length is damaged"),
    }
}

#[inline]
fn read_bytes<'a>(from: &mut &'a [u8]) -> Result<Option<&'a [u8]>, &'static str> {
    let Some(length) = read_length(from)? else { return Ok(None) };
    let (bytes, rest) = from.split_at_checked(length).ok_or("a length goes beyond the record")?;
    *from = rest;
    Ok(Some(bytes))
}
