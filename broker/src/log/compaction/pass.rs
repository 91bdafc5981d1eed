//! One pass over one partition: note the newest offset of every key in the dirty part, then write all closed segments
//! anew without what is outdated, a group of segments at a time, each put in place as soon as it is durable.

use std::io::IoSlice;
use std::sync::Arc;

use millstream_protocol::record_batch::{Batch, BatchError, BatchHeader, BuildError};

use super::super::disk::{Attempt, DiskError};
use super::super::partition::Partition;
use super::super::segment::{
    LOG, OFFSET_INDEX, Segment, SegmentAppendError, SegmentError, TRANSACTION_INDEX,
};
use super::super::transaction_index;
use super::choice::Plan;
use super::filter::{Rules, Standing, Verdict};
use super::key_map::KeyMap;
use super::pace::Pace;
use super::source::Source;
use super::swap::Doomed;
use super::transactions::TransactionWalk;
use crate::partition::batch;
use crate::partition::producer::LastBatch;
use crate::partition::transaction::AbortedTransaction;

/// Most bytes that wait to be written in one go.
const WRITE_BYTES: usize = 1 << 20;
/// Written bytes after which the disk is told to begin with them.
const WRITEBACK_BYTES: u64 = 4 << 20;
/// Written bytes after which the pass waits for the disk.
const SYNC_BYTES: u64 = 8 << 20;
/// Files above this leave the page cache when they are written: they would push out what is read at the log's end.
const CACHED_BYTES: u64 = 32 << 20;

#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The node stops, or the partition went away or changed under the pass; it may be tried again.
    #[error("compaction was given up: {0}")]
    GivenUp(&'static str),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A batch that should be whole is not: the log is left as it is.
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl From<SegmentAppendError> for PassError {
    fn from(failed: SegmentAppendError) -> Self {
        Self::Disk(failed.error)
    }
}

/// What a pass did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub read_bytes: u64,
    pub written_bytes: u64,
    /// Offset up to which the log is clean now.
    pub to: i64,
    pub horizon_ms: Option<i64>,
    /// Renamed files that are to be removed.
    pub doomed: Vec<Doomed>,
}

/// Memory for one pass's keys.
#[derive(Debug, Clone, Copy)]
pub struct MapSize {
    pub memory_bytes: usize,
    pub load_factor: f64,
}

/// Compacts one partition as planned.
pub fn run(
    partition: &Arc<Partition>,
    plan: &Plan,
    size: MapSize,
    now_ms: i64,
    pace: &Pace,
) -> Result<Outcome, PassError> {
    let mut outcome = Outcome::default();
    let (newest, end) = newest_offsets(plan, size, pace, &mut outcome)?;
    let rules = Rules { newest: &newest, end, now_ms, delete_retention_ms: plan.config.delete_retention_ms };
    let mut walk = TransactionWalk::new(&plan.aborted, 0);
    let segments = plan.segments.iter().take_while(|segment| segment.base_offset() < end);
    let segments: Vec<_> = segments.cloned().collect();
    for group in groups(&segments, plan) {
        let work = Group { partition, plan, rules: &rules, pace, segments: group };
        work.compact(&mut walk, &mut outcome)?;
    }
    outcome.to = end;
    Ok(outcome)
}

/// The newest offset of every key in the dirty part, and where the pass ends: before the plan's end if there are more
/// keys than the memory holds.
fn newest_offsets(
    plan: &Plan,
    size: MapSize,
    pace: &Pace,
    outcome: &mut Outcome,
) -> Result<(KeyMap, i64), PassError> {
    let expected = u64::try_from(plan.to - plan.from).unwrap_or(0);
    let mut newest = KeyMap::new(size.memory_bytes, size.load_factor, expected);
    let mut walk = TransactionWalk::new(&plan.aborted, plan.from);
    for (at, segment) in plan.segments.iter().enumerate() {
        let end = plan.end_of(at);
        if end <= plan.from || segment.base_offset() >= plan.to {
            continue;
        }
        let start = segment.locate(plan.from)?.map_or(segment.size_bytes(), |located| located.position);
        let mut source = Source::new(segment, start, end)?;
        while let Some(batch) = source.next()? {
            let header = batch.header();
            if header.base_offset >= plan.to {
                break;
            }
            outcome.read_bytes += header.size_bytes() as u64;
            pace.spend(header.size_bytes() as u64)?;
            if header.is_control() {
                walk.control(header, batch::marker(&batch));
            } else if !walk.data(header) && !note_keys(&batch, &mut newest)? {
                // Keys of this batch that are noted already do no harm: their newest records lie behind the end.
                return Ok((newest, header.base_offset.max(plan.from)));
            }
        }
    }
    Ok((newest, plan.to))
}

