//! Coordinators: who is in which group, which offsets it committed, and which transaction is open.
//!
//! Everything here decides and nothing here acts: no I/O, no clock, no tasks, no randomness. The owner of a
//! coordinator passes the time, fresh ids and the outcome of appends in, and carries out the effects that come back
//! (append these records, answer this request, write these markers). State lives in the internal topics
//! `__consumer_offsets` and `__transaction_state` in Kafka's own record formats, and is rebuilt by replaying them.
//!
//! Left out: authorisation, the wire's request and response types (see `api`), share groups.

pub mod group;
pub mod producer_ids;
pub(crate) mod shell;
pub mod timers;
pub mod transaction;

mod consumer_record;
mod log_record;

use bytes::Bytes;
use millstream_protocol::ErrorCode;

pub use log_record::{RecordError, subscribed_topics};

/// The topic that holds groups and their offsets.
pub const GROUP_TOPIC: &str = "__consumer_offsets";
/// The topic that holds transactional ids and their transactions.
pub const TRANSACTION_TOPIC: &str = "__transaction_state";

/// The partition of an internal topic that owns `name`: Java's `abs(name.hashCode()) % partitions`.
///
/// Shapes: `partition_count` > 0; the answer is in `0..partition_count`.
pub fn partition_for(name: &str, partition_count: i32) -> i32 {
    let hash =
        name.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // Java's `Utils.abs` maps the one number without a positive counterpart to zero.
    hash.checked_abs().unwrap_or(0) % partition_count.max(1)
}

/// Names one waiting request. The caller chooses it and finds it again in the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names one append that a coordinator asked for. Outcomes must come back in the order of the appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppendId(pub u64);

/// One partition of one topic, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: String,
    pub partition: i32,
}

impl TopicPartition {
    pub fn new(topic: impl Into<String>, partition: i32) -> TopicPartition {
        TopicPartition { topic: topic.into(), partition }
    }
}

/// A producer id with its epoch, as every batch of that producer carries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Producer {
    pub id: i64,
    pub epoch: i16,
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    Abort,
    Commit,
}

/// One record for an internal topic. No value is a tombstone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogRecord {
    pub key: Bytes,
    pub value: Option<Bytes>,
}

/// Why an append to an internal topic failed. None of its records may appear in the log later: where that is not
/// certain, the owner must drop the coordinator and load it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    #[error("this node no longer leads the coordinator's partition; ask for the coordinator again")]
    NotLeader,
    #[error("the coordinator's partition has too few replicas in sync; retry")]
    NotEnoughReplicas,
    #[error("the coordinator's record is larger than the internal topic allows; commit less metadata")]
    TooLarge,
    /// Only for records of a transaction.
    #[error("a newer instance of this producer took over; stop this one")]
    Fenced,
    #[error("the disk under the coordinator's partition failed; see the broker's log")]
    Storage,
}

impl AppendError {
    /// The code that a waiting client sees, as Kafka maps it.
    pub fn code(self) -> ErrorCode {
        match self {
            AppendError::NotLeader | AppendError::Storage => ErrorCode::NotCoordinator,
            AppendError::NotEnoughReplicas => ErrorCode::CoordinatorNotAvailable,
            AppendError::Fenced => ErrorCode::InvalidProducerEpoch,
            AppendError::TooLarge => ErrorCode::InvalidCommitOffsetSize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_follow_javas_hash_code() {
        assert_eq!(partition_for("", 50), 0);
        assert_eq!(partition_for("a", 50), 47);
        assert_eq!(partition_for("polygenelubricants", 50), 0, "hashCode is Integer.MIN_VALUE");
        assert_eq!(partition_for("console-consumer-1", 1), 0);
    }
}
