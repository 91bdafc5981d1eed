//! A partition's read side: fetches, offsets by time and by leader epoch, DeleteRecords, and closing.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::disk::DiskError;
use super::file_range::FileRange;
use super::partition::{Partition, READ_HINTS};
use super::progress::Standing;
use super::reader::{self, ReadHint, ReadRequest};
use super::records;
use super::recovery::{Leftovers, Listing, OpenError};
use super::retention::{Expired, Held, retire_all};
use super::segment::{Segment, SegmentError};
use super::writer::WriteError;
use crate::partition::PartitionState;
use crate::partition::transaction::AbortedTransaction;

/// Behind the last visible record (ListOffsets' special timestamps, KIP-79, KIP-405, KIP-734).
pub const LATEST: i64 = -1;
/// The first readable record.
pub const EARLIEST: i64 = -2;
/// The record with the largest timestamp.
pub const MAX_TIMESTAMP: i64 = -3;
/// The first record on this machine: the same as [`EARLIEST`] without tiered storage.
pub const EARLIEST_LOCAL: i64 = -4;
/// The last tiered record: none without tiered storage.
pub const LATEST_TIERED: i64 = -5;

/// How far a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// To the high watermark.
    ReadUncommitted,
    /// To the last stable offset, with the aborted transactions to skip.
    ReadCommitted,
    /// To the log's end: followers.
    LogEnd,
}

/// Whole batches and the limits at the time of reading.
#[derive(Debug, Clone)]
pub struct FetchData {
    pub records: Bytes,
    /// Only from [`Partition::find`]: the records, found and not read. Then `records` is empty.
    pub deferred: Option<FileRange>,
    /// Offset behind the last batch returned; the asked one when there is none. Below the visible end it means that
    /// more can be read at once.
    pub next_offset: i64,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub log_start_offset: i64,
    /// For [`Isolation::ReadCommitted`]: complete for the range returned, sorted by first offset.
    pub aborted: Vec<AbortedTransaction>,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("read from offset {offset}: the log holds {start}..{end}")]
    OffsetOutOfRange { offset: i64, start: i64, end: i64 },
    #[error(transparent)]
    Segment(#[from] SegmentError),
    #[error("look into batch at offset {offset}: {reason}")]
    Corrupt { offset: i64, reason: String },
    #[error("read from {0}: it is closed")]
    Closed(String),
}

/// An offset found by time. `timestamp` is -1 for the log's ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundOffset {
    pub offset: i64,
    pub timestamp: i64,
    pub leader_epoch: Option<i32>,
}

#[derive(Debug, thiserror::Error)]
pub enum DeleteRecordsError {
    #[error("delete records before offset {offset}: the high watermark is {high_watermark}")]
    OffsetOutOfRange { offset: i64, high_watermark: i64 },
    #[error("delete records: cleanup.policy does not contain delete")]
    NotAllowed,
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// A partition as one read sees it.
struct Snapshot {
    segments: Vec<Arc<Segment>>,
    visible_end: i64,
    fetched: FetchData,
    skip_aborted: bool,
    generation: u64,
}

impl Partition {
    /// Reads whole batches from the one that holds `offset` on, up to `max_bytes`; with `at_least_one` the first comes
    /// even if it alone is larger (KIP-74). Reads the page cache or the disk on the calling thread.
    pub fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
        isolation: Isolation,
    ) -> Result<FetchData, ReadError> {
        self.fetch(offset, max_bytes, at_least_one, isolation, false)
    }

    /// [`Partition::read`] that may leave many records in their file, for whoever sends them on.
    pub fn find(
        &self,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
        isolation: Isolation,
    ) -> Result<FetchData, ReadError> {
        self.fetch(offset, max_bytes, at_least_one, isolation, true)
    }

