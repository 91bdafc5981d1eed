//! WriteTxnMarkers (key 27), versions 1–2: ends a producer's transaction on partitions that this node leads.
//!
//! Coordinators on other nodes send it, and an administrator who aborts a hanging transaction (KIP-664).

use std::sync::Arc;

use futures_util::future::join_all;
use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    WritableTxnMarker, WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopic,
    WritableTxnMarkerTopicResult, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};

use super::Call;
use crate::coordinator::shell::{MarkerError, MarkerToWrite};
use crate::coordinator::{Outcome, Producer, TopicPartition};
use crate::node::Node;

pub(super) async fn handle(
    node: Arc<Node>,
    _call: Call,
    request: WriteTxnMarkersRequest,
) -> WriteTxnMarkersResponse {
    let mut response = WriteTxnMarkersResponse::default();
    for marker in &request.markers {
        let topics = join_all(marker.topics.iter().map(|topic| write(&node, marker, topic))).await;
        response.markers.push(WritableTxnMarkerResult { producer_id: marker.producer_id, topics });
    }
    response
}

async fn write(
    node: &Node,
    marker: &WritableTxnMarker,
    topic: &WritableTxnMarkerTopic,
) -> WritableTxnMarkerTopicResult {
    let partitions = topic.partition_indexes.iter().map(|index| async {
        let to_write = MarkerToWrite {
            place: TopicPartition::new(&topic.name, *index),
            producer: Producer { id: marker.producer_id, epoch: marker.producer_epoch },
            outcome: if marker.transaction_result { Outcome::Commit } else { Outcome::Abort },
            coordinator_epoch: marker.coordinator_epoch,
        };
        let written = node.coordinators.write_marker(to_write).await;
        let code = written.map_or_else(marker_code, |()| ErrorCode::None);
        node.metrics.count_error(code);
        WritableTxnMarkerPartitionResult { partition_index: *index, error_code: code.code() }
    });
    WritableTxnMarkerTopicResult { name: topic.name.clone(), partitions: join_all(partitions).await }
}

fn marker_code(error: MarkerError) -> ErrorCode {
    match error {
        MarkerError::Nowhere => ErrorCode::UnknownTopicOrPartition,
        MarkerError::Elsewhere => ErrorCode::NotLeaderOrFollower,
        MarkerError::Fenced => ErrorCode::InvalidProducerEpoch,
        MarkerError::Coordinator(unavailable) => unavailable.code(),
        MarkerError::Append(_) => ErrorCode::KafkaStorageError,
    }
}
