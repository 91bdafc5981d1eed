//! Reading a segment batch by batch in large reads, every checksum verified: compaction never copies damage.

use std::sync::Arc;

use bytes::Bytes;
use millstream_protocol::record_batch::{Batch, BatchHeader, HEADER_BYTES};

use super::super::disk::{Attempt, DiskFile};
use super::super::segment::{LOG, Segment};
use super::pass::PassError;

/// Bytes read at a time, unless a batch is larger.
const CHUNK_BYTES: usize = 1 << 20;

pub struct Source<'a> {
    segment: &'a Segment,
    file: Arc<dyn DiskFile>,
    position: u64,
    end: u64,
    /// The next batch begins here or later, and ends before the limit: base offsets lie outside the checksum.
    next_offset: i64,
    limit: i64,
    chunk: Bytes,
}

impl<'a> Source<'a> {
    /// Begins at a batch's position. The next segment begins at `limit`.
    pub fn new(segment: &'a Segment, position: u64, limit: i64) -> Result<Self, PassError> {
        let file = segment.log_file()?;
        let (end, next_offset) = (segment.size_bytes(), segment.base_offset());
        Ok(Self { segment, file, position, end, next_offset, limit, chunk: Bytes::new() })
    }

    pub fn next(&mut self) -> Result<Option<Batch>, PassError> {
        if self.position >= self.end {
            return Ok(None);
        }
        if self.chunk.len() < HEADER_BYTES {
            self.fill(CHUNK_BYTES)?;
        }
        let header = BatchHeader::parse(&self.chunk).map_err(|fault| self.broken(&fault))?;
        let left = self.end - self.position;
        if header.size_bytes() as u64 > left {
            return Err(
                self.broken(&format!("batch of {} bytes is cut off after {left}", header.size_bytes()))
            );
        }
        if header.size_bytes() > self.chunk.len() {
            self.fill(header.size_bytes().max(CHUNK_BYTES))?;
        }
        let batch = Batch::split_from(&mut self.chunk).map_err(|fault| self.broken(&fault))?;
        batch.verify_crc().map_err(|fault| self.broken(&fault))?;
        if header.base_offset < self.next_offset || header.next_offset() > self.limit {
            let (from, to) = (self.next_offset, self.limit);
            return Err(self.broken(&format!("offset {} is not in {from}..{to}", header.base_offset)));
        }
        self.next_offset = header.next_offset();
        self.position += header.size_bytes() as u64;
        Ok(Some(batch))
    }

    /// What was read will not be read again from this file.
    pub fn forget(&self) {
        self.file.forget_cached(0, self.end);
    }

    fn fill(&mut self, wanted: usize) -> Result<(), PassError> {
        let wanted = wanted.min(usize::try_from(self.end - self.position).unwrap_or(usize::MAX));
        let mut bytes = vec![0; wanted];
        let filled = self.file.read_at(&mut bytes, self.position).attempt("read", &self.segment.path(LOG))?;
        bytes.truncate(filled);
        self.chunk = Bytes::from(bytes);
        Ok(())
    }

    fn broken(&self, reason: &dyn std::fmt::Display) -> PassError {
        PassError::Segment(self.segment.broken(self.position, reason.to_string()))
    }
}
