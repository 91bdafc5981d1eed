//! Looking inside a stored batch: the record for a timestamp.

use bytes::Bytes;
use millstream_protocol::record_batch::Batch;

/// Most bytes that one batch's records may decompress to here.
pub const DECOMPRESSED_LIMIT_BYTES: usize = 256 << 20;

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
