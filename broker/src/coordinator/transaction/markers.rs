//! From the decision to completion: a marker in every partition, tried until it is there.

use super::end::BUMPS_EPOCH;
use super::{Context, Effect, State, Transaction, TransactionCoordinator, TransactionMetadata};
use crate::coordinator::log_record;
use crate::coordinator::{Outcome, Producer, TopicPartition};

/// Markers to write, one per partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Markers {
    pub transactional_id: String,
    /// The producer whose transaction ends, under the epoch that the marker carries.
    pub producer: Producer,
    pub outcome: Outcome,
    pub coordinator_epoch: i32,
    /// 2 when the marker's epoch is above that of the transaction's records (KIP-890).
    pub transaction_version: i16,
    pub partitions: Vec<TopicPartition>,
}

impl TransactionCoordinator {
    /// A partition has its marker, or is gone and needs none.
    pub fn marker_written(
        &mut self,
        now_ms: i64,
        transactional_id: &str,
        producer: Producer,
        partition: &TopicPartition,
    ) -> Vec<Effect> {
        if let Some((transaction, mut context)) = self.open(now_ms, transactional_id)
            && transaction.awaits_markers_of(producer)
        {
            transaction.failed.remove(partition);
            if transaction.unmarked.remove(partition) {
                transaction.complete_if_marked(&mut context);
            }
        }
        self.outbox.drain()
    }

    /// A marker could not be written; it is tried again after a while.
    pub fn marker_failed(
        &mut self,
        now_ms: i64,
        transactional_id: &str,
        producer: Producer,
        partition: &TopicPartition,
    ) -> Vec<Effect> {
        if let Some((transaction, mut context)) = self.open(now_ms, transactional_id)
            && transaction.awaits_markers_of(producer)
            && transaction.unmarked.contains(partition)
        {
            transaction.failed.insert(partition.clone());
            context.retry_later();
        }
        self.outbox.drain()
    }
}

impl Transaction {
    /// Reports of an earlier transaction of the same id change nothing.
    fn awaits_markers_of(&self, producer: Producer) -> bool {
        self.metadata
            .as_ref()
            .is_some_and(|metadata| metadata.state.outcome().is_some() && metadata.producer() == producer)
    }

    pub(super) fn write_markers(&mut self, context: &mut Context<'_>) {
        let Some(metadata) = &self.metadata else { return };
        context.timers.cancel(&context.transactional_id.to_owned());
        self.unmarked.clone_from(&metadata.partitions);
        self.failed.clear();
        if !self.unmarked.is_empty() {
            let partitions = self.unmarked.iter().cloned().collect();
            context.send_markers(metadata, partitions);
        }
        self.complete_if_marked(context);
    }

    pub(super) fn retry_markers(&mut self, context: &mut Context<'_>) {
        let Some(metadata) = &self.metadata else { return };
        if !self.failed.is_empty() {
            let partitions = std::mem::take(&mut self.failed).into_iter().collect();
            context.send_markers(metadata, partitions);
        }
        self.complete_if_marked(context);
    }

    /// Completes at once: the next transaction need not wait for the record of it, only follow it in the log.
    fn complete_if_marked(&mut self, context: &mut Context<'_>) {
        let Some(metadata) = &self.metadata else { return };
        let Some(outcome) = metadata.state.outcome() else { return };
        if !self.unmarked.is_empty() || self.pending.is_some() {
            return;
        }
        let mut next = TransactionMetadata {
            state: State::complete(outcome),
            updated_ms: context.now_ms,
            partitions: Default::default(),
            ..metadata.clone()
        };
        // Epochs ran out with this transaction: the producer goes on under its new id.
        if let Some(id) = next.next_producer_id.take() {
            next.previous_producer_id = Some(metadata.producer_id);
            next.producer_id = id;
            next.producer_epoch = 0;
        }
        context.outbox.append(log_record::transaction_record(context.transactional_id, &next));
        self.metadata = Some(next);
    }
}

impl Context<'_> {
    fn send_markers(&mut self, metadata: &TransactionMetadata, partitions: Vec<TopicPartition>) {
        let Some(outcome) = metadata.state.outcome() else { return };
        self.outbox.effects.push(Effect::WriteMarkers(Markers {
            transactional_id: self.transactional_id.to_owned(),
            producer: metadata.producer(),
            outcome,
            coordinator_epoch: self.coordinator_epoch,
            transaction_version: if metadata.client_version >= BUMPS_EPOCH { BUMPS_EPOCH } else { 0 },
            partitions,
        }));
    }
}
