//! KIP-890's second part: each end bumps the epoch, so a late request can't hit the next transaction.

use super::*;

const LAST_EPOCH: i16 = i16::MAX - 1;

#[test]
fn each_end_bumps_the_epoch_and_may_be_repeated() {
    let mut scene = Scene::new();
    let first = scene.init();
    scene.add(first, &[0]).expect("the transaction opens");
    let second = scene.end(first, Outcome::Commit, 2).expect("it is decided");
    assert_eq!(second, Producer { id: first.id, epoch: first.epoch + 1 });
    assert_eq!(scene.markers[0].producer, second, "the marker carries the new epoch");
    assert_eq!(scene.markers[0].transaction_version, 2);
    assert_eq!(
        scene.end(first, Outcome::Commit, 2),
        Err(EndError::Concurrent),
        "repeated while markers go out"
    );
    assert_eq!(
        scene.end(second, Outcome::Abort, 2),
        Err(EndError::Concurrent),
        "the producer goes on, too early"
    );
    scene.write_markers();
    assert_eq!(scene.add(first, &[0]), Err(AddPartitionsError::Fenced));
    assert_eq!(scene.end(first, Outcome::Commit, 2), Ok(second), "repeated after the end");
    assert_eq!(scene.end(first, Outcome::Abort, 2), Err(EndError::InvalidState));

    scene.add(second, &[0]).expect("the next transaction opens");
    assert_eq!(scene.end(first, Outcome::Commit, 2), Err(EndError::Fenced), "a late repetition ends nothing");
}

#[test]
fn an_abort_without_a_transaction_bumps_the_epoch_without_markers() {
    let mut scene = Scene::new();
    let first = scene.init();
    assert_eq!(scene.end(first, Outcome::Commit, 2), Err(EndError::InvalidState));
    let second = scene.end(first, Outcome::Abort, 2).expect("an abort is always possible");
    assert_eq!(second.epoch, first.epoch + 1);
    assert!(scene.markers.is_empty());
    assert_eq!(scene.state(), State::CompleteAbort);
    assert_eq!(scene.end(first, Outcome::Abort, 2), Ok(second), "repeated");
    let third = scene.end(second, Outcome::Abort, 2).expect("and again as a new request");
    assert_eq!(third.epoch, second.epoch + 1);
}

#[test]
fn the_last_epoch_leads_to_a_new_producer_id() {
    let mut scene = Scene::new();
    let mut producer = scene.init();
    while producer.epoch < LAST_EPOCH {
        producer = scene.init_as(Some(producer)).expect("its own epoch");
    }
    scene.add(producer, &[0]).expect("the transaction opens");
    let next = scene.end(producer, Outcome::Commit, 2).expect("it is decided");
    assert_eq!(next, Producer { id: producer.id + 1, epoch: 0 });
    assert_eq!(scene.markers[0].producer, Producer { id: producer.id, epoch: i16::MAX });
    scene.restart();
    assert_eq!(scene.add(next, &[0]), Err(AddPartitionsError::Concurrent), "not before completion");
    assert_eq!(scene.end(next, Outcome::Abort, 2), Err(EndError::Concurrent));
    scene.write_markers();
    assert_eq!(scene.end(producer, Outcome::Commit, 2), Ok(next), "repeated across the change of ids");
    assert_eq!(scene.add(next, &[0]), Ok(()));
    assert_eq!(scene.end(producer, Outcome::Commit, 2), Err(EndError::Fenced));
}

#[test]
fn a_timed_out_producer_is_fenced_by_one_epoch() {
    let mut scene = Scene::new();
    let first = scene.init();
    scene.add(first, &[0]).expect("the transaction opens");
    scene.advance(60_000);
    scene.write_markers();
    let fenced = Producer { epoch: first.epoch + 1, ..first };
    assert_eq!(scene.coordinator.describe("t").map(|metadata| metadata.producer()), Some(fenced));
    assert_eq!(scene.end(first, Outcome::Commit, 2), Err(EndError::InvalidState), "it was aborted");
    assert_eq!(scene.init_as(Some(first)), Err(InitProducerIdError::Fenced));
}
