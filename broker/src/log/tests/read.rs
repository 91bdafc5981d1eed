//! Reading: whole batches, limits, times, epochs.

use super::*;
use crate::log::fetch::{EARLIEST, EARLIEST_LOCAL, LATEST, LATEST_TIERED, MAX_TIMESTAMP};
use crate::log::{FetchData, ReadError};
use crate::partition::append::Origin;

/// 60 batches of three records, over several segments, timestamps 10 apart with one outlier.
fn filled(house: &House, directory: &LogDirectory) -> Arc<Partition> {
    let partition = house.partition(directory);
    for at in 0..60 {
        let time = if at == 30 { 900_000 } else { at * 10 };
        let values = [format!("{at}a"), format!("{at}b"), format!("{at}c")];
        let values: Vec<_> = values.iter().map(String::as_str).collect();
        partition.append(batch(time, &values), Origin::Client, None).unwrap();
    }
    directory.flush_now();
    partition
}

#[test]
fn a_read_returns_whole_batches_from_the_one_that_holds_the_offset() {
    let house = House::new(1);
    let directory = house.open();
    let partition = filled(&house, &directory);
    assert!(house.disk.names(Path::new(FOLDER)).iter().filter(|name| name.ends_with(".log")).count() > 1);
    let size = batch(0, &["20a", "20b", "20c"]).len();
    for (offset, max_bytes, first, next) in [
        (61, 1, 60, 63),
        (61, size * 2, 60, 66),
        (61, size * 2 - 1, 60, 63),
        (60, size * 2 + 1, 60, 66),
        (179, 10_000, 177, 180),
    ] {
        let fetched = partition.read(offset, max_bytes, true, Isolation::ReadUncommitted).unwrap();
        let base = batches(fetched.records).next().unwrap().unwrap().header().base_offset;
        assert_eq!((base, fetched.next_offset), (first, next), "from {offset} with {max_bytes} bytes");
    }
    let nothing = partition.read(61, size - 1, false, Isolation::ReadUncommitted).unwrap();
    assert_eq!((nothing.records.len(), nothing.next_offset), (0, 61));
    assert_eq!(partition.read(180, 1000, true, Isolation::ReadUncommitted).unwrap().records.len(), 0);
    let error = partition.read(181, 1000, true, Isolation::ReadUncommitted).unwrap_err();
    assert!(matches!(error, ReadError::OffsetOutOfRange { offset: 181, start: 0, end: 180 }));
}

#[test]
fn every_way_through_the_log_sees_the_same() {
    let house = House::new(1);
    let directory = house.open();
    let partition = filled(&house, &directory);
    let all = read_all(&partition, 0, 1 << 20, Isolation::ReadUncommitted);
    assert_eq!(all.split(' ').count(), 180);
    for max_bytes in [1, 100, 333, 5000] {
        assert_eq!(read_all(&partition, 0, max_bytes, Isolation::ReadUncommitted), all);
    }
    for offset in [1, 59, 60, 100, 178] {
        let tail = read_all(&partition, offset, 700, Isolation::ReadUncommitted);
        assert!(all.ends_with(&tail) && tail.starts_with(&format!("{offset}:")), "from {offset}: {tail}");
    }
}

#[test]
fn offsets_are_found_by_time() {
    let house = House::new(1);
    let directory = house.open();
    let partition = filled(&house, &directory);
    let ask = |directory: &LogDirectory, timestamp| {
        let partition = house.partition(directory);
        let found = partition.offset_for_timestamp(timestamp, Isolation::ReadUncommitted).unwrap();
        found.map(|found| (found.offset, found.timestamp))
    };
    let cases = [
        (LATEST, Some((180, -1))),
        (EARLIEST, Some((0, -1))),
        (EARLIEST_LOCAL, Some((0, -1))),
        (LATEST_TIERED, None),
        (MAX_TIMESTAMP, Some((92, 900_002))),
        (0, Some((0, 0))),
        (1, Some((1, 1))),
        (3, Some((3, 10))),
        (115, Some((36, 120))),
        (292, Some((89, 292))),
        (293, Some((90, 900_000))),
        (900_003, None),
    ];
    for (timestamp, expected) in cases {
        assert_eq!(ask(&directory, timestamp), expected, "at {timestamp}");
    }
    assert_eq!(partition.delete_records(95).unwrap(), 95);
    assert_eq!(ask(&directory, EARLIEST), Some((95, -1)));
    assert_eq!(ask(&directory, 100), Some((95, 312)));
    directory.close().unwrap();
    drop((partition, directory));
    let directory = house.open();
    assert_eq!(ask(&directory, EARLIEST), Some((95, -1)));
    assert_eq!(ask(&directory, 330), Some((99, 330)));
    assert_eq!(ask(&directory, 592), Some((179, 592)));
}

