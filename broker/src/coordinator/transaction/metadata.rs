//! What the log holds about one transactional id.

use std::collections::BTreeSet;

use crate::coordinator::{Outcome, Producer, TopicPartition};

/// The last epoch that a producer works under; one above it is kept for fencing it.
pub(super) const LAST_EPOCH: i16 = i16::MAX - 1;

/// Where a transaction stands. Numbers and names are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    Empty,
    Ongoing,
    /// Decided and durable; markers are being written.
    PrepareCommit,
    PrepareAbort,
    /// Every partition has its marker.
    CompleteCommit,
    CompleteAbort,
    /// Only in records of other brokers: about to be removed.
    Dead,
    /// Only in records of other brokers: about to be fenced and aborted.
    PrepareEpochFence,
}

impl State {
    /// The number in the record.
    pub fn id(self) -> i8 {
        match self {
            State::Empty => 0,
            State::Ongoing => 1,
            State::PrepareCommit => 2,
            State::PrepareAbort => 3,
            State::CompleteCommit => 4,
            State::CompleteAbort => 5,
            State::Dead => 6,
            State::PrepareEpochFence => 7,
        }
    }

    pub fn from_id(id: i8) -> Option<State> {
        Some(match id {
            0 => State::Empty,
            1 => State::Ongoing,
            2 => State::PrepareCommit,
            3 => State::PrepareAbort,
            4 => State::CompleteCommit,
            5 => State::CompleteAbort,
            6 => State::Dead,
            7 => State::PrepareEpochFence,
            _ => return None,
        })
    }

    /// The state's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::Ongoing => "Ongoing",
            State::PrepareCommit => "PrepareCommit",
            State::PrepareAbort => "PrepareAbort",
            State::CompleteCommit => "CompleteCommit",
            State::CompleteAbort => "CompleteAbort",
            State::Dead => "Dead",
            State::PrepareEpochFence => "PrepareEpochFence",
        }
    }

    /// What was decided, while markers are being written.
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            State::PrepareCommit => Some(Outcome::Commit),
            State::PrepareAbort => Some(Outcome::Abort),
            _ => None,
        }
    }

    pub(super) fn prepare(outcome: Outcome) -> State {
        match outcome {
            Outcome::Commit => State::PrepareCommit,
            Outcome::Abort => State::PrepareAbort,
        }
    }

    pub(super) fn complete(outcome: Outcome) -> State {
        match outcome {
            Outcome::Commit => State::CompleteCommit,
            Outcome::Abort => State::CompleteAbort,
        }
    }
}

/// One transactional id, as its record holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionMetadata {
    pub producer_id: i64,
    /// The id before this one, when epochs ran out.
    pub previous_producer_id: Option<i64>,
    /// The id after this transaction, when epochs run out with it.
    pub next_producer_id: Option<i64>,
    pub producer_epoch: i16,
    /// The epoch before this one, if its owner asked for the bump and may ask again. Not stored.
    pub previous_epoch: Option<i16>,
    pub timeout_ms: i32,
    pub state: State,
    /// The partitions of the transaction, `__consumer_offsets` included.
    pub partitions: BTreeSet<TopicPartition>,
    pub updated_ms: i64,
    /// When the open or decided transaction began.
    pub started_ms: Option<i64>,
    /// The version of transactions that the client spoke last: 2 for KIP-890, otherwise 0.
    pub client_version: i16,
}

impl TransactionMetadata {
    /// The metadata of a transactional id that was never seen.
    pub(super) fn new(producer_id: i64, timeout_ms: i32, now_ms: i64) -> TransactionMetadata {
        TransactionMetadata {
            producer_id,
            previous_producer_id: None,
            next_producer_id: None,
            producer_epoch: 0,
            previous_epoch: None,
            timeout_ms,
            state: State::Empty,
            partitions: BTreeSet::new(),
            updated_ms: now_ms,
            started_ms: None,
            client_version: 0,
        }
    }

    pub fn producer(&self) -> Producer {
        Producer { id: self.producer_id, epoch: self.producer_epoch }
    }

    pub(super) fn epochs_ran_out(&self) -> bool {
        self.producer_epoch >= LAST_EPOCH
    }
}
