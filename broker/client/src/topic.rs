//! Names of places in a cluster: a partition of a topic, and an offset to commit there.

use std::fmt;
use std::sync::Arc;

/// One partition of one topic. Cheap to clone: the name is shared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl TopicPartition {
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        TopicPartition { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.topic, self.partition)
    }
}

/// What a group has committed for one partition: the offset of the *next* record to read, and a free text beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommittedOffset {
    pub offset: i64,
    /// Leader epoch of the last record read, −1 when unknown (KIP-320).
    pub leader_epoch: i32,
    /// Kept verbatim by the coordinator, at most `offset.metadata.max.bytes` (4096) long.
    pub metadata: String,
}

impl CommittedOffset {
    /// An offset without epoch or text.
    pub fn at(offset: i64) -> Self {
        CommittedOffset { offset, leader_epoch: -1, metadata: String::new() }
    }
}
