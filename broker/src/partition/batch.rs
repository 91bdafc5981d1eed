//! What the partition needs of a record batch beyond its header: transaction markers, and stamping the append time.

use millstream_protocol::record_batch::{Batch, BatchHeader, ControlMarker};

/// The checksum covers everything from here on; base offset and leader epoch lie before it.
const CHECKSUM_START: usize = 21;
const LOG_APPEND_TIME_BIT: i16 = 1 << 3;
/// Room for the one small record of a control batch, should anyone compress it.
const CONTROL_RECORD_LIMIT_BYTES: usize = 64 * 1024;

/// The outcome of a transaction, as its control record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    pub committed: bool,
    pub coordinator_epoch: i32,
}

/// The marker inside a batch; `None` for data and for control records of other kinds.
pub fn marker(batch: &Batch) -> Option<Marker> {
    if !batch.header().is_control() {
        return None;
    }
    let records = batch.records(CONTROL_RECORD_LIMIT_BYTES).ok()?;
    let record = records.iter().next()?.ok()?;
    let (kind, coordinator_epoch) = ControlMarker::parse(&record)?;
    Some(Marker { committed: kind == ControlMarker::Commit, coordinator_epoch })
}

/// Turns a batch to LogAppendTime: every record's time is then `now_ms`. Computes the checksum anew over all of it,
/// without touching the records.
pub fn stamp_append_time(header: &mut BatchHeader, records: &[u8], now_ms: i64) {
    header.attributes |= LOG_APPEND_TIME_BIT;
    header.max_timestamp_ms = now_ms;
    let covered = crc32c::crc32c(&header.to_bytes()[CHECKSUM_START..]);
    header.crc = crc32c::crc32c_append(covered, records);
}
