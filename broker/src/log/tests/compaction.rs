//! What compaction leaves of a log, seen by those who read it.

use super::*;
use crate::log::MAX_TIMESTAMP;
use crate::partition::append::Origin;
use crate::partition::batch::Marker;

/// A compacted topic whose every batch gets a segment of its own, compacted as soon as there is anything.
fn compacted() -> House {
    let mut house = House::new(1);
    house.config.compact = true;
    house.config.delete = false;
    house.config.segment_bytes = 150;
    house.config.min_cleanable_dirty_ratio = 0.0;
    house.config.delete_retention_ms = 1000;
    house
}

/// A batch of records like `a=1`, or `a` for a tombstone.
pub fn keyed(
    producer: Producer,
    transactional: bool,
    compression: Compression,
    time_ms: i64,
    records: &[&str],
) -> Bytes {
    let mut builder = BatchBuilder::new(compression);
    for (at, record) in (0..).zip(records) {
        let (key, value) = record.split_once('=').map_or((*record, None), |(key, value)| (key, Some(value)));
        builder.append(time_ms + at, Some(key.as_bytes()), value.map(str::as_bytes), &[]).unwrap();
    }
    builder.set_producer(producer);
    builder.set_transactional(transactional);
    builder.finish().unwrap()
}

fn put(partition: &Arc<Partition>, records: &[&str]) {
    let batch = keyed(Producer::NONE, false, Compression::None, 1_000_000, records);
    let _ = partition.append(batch, Origin::Client, None).unwrap();
}

/// Fills the active segment so that everything before may be compacted.
fn close_segment(directory: &LogDirectory, partition: &Arc<Partition>) {
    put(partition, &["filler=00000000000000000000000000000000000000000000000000000000000000"]);
    directory.flush_now();
}

/// All that a reader meets: `offset:key=value`, `offset:key` for a tombstone, `[offset]` for an emptied batch.
pub fn contents(partition: &Partition) -> String {
    let mut found = Vec::new();
    let mut next = partition.progress().log_start_offset;
    loop {
        let fetched = partition.read(next, 300, true, Isolation::ReadUncommitted).unwrap();
        if fetched.records.is_empty() {
            return found.join(" ");
        }
        for batch in batches(fetched.records) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            let header = *batch.header();
            if header.record_count == 0 {
                found.push(format!("[{}]", header.last_offset()));
            }
            for record in &batch.records(1 << 20).unwrap() {
                let record = record.unwrap();
                let key = String::from_utf8_lossy(record.key.unwrap()).into_owned();
                let value = record.value.map(|value| format!("={}", String::from_utf8_lossy(value)));
                let value = value.unwrap_or_default();
                match header.is_control() {
                    true => found.push(format!("{}:marker", record.offset)),
                    false if key == "filler" => {}
                    false => found.push(format!("{}:{key}{value}", record.offset)),
                }
            }
        }
        next = fetched.next_offset;
    }
}

#[test]
fn the_newest_record_of_each_key_stays_in_its_place() {
    for compression in Compression::ALL {
        let house = compacted();
        let directory = house.open();
        let partition = house.partition(&directory);
        for records in [["a=1", "b=1"], ["b=2", "c=1"], ["a=2", "d=1"], ["d", "e=1"]] {
            let batch = keyed(Producer::NONE, false, compression, 1_000_000, &records);
            let _ = partition.append(batch, Origin::Client, None).unwrap();
        }
        close_segment(&directory, &partition);
        partition.set_config(Arc::new(LogConfig { segment_bytes: 4096, ..house.config.clone() }));
        directory.clean_now();
        assert_eq!(contents(&partition), "2:b=2 3:c=1 4:a=2 6:d 7:e=1", "{compression}");
        assert_eq!(partition.log_end_offset(), 9);
        // From inside a hole the next record comes.
        let fetched = partition.read(0, 1, true, Isolation::ReadUncommitted).unwrap();
        assert_eq!(fetched.next_offset, 4);
        let fetched = partition.read(5, 1, true, Isolation::ReadUncommitted).unwrap();
        assert_eq!(fetched.next_offset, 6);
        directory.close().unwrap();
        drop((partition, directory));
        let directory = house.open();
        assert_eq!(contents(&house.partition(&directory)), "2:b=2 3:c=1 4:a=2 6:d 7:e=1");
        assert_eq!(
            house.disk.names(Path::new(FOLDER)).iter().filter(|name| name.ends_with(".log")).count(),
            2,
            "small segments become one"
        );
    }
}

