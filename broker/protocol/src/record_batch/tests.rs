use bytes::Bytes;

use super::*;
use crate::compression::Compression;

const LIMIT: usize = 1 << 20;

type Owned = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

fn build(compression: Compression) -> Bytes {
    let mut builder = BatchBuilder::new(compression);
    builder.append(1_000, Some(b"k1"), Some(b"v1"), &[]).unwrap();
    builder.append(999, None, Some(b""), &[("h", Some(b"x")), ("empty", None)]).unwrap();
    builder.append(5_000, Some(&[7; 300]), None, &[]).unwrap();
    builder.finish().unwrap()
}

fn only_batch(bytes: Bytes) -> Batch {
    let mut found: Vec<Batch> = batches(bytes).map(Result::unwrap).collect();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

fn read(batch: &Batch) -> Vec<Owned> {
    let set = batch.records(LIMIT).unwrap();
    set.iter()
        .map(|record| {
            let record = record.unwrap();
            let headers = record.headers.map(Result::unwrap);
            let headers = headers.map(|header| (header.key.into_owned(), header.value.map(<[u8]>::to_vec)));
            let (key, value) = (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec));
            (record.offset, record.timestamp_ms, key, value, headers.collect())
        })
        .collect()
}

#[test]
fn records_read_back_under_every_compression() {
    for compression in Compression::ALL {
        let batch = only_batch(build(compression));
        batch.verify_crc().unwrap();
        batch.records(LIMIT).unwrap().validate().unwrap();
        assert_eq!(batch.header().compression().unwrap(), compression);
        assert_eq!((batch.header().record_count, batch.header().last_offset()), (3, 2));
        assert_eq!((batch.header().base_timestamp_ms, batch.header().max_timestamp_ms), (1_000, 5_000));
        let headers = vec![("h".to_owned(), Some(b"x".to_vec())), ("empty".to_owned(), None)];
        let expected: Vec<Owned> = vec![
            (0, 1_000, Some(b"k1".to_vec()), Some(b"v1".to_vec()), vec![]),
            (1, 999, None, Some(vec![]), headers),
            (2, 5_000, Some(vec![7; 300]), None, vec![]),
        ];
        assert_eq!(read(&batch), expected, "{compression}");
    }
}

#[test]
fn the_size_is_known_ahead() {
    let mut builder = BatchBuilder::new(Compression::None);
    for number in 0..1_000i64 {
        let value = vec![1; number as usize % 200];
        let headers: &[(&str, Option<&[u8]>)] = if number % 3 == 0 { &[("a", Some(b"b"))] } else { &[] };
        let foretold = builder.size_with(number * 40, Some(b"key"), Some(&value), headers);
        builder.append(number * 40, Some(b"key"), Some(&value), headers).unwrap();
        assert_eq!(builder.size_bytes(), foretold);
    }
    let size = builder.size_bytes();
    assert_eq!(builder.finish().unwrap().len(), size);
}

#[test]
fn place_and_epoch_change_without_touching_the_checksum() {
    let original = build(Compression::None);
    let mut bytes = original.to_vec();
    BatchHeader::patch_base_offset(&mut bytes, 41).unwrap();
    BatchHeader::patch_leader_epoch(&mut bytes, 6).unwrap();
    let (header, records) = only_batch(original).relocated(41, 6);
    assert_eq!([&header[..], &records[..]].concat(), bytes);
    let batch = only_batch(bytes.into());
    batch.verify_crc().unwrap();
    assert_eq!((batch.header().base_offset, batch.header().next_offset()), (41, 44));
    assert_eq!(batch.header().partition_leader_epoch, 6);
    assert_eq!(read(&batch).iter().map(|record| record.0).collect::<Vec<_>>(), [41, 42, 43]);
}

