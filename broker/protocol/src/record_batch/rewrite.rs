//! Writing a batch anew from what it holds: with only some of its records, with none, or compressed otherwise.
//!
//! Records that stay are copied as they are, bytes of headers included; only where the times are to be counted from
//! another base are they shifted. Offsets, producer, epoch and transaction stay those of the original.

use bytes::Bytes;

use super::build::seal;
use super::header::{LENGTH_END, checksum};
use super::{BatchHeader, BuildError, HEADER_BYTES, NO_TIMESTAMP, RecordSet, TimestampType, varint};
use crate::compression::Compression;

impl RecordSet {
    /// The batch with only the records whose place in `keep` is true, in the original's compression. With a delete
    /// horizon (KIP-534) the batch says from when on its tombstones may go. The largest timestamp becomes that of
    /// the records left.
    ///
    /// # Errors
    /// Damaged records, and what compression refuses.
    pub fn rewrite(&self, keep: &[bool], delete_horizon_ms: Option<i64>) -> Result<Bytes, BuildError> {
        let mut header = self.header;
        let compression = header.compression()?;
        let appended_at_once = header.timestamp_type() == TimestampType::LogAppendTime;
        if let Some(horizon_ms) = delete_horizon_ms {
            header.set_delete_horizon_ms(Some(horizon_ms));
        }
        let shift = self.header.base_timestamp_ms.wrapping_sub(header.base_timestamp_ms);
        let mut buffer = Vec::with_capacity(HEADER_BYTES + self.data.len());
        buffer.resize(HEADER_BYTES, 0);
        let (mut records, mut kept, mut newest_ms) = (self.iter(), 0, NO_TIMESTAMP);
        for keep in keep {
            let before = records.rest;
            let Some(record) = records.next() else { break };
            let record = record.map_err(|_| BuildError::Damaged)?;
            if !keep {
                continue;
            }
            let bytes = before.get(..before.len() - records.rest.len()).unwrap_or_default();
            if shift == 0 {
                buffer.extend_from_slice(bytes);
            } else {
                shift_time(bytes, shift, &mut buffer).ok_or(BuildError::Damaged)?;
            }
            kept += 1;
            newest_ms = newest_ms.max(record.timestamp_ms);
        }
        header.record_count = kept;
        if !appended_at_once {
            header.max_timestamp_ms = newest_ms;
        }
        seal(buffer, header, compression, None)
    }

    /// The same records in another compression, at a level where it has several.
    ///
    /// # Errors
    /// What compression refuses.
    pub fn recompress(&self, compression: Compression, level: Option<i32>) -> Result<Bytes, BuildError> {
        let mut buffer = Vec::with_capacity(HEADER_BYTES + self.data.len());
        buffer.resize(HEADER_BYTES, 0);
        buffer.extend_from_slice(&self.data);
        seal(buffer, self.header, compression, level)
    }
}

impl BatchHeader {
    /// A batch without records in place of this one: it holds offsets, producer and sequence, so that what is known
    /// of the producer stays right when its last records are gone.
    pub fn emptied(&self) -> Bytes {
        let mut header = *self;
        header.set_delete_horizon_ms(None);
        header.base_timestamp_ms = NO_TIMESTAMP;
        header.record_count = 0;
        seal_empty(header)
    }

    /// A batch without records that only holds the place: nobody's, in no transaction.
    pub fn placeholder(&self) -> Bytes {
        let header = BatchHeader {
            base_offset: self.base_offset,
            last_offset_delta: self.last_offset_delta,
            partition_leader_epoch: self.partition_leader_epoch,
            base_timestamp_ms: NO_TIMESTAMP,
            max_timestamp_ms: self.max_timestamp_ms,
            producer_id: super::NO_PRODUCER_ID,
            producer_epoch: super::NO_PRODUCER_EPOCH,
            base_sequence: super::NO_SEQUENCE,
            ..Self::default()
        };
        seal_empty(header)
    }
}