    fn fetch(
        &self,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
        isolation: Isolation,
        may_defer: bool,
    ) -> Result<FetchData, ReadError> {
        loop {
            let snapshot = self.look(offset, isolation)?;
            let visible_end = snapshot.visible_end;
            let request = ReadRequest { offset, visible_end, max_bytes, at_least_one, may_defer };
            if let Some(fetched) = self.read_at(snapshot, request)? {
                return Ok(fetched);
            }
        }
    }

    /// What a read needs, all of one moment.
    fn look(&self, offset: i64, isolation: Isolation) -> Result<Snapshot, ReadError> {
        let inner = self.inner.lock();
        let state = &inner.state;
        if inner.standing == Standing::Closed {
            return Err(ReadError::Closed(self.name.to_string()));
        }
        let (start, end) = (state.log_start_offset, state.log_end_offset);
        if offset < start || offset > end {
            return Err(ReadError::OffsetOutOfRange { offset, start, end });
        }
        let fetched = FetchData {
            records: Bytes::new(),
            deferred: None,
            next_offset: offset,
            high_watermark: state.high_watermark,
            last_stable_offset: state.last_stable_offset(),
            log_start_offset: start,
            aborted: Vec::new(),
        };
        let visible_end = visible_end(state, isolation);
        let segments =
            if offset < visible_end { inner.log.segments_from(offset).to_vec() } else { Vec::new() };
        let skip_aborted = isolation == Isolation::ReadCommitted;
        Ok(Snapshot { segments, visible_end, fetched, skip_aborted, generation: inner.generation })
    }

    /// `None` when segments were exchanged meanwhile: then look again.
    fn read_at(&self, snapshot: Snapshot, request: ReadRequest) -> Result<Option<FetchData>, ReadError> {
        let Snapshot { segments, mut fetched, skip_aborted, generation, .. } = snapshot;
        let offset = request.offset;
        let read = match reader::read(&segments, request, self.hint(offset), &self.shared.buffers) {
            Ok(read) => read,
            Err(_) if segments.iter().any(|segment| segment.is_retired()) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if let Some(end) = read.end {
            self.remember(offset, end);
        }
        fetched.records = read.records;
        fetched.deferred = read.deferred;
        fetched.next_offset = read.next_offset;
        if skip_aborted && fetched.next_offset > offset {
            let inner = self.inner.lock();
            if inner.generation != generation {
                // The batches may hold rolled back records that the list no longer names.
                return Ok(None);
            }
            fetched.aborted = inner.state.transactions.aborted_between(offset, fetched.next_offset);
        }
        Ok(Some(fetched))
    }

    /// The offset for a timestamp, or one of [`LATEST`], [`EARLIEST`], [`MAX_TIMESTAMP`], [`EARLIEST_LOCAL`],
    /// [`LATEST_TIERED`]; `None` when no visible record is that late.
    pub fn offset_for_timestamp(
        &self,
        timestamp: i64,
        isolation: Isolation,
    ) -> Result<Option<FoundOffset>, ReadError> {
        loop {
            let (segments, start, end) = {
                let inner = self.inner.lock();
                let end = visible_end(&inner.state, isolation);
                (inner.log.segments().to_vec(), inner.state.log_start_offset, end)
            };
            match self.find_in(&segments, timestamp, start, end) {
                Err(_) if segments.iter().any(|segment| segment.is_retired()) => {}
                found => return found,
            }
        }
    }

    fn find_in(
        &self,
        segments: &[Arc<Segment>],
        timestamp: i64,
        start: i64,
        end: i64,
    ) -> Result<Option<FoundOffset>, ReadError> {
        let bound = |offset| Some(FoundOffset { offset, timestamp: -1, leader_epoch: self.epoch_at(offset) });
        let wanted = match timestamp {
            LATEST => return Ok(bound(end)),
            EARLIEST | EARLIEST_LOCAL => return Ok(bound(start)),
            MAX_TIMESTAMP => newest_timestamp(segments)?,
            0.. => timestamp,
            _ => return Ok(None),
        };
        if wanted < 0 {
            return Ok(None);
        }
        let Some((segment, located)) = reader::find_time(segments, wanted, start)? else { return Ok(None) };
        let bytes = reader::read_located(&segment, located, &self.shared.buffers)?;
        let found = records::first_at_or_after(bytes, wanted, start)
            .map_err(|reason| ReadError::Corrupt { offset: located.batch.base_offset, reason })?;
        let leader_epoch = Some(located.batch.partition_leader_epoch).filter(|epoch| *epoch >= 0);
        Ok(found.filter(|(offset, _)| *offset < end).map(|(offset, timestamp)| FoundOffset {
            offset,
            timestamp,
            leader_epoch,
        }))
    }

    /// The largest epoch not above `epoch` and where it ends; `None` when that is unknown here (KIP-101, KIP-320).
    pub fn offset_for_leader_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        self.with_state(|state| {
            if epoch == state.leader_epoch {
                return Some((epoch, state.log_end_offset));
            }
            state.epochs.end_offset(epoch, state.log_end_offset)
        })
    }

