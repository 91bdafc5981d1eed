//! Joining, rebalancing, sessions, static members.

use super::*;

#[test]
fn a_first_member_leads_and_gets_its_assignment_once_it_is_durable() {
    let mut scene = Scene::new();
    let a = scene.join(join("a"));
    let a = scene.joined(a).clone();
    assert_eq!((a.generation, a.leader.as_str(), a.members.len()), (1, "a-1", 1));
    assert_eq!(a.protocol.as_deref(), Some("range"));

    scene.hold = true;
    let sync = scene.sync(&a, &[("a-1", "p0")]);
    assert_eq!(scene.replies.get(&sync), None, "not before the append is reported");
    assert_eq!(scene.state(), State::CompletingRebalance);
    scene.flush(Ok(()));
    assert_eq!(scene.synced(sync).as_deref(), Ok("p0"));
}

#[test]
fn an_assignment_that_could_not_be_stored_is_refused_and_starts_a_rebalance() {
    let mut scene = Scene::new();
    let a = scene.join(join("a"));
    let a = scene.joined(a).clone();
    scene.hold = true;
    let sync = scene.sync(&a, &[("a-1", "p0")]);
    scene.flush(Err(AppendError::NotEnoughReplicas));
    assert_eq!(scene.synced(sync), Err(SyncError::Append(AppendError::NotEnoughReplicas)));
    assert_eq!(scene.heartbeat(&a), Err(HeartbeatError::Rebalance));
}

#[test]
fn new_clients_must_come_back_with_the_id_they_are_given() {
    let mut scene = Scene::new();
    let first = scene.join(Join { requires_member_id: true, ..join("a") });
    let (error, member_id) = scene.join_error(first);
    assert_eq!((error, member_id), (JoinError::MemberIdRequired, "a-1"));
    let second = scene.join(Join { requires_member_id: true, member_id: "a-1".into(), ..join("a") });
    assert_eq!(scene.joined(second).member_id, "a-1");

    let unknown = scene.join(Join { requires_member_id: true, member_id: "b-9".into(), ..join("b") });
    assert_eq!(scene.join_error(unknown).0, JoinError::UnknownMember);
}

#[test]
fn the_initial_delay_gathers_members_and_is_extended_by_newcomers() {
    let mut scene = Scene::with(GroupConfig::default());
    let a = scene.join(join("a"));
    scene.advance(2_900);
    let b = scene.join(join("b"));
    scene.advance(200);
    assert_eq!(scene.replies.len(), 0, "the newcomer extended the delay");
    scene.advance(3_000);
    assert_eq!(scene.joined(a).generation, 1);
    assert_eq!(scene.joined(b).generation, 1);
    assert_eq!(scene.joined(a).members.len(), 2);
    assert_eq!(scene.joined(b).members.len(), 0, "only the leader hears who is there");
}

#[test]
fn a_newcomer_makes_everyone_rejoin_and_older_generations_are_refused() {
    let mut scene = Scene::new();
    let (a, b) = scene.stable_pair();
    let c = scene.join(join("c"));
    assert_eq!(scene.heartbeat(&a), Err(HeartbeatError::Rebalance));
    let a_again = scene.join(rejoin(&a));
    let b_again = scene.join(rejoin(&b));
    let generation = scene.joined(c).generation;
    assert_eq!(generation, a.generation + 1);
    assert_eq!(scene.joined(a_again).generation, generation);
    assert_eq!(scene.joined(b_again).generation, generation);
    assert_eq!(scene.heartbeat(&a), Err(HeartbeatError::IllegalGeneration));
    let late = scene.sync(&b, &[]);
    assert_eq!(scene.synced(late), Err(SyncError::IllegalGeneration));
}

#[test]
fn members_that_do_not_rejoin_in_time_are_left_behind() {
    let mut scene = Scene::new();
    let (a, b) = scene.stable_pair();
    let again = scene.join(rejoin(&a));
    for _ in 0..12 {
        scene.advance(5_000);
        let beat = scene.heartbeat(&b);
        assert!(matches!(beat, Err(HeartbeatError::Rebalance | HeartbeatError::UnknownMember)));
    }
    let next = scene.joined(again).clone();
    assert_eq!(next.generation, a.generation + 1);
    assert_eq!(next.members.len(), 1);
    assert_eq!(scene.heartbeat(&b), Err(HeartbeatError::UnknownMember));
}

