//! Compaction: of every key in a compacted topic the newest record stays (`cleanup.policy=compact`, KIP-58, KIP-354,
//! KIP-534).
//!
//! [`Cleaner`] runs on threads of its own, `log.cleaner.threads` per folder. Again and again it picks the partition that
//! needs it most (`choice`) and makes one pass over it (`pass`): the newest offset of each key (`key_map`), every batch
//! judged (`filter`, with `transactions` knowing what was rolled back), segments written anew and put in place (`swap`),
//! at no more than the speed allowed (`pace`). Offsets, sequences and batch boundaries stay. Left out: compaction of
//! the active segment.

mod choice;
mod filter;
mod key_map;
mod pace;
mod pass;
mod source;
pub(super) mod swap;
mod transactions;

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

pub use choice::Compacted;
use pace::Pace;
use pass::{MapSize, PassError};

use super::directory::{PartitionName, Shared};
use super::keeper::Keeper;
use super::partition::Partition;

pub struct Cleaner {
    shared: Arc<Shared>,
    keeper: Arc<Keeper>,
    pace: Pace,
    /// Partitions that a thread works on.
    busy: Mutex<HashSet<PartitionName>>,
}

impl Cleaner {
    pub fn new(shared: Arc<Shared>, keeper: Arc<Keeper>) -> Self {
        let pace = Pace::new(shared.config.cleaner.bytes_per_second);
        Self { shared, keeper, pace, busy: Mutex::default() }
    }

    /// Works until stopped.
    pub fn run(&self) {
        while self.pace.rest(self.shared.config.cleaner.backoff) {
            self.round();
        }
    }

    pub fn stop(&self) {
        self.pace.stop();
    }

    /// Compacts one partition after the other until none needs it; one that failed waits for the next round.
    pub fn round(&self) {
        let mut failed = HashSet::new();
        while self.shared.failure().is_none() {
            let Some(partition) = self.claim(&failed) else { return };
            let compacted = self.compact(&partition);
            self.busy.lock().remove(partition.name());
            match compacted {
                Ok(()) => {}
                Err(PassError::GivenUp(reason)) => {
                    tracing::debug!(partition = %partition.name(), reason, "compaction was given up");
                    failed.insert(partition.name().clone());
                }
                Err(error) => {
                    self.report(&partition, &error);
                    failed.insert(partition.name().clone());
                }
            }
        }
    }

    /// The neediest partition that nobody works on.
    fn claim(&self, failed: &HashSet<PartitionName>) -> Option<Arc<Partition>> {
        let now_ms = self.shared.now_ms();
        let mut busy = self.busy.lock();
        let mut neediest: Option<(Arc<Partition>, (bool, f64))> = None;
        for partition in self.shared.all() {
            if busy.contains(partition.name()) || failed.contains(partition.name()) {
                continue;
            }
            let need = partition
                .roll_for_compaction(now_ms)
                .and_then(|_| partition.need_of_compaction(now_ms))
                .inspect_err(|error| tracing::warn!(partition = %partition.name(), %error, "cannot look for compaction"));
            let Ok(Some(need)) = need else { continue };
            if neediest.as_ref().is_none_or(|(_, urgency)| *urgency < need.urgency()) {
                neediest = Some((partition, need.urgency()));
            }
        }
        let (partition, _) = neediest?;
        busy.insert(partition.name().clone());
        Some(partition)
    }

    fn compact(&self, partition: &Arc<Partition>) -> Result<(), PassError> {
        let now_ms = self.shared.now_ms();
        let Some(plan) = partition.plan_compaction(now_ms)? else {
            return Err(PassError::GivenUp("there is nothing to compact any more"));
        };
        // The batch that is a producer's last must not be one that a power cut takes: the one before would be gone.
        partition.flush();
        if self.shared.failure().is_some() {
            return Err(PassError::GivenUp("the log folder failed"));
        }
        let config = &self.shared.config.cleaner;
        let memory_bytes = config.memory_bytes / config.threads.max(1);
        let size = MapSize { memory_bytes, load_factor: config.load_factor };
        let mut outcome = pass::run(partition, &plan, size, now_ms, &self.pace)?;
        for doomed in outcome.doomed.drain(..) {
            self.keeper.remove_file_later(doomed.path, now_ms.saturating_add(doomed.delay_ms));
        }
        if outcome.to <= plan.from && plan.from < plan.to {
            tracing::warn!(partition = %partition.name(), memory_bytes,
                "one batch holds more keys than fit; raise log.cleaner.dedupe.buffer.size");
            return Err(PassError::GivenUp("there is too little memory for its keys"));
        }
        partition.compacted(outcome.to, outcome.horizon_ms);
        self.shared.store_compacted()?;
        tracing::info!(partition = %partition.name(), to = outcome.to, read_bytes = outcome.read_bytes,
            written_bytes = outcome.written_bytes, "compacted");
        Ok(())
    }

    /// Damage stops the compaction of this partition; other troubles may pass.
    fn report(&self, partition: &Partition, error: &PassError) {
        if matches!(error, PassError::Disk(_)) {
            tracing::warn!(partition = %partition.name(), %error, "compaction failed, will retry");
        } else {
            tracing::error!(partition = %partition.name(), %error,
                "compaction met damage and leaves this partition alone until a restart");
            partition.give_up_compaction();
        }
    }
}
