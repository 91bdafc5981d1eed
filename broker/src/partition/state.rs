//! The state of one partition and the two steps of an append: decide (may it, and where) and apply (it happened).

use millstream_protocol::record_batch::BatchHeader;

use super::append::{AppendRefusal, Origin};
use super::batch::Marker;
use super::leader_epoch::LeaderEpochs;
use super::producer::{Producers, SequencedBatch};
use super::transaction::{AbortedTransaction, Transactions};

/// What to do with checked batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Append them from the log's end on.
    Append,
    /// Already there: answer with the original.
    Duplicate(SequencedBatch),
}

/// Offsets, epochs, producers and transactions of one partition.
///
/// `log_start <= last_stable <= high_watermark <= log_end` holds between calls (the last stable offset may fall behind
/// the log's start when DeleteRecords cuts into an open transaction; readers clamp it).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionState {
    pub log_start_offset: i64,
    pub log_end_offset: i64,
    pub high_watermark: i64,
    /// The epoch that this node leads in; stamped on appended batches.
    pub leader_epoch: i32,
    pub producers: Producers,
    pub transactions: Transactions,
    pub epochs: LeaderEpochs,
}

impl PartitionState {
    /// Checks the batches of one append against producers and offsets. `guard` is the transaction verification that
    /// a client's first transactional batch must bring, where verification is asked for.
    pub fn decide(
        &self,
        batches: &[(BatchHeader, Option<Marker>)],
        origin: Origin,
        guard: Option<u64>,
    ) -> Result<Decision, AppendRefusal> {
        if origin == Origin::Replication {
            return self.decide_replicated(batches);
        }
        for (batch, marker) in batches {
            if let Some(marker) = marker {
                self.producers.check_marker(batch, *marker)?;
                continue;
            }
            if !batch.has_producer() {
                continue;
            }
            // Several batches of one producer in one request have no defined retry; no client sends them.
            if batches.len() > 1 {
                return Err(AppendRefusal::InvalidRecord {
                    reason: "one request may carry one idempotent batch",
                });
            }
            if batch.base_sequence >= 0 {
                if let Some(original) = self.producers.duplicate_of(batch) {
                    return Ok(Decision::Duplicate(original));
                }
                self.producers.check(batch, origin)?;
            } else {
                // Coordinators don't number their batches; a fenced producer must not commit offsets all the same.
                self.producers.check_epoch(batch.producer_id, batch.producer_epoch)?;
            }
            self.check_verified(batch, guard)?;
        }
        Ok(Decision::Append)
    }

    fn decide_replicated(
        &self,
        batches: &[(BatchHeader, Option<Marker>)],
    ) -> Result<Decision, AppendRefusal> {
        let mut expected = self.log_end_offset;
        for (batch, _) in batches {
            if batch.base_offset < expected {
                return Err(AppendRefusal::OffsetsOutOfOrder { expected, found: batch.base_offset });
            }
            expected = batch.last_offset() + 1;
        }
        Ok(Decision::Append)
    }

    fn check_verified(&self, batch: &BatchHeader, guard: Option<u64>) -> Result<(), AppendRefusal> {
        let Some(guard) = guard else { return Ok(()) };
        let producer_id = batch.producer_id;
        if !batch.is_transactional() || self.has_open_transaction(producer_id, batch.producer_epoch) {
            return Ok(());
        }
        if self.producers.is_verified(producer_id, guard) {
            Ok(())
        } else {
            Err(AppendRefusal::InvalidTransactionState { producer_id })
        }
    }

    /// Whether the producer's transaction of this epoch is open here.
    pub fn has_open_transaction(&self, producer_id: i64, epoch: i16) -> bool {
        let known = self.producers.get(producer_id);
        known.is_some_and(|producer| producer.transaction_first_offset.is_some() && producer.epoch == epoch)
    }

    /// Takes in a batch that the log now holds, at its final offset. Returns an entry for the transaction index.
    pub fn apply(&mut self, batch: &BatchHeader, marker: Option<Marker>) -> Option<AbortedTransaction> {
        self.log_end_offset = batch.last_offset() + 1;
        self.epochs.assign(batch.partition_leader_epoch, batch.base_offset);
        if !batch.has_producer() {
            return None;
        }
        let producer_id = batch.producer_id;
        match marker {
            // Compaction emptied it: the transaction is long over, only the epoch still says something.
            None if batch.is_control() => {
                self.producers.emptied_marker(batch);
                None
            }
            Some(marker) => {
                let first = self.producers.ended(batch, marker)?;
                self.transactions.ended(producer_id, first, batch.last_offset(), marker.committed)
            }
            None => {
                if let Some(first) = self.producers.appended(batch) {
                    self.transactions.opened(first, producer_id);
                }
                None
            }
        }
    }

    /// Raises the high watermark; true when it moved.
    pub fn advance_high_watermark(&mut self, to: i64) -> bool {
        let to = to.min(self.log_end_offset);
        if to <= self.high_watermark {
            return false;
        }
        self.high_watermark = to;
        self.transactions.high_watermark_moved(to);
        true
    }

    /// Where read_committed stops: the first undecided transaction, or the high watermark.
    pub fn last_stable_offset(&self) -> i64 {
        self.transactions
            .first_unstable_offset()
            .map_or(self.high_watermark, |first| first.min(self.high_watermark))
    }

    /// Raises the first readable offset; true when it moved.
    pub fn advance_log_start(&mut self, to: i64) -> bool {
        if to <= self.log_start_offset {
            return false;
        }
        self.log_start_offset = to;
        self.epochs.truncate_start(to);
        self.transactions.truncate_start(to);
        true
    }
}