#[test]
fn a_silent_member_loses_its_session_and_the_rest_rebalance() {
    let mut scene = Scene::new();
    let (a, b) = scene.stable_pair();
    scene.advance(6_000);
    assert_eq!(scene.heartbeat(&a), Ok(()));
    scene.advance(6_000);
    assert_eq!(scene.heartbeat(&b), Err(HeartbeatError::UnknownMember));
    assert_eq!(scene.heartbeat(&a), Err(HeartbeatError::Rebalance));
}

#[test]
fn a_member_that_never_syncs_is_removed_after_the_rebalance_timeout() {
    let mut scene = Scene::new();
    let a = scene.join(join("a"));
    let a = scene.joined(a).clone();
    let b = scene.join(join("b"));
    let again = scene.join(rejoin(&a));
    let (a, b) = (scene.joined(again).clone(), scene.joined(b).clone());
    let sync = scene.sync(&a, &[(&a.member_id, "p0"), (&b.member_id, "p1")]);
    assert_eq!(scene.synced(sync).as_deref(), Ok("p0"));
    for _ in 0..12 {
        scene.advance(5_000);
        scene.heartbeat(&a).err();
        scene.heartbeat(&b).err();
    }
    assert_eq!(scene.heartbeat(&b), Err(HeartbeatError::UnknownMember));
    assert_eq!(scene.heartbeat(&a), Err(HeartbeatError::Rebalance));
}

#[test]
fn leaving_is_quicker_than_falling_silent_and_an_empty_group_stays() {
    let mut scene = Scene::new();
    let (a, b) = scene.stable_pair();
    assert_eq!(scene.leave(&b.member_id, None), Ok(()));
    assert_eq!(scene.heartbeat(&a), Err(HeartbeatError::Rebalance));
    assert_eq!(scene.leave(&b.member_id, None), Err(LeaveError::UnknownMember));
    assert_eq!(scene.leave(&a.member_id, None), Ok(()));
    assert_eq!(scene.state(), State::Empty);
    scene.restart();
    assert_eq!(scene.state(), State::Empty, "the group's record says so");
}

#[test]
fn the_protocol_that_everyone_supports_and_most_prefer_is_chosen() {
    let mut scene = Scene::with(GroupConfig { initial_rebalance_delay_ms: 10, ..GroupConfig::default() });
    let offer = |names: &[&str]| names.iter().map(|name| protocol(name, &["t"])).collect::<Vec<_>>();
    let a = scene.join(Join { protocols: offer(&["x", "range", "sticky"]), ..join("a") });
    let b = scene.join(Join { protocols: offer(&["sticky", "range"]), ..join("b") });
    let c = scene.join(Join { protocols: offer(&["sticky", "range"]), ..join("c") });
    let odd = scene.join(Join { protocols: offer(&["x"]), ..join("d") });
    assert_eq!(scene.join_error(odd).0, JoinError::InconsistentProtocol);
    scene.advance(1_000);
    for request in [a, b, c] {
        assert_eq!(scene.joined(request).protocol.as_deref(), Some("sticky"));
    }
    let other_type = scene.join(Join { protocol_type: "connect".into(), ..join("e") });
    assert_eq!(scene.join_error(other_type).0, JoinError::InconsistentProtocol);
}

#[test]
fn a_full_group_refuses_newcomers() {
    let config = GroupConfig { max_size: 2, initial_rebalance_delay_ms: 0, ..GroupConfig::default() };
    let mut scene = Scene::with(config);
    scene.stable_pair();
    let third = scene.join(join("c"));
    assert_eq!(scene.join_error(third).0, JoinError::GroupFull);
    assert_eq!(scene.state(), State::Stable);
}

#[test]
fn session_timeouts_are_bounded() {
    let mut scene = Scene::new();
    for session_timeout_ms in [5_999, 1_800_001] {
        let request = scene.join(Join { session_timeout_ms, ..join("a") });
        assert_eq!(scene.join_error(request).0, JoinError::InvalidSessionTimeout);
    }
    let request = scene.join(Join { group_id: String::new(), ..join("a") });
    assert_eq!(scene.join_error(request).0, JoinError::InvalidGroupId);
}

