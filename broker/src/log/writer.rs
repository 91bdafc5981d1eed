//! Appending to a partition's log: one vectored write per append, index notes, and the roll to a new segment.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::Bytes;
use millstream_protocol::record_batch::{BatchHeader, HEADER_BYTES};

use super::disk::{Attempt, DiskError};
use super::producer_snapshot;
use super::segment::{Segment, SegmentAppendError, SegmentError, TRANSACTION_INDEX};
use super::segments::Log;
use super::transaction_index;
use crate::partition::batch::Marker;
use crate::partition::producer::Producers;
use crate::partition::transaction::AbortedTransaction;

/// A batch ready to be written: its header with final offset, epoch and times, and the records behind it, not copied.
#[derive(Debug, Clone)]
pub struct StampedBatch {
    pub batch: BatchHeader,
    pub marker: Option<Marker>,
    pub header: [u8; HEADER_BYTES],
    pub records: Bytes,
}

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Nothing was appended; the log is as it was.
    #[error("{0}; free space, then retry")]
    DiskFull(#[source] DiskError),
    /// What the files hold is unknown: the log folder must not be appended to again.
    #[error(transparent)]
    Failed(DiskError),
    #[error(transparent)]
    Segment(#[from] SegmentError),
}

impl From<DiskError> for WriteError {
    fn from(error: DiskError) -> Self {
        if error.is_full() { Self::DiskFull(error) } else { Self::Failed(error) }
    }
}

impl From<SegmentAppendError> for WriteError {
    fn from(failed: SegmentAppendError) -> Self {
        if failed.undone { failed.error.into() } else { Self::Failed(failed.error) }
    }
}

impl Log {
    /// Appends all batches in one write, or none. `producers` is the state before them, for the snapshot that a roll
    /// leaves behind.
    pub fn append(
        &mut self,
        batches: &[StampedBatch],
        producers: &Producers,
        now_ms: i64,
    ) -> Result<(), WriteError> {
        let Some(first) = batches.first() else { return Ok(()) };
        let size_bytes: u64 = batches.iter().map(|stamped| stamped.batch.size_bytes() as u64).sum();
        if self.must_roll(&first.batch, batches, size_bytes, now_ms)? {
            self.roll(first.batch.base_offset, producers)?;
        }
        let segment = self.active().clone();
        let mut position = segment.size_bytes();
        let mut parts = Vec::with_capacity(batches.len() * 2);
        for stamped in batches {
            parts.push(IoSlice::new(&stamped.header));
            parts.push(IoSlice::new(&stamped.records));
        }
        segment.append(&mut parts, size_bytes)?;
        self.active_dirty = true;
        for stamped in batches {
            segment.note(&stamped.batch, position)?;
            position += stamped.batch.size_bytes() as u64;
        }
        Ok(())
    }

    /// Adds an entry to the active segment's transaction index. It is flushed with the roll; recovery rebuilds it.
    pub fn note_aborted(&mut self, aborted: &AbortedTransaction) -> Result<(), WriteError> {
        self.aborted_dirty = true;
        let path = self.active().path(TRANSACTION_INDEX);
        transaction_index::append(&*self.disk, &path, aborted).map_err(WriteError::from)
    }

    /// Seals the active segment and begins a new one at `base_offset`. Flushing both is left to the flusher, which
    /// must do it before anything behind the roll is acknowledged as durable.
    pub fn roll(&mut self, base_offset: i64, producers: &Producers) -> Result<(), WriteError> {
        let old = self.active().clone();
        if old.base_offset() == base_offset {
            return Ok(());
        }
        let indexes = old.seal()?;
        self.write_producer_snapshot(base_offset, producers)?;
        let interval = self.config.index_interval_bytes;
        let segment = Segment::create(self.disk.clone(), self.directory.clone(), base_offset, interval)?;
        if std::mem::take(&mut self.active_dirty) {
            self.unsynced.files.push((old.path(super::segment::LOG), old.log_file()?));
        }
        for file in indexes {
            self.unsynced.files.push((old.path(super::segment::OFFSET_INDEX), file));
        }
        self.settle_aborted(&old);
        self.unsynced.add_folder(&self.directory);
        self.segments.push(Arc::new(segment));
        Ok(())
    }

    /// Has the transaction index of the active segment flushed with the next flush: nothing rebuilds it later.
    pub fn settle_aborted(&mut self, active: &Segment) {
        if std::mem::take(&mut self.aborted_dirty) {
            self.unsynced.closed_files.push(active.path(TRANSACTION_INDEX));
            self.unsynced.add_folder(&self.directory);
        }
    }

    /// Writes what the partition knows of its producers at `offset`, and has it flushed with the next flush.
    pub fn write_producer_snapshot(&mut self, offset: i64, producers: &Producers) -> Result<(), DiskError> {
        let path = self.directory.join(producer_snapshot::file_name(offset));
        producer_snapshot::write(&*self.disk, &path, producers)?;
        let file = self.disk.open(&path).attempt("open", &path)?;
        self.unsynced.files.push((path, file));
        self.unsynced.add_folder(&self.directory);
        Ok(())
    }

    /// How old the active segment may get: each one by its own share of `segment.jitter.ms` less, so that the
    /// partitions of a topic do not all roll at once; on a compacted topic no older than a record may wait.
    fn longest_age_ms(&self) -> i64 {
        let config = &self.config;
        let jitter_ms = config.segment_jitter_ms.min(config.segment_ms);
        let share = crc32c::crc32c_append(
            self.active().base_offset() as u32,
            self.directory.as_os_str().as_encoded_bytes(),
        );
        let jitter_ms = if jitter_ms > 0 { i64::from(share) % jitter_ms } else { 0 };
        let age_ms = config.segment_ms - jitter_ms;
        if config.compact { age_ms.min(config.max_compaction_lag_ms) } else { age_ms }
    }

    fn must_roll(
        &self,
        first: &BatchHeader,
        batches: &[StampedBatch],
        size: u64,
        now_ms: i64,
    ) -> Result<bool, WriteError> {
        let active = self.active();
        if active.size_bytes() == 0 {
            return Ok(false);
        }
        if active.size_bytes() + size > self.config.segment_bytes {
            return Ok(true);
        }
        let last_offset = batches.last().map_or(first.last_offset(), |stamped| stamped.batch.last_offset());
        if last_offset - active.base_offset() > i64::from(i32::MAX) {
            return Ok(true);
        }
        // By the records' own time where they have one, as Kafka does, so that a replayed history rolls alike.
        let now = if first.max_timestamp_ms >= 0 { first.max_timestamp_ms } else { now_ms };
        let begun = active.first_timestamp()?.filter(|begun| *begun >= 0).unwrap_or(now);
        Ok(now - begun > self.longest_age_ms() || active.index_is_full(self.config.segment_index_bytes)?)
    }
}