/// False when the map is full.
fn note_keys(batch: &Batch, newest: &mut KeyMap) -> Result<bool, PassError> {
    let records = batch.records(super::filter::DECOMPRESSED_LIMIT_BYTES)?;
    for record in &records {
        let record = record?;
        if let Some(key) = record.key
            && !newest.put(key, record.offset)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Neighbouring segments that together are no larger than one may be.
fn groups<'a>(segments: &'a [Arc<Segment>], plan: &Plan) -> Vec<&'a [Arc<Segment>]> {
    let mut groups = Vec::new();
    let mut from = 0;
    let mut bytes = 0;
    for (at, segment) in segments.iter().enumerate() {
        let end = segments.get(at + 1).map_or(plan.to, |next| next.base_offset());
        let first = segments.get(from).map_or(0, |first| first.base_offset());
        let size = segment.size_bytes();
        let is_wide = end - first > i64::from(i32::MAX);
        if at > from && (bytes + size > plan.config.segment_bytes || is_wide) {
            groups.push(&segments[from..at]);
            (from, bytes) = (at, 0);
        }
        bytes += size;
    }
    groups.push(&segments[from..]);
    groups.retain(|group| !group.is_empty());
    groups
}

/// Segments that become one.
struct Group<'a> {
    partition: &'a Arc<Partition>,
    plan: &'a Plan,
    rules: &'a Rules<'a>,
    pace: &'a Pace,
    segments: &'a [Arc<Segment>],
}

impl Group<'_> {
    fn compact(&self, walk: &mut TransactionWalk, outcome: &mut Outcome) -> Result<(), PassError> {
        let Some(first) = self.segments.first() else { return Ok(()) };
        let segment = self.partition.begin_cleaned(first.base_offset(), &self.plan.config)?;
        let mut target = Target::new(segment);
        match self.write(walk, &mut target, outcome) {
            Ok(true) => {}
            Ok(false) => {
                target.segment.discard();
                return Ok(());
            }
            Err(error) => {
                target.segment.discard();
                return Err(error);
            }
        }
        let Target { segment, aborted, .. } = target;
        let doomed = self.partition.swap_in(self.segments, &segment, aborted)?;
        outcome.doomed.extend(doomed);
        Ok(())
    }

    /// Writes what stays. False when nothing would change.
    fn write(
        &self,
        walk: &mut TransactionWalk,
        target: &mut Target,
        outcome: &mut Outcome,
    ) -> Result<bool, PassError> {
        let mut is_changed = self.segments.len() > 1;
        // The last batch of the group if it went: its place is kept, so that readers get past it and a start knows
        // how far the file reaches.
        let mut gone: Option<BatchHeader> = None;
        for segment in self.segments {
            let at = self.plan.segments.partition_point(|other| other.base_offset() < segment.base_offset());
            let mut source = Source::new(segment, 0, self.plan.end_of(at))?;
            while let Some(batch) = source.next()? {
                let header = *batch.header();
                outcome.read_bytes += header.size_bytes() as u64;
                self.pace.spend(header.size_bytes() as u64)?;
                if header.base_offset >= self.rules.end
                    && let Some(before) = gone.take()
                {
                    // The pass may end where an open transaction begins: read_committed readers must get there.
                    is_changed = true;
                    target.push(Batch::split_from(&mut before.placeholder())?, outcome)?;
                }
                let standing = self.standing(&batch, walk, target);
                let stays = match self.rules.judge(&batch, standing)? {
                    Verdict::Keep => batch,
                    Verdict::Replace(mut bytes) => {
                        is_changed = true;
                        Batch::split_from(&mut bytes)?
                    }
                    Verdict::Drop => {
                        // Of several in a row only the last may be a mere place that is kept again.
                        is_changed |= gone.replace(header).is_some();
                        continue;
                    }
                };
                is_changed |= gone.take().is_some();
                let horizon_ms = stays.header().delete_horizon_ms();
                outcome.horizon_ms =
                    outcome.horizon_ms.max(horizon_ms.filter(|horizon_ms| *horizon_ms > self.rules.now_ms));
                target.push(stays, outcome)?;
            }
            if segment.size_bytes() > CACHED_BYTES {
                source.forget();
            }
        }
        if let Some(header) = gone {
            // One that only held the place goes on doing so.
            is_changed |= header.record_count > 0 || header.has_producer();
            target.push(Batch::split_from(&mut header.placeholder())?, outcome)?;
        }
        if is_changed {
            target.finish(self.partition, outcome)?;
        }
        Ok(is_changed)
    }

    fn standing(&self, batch: &Batch, walk: &mut TransactionWalk, target: &mut Target) -> Standing {
        let header = batch.header();
        let is_void = if header.is_control() {
            let fate = walk.control(header, batch::marker(batch));
            target.aborted.extend(fate.aborted);
            fate.is_spent
        } else {
            walk.data(header)
        };
        let is_last_of_producer = header.has_producer()
            && self.plan.last_batches.get(&header.producer_id).is_some_and(|last| match last {
                LastBatch::Data { last_offset } => header.last_offset() == *last_offset,
                LastBatch::Marker { epoch } => header.is_control() && header.producer_epoch == *epoch,
            });
        Standing { is_void, is_last_of_producer }
    }
}