#[test]
fn a_static_member_bounces_without_a_rebalance_and_its_old_self_is_fenced() {
    let mut scene = Scene::new();
    let a = scene.join(static_join("i", "1"));
    let a = scene.joined(a).clone();
    let sync = scene.sync(&a, &[("i-1", "p0")]);
    assert_eq!(scene.synced(sync).as_deref(), Ok("p0"));

    let back = scene.join(Join { supports_skipping_assignment: true, ..static_join("i", "2") });
    let back = scene.joined(back).clone();
    assert_eq!((back.member_id.as_str(), back.generation), ("i-2", a.generation));
    assert!(back.skip_assignment, "it leads, and the assignment stands");
    let sync = scene.sync(&back, &[]);
    assert_eq!(scene.synced(sync).as_deref(), Ok("p0"), "the place in the assignment is kept");

    let zombie = scene.next_request();
    let heartbeat = Heartbeat {
        group_id: "g".into(),
        member_id: "i-1".into(),
        instance_id: Some("i".into()),
        generation: a.generation,
    };
    let effects = scene.coordinator.heartbeat(scene.now_ms, zombie, &heartbeat);
    scene.apply(effects);
    assert_eq!(scene.replies[&zombie.0], Reply::Heartbeat(Err(HeartbeatError::FencedInstance)));

    scene.restart();
    assert_eq!(scene.heartbeat(&back), Ok(()), "the new id is in the log");
    assert_eq!(scene.leave("", Some("i")), Ok(()));
    assert_eq!(scene.state(), State::Empty);
}

#[test]
fn a_static_member_with_another_subscription_rebalances() {
    let mut scene = Scene::new();
    let a = scene.join(static_join("i", "1"));
    let a = scene.joined(a).clone();
    scene.sync(&a, &[("i-1", "p0")]);
    let protocols = vec![protocol("range", &["t", "u"])];
    let back = scene.join(Join { protocols, ..static_join("i", "2") });
    assert_eq!(scene.joined(back).generation, a.generation + 1);
}

#[test]
fn a_static_member_that_is_away_keeps_its_place_through_a_rebalance() {
    let mut scene = Scene::new();
    let a = scene.join(static_join("i", "1"));
    let a = scene.joined(a).clone();
    scene.sync(&a, &[("i-1", "p0")]);
    let long = Join { session_timeout_ms: 600_000, member_id: a.member_id.clone(), ..static_join("i", "1") };
    let again = scene.join(long);
    let a = scene.joined(again).clone();
    scene.sync(&a, &[("i-1", "p0")]);
    let b = scene.join(Join { session_timeout_ms: 600_000, ..join("b") });
    scene.advance(61_000);
    let b = scene.joined(b).clone();
    assert_eq!(b.leader, b.member_id, "who is away can't lead");
    assert_eq!(b.members.len(), 2, "and still has a place");
}

#[test]
fn after_a_restart_members_go_on_where_they_were() {
    let mut scene = Scene::new();
    let (a, b) = scene.stable_pair();
    scene.restart();
    assert_eq!(scene.state(), State::Stable);
    assert_eq!(scene.heartbeat(&a), Ok(()));
    let sync = scene.sync(&b, &[]);
    assert_eq!(scene.synced(sync).as_deref(), Ok("p1"));
    scene.advance(10_001);
    assert_eq!(scene.state(), State::Empty, "sessions run anew after loading");
}

#[test]
fn describe_and_list_show_what_is_known() {
    let mut scene = Scene::new();
    let (a, _) = scene.stable_pair();
    let described = scene.coordinator.describe("g").expect("the group exists");
    assert_eq!(described.members[0].member_id, a.member_id);
    assert_eq!(described.members[0].assignment, Bytes::from_static(b"p0"));
    assert_eq!(described.protocol, "range");
    let listed: Vec<_> = scene.coordinator.list().collect();
    assert_eq!((listed[0].group_id.as_str(), listed[0].state.name()), ("g", "Stable"));
    assert_eq!(scene.coordinator.describe("other"), None);
}
