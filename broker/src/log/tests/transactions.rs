//! Idempotent producers and transactions through the log, across restarts.

use super::*;
use crate::log::{AppendError, Appended};
use crate::partition::append::{AppendRefusal, Origin};
use crate::partition::batch::Marker;

fn producer(id: i64, epoch: i16, base_sequence: i32) -> Producer {
    Producer { id, epoch, base_sequence }
}

fn append(partition: &Arc<Partition>, from: Producer, values: &[&str]) -> Result<Appended, AppendError> {
    partition.append(batch_of(from, false, 50, values), Origin::Client, None)
}

fn append_in_transaction(partition: &Arc<Partition>, from: Producer, value: &str) -> i64 {
    partition.append(batch_of(from, true, 50, &[value]), Origin::Client, None).unwrap().base_offset
}

fn end(partition: &Arc<Partition>, id: i64, committed: bool) -> Result<Appended, AppendError> {
    partition.append_marker(id, 0, Marker { committed, coordinator_epoch: 3 })
}

#[test]
fn a_retry_gets_its_first_answer_even_after_restarts() {
    let house = House::new(1);
    let mut directory = house.open();
    let mut partition = house.partition(&directory);
    for sequence in 0..7 {
        append(&partition, producer(1, 0, sequence * 2), &["a", "b"]).unwrap();
    }
    directory.flush_now();
    for stop in ["none", "clean", "crash", "clean"] {
        match stop {
            "clean" => directory.close().unwrap(),
            "crash" => house.disk.crash(),
            _ => {}
        }
        if stop != "none" {
            drop((partition, directory));
            directory = house.open();
            partition = house.partition(&directory);
        }
        for sequence in 2..7 {
            let again = append(&partition, producer(1, 0, sequence * 2), &["a", "b"]).unwrap();
            assert!(again.duplicate, "sequence {sequence} after {stop}");
            assert_eq!((again.base_offset, again.log_append_time_ms), (i64::from(sequence) * 2, 51));
            assert!(again.durability.is_reached());
        }
        let error = append(&partition, producer(1, 0, 2), &["a", "b"]).unwrap_err();
        assert!(
            error.to_string().ends_with("append for producer 1: sequence 2 where 14 is expected"),
            "{error}"
        );
    }
    assert_eq!(partition.log_end_offset(), 14);
}

#[test]
fn read_committed_stops_at_open_transactions_and_learns_of_aborted_ones() {
    let house = House::new(1);
    let mut directory = house.open();
    let mut partition = house.partition(&directory);
    let committed = |partition: &Partition| read_all(partition, 0, 1, Isolation::ReadCommitted);
    append(&partition, Producer::NONE, &["plain"]).unwrap();
    assert_eq!(append_in_transaction(&partition, producer(1, 0, 0), "one"), 1);
    assert_eq!(append_in_transaction(&partition, producer(2, 0, 0), "two"), 2);
    assert_eq!(end(&partition, 2, false).unwrap().base_offset, 3);
    directory.flush_now();
    assert_eq!(committed(&partition), "0:plain");
    assert_eq!(end(&partition, 1, false).unwrap().base_offset, 4);
    assert_eq!(committed(&partition), "0:plain", "the marker is not durable yet");
    directory.flush_now();
    assert_eq!(append_in_transaction(&partition, producer(3, 0, 0), "three"), 5);
    directory.flush_now();
    for stop in ["none", "clean", "crash"] {
        match stop {
            "clean" => directory.close().unwrap(),
            "crash" => house.disk.crash(),
            _ => {}
        }
        if stop != "none" {
            drop((partition, directory));
            directory = house.open();
            partition = house.partition(&directory);
        }
        assert_eq!(committed(&partition), "0:plain 1:one 2:two 3:marker 4:marker", "after {stop}");
        assert_eq!(partition.progress().last_stable_offset, 5);
        let fetched = partition.read(0, 1 << 20, true, Isolation::ReadCommitted).unwrap();
        let aborted: Vec<_> =
            fetched.aborted.iter().map(|aborted| (aborted.producer_id, aborted.first_offset)).collect();
        assert_eq!(aborted, [(1, 1), (2, 2)], "sorted by first offset after {stop}");
        assert!(partition.begin_verification(3, 0).is_none(), "its transaction is open");
    }
    end(&partition, 3, true).unwrap();
    directory.flush_now();
    assert!(committed(&partition).ends_with("5:three 6:marker"));
}

#[test]
fn a_first_append_brings_the_guard_that_its_verification_gave() {
    let house = House::new(1);
    let directory = house.open();
    let partition = house.partition(&directory);
    let batch = batch_of(producer(1, 0, 0), true, 50, &["a"]);
    let refused = |guard| {
        let error = partition.append(batch.clone(), Origin::Client, Some(guard)).unwrap_err();
        let wanted = AppendRefusal::InvalidTransactionState { producer_id: 1 };
        assert!(matches!(error, AppendError::Refused { refusal, .. } if refusal == wanted));
    };
    refused(1);
    let stale = partition.begin_verification(1, 0).unwrap();
    end(&partition, 1, false).unwrap();
    refused(stale);
    let guard = partition.begin_verification(1, 0).unwrap();
    partition.append(batch.clone(), Origin::Client, Some(guard)).unwrap();
    assert!(partition.begin_verification(1, 0).is_none());
    // The next transaction (KIP-890 bumps the epoch at each end) is another one, though this one's marker is not here.
    assert!(partition.begin_verification(1, 1).is_some());
}

#[test]
fn markers_fence_old_coordinators_and_old_producers() {
    let house = House::new(1);
    let directory = house.open();
    let partition = house.partition(&directory);
    append_in_transaction(&partition, producer(1, 4, 0), "a");
    let marker = Marker { committed: true, coordinator_epoch: 3 };
    let refusal = |result: Result<Appended, AppendError>| match result.unwrap_err() {
        AppendError::Refused { refusal, .. } => refusal,
        other => panic!("{other}"),
    };
    let old_producer = refusal(partition.append_marker(1, 3, marker));
    assert_eq!(old_producer, AppendRefusal::InvalidProducerEpoch { producer_id: 1, current: 4, found: 3 });
    partition.append_marker(1, 5, marker).unwrap();
    let old_coordinator = refusal(partition.append_marker(1, 5, Marker { coordinator_epoch: 2, ..marker }));
    assert_eq!(old_coordinator, AppendRefusal::CoordinatorFenced { producer_id: 1, current: 3, found: 2 });
    let zombie = refusal(append(&partition, producer(1, 4, 1), &["b"]));
    assert_eq!(zombie, AppendRefusal::InvalidProducerEpoch { producer_id: 1, current: 5, found: 4 });
    let client_marker = partition.append(
        millstream_protocol::record_batch::control_batch(
            millstream_protocol::record_batch::ControlMarker::Commit,
            1,
            5,
            3,
            50,
        )
        .unwrap(),
        Origin::Client,
        None,
    );
    assert_eq!(
        refusal(client_marker),
        AppendRefusal::InvalidRecord { reason: "clients may not write control records" }
    );
}
