//! What a partition remembers of each idempotent or transactional producer: epoch, the last five batches, the open
//! transaction (KIP-98, KIP-360, KIP-890).

use std::collections::{HashMap, VecDeque};

use millstream_protocol::record_batch::BatchHeader;

use super::append::{AppendRefusal, Origin};
use super::batch::Marker;

/// Batches remembered per producer; a client keeps at most this many in flight.
pub const REMEMBERED_BATCHES: usize = 5;
/// "No epoch yet": Kafka's NO_PRODUCER_EPOCH.
pub const NO_EPOCH: i16 = -1;

/// One remembered batch: enough to answer a retry with the original offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequencedBatch {
    pub last_sequence: i32,
    pub last_offset: i64,
    pub offset_delta: i32,
    pub timestamp: i64,
}

impl SequencedBatch {
    pub fn first_sequence(&self) -> i32 {
        sequence_before(self.last_sequence, self.offset_delta)
    }

    pub fn first_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }
}

/// One producer as this partition knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    pub epoch: i16,
    pub coordinator_epoch: i32,
    pub last_timestamp: i64,
    pub transaction_first_offset: Option<i64>,
    /// Oldest first, at most [`REMEMBERED_BATCHES`], all of the current epoch.
    pub batches: VecDeque<SequencedBatch>,
}

impl Producer {
    fn new() -> Self {
        Self {
            epoch: NO_EPOCH,
            coordinator_epoch: -1,
            last_timestamp: -1,
            transaction_first_offset: None,
            batches: VecDeque::new(),
        }
    }

    pub fn last_sequence(&self) -> Option<i32> {
        self.batches.back().map(|batch| batch.last_sequence)
    }

    fn enter_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.batches.clear();
        }
    }
}

/// Sequences count from 0 to `i32::MAX` and wrap to 0.
pub fn sequence_after(sequence: i32, by: i32) -> i32 {
    ((i64::from(sequence) + i64::from(by)) % (i64::from(i32::MAX) + 1)) as i32
}

fn sequence_before(sequence: i32, by: i32) -> i32 {
    (i64::from(sequence) - i64::from(by)).rem_euclid(i64::from(i32::MAX) + 1) as i32
}

/// By what compaction recognises the last batch of a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastBatch {
    Data { last_offset: i64 },
    Marker { epoch: i16 },
}

/// All producers of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Producers {
    by_id: HashMap<i64, Producer>,
    /// Producers whose transaction the coordinator is being asked about, with the guard that the answer must carry.
    verifying: HashMap<i64, u64>,
    last_guard: u64,
}

