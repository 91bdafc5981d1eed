//! Where records go: a sink is handed batches of one topic partition at a time, and is told when to make them
//! durable together with how far they reach.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::ConnectorError;
use crate::record::Batch;

/// What a source or sink promises when the host stops at any moment and starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// What is lost on the way cannot be asked for again (sources without positions).
    AtMostOnce,
    /// Nothing is lost; the records since the last commit may be written again.
    AtLeastOnce,
    /// The same, and writing a record again leaves the same result (an upsert by key).
    Idempotent,
    /// The sink stores positions with the records and resumes from there: each record once.
    Transactional,
}

impl Delivery {
    pub fn name(self) -> &'static str {
        match self {
            Delivery::AtMostOnce => "at-most-once",
            Delivery::AtLeastOnce => "at-least-once",
            Delivery::Idempotent => "idempotent",
            Delivery::Transactional => "transactional",
        }
    }
}

/// One partition of a topic. A topic that was deleted and created again has another id, so that a sink's
/// positions are never taken for those of a namesake; zero where the cluster has no topic ids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub topic_id: [u8; 16],
    pub partition: i32,
}

/// The next offset to write for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkPosition {
    pub partition: TopicPartition,
    pub next_offset: i64,
}

/// Records of one partition, in offset order. Offsets may have gaps (compaction, transaction markers, filters).
#[derive(Debug, Clone)]
pub struct SinkBatch {
    pub topic: Arc<str>,
    pub partition: i32,
    /// The offset of each record of the batch.
    pub offsets: Vec<i64>,
    pub batch: Batch,
}

/// One record of a batch that a sink or transform could not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Its index in the batch.
    pub row: usize,
    pub reason: String,
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Already safe in the target; otherwise the next commit makes it so.
    pub durable: bool,
    /// The records it did not take; the others it did.
    pub rejected: Vec<Rejection>,
}

/// A configured sink.
///
/// After any error, the host drops it and opens a new one: what was not committed is written again from the last
/// committed positions, so `open` must undo leftovers of a transactional sink.
#[async_trait]
pub trait Sink: Send {
    fn delivery(&self) -> Delivery;

    /// Gets ready for these partitions. A transactional sink returns the positions that it holds; the host
    /// starts from its own for the partitions that are not among them.
    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<Vec<SinkPosition>, ConnectorError>;

    async fn write(&mut self, batch: SinkBatch) -> Result<Written, ConnectorError>;

    /// Makes everything written so far durable, and with it (transactional sinks: in the same act) the positions.
    /// Positions name every partition that moved since the last commit, also where no record was written.
    async fn commit(&mut self, positions: &[SinkPosition]) -> Result<(), ConnectorError>;

    /// Whether the last commit has left something for a later one: a file that is complete or no file at all, and waits
    /// for more rows. The host then counts nothing as committed, and goes on committing also when nothing comes.
    fn is_holding(&self) -> bool {
        false
    }

    /// A commit that leaves nothing: the pipeline is at its end, or stops.
    async fn finish(&mut self, positions: &[SinkPosition]) -> Result<(), ConnectorError> {
        self.commit(positions).await
    }

    async fn close(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }
}
