//! One transaction from its producer's start to its last marker, with the producers that stand in its way.

use super::*;

#[test]
fn a_commit_is_durable_before_its_markers_and_complete_after_the_last() {
    let mut scene = Scene::new();
    let producer = scene.init();
    assert_eq!(producer, Producer { id: 1_000, epoch: 0 });
    assert_eq!(scene.add(producer, &[0, 1]), Ok(()));
    assert_eq!(scene.state(), State::Ongoing);

    scene.hold = true;
    let request = scene.send_end(producer, Outcome::Commit, 0);
    assert!(scene.markers.is_empty(), "no marker before the decision is durable");
    assert!(scene.replies.is_empty());
    scene.hold = false;
    scene.flush(Ok(()));
    assert_eq!(scene.take_reply(request), Reply::End(Ok(producer)));
    assert_eq!(scene.state(), State::PrepareCommit);
    let markers = scene.markers[0].clone();
    assert_eq!(
        (markers.outcome, markers.coordinator_epoch, markers.producer),
        (Outcome::Commit, 5, producer)
    );

    let partition = TopicPartition::new("topic", 0);
    let effects = scene.coordinator.marker_written(scene.now_ms, "t", producer, &partition);
    scene.apply(effects);
    assert_eq!(scene.state(), State::PrepareCommit, "one of two markers");
    assert_eq!(scene.add(producer, &[0]), Err(AddPartitionsError::Concurrent));
    scene.write_markers();
    assert_eq!(scene.state(), State::CompleteCommit);
    assert_eq!(scene.end(producer, Outcome::Commit, 0), Ok(producer), "the answer may have been lost");
    assert_eq!(scene.end(producer, Outcome::Abort, 0), Err(EndError::InvalidState));
}

#[test]
fn a_failed_append_leaves_the_transaction_open() {
    let mut scene = Scene::new();
    let producer = scene.init();
    scene.add(producer, &[0]).expect("the transaction opens");
    scene.hold = true;
    let request = scene.send_end(producer, Outcome::Commit, 0);
    scene.hold = false;
    scene.flush(Err(AppendError::NotEnoughReplicas));
    let error = EndError::Append(AppendError::NotEnoughReplicas);
    assert_eq!(scene.take_reply(request), Reply::End(Err(error)));
    assert_eq!(scene.state(), State::Ongoing);
    assert!(scene.markers.is_empty());
    assert_eq!(scene.end(producer, Outcome::Abort, 0), Ok(producer), "it may still go either way");
}

#[test]
fn a_decision_survives_its_coordinator() {
    let mut scene = Scene::new();
    let producer = scene.init();
    scene.add(producer, &[0, 1]).expect("the transaction opens");
    scene.end(producer, Outcome::Commit, 0).expect("it is decided");
    scene.restart();
    assert_eq!(scene.markers[0].outcome, Outcome::Commit);
    assert_eq!(scene.markers[0].coordinator_epoch, 6);
    assert_eq!(scene.markers[0].partitions.len(), 2, "nobody remembers which markers were written");
    assert_eq!(scene.end(producer, Outcome::Abort, 0), Err(EndError::InvalidState));
    scene.write_markers();
    assert_eq!(scene.state(), State::CompleteCommit);
    scene.restart();
    assert_eq!(scene.state(), State::CompleteCommit);
    assert!(scene.markers.is_empty());
}

#[test]
fn markers_that_failed_are_tried_again() {
    let mut scene = Scene::new();
    let producer = scene.init();
    scene.add(producer, &[0, 1]).expect("the transaction opens");
    scene.end(producer, Outcome::Abort, 0).expect("it is decided");
    scene.markers.clear();
    let partition = |number| TopicPartition::new("topic", number);
    let effects = scene.coordinator.marker_failed(scene.now_ms, "t", producer, &partition(1));
    scene.apply(effects);
    let effects = scene.coordinator.marker_written(scene.now_ms, "t", producer, &partition(0));
    scene.apply(effects);
    scene.advance(100);
    assert_eq!(scene.markers[0].partitions, [partition(1)]);
    scene.write_markers();
    assert_eq!(scene.state(), State::CompleteAbort);
}

#[test]
fn the_next_transaction_does_not_wait_for_the_record_of_the_last_completion() {
    let mut scene = Scene::new();
    let producer = scene.init();
    scene.add(producer, &[0]).expect("the transaction opens");
    scene.end(producer, Outcome::Commit, 0).expect("it is decided");
    scene.hold = true;
    scene.write_markers();
    assert_eq!(scene.state(), State::CompleteCommit);
    let next = scene.send_add(producer, &[1]);
    assert_eq!(scene.held.len(), 2, "completion and opening go to the log one behind the other");
    scene.hold = false;
    scene.flush(Ok(()));
    assert_eq!(scene.take_reply(next), Reply::AddPartitions(Ok(())));
    assert_eq!(scene.state(), State::Ongoing);
    scene.restart();
    assert_eq!(scene.state(), State::Ongoing);
    assert!(scene.markers.is_empty());
}

