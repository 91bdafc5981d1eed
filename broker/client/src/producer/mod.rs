//! Producing: records into per-partition batches, batches to leaders, in order and once.
//!
//! The fast path ([`Producer::append`], [`TopicWriter::append`]) locks one partition's open batch and copies the record
//! into it: no allocation, future or channel hop per record. [`Producer::send`] adds a [`Delivery`] for callers that
//! want each record's offset.

mod accumulator;
mod batch;
mod completion;
mod identity;
mod line;
mod partitioner;
mod sender;
mod transactional;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millstream_protocol::ErrorCode;
use millstream_protocol::compression::Compression;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use completion::Delivery;
pub(crate) use line::ProducerIdentity;
pub use partitioner::partition_for_key;
pub(crate) use transactional::TransactionCell;

use accumulator::{Accumulator, TopicQueues};
use sender::Sender;

use crate::client::Client;
use crate::connection::CallError;
use crate::metadata::MetadataError;
use crate::topic::TopicPartition;

/// When a produce request counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// As soon as it has been sent. Nothing is retried; offsets are unknown.
    None,
    /// When the leader has it.
    Leader,
    /// When every in-sync replica has it.
    All,
}

impl Acks {
    fn number(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

/// Settings of a producer.
#[derive(Debug, Clone)]
pub struct ProducerConfig {
    pub acks: Acks,
    /// Retries never double or reorder records (KIP-98). Needs `acks: All`, and is off without.
    pub idempotence: bool,
    pub compression: Compression,
    /// A batch is sent once it has this many bytes (before compression) …
    pub batch_bytes: usize,
    /// … or once its first record is this old.
    pub linger: Duration,
    /// Records accepted but not yet acknowledged; beyond it, `send` and `append` wait.
    pub buffer_bytes: usize,
    /// One produce request holds at most this many bytes, of one batch per partition.
    pub request_bytes_max: usize,
    /// From the first record of a batch to its acknowledgement, retries included.
    pub delivery_timeout: Duration,
    /// How long a node may wait for its in-sync replicas.
    pub request_timeout: Duration,
    /// Lets the broker create missing topics if its `auto.create.topics.enable` says so.
    pub creates_topics: bool,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        ProducerConfig {
            acks: Acks::All,
            idempotence: true,
            compression: Compression::None,
            batch_bytes: 256 << 10,
            linger: Duration::from_millis(5),
            buffer_bytes: 64 << 20,
            request_bytes_max: 4 << 20,
            delivery_timeout: Duration::from_secs(120),
            request_timeout: Duration::from_secs(30),
            creates_topics: true,
        }
    }
}

/// One header of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub name: String,
    pub value: Option<Bytes>,
}

/// A record to send, owned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    pub topic: String,
    /// `None` lets the partitioner choose: by key as Java does, else one partition per batch (KIP-480).
    pub partition: Option<i32>,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<Header>,
    /// Milliseconds since 1970; `None` means now.
    pub timestamp_ms: Option<i64>,
}

/// A record to append, borrowed: its bytes are copied straight into the batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewRecord<'a> {
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// Milliseconds since 1970; `None` means now.
    pub timestamp_ms: Option<i64>,
}

/// Where a record ended up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMetadata {
    pub place: TopicPartition,
    /// −1 when unknown: with `Acks::None`, or after a retry found the record already written.
    pub offset: i64,
    /// Set by the broker when the topic says LogAppendTime, else −1.
    pub log_append_time_ms: i64,
}

/// Why a record was not written, or may not have been.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProduceError {
    #[error("topic to produce to cannot be used: {source}")]
    Topic { source: MetadataError },
    #[error("{place} refused a batch: {code}{}", detail(.message))]
    Refused { place: TopicPartition, code: ErrorCode, message: Option<String> },
    #[error("batch for {place} was not acknowledged within {waited_ms} ms; the last failure: {last_failure}")]
    DeliveryTimeout { place: TopicPartition, waited_ms: u64, last_failure: String },
    #[error("record of {bytes} bytes does not fit into buffer_bytes = {limit}; raise it")]
    TooLarge { bytes: usize, limit: usize },
    #[error("{place} cannot be reached: {source}")]
    Call { place: TopicPartition, source: CallError },
    #[error("batch for {place} could not be built: {reason}")]
    Build { place: TopicPartition, reason: String },
    #[error("producer has no id from the cluster: {reason}")]
    NoProducerId { reason: String },
    #[error("transaction cannot go on and must be aborted: {reason}")]
    TransactionAborted { reason: String },
    #[error("no transaction is open: begin one before producing")]
    NoTransaction,
    #[error("producer was fenced by a newer one of the same transactional id")]
    Fenced,
    #[error("producer is closed")]
    Closed,
}

fn detail(message: &Option<String>) -> String {
    message.as_ref().map(|message| format!(" ({message})")).unwrap_or_default()
}

impl From<MetadataError> for ProduceError {
    fn from(source: MetadataError) -> Self {
        ProduceError::Topic { source }
    }
}

/// Sends records of any topics. Cheap to clone; clones share batches and memory. Dropping the last clone drops what was
/// not flushed.
#[derive(Clone)]
pub struct Producer {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    config: Arc<ProducerConfig>,
    accumulator: Arc<Accumulator>,
    /// Ends the sending task with the last clone.
    _stop: DropGuard,
}

