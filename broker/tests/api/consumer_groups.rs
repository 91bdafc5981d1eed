//! Next-generation groups over both ways in, across a restart, and with the feature switched off.

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::*;

use crate::harness::{TestBroker, Way, create};

fn heartbeat(group: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: group.to_owned(),
        member_id: "me".to_owned(),
        member_epoch: epoch,
        rebalance_timeout_ms: -1,
        ..Default::default()
    }
}

fn joining(group: &str, pattern: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        rebalance_timeout_ms: 60_000,
        subscribed_topic_regex: Some(pattern.to_owned()),
        topic_partitions: Some(Vec::new()),
        ..heartbeat(group, 0)
    }
}

async fn join(way: &mut Way, group: &str, pattern: &str) -> ConsumerGroupHeartbeatResponse {
    way.call(FindCoordinatorRequest { key: group.to_owned(), ..Default::default() }, 3).await;
    way.call(joining(group, pattern), 1).await
}

#[tokio::test]
async fn a_member_subscribes_to_a_pattern_and_is_described() {
    let broker = TestBroker::start().await;
    for (number, way) in broker.ways().await.iter_mut().enumerate() {
        let (group, topic) = (format!("new-{number}"), format!("matched-{number}"));
        way.call(create(&topic, 2), 7).await;
        let joined = join(way, &group, &format!("{topic}|nothing")).await;
        assert_eq!((joined.error_code, joined.member_epoch), (0, 1), "{:?}", joined.error_message);
        let assigned = joined.assignment.expect("a new member is told").topic_partitions;
        assert_eq!(assigned.iter().map(|topic| topic.partitions.clone()).collect::<Vec<_>>(), [[0, 1]]);
        let listed = way.call(ListGroupsRequest::default(), 5).await.groups;
        let listed = listed.iter().find(|listed| listed.group_id == group).expect("it is listed");
        assert_eq!((listed.group_type.as_str(), listed.group_state.as_str()), ("consumer", "Stable"));
        let fenced = way.call(heartbeat(&group, 7), 1).await;
        assert_eq!(fenced.error_code, ErrorCode::FencedMemberEpoch.code());
        let refused = way.call(joining(&group, "("), 1).await;
        assert_eq!(refused.error_code, ErrorCode::InvalidRegularExpression.code());
        let classic =
            way.call(DescribeGroupsRequest { groups: vec![group.clone()], ..Default::default() }, 6).await;
        assert_eq!(classic.groups[0].error_code, ErrorCode::GroupIdNotFound.code());
    }
    let broker = broker.restart().await;
    for (number, way) in broker.ways().await.iter_mut().enumerate() {
        let group_ids = vec![format!("new-{number}"), "unknown".to_owned()];
        let described =
            way.call(ConsumerGroupDescribeRequest { group_ids, ..Default::default() }, 1).await.groups;
        assert_eq!((described[0].group_state.as_str(), described[0].group_epoch), ("Stable", 1));
        let member = &described[0].members[0];
        assert_eq!((member.member_id.as_str(), member.member_type), ("me", 1));
        assert_eq!(member.assignment.topic_partitions[0].topic_name, format!("matched-{number}"));
        assert_eq!(described[1].error_code, ErrorCode::GroupIdNotFound.code());
        let left = way.call(heartbeat(&format!("new-{number}"), -1), 1).await;
        assert_eq!((left.error_code, left.member_epoch), (0, -1));
    }
}

#[tokio::test]
async fn without_the_feature_there_are_no_next_generation_groups() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        let off =
            FeatureUpdateKey { feature: "group.version".to_owned(), upgrade_type: 2, ..Default::default() };
        let request = UpdateFeaturesRequest { feature_updates: vec![off], ..Default::default() };
        assert_eq!(way.call(request, 1).await.error_code, 0);
        let refused = join(&mut way, "off", "x").await;
        assert_eq!(refused.error_code, ErrorCode::UnsupportedVersion.code());
    }
}
