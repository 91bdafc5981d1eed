//! Where records wait: one open batch per partition, within bounded memory.
//!
//! Callers append under the lock of one partition; the sending task takes sealed batches out. Lock order: a queue's
//! state before `arrivals`; never two queues at once.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::batch::BatchInMaking;
use super::completion::Completion;
use super::{NewRecord, ProduceError, ProducerConfig, partition_for_key};
use crate::topic::TopicPartition;

/// Bytes that a record needs in a batch beside its key, value and headers, at most.
const RECORD_OVERHEAD_BYTES: usize = 36;
/// The same for one header.
const HEADER_OVERHEAD_BYTES: usize = 10;

pub(crate) struct Accumulator {
    config: Arc<ProducerConfig>,
    topics: RwLock<HashMap<Arc<str>, Arc<TopicQueues>>>,
    /// Bytes of all records accepted and not settled.
    used_bytes: AtomicUsize,
    /// Woken when `used_bytes` falls.
    room: Notify,
    /// Wakes the sending task.
    pub(crate) work: Notify,
    /// Queues that got their first batch since the sending task last looked.
    arrivals: Mutex<Vec<Arc<PartitionQueue>>>,
    /// Callers that wait for room or flush: while there are any, nothing lingers.
    hurried: AtomicUsize,
    /// What is open now is to be sent without lingering, once.
    is_urged: AtomicBool,
    is_closed: AtomicBool,
    /// Why nothing is accepted: no transaction open, or one that must be aborted.
    refusal: Mutex<Option<ProduceError>>,
    is_refusing: AtomicBool,
    /// The first failure since the last flush.
    first_failure: Mutex<Option<ProduceError>>,
}

/// The partitions of one topic.
pub(crate) struct TopicQueues {
    pub(crate) name: Arc<str>,
    queues: RwLock<Arc<Vec<Arc<PartitionQueue>>>>,
    /// The metadata refresh that the number of partitions was last compared with.
    generation: AtomicU64,
    /// Where keyless records go until a batch is full (KIP-480).
    sticky: Arc<Sticky>,
}

/// The partition that keyless records go to: each one until its batch is closed, in turn.
#[derive(Default)]
struct Sticky {
    turns: AtomicUsize,
    partitions: AtomicUsize,
}

pub(crate) struct PartitionQueue {
    pub(crate) place: TopicPartition,
    state: Mutex<QueueState>,
    sticky: Arc<Sticky>,
}

#[derive(Default)]
struct QueueState {
    open: Option<PendingBatch>,
    sealed: VecDeque<PendingBatch>,
    /// Every batch not settled yet, oldest first.
    unresolved: VecDeque<Arc<Completion>>,
    /// Whether the sending task knows of this queue.
    is_known: bool,
}

/// A batch and whoever waits for it.
pub(crate) struct PendingBatch {
    pub(crate) batch: BatchInMaking,
    pub(crate) completion: Arc<Completion>,
    pub(crate) opened_at: Instant,
    /// Memory to give back when it is settled.
    accounted_bytes: usize,
}

/// What became of one try to append.
pub(crate) enum Appended {
    /// The batch and the record's position in it.
    Accepted(Arc<Completion>, i32),
    /// The buffer is full: wait for room.
    Full,
}

impl Accumulator {
    pub(crate) fn new(config: Arc<ProducerConfig>) -> Accumulator {
        Accumulator {
            config,
            topics: RwLock::new(HashMap::new()),
            used_bytes: AtomicUsize::new(0),
            room: Notify::new(),
            work: Notify::new(),
            arrivals: Mutex::new(Vec::new()),
            hurried: AtomicUsize::new(0),
            is_urged: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            refusal: Mutex::new(None),
            is_refusing: AtomicBool::new(false),
            first_failure: Mutex::new(None),
        }
    }

    pub(crate) fn topic(&self, name: &str) -> Option<Arc<TopicQueues>> {
        self.topics.read().get(name).cloned()
    }

    /// Makes a topic's queues, or adds those of new partitions.
    pub(crate) fn open_topic(&self, name: &Arc<str>, partitions: usize) -> Arc<TopicQueues> {
        let mut topics = self.topics.write();
        let topic = topics.entry(name.clone()).or_insert_with(|| Arc::new(TopicQueues::new(name.clone())));
        topic.grow(partitions);
        topic.clone()
    }

    /// Appends a record, waiting for room.
    pub(crate) async fn append(
        &self,
        topic: &TopicQueues,
        partition: Option<i32>,
        record: NewRecord<'_>,
    ) -> Result<(Arc<Completion>, i32), ProduceError> {
        let queue = topic.queue_for(partition, record.key)?;
        if let Appended::Accepted(batch, index) = self.try_append(&queue, record)? {
            return Ok((batch, index));
        }
        let _hurry = self.hurry();
        loop {
            let room = self.room.notified();
            if let Appended::Accepted(batch, index) = self.try_append(&queue, record)? {
                return Ok((batch, index));
            }
            room.await;
        }
    }

