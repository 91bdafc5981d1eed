//! Every bound of the broker that is not a Kafka setting, named once.
//!
//! Bounds that users may change are settings (`config`); those here protect the process itself.

use std::time::Duration;

/// Requests of one connection that may be under way at once; further frames wait in the socket.
pub(crate) const CONNECTION_REQUESTS_IN_FLIGHT: usize = 64;

/// Request bytes of one connection that may be under way at once; a single larger frame is let in alone.
pub(crate) const CONNECTION_REQUEST_BYTES_IN_FLIGHT: usize = 32 << 20;

/// Encoded response bytes gathered before they are written in one go.
pub(crate) const RESPONSE_GATHER_BYTES: usize = 1 << 20;

/// Bytes that are ready to be written before more records of the response are read from their file.
pub(crate) const WRITE_AHEAD_BYTES: usize = 64 << 10;

/// Slices handed to one vectored write.
pub(crate) const WRITE_SLICES: usize = 64;

/// First and largest size of a connection's read buffer; it grows when reads fill it.
pub(crate) const READ_BUFFER_MIN_BYTES: usize = 4 << 10;
pub(crate) const READ_BUFFER_MAX_BYTES: usize = 256 << 10;

/// Request bytes of all connections together, when `queued.max.request.bytes` doesn't say.
pub(crate) const REQUEST_MEMORY_BYTES: usize = 128 << 20;

/// How long a frame may take once its length has arrived, because its bytes are already counted against everybody's
/// request memory: a fixed time, and the transfer at a rate that any usable network has.
pub(crate) fn frame_patience(length_bytes: usize) -> Duration {
    const FIXED: Duration = Duration::from_secs(30);
    const SLOWEST_BYTES_PER_SECOND: u64 = 256 << 10;
    FIXED + Duration::from_secs(length_bytes as u64 / SLOWEST_BYTES_PER_SECOND)
}

/// How long a clean stop waits for requests under way and their responses.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// Partitions of the whole node, so that one request cannot fill the disk with folders.
pub(crate) const TOPIC_PARTITIONS_MAX: usize = 100_000;

/// Partitions of one DescribeTopicPartitions page.
pub(crate) const DESCRIBE_PARTITIONS_MAX: i32 = 2_000;

/// Metadata journal: rewritten from the image once it has grown by this factor beyond what the image needs.
pub(crate) const JOURNAL_GROWTH_FACTOR: u64 = 4;
pub(crate) const JOURNAL_REWRITE_MIN_BYTES: u64 = 1 << 20;

/// Producer ids taken from the metadata at a time (Kafka's block size).
pub(crate) const PRODUCER_ID_BLOCK: i64 = 1_000;

/// Pause between two looks of a fetch that waits for more than one byte.
pub(crate) const FETCH_GATHER: Duration = Duration::from_millis(5);

/// How long a transaction's first write, and its first offsets, wait for the transaction before it to be completed (Kafka
/// has offsets wait for 100 ms as well).
pub(crate) const TRANSACTION_PATIENCE: Duration = Duration::from_secs(2);
pub(crate) const OFFSETS_PATIENCE: Duration = Duration::from_millis(100);

/// Memory that a pattern from a request may take once compiled.
pub(crate) const PATTERN_BYTES: usize = 1 << 20;
