//! What an append answers, when it becomes visible, and what a failing disk does to it.

use std::time::Duration;

use super::*;
use crate::log::progress::DurabilityError;
use crate::log::{AppendError, FlushPolicy, Standing, TimestampType};
use crate::partition::append::{AppendRefusal, Origin};

#[test]
fn records_are_visible_once_flushed_and_come_back_after_a_clean_stop() {
    let house = House::new(1);
    let directory = house.open();
    let partition = house.partition(&directory);
    let first = partition.append(batch(50, &["a", "b"]), Origin::Client, None).unwrap();
    let second =
        partition.append(together(&[batch(60, &["c"]), batch(70, &["d"])]), Origin::Client, None).unwrap();
    assert_eq!((first.base_offset, first.last_offset), (0, 1));
    assert_eq!((second.base_offset, second.last_offset, second.log_append_time_ms), (2, 3, -1));
    assert!(!first.durability.is_reached());
    assert_eq!(visible(&partition), "");
    directory.flush_now();
    assert!(first.durability.is_reached() && second.durability.is_reached());
    assert_eq!(visible(&partition), "0:a 1:b 2:c 3:d");

    directory.close().unwrap();
    drop(directory);
    let directory = house.open();
    let partition = house.partition(&directory);
    assert_eq!(visible(&partition), "0:a 1:b 2:c 3:d");
    assert_eq!(partition.append(batch(80, &["e"]), Origin::Client, None).unwrap().base_offset, 4);
}

#[test]
fn with_an_interval_records_are_visible_at_once() {
    let mut house = House::new(1);
    house.config.flush = FlushPolicy::Interval { messages: Some(3), every: Some(Duration::from_secs(3600)) };
    let directory = house.open();
    let partition = house.partition(&directory);
    let mut progress = partition.subscribe();
    progress.mark_unchanged();
    let appended = partition.append(batch(50, &["a"]), Origin::Client, None).unwrap();
    assert!(appended.durability.is_reached());
    assert!(progress.has_changed().unwrap());
    assert_eq!(visible(&partition), "0:a");
}

#[test]
fn append_time_replaces_the_records_own() {
    let mut house = House::new(1);
    house.config.timestamp_type = TimestampType::LogAppendTime;
    let directory = house.open();
    let partition = house.partition(&directory);
    let appended = partition.append(batch(50, &["a", "b"]), Origin::Client, None).unwrap();
    assert_eq!(appended.log_append_time_ms, 1_000_000);
    directory.flush_now();
    let fetched = partition.read(0, 1000, true, Isolation::ReadUncommitted).unwrap();
    let batch = batches(fetched.records).next().unwrap().unwrap();
    batch.verify_crc().unwrap();
    let records = batch.records(1000).unwrap();
    let times: Vec<_> = records.iter().map(|record| record.unwrap().timestamp_ms).collect();
    assert_eq!(times, [1_000_000, 1_000_000]);
}

