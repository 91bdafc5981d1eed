//! Consuming by batch: explicit partitions, fetch sessions, prefetch within bounded memory.
//!
//! A background task keeps fetching; [`Consumer::poll`] hands out one partition's whole batches at a time. Records are
//! decoded by whoever reads them, straight from the bytes that came from the node.

mod assigned;
mod fetcher;
mod session;
mod visible;

use std::sync::Arc;
use std::time::Duration;

use millstream_protocol::ErrorCode;
use millstream_protocol::record_batch::{Batch, Record};
use tokio_util::sync::{CancellationToken, DropGuard};

use assigned::Shared;
use fetcher::Fetcher;

use crate::client::Client;
use crate::metadata::MetadataError;
use crate::offsets::{self, ListOffsetsError, ListedOffset};
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
    Offsets { source: ListOffsetsError },
    #[error("{place} is not assigned to this consumer")]
    NotAssigned { place: TopicPartition },
}

impl From<MetadataError> for ConsumeError {
    fn from(source: MetadataError) -> Self {
        ConsumeError::Topic { source }
    }
}

impl From<ListOffsetsError> for ConsumeError {
    fn from(source: ListOffsetsError) -> Self {
        ConsumeError::Offsets { source }
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
    /// Still compressed. May be empty, when only markers or aborted records were passed.
    pub batches: Vec<Batch>,
    pub high_watermark: i64,
    /// −1 when the node does not tell.
    pub last_stable_offset: i64,
    pub log_start_offset: i64,
    /// One batch may decompress to at most this.
    pub decompressed_bytes_max: usize,
}

impl Fetched {
    /// Calls `visit` with every record in order, borrowed from the batch.
    pub fn for_each(&self, mut visit: impl FnMut(Record<'_>)) -> Result<(), ConsumeError> {
        for batch in &self.batches {
            let corrupt = |error: millstream_protocol::record_batch::BatchError| ConsumeError::Corrupt {
                place: self.place.clone(),
                offset: batch.header().base_offset,
                reason: error.to_string(),
            };
            let records = batch.records(self.decompressed_bytes_max).map_err(corrupt)?;
            for record in &records {
                let record = record.map_err(corrupt)?;
                if record.offset >= self.start_offset {
                    visit(record);
                }
            }
        }
        Ok(())
    }

    /// Compares the checksum of every batch. The fetching task does not: within one process the bytes come straight
    /// from the log, and across a network TCP has its own.
    pub fn verify(&self) -> Result<(), ConsumeError> {
        for batch in &self.batches {
            batch.verify_crc().map_err(|error| ConsumeError::Corrupt {
                place: self.place.clone(),
                offset: batch.header().base_offset,
                reason: error.to_string(),
            })?;
        }
        Ok(())
    }
}

/// Reads explicitly assigned partitions. Dropping it ends its task.
pub struct Consumer {
    client: Client,
    config: Arc<ConsumerConfig>,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

impl Consumer {
    pub(crate) fn new(client: Client, config: ConsumerConfig) -> Consumer {
        let config = Arc::new(config);
        let shared = Arc::new(Shared::new());
        let stop = CancellationToken::new();
        let fetcher = Fetcher::new(client.clone(), config.clone(), shared.clone());
        tokio::spawn(fetcher.run(stop.clone()));
        Consumer { client, config, shared, _stop: stop.drop_guard() }
    }

    /// Replaces the whole assignment; everything starts anew.
    pub async fn assign(&mut self, partitions: Vec<StartAt>) -> Result<(), ConsumeError> {
        self.remove(&self.assignment());
        self.add(partitions).await
    }

    /// Adds partitions; the others go on undisturbed. One that is assigned already starts anew.
    pub async fn add(&mut self, partitions: Vec<StartAt>) -> Result<(), ConsumeError> {
        for start in &partitions {
            let layout = self.client.topic(&start.place.topic).await?;
            let exists =
                usize::try_from(start.place.partition).is_ok_and(|number| number < layout.partitions.len());
            if !exists {
                return Err(ConsumeError::Topic {
                    source: MetadataError::UnknownPartition {
                        topic: start.place.topic.to_string(),
                        partition: start.place.partition,
                        partitions: layout.partitions.len(),
                    },
                });
            }
        }
        for start in partitions {
            self.shared.add(start.place, start.start);
        }
        Ok(())
    }