    /// Appends a record if there is room for it now.
    fn try_append(
        &self,
        queue: &Arc<PartitionQueue>,
        record: NewRecord<'_>,
    ) -> Result<Appended, ProduceError> {
        if self.is_refusing.load(Ordering::Acquire) {
            return Err(self.refusal());
        }
        let bytes = size_limit(&record);
        if !self.reserve(bytes)? {
            return Ok(Appended::Full);
        }
        let mut state = queue.state.lock();
        let is_full = |pending: &PendingBatch| !pending.batch.has_room(bytes, self.config.batch_bytes);
        if state.open.as_ref().is_some_and(is_full) {
            self.seal(queue, &mut state);
        }
        if state.open.is_none() {
            self.open(queue, &mut state, bytes);
        }
        let appended = match &mut state.open {
            Some(pending) => {
                pending.accounted_bytes += bytes;
                pending.batch.append(&record).map(|index| (pending.completion.clone(), index))
            }
            None => Err("no batch is open".to_owned()),
        };
        match appended {
            Ok((completion, index)) => Ok(Appended::Accepted(completion, index)),
            Err(reason) => Err(ProduceError::Build { place: queue.place.clone(), reason }),
        }
    }

    /// Accounts for `bytes`, unless the buffer is full. A record larger than the whole buffer is an error.
    fn reserve(&self, bytes: usize) -> Result<bool, ProduceError> {
        let limit = self.config.buffer_bytes;
        if bytes > limit {
            return Err(ProduceError::TooLarge { bytes, limit });
        }
        let used = self.used_bytes.fetch_add(bytes, Ordering::AcqRel);
        if used + bytes > limit {
            self.used_bytes.fetch_sub(bytes, Ordering::AcqRel);
            return Ok(false);
        }
        Ok(true)
    }

    fn open(&self, queue: &Arc<PartitionQueue>, state: &mut QueueState, first_bytes: usize) {
        let completion = Arc::new(Completion::new(queue.place.clone()));
        while state.unresolved.front().is_some_and(|oldest| oldest.is_resolved()) {
            state.unresolved.pop_front();
        }
        state.unresolved.push_back(completion.clone());
        state.open = Some(PendingBatch {
            batch: BatchInMaking::new(&self.config, first_bytes),
            completion,
            opened_at: Instant::now(),
            accounted_bytes: 0,
        });
        if !state.is_known {
            state.is_known = true;
            self.arrivals.lock().push(queue.clone());
            self.work.notify_one();
        } else if self.config.linger.is_zero() {
            self.work.notify_one();
        }
    }

    fn seal(&self, queue: &PartitionQueue, state: &mut QueueState) {
        if let Some(pending) = state.open.take() {
            state.sealed.push_back(pending);
            queue.sticky.leave(queue.place.partition);
            self.work.notify_one();
        }
    }

    /// Queues that the sending task has not seen yet.
    pub(crate) fn take_arrivals(&self) -> Vec<Arc<PartitionQueue>> {
        std::mem::take(&mut *self.arrivals.lock())
    }

    /// Gives back a settled batch's memory and tells its waiters.
    pub(crate) fn settle(
        &self,
        pending: PendingBatch,
        outcome: Result<super::completion::Written, ProduceError>,
    ) {
        if let Err(error) = &outcome {
            self.first_failure.lock().get_or_insert_with(|| error.clone());
        }
        self.used_bytes.fetch_sub(pending.accounted_bytes, Ordering::AcqRel);
        self.room.notify_waiters();
        pending.completion.resolve(outcome);
    }

    /// While the guard lives, batches are sent without lingering.
    pub(crate) fn hurry(&self) -> Hurry<'_> {
        self.hurried.fetch_add(1, Ordering::AcqRel);
        self.work.notify_one();
        Hurry { accumulator: self }
    }

    /// Has everything accepted so far sent without lingering; nobody waits for it.
    pub(crate) fn urge(&self) {
        self.is_urged.store(true, Ordering::Release);
        self.work.notify_one();
    }

    /// Whether nothing is to linger now; an urge is used up by asking.
    pub(crate) fn is_hurried(&self) -> bool {
        self.is_urged.swap(false, Ordering::AcqRel) || self.hurried.load(Ordering::Acquire) > 0
    }

    /// Waits until everything accepted before this call is settled; gives the first failure since the last call.
    pub(crate) async fn flush(&self) -> Result<(), ProduceError> {
        let _hurry = self.hurry();
        let topics: Vec<Arc<TopicQueues>> = self.topics.read().values().cloned().collect();
        for topic in topics {
            let queues = topic.queues.read().clone();
            for queue in queues.iter() {
                let unresolved: Vec<Arc<Completion>> =
                    queue.state.lock().unresolved.iter().cloned().collect();
                for completion in unresolved {
                    // Failures are collected in `first_failure`, which also covers batches settled before this call.
                    drop(completion.wait().await);
                }
            }
        }
        self.first_failure.lock().take().map_or(Ok(()), Err)
    }

    /// Refuses records from now on (`Some`), or accepts them again.
    pub(crate) fn refuse(&self, refusal: Option<ProduceError>) {
        if self.is_closed.load(Ordering::Acquire) {
            return;
        }
        let mut current = self.refusal.lock();
        self.is_refusing.store(refusal.is_some(), Ordering::Release);
        *current = refusal;
        drop(current);
        // Whoever waits for room must learn of it.
        self.room.notify_waiters();
    }

    /// Refuses records for good.
    pub(crate) fn close(&self) {
        self.refuse(Some(ProduceError::Closed));
        self.is_closed.store(true, Ordering::Release);
        self.work.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Forgets failures reported elsewhere.
    pub(crate) fn clear_failure(&self) {
        self.first_failure.lock().take();
    }

    fn refusal(&self) -> ProduceError {
        self.refusal.lock().clone().unwrap_or(ProduceError::Closed)
    }
}