#[test]
fn a_completion_that_was_not_stored_is_done_again_by_the_next_coordinator() {
    let mut scene = Scene::new();
    let producer = scene.init();
    scene.add(producer, &[0]).expect("the transaction opens");
    scene.end(producer, Outcome::Commit, 0).expect("it is decided");
    scene.hold = true;
    scene.write_markers();
    scene.hold = false;
    scene.flush(Err(AppendError::NotEnoughReplicas));
    assert_eq!(scene.state(), State::CompleteCommit);
    scene.restart();
    assert_eq!(scene.state(), State::PrepareCommit);
    scene.write_markers();
    assert_eq!(scene.state(), State::CompleteCommit);
    assert_eq!(scene.add(producer, &[0]), Ok(()));
}

#[test]
fn a_new_instance_aborts_the_old_transaction_and_fences_its_owner() {
    let mut scene = Scene::new();
    let old = scene.init();
    scene.add(old, &[0]).expect("the transaction opens");
    assert_eq!(scene.init_as(None), Err(InitProducerIdError::Concurrent), "first the abort");
    assert_eq!(scene.markers[0].outcome, Outcome::Abort);
    assert_eq!(scene.markers[0].producer.epoch, old.epoch + 1, "the marker fences the old instance");
    assert_eq!(scene.init_as(None), Err(InitProducerIdError::Concurrent), "markers are on their way");
    scene.write_markers();
    let new = scene.init();
    assert_eq!(new, Producer { id: old.id, epoch: old.epoch + 2 });
    assert_eq!(scene.add(old, &[0]), Err(AddPartitionsError::Fenced));
    assert_eq!(scene.end(old, Outcome::Commit, 0), Err(EndError::Fenced));
    assert_eq!(scene.init_as(Some(old)), Err(InitProducerIdError::Fenced));
}

#[test]
fn a_transaction_that_stays_open_too_long_is_aborted() {
    let mut scene = Scene::new();
    let producer = scene.init();
    scene.add(producer, &[0]).expect("the transaction opens");
    scene.advance(59_999);
    assert_eq!(scene.state(), State::Ongoing);
    scene.restart();
    scene.advance(1);
    assert_eq!(scene.state(), State::PrepareAbort, "the timeout runs across a restart");
    scene.write_markers();
    assert_eq!(scene.state(), State::CompleteAbort);
    assert_eq!(scene.end(producer, Outcome::Commit, 0), Err(EndError::Fenced), "too late");
}

#[test]
fn a_producer_bumps_its_own_epoch_and_may_repeat_the_request() {
    let mut scene = Scene::new();
    let first = scene.init();
    let second = scene.init_as(Some(first)).expect("its own epoch");
    assert_eq!(second.epoch, first.epoch + 1);
    assert_eq!(scene.init_as(Some(first)), Ok(second), "a repeated request gets the same answer");
    let third = scene.init();
    assert_eq!(third.epoch, second.epoch + 1);
    assert_eq!(scene.init_as(Some(second)), Err(InitProducerIdError::Fenced), "somebody else took over");
    let stranger = Producer { id: 5, epoch: 0 };
    assert_eq!(scene.init_as(Some(stranger)), Err(InitProducerIdError::Fenced));
}

#[test]
fn epochs_that_run_out_bring_a_new_producer_id() {
    let mut scene = Scene::new();
    let mut producer = scene.init();
    let first_id = producer.id;
    while producer.id == first_id {
        let next = scene.init_as(Some(producer)).expect("its own epoch");
        let grows = next.id == first_id && next.epoch == producer.epoch + 1;
        assert!(grows || (producer.epoch == i16::MAX - 1 && next.epoch == 0));
        if next.id != first_id {
            assert_eq!(scene.init_as(Some(producer)), Ok(next), "repeated across the change of ids");
        }
        producer = next;
    }
    assert_eq!(producer, Producer { id: first_id + 1, epoch: 0 });
}

#[test]
fn only_one_change_of_an_id_is_on_its_way() {
    let mut scene = Scene::new();
    let producer = scene.init();
    scene.hold = true;
    let first = scene.send_add(producer, &[0]);
    let second = scene.send_add(producer, &[1]);
    assert_eq!(scene.take_reply(second), Reply::AddPartitions(Err(AddPartitionsError::Concurrent)));
    let end = scene.send_end(producer, Outcome::Commit, 0);
    assert_eq!(scene.take_reply(end), Reply::End(Err(EndError::Concurrent)));
    scene.hold = false;
    scene.flush(Ok(()));
    assert_eq!(scene.take_reply(first), Reply::AddPartitions(Ok(())));
}