impl Producers {
    pub fn get(&self, id: i64) -> Option<&Producer> {
        self.by_id.get(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (i64, &Producer)> {
        self.by_id.iter().map(|(id, producer)| (*id, producer))
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Adds what a snapshot held; several batches of one producer come in order.
    pub fn restore(&mut self, id: i64, restored: Producer) {
        self.by_id.insert(id, restored);
    }

    /// The remembered batch that `batch` repeats, if it does.
    pub fn duplicate_of(&self, batch: &BatchHeader) -> Option<SequencedBatch> {
        let producer = self.by_id.get(&batch.producer_id)?;
        if producer.epoch != batch.producer_epoch {
            return None;
        }
        let (first, last) = (batch.base_sequence, batch.last_sequence());
        producer
            .batches
            .iter()
            .find(|known| known.first_sequence() == first && known.last_sequence == last)
            .copied()
    }

    /// Epoch and sequence rules for a batch that is no duplicate. Followers repeat what the leader decided.
    pub fn check(&self, batch: &BatchHeader, origin: Origin) -> Result<(), AppendRefusal> {
        let Some(known) = self.by_id.get(&batch.producer_id) else { return Ok(()) };
        if origin == Origin::Replication {
            return Ok(());
        }
        self.check_epoch(batch.producer_id, batch.producer_epoch)?;
        let first = batch.base_sequence;
        let refused = |expected| AppendRefusal::OutOfOrderSequence {
            producer_id: batch.producer_id,
            expected,
            found: first,
        };
        if known.epoch == NO_EPOCH {
            // All of its records are gone: whatever comes is where it continues.
            return Ok(());
        }
        if batch.producer_epoch != known.epoch {
            return if first == 0 { Ok(()) } else { Err(refused(0)) };
        }
        let expected = known.last_sequence().map_or(0, |last| sequence_after(last, 1));
        if first == expected { Ok(()) } else { Err(refused(expected)) }
    }

    /// Whether a marker of this coordinator and producer epoch may be appended.
    pub fn check_marker(&self, batch: &BatchHeader, marker: Marker) -> Result<(), AppendRefusal> {
        self.check_epoch(batch.producer_id, batch.producer_epoch)?;
        match self.by_id.get(&batch.producer_id) {
            Some(known) if known.coordinator_epoch > marker.coordinator_epoch => {
                Err(AppendRefusal::CoordinatorFenced {
                    producer_id: batch.producer_id,
                    current: known.coordinator_epoch,
                    found: marker.coordinator_epoch,
                })
            }
            _ => Ok(()),
        }
    }

    pub fn check_epoch(&self, id: i64, epoch: i16) -> Result<(), AppendRefusal> {
        match self.by_id.get(&id) {
            Some(known) if epoch < known.epoch => Err(AppendRefusal::InvalidProducerEpoch {
                producer_id: id,
                current: known.epoch,
                found: epoch,
            }),
            _ => Ok(()),
        }
    }

    /// Takes in an appended data batch. Returns the first offset of a transaction that it opened.
    pub fn appended(&mut self, batch: &BatchHeader) -> Option<i64> {
        let producer = self.by_id.entry(batch.producer_id).or_insert_with(Producer::new);
        producer.enter_epoch(batch.producer_epoch);
        producer.last_timestamp = batch.max_timestamp_ms;
        if batch.base_sequence >= 0 {
            if producer.batches.len() == REMEMBERED_BATCHES {
                producer.batches.pop_front();
            }
            producer.batches.push_back(SequencedBatch {
                last_sequence: batch.last_sequence(),
                last_offset: batch.last_offset(),
                offset_delta: batch.last_offset_delta,
                timestamp: batch.max_timestamp_ms,
            });
        }
        if !batch.is_transactional() || producer.transaction_first_offset.is_some() {
            return None;
        }
        producer.transaction_first_offset = Some(batch.base_offset);
        self.verifying.remove(&batch.producer_id);
        Some(batch.base_offset)
    }

    /// Takes in an appended marker. Returns the first offset of the transaction that it ends.
    pub fn ended(&mut self, batch: &BatchHeader, marker: Marker) -> Option<i64> {
        let producer = self.by_id.entry(batch.producer_id).or_insert_with(Producer::new);
        producer.enter_epoch(batch.producer_epoch);
        producer.coordinator_epoch = marker.coordinator_epoch;
        producer.last_timestamp = batch.max_timestamp_ms;
        self.verifying.remove(&batch.producer_id);
        producer.transaction_first_offset.take()
    }

    /// Takes in a marker of which compaction left only the batch.
    pub fn emptied_marker(&mut self, batch: &BatchHeader) {
        let producer = self.by_id.entry(batch.producer_id).or_insert_with(Producer::new);
        producer.enter_epoch(batch.producer_epoch);
        producer.last_timestamp = batch.max_timestamp_ms;
    }

    /// The batch of each producer that must outlive compaction, at least empty: its last one with a sequence, or
    /// where there is none the marker of its epoch.
    pub fn last_batches(&self) -> HashMap<i64, LastBatch> {
        let last = |producer: &Producer| match producer.batches.back() {
            Some(batch) => LastBatch::Data { last_offset: batch.last_offset },
            None => LastBatch::Marker { epoch: producer.epoch },
        };
        self.by_id.iter().map(|(id, producer)| (*id, last(producer))).collect()
    }

    /// Begins (or joins) the verification of a producer's transaction: the guard that its append must bring back.
    pub fn begin_verification(&mut self, id: i64) -> u64 {
        if let Some(guard) = self.verifying.get(&id) {
            return *guard;
        }
        self.last_guard += 1;
        self.verifying.insert(id, self.last_guard);
        self.last_guard
    }

    /// Whether the append of a first transactional batch brings the current guard. A marker in between takes it away.
    pub fn is_verified(&self, id: i64, guard: u64) -> bool {
        self.verifying.get(&id) == Some(&guard)
    }

    /// Forgets producers without an open transaction that were silent since before `oldest_ms`.
    pub fn expire(&mut self, oldest_ms: i64) -> usize {
        let before = self.by_id.len();
        self.by_id.retain(|_, producer| {
            producer.transaction_first_offset.is_some() || producer.last_timestamp >= oldest_ms
        });
        before - self.by_id.len()
    }
}