#[test]
fn tombstones_go_when_their_time_is_over() {
    let house = compacted();
    let directory = house.open();
    let partition = house.partition(&directory);
    put(&partition, &["a=1", "b=1"]);
    put(&partition, &["a", "c=1"]);
    close_segment(&directory, &partition);
    directory.clean_now();
    assert_eq!(contents(&partition), "1:b=1 2:a 3:c=1");
    house.pass_ms(999);
    directory.clean_now();
    assert_eq!(contents(&partition), "1:b=1 2:a 3:c=1");
    house.pass_ms(1);
    // Nothing new came, but what is due goes.
    directory.clean_now();
    assert_eq!(contents(&partition), "1:b=1 3:c=1");
    assert_eq!(
        partition.offset_for_timestamp(MAX_TIMESTAMP, Isolation::ReadUncommitted).unwrap().unwrap().offset,
        1
    );
}

#[test]
fn only_what_is_old_and_dirty_enough_is_compacted() {
    let mut house = compacted();
    house.config.min_cleanable_dirty_ratio = 0.6;
    house.config.min_compaction_lag_ms = 5000;
    let directory = house.open();
    let partition = house.partition(&directory);
    put(&partition, &["a=1"]);
    put(&partition, &["a=2"]);
    close_segment(&directory, &partition);
    directory.clean_now();
    assert_eq!(contents(&partition), "0:a=1 1:a=2", "younger than min.compaction.lag.ms");
    house.pass_ms(6000);
    directory.clean_now();
    assert_eq!(contents(&partition), "1:a=2");
    put(&partition, &["b=1"]);
    close_segment(&directory, &partition);
    house.pass_ms(6000);
    let before = house.disk.names(Path::new(FOLDER));
    directory.clean_now();
    assert_eq!(before, house.disk.names(Path::new(FOLDER)), "less than 0.6 of it is dirty");
}

#[test]
fn a_record_waits_no_longer_than_the_longest_lag() {
    let mut house = compacted();
    house.config.min_cleanable_dirty_ratio = 1.0;
    house.config.max_compaction_lag_ms = 10_000;
    house.config.segment_bytes = 1 << 20;
    let directory = house.open();
    let partition = house.partition(&directory);
    put(&partition, &["a=1", "a=2"]);
    directory.flush_now();
    house.pass_ms(10_000);
    directory.clean_now();
    assert_eq!(contents(&partition), "0:a=1 1:a=2");
    house.pass_ms(2);
    directory.clean_now();
    directory.flush_now();
    directory.clean_now();
    assert_eq!(contents(&partition), "1:a=2", "also in the segment that was active");
}

#[test]
fn nothing_is_replaced_by_what_a_power_cut_may_take() {
    let mut house = compacted();
    house.config.flush = crate::log::FlushPolicy::Interval { messages: None, every: None };
    let directory = house.open();
    let partition = house.partition(&directory);
    put(&partition, &["a=1"]);
    put(&partition, &["a=2", "x=0000000000000000000000000000000000000000000000000000"]);
    put(&partition, &["a=3"]);
    directory.clean_now();
    assert!(contents(&partition).starts_with("0:a=1 1:a=2"), "visible, but not on the disk yet");
    directory.flush_now();
    put(&partition, &["a=4", "y=0000000000000000000000000000000000000000000000000000"]);
    directory.flush_now();
    directory.clean_now();
    assert!(!contents(&partition).contains("a=1"), "{}", contents(&partition));
}

#[test]
fn rolled_back_records_go_at_once_and_markers_after_them() {
    let house = compacted();
    let directory = house.open();
    let partition = house.partition(&directory);
    let from = |id, base_sequence| Producer { id, epoch: 0, base_sequence };
    let send = |id, sequence, records: &[&str]| {
        let batch = keyed(from(id, sequence), true, Compression::None, 1_000_000, records);
        let _ = partition.append(batch, Origin::Client, None).unwrap();
    };
    let end = |id, committed| {
        let _ = partition.append_marker(id, 0, Marker { committed, coordinator_epoch: 1 }).unwrap();
    };
    put(&partition, &["a=1", "b=1"]);
    send(7, 0, &["a=2"]);
    send(8, 0, &["b=2"]);
    end(7, false);
    end(8, true);
    send(7, 1, &["z=1"]);
    end(7, true);
    close_segment(&directory, &partition);
    directory.clean_now();
    assert_eq!(contents(&partition), "0:a=1 [2] 3:b=2 4:marker 5:marker 6:z=1 7:marker");
    let state = || partition.read(0, 1 << 20, true, Isolation::ReadCommitted).unwrap().aborted.len();
    assert_eq!(state(), 1, "data of it was there in this pass");
    put(&partition, &["b=3"]);
    close_segment(&directory, &partition);
    directory.clean_now();
    // The abort marker's transaction has nothing left: its horizon begins; the commit's last batch is its producer's.
    assert_eq!(state(), 0);
    assert_eq!(contents(&partition), "0:a=1 [2] [3] 4:marker 5:marker 6:z=1 7:marker 9:b=3");
    house.pass_ms(1000);
    directory.clean_now();
    assert_eq!(contents(&partition), "0:a=1 [2] [3] [4] 5:marker 6:z=1 7:marker 9:b=3");
    // Sequences go on where they were, after a crash too.
    house.disk.kill();
    drop((partition, directory));
    let directory = house.open();
    let partition = house.partition(&directory);
    let batch = keyed(from(8, 0), true, Compression::None, 1_000_000, &["b=2"]);
    assert!(partition.append(batch, Origin::Client, None).unwrap().duplicate);
}