#[test]
fn the_time_of_the_append_replaces_every_timestamp() {
    let mut bytes = build(Compression::Zstd).to_vec();
    BatchHeader::patch_log_append_time(&mut bytes, 77).unwrap();
    let batch = only_batch(bytes.into());
    batch.verify_crc().unwrap();
    assert_eq!(batch.header().timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!(batch.header().compression().unwrap(), Compression::Zstd);
    assert!(read(&batch).iter().all(|record| record.1 == 77));
}

#[test]
fn the_producer_can_be_set_and_changed() {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.set_producer(Producer { id: 9, epoch: 1, base_sequence: i32::MAX });
    builder.set_transactional(true);
    builder.append(0, None, Some(b"a"), &[]).unwrap();
    builder.append(0, None, Some(b"b"), &[]).unwrap();
    let mut bytes = builder.finish().unwrap().to_vec();
    let batch = only_batch(bytes.clone().into());
    assert!(batch.header().is_transactional() && batch.header().has_producer());
    assert_eq!(batch.header().last_sequence(), 0, "sequences wrap to zero");

    BatchHeader::patch_producer(&mut bytes, Producer { id: 9, epoch: 2, base_sequence: 0 }).unwrap();
    let batch = only_batch(bytes.into());
    batch.verify_crc().unwrap();
    assert_eq!((batch.header().producer_epoch, batch.header().last_sequence()), (2, 1));
}

#[test]
fn compaction_keeps_offsets() {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.set_base_offset(100);
    builder.append_at(103, 5, Some(b"k"), Some(b"v"), &[]).unwrap();
    assert!(matches!(
        builder.append_at(103, 5, None, None, &[]),
        Err(BuildError::OffsetNotAscending { offset: 103, last: 103 })
    ));
    builder.set_last_offset(109).unwrap();
    let batch = only_batch(builder.finish().unwrap());
    assert_eq!((batch.header().base_offset, batch.header().last_offset()), (100, 109));
    assert_eq!(read(&batch)[0].0, 103);
    assert!(batch.records(LIMIT).unwrap().validate().is_err(), "not what a producer may send");
}

#[test]
fn markers_read_back() {
    for marker in [ControlMarker::Abort, ControlMarker::Commit] {
        let batch = only_batch(control_batch(marker, 5, 3, 8, 1_234).unwrap());
        assert!(batch.header().is_control() && batch.header().is_transactional());
        assert_eq!((batch.header().producer_id, batch.header().producer_epoch), (5, 3));
        let set = batch.records(LIMIT).unwrap();
        let record = set.iter().next().unwrap().unwrap();
        assert_eq!(ControlMarker::parse(&record), Some((marker, 8)));
    }
}

#[test]
fn several_batches_are_walked_and_a_cut_off_one_is_named() {
    let bytes = [build(Compression::None), build(Compression::Gzip), build(Compression::None)].concat();
    assert_eq!(batches(bytes.clone().into()).filter(Result::is_ok).count(), 3);
    for cut in 1..build(Compression::None).len() {
        let found: Vec<_> = batches(Bytes::from(bytes.clone()).slice(..bytes.len() - cut)).collect();
        assert_eq!(found.len(), 3);
        assert!(found[..2].iter().all(Result::is_ok));
        assert!(found[2].as_ref().is_err_and(BatchError::is_truncated));
    }
}

#[test]
fn old_formats_are_refused_by_name() {
    let mut bytes = build(Compression::None).to_vec();
    bytes[16] = 1;
    let error = batches(bytes.into()).next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "read a record batch: message format 1 is not supported, only 2 is");
}

#[test]
fn damage_is_found() {
    let original = build(Compression::None);
    for position in 21..original.len() {
        let mut bytes = original.to_vec();
        bytes[position] ^= 0x10;
        let batch = only_batch(bytes.into());
        assert!(batch.verify_crc().is_err(), "byte {position}");
        // Reading on despite the checksum must end, with or without an error.
        if let Ok(set) = batch.records(LIMIT) {
            assert!(set.iter().count() <= 4);
        }
    }
}

#[test]
fn a_wrong_count_is_found() {
    for count in [0i32, 2, 4, -1, i32::MAX] {
        let mut bytes = build(Compression::None).to_vec();
        bytes[57..61].copy_from_slice(&count.to_be_bytes());
        let set = only_batch(bytes.into()).records(LIMIT).unwrap();
        assert!(set.validate().is_err(), "count {count}");
        assert!(set.iter().any(|record| record.is_err()), "count {count}");
    }
}

#[test]
fn parts_are_shared_not_copied() {
    let batch = only_batch(build(Compression::None));
    let set = batch.records(LIMIT).unwrap();
    let record = set.iter().next().unwrap().unwrap();
    let key = set.share(record.key.unwrap());
    assert_eq!(key.as_ptr(), record.key.unwrap().as_ptr());
}