fn seal_empty(mut header: BatchHeader) -> Bytes {
    header.set_compression(Compression::None);
    header.length = (HEADER_BYTES - LENGTH_END) as i32;
    header.crc = checksum(&header.to_bytes());
    Bytes::copy_from_slice(&header.to_bytes())
}

/// Copies a record with its timestamp delta changed by `shift`.
fn shift_time(record: &[u8], shift: i64, to: &mut Vec<u8>) -> Option<()> {
    let mut body = record;
    varint::read(&mut body)?;
    let (attributes, mut rest) = body.split_first()?;
    let delta = varint::read(&mut rest)?.wrapping_add(shift);
    varint::write(to, (1 + varint::size(delta) + rest.len()) as i64);
    to.push(*attributes);
    varint::write(to, delta);
    to.extend_from_slice(rest);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, BatchBuilder, Producer};
    use super::*;

    fn original(compression: Compression) -> RecordSet {
        let mut builder = BatchBuilder::new(compression);
        builder.set_base_offset(40);
        builder.set_leader_epoch(3);
        builder.set_producer(Producer { id: 9, epoch: 2, base_sequence: 7 });
        builder.set_transactional(true);
        for (at, time) in [(0, 500), (1, 900), (2, 100), (3, 600)] {
            let key = format!("k{at}");
            builder.append(time, Some(key.as_bytes()), Some(b"v"), &[("h", Some(b"x"))]).unwrap();
        }
        records(builder.finish().unwrap())
    }

    fn records(bytes: Bytes) -> RecordSet {
        let batch = Batch::split_from(&mut bytes.clone()).unwrap();
        batch.verify_crc().unwrap();
        batch.records(1 << 20).unwrap()
    }

    fn listed(records: &RecordSet) -> Vec<(i64, i64, String, usize)> {
        let record = |record: super::super::Record<'_>| {
            let key = String::from_utf8_lossy(record.key.unwrap()).into_owned();
            (record.offset, record.timestamp_ms, key, record.headers.len())
        };
        records.iter().map(|found| record(found.unwrap())).collect()
    }

    #[test]
    fn kept_records_stay_what_they_were_under_every_compression() {
        for compression in Compression::ALL {
            for horizon in [None, Some(1_000_000)] {
                let original = original(compression);
                let rewritten = records(original.rewrite(&[true, false, true, true], horizon).unwrap());
                let mut expected = listed(&original);
                expected.remove(1);
                assert_eq!(listed(&rewritten), expected);
                let header = rewritten.header();
                assert_eq!((header.base_offset, header.last_offset(), header.record_count), (40, 43, 3));
                assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (9, 2, 7));
                assert_eq!((header.partition_leader_epoch, header.max_timestamp_ms), (3, 600));
                assert_eq!(header.delete_horizon_ms(), horizon);
                assert_eq!(header.compression().unwrap(), compression);
                assert!(header.is_transactional());
            }
        }
    }

    #[test]
    fn an_emptied_batch_keeps_its_place_and_producer() {
        let header = *original(Compression::Gzip).header();
        let emptied = records(header.emptied());
        assert_eq!(listed(&emptied), []);
        let kept = emptied.header();
        assert_eq!((kept.base_offset, kept.last_offset(), kept.last_sequence()), (40, 43, 10));
        assert_eq!((kept.producer_id, kept.max_timestamp_ms), (9, 900));
        let place = records(header.placeholder());
        assert_eq!((place.header().last_offset(), place.header().producer_id), (43, -1));
        assert!(!place.header().is_transactional() && listed(&place).is_empty());
    }

    #[test]
    fn recompression_changes_nothing_but_the_compression() {
        let plain = original(Compression::None);
        for (compression, level) in
            [(Compression::Gzip, Some(9)), (Compression::Zstd, Some(10)), (Compression::Zstd, None)]
        {
            let again = records(plain.recompress(compression, level).unwrap());
            assert_eq!(listed(&again), listed(&plain));
            assert_eq!(again.header().compression().unwrap(), compression);
        }
        let back = records(original(Compression::Lz4).recompress(Compression::None, None).unwrap());
        assert_eq!(listed(&back), listed(&plain));
    }
}
