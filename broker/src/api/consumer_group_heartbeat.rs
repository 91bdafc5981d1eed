//! ConsumerGroupHeartbeat (key 68), versions 0–1: joins, keeps and leaves a next-generation group (KIP-848).
//!
//! In version 0 the broker makes the id of a new member; from version 1 the client does, and may subscribe to a pattern.
//! A broker whose feature `group.version` is at 0 refuses all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millstream_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, HeartbeatAssignedTopicPartitions,
    HeartbeatAssignment, HeartbeatOwnedTopicPartitions,
};
use millstream_protocol::{ErrorCode, Uuid};

use super::Call;
use crate::cluster::GROUP_VERSION;
use crate::coordinator::group::{Assignment, ConsumerHeartbeat, ConsumerHeartbeatAnswer};
use crate::node::Node;

/// First version in which clients make their own member ids.
const OWN_MEMBER_ID_FROM: i16 = 1;

pub(super) async fn handle(
    node: Arc<Node>,
    call: Call,
    request: ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    if node.cluster.image().features.get(GROUP_VERSION).is_none_or(|level| *level < 1) {
        let message = "next-generation consumer groups are off: the feature group.version is at 0".to_owned();
        return refused(&node, ErrorCode::UnsupportedVersion, Some(message));
    }
    match node.coordinators.consumer_heartbeat(heartbeat(&call, request)).await {
        Ok(Ok(answer)) => response(answer),
        Ok(Err(error)) => refused(&node, error.code(), Some(error.to_string())),
        Err(unavailable) => refused(&node, unavailable.code(), Some(unavailable.to_string())),
    }
}

fn heartbeat(call: &Call, request: ConsumerGroupHeartbeatRequest) -> ConsumerHeartbeat {
    let makes_id =
        request.member_id.is_empty() && request.member_epoch == 0 && call.version < OWN_MEMBER_ID_FROM;
    ConsumerHeartbeat {
        group_id: request.group_id,
        member_id: if makes_id { Uuid::random().to_string() } else { request.member_id },
        epoch: request.member_epoch,
        instance_id: request.instance_id,
        rack_id: request.rack_id,
        rebalance_timeout_ms: Some(request.rebalance_timeout_ms).filter(|timeout_ms| *timeout_ms != -1),
        topics: request.subscribed_topic_names.map(BTreeSet::from_iter),
        regex: request.subscribed_topic_regex,
        assignor: request.server_assignor,
        owned: request.topic_partitions.map(owned),
        client_id: call.client_id.clone(),
        // As Java writes an address without a name: what tools show.
        client_host: format!("/{}", call.peer.host),
    }
}

fn owned(topics: Vec<HeartbeatOwnedTopicPartitions>) -> Assignment {
    let mut owned: Assignment = BTreeMap::new();
    for topic in topics.into_iter().filter(|topic| !topic.partitions.is_empty()) {
        owned.entry(topic.topic_id).or_default().extend(topic.partitions);
    }
    owned
}

fn response(answer: ConsumerHeartbeatAnswer) -> ConsumerGroupHeartbeatResponse {
    let assignment = answer.assignment.map(|assignment| {
        let topic = |(topic_id, partitions): (Uuid, BTreeSet<i32>)| HeartbeatAssignedTopicPartitions {
            topic_id,
            partitions: partitions.into_iter().collect(),
        };
        HeartbeatAssignment { topic_partitions: assignment.into_iter().map(topic).collect() }
    });
    ConsumerGroupHeartbeatResponse {
        member_id: Some(answer.member_id),
        member_epoch: answer.epoch,
        heartbeat_interval_ms: answer.heartbeat_interval_ms,
        assignment,
        ..Default::default()
    }
}

fn refused(node: &Node, code: ErrorCode, message: Option<String>) -> ConsumerGroupHeartbeatResponse {
    node.metrics.count_error(code);
    ConsumerGroupHeartbeatResponse { error_code: code.code(), error_message: message, ..Default::default() }
}
