//! Scenarios of next-generation groups.

use std::collections::BTreeSet;
use std::sync::Arc;

use millstream_protocol::Uuid;

use super::*;

/// Topics `t` and `u`, with so many partitions.
#[derive(Debug)]
struct Fixed(u64, i32, i32);

const T: Uuid = Uuid::from_bytes([1; 16]);
const U: Uuid = Uuid::from_bytes([2; 16]);

impl Topics for Fixed {
    fn version(&self) -> u64 {
        self.0
    }

    fn find(&self, name: &str) -> Option<Topic> {
        let (id, partition_count) = match name {
            "t" => (T, self.1),
            "u" => (U, self.2),
            _ => return None,
        };
        (partition_count > 0).then_some(Topic { id, partition_count })
    }

    fn name(&self, id: Uuid) -> Option<String> {
        [(T, "t"), (U, "u")].iter().find(|(known, _)| *known == id).map(|(_, name)| (*name).to_owned())
    }

    fn for_each_name(&self, visit: &mut dyn FnMut(&str)) {
        ["t", "u"].into_iter().filter(|name| self.find(name).is_some()).for_each(visit);
    }
}

type Answer = Result<ConsumerHeartbeatAnswer, ConsumerHeartbeatError>;

impl Scene {
    fn next_generation() -> Scene {
        let mut scene = Scene::new();
        scene.coordinator.know_topics(Arc::new(Fixed(1, 4, 0)));
        scene
    }

    fn send(&mut self, heartbeat: ConsumerHeartbeat) -> u64 {
        let request = self.next_request();
        let effects = self.coordinator.consumer_heartbeat(self.now_ms, request, heartbeat);
        self.apply(effects);
        request.0
    }

    fn answer(&self, request: u64) -> Answer {
        match self.replies.get(&request) {
            Some(Reply::ConsumerHeartbeat(answer)) => answer.clone(),
            other => panic!("expected an answer to a heartbeat, found {other:?}"),
        }
    }

    fn beat(&mut self, heartbeat: ConsumerHeartbeat) -> Answer {
        let request = self.send(heartbeat);
        self.answer(request)
    }

    fn group(&self) -> ConsumerDescription {
        self.coordinator.describe_consumer("g").expect("it is a next-generation group")
    }
}

/// A member comes.
fn enter(id: &str) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        rebalance_timeout_ms: Some(60_000),
        topics: Some(BTreeSet::from(["t".to_owned()])),
        owned: Some(Assignment::new()),
        ..alive(id, 0)
    }
}

fn alive(id: &str, epoch: i32) -> ConsumerHeartbeat {
    ConsumerHeartbeat { group_id: "g".into(), member_id: id.into(), epoch, ..ConsumerHeartbeat::default() }
}

fn owns(id: &str, epoch: i32, partitions: &[i32]) -> ConsumerHeartbeat {
    ConsumerHeartbeat { owned: Some(of(partitions)), ..alive(id, epoch) }
}

fn of(partitions: &[i32]) -> Assignment {
    let own: BTreeSet<i32> = partitions.iter().copied().collect();
    if own.is_empty() { Assignment::new() } else { Assignment::from([(T, own)]) }
}

/// Epoch and assignment of an answer that tells one.
fn told(answer: Answer) -> (i32, Assignment) {
    let answer = answer.unwrap();
    (answer.epoch, answer.assignment.expect("an assignment"))
}

/// `a` has 0 and 1, `b` has 2 and 3, both in epoch 2.
fn pair(scene: &mut Scene) {
    assert_eq!(told(scene.beat(enter("a"))), (1, of(&[0, 1, 2, 3])));
    assert_eq!(told(scene.beat(enter("b"))), (2, of(&[])));
    assert_eq!(told(scene.beat(alive("a", 1))), (1, of(&[0, 1])));
    assert_eq!(scene.beat(alive("b", 2)).unwrap().assignment, None, "the other has not given back yet");
    assert_eq!(scene.group().state, State::Reconciling);
    assert_eq!(scene.beat(owns("a", 1, &[0, 1])).unwrap().epoch, 2);
    assert_eq!(told(scene.beat(alive("b", 2))), (2, of(&[2, 3])));
    assert_eq!(scene.group().state, State::Stable);
}