/// A segment in the making.
struct Target {
    segment: Arc<Segment>,
    /// Batches that wait to be written, and their bytes.
    headers: Vec<BatchHeader>,
    pending: Vec<u8>,
    /// Up to here the disk was told to write.
    begun: u64,
    /// Up to here the file is durable.
    synced: u64,
    aborted: Vec<AbortedTransaction>,
}

impl Target {
    fn new(segment: Segment) -> Self {
        Self {
            segment: Arc::new(segment),
            headers: Vec::new(),
            pending: Vec::with_capacity(WRITE_BYTES),
            begun: 0,
            synced: 0,
            aborted: Vec::new(),
        }
    }

    fn push(&mut self, batch: Batch, outcome: &mut Outcome) -> Result<(), PassError> {
        self.headers.push(*batch.header());
        // Copied: a slice of a large read would keep all of it in memory.
        self.pending.extend_from_slice(batch.bytes());
        if self.pending.len() >= WRITE_BYTES { self.write(outcome) } else { Ok(()) }
    }

    fn write(&mut self, outcome: &mut Outcome) -> Result<(), PassError> {
        let mut position = self.segment.size_bytes();
        self.segment.append(&mut [IoSlice::new(&self.pending)], self.pending.len() as u64)?;
        outcome.written_bytes += self.pending.len() as u64;
        for header in self.headers.drain(..) {
            self.segment.note(&header, position)?;
            position += header.size_bytes() as u64;
        }
        self.pending.clear();
        if position - self.begun >= WRITEBACK_BYTES {
            let file = self.segment.log_file()?;
            file.start_writing(self.begun, position);
            self.begun = position;
            // What waits for the disk is what the flush of a producer has to wait behind.
            if position - self.synced >= SYNC_BYTES {
                file.sync_data().attempt("flush", &self.segment.path(LOG))?;
                self.synced = position;
            }
        }
        Ok(())
    }

    /// Writes the rest and makes all files durable.
    fn finish(&mut self, partition: &Partition, outcome: &mut Outcome) -> Result<(), PassError> {
        self.write(outcome)?;
        for index in self.segment.seal()? {
            index.sync_data().attempt("flush", &self.segment.path(OFFSET_INDEX))?;
        }
        if !self.aborted.is_empty() {
            let path = self.segment.path(TRANSACTION_INDEX);
            self.aborted.sort_by_key(|aborted| aborted.last_offset);
            for aborted in &self.aborted {
                transaction_index::append(&*partition.shared.disk, &path, aborted)?;
            }
            let file = partition.shared.disk.open(&path).attempt("open", &path)?;
            file.sync_data().attempt("flush", &path)?;
        }
        let file = self.segment.log_file()?;
        file.sync_data().attempt("flush", &self.segment.path(LOG))?;
        if self.segment.size_bytes() > CACHED_BYTES {
            file.forget_cached(0, self.segment.size_bytes());
        }
        Ok(())
    }
}