    /// Makes everything before `offset` unreadable ([`LATEST`]: before the high watermark) and durably so. Whole
    /// segments before it go with the next retention round. Returns the log's start. Flushes: call where blocking is
    /// allowed.
    pub fn delete_records(&self, offset: i64) -> Result<i64, DeleteRecordsError> {
        let start = {
            let mut inner = self.inner.lock();
            if !inner.log.config().delete {
                return Err(DeleteRecordsError::NotAllowed);
            }
            let high_watermark = inner.state.high_watermark;
            let offset = if offset == LATEST { high_watermark } else { offset };
            if offset < 0 || offset > high_watermark {
                return Err(DeleteRecordsError::OffsetOutOfRange { offset, high_watermark });
            }
            if inner.state.advance_log_start(offset) {
                self.publish(&inner);
            }
            inner.state.log_start_offset
        };
        self.shared.store_log_starts()?;
        Ok(start)
    }

    /// Cuts the log before `offset`: a follower's way back to its leader (KIP-101). Producers, transactions and epochs
    /// are rebuilt from what remains.
    pub fn truncate(&self, offset: i64) -> Result<(), OpenError> {
        let _upkeep = self.upkeep.lock();
        let mut inner = self.inner.lock();
        if offset >= inner.state.log_end_offset {
            return Ok(());
        }
        let offset = offset.max(inner.state.log_start_offset);
        inner.log.cut_before(offset)?;
        let old = &inner.state;
        let mut state = PartitionState {
            log_start_offset: old.log_start_offset,
            leader_epoch: old.leader_epoch,
            epochs: old.epochs.clone(),
            ..PartitionState::default()
        };
        let known_high_watermark = old.high_watermark.min(offset);
        let listing = Listing::read(&*self.shared.disk, inner.log.directory(), Leftovers::Leave)?;
        inner.log.rebuild(&listing, offset, offset, &mut state)?;
        state.epochs.truncate_end(state.log_end_offset);
        state.advance_high_watermark(known_high_watermark);
        inner.recovery_point = inner.recovery_point.min(state.log_end_offset);
        inner.compacted.to = inner.compacted.to.min(state.log_end_offset);
        inner.generation += 1;
        inner.state = state;
        self.hints.lock().clear();
        self.publish(&inner);
        Ok(())
    }

    /// Takes out what retention no longer keeps; returns the files to unlink later.
    pub(super) fn retire_expired(&self, now_ms: i64) -> Result<Vec<std::path::PathBuf>, WriteError> {
        let _upkeep = self.upkeep.lock();
        let held = {
            let inner = self.inner.lock();
            if inner.standing != Standing::Open {
                return Ok(Vec::new());
            }
            Held::of(&inner.log, &inner.state)
        };
        let expired = held.expired(now_ms)?;
        if expired.segments == 0 {
            return Ok(Vec::new());
        }
        let (taken, directory) = self.take_out(expired, held.log_end_offset)?;
        Ok(retire_all(&*self.shared.disk, &directory, &taken)?)
    }

