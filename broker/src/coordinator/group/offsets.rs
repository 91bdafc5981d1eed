//! The offsets of one group: committed ones, and those that wait for the end of a transaction.

use std::collections::BTreeMap;

use millstream_protocol::Uuid;

use crate::coordinator::{Outcome, TopicPartition};

/// A committed position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// The leader epoch of the last record read; -1 when not known.
    pub leader_epoch: i32,
    pub metadata: String,
    /// Which topic of that name it was committed for; zero when not known. A later topic of the same name starts anew.
    pub topic_id: Uuid,
    pub committed_ms: i64,
    /// Set only by old clients that chose a retention of their own.
    pub expires_ms: Option<i64>,
}

/// A committed position and the offset of its record in `__consumer_offsets`: of two, the later record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) committed: CommittedOffset,
    pub(super) record_offset: i64,
}

#[derive(Debug, Default)]
pub(super) struct Offsets {
    pub(super) stored: BTreeMap<TopicPartition, Stored>,
    /// By producer id; appended, waiting for the transaction's marker.
    pub(super) pending: BTreeMap<i64, BTreeMap<TopicPartition, Stored>>,
    /// How many appends of a partition's offset are on their way, transactional ones too.
    pub(super) in_flight: BTreeMap<TopicPartition, usize>,
    /// How many of those are transactional.
    pub(super) in_flight_transactional: BTreeMap<TopicPartition, usize>,
}

impl Offsets {
    pub(super) fn is_empty(&self) -> bool {
        self.stored.is_empty() && self.pending.is_empty() && self.in_flight.is_empty()
    }

    /// Whether a transaction may still change what is committed for this partition.
    pub(super) fn is_unstable(&self, partition: &TopicPartition) -> bool {
        self.in_flight_transactional.contains_key(partition)
            || self.pending.values().any(|offsets| offsets.contains_key(partition))
    }

    pub(super) fn begin(&mut self, partition: &TopicPartition, transactional: bool) {
        *self.in_flight.entry(partition.clone()).or_default() += 1;
        if transactional {
            *self.in_flight_transactional.entry(partition.clone()).or_default() += 1;
        }
    }

    pub(super) fn finish(&mut self, partition: &TopicPartition, transactional: bool) {
        count_down(&mut self.in_flight, partition);
        if transactional {
            count_down(&mut self.in_flight_transactional, partition);
        }
    }

    pub(super) fn store(&mut self, partition: TopicPartition, stored: Stored) {
        let newer = self.stored.get(&partition).is_none_or(|old| old.record_offset <= stored.record_offset);
        if newer {
            self.stored.insert(partition, stored);
        }
    }

    pub(super) fn hold(&mut self, producer_id: i64, partition: TopicPartition, stored: Stored) {
        self.pending.entry(producer_id).or_default().insert(partition, stored);
    }

    /// The producer's transaction ended: its offsets hold from now on, or never did.
    pub(super) fn end_transaction(&mut self, producer_id: i64, outcome: Outcome) {
        let Some(offsets) = self.pending.remove(&producer_id) else { return };
        if outcome == Outcome::Commit {
            for (partition, stored) in offsets {
                self.store(partition, stored);
            }
        }
    }

    /// Whether what is known of a partition was committed for this topic, and nothing newer is on its way.
    pub(super) fn is_of_topic(&self, partition: &TopicPartition, topic_id: Uuid) -> bool {
        let pending = self.pending.values().filter_map(|offsets| offsets.get(partition));
        let mut known = self.stored.get(partition).into_iter().chain(pending);
        !self.in_flight.contains_key(partition)
            && known.all(|stored| [topic_id, Uuid::ZERO].contains(&stored.committed.topic_id))
    }

    /// Forgets a partition's offset, pending ones included.
    pub(super) fn remove(&mut self, partition: &TopicPartition) {
        self.stored.remove(partition);
        for offsets in self.pending.values_mut() {
            offsets.remove(partition);
        }
        self.pending.retain(|_, offsets| !offsets.is_empty());
    }
}

fn count_down(counts: &mut BTreeMap<TopicPartition, usize>, partition: &TopicPartition) {
    if let Some(count) = counts.get_mut(partition) {
        *count -= 1;
        if *count == 0 {
            counts.remove(partition);
        }
    }
}