/// A producer narrowed to one topic: saves the look-up by name per record.
#[derive(Clone)]
pub struct TopicWriter {
    producer: Producer,
    topic: Arc<TopicQueues>,
}

impl Producer {
    pub(crate) fn new(client: Client, config: ProducerConfig) -> Producer {
        Producer::start(client, config, None)
    }

    /// With a cell, everything is part of transactions, and nothing is accepted before one is begun.
    pub(crate) fn start(
        client: Client,
        config: ProducerConfig,
        transaction: Option<Arc<TransactionCell>>,
    ) -> Producer {
        let config = Arc::new(config);
        let accumulator = Arc::new(Accumulator::new(config.clone()));
        if transaction.is_some() {
            accumulator.refuse(Some(ProduceError::NoTransaction));
        }
        let stop = CancellationToken::new();
        let sender =
            Sender::new(client.clone(), config.clone(), accumulator.clone(), transaction, stop.clone());
        tokio::spawn(sender.run());
        Producer { shared: Arc::new(Shared { client, config, accumulator, _stop: stop.drop_guard() }) }
    }

    /// Takes a record over, waiting for room in the buffer if need be. The record is on its way when this returns;
    /// await the [`Delivery`] for its offset.
    pub async fn send(&self, record: Record) -> Result<Delivery, ProduceError> {
        let topic = self.topic_queues(&record.topic).await?;
        let headers: Vec<(&str, Option<&[u8]>)> =
            record.headers.iter().map(|header| (header.name.as_str(), header.value.as_deref())).collect();
        let borrowed = NewRecord {
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
            timestamp_ms: record.timestamp_ms,
        };
        let (batch, index) = self.shared.accumulator.append(&topic, record.partition, borrowed).await?;
        Ok(Delivery::new(batch, index))
    }

    /// Copies a record into its partition's open batch, waiting for room in the buffer if need be. Failures show up at
    /// [`Producer::flush`]. `partition: None` lets the partitioner choose.
    pub async fn append(
        &self,
        topic: &str,
        partition: Option<i32>,
        record: NewRecord<'_>,
    ) -> Result<(), ProduceError> {
        let topic = self.topic_queues(topic).await?;
        self.shared.accumulator.append(&topic, partition, record).await?;
        Ok(())
    }

    /// The writer of one topic, as many partitions as it has now.
    pub async fn writer(&self, topic: &str) -> Result<TopicWriter, ProduceError> {
        let topic = self.topic_queues(topic).await?;
        Ok(TopicWriter { producer: self.clone(), topic })
    }

    /// Sends everything accepted so far and waits for it. Returns the first failure since the last flush, of whichever
    /// batch; each failure is reported once here (and always by its own [`Delivery`]).
    pub async fn flush(&self) -> Result<(), ProduceError> {
        self.shared.accumulator.flush().await
    }

    /// Has everything accepted so far sent at once instead of after `linger`, without waiting for it.
    pub fn urge(&self) {
        self.shared.accumulator.urge();
    }

    /// Flushes, then ends the sending task. Later calls fail with [`ProduceError::Closed`].
    pub async fn close(&self) -> Result<(), ProduceError> {
        let flushed = self.flush().await;
        self.shared.accumulator.close();
        flushed
    }

    pub(crate) fn accumulator(&self) -> &Accumulator {
        &self.shared.accumulator
    }

    async fn topic_queues(&self, topic: &str) -> Result<Arc<TopicQueues>, ProduceError> {
        if let Some(queues) = self.shared.accumulator.topic(topic) {
            self.grow(&queues);
            return Ok(queues);
        }
        let creates = self.shared.config.creates_topics;
        let layout = self.shared.client.topic_layout(topic, creates).await?;
        Ok(self.shared.accumulator.open_topic(&layout.name, layout.partitions.len()))
    }

    /// Adds queues for partitions that a metadata refresh has shown since the last look.
    #[inline]
    fn grow(&self, queues: &TopicQueues) {
        let generation = self.shared.client.metadata_generation();
        if queues.is_older_than(generation) {
            queues.note_generation(generation);
            let cluster = self.shared.client.cluster();
            queues.grow(cluster.topics.get(&queues.name).map_or(0, |layout| layout.partitions.len()));
        }
    }
}

impl TopicWriter {
    /// How many partitions the topic had when last heard of.
    pub fn partitions(&self) -> usize {
        self.producer.grow(&self.topic);
        self.topic.partitions()
    }

    /// As [`TopicWriter::append`], for who wants to know where the record went.
    pub async fn send(
        &self,
        partition: Option<i32>,
        record: NewRecord<'_>,
    ) -> Result<Delivery, ProduceError> {
        self.producer.grow(&self.topic);
        let (batch, index) = self.producer.shared.accumulator.append(&self.topic, partition, record).await?;
        Ok(Delivery::new(batch, index))
    }

    /// As [`Producer::append`].
    #[inline]
    pub async fn append(&self, partition: Option<i32>, record: NewRecord<'_>) -> Result<(), ProduceError> {
        self.producer.grow(&self.topic);
        self.producer.shared.accumulator.append(&self.topic, partition, record).await?;
        Ok(())
    }
}
