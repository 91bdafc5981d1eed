//! The few places where the log looks inside a batch: keys on compacted topics, and the record for a timestamp.

use bytes::Bytes;
use millstream_protocol::record_batch::Batch;

use crate::partition::append::AppendRefusal;

/// Most bytes that one batch's records may decompress to here.
const DECOMPRESSED_LIMIT_BYTES: usize = 256 << 20;

/// Refuses a batch for a compacted topic that has a record without key.
pub fn check_keys(batch: &Batch) -> Result<(), AppendRefusal> {
    let corrupt = |error: &dyn std::fmt::Display| AppendRefusal::CorruptBatch { reason: error.to_string() };
    let records = batch.records(DECOMPRESSED_LIMIT_BYTES).map_err(|error| corrupt(&error))?;
    for record in &records {
        if record.map_err(|error| corrupt(&error))?.key.is_none() {
            return Err(AppendRefusal::InvalidRecord { reason: "a record of a compacted topic needs a key" });
        }
    }
    Ok(())
}

/// Offset and timestamp of the first record at or after both `timestamp_ms` and `start_offset` in a whole batch.
pub fn first_at_or_after(
    mut bytes: Bytes,
    timestamp_ms: i64,
    start_offset: i64,
) -> Result<Option<(i64, i64)>, String> {
    let batch = Batch::split_from(&mut bytes).map_err(|error| error.to_string())?;
    let records = batch.records(DECOMPRESSED_LIMIT_BYTES).map_err(|error| error.to_string())?;
    for record in &records {
        let record = record.map_err(|error| error.to_string())?;
        if record.timestamp_ms >= timestamp_ms && record.offset >= start_offset {
            return Ok(Some((record.offset, record.timestamp_ms)));
        }
    }
    Ok(None)
}
