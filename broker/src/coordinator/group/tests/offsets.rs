//! Committing, reading, expiring and deleting offsets; offsets inside transactions.

use millstream_protocol::Uuid;

use super::*;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const PRODUCER: Producer = Producer { id: 7, epoch: 0 };

impl Scene {
    fn commit_in_transaction(&mut self, commit: Commit) -> u64 {
        let request = self.next_request();
        let transactional = TransactionalCommit { producer: PRODUCER, commit };
        let effects = self.coordinator.commit_in_transaction(self.now_ms, request, transactional);
        self.apply(effects);
        request.0
    }

    fn stable_offset(&self, topic: &str) -> Result<Option<i64>, FetchOffsetError> {
        let partition = [TopicPartition::new(topic, 0)];
        let fetched = self.coordinator.fetch_offsets("g", Some(&partition), true);
        fetched[0].1.clone().map(|committed| committed.map(|committed| committed.offset))
    }

    fn expire(&mut self) {
        let effects = self.coordinator.expire_offsets(self.now_ms);
        self.apply(effects);
    }

    fn delete_group(&mut self) -> Result<(), DeleteGroupError> {
        let request = self.next_request();
        let effects = self.coordinator.delete_group(request, "g");
        self.apply(effects);
        match self.replies.get(&request.0) {
            Some(Reply::DeleteGroup(result)) => *result,
            other => panic!("expected a deletion, found {other:?}"),
        }
    }

    fn delete_offset(&mut self, topic: &str) -> Result<(), DeleteOffsetError> {
        let request = self.next_request();
        let effects = self.coordinator.delete_offsets(request, "g", &[TopicPartition::new(topic, 0)]);
        self.apply(effects);
        match self.replies.get(&request.0) {
            Some(Reply::DeleteOffsets(Ok(results))) => results[0].1,
            Some(Reply::DeleteOffsets(Err(error))) => Err(*error),
            other => panic!("expected a deletion, found {other:?}"),
        }
    }
}

#[test]
fn a_commit_is_answered_and_visible_once_durable_and_survives_a_restart() {
    let mut scene = Scene::new();
    scene.hold = true;
    let request = scene.commit(commit(None, "t", 42));
    assert_eq!(scene.replies.len(), 0);
    assert_eq!(scene.offset("t"), None);
    scene.flush(Ok(()));
    assert_eq!(scene.committed(request), Ok(()));
    scene.restart();
    assert_eq!(scene.offset("t"), Some(42));
}

#[test]
fn a_failed_append_commits_nothing() {
    let mut scene = Scene::new();
    scene.hold = true;
    let request = scene.commit(commit(None, "t", 42));
    scene.flush(Err(AppendError::Storage));
    assert_eq!(scene.committed(request), Err(CommitError::Append(AppendError::Storage)));
    assert_eq!(scene.offset("t"), None);
}

#[test]
fn only_members_of_the_current_generation_commit() {
    let mut scene = Scene::new();
    let (a, b) = scene.stable_pair();
    let outside = scene.commit(commit(None, "t", 1));
    assert_eq!(scene.committed(outside), Err(CommitError::UnknownMember));
    let inside = scene.commit(commit(Some(&a), "t", 2));
    assert_eq!(scene.committed(inside), Ok(()));

    let a_again = scene.join(rejoin(&a));
    let preparing = scene.commit(commit(Some(&b), "t", 3));
    assert_eq!(scene.committed(preparing), Ok(()), "the old generation holds until everyone rejoined");
    let b_again = scene.join(rejoin(&b));
    let old = scene.commit(commit(Some(&a), "t", 4));
    assert_eq!(scene.committed(old), Err(CommitError::IllegalGeneration));
    let new = scene.joined(a_again).clone();
    let early = scene.commit(commit(Some(&new), "t", 5));
    assert_eq!(scene.committed(early), Err(CommitError::Rebalance), "no assignment yet");
    assert_eq!(scene.joined(b_again).generation, new.generation);
    assert_eq!(scene.offset("t"), Some(3));
}

#[test]
fn a_generation_of_a_group_that_is_gone_can_not_commit() {
    let mut scene = Scene::new();
    let request = scene.commit(Commit { generation: 3, member_id: "a".into(), ..commit(None, "t", 1) });
    assert_eq!(scene.committed(request), Err(CommitError::IllegalGeneration));
}

