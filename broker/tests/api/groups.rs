//! Classic groups and their offsets, over both ways in and across a restart.

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::*;

use crate::harness::{PATIENCE, TestBroker, Way, create};

fn join(group: &str, member_id: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: group.to_owned(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        member_id: member_id.to_owned(),
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".to_owned(), metadata: vec![0; 4].into() }],
        ..Default::default()
    }
}

/// Joins as the only member, with the id that the first answer gives.
async fn join_alone(way: &mut Way, group: &str) -> JoinGroupResponse {
    let first = way.call(join(group, ""), 9).await;
    assert_eq!(first.error_code, ErrorCode::MemberIdRequired.code());
    let joined = way.call(join(group, &first.member_id), 9).await;
    assert_eq!(joined.error_code, 0);
    joined
}

async fn sync_alone(way: &mut Way, group: &str, joined: &JoinGroupResponse) -> SyncGroupResponse {
    let assignment = SyncGroupRequestAssignment {
        member_id: joined.member_id.clone(),
        assignment: b"all of it".to_vec().into(),
    };
    let request = SyncGroupRequest {
        group_id: group.to_owned(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        protocol_type: Some("consumer".to_owned()),
        protocol_name: Some("range".to_owned()),
        assignments: vec![assignment],
        ..Default::default()
    };
    way.call(request, 5).await
}

pub(super) fn commit(
    group: &str,
    member: Option<&JoinGroupResponse>,
    topic: &str,
    offset: i64,
) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition {
        partition_index: 0,
        committed_offset: offset,
        committed_metadata: Some("note".to_owned()),
        ..Default::default()
    };
    OffsetCommitRequest {
        group_id: group.to_owned(),
        generation_id_or_member_epoch: member.map_or(-1, |member| member.generation_id),
        member_id: member.map(|member| member.member_id.clone()).unwrap_or_default(),
        topics: vec![OffsetCommitRequestTopic {
            name: topic.to_owned(),
            partitions: vec![partition],
            ..Default::default()
        }],
        ..Default::default()
    }
}

pub(super) fn committed(response: &OffsetCommitResponse) -> ErrorCode {
    ErrorCode::from_code(response.topics[0].partitions[0].error_code)
}

pub(super) async fn fetch_offset(way: &mut Way, group: &str, topic: &str) -> i64 {
    let group = OffsetFetchRequestGroup {
        group_id: group.to_owned(),
        topics: Some(vec![OffsetFetchRequestTopics {
            name: topic.to_owned(),
            partition_indexes: vec![0],
            ..Default::default()
        }]),
        ..Default::default()
    };
    let request = OffsetFetchRequest { groups: vec![group], require_stable: true, ..Default::default() };
    let response = way.call(request, 8).await;
    response.groups[0].topics[0].partitions[0].committed_offset
}

pub(super) async fn find(way: &mut Way, key: &str, key_type: i8) -> FindCoordinatorResponse {
    let coordinator_keys = vec![key.to_owned()];
    way.call(FindCoordinatorRequest { key_type, coordinator_keys, ..Default::default() }, 6).await
}

#[tokio::test]
async fn a_member_joins_syncs_commits_and_leaves() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        let name = way.name();
        way.call(create(name, 1), 7).await;
        let found = find(&mut way, name, 0).await;
        assert_eq!(found.coordinators[0].error_code, 0);

        let joined = join_alone(&mut way, name).await;
        assert_eq!((joined.generation_id, &joined.leader), (1, &joined.member_id));
        let synced = sync_alone(&mut way, name, &joined).await;
        assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"all of it"[..]));

        assert_eq!(fetch_offset(&mut way, name, name).await, -1);
        let response = way.call(commit(name, Some(&joined), name, 42), 9).await;
        assert_eq!(committed(&response), ErrorCode::None);
        assert_eq!(fetch_offset(&mut way, name, name).await, 42);
        let outside = way.call(commit(name, None, name, 1), 9).await;
        assert_eq!(committed(&outside), ErrorCode::UnknownMemberId);
        let nowhere = way.call(commit(name, Some(&joined), "missing", 1), 9).await;
        assert_eq!(committed(&nowhere), ErrorCode::UnknownTopicOrPartition);

        let listed = way.call(ListGroupsRequest::default(), 5).await;
        let listed = listed.groups.iter().find(|group| group.group_id == name).unwrap();
        assert_eq!((&*listed.group_state, &*listed.group_type), ("Stable", "classic"));

        let leaving =
            MemberIdentity { member_id: joined.member_id.clone(), group_instance_id: None, reason: None };
        let leave =
            LeaveGroupRequest { group_id: name.to_owned(), members: vec![leaving], ..Default::default() };
        let left = way.call(leave, 5).await;
        assert_eq!((left.error_code, left.members[0].error_code), (0, 0));

        let delete = DeleteGroupsRequest { groups_names: vec![name.to_owned()] };
        let deleted = way.call(delete, 2).await;
        assert_eq!(deleted.results[0].error_code, 0);
        assert_eq!(fetch_offset(&mut way, name, name).await, -1);
    }
}

#[tokio::test]
async fn members_and_offsets_survive_a_restart() {
    let broker = TestBroker::start().await;
    let mut way = Way::Local(broker.broker.local());
    way.call(create("t", 1), 7).await;
    find(&mut way, "g", 0).await;
    let joined = join_alone(&mut way, "g").await;
    sync_alone(&mut way, "g", &joined).await;
    let response = way.call(commit("g", Some(&joined), "t", 7), 9).await;
    assert_eq!(committed(&response), ErrorCode::None);
    drop(way);

    let broker = broker.restart().await;
    let mut way = Way::Tcp(broker.connect().await);
    assert_eq!(fetch_offset(&mut way, "g", "t").await, 7);
    let heartbeat = HeartbeatRequest {
        group_id: "g".to_owned(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        ..Default::default()
    };
    assert_eq!(way.call(heartbeat, 4).await.error_code, 0);
    let describe =
        DescribeGroupsRequest { groups: vec!["g".to_owned(), "other".to_owned()], ..Default::default() };
    let described = way.call(describe, 6).await;
    assert_eq!(described.groups[0].group_state, "Stable");
    assert_eq!(described.groups[0].members[0].member_id, joined.member_id);
    assert_eq!(described.groups[1].error_code, ErrorCode::GroupIdNotFound.code());
}

#[tokio::test]
async fn offsets_go_with_their_topic() {
    let broker = TestBroker::start().await;
    let mut way = Way::Local(broker.broker.local());
    way.call(create("t", 1), 7).await;
    find(&mut way, "g", 0).await;
    way.call(commit("g", None, "t", 7), 9).await;
    assert_eq!(fetch_offset(&mut way, "g", "t").await, 7);
    let topics = vec![DeleteTopicState { name: Some("t".to_owned()), ..Default::default() }];
    way.call(DeleteTopicsRequest { topics, timeout_ms: 1_000, ..Default::default() }, 6).await;
    way.call(create("t", 1), 7).await;
    // At once, though nobody waits for the tombstone: the offset belongs to the topic that was deleted.
    assert_eq!(fetch_offset(&mut way, "g", "t").await, -1);
    way.call(commit("g", None, "t", 3), 9).await;
    let broker = broker.restart().await;
    let mut way = Way::Local(broker.broker.local());
    let kept = async {
        while fetch_offset(&mut way, "g", "t").await != 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, kept).await.expect("the new topic's offset stays");
}
