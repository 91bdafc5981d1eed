//! Files damaged while nobody looked: found, named, repaired or cut.

use std::path::PathBuf;

use super::*;
use crate::log::fetch::EARLIEST;
use crate::partition::append::Origin;

fn file(name: &str) -> PathBuf {
    Path::new(FOLDER).join("orders-0").join(name)
}

/// Twelve batches of one record in one segment, closed cleanly.
fn settled(house: &House) -> usize {
    let directory = house.open();
    let partition = house.partition(&directory);
    for at in 0..12 {
        partition.append(batch(at * 10, &[&format!("value {at:02}")]), Origin::Client, None).unwrap();
    }
    directory.close().unwrap();
    batch(0, &["value 00"]).len()
}

#[test]
fn any_flipped_byte_of_an_index_changes_no_answer() {
    for (name, entry_bytes) in [("00000000000000000000.index", 8), ("00000000000000000000.timeindex", 12)] {
        let entries = {
            let house = House::new(1);
            settled(&house);
            crate::log::disk::Disk::read(&house.disk, &file(name)).unwrap().len() / entry_bytes
        };
        assert!(entries >= 2, "{name} has {entries} entries");
        for at in 0..entries * entry_bytes {
            let house = House::new(1);
            settled(&house);
            house.disk.edit(&file(name), |bytes| bytes[at] ^= 0x41);
            let directory = house.open();
            let partition = house.partition(&directory);
            for offset in 0..12 {
                let text = read_all(&partition, offset, 1, Isolation::ReadUncommitted);
                assert!(text.starts_with(&format!("{offset}:value {offset:02}")), "{name} byte {at}: {text}");
                let time = offset * 10;
                let found =
                    partition.offset_for_timestamp(time, Isolation::ReadUncommitted).unwrap().unwrap();
                assert_eq!((found.offset, found.timestamp), (offset, time), "{name} byte {at}");
            }
            assert_eq!(
                partition.append(batch(500, &["next"]), Origin::Client, None).unwrap().base_offset,
                12
            );
        }
    }
}

#[test]
fn a_missing_index_is_rebuilt() {
    let house = House::new(1);
    settled(&house);
    for name in ["00000000000000000000.index", "00000000000000000000.timeindex"] {
        crate::log::disk::Disk::remove_file(&house.disk, &file(name)).unwrap();
    }
    let directory = house.open();
    let partition = house.partition(&directory);
    let found = partition.offset_for_timestamp(70, Isolation::ReadUncommitted).unwrap().unwrap();
    assert_eq!(found.offset, 7);
    assert!(read_all(&partition, 9, 1, Isolation::ReadUncommitted).starts_with("9:value 09 10:"));
}

#[test]
fn after_an_unclean_stop_the_log_ends_before_the_first_bad_batch() {
    let size = settled(&House::new(1));
    for (position, left) in
        [(0, 0), (size * 5 + 16, 5), (size * 5 + 20, 5), (size * 7 - 1, 6), (size * 12 - 1, 11)]
    {
        let house = House::new(1);
        settled(&house);
        crate::log::disk::Disk::remove_file(&house.disk, &Path::new(FOLDER).join(".kafka_cleanshutdown"))
            .unwrap();
        house.disk.edit(&file("00000000000000000000.log"), |bytes| bytes[position] ^= 0x10);
        let directory = house.open();
        let partition = house.partition(&directory);
        assert_eq!(partition.log_end_offset(), left, "byte {position}");
        assert_eq!(visible(&partition).split_terminator(' ').count(), left as usize * 2);
        let appended = partition.append(batch(500, &["next"]), Origin::Client, None).unwrap();
        directory.flush_now();
        assert_eq!(appended.base_offset, left);
        assert!(visible(&partition).ends_with(&format!("{left}:next")));
    }
}

#[test]
fn a_torn_last_batch_is_cut_away() {
    let size = settled(&House::new(1));
    for torn in [1, 11, 60, 61, size - 1] {
        let house = House::new(1);
        settled(&house);
        crate::log::disk::Disk::remove_file(&house.disk, &Path::new(FOLDER).join(".kafka_cleanshutdown"))
            .unwrap();
        house.disk.edit(&file("00000000000000000000.log"), |bytes| {
            let batch = bytes[..torn].to_vec();
            bytes.extend_from_slice(&batch);
        });
        let directory = house.open();
        let partition = house.partition(&directory);
        assert_eq!(partition.log_end_offset(), 12, "{torn} bytes of a batch");
    }
}

#[test]
fn unreadable_checkpoints_cost_a_check_and_no_records() {
    for name in [
        "recovery-point-offset-checkpoint",
        "orders-0/leader-epoch-checkpoint",
        "orders-0/partition.metadata",
    ] {
        let house = House::new(1);
        settled(&house);
        house.disk.edit(&Path::new(FOLDER).join(name), |bytes| *bytes = b"nonsense\n".to_vec());
        let directory = house.open();
        let partition = house.partition(&directory);
        assert_eq!(partition.log_end_offset(), 12, "{name}");
        assert_eq!(partition.topic_id(), TOPIC_ID);
        let found = partition.offset_for_timestamp(EARLIEST, Isolation::ReadUncommitted).unwrap().unwrap();
        assert_eq!((found.offset, found.leader_epoch), (0, Some(0)));
    }
}

#[test]
fn a_folder_of_another_topic_is_set_aside() {
    let house = House::new(1);
    settled(&house);
    house.disk.edit(&file("partition.metadata"), |bytes| {
        *bytes = b"version: 0\ntopic_id: AAECAwQFBgcICQoLDA0O_w\n".to_vec();
    });
    let directory = house.open();
    assert!(directory.partitions().is_empty());
    assert_eq!(house.partition(&directory).log_end_offset(), 0);
    let names = house.disk.names(Path::new(FOLDER));
    let aside = "orders-0.000102030405060708090a0b0c0d0eff-stray/00000000000000000000.log";
    assert!(names.iter().any(|name| name == aside), "{names:?}");
}
