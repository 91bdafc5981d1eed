//! Opening a partition's log: trust what a clean stop or the recovery point vouches for, check the rest byte by byte.
//!
//! After a clean stop only names and sizes are looked at. Otherwise every segment from the recovery point on is read
//! whole: checksums, offsets, order. The log ends before the first batch that fails, with a report of file, position and
//! reason; indexes, producers, transactions and leader epochs are rebuilt on the way, and what was read is flushed
//! before anyone may see it, since it may have been only in the page cache.

use std::path::Path;
use std::sync::Arc;

use millstream_protocol::record_batch::BatchHeader;

use super::checkpoint::{self, CheckpointError, LEADER_EPOCHS};
use super::compaction::swap;
use super::config::LogConfig;
use super::disk::{Attempt, Disk, DiskError};
use super::producer_snapshot;
use super::scan::Step;
use super::segment::{
    CLEANED, DELETED, LOG, OFFSET_INDEX, SWAP, Segment, SegmentError, TIME_INDEX, TRANSACTION_INDEX,
};
use super::segments::{Log, Unsynced};
use super::transaction_index;
use crate::partition::PartitionState;
use crate::partition::batch;
use crate::partition::leader_epoch::LeaderEpochs;

/// What the folder's checkpoints say about one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Everything before is on disk and checked; after a clean stop this is the log's end.
    pub recovery_point: i64,
    pub log_start_offset: i64,
    /// Compaction has been over everything before.
    pub compacted_to: i64,
    pub clean: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Segment(#[from] SegmentError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// An opened log and what its partition knows.
#[derive(Debug)]
pub struct Opened {
    pub log: Log,
    pub state: PartitionState,
    /// Offset of the producer snapshot that a clean stop left at the log's end.
    pub stop_snapshot: Option<i64>,
}

/// Opens (or begins) the log in `directory`, which exists.
pub fn open(
    disk: Arc<dyn Disk>,
    directory: Arc<Path>,
    config: Arc<LogConfig>,
    known: Known,
) -> Result<Opened, OpenError> {
    let listing = Listing::read(&*disk, &directory, Leftovers::Settle)?;
    let interval = config.index_interval_bytes;
    let segments: Vec<_> = listing
        .segments
        .iter()
        .map(|(base, size)| {
            Arc::new(Segment::existing(disk.clone(), directory.clone(), *base, *size, interval))
        })
        .collect();
    let unsynced = Unsynced::default();
    let mut log =
        Log { disk, directory, config, segments, unsynced, active_dirty: false, aborted_dirty: false };
    let mut stop_snapshot = None;
    let mut state = PartitionState { log_start_offset: known.log_start_offset, ..PartitionState::default() };
    if log.segments.is_empty() {
        let base = known.log_start_offset.max(0);
        let segment = Segment::create(log.disk.clone(), log.directory.clone(), base, interval)?;
        log.segments.push(Arc::new(segment));
        log.unsynced.add_folder(&log.directory);
        state.log_end_offset = base;
    } else {
        state.epochs = log.read_epochs()?;
        if known.clean && log.trust(&listing, known.recovery_point, &mut state)? {
            let end = state.log_end_offset;
            stop_snapshot =
                Some(end).filter(|end| *end != log.active().base_offset() && listing.snapshots.contains(end));
        } else {
            let whole_to = known.recovery_point.max(known.compacted_to);
            log.rebuild(&listing, known.recovery_point, whole_to, &mut state)?;
        }
    }
    if known.log_start_offset > state.log_end_offset {
        // Records were deleted that the crash took as well: their offsets are not given out again.
        state = log.begin_at(known.log_start_offset)?;
    }
    state.log_start_offset = state.log_start_offset.max(log.base_offset());
    state.epochs.truncate_end(state.log_end_offset);
    state.transactions.truncate_start(state.log_start_offset);
    state.advance_high_watermark(state.log_end_offset);
    Ok(Opened { log, state, stop_snapshot })
}

impl Log {
    /// Rebuilds what a partition knows from its files, after the log was cut at `log_end_offset` or by a crash. Before
    /// `whole_to` segments may end before the next one begins, as compaction elsewhere leaves them.
    pub fn rebuild(
        &mut self,
        listing: &Listing,
        recovery_point: i64,
        whole_to: i64,
        state: &mut PartitionState,
    ) -> Result<(), OpenError> {
        let ends = self.segments.iter().skip(1).map(|segment| segment.base_offset());
        let unchecked = ends.take_while(|end| *end <= recovery_point).count();
        let bases: Vec<i64> = self.segments.iter().map(|segment| segment.base_offset()).collect();
        // Snapshots that a roll left behind lie at segments' first offsets; others belong to stops long past.
        let usable: Vec<i64> =
            listing.snapshots.iter().copied().filter(|offset| bases.contains(offset)).collect();
        let limit = bases[unchecked];
        let found = producer_snapshot::newest_readable(&*self.disk, &self.directory, &usable, limit)
            .attempt("read producer snapshot in", &self.directory)?;
        let start =
            found.as_ref().map_or(0, |(offset, _)| bases.iter().position(|base| base == offset).unwrap_or(0));
        if let Some((_, producers)) = found {
            state.producers = producers;
        }
        self.drop_snapshots(listing, |offset| offset > bases[start] || !bases.contains(&offset))?;
        self.restore_transactions(start, state)?;
        state.log_end_offset = bases[start];
        self.scan_from(start, whole_to, state)
    }

    /// Gives up everything and begins anew at `offset`.
    pub fn begin_at(&mut self, offset: i64) -> Result<PartitionState, OpenError> {
        tracing::warn!(folder = %self.directory.display(), offset, "the log ends before its start, beginning anew there");
        for segment in self.segments.drain(..) {
            segment.retire()?;
        }
        let interval = self.config.index_interval_bytes;
        let segment = Segment::create(self.disk.clone(), self.directory.clone(), offset, interval)?;
        self.segments.push(Arc::new(segment));
        (self.active_dirty, self.aborted_dirty) = (false, false);
        self.unsynced.add_folder(&self.directory);
        Ok(PartitionState { log_start_offset: offset, log_end_offset: offset, ..PartitionState::default() })
    }

    /// Removes everything from the batch that holds `offset` on.
    pub fn cut_before(&mut self, offset: i64) -> Result<(), OpenError> {
        while self.segments.len() > 1 && self.active().base_offset() >= offset {
            self.active().retire()?;
            self.segments.pop();
        }
        let active = self.active();
        if let Some(located) = active.locate(offset)? {
            active.cut(located.position)?;
        }
        Ok(())
    }

    /// After a clean stop: the recovery point is the end. False when the files do not bear that out.
    fn trust(&self, listing: &Listing, end: i64, state: &mut PartitionState) -> Result<bool, OpenError> {
        let active = self.active();
        let plausible =
            if active.size_bytes() == 0 { end == active.base_offset() } else { end > active.base_offset() };
        if !plausible {
            tracing::warn!(folder = %self.directory.display(), end, "clean stop left another end, checking the log");
            return Ok(false);
        }
        if listing.snapshots.contains(&end) {
            match producer_snapshot::read(
                &*self.disk,
                &self.directory.join(producer_snapshot::file_name(end)),
            ) {
                Ok(producers) => state.producers = producers,
                Err(error) => {
                    tracing::warn!(%error, "producer snapshot is unusable, checking the log");
                    return Ok(false);
                }
            }
        }
        state.log_end_offset = end;
        self.restore_transactions(self.segments.len(), state)?;
        Ok(true)
    }

    /// Aborted transactions of the segments before `end`, and open ones that the producers remember.
    fn restore_transactions(&self, end: usize, state: &mut PartitionState) -> Result<(), OpenError> {
        for segment in &self.segments[..end] {
            let path = segment.path(TRANSACTION_INDEX);
            match transaction_index::read(&*self.disk, &path) {
                Ok(entries) => {
                    entries.into_iter().for_each(|entry| state.transactions.restore_aborted(entry))
                }
                Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        for (id, producer) in state.producers.iter() {
            if let Some(first) = producer.transaction_first_offset {
                state.transactions.opened(first, id);
            }
        }
        Ok(())
    }

    /// Reads segments from `start` on, ends the log at the first fault, flushes what was read.
    fn scan_from(
        &mut self,
        start: usize,
        whole_to: i64,
        state: &mut PartitionState,
    ) -> Result<(), OpenError> {
        let mut at = start;
        while let Some(segment) = self.segments.get(at).cloned() {
            if at > start {
                self.write_producer_snapshot(segment.base_offset(), &state.producers)?;
            }
            let next = self.segments.get(at + 1).map(|next| next.base_offset());
            // A power cut may take a segment's end and leave the next one: what follows a hole was never acknowledged.
            let hole = |state: &PartitionState| {
                let next = next.filter(|next| *next > whole_to && *next > state.log_end_offset)?;
                let reason = format!("it ends at {}, the next one begins at {next}", state.log_end_offset);
                Some((segment.size_bytes(), reason))
            };
            let fault = self.scan_segment(&segment, state)?.or_else(|| hole(state));
            segment.log_file()?.sync_data().attempt("flush", &segment.path(LOG))?;
            for file in segment.seal_if_loaded()? {
                file.sync_data().attempt("flush", &segment.path(OFFSET_INDEX))?;
            }
            if std::mem::take(&mut self.aborted_dirty) {
                let path = segment.path(TRANSACTION_INDEX);
                self.disk.open(&path).and_then(|file| file.sync_data()).attempt("flush", &path)?;
            }
            at += 1;
            if let Some((position, reason)) = fault {
                self.end_at(&segment, position, &reason, at)?;
            }
        }
        self.disk.sync_directory(&self.directory).attempt("flush folder", &self.directory)?;
        Ok(())
    }

    /// Checks one segment and takes in its batches. Returns where and why it must end early.
    fn scan_segment(
        &mut self,
        segment: &Segment,
        state: &mut PartitionState,
    ) -> Result<Option<(u64, String)>, OpenError> {
        segment.reset_indexes()?;
        self.remove_if_there(&segment.path(TRANSACTION_INDEX))?;
        if segment.base_offset() < state.log_end_offset {
            return Ok(Some((
                0,
                format!("it overlaps the segment before, which ends at {}", state.log_end_offset),
            )));
        }
        state.log_end_offset = segment.base_offset();
        let mut scan = segment.scan(0)?;
        loop {
            let position = scan.position();
            let batch = match scan.step().attempt("read", &segment.path(LOG))? {
                Step::Batch(batch) => batch,
                Step::End => return Ok(None),
                Step::Broken(reason) => return Ok(Some((position, reason))),
            };
            let whole = match scan.whole(&batch).attempt("read", &segment.path(LOG))? {
                Ok(whole) => whole,
                Err(reason) => return Ok(Some((position, reason))),
            };
            let fault = fault_of(&batch, segment, state)
                .or_else(|| whole.verify_crc().err().map(|error| error.to_string()));
            if let Some(reason) = fault {
                return Ok(Some((position, reason)));
            }
            let marker = batch::marker(&whole);
            if let Some(aborted) = state.apply(&batch, marker) {
                transaction_index::append(&*self.disk, &segment.path(TRANSACTION_INDEX), &aborted)?;
                self.aborted_dirty = true;
            }
            segment.note(&batch, position)?;
        }
    }

    /// Ends the log inside `segment`; later segments are set aside under other names.
    fn end_at(
        &mut self,
        segment: &Segment,
        position: u64,
        reason: &str,
        keep: usize,
    ) -> Result<(), OpenError> {
        let cut_bytes = segment.size_bytes() - position;
        let later: u64 = self.segments[keep..].iter().map(|later| later.size_bytes()).sum();
        tracing::warn!(path = %segment.path(LOG).display(), position, reason, cut_bytes, later_bytes = later,
            "log ends here after an unclean stop");
        segment.cut(position)?;
        segment.log_file()?.sync_data().attempt("flush", &segment.path(LOG))?;
        for later in self.segments.drain(keep..).rev() {
            later.retire()?;
        }
        Ok(())
    }

    fn drop_snapshots(&self, listing: &Listing, unwanted: impl Fn(i64) -> bool) -> Result<(), DiskError> {
        for offset in listing.snapshots.iter().filter(|offset| unwanted(**offset)) {
            self.remove_if_there(&self.directory.join(producer_snapshot::file_name(*offset)))?;
        }
        Ok(())
    }

    /// The leader epochs on file; when they are unreadable those of the scanned batches must do.
    fn read_epochs(&self) -> Result<LeaderEpochs, OpenError> {
        match checkpoint::read_leader_epochs(&*self.disk, &self.directory.join(LEADER_EPOCHS)) {
            Ok(entries) => Ok(LeaderEpochs::from_entries(entries)),
            Err(CheckpointError::Malformed { path, line, reason }) => {
                tracing::warn!(path = %path.display(), line, reason, "leader epochs are unreadable");
                Ok(LeaderEpochs::default())
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn fault_of(batch: &BatchHeader, segment: &Segment, state: &PartitionState) -> Option<String> {
    if batch.last_offset_delta < 0 || batch.base_offset < state.log_end_offset {
        return Some(format!("offset {} follows {}", batch.base_offset, state.log_end_offset - 1));
    }
    if batch.last_offset() - segment.base_offset() > i64::from(u32::MAX) {
        return Some(format!("offset {} is too far from the segment's first", batch.last_offset()));
    }
    None
}

/// The names in a partition's folder.
#[derive(Debug, Default)]
pub struct Listing {
    /// Base offset and log size, ascending.
    pub segments: Vec<(i64, u64)>,
    /// Offsets of producer snapshots, ascending.
    pub snapshots: Vec<i64>,
}

/// What to do with files of work that was not completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftovers {
    /// Nobody works here yet: complete what was decided, remove the rest.
    Settle,
    /// They belong to work that is going on.
    Leave,
}

impl Listing {
    /// Lists the folder.
    pub fn read(disk: &dyn Disk, directory: &Path, leftovers: Leftovers) -> Result<Self, DiskError> {
        let mut entries = disk.list(directory).attempt("list", directory)?;
        let is_swap = |name: &str| name.ends_with(SWAP);
        if leftovers == Leftovers::Settle && entries.iter().any(|entry| is_swap(&entry.name)) {
            let names: Vec<_> = entries.into_iter().map(|entry| entry.name).collect();
            swap::complete(disk, directory, &names)?;
            entries = disk.list(directory).attempt("list", directory)?;
        }
        let mut listing = Self::default();
        let mut indexes = Vec::new();
        for entry in entries {
            let path = directory.join(&entry.name);
            let (stem, suffix) = entry.name.rsplit_once('.').unwrap_or((&entry.name, ""));
            if [DELETED, "tmp", CLEANED, SWAP].contains(&suffix) {
                if leftovers == Leftovers::Settle {
                    disk.remove_file(&path).attempt("remove", &path)?;
                }
                continue;
            }
            let Ok(offset) = stem.parse::<i64>() else { continue };
            match suffix {
                LOG => listing.segments.push((offset, entry.size_bytes)),
                "snapshot" => listing.snapshots.push(offset),
                OFFSET_INDEX | TIME_INDEX | TRANSACTION_INDEX => indexes.push((offset, path)),
                _ => {}
            }
        }
        listing.segments.sort_unstable();
        listing.snapshots.sort_unstable();
        for (offset, path) in indexes {
            if !listing.segments.iter().any(|(base, _)| *base == offset) {
                disk.remove_file(&path).attempt("remove", &path)?;
            }
        }
        Ok(listing)
    }
}
