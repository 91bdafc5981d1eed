//! DescribeQuorum (key 55), versions 0–2: who agrees on the metadata (KIP-595, KIP-836, KIP-853). On one node that is
//! this node alone; the log's end is the number of metadata records so far.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    DescribeQuorumPartitionDataResponse, DescribeQuorumReplicaState, DescribeQuorumRequest,
    DescribeQuorumResponse, DescribeQuorumTopicDataResponse, Listener, Node as QuorumNode,
};

use super::{Call, clock, metadata};
use crate::node::Node;

const METADATA_TOPIC: &str = "__cluster_metadata";
/// A single node wins the one election that there is.
const EPOCH: i32 = 1;

pub(super) async fn handle(
    node: Arc<Node>,
    call: Call,
    request: DescribeQuorumRequest,
) -> DescribeQuorumResponse {
    let describe = |topic: &str, partition_index: i32| {
        if topic == METADATA_TOPIC && partition_index == 0 {
            return quorum(&node, call.version);
        }
        DescribeQuorumPartitionDataResponse {
            partition_index,
            error_code: ErrorCode::UnknownTopicOrPartition.code(),
            ..Default::default()
        }
    };
    let topics = request.topics.into_iter().map(|topic| DescribeQuorumTopicDataResponse {
        partitions: topic
            .partitions
            .into_iter()
            .map(|partition| describe(&topic.topic_name, partition.partition_index))
            .collect(),
        topic_name: topic.topic_name,
    });
    let mut response = DescribeQuorumResponse { topics: topics.collect(), ..Default::default() };
    if call.version >= 2 {
        response.nodes.push(this_node(&node, &call));
    }
    response
}

fn quorum(node: &Node, version: i16) -> DescribeQuorumPartitionDataResponse {
    let end = i64::try_from(node.cluster.image().version).unwrap_or(i64::MAX);
    let now_ms = clock::now_ms();
    let mut voter = DescribeQuorumReplicaState {
        replica_id: node.config.node_id,
        log_end_offset: end,
        ..Default::default()
    };
    if version >= 1 {
        voter.last_fetch_timestamp = now_ms;
        voter.last_caught_up_timestamp = now_ms;
    }
    DescribeQuorumPartitionDataResponse {
        partition_index: 0,
        leader_id: node.config.node_id,
        leader_epoch: EPOCH,
        high_watermark: end,
        current_voters: vec![voter],
        ..Default::default()
    }
}

fn this_node(node: &Node, call: &Call) -> QuorumNode {
    let image = node.cluster.image();
    let node_id = node.config.node_id;
    let endpoint = metadata::endpoint(&image, node_id, &call.peer);
    let listeners = endpoint.into_iter().filter_map(|(host, port)| {
        Some(Listener { name: call.peer.listener.to_string(), host, port: u16::try_from(port).ok()? })
    });
    QuorumNode { node_id, listeners: listeners.collect() }
}