/// See [`Accumulator::hurry`].
pub(crate) struct Hurry<'a> {
    accumulator: &'a Accumulator,
}

impl Drop for Hurry<'_> {
    fn drop(&mut self) {
        self.accumulator.hurried.fetch_sub(1, Ordering::AcqRel);
    }
}

impl TopicQueues {
    fn new(name: Arc<str>) -> TopicQueues {
        let queues = RwLock::new(Arc::new(Vec::new()));
        TopicQueues { name, queues, generation: AtomicU64::new(0), sticky: Arc::default() }
    }

    pub(crate) fn partitions(&self) -> usize {
        self.queues.read().len()
    }

    pub(crate) fn is_older_than(&self, generation: u64) -> bool {
        self.generation.load(Ordering::Relaxed) < generation
    }

    pub(crate) fn note_generation(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// Partitions only ever grow: a batch already queued must keep its place.
    pub(crate) fn grow(&self, partitions: usize) {
        let mut queues = self.queues.write();
        if queues.len() >= partitions {
            return;
        }
        let mut grown = (**queues).clone();
        for partition in grown.len()..partitions {
            grown.push(Arc::new(PartitionQueue {
                place: TopicPartition::new(self.name.clone(), partition as i32),
                state: Mutex::new(QueueState::default()),
                sticky: self.sticky.clone(),
            }));
        }
        self.sticky.partitions.store(partitions, Ordering::Relaxed);
        *queues = Arc::new(grown);
    }

    fn queue_for(
        &self,
        partition: Option<i32>,
        key: Option<&[u8]>,
    ) -> Result<Arc<PartitionQueue>, ProduceError> {
        let queues = self.queues.read();
        let partition = match (partition, key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_for_key(key, queues.len()),
            (None, None) => self.sticky.partition(),
        };
        let queue = usize::try_from(partition).ok().and_then(|position| queues.get(position));
        queue.cloned().ok_or_else(|| {
            let source = crate::metadata::MetadataError::UnknownPartition {
                topic: self.name.to_string(),
                partition,
                partitions: queues.len(),
            };
            ProduceError::Topic { source }
        })
    }
}

impl Sticky {
    fn partition(&self) -> i32 {
        let partitions = self.partitions.load(Ordering::Relaxed).max(1);
        (self.turns.load(Ordering::Relaxed) % partitions) as i32
    }

    /// Moves on, if `partition` is still the current one.
    fn leave(&self, partition: i32) {
        if self.partition() == partition {
            self.turns.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl PartitionQueue {
    /// Takes what is ready: sealed batches, and the open one if `takes_open` says so of it.
    pub(crate) fn take_ready(&self, takes_open: impl Fn(&PendingBatch) -> bool) -> Vec<PendingBatch> {
        let mut state = self.state.lock();
        let mut ready: Vec<PendingBatch> = state.sealed.drain(..).collect();
        if state.open.as_ref().is_some_and(&takes_open)
            && let Some(pending) = state.open.take()
        {
            self.sticky.leave(self.place.partition);
            ready.push(pending);
        }
        ready
    }

    /// Takes everything, finished or not.
    pub(crate) fn take_all(&self) -> Vec<PendingBatch> {
        self.take_ready(|_| true)
    }

    /// When the open batch was opened.
    pub(crate) fn opened_at(&self) -> Option<Instant> {
        self.state.lock().open.as_ref().map(|pending| pending.opened_at)
    }

    /// If nothing waits here, the sending task may forget the queue until it is announced again.
    pub(crate) fn forget_if_idle(&self) -> bool {
        let mut state = self.state.lock();
        let is_idle = state.open.is_none() && state.sealed.is_empty();
        state.is_known = !is_idle;
        is_idle
    }
}

/// An upper bound of what the record adds to a batch.
fn size_limit(record: &NewRecord<'_>) -> usize {
    let headers = record
        .headers
        .iter()
        .map(|(name, value)| HEADER_OVERHEAD_BYTES + name.len() + value.map_or(0, <[u8]>::len));
    RECORD_OVERHEAD_BYTES
        + record.key.map_or(0, <[u8]>::len)
        + record.value.map_or(0, <[u8]>::len)
        + headers.sum::<usize>()
}
