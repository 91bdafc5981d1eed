//! Settings of one partition's log, and of the folder that holds many. The names of Kafka's keys stand beside each.

use std::time::Duration;

use millstream_protocol::compression::Compression;

/// When appended data is forced to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushPolicy {
    /// The high watermark covers only flushed data, so an acknowledged or consumed record survives a power cut.
    OnAcknowledge,
    /// Acknowledge from the page cache; flush after so many records or so long (`flush.messages`, `flush.ms`).
    Interval { messages: Option<u64>, every: Option<Duration> },
}

/// Whose clock stamps the records (`message.timestamp.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    CreateTime,
    LogAppendTime,
}

/// How batches are stored that come in another compression (`compression.type`, `compression.*.level`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recompression {
    pub compression: Compression,
    pub level: Option<i32>,
}

/// Per-topic settings, already merged with the broker's defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`
    pub segment_bytes: u64,
    /// `segment.ms`
    pub segment_ms: i64,
    /// `segment.index.bytes`
    pub segment_index_bytes: u64,
    /// `index.interval.bytes`
    pub index_interval_bytes: u64,
    /// `retention.ms`; `None` keeps for ever.
    pub retention_ms: Option<i64>,
    /// `retention.bytes`; `None` is without limit.
    pub retention_bytes: Option<u64>,
    /// `cleanup.policy` contains `delete`.
    pub delete: bool,
    /// `cleanup.policy` contains `compact`.
    pub compact: bool,
    /// `min.cleanable.dirty.ratio`
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`
    pub max_compaction_lag_ms: i64,
    /// `delete.retention.ms`
    pub delete_retention_ms: i64,
    /// `file.delete.delay.ms`
    pub file_delete_delay_ms: i64,
    /// `max.message.bytes`
    pub max_message_bytes: usize,
    /// `message.timestamp.type`
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`
    pub timestamp_after_max_ms: i64,
    /// `None` keeps what came.
    pub recompression: Option<Recompression>,
    /// `segment.jitter.ms`
    pub segment_jitter_ms: i64,
    pub flush: FlushPolicy,
}

impl Default for LogConfig {
    /// Kafka's defaults, and durable acknowledgements.
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3600 * 1000,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            retention_ms: Some(7 * 24 * 3600 * 1000),
            retention_bytes: None,
            delete: true,
            compact: false,
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            delete_retention_ms: 24 * 3600 * 1000,
            file_delete_delay_ms: 60_000,
            max_message_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            recompression: None,
            segment_jitter_ms: 0,
            flush: FlushPolicy::OnAcknowledge,
        }
    }
}

/// Settings of a log folder and its background work.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectoryConfig {
    /// `log.retention.check.interval.ms`
    pub retention_check_every: Duration,
    /// `log.flush.offset.checkpoint.interval.ms`
    pub checkpoint_every: Duration,
    /// `producer.id.expiration.ms`
    pub producer_expiration_ms: i64,
    pub cleaner: CleanerConfig,
    /// Whether the folder runs its own flusher and keeper threads; tests drive both by hand.
    pub background: bool,
}

/// Settings of a folder's compaction.
#[derive(Debug, Clone, PartialEq)]
pub struct CleanerConfig {
    /// `log.cleaner.threads`, 0 without `log.cleaner.enable`.
    pub threads: usize,
    /// `log.cleaner.dedupe.buffer.size`: for the keys of all threads' passes. Taken only as far as there are keys.
    pub memory_bytes: usize,
    /// `log.cleaner.io.buffer.load.factor`
    pub load_factor: f64,
    /// `log.cleaner.io.max.bytes.per.second`
    pub bytes_per_second: f64,
    /// `log.cleaner.backoff.ms`
    pub backoff: Duration,
}

impl Default for CleanerConfig {
    fn default() -> Self {
        Self {
            threads: 1,
            memory_bytes: 128 << 20,
            load_factor: 0.9,
            bytes_per_second: f64::MAX,
            backoff: Duration::from_secs(15),
        }
    }
}

impl Default for DirectoryConfig {
    fn default() -> Self {
        Self {
            retention_check_every: Duration::from_secs(300),
            checkpoint_every: Duration::from_secs(60),
            producer_expiration_ms: 24 * 3600 * 1000,
            cleaner: CleanerConfig::default(),
            background: true,
        }
    }
}