    /// The part of retention that appends and reads wait for: the list of segments and the log's start.
    fn take_out(
        &self,
        expired: Expired,
        expected_end: i64,
    ) -> Result<(Vec<Arc<Segment>>, Arc<Path>), WriteError> {
        let mut inner = self.inner.lock();
        let directory = inner.log.directory().clone();
        if inner.standing != Standing::Open {
            return Ok((Vec::new(), directory));
        }
        let mut count = expired.segments;
        if expired.roll && inner.state.log_end_offset != expected_end {
            // The active segment has a new record.
            count -= 1;
        } else if expired.roll {
            let producers = inner.state.producers.clone();
            inner.log.roll(expected_end, &producers)?;
        }
        let taken = inner.log.take_out_first(count);
        let base = inner.log.base_offset();
        tracing::debug!(partition = %self.name, segments = count, start = base, "retention took segments out");
        if inner.state.advance_log_start(base) {
            self.publish(&inner);
        }
        Ok((taken, directory))
    }

    /// Stops serving; what was appended is flushed by the caller's [`Partition::settle`] before, if at all.
    pub(super) fn close(&self) {
        let mut inner = self.inner.lock();
        inner.standing = Standing::Closed;
        self.publish(&inner);
    }

    /// Writes everything down for a clean stop: indexes, producers, epochs, data.
    pub(super) fn settle(&self) -> Result<(), WriteError> {
        {
            let mut inner = self.inner.lock();
            let end_offset = inner.state.log_end_offset;
            let files = inner.log.active().seal_if_loaded()?;
            let path = inner.log.active().path(super::segment::OFFSET_INDEX);
            inner.log.unsynced.files.extend(files.into_iter().map(|file| (path.clone(), file)));
            let at_base = end_offset == inner.log.active().base_offset();
            if inner.stop_snapshot != Some(end_offset) && !at_base {
                if let Some(old) = inner.stop_snapshot.take() {
                    let path = inner.log.directory().join(super::producer_snapshot::file_name(old));
                    inner.log.remove_if_there(&path)?;
                }
                if !inner.state.producers.is_empty() {
                    let producers = inner.state.producers.clone();
                    inner.log.write_producer_snapshot(end_offset, &producers)?;
                    inner.stop_snapshot = Some(end_offset);
                }
            }
        }
        self.try_flush().map_err(WriteError::from)
    }

    fn hint(&self, offset: i64) -> Option<ReadHint> {
        self.hints.lock().iter().find(|hint| hint.offset == offset).copied()
    }

    /// Replaces the hint that this reader used, or the oldest.
    fn remember(&self, from: i64, end: ReadHint) {
        let mut hints = self.hints.lock();
        hints.retain(|hint| hint.offset != from && hint.offset != end.offset);
        if hints.len() >= READ_HINTS {
            hints.remove(0);
        }
        hints.push(end);
    }

    fn epoch_at(&self, offset: i64) -> Option<i32> {
        self.with_state(|state| state.epochs.epoch_of(offset).or(Some(state.leader_epoch)))
    }
}

fn visible_end(state: &PartitionState, isolation: Isolation) -> i64 {
    match isolation {
        Isolation::ReadUncommitted => state.high_watermark,
        Isolation::ReadCommitted => state.last_stable_offset(),
        Isolation::LogEnd => state.log_end_offset,
    }
}

fn newest_timestamp(segments: &[Arc<Segment>]) -> Result<i64, SegmentError> {
    let mut newest = -1;
    for segment in segments.iter().filter(|segment| segment.size_bytes() > 0) {
        newest = newest.max(segment.newest_timestamp()?);
    }
    Ok(newest)
}