#[test]
fn a_partition_is_verified_only_inside_its_open_transaction() {
    let mut scene = Scene::new();
    let producer = scene.init();
    let partitions = [TopicPartition::new("topic", 0), TopicPartition::new("topic", 1)];
    let verify = |scene: &Scene, producer| {
        let results = scene.coordinator.verify_partitions("t", producer, &partitions)?;
        Ok(results.into_iter().map(|(_, result)| result.is_ok()).collect::<Vec<_>>())
    };
    assert_eq!(verify(&scene, producer), Ok(vec![false, false]));
    scene.add(producer, &[0]).expect("the transaction opens");
    assert_eq!(verify(&scene, producer), Ok(vec![true, false]));
    let zombie = Producer { epoch: producer.epoch - 1, ..producer };
    assert_eq!(verify(&scene, zombie), Err(VerifyError::Fenced));

    scene.hold = true;
    scene.send_end(producer, Outcome::Commit, 0);
    assert_eq!(verify(&scene, producer), Err(VerifyError::Concurrent), "its end is on the way");
    scene.hold = false;
    scene.flush(Ok(()));
    assert_eq!(verify(&scene, producer), Err(VerifyError::Concurrent));
    scene.write_markers();
    assert_eq!(verify(&scene, producer), Ok(vec![false, false]), "a late record would belong to nothing");
    let unknown = scene.coordinator.verify_partitions("other", producer, &partitions);
    assert_eq!(unknown, Err(VerifyError::UnknownProducer));
}

#[test]
fn reports_of_an_earlier_transaction_complete_nothing() {
    let mut scene = Scene::new();
    let old = scene.init();
    scene.add(old, &[0]).expect("the transaction opens");
    scene.end(old, Outcome::Commit, 0).expect("it is decided");
    scene.write_markers();
    let new = scene.init();
    scene.add(new, &[0]).expect("the transaction opens");
    scene.end(new, Outcome::Commit, 0).expect("it is decided");
    let effects = scene.coordinator.marker_written(scene.now_ms, "t", old, &TopicPartition::new("topic", 0));
    scene.apply(effects);
    assert_eq!(scene.state(), State::PrepareCommit);
}

#[test]
fn unused_ids_are_forgotten_and_used_ones_kept() {
    let mut scene = Scene::new();
    let producer = scene.init();
    scene.now_ms += 7 * 24 * 60 * 60 * 1_000 - 1;
    let effects = scene.coordinator.expire_ids(scene.now_ms);
    scene.apply(effects);
    assert_eq!(scene.state(), State::Empty);
    scene.now_ms += 1;
    let effects = scene.coordinator.expire_ids(scene.now_ms);
    scene.apply(effects);
    assert_eq!(scene.state(), State::Dead);
    assert_eq!(scene.add(producer, &[0]), Err(AddPartitionsError::UnknownProducer));
    scene.restart();
    assert_eq!(scene.state(), State::Dead, "the tombstone is in the log");
}

#[test]
fn bad_requests_are_refused_by_name() {
    let mut scene = Scene::new();
    for (id, timeout_ms, expected) in [
        ("", 60_000, InitProducerIdError::InvalidId),
        ("t", 0, InitProducerIdError::InvalidTimeout),
        ("t", 900_001, InitProducerIdError::InvalidTimeout),
    ] {
        let request = scene.next_request();
        let init = InitProducerId { transactional_id: id.into(), timeout_ms, producer: None };
        let effects = scene.coordinator.init_producer_id(scene.now_ms, request, &init, &mut scene.ids);
        scene.apply(effects);
        assert_eq!(scene.take_reply(request), Reply::InitProducerId(Err(expected)));
    }
    let stranger = Producer { id: 1, epoch: 0 };
    assert_eq!(scene.add(stranger, &[0]), Err(AddPartitionsError::UnknownProducer));
    assert_eq!(scene.end(stranger, Outcome::Commit, 0), Err(EndError::UnknownProducer));
    let producer = scene.init();
    assert_eq!(scene.end(producer, Outcome::Commit, 0), Err(EndError::InvalidState), "nothing is open");
    scene.ids = ProducerIds::default();
    let request = scene.next_request();
    let init = InitProducerId { transactional_id: "u".into(), timeout_ms: 1, producer: None };
    let effects = scene.coordinator.init_producer_id(scene.now_ms, request, &init, &mut scene.ids);
    scene.apply(effects);
    assert_eq!(scene.take_reply(request), Reply::InitProducerId(Err(InitProducerIdError::NoProducerId)));
}

#[test]
fn list_and_describe_show_what_the_log_holds() {
    let mut scene = Scene::new();
    let producer = scene.init();
    scene.add(producer, &[3]).expect("the transaction opens");
    let listed: Vec<_> = scene.coordinator.list(scene.now_ms + 40).collect();
    assert_eq!(listed[0].transactional_id, "t");
    assert_eq!((listed[0].state.name(), listed[0].open_ms), ("Ongoing", Some(40)));
    let described = scene.coordinator.describe("t").expect("the id is known");
    assert_eq!(described.partitions.iter().next(), Some(&TopicPartition::new("topic", 3)));
    assert!(scene.coordinator.is_open("t", producer, &TopicPartition::new("topic", 3)));
    assert!(!scene.coordinator.is_open("t", producer, &TopicPartition::new("topic", 4)));
}
