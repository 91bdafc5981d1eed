//! Record batches of format v2, the unit that producers send, logs store and consumers fetch.
//!
//! ```text
//!  0 base offset i64          27 base timestamp i64
//!  8 length behind here i32   35 max timestamp i64
//! 12 leader epoch i32         43 producer id i64
//! 16 magic i8 = 2             51 producer epoch i16
//! 17 crc32c of all from 21    53 base sequence i32
//! 21 attributes i16           57 record count i32
//! 23 last offset delta i32    61 records, compressed or not
//! ```
//!
//! A broker patches base offset and leader epoch, which lie outside the checksum, and never decodes records on
//! the way in or out: [`batches`] walks whole batches as slices of one buffer. Clients look inside with
//! [`Batch::records`] and write with [`BatchBuilder`]. Left out: the message formats before v2, which are
//! refused by name.

mod build;
mod control;
mod header;
mod read;
mod rewrite;
mod varint;

pub use build::{BatchBuilder, BuildError, Producer};
pub use control::{ControlMarker, control_batch};
pub use header::{BatchHeader, TimestampType};
pub use read::{Batch, BatchError, Batches, Headers, Record, RecordHeader, RecordSet, Records, batches};

/// Bytes in front of the records.
pub const HEADER_BYTES: usize = 61;

/// Producer id, producer epoch and base sequence of a batch whose producer is not idempotent.
pub const NO_PRODUCER_ID: i64 = -1;
/// See [`NO_PRODUCER_ID`].
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// See [`NO_PRODUCER_ID`].
pub const NO_SEQUENCE: i32 = -1;

/// Leader epoch of a batch that no leader has seen yet.
pub const NO_LEADER_EPOCH: i32 = -1;

/// Timestamp of a record that has none.
pub const NO_TIMESTAMP: i64 = -1;

#[cfg(test)]
mod tests;
