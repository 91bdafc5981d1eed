//! The log over the simulated disk, through its public face.

mod append;
mod compaction;
mod compaction_crash;
mod crash;
mod damage;
mod read;
mod retention;
mod transaction_crash;
mod transactions;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::{Bytes, BytesMut};
use millstream_protocol::compression::Compression;
use millstream_protocol::record_batch::{BatchBuilder, Producer, batches};

use super::{
    CleanerConfig, DirectoryConfig, Expected, Isolation, LogConfig, LogDirectory, Partition, PartitionName,
};
use crate::log::directory::DirectoryError;
use crate::testing::disk::SimulatedDisk;

pub const FOLDER: &str = "/data";
pub const TOPIC_ID: [u8; 16] = [7; 16];

/// A log folder over one simulated disk and one clock, opened and stopped at will. Flushes happen when asked for.
pub struct House {
    pub disk: SimulatedDisk,
    pub clock: Arc<AtomicI64>,
    pub config: LogConfig,
    pub cleaner: CleanerConfig,
}

impl House {
    pub fn new(seed: u64) -> Self {
        let config = LogConfig { segment_bytes: 4096, index_interval_bytes: 200, ..LogConfig::default() };
        Self {
            disk: SimulatedDisk::new(seed),
            clock: Arc::new(AtomicI64::new(1_000_000)),
            config,
            cleaner: CleanerConfig::default(),
        }
    }

    pub fn expected(&self) -> Expected {
        Expected { topic_id: TOPIC_ID, config: Arc::new(self.config.clone()) }
    }

    pub fn try_open(&self) -> Result<LogDirectory, DirectoryError> {
        let clock = self.clock.clone();
        let cleaner = self.cleaner.clone();
        let config = DirectoryConfig { background: false, cleaner, ..DirectoryConfig::default() };
        let now = Arc::new(move || clock.load(Ordering::Relaxed));
        let expected = self.expected();
        LogDirectory::open(Arc::new(self.disk.clone()), Path::new(FOLDER), config, now, &|_| {
            Some(expected.clone())
        })
    }

    pub fn open(&self) -> LogDirectory {
        self.try_open().unwrap()
    }

    /// The one partition of most tests, created if the folder has none.
    pub fn partition(&self, directory: &LogDirectory) -> Arc<Partition> {
        let name = PartitionName::new("orders", 0);
        directory.partition(&name).unwrap_or_else(|| directory.create(name, &self.expected()).unwrap())
    }

    pub fn pass_ms(&self, ms: i64) {
        self.clock.fetch_add(ms, Ordering::Relaxed);
    }
}

/// A batch of records with these values and times counting up from `timestamp_ms`, from nobody in particular.
pub fn batch(timestamp_ms: i64, values: &[&str]) -> Bytes {
    batch_of(Producer::NONE, false, timestamp_ms, values)
}

pub fn batch_of(producer: Producer, transactional: bool, timestamp_ms: i64, values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    for (at, value) in (0..).zip(values) {
        builder.append(timestamp_ms + at, Some(b"key"), Some(value.as_bytes()), &[]).unwrap();
    }
    builder.set_producer(producer);
    builder.set_transactional(transactional);
    builder.finish().unwrap()
}

pub fn together(parts: &[Bytes]) -> Bytes {
    let mut all = BytesMut::new();
    parts.iter().for_each(|part| all.extend_from_slice(part));
    all.freeze()
}

/// Offsets and values of all visible records from `offset` on, read `max_bytes` at a time, as text.
pub fn read_all(partition: &Partition, offset: i64, max_bytes: usize, isolation: Isolation) -> String {
    let mut lines = Vec::new();
    let mut next = offset;
    loop {
        let fetched = partition.read(next, max_bytes, true, isolation).unwrap();
        if fetched.records.is_empty() {
            return lines.join(" ");
        }
        for batch in batches(fetched.records) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            if batch.header().is_control() {
                lines.push(format!("{}:marker", batch.header().base_offset));
                continue;
            }
            for record in &batch.records(1 << 20).unwrap() {
                let record = record.unwrap();
                if record.offset >= next {
                    lines.push(format!(
                        "{}:{}",
                        record.offset,
                        String::from_utf8_lossy(record.value.unwrap())
                    ));
                }
            }
        }
        next = fetched.next_offset;
    }
}

pub fn visible(partition: &Partition) -> String {
    let start = partition.progress().log_start_offset;
    read_all(partition, start, 1 << 20, Isolation::ReadUncommitted)
}
