//! Kafka's producer snapshot (`.snapshot`, version 1): what a partition knew of its producers at one offset.
//!
//! Kafka stores the last batch of each producer; this writes up to five, oldest first, as entries of their own, so that
//! a retry after a restart still finds its original. Kafka's reader keeps the last entry of a producer, which is the one
//! it would have written.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::path::Path;

use super::disk::{Attempt, Disk, DiskError};
use crate::partition::producer::{Producer, Producers, SequencedBatch};

const VERSION: i16 = 1;
/// Version and checksum stand before the part that the checksum covers.
const CHECKSUM_END: usize = 6;
const ENTRY_BYTES: usize = 46;

#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("read {path}: {reason}")]
    Malformed { path: String, reason: &'static str },
}

/// Writes a snapshot file, without flushing it.
pub fn write(disk: &dyn Disk, path: &Path, producers: &Producers) -> Result<(), DiskError> {
    let bytes = encode(producers);
    let file = disk.open(path).attempt("create", path)?;
    file.truncate(0).attempt("empty", path)?;
    file.append(&mut [IoSlice::new(&bytes)]).attempt("write", path)
}

/// Reads a snapshot file.
pub fn read(disk: &dyn Disk, path: &Path) -> Result<Producers, SnapshotError> {
    let bytes = disk.read(path).attempt("read", path)?;
    decode(&bytes).map_err(|reason| SnapshotError::Malformed { path: path.display().to_string(), reason })
}

/// The newest of `offsets` (names of snapshot files) that reads well and is not above `limit`. Bad ones are reported.
pub fn newest_readable(
    disk: &dyn Disk,
    directory: &Path,
    offsets: &[i64],
    limit: i64,
) -> io::Result<Option<(i64, Producers)>> {
    for offset in offsets.iter().rev().filter(|offset| **offset <= limit) {
        match read(disk, &directory.join(file_name(*offset))) {
            Ok(producers) => return Ok(Some((*offset, producers))),
            Err(SnapshotError::Disk(error)) if error.source.kind() != io::ErrorKind::NotFound => {
                return Err(error.source);
            }
            Err(error) => tracing::warn!(%error, "ignore producer snapshot, rebuild from the log"),
        }
    }
    Ok(None)
}

pub fn file_name(offset: i64) -> String {
    format!("{offset:020}.snapshot")
}

fn encode(producers: &Producers) -> Vec<u8> {
    let mut sorted: Vec<_> = producers.iter().collect();
    sorted.sort_by_key(|(id, _)| *id);
    let mut entries = Vec::new();
    let mut count: i32 = 0;
    for (id, producer) in sorted {
        // A producer known only by its marker has no batch: Kafka's entry then carries -1.
        let none = SequencedBatch {
            last_sequence: -1,
            last_offset: -1,
            offset_delta: 0,
            timestamp: producer.last_timestamp,
        };
        let batches: Vec<_> =
            if producer.batches.is_empty() { vec![none] } else { producer.batches.iter().copied().collect() };
        let newest = batches.len() - 1;
        for (at, batch) in batches.iter().enumerate() {
            let timestamp = if at == newest { producer.last_timestamp } else { batch.timestamp };
            entries.extend_from_slice(&id.to_be_bytes());
            entries.extend_from_slice(&producer.epoch.to_be_bytes());
            entries.extend_from_slice(&batch.last_sequence.to_be_bytes());
            entries.extend_from_slice(&batch.last_offset.to_be_bytes());
            entries.extend_from_slice(&batch.offset_delta.to_be_bytes());
            entries.extend_from_slice(&timestamp.to_be_bytes());
            entries.extend_from_slice(&producer.coordinator_epoch.to_be_bytes());
            entries.extend_from_slice(&producer.transaction_first_offset.unwrap_or(-1).to_be_bytes());
            count += 1;
        }
    }
    let mut covered = count.to_be_bytes().to_vec();
    covered.append(&mut entries);
    let mut bytes = VERSION.to_be_bytes().to_vec();
    bytes.extend_from_slice(&crc32c::crc32c(&covered).to_be_bytes());
    bytes.append(&mut covered);
    bytes
}

fn decode(bytes: &[u8]) -> Result<Producers, &'static str> {
    let mut reader = Reader { bytes };
    if reader.take(i16::from_be_bytes)? != VERSION {
        return Err("snapshot version is not 1");
    }
    let checksum = reader.take(u32::from_be_bytes)?;
    if bytes.get(CHECKSUM_END..).map(crc32c::crc32c) != Some(checksum) {
        return Err("snapshot checksum does not match");
    }
    let count = reader.take(i32::from_be_bytes)?;
    if i64::from(count) * ENTRY_BYTES as i64 != reader.bytes.len() as i64 {
        return Err("snapshot entry count does not match its size");
    }
    let mut producers = Producers::default();
    for _ in 0..count {
        let id = reader.take(i64::from_be_bytes)?;
        let epoch = reader.take(i16::from_be_bytes)?;
        let mut batch = SequencedBatch {
            last_sequence: reader.take(i32::from_be_bytes)?,
            last_offset: reader.take(i64::from_be_bytes)?,
            offset_delta: reader.take(i32::from_be_bytes)?,
            timestamp: reader.take(i64::from_be_bytes)?,
        };
        let last_timestamp = batch.timestamp;
        let coordinator_epoch = reader.take(i32::from_be_bytes)?;
        let first_offset = reader.take(i64::from_be_bytes)?;
        let mut batches: VecDeque<_> = match producers.get(id) {
            Some(known) if known.epoch == epoch => known.batches.clone(),
            _ => VecDeque::new(),
        };
        if batch.last_sequence >= 0 {
            batch.timestamp = last_timestamp;
            batches.push_back(batch);
        }
        let transaction_first_offset = (first_offset >= 0).then_some(first_offset);
        producers.restore(
            id,
            Producer { epoch, coordinator_epoch, last_timestamp, transaction_first_offset, batches },
        );
    }
    Ok(producers)
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn take<T, const SIZE: usize>(&mut self, from: impl Fn([u8; SIZE]) -> T) -> Result<T, &'static str> {
        let (field, rest) = self.bytes.split_first_chunk().ok_or("snapshot ends early")?;
        self.bytes = rest;
        Ok(from(*field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_round_trip_and_refuse_damage() {
        let batch = |sequence, offset| SequencedBatch {
            last_sequence: sequence,
            last_offset: offset,
            offset_delta: 2,
            timestamp: 70,
        };
        let mut producers = Producers::default();
        producers.restore(
            7,
            Producer {
                epoch: 3,
                coordinator_epoch: 1,
                last_timestamp: 70,
                transaction_first_offset: Some(10),
                batches: VecDeque::from([batch(2, 12), batch(5, 15)]),
            },
        );
        producers.restore(
            9,
            Producer {
                epoch: 0,
                coordinator_epoch: 4,
                last_timestamp: 80,
                transaction_first_offset: None,
                batches: VecDeque::new(),
            },
        );
        let bytes = encode(&producers);
        assert_eq!(decode(&bytes).unwrap(), producers);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(decode(&damaged).is_err(), "a flipped bit in byte {at} is found");
            assert!(decode(&bytes[..at]).is_err());
        }
    }
}
