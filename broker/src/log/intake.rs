//! What an append does to batches before it takes the partition's lock: split, check, stamp, and where the topic says so
//! look inside (keys, times) or compress anew.
//!
//! Mostly headers are all that is looked at; records stay where the network left them. Looking inside costs the
//! caller's thread: on an async worker that is wanted back-pressure on whoever sends such batches.

use bytes::Bytes;
use millstream_protocol::record_batch::{Batch, BatchError, BatchHeader, HEADER_BYTES, RecordSet};

use super::config::{LogConfig, TimestampType};
use super::records::DECOMPRESSED_LIMIT_BYTES;
use super::writer::StampedBatch;
use crate::partition::append::{
    AppendRefusal, AppendRules, Origin, REPORTED_RECORDS_MAX, check_batch, check_size,
};
use crate::partition::batch;

/// Splits a request's bytes into batches and checks each. Headers are copied to be stamped.
pub fn prepare(
    mut batches: Bytes,
    origin: Origin,
    config: &LogConfig,
    now_ms: i64,
) -> Result<Vec<StampedBatch>, AppendRefusal> {
    let rules = rules(config);
    if batches.is_empty() {
        return Err(AppendRefusal::InvalidRecord { reason: "there is no batch" });
    }
    let mut prepared = Vec::with_capacity(1);
    while !batches.is_empty() {
        let whole = Batch::split_from(&mut batches).map_err(refusal_of)?;
        check_batch(whole.header(), origin, &rules, now_ms)?;
        whole.verify_crc().map_err(refusal_of)?;
        let whole =
            if origin == Origin::Client { look_inside(whole, config, &rules, now_ms)? } else { whole };
        let marker = batch::marker(&whole);
        let mut header = *whole.header();
        let records = whole.into_bytes().slice(HEADER_BYTES..);
        if rules.log_append_time && origin != Origin::Replication {
            batch::stamp_append_time(&mut header, &records, now_ms);
        }
        prepared.push(StampedBatch { batch: header, marker, header: header.to_bytes(), records });
    }
    check_total(&prepared, config)?;
    Ok(prepared)
}

fn rules(config: &LogConfig) -> AppendRules {
    AppendRules {
        max_batch_bytes: config.max_message_bytes,
        timestamp_before_max_ms: config.timestamp_before_max_ms,
        timestamp_after_max_ms: config.timestamp_after_max_ms,
        log_append_time: config.timestamp_type == TimestampType::LogAppendTime,
    }
}

/// All batches of an append go into one segment.
fn check_total(prepared: &[StampedBatch], config: &LogConfig) -> Result<(), AppendRefusal> {
    let size_bytes = prepared.iter().map(|stamped| stamped.batch.size_bytes() as u64).sum();
    if size_bytes > config.segment_bytes {
        return Err(AppendRefusal::LargerThanSegment { size_bytes, limit_bytes: config.segment_bytes });
    }
    Ok(())
}

/// The checks and changes that need a client's records: keys of a compacted topic, times where they are bounded
/// below (the header only tells the newest and the first), and the topic's own compression.
fn look_inside(
    whole: Batch,
    config: &LogConfig,
    rules: &AppendRules,
    now_ms: i64,
) -> Result<Batch, AppendRefusal> {
    let bounds_times = !rules.log_append_time && rules.timestamp_before_max_ms != i64::MAX;
    let compression = config.recompression.filter(|wanted| is_other(whole.header(), wanted.compression));
    if !config.compact && !bounds_times && compression.is_none() {
        return Ok(whole);
    }
    let records = whole.records(DECOMPRESSED_LIMIT_BYTES).map_err(refusal_of)?;
    if config.compact {
        check_keys(&records)?;
    }
    if bounds_times {
        check_times(&records, rules, now_ms)?;
    }
    let Some(wanted) = compression else { return Ok(whole) };
    records.validate().map_err(refusal_of)?;
    let mut bytes = records
        .recompress(wanted.compression, wanted.level)
        .map_err(|error| AppendRefusal::CorruptBatch { reason: error.to_string() })?;
    let whole = Batch::split_from(&mut bytes).map_err(refusal_of)?;
    check_size(whole.header(), rules)?;
    Ok(whole)
}

fn is_other(header: &BatchHeader, wanted: millstream_protocol::compression::Compression) -> bool {
    !header.is_control() && header.compression().is_ok_and(|compression| compression != wanted)
}

/// Refuses records without key, for a topic that keeps the newest of each.
fn check_keys(records: &RecordSet) -> Result<(), AppendRefusal> {
    let mut indexes = Vec::new();
    for (index, record) in (0..).zip(records) {
        if record.map_err(refusal_of)?.key.is_none() && indexes.len() < REPORTED_RECORDS_MAX {
            indexes.push(index);
        }
    }
    if indexes.is_empty() { Ok(()) } else { Err(AppendRefusal::KeylessRecords { indexes }) }
}

fn check_times(records: &RecordSet, rules: &AppendRules, now_ms: i64) -> Result<(), AppendRefusal> {
    let allowed = rules.timestamps(now_ms);
    let mut indexes = Vec::new();
    let mut first_bad = None;
    for (index, record) in (0..).zip(records) {
        let timestamp = record.map_err(refusal_of)?.timestamp_ms;
        if timestamp >= 0 && !allowed.contains(&timestamp) && indexes.len() < REPORTED_RECORDS_MAX {
            first_bad.get_or_insert(timestamp);
            indexes.push(index);
        }
    }
    match first_bad {
        None => Ok(()),
        Some(timestamp) => Err(rules.bad_timestamp(timestamp, now_ms, indexes)),
    }
}

fn refusal_of(error: BatchError) -> AppendRefusal {
    match error {
        BatchError::UnsupportedMagic(magic @ 0..2) => AppendRefusal::UnsupportedFormat { magic },
        other => AppendRefusal::CorruptBatch { reason: other.to_string() },
    }
}