    /// Drops partitions and what was fetched of them.
    pub fn remove(&mut self, partitions: &[TopicPartition]) {
        for place in partitions {
            self.shared.remove(place);
        }
    }

    /// The next piece of any assigned partition, in the order fetched; `None` when nothing came within `wait`.
    /// Cancel-safe: a piece is taken out only when it is returned.
    pub async fn poll(&mut self, wait: Duration) -> Result<Option<Fetched>, ConsumeError> {
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let news = self.shared.news.notified();
            if let Some(next) = self.shared.take() {
                return next.map(Some);
            }
            if tokio::time::timeout_at(deadline, news).await.is_err() {
                return self.shared.take().transpose();
            }
        }
    }

    /// Reads on from `offset`; what was fetched before is dropped.
    pub fn seek(&mut self, place: &TopicPartition, offset: i64) -> Result<(), ConsumeError> {
        self.seek_to(place, Start::Offset(offset))
    }

    /// Reads on from a place that may have to be looked up first.
    pub fn seek_to(&mut self, place: &TopicPartition, start: Start) -> Result<(), ConsumeError> {
        if self.shared.seek(place, start) {
            Ok(())
        } else {
            Err(ConsumeError::NotAssigned { place: place.clone() })
        }
    }

    /// The offset of the next record that [`Consumer::poll`] will hand out; `None` until a start was found.
    pub fn position(&self, place: &TopicPartition) -> Option<i64> {
        self.shared.position(place)
    }

    /// Where the readable records of an assigned partition ended when it was last fetched: its end minus
    /// [`Consumer::position`] is the lag. `None` before the first fetch.
    pub fn known_end(&self, place: &TopicPartition) -> Option<i64> {
        self.shared.known_end(place)
    }

    /// The assigned partitions, sorted.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.shared.assignment()
    }

    /// Hands out nothing of these partitions until [`Consumer::resume`]; what was fetched is kept.
    pub fn pause(&mut self, partitions: &[TopicPartition]) {
        for place in partitions {
            self.shared.set_paused(place, true);
        }
    }

    pub fn resume(&mut self, partitions: &[TopicPartition]) {
        for place in partitions {
            self.shared.set_paused(place, false);
        }
    }

    /// The offset after the last readable record of each partition: the last stable offset when reading committed,
    /// else the high watermark. In the order asked.
    pub async fn end_offsets(&self, partitions: &[TopicPartition]) -> Result<Vec<i64>, ConsumeError> {
        self.special_offsets(partitions, offsets::LATEST).await
    }

    /// The first offset of each partition. In the order asked.
    pub async fn beginning_offsets(&self, partitions: &[TopicPartition]) -> Result<Vec<i64>, ConsumeError> {
        self.special_offsets(partitions, offsets::EARLIEST).await
    }

    /// For each partition the first offset whose timestamp is at least the given one (ms since 1970), `None` if there
    /// is none. In the order asked.
    pub async fn offsets_for_times(
        &self,
        partitions: &[(TopicPartition, i64)],
    ) -> Result<Vec<Option<i64>>, ConsumeError> {
        let listed = self.listed(partitions).await?;
        Ok(listed.into_iter().map(|found| (found.offset >= 0).then_some(found.offset)).collect())
    }

    async fn special_offsets(
        &self,
        partitions: &[TopicPartition],
        timestamp: i64,
    ) -> Result<Vec<i64>, ConsumeError> {
        let asked: Vec<(TopicPartition, i64)> =
            partitions.iter().map(|place| (place.clone(), timestamp)).collect();
        Ok(self.listed(&asked).await?.into_iter().map(|found| found.offset).collect())
    }

    async fn listed(&self, asked: &[(TopicPartition, i64)]) -> Result<Vec<ListedOffset>, ConsumeError> {
        let found = self.client.list_offsets(asked, self.config.isolation).await;
        found.into_iter().map(|result| result.map_err(ConsumeError::from)).collect()
    }
}
