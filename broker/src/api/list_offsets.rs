//! ListOffsets (key 2), versions 1–11: the offset for a time, or one of the log's ends.
//!
//! −1 latest (the last stable offset under read_committed), −2 earliest, −3 the largest timestamp (KIP-734, from
//! version 7), −4 earliest local (KIP-405) and −5 latest tiered, which nothing here ever is. Leader epochs are
//! checked and returned from version 4 (KIP-320).

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};

use super::{Call, lookup};
use crate::cluster::MetadataImage;
use crate::log::{Isolation, MAX_TIMESTAMP};
use crate::node::Node;

/// First version that carries leader epochs.
const LEADER_EPOCH_FROM: i16 = 4;

/// First version that knows [`MAX_TIMESTAMP`].
const MAX_TIMESTAMP_FROM: i16 = 7;

pub(super) async fn handle(node: Arc<Node>, call: Call, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let image = node.cluster.image();
    let isolation =
        if request.isolation_level == 1 { Isolation::ReadCommitted } else { Isolation::ReadUncommitted };
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            find(&node, &image, &topic.name, asked, isolation, call.version).unwrap_or_else(|code| {
                node.metrics.count_error(code);
                let partition_index = asked.partition_index;
                ListOffsetsPartitionResponse {
                    partition_index,
                    error_code: code.code(),
                    ..Default::default()
                }
            })
        });
        let partitions = partitions.collect();
        ListOffsetsTopicResponse { name: topic.name, partitions }
    });
    ListOffsetsResponse { topics: topics.collect(), ..Default::default() }
}

fn find(
    node: &Node,
    image: &MetadataImage,
    topic: &str,
    asked: &ListOffsetsPartition,
    isolation: Isolation,
    version: i16,
) -> Result<ListOffsetsPartitionResponse, ErrorCode> {
    if asked.timestamp == MAX_TIMESTAMP && version < MAX_TIMESTAMP_FROM {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let topic = lookup::topic(image, topic)?;
    let partition = lookup::leader(node, topic, asked.partition_index, asked.current_leader_epoch)?;
    let found = partition.offset_for_timestamp(asked.timestamp, isolation).map_err(|error| {
        tracing::error!(%error, "cannot look up an offset");
        ErrorCode::KafkaStorageError
    })?;
    let response =
        ListOffsetsPartitionResponse { partition_index: asked.partition_index, ..Default::default() };
    Ok(match found {
        None => response,
        Some(found) => ListOffsetsPartitionResponse {
            timestamp: found.timestamp,
            offset: found.offset,
            leader_epoch: found.leader_epoch.filter(|_| version >= LEADER_EPOCH_FROM).unwrap_or(-1),
            ..response
        },
    })
}