#[test]
fn bad_batches_are_refused_by_name() {
    let mut house = House::new(1);
    house.config.max_message_bytes = 200;
    house.config.compact = true;
    let directory = house.open();
    let partition = house.partition(&directory);
    let mut flipped = batch(50, &["a"]).to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    let mut old = batch(50, &["a"]).to_vec();
    old[16] = 1;
    let mut keyless = BatchBuilder::new(Compression::Gzip);
    keyless.append(50, None, Some(b"x"), &[]).unwrap();
    let cases: Vec<(Bytes, &str)> = vec![
        (Bytes::new(), "append to orders-0: check batch: there is no batch"),
        (
            batch(50, &["a"]).slice(..40),
            "append to orders-0: check batch: read a record batch: 61 bytes are needed, 40 are there",
        ),
        (
            Bytes::from(old),
            "append to orders-0: check batch: message format 1 is no longer supported, upgrade the client to format 2",
        ),
        (
            batch(50, &["x".repeat(300).as_str()]),
            "append to orders-0: check batch: 373 bytes exceed max.message.bytes 200",
        ),
        (
            batch(9_000_000, &["a"]),
            "append to orders-0: check batch: timestamp 9000000 is outside -9223372036853775807..=4600000",
        ),
        (
            keyless.finish().unwrap(),
            "append to orders-0: check batch: a record of a compacted topic needs a key",
        ),
    ];
    for (bytes, expected) in cases {
        let error = partition.append(bytes, Origin::Client, None).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let error = partition.append(Bytes::from(flipped), Origin::Client, None).unwrap_err();
    assert!(matches!(error, AppendError::Refused { refusal: AppendRefusal::CorruptBatch { .. }, .. }));
    assert_eq!(partition.log_end_offset(), 0);
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let house = House::new(1);
    let directory = house.open();
    let partition = house.partition(&directory);
    partition.append(batch(50, &["a"]), Origin::Client, None).unwrap();
    directory.flush_now();
    house.disk.set_capacity(Some(200));
    let large = "x".repeat(500);
    let error = partition.append(batch(60, &[&large]), Origin::Client, None).unwrap_err();
    assert!(matches!(error, AppendError::DiskFull { .. }), "{error}");
    assert!(
        error.to_string().contains("00000000000000000000.log: no storage space; free space, then retry"),
        "{error}"
    );
    house.disk.set_capacity(None);
    assert_eq!(partition.append(batch(70, &["b"]), Origin::Client, None).unwrap().base_offset, 1);
    directory.flush_now();
    assert_eq!(visible(&partition), "0:a 1:b");
}

#[tokio::test]
async fn a_failed_flush_poisons_the_folder() {
    let house = House::new(1);
    let directory = house.open();
    let partition = house.partition(&directory);
    let other = directory.create(PartitionName::new("other", 3), &house.expected()).unwrap();
    let appended = partition.append(batch(50, &["a"]), Origin::Client, None).unwrap();
    house.disk.fail_next_flush();
    directory.flush_now();
    assert_eq!(appended.durability.wait().await, Err(DurabilityError::Failed(1)));
    assert_eq!(other.progress().standing, Standing::Failed);
    let error = other.append(batch(50, &["a"]), Origin::Client, None).unwrap_err();
    assert!(matches!(error, AppendError::FolderFailed { .. }), "{error}");
    assert_eq!(visible(&partition), "");
}

#[test]
fn a_folder_may_be_named_relative_to_the_working_folder() {
    let folder = tempfile::tempdir_in(".").unwrap();
    let path = Path::new(folder.path().file_name().unwrap()).join("");
    let known = |_: &PartitionName| None;
    let config = DirectoryConfig { background: false, ..DirectoryConfig::default() };
    let disk = Arc::new(crate::log::disk::RealDisk);
    LogDirectory::open(disk, &path, config, Arc::new(|| 0), &known).unwrap().close().unwrap();
}

#[tokio::test]
async fn the_flusher_thread_commits_in_groups() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::new(1);
    let expected = house.expected();
    let clock: crate::log::Clock = Arc::new(|| 1_000_000);
    let open = || {
        let disk = Arc::new(crate::log::disk::RealDisk);
        let known = |_: &PartitionName| Some(expected.clone());
        LogDirectory::open(disk, folder.path(), DirectoryConfig::default(), clock.clone(), &known)
    };
    let directory = open().unwrap();
    assert!(matches!(open(), Err(DirectoryError::InUse(_))));
    let partition = house.partition(&directory);
    let mut waits = Vec::new();
    for at in 0..100 {
        waits.push(partition.append(batch(at, &["v"]), Origin::Client, None).unwrap().durability);
    }
    for wait in waits {
        wait.wait().await.unwrap();
    }
    assert_eq!(partition.progress().high_watermark, 100);
    directory.close().unwrap();
    drop((partition, directory));
    let directory = open().unwrap();
    assert_eq!(house.partition(&directory).progress().high_watermark, 100);
    directory.close().unwrap();
}