#[test]
fn partitions_are_given_back_before_they_are_given_out() {
    let mut scene = Scene::next_generation();
    pair(&mut scene);
    let before = scene.group();
    scene.restart();
    assert_eq!(scene.group(), before, "the log tells all of it");
    scene.coordinator.know_topics(Arc::new(Fixed(1, 4, 0)));
    let quiet = scene.log.len();
    assert_eq!(scene.beat(alive("a", 2)).unwrap().assignment, None);
    assert_eq!(scene.log.len(), quiet, "a heartbeat without news writes nothing");
}

#[test]
fn a_member_that_missed_an_answer_catches_up_and_others_are_fenced() {
    let mut scene = Scene::next_generation();
    pair(&mut scene);
    assert_eq!(scene.beat(owns("a", 1, &[0])).unwrap().epoch, 2, "it missed the answer");
    assert_eq!(scene.beat(owns("a", 1, &[0, 2])), Err(ConsumerHeartbeatError::FencedEpoch));
    assert_eq!(scene.beat(alive("a", 3)), Err(ConsumerHeartbeatError::FencedEpoch));
    assert_eq!(scene.beat(alive("c", 2)), Err(ConsumerHeartbeatError::UnknownMember));
    let as_member =
        |id: &str, generation| Commit { member_id: id.into(), generation, ..commit(None, "t", 5) };
    let request = scene.commit(as_member("a", 1));
    assert_eq!(scene.committed(request), Err(CommitError::StaleEpoch));
    let request = scene.commit(as_member("", -1));
    assert_eq!(scene.committed(request), Err(CommitError::UnknownMember), "the group has members");
    let request = scene.commit(as_member("a", 2));
    assert_eq!(scene.committed(request), Ok(()));
    assert_eq!(scene.coordinator.check_fetch("g", Some("a"), 1), Err(FetchOffsetError::StaleEpoch));
    assert_eq!(scene.coordinator.check_fetch("g", Some("a"), 2), Ok(()));
    assert_eq!(scene.coordinator.check_fetch("g", None, -1), Ok(()));
    assert_eq!(told(scene.beat(enter("a"))), (2, of(&[0, 1])), "it begins anew and keeps its place");
}

#[test]
fn whoever_is_silent_or_keeps_what_it_must_give_back_is_removed() {
    let mut scene = Scene::next_generation();
    scene.beat(enter("a")).unwrap();
    scene.beat(enter("b")).unwrap();
    assert_eq!(told(scene.beat(alive("a", 1))), (1, of(&[0, 1])));
    for _ in 0..6 {
        scene.advance(9_000);
        scene.beat(alive("a", 1)).unwrap();
        scene.beat(alive("b", 2)).unwrap();
    }
    scene.advance(9_000);
    assert_eq!(scene.beat(alive("a", 1)), Err(ConsumerHeartbeatError::UnknownMember), "60 s are over");
    assert_eq!(told(scene.beat(alive("b", 2))), (3, of(&[0, 1, 2, 3])));
    scene.advance(46_000);
    assert_eq!(scene.group().state, State::Empty);
    assert_eq!(scene.coordinator.list().next().map(|listed| listed.is_consumer), Some(true));
}

#[test]
fn a_static_member_keeps_its_place_while_it_is_away() {
    let mut scene = Scene::next_generation();
    let fixed =
        |heartbeat: ConsumerHeartbeat| ConsumerHeartbeat { instance_id: Some("i".into()), ..heartbeat };
    scene.beat(fixed(enter("a"))).unwrap();
    assert_eq!(scene.beat(fixed(enter("b"))), Err(ConsumerHeartbeatError::UnreleasedInstance));
    assert_eq!(scene.beat(fixed(alive("a", -2))).unwrap().epoch, -2);
    assert_eq!(told(scene.beat(fixed(enter("b")))), (1, of(&[0, 1, 2, 3])), "no new epoch");
    assert_eq!(scene.beat(fixed(alive("a", 1))), Err(ConsumerHeartbeatError::FencedInstance));
    assert_eq!(scene.beat(fixed(alive("b", -1))).unwrap().epoch, -1);
    assert_eq!(scene.group().members.len(), 0);
}