#[test]
fn long_metadata_is_refused_alone() {
    let mut scene = Scene::new();
    let mut both = commit(None, "t", 1);
    both.items.push(CommitItem { metadata: "x".repeat(4_097), ..both.items[0].clone() });
    both.items[1].partition.partition = 1;
    let request = scene.commit(both);
    let Some(Reply::Commit(results)) = scene.replies.get(&request) else { panic!("expected a commit") };
    assert_eq!(results[0].1, Ok(()));
    assert_eq!(results[1].1, Err(CommitError::MetadataTooLarge));
}

#[test]
fn transactional_offsets_wait_for_the_marker() {
    let mut scene = Scene::new();
    scene.commit(commit(None, "t", 1));
    scene.commit_in_transaction(commit(None, "t", 2));
    assert_eq!(scene.offset("t"), Some(1));
    assert_eq!(scene.stable_offset("t"), Err(FetchOffsetError::Unstable));
    scene.restart();
    assert_eq!(scene.stable_offset("t"), Err(FetchOffsetError::Unstable), "pending across a restart");
    scene.marker(PRODUCER.id, Outcome::Commit);
    assert_eq!(scene.stable_offset("t"), Ok(Some(2)));

    scene.commit_in_transaction(commit(None, "t", 3));
    scene.marker(PRODUCER.id, Outcome::Abort);
    assert_eq!(scene.stable_offset("t"), Ok(Some(2)));
    scene.restart();
    assert_eq!(scene.stable_offset("t"), Ok(Some(2)));
}

#[test]
fn of_a_transactional_and_a_plain_offset_the_later_record_holds() {
    let mut scene = Scene::new();
    scene.commit_in_transaction(commit(None, "t", 2));
    scene.commit(commit(None, "t", 9));
    scene.marker(PRODUCER.id, Outcome::Commit);
    assert_eq!(scene.offset("t"), Some(9));
    scene.restart();
    assert_eq!(scene.offset("t"), Some(9));
}

#[test]
fn an_unstable_offset_is_unstable_from_the_moment_it_is_sent_to_the_log() {
    let mut scene = Scene::new();
    scene.hold = true;
    scene.commit_in_transaction(commit(None, "t", 2));
    assert_eq!(scene.stable_offset("t"), Err(FetchOffsetError::Unstable));
    scene.flush(Err(AppendError::NotEnoughReplicas));
    assert_eq!(scene.stable_offset("t"), Ok(None));
}

#[test]
fn transactional_commits_are_fenced_by_member_and_generation() {
    let mut scene = Scene::new();
    let (a, b) = scene.stable_pair();
    let valid = scene.commit_in_transaction(commit(Some(&a), "t", 1));
    assert_eq!(scene.committed(valid), Ok(()));
    scene.join(rejoin(&a));
    scene.join(rejoin(&b));
    let zombie = scene.commit_in_transaction(commit(Some(&a), "t", 2));
    assert_eq!(scene.committed(zombie), Err(CommitError::IllegalGeneration));
    let old_client = scene.commit_in_transaction(commit(None, "t", 3));
    assert_eq!(scene.committed(old_client), Ok(()), "old versions name no member");
}

#[test]
fn offsets_of_an_empty_group_expire_after_their_retention_and_the_group_with_them() {
    let mut scene = Scene::new();
    let (a, b) = scene.stable_pair();
    scene.commit(commit(Some(&a), "t", 1));
    scene.now_ms += 1;
    scene.leave(&a.member_id, None).expect("a is a member");
    scene.leave(&b.member_id, None).expect("b is a member");
    scene.now_ms += 7 * DAY_MS - 1;
    scene.expire();
    assert_eq!(scene.offset("t"), Some(1));
    scene.now_ms += 1;
    scene.expire();
    assert_eq!(scene.offset("t"), None);
    assert_eq!(scene.state(), State::Dead);
    scene.restart();
    assert_eq!(scene.state(), State::Dead, "tombstones are in the log");
}

#[test]
fn a_running_group_loses_only_offsets_of_topics_it_left() {
    let mut scene = Scene::new();
    let (a, b) = scene.stable_pair();
    scene.commit(commit(Some(&a), "t", 1));
    scene.commit(commit(Some(&a), "old", 1));
    for _ in 0..(8 * DAY_MS / 300_000) {
        scene.advance(5_000);
        scene.now_ms += 295_000;
        scene.heartbeat(&a).expect("its session runs while the clock is not ticked");
        scene.heartbeat(&b).expect("its session runs while the clock is not ticked");
    }
    scene.expire();
    assert_eq!((scene.offset("t"), scene.offset("old")), (Some(1), None));
}

