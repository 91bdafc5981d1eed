//! The owner of one partition: joins the pure decisions of `crate::partition` with the log's files, under one lock.
//!
//! An append checks outside the lock, then decides, writes (page cache) and applies under it; readers take limits and
//! segments under the lock and read without it. Two locks, always in this order: `inner`, then a segment's own.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use millstream_protocol::record_batch::{BuildError, ControlMarker, control_batch};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::checkpoint::{self, LEADER_EPOCHS};
use super::compaction::Compacted;
use super::config::{FlushPolicy, LogConfig, TimestampType};
use super::directory::{PartitionName, Shared};
use super::disk::DiskError;
use super::intake::prepare;
use super::progress::{Durability, Progress, Standing};
use super::reader::ReadHint;
use super::recovery::Opened;
use super::segment::{Segment, SegmentError};
use super::segments::Log;
use super::writer::{StampedBatch, WriteError};
use crate::partition::append::{AppendRefusal, Origin};
use crate::partition::batch::Marker;
use crate::partition::{Decision, PartitionState};

/// Sequential readers remembered per partition, so that each next read needs no index.
pub(super) const READ_HINTS: usize = 8;
/// Appended bytes after which a partition is flushed even though nobody waits for it: no flush then has so much to do
/// that others wait long, the kernel never holds writers up for what is not on disk yet, and a start after a crash has
/// little to check.
const UNFLUSHED_BYTES_MAX: u64 = 64 << 20;

#[derive(Debug)]
pub struct Partition {
    pub(super) name: PartitionName,
    topic_id: [u8; 16],
    pub(super) shared: Arc<Shared>,
    pub(super) inner: Mutex<Inner>,
    pub(super) hints: Mutex<Vec<ReadHint>>,
    /// Held by whatever exchanges segments or their names: retention, compaction, truncation, deletion. Taken before
    /// `inner`; neither appends nor reads wait for it.
    pub(super) upkeep: Mutex<()>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub log: Log,
    pub state: PartitionState,
    pub standing: Standing,
    /// Everything before is on disk.
    pub recovery_point: i64,
    /// Leader epochs on file.
    stored_epochs: Vec<(i32, i64)>,
    /// Where the newest producer snapshot outside a segment's start lies.
    pub stop_snapshot: Option<i64>,
    pub compacted: Compacted,
    /// Counts exchanges of segments: what was read before belongs to other aborted transactions.
    pub generation: u64,
    flush_queued: bool,
    unflushed_records: u64,
    unflushed_bytes: u64,
}

/// The outcome of an append.
#[derive(Debug)]
pub struct Appended {
    pub base_offset: i64,
    pub last_offset: i64,
    /// Milliseconds under LogAppendTime, or of the original for a duplicate; otherwise -1.
    pub log_append_time_ms: i64,
    pub log_start_offset: i64,
    /// The batch was there already (an idempotent producer's retry).
    pub duplicate: bool,
    pub durability: Durability,
}

#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    #[error("append to {partition}: {refusal}")]
    Refused { partition: PartitionName, refusal: AppendRefusal },
    /// Nothing was written; the same append may succeed once there is space.
    #[error("append to {partition}: {source}")]
    DiskFull { partition: PartitionName, source: WriteError },
    #[error("append to {partition}: {source}")]
    Storage { partition: PartitionName, source: WriteError },
    #[error("append to {partition}: the log folder failed before ({reason}); repair it and restart")]
    FolderFailed { partition: PartitionName, reason: String },
    #[error("build marker for {partition}: {source}")]
    Marker { partition: PartitionName, source: BuildError },
    #[error("append to {partition}: it is closed")]
    Closed { partition: PartitionName },
}

impl Partition {
    pub(super) fn new(name: PartitionName, topic_id: [u8; 16], shared: Arc<Shared>, opened: Opened) -> Self {
        let Opened { log, state, stop_snapshot } = opened;
        let progress = watch::Sender::new(progress_of(&state, Standing::Open));
        let stored_epochs = state.epochs.entries().to_vec();
        let inner = Inner {
            recovery_point: state.log_end_offset,
            log,
            state,
            standing: Standing::Open,
            stored_epochs,
            stop_snapshot,
            compacted: Compacted::default(),
            generation: 0,
            flush_queued: false,
            unflushed_records: 0,
            unflushed_bytes: 0,
        };
        let (inner, hints, upkeep) = (Mutex::new(inner), Mutex::default(), Mutex::default());
        Self { name, topic_id, shared, inner, hints, upkeep, progress }
    }

