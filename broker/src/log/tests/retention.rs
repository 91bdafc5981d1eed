//! What goes by time, by size, by DeleteRecords, and with a deleted partition.

use super::*;
use crate::log::DeleteRecordsError;
use crate::partition::append::Origin;

/// One batch per segment, ten segments, a second apart.
fn ten_segments(house: &mut House) -> (LogDirectory, Arc<Partition>) {
    house.config.segment_bytes = 120;
    house.config.file_delete_delay_ms = 1000;
    let directory = house.open();
    let partition = house.partition(&directory);
    for at in 0..10 {
        partition
            .append(batch(1_000_000 + at * 1000, &[&format!("value {at}")]), Origin::Client, None)
            .unwrap();
    }
    directory.flush_now();
    (directory, partition)
}

fn logs(house: &House) -> usize {
    house.disk.names(Path::new(FOLDER)).iter().filter(|name| name.ends_with(".log")).count()
}

#[test]
fn old_segments_go_and_their_files_follow_later() {
    let mut house = House::new(1);
    house.config.retention_ms = Some(5000);
    let (directory, partition) = ten_segments(&mut house);
    house.pass_ms(8000);
    directory.keep_now();
    assert_eq!(partition.progress().log_start_offset, 3);
    assert!(visible(&partition).starts_with("3:value 3"));
    let renamed = |house: &House| {
        house.disk.names(Path::new(FOLDER)).iter().filter(|name| name.ends_with(".deleted")).count()
    };
    assert!(renamed(&house) >= 3);
    house.pass_ms(1000);
    directory.keep_now();
    assert_eq!((renamed(&house), logs(&house)), (3, 6));

    house.pass_ms(100_000);
    directory.keep_now();
    assert_eq!(partition.progress().log_start_offset, 10);
    assert_eq!(partition.append(batch(1_200_000, &["next"]), Origin::Client, None).unwrap().base_offset, 10);
    directory.flush_now();
    drop(directory);
    house.disk.crash();
    let directory = house.open();
    let partition = house.partition(&directory);
    assert_eq!(visible(&partition), "10:next");
}

#[test]
fn size_is_kept_below_its_limit_and_undecided_records_stay() {
    let mut house = House::new(1);
    house.config.retention_bytes = Some(300);
    let (directory, partition) = ten_segments(&mut house);
    directory.keep_now();
    assert!(partition.size_bytes() >= 300 && partition.size_bytes() < 400);
    assert!(visible(&partition).ends_with("9:value 9"));
    let start = partition.progress().log_start_offset;
    for at in 10..20 {
        partition.append(batch(1_100_000 + at, &["later"]), Origin::Client, None).unwrap();
    }
    directory.keep_now();
    assert!(partition.progress().log_start_offset <= 10 && partition.progress().log_start_offset >= start);
}

#[test]
fn deleted_records_stay_deleted() {
    let mut house = House::new(1);
    let (directory, partition) = ten_segments(&mut house);
    assert!(matches!(
        partition.delete_records(11),
        Err(DeleteRecordsError::OffsetOutOfRange { offset: 11, high_watermark: 10 })
    ));
    assert_eq!(partition.delete_records(4).unwrap(), 4);
    assert_eq!(partition.delete_records(2).unwrap(), 4);
    drop(directory);
    house.disk.crash();
    let directory = house.open();
    let partition = house.partition(&directory);
    assert!(visible(&partition).starts_with("4:value 4"));
    assert_eq!(partition.delete_records(-1).unwrap(), 10);
    directory.keep_now();
    assert_eq!(logs(&house), 1);
    directory.close().unwrap();
    drop((partition, directory));
    let directory = house.open();
    assert_eq!(house.partition(&directory).progress().log_start_offset, 10);
}

#[test]
fn a_deleted_partition_leaves_nothing() {
    let mut house = House::new(1);
    let (directory, partition) = ten_segments(&mut house);
    let name = partition.name().clone();
    directory.delete(&name).unwrap();
    assert!(partition.append(batch(50, &["a"]), Origin::Client, None).is_err());
    assert!(partition.read(0, 100, true, Isolation::ReadUncommitted).is_err());
    assert!(matches!(directory.delete(&name), Err(DirectoryError::Missing(_))));
    assert_eq!(house.partition(&directory).log_end_offset(), 0);
    directory.keep_now();
    assert_eq!(logs(&house), 1);
}

#[test]
fn idle_partitions_are_left_alone_by_a_clean_restart() {
    let house = House::new(1);
    let directory = house.open();
    for at in 0..50 {
        directory.create(PartitionName::new("idle", at), &house.expected()).unwrap();
    }
    directory.close().unwrap();
    drop(directory);
    let directory = house.open();
    assert_eq!(directory.partitions().len(), 50);
    directory.keep_now();
    directory.close().unwrap();
}