#[test]
fn leader_epochs_tell_where_each_ended() {
    let house = House::new(1);
    let directory = house.open();
    let partition = house.partition(&directory);
    assert_eq!(partition.offset_for_leader_epoch(0), Some((0, 0)));
    for epoch in [0, 2, 5] {
        partition.lead(epoch);
        partition.append(batch(50, &["a", "b"]), Origin::Client, None).unwrap();
    }
    directory.flush_now();
    let expected = [(0, Some((0, 2))), (1, Some((0, 2))), (2, Some((2, 4))), (5, Some((5, 6))), (6, None)];
    for (epoch, end) in expected {
        assert_eq!(partition.offset_for_leader_epoch(epoch), end, "epoch {epoch}");
    }
    let found = partition.offset_for_timestamp(EARLIEST, Isolation::ReadUncommitted).unwrap().unwrap();
    assert_eq!(found.leader_epoch, Some(0));
    partition.truncate(3).unwrap();
    assert_eq!(partition.log_end_offset(), 2);
    assert_eq!(visible(&partition), "0:a 1:b");
    assert_eq!(partition.offset_for_leader_epoch(2), None);
    drop(directory);
    house.disk.kill();
    let directory = house.open();
    assert_eq!(house.partition(&directory).offset_for_leader_epoch(0), Some((0, 2)));
}

/// Batches of `sizes` bytes of value in one segment, and what a plain read of all of them returns.
fn large(house: &mut House, sizes: &[usize]) -> (LogDirectory, Arc<Partition>, Bytes) {
    house.config.segment_bytes = 64 << 20;
    let directory = house.open();
    let partition = house.partition(&directory);
    for (at, size) in (0..).zip(sizes) {
        partition.append(batch(at, &[&"x".repeat(*size)]), Origin::Client, None).unwrap();
    }
    directory.flush_now();
    let read = partition.read(0, 16 << 20, true, Isolation::ReadUncommitted).unwrap();
    (directory, partition, read.records)
}

fn pieces(fetched: FetchData) -> Bytes {
    let Some(mut range) = fetched.deferred else { return fetched.records };
    assert!(fetched.records.is_empty());
    let mut all = Vec::new();
    while !range.is_empty() {
        all.push(range.take_piece().unwrap());
    }
    together(&all)
}

#[test]
fn what_is_found_and_read_later_is_what_a_read_returns() {
    let mut house = House::new(1);
    let sizes: Vec<usize> = (0..80).map(|at| 9_000 + at * 531).collect();
    let (_directory, partition, _) = large(&mut house, &sizes);
    let mut deferred = 0;
    for offset in [0, 1, 40, 70, 79] {
        for max_bytes in [1, 255 << 10, 256 << 10, 500_000, 1 << 20, 16 << 20] {
            let read = partition.read(offset, max_bytes, true, Isolation::ReadUncommitted).unwrap();
            let found = partition.find(offset, max_bytes, true, Isolation::ReadUncommitted).unwrap();
            assert_eq!(found.next_offset, read.next_offset, "from {offset} with {max_bytes} bytes");
            deferred += usize::from(found.deferred.is_some());
            assert!(pieces(found) == read.records, "from {offset} with {max_bytes} bytes");
        }
    }
    assert!(deferred > 10, "only {deferred} of 30 reads were put off");
}

#[test]
fn small_batches_are_read_at_once() {
    let mut house = House::new(1);
    let (_directory, partition, all) = large(&mut house, &[1_000; 600]);
    let found = partition.find(0, 16 << 20, true, Isolation::ReadUncommitted).unwrap();
    assert!(found.deferred.is_none() && found.records == all);
}

#[test]
fn records_that_are_read_later_survive_retention_and_a_cut_is_an_error() {
    let mut house = House::new(1);
    house.config.retention_ms = Some(1_000);
    let (directory, partition, all) = large(&mut house, &[50_000; 20]);
    let found = partition.find(0, 16 << 20, true, Isolation::ReadUncommitted).unwrap();
    house.pass_ms(10_000_000);
    directory.keep_now();
    assert!(partition.read(0, 1, true, Isolation::ReadUncommitted).is_err(), "still there");
    assert!(pieces(found) == all);

    let mut house = House::new(2);
    let (_directory, partition, _) = large(&mut house, &[50_000; 40]);
    let mut range = partition.find(0, 16 << 20, true, Isolation::ReadUncommitted).unwrap().deferred.unwrap();
    range.take_piece().unwrap();
    partition.truncate(3).unwrap();
    assert_eq!(range.take_piece().unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
}