#[test]
fn patterns_follow_the_topics() {
    let mut scene = Scene::next_generation();
    let by = |pattern: &str| ConsumerHeartbeat { topics: None, regex: Some(pattern.into()), ..enter("a") };
    assert_eq!(scene.beat(by("(")), Err(ConsumerHeartbeatError::Pattern));
    assert_eq!(told(scene.beat(by("[tu]"))), (1, of(&[0, 1, 2, 3])));
    scene.coordinator.know_topics(Arc::new(Fixed(2, 4, 1)));
    let (epoch, assignment) = told(scene.beat(alive("a", 1)));
    assert_eq!((epoch, assignment.get(&U)), (2, Some(&BTreeSet::from([0]))));
    scene.coordinator.know_topics(Arc::new(Fixed(3, 5, 1)));
    let (epoch, assignment) = told(scene.beat(alive("a", 2)));
    assert_eq!((epoch, assignment.get(&T).map(BTreeSet::len)), (3, Some(5)));
}

#[test]
fn a_failed_append_leaves_nothing_behind() {
    let mut scene = Scene::next_generation();
    scene.beat(enter("a")).unwrap();
    scene.hold = true;
    let joins = scene.send(enter("b"));
    let waits = scene.send(enter("c"));
    scene.held.truncate(1);
    let (append, ..) = scene.held.remove(0);
    scene.hold = false;
    let effects = scene.coordinator.appended(
        scene.now_ms,
        append,
        Err(crate::coordinator::AppendError::NotEnoughReplicas),
    );
    scene.apply(effects);
    assert!(matches!(scene.answer(joins), Err(ConsumerHeartbeatError::Append(_))));
    assert!(scene.answer(waits).is_ok(), "what waited goes on");
    let members: Vec<String> = scene.group().members.into_iter().map(|member| member.member_id).collect();
    assert_eq!(members, ["a", "c"]);
}

#[test]
fn a_group_changes_its_protocol_and_back_under_its_members() {
    let mut scene = Scene::next_generation();
    let request = scene.join(join("old"));
    let old = scene.joined(request).clone();
    let all = crate::coordinator::log_record::consumer_assignment(0, vec![("t".into(), vec![0, 1, 2, 3])]);
    let request = scene.next_request();
    let sync = Sync {
        group_id: "g".into(),
        member_id: old.member_id.clone(),
        instance_id: None,
        generation: old.generation,
        protocol_type: None,
        protocol: None,
        assignments: vec![(old.member_id.clone(), all)],
    };
    let effects = scene.coordinator.sync(scene.now_ms, request, sync);
    scene.apply(effects);

    assert_eq!(told(scene.beat(enter("new"))), (2, of(&[])), "the old one still has everything");
    assert!(scene.coordinator.describe("g").is_none());
    assert_eq!(scene.heartbeat(&old), Err(HeartbeatError::Rebalance));
    let request = scene.join(rejoin(&old));
    let again = scene.joined(request).clone();
    assert_eq!((again.generation, again.members.len()), (2, 0), "an eager member gave everything up");
    scene.restart();
    scene.coordinator.know_topics(Arc::new(Fixed(1, 4, 0)));
    let request = scene.sync(&again, &[]);
    assert!(scene.synced(request).is_ok());
    assert_eq!(scene.heartbeat(&again), Ok(()));
    assert_eq!(told(scene.beat(alive("new", 2))).1.get(&T).map(BTreeSet::len), Some(2));

    assert_eq!(scene.beat(alive("new", -1)).unwrap().epoch, -1);
    assert!(scene.coordinator.describe_consumer("g").is_none(), "it is a classic group again");
    assert_eq!(scene.heartbeat(&Joined { generation: 3, ..again.clone() }), Err(HeartbeatError::Rebalance));
    scene.restart();
    assert_eq!(scene.state(), State::Stable, "as its record has it");
    let request = scene.join(rejoin(&again));
    assert_eq!(scene.joined(request).members.len(), 1);
}

#[test]
fn an_empty_group_goes_when_its_offsets_have() {
    let mut scene = Scene::next_generation();
    scene.beat(enter("a")).unwrap();
    let request = scene.commit(Commit { member_id: "a".into(), generation: 1, ..commit(None, "t", 5) });
    assert_eq!(scene.committed(request), Ok(()));
    scene.beat(alive("a", -1)).unwrap();
    scene.advance(8 * 24 * 3_600_000);
    let effects = scene.coordinator.expire_offsets(scene.now_ms);
    scene.apply(effects);
    assert_eq!((scene.offset("t"), scene.coordinator.list().count()), (None, 0));
    scene.restart();
    assert_eq!(scene.coordinator.list().count(), 0);
}