    pub fn name(&self) -> &PartitionName {
        &self.name
    }

    pub fn topic_id(&self) -> [u8; 16] {
        self.topic_id
    }

    /// Wakes once per change of what consumers may see.
    pub fn subscribe(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Offset behind the last record, visible or not.
    pub fn log_end_offset(&self) -> i64 {
        self.inner.lock().state.log_end_offset
    }

    pub fn size_bytes(&self) -> u64 {
        self.inner.lock().log.size_bytes()
    }

    /// Runs with the present state: producers, epochs, offsets. Keep it short, appends wait.
    pub fn with_state<T>(&self, look: impl FnOnce(&PartitionState) -> T) -> T {
        look(&self.inner.lock().state)
    }

    pub fn set_config(&self, config: Arc<LogConfig>) {
        let mut inner = self.inner.lock();
        inner.log.set_config(config);
    }

    /// Leads from now on in this epoch: it is stamped on what follows.
    pub fn lead(&self, leader_epoch: i32) {
        let mut inner = self.inner.lock();
        inner.state.leader_epoch = inner.state.leader_epoch.max(leader_epoch);
    }

    /// Takes over how far the log was compacted when it was last open.
    pub(super) fn resume_compaction(&self, to: i64) {
        let mut inner = self.inner.lock();
        // More than there is means that the checkpoint is of another log.
        inner.compacted.to = if to <= inner.state.log_end_offset { to } else { 0 };
    }

    /// A pass of compaction is through.
    pub(super) fn compacted(&self, to: i64, horizon_ms: Option<i64>) {
        let mut inner = self.inner.lock();
        inner.compacted.to = to.min(inner.state.log_end_offset);
        inner.compacted.horizon_ms = horizon_ms;
    }

    pub(super) fn give_up_compaction(&self) {
        self.inner.lock().compacted.is_stuck = true;
    }

    /// Closes the active segment, if it is still this one, and has it flushed.
    pub(super) fn roll_active(self: &Arc<Self>, active: &Arc<Segment>) -> Result<bool, SegmentError> {
        let mut inner = self.inner.lock();
        if inner.standing != Standing::Open || !Arc::ptr_eq(inner.log.active(), active) {
            return Ok(false);
        }
        let producers = inner.state.producers.clone();
        let end_offset = inner.state.log_end_offset;
        match inner.log.roll(end_offset, &producers) {
            Ok(()) => self.queue_flush(&mut inner),
            Err(WriteError::Segment(error)) => return Err(error),
            Err(WriteError::DiskFull(error) | WriteError::Failed(error)) => return Err(error.into()),
        }
        Ok(true)
    }

    /// Begins to verify a producer's transaction with its coordinator: `None` when it is open here already, otherwise
    /// the guard that the first append must bring (KIP-890). One that is open in another epoch is not this one: it is
    /// decided and only waits for its marker.
    pub fn begin_verification(&self, producer_id: i64, epoch: i16) -> Option<u64> {
        let mut inner = self.inner.lock();
        if inner.state.has_open_transaction(producer_id, epoch) {
            return None;
        }
        Some(inner.state.producers.begin_verification(producer_id))
    }

    /// Appends whole batches: all or none, in this order. Never blocks on a flush; `acks=all` waits for
    /// [`Appended::durability`]. `guard` is what [`Partition::begin_verification`] gave, where that is asked for.
    pub fn append(
        self: &Arc<Self>,
        batches: Bytes,
        origin: Origin,
        guard: Option<u64>,
    ) -> Result<Appended, AppendError> {
        let now_ms = self.shared.now_ms();
        let config = self.inner.lock().log.config().clone();
        let mut prepared =
            prepare(batches, origin, &config, now_ms).map_err(|refusal| self.refused(refusal))?;

        let mut inner = self.inner.lock();
        self.check_open(&inner)?;
        let decision = {
            let facts: Vec<_> = prepared.iter().map(|stamped| (stamped.batch, stamped.marker)).collect();
            inner.state.decide(&facts, origin, guard).map_err(|refusal| self.refused(refusal))?
        };
        if let Decision::Duplicate(original) = decision {
            return Ok(Appended {
                base_offset: original.first_offset(),
                last_offset: original.last_offset,
                log_append_time_ms: original.timestamp,
                log_start_offset: inner.state.log_start_offset,
                duplicate: true,
                durability: self.durability(&inner, original.last_offset + 1),
            });
        }
        let base_offset = if origin == Origin::Replication {
            prepared.first().map_or(inner.state.log_end_offset, |first| first.batch.base_offset)
        } else {
            assign_offsets(&mut prepared, &inner.state)
        };
        self.write(&mut inner, &prepared, now_ms)?;
        let end_offset = inner.state.log_end_offset;
        let records =
            prepared.iter().map(|stamped| u64::from(stamped.batch.record_count.unsigned_abs())).sum();
        let bytes = prepared.iter().map(|stamped| stamped.batch.size_bytes() as u64).sum();
        self.after_append(&mut inner, records, bytes);
        let log_append_time =
            config.timestamp_type == TimestampType::LogAppendTime && origin != Origin::Replication;
        Ok(Appended {
            base_offset,
            last_offset: end_offset - 1,
            log_append_time_ms: if log_append_time { now_ms } else { -1 },
            log_start_offset: inner.state.log_start_offset,
            duplicate: false,
            durability: self.durability(&inner, end_offset),
        })
    }

    /// Appends the marker that ends a producer's transaction here.
    pub fn append_marker(
        self: &Arc<Self>,
        producer_id: i64,
        producer_epoch: i16,
        marker: Marker,
    ) -> Result<Appended, AppendError> {
        let kind = if marker.committed { ControlMarker::Commit } else { ControlMarker::Abort };
        let now_ms = self.shared.now_ms();
        let batch = control_batch(kind, producer_id, producer_epoch, marker.coordinator_epoch, now_ms)
            .map_err(|source| AppendError::Marker { partition: self.name.clone(), source })?;
        self.append(batch, Origin::Coordinator, None)
    }

    /// Forces to disk what was appended until now, moves the recovery point, and under
    /// [`FlushPolicy::OnAcknowledge`] the high watermark. A failure poisons the log folder.
    pub(super) fn flush(&self) {
        let began = Instant::now();
        let flushed = self.try_flush();
        self.shared.flushed.add(began.elapsed());
        if let Err(error) = flushed {
            self.shared.poison(&error);
        }
    }

    pub(super) fn try_flush(&self) -> Result<(), DiskError> {
        let (work, end_offset, epochs, directory) = {
            let mut inner = self.inner.lock();
            inner.flush_queued = false;
            if inner.standing != Standing::Open {
                return Ok(());
            }
            inner.unflushed_records = 0;
            inner.unflushed_bytes = 0;
            let entries = inner.state.epochs.entries();
            let epochs = (entries != inner.stored_epochs).then(|| entries.to_vec());
            (inner.log.take_unsynced()?, inner.state.log_end_offset, epochs, inner.log.directory().clone())
        };
        if let Some(epochs) = &epochs {
            self.store_epochs(&directory, epochs)?;
        }
        work.sync(&*self.shared.disk)?;
        let mut inner = self.inner.lock();
        // A truncation meanwhile may have taken some of it away again.
        inner.recovery_point = inner.recovery_point.max(end_offset.min(inner.state.log_end_offset));
        if let Some(epochs) = epochs {
            inner.stored_epochs = epochs;
        }
        if inner.state.advance_high_watermark(end_offset) {
            self.publish(&inner);
        }
        Ok(())
    }

    pub(super) fn store_epochs(&self, directory: &Path, epochs: &[(i32, i64)]) -> Result<(), DiskError> {
        checkpoint::write_leader_epochs(&*self.shared.disk, &directory.join(LEADER_EPOCHS), epochs)
    }

    /// Tells all who wait what is visible now.
    pub(super) fn publish(&self, inner: &Inner) {
        let now = progress_of(&inner.state, inner.standing);
        self.progress.send_if_modified(|progress| std::mem::replace(progress, now) != now);
    }

    /// Tells all who wait that the log folder failed.
    pub(super) fn fail(&self) {
        self.progress.send_if_modified(|progress| {
            let was_open = progress.standing == Standing::Open;
            progress.standing = if was_open { Standing::Failed } else { progress.standing };
            was_open
        });
    }

    fn check_open(&self, inner: &Inner) -> Result<(), AppendError> {
        if let Some(reason) = self.shared.failure() {
            return Err(AppendError::FolderFailed {
                partition: self.name.clone(),
                reason: reason.to_owned(),
            });
        }
        if inner.standing != Standing::Open {
            return Err(AppendError::Closed { partition: self.name.clone() });
        }
        Ok(())
    }

    fn refused(&self, refusal: AppendRefusal) -> AppendError {
        AppendError::Refused { partition: self.name.clone(), refusal }
    }

    /// Writes the batches and takes them into the state.
    fn write(&self, inner: &mut Inner, prepared: &[StampedBatch], now_ms: i64) -> Result<(), AppendError> {
        inner
            .log
            .append(prepared, &inner.state.producers, now_ms)
            .map_err(|error| self.write_failed(error))?;
        for stamped in prepared {
            if let Some(aborted) = inner.state.apply(&stamped.batch, stamped.marker) {
                // The marker is in the log: without its index entry the files would contradict each other.
                inner.log.note_aborted(&aborted).map_err(|error| {
                    self.write_failed(match error {
                        WriteError::DiskFull(error) => WriteError::Failed(error),
                        other => other,
                    })
                })?;
            }
        }
        Ok(())
    }

    fn write_failed(&self, source: WriteError) -> AppendError {
        let partition = self.name.clone();
        match source {
            WriteError::DiskFull(_) => AppendError::DiskFull { partition, source },
            _ => {
                self.shared.poison(&source);
                AppendError::Storage { partition, source }
            }
        }
    }

    /// Has appended data flushed as the policy says, and published when it needs no flush.
    fn after_append(self: &Arc<Self>, inner: &mut Inner, records: u64, bytes: u64) {
        inner.unflushed_records += records;
        inner.unflushed_bytes += bytes;
        let flush = inner.log.config().flush;
        let end_offset = inner.state.log_end_offset;
        match flush {
            FlushPolicy::OnAcknowledge => self.queue_flush(inner),
            FlushPolicy::Interval { messages, every } => {
                let is_much = !inner.log.unsynced.is_empty() || inner.unflushed_bytes >= UNFLUSHED_BYTES_MAX;
                if is_much || messages.is_some_and(|messages| inner.unflushed_records >= messages) {
                    self.queue_flush(inner);
                } else if let Some(every) = every.filter(|_| inner.unflushed_records == records) {
                    self.shared.flushes.push_later(self.clone(), every);
                }
                if inner.state.advance_high_watermark(end_offset) {
                    self.publish(inner);
                }
            }
        }
    }

    fn queue_flush(self: &Arc<Self>, inner: &mut Inner) {
        if !std::mem::replace(&mut inner.flush_queued, true) {
            self.shared.flushes.push(self.clone());
        }
    }

    fn durability(&self, inner: &Inner, end_offset: i64) -> Durability {
        if inner.state.high_watermark >= end_offset {
            Durability::reached(end_offset)
        } else {
            Durability::pending(end_offset, self.progress.subscribe())
        }
    }
}

fn progress_of(state: &PartitionState, standing: Standing) -> Progress {
    Progress {
        high_watermark: state.high_watermark,
        last_stable_offset: state.last_stable_offset(),
        log_start_offset: state.log_start_offset,
        standing,
    }
}

/// Gives the batches their place at the log's end. Returns the first offset.
fn assign_offsets(prepared: &mut [StampedBatch], state: &PartitionState) -> i64 {
    let mut next = state.log_end_offset;
    for stamped in prepared {
        stamped.batch.base_offset = next;
        stamped.batch.partition_leader_epoch = state.leader_epoch;
        stamped.header = stamped.batch.to_bytes();
        next = stamped.batch.last_offset() + 1;
    }
    state.log_end_offset
}