#[test]
fn pending_offsets_and_those_of_own_retention_expire_by_their_own_rule() {
    let mut scene = Scene::new();
    let mut short = commit(None, "short", 1);
    short.items[0].retention_ms = Some(1_000);
    scene.commit(short);
    scene.commit(commit(None, "t", 1));
    scene.commit_in_transaction(commit(None, "t", 2));
    scene.restart();
    scene.now_ms += 1_000;
    scene.expire();
    assert_eq!((scene.offset("short"), scene.offset("t")), (None, Some(1)));
    scene.now_ms += 8 * DAY_MS;
    scene.expire();
    assert_eq!(scene.offset("t"), Some(1), "a transaction may still decide about it");
}

#[test]
fn only_empty_groups_are_deleted() {
    let mut scene = Scene::new();
    assert_eq!(scene.delete_group(), Err(DeleteGroupError::NotFound));
    let (a, b) = scene.stable_pair();
    scene.commit(commit(Some(&a), "t", 1));
    assert_eq!(scene.delete_group(), Err(DeleteGroupError::NotEmpty));
    scene.leave(&a.member_id, None).expect("a is a member");
    scene.leave(&b.member_id, None).expect("b is a member");
    assert_eq!(scene.delete_group(), Ok(()));
    assert_eq!((scene.state(), scene.offset("t")), (State::Dead, None));
    scene.restart();
    assert_eq!((scene.state(), scene.offset("t")), (State::Dead, None));
}

#[test]
fn offsets_of_subscribed_topics_are_not_deleted() {
    let mut scene = Scene::new();
    assert_eq!(scene.delete_offset("t"), Err(DeleteOffsetError::NotFound));
    let (a, _) = scene.stable_pair();
    scene.commit(commit(Some(&a), "t", 1));
    scene.commit(commit(Some(&a), "other", 1));
    assert_eq!(scene.delete_offset("t"), Err(DeleteOffsetError::Subscribed));
    assert_eq!(scene.delete_offset("other"), Ok(()));
    assert_eq!((scene.offset("t"), scene.offset("other")), (Some(1), None));
}

#[test]
fn a_deleted_topic_takes_its_offsets_along() {
    let mut scene = Scene::new();
    scene.commit(commit(None, "t", 1));
    scene.commit(commit(None, "u", 1));
    let effects = scene.coordinator.topic_deleted("t", Uuid::ZERO);
    scene.apply(effects);
    assert_eq!((scene.offset("t"), scene.offset("u")), (None, Some(1)));
    scene.restart();
    assert_eq!((scene.offset("t"), scene.offset("u")), (None, Some(1)));
}

#[test]
fn a_later_topic_of_the_same_name_keeps_its_own_offsets() {
    let mut scene = Scene::new();
    let [old, new] = [1, 2].map(|first| Uuid::from_bytes([first; 16]));
    let of_topic = |topic_id: Uuid, offset: i64| {
        let mut commit = commit(None, "t", offset);
        commit.items[0].topic_id = topic_id;
        commit
    };
    scene.commit(of_topic(old, 1));
    scene.commit(of_topic(new, 2));
    let effects = scene.coordinator.topic_deleted("t", old);
    assert!(effects.is_empty());
    // One that is on its way is not overtaken by a tombstone; who reads it compares the topic's id.
    scene.hold = true;
    scene.commit(of_topic(new, 3));
    let effects = scene.coordinator.topic_deleted("t", new);
    assert!(effects.is_empty());
    scene.hold = false;
    scene.apply(effects);
    scene.restart();
    assert_eq!(scene.offset("t"), Some(3));
}

#[test]
fn records_of_unknown_types_are_named() {
    let mut scene = Scene::new();
    let key = Bytes::from_static(&[0, 9, 0]);
    let error = scene.coordinator.replay(0, None, key, None).expect_err("type 9 is unknown");
    assert_eq!(
        error.to_string(),
        "record of an internal topic has a key of the unknown type 9; a newer broker may have written it"
    );
    let key = Bytes::from_static(&[0]);
    scene.coordinator.replay(0, None, key, None).expect_err("a key has two bytes at least");
}
