//! Whether a batch may enter the log at all, before any state is asked: shape, size, kind and timestamps.

use std::ops::RangeInclusive;

use millstream_protocol::record_batch::{BatchHeader, TimestampType};

/// Who appends. Clients are checked hardest; replication repeats a leader's decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Client,
    /// The broker's own coordinators: internal topics and transaction markers.
    Coordinator,
    Replication,
}

/// A partition's rules for batches. Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendRules {
    pub max_batch_bytes: usize,
    pub timestamp_before_max_ms: i64,
    pub timestamp_after_max_ms: i64,
    pub log_append_time: bool,
}

/// Records of one batch that a refusal names at most.
pub const REPORTED_RECORDS_MAX: usize = 1000;

impl AppendRules {
    /// The timestamps that may come in now.
    pub fn timestamps(&self, now_ms: i64) -> RangeInclusive<i64> {
        let earliest = now_ms.saturating_sub(self.timestamp_before_max_ms);
        earliest..=now_ms.saturating_add(self.timestamp_after_max_ms)
    }

    /// The refusal of a timestamp, and of the records that have one like it.
    pub fn bad_timestamp(&self, timestamp: i64, now_ms: i64, indexes: Vec<i32>) -> AppendRefusal {
        let (earliest, latest) = self.timestamps(now_ms).into_inner();
        AppendRefusal::InvalidTimestamp { timestamp, earliest, latest, indexes }
    }
}

/// Why a batch is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendRefusal {
    #[error("check batch: {reason}")]
    CorruptBatch { reason: String },
    #[error("check batch: {reason}")]
    InvalidRecord { reason: &'static str },
    /// By their place in the batch.
    #[error("check batch: a record of a compacted topic needs a key")]
    KeylessRecords { indexes: Vec<i32> },
    #[error("check batch: message format {magic} is no longer supported, upgrade the client to format 2")]
    UnsupportedFormat { magic: i8 },
    #[error("check batch: {size_bytes} bytes exceed max.message.bytes {limit_bytes}")]
    TooLarge { size_bytes: usize, limit_bytes: usize },
    #[error("check batch: {size_bytes} bytes exceed segment.bytes {limit_bytes}")]
    LargerThanSegment { size_bytes: u64, limit_bytes: u64 },
    #[error("check batch: timestamp {timestamp} is outside {earliest}..={latest}")]
    InvalidTimestamp { timestamp: i64, earliest: i64, latest: i64, indexes: Vec<i32> },
    #[error("append for producer {producer_id}: sequence {found} where {expected} is expected")]
    OutOfOrderSequence { producer_id: i64, expected: i32, found: i32 },
    #[error("append for producer {producer_id}: epoch {found} is older than {current}")]
    InvalidProducerEpoch { producer_id: i64, current: i16, found: i16 },
    #[error("append marker for producer {producer_id}: coordinator epoch {found} is older than {current}")]
    CoordinatorFenced { producer_id: i64, current: i32, found: i32 },
    #[error("append for producer {producer_id}: its transaction is not verified by the coordinator")]
    InvalidTransactionState { producer_id: i64 },
    #[error("append from leader: offset {found} where {expected} or later is expected")]
    OffsetsOutOfOrder { expected: i64, found: i64 },
}

/// Checks one batch's header. The checksum and, where keys matter, the records are checked by the caller.
pub fn check_batch(
    batch: &BatchHeader,
    origin: Origin,
    rules: &AppendRules,
    now_ms: i64,
) -> Result<(), AppendRefusal> {
    if batch.record_count <= 0 || i64::from(batch.last_offset_delta) + 1 != i64::from(batch.record_count) {
        // Compaction on a leader leaves holes, which its followers copy.
        if origin != Origin::Replication || batch.last_offset_delta < 0 {
            return Err(AppendRefusal::InvalidRecord {
                reason: "record count and last offset delta disagree",
            });
        }
    }
    if origin == Origin::Replication {
        return Ok(());
    }
    check_size(batch, rules)?;
    if origin == Origin::Client {
        if batch.is_control() {
            return Err(AppendRefusal::InvalidRecord { reason: "clients may not write control records" });
        }
        if batch.has_producer() && (batch.base_sequence < 0 || batch.producer_epoch < 0) {
            return Err(AppendRefusal::InvalidRecord {
                reason: "an idempotent batch needs a sequence and an epoch",
            });
        }
        if batch.is_transactional() && !batch.has_producer() {
            return Err(AppendRefusal::InvalidRecord { reason: "a transactional batch needs a producer id" });
        }
        if batch.timestamp_type() == TimestampType::LogAppendTime {
            return Err(AppendRefusal::InvalidTimestamp {
                timestamp: batch.max_timestamp_ms,
                earliest: 0,
                latest: now_ms,
                indexes: Vec::new(),
            });
        }
    }
    check_timestamps(batch, rules, now_ms)
}

/// Bounds of `message.timestamp.{before,after}.max.ms`, by the header's first and largest timestamp.
fn check_timestamps(batch: &BatchHeader, rules: &AppendRules, now_ms: i64) -> Result<(), AppendRefusal> {
    // -1 is "no timestamp", which bounds do not concern.
    if rules.log_append_time || batch.max_timestamp_ms < 0 {
        return Ok(());
    }
    let allowed = rules.timestamps(now_ms);
    for timestamp in [batch.base_timestamp_ms, batch.max_timestamp_ms] {
        if !allowed.contains(&timestamp) {
            return Err(rules.bad_timestamp(timestamp, now_ms, Vec::new()));
        }
    }
    Ok(())
}

/// `max.message.bytes`, which markers are free of.
pub fn check_size(batch: &BatchHeader, rules: &AppendRules) -> Result<(), AppendRefusal> {
    if batch.size_bytes() > rules.max_batch_bytes && !batch.is_control() {
        return Err(AppendRefusal::TooLarge {
            size_bytes: batch.size_bytes(),
            limit_bytes: rules.max_batch_bytes,
        });
    }
    Ok(())
}