#[test]
fn open_transactions_and_the_active_segment_stay_whole() {
    let house = compacted();
    let directory = house.open();
    let partition = house.partition(&directory);
    put(&partition, &["a=1"]);
    put(&partition, &["a=2"]);
    let open = keyed(Producer { id: 3, epoch: 0, base_sequence: 0 }, true, Compression::None, 1, &["a=3"]);
    let _ = partition.append(open, Origin::Client, None).unwrap();
    put(&partition, &["a=4", "a=5"]);
    close_segment(&directory, &partition);
    directory.clean_now();
    assert_eq!(contents(&partition), "1:a=2 2:a=3 3:a=4 4:a=5");
    let _ = partition.append_marker(3, 0, Marker { committed: true, coordinator_epoch: 0 }).unwrap();
    close_segment(&directory, &partition);
    directory.clean_now();
    // The producer's last batch stays, without its record.
    assert_eq!(contents(&partition), "[1] [2] 4:a=5 6:marker");
}

#[test]
fn readers_of_replaced_segments_find_their_way() {
    let house = compacted();
    let directory = house.open();
    let partition = house.partition(&directory);
    for round in 0..20 {
        put(&partition, &[&format!("a={round}"), &format!("k{round}=1")]);
    }
    close_segment(&directory, &partition);
    let read = |offset| partition.read(offset, 1, true, Isolation::ReadUncommitted).unwrap().next_offset;
    assert_eq!(read(0), 2);
    assert_eq!(read(2), 4);
    directory.clean_now();
    // What the first reads left behind as hints is of another file now.
    assert_eq!(read(2), 4);
    assert_eq!(read(3), 4);
    house.pass_ms(120_000);
    directory.keep_now();
    directory.keep_now();
    assert_eq!(read(4), 6);
    let found = partition.offset_for_timestamp(1_000_001, Isolation::ReadUncommitted).unwrap().unwrap();
    assert_eq!(found.offset, 1);
    let left = house.disk.names(Path::new(FOLDER));
    assert!(!left.iter().any(|name| name.contains("deleted") || name.contains("cleaned")), "{left:?}");
}

#[test]
fn damage_stops_the_compaction_and_nothing_else() {
    // Inside what the checksum covers, and in a base offset, which it does not.
    for at in [65, 71, 7] {
        let house = compacted();
        let directory = house.open();
        let partition = house.partition(&directory);
        put(&partition, &["a=1"]);
        put(&partition, &["a=2"]);
        close_segment(&directory, &partition);
        let log = Path::new(FOLDER).join("orders-0/00000000000000000000.log");
        house.disk.edit(&log, |bytes| bytes[at] ^= 8);
        let before = house.disk.names(Path::new(FOLDER));
        directory.clean_now();
        assert_eq!(house.disk.names(Path::new(FOLDER)), before, "byte {at}");
        assert!(directory.failure().is_none());
        put(&partition, &["a=3"]);
    }
}

#[test]
fn the_checkpoint_tells_the_next_start_what_is_clean() {
    let house = compacted();
    let directory = house.open();
    let partition = house.partition(&directory);
    put(&partition, &["a=1"]);
    put(&partition, &["a=2"]);
    close_segment(&directory, &partition);
    directory.clean_now();
    let checkpoint = Path::new(FOLDER).join("cleaner-offset-checkpoint");
    let text = |house: &House| {
        use crate::log::disk::Disk;
        String::from_utf8(house.disk.read(&checkpoint).unwrap()).unwrap()
    };
    assert_eq!(text(&house), "0\n1\norders 0 2\n");
    directory.close().unwrap();
    drop((partition, directory));
    // One that names more than there is, or that cannot be read, is none.
    for bad in ["0\n1\norders 0 99\n", "nonsense"] {
        house.disk.edit(&checkpoint, |bytes| *bytes = bad.into());
        let directory = house.open();
        let partition = house.partition(&directory);
        put(&partition, &["a=3"]);
        close_segment(&directory, &partition);
        directory.clean_now();
        assert!(!contents(&partition).contains("a=2"), "{}", contents(&partition));
        assert!(text(&house).starts_with("0\n1\norders 0 "));
        directory.close().unwrap();
    }
}
