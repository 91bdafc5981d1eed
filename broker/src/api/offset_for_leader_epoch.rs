//! OffsetForLeaderEpoch (key 23), versions 2–4: where a leader epoch ended here (KIP-101, KIP-279, KIP-320), by
//! which followers and consumers find out whether their log left ours.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
};

use super::{Call, lookup};
use crate::cluster::MetadataImage;
use crate::node::Node;

pub(super) async fn handle(
    node: Arc<Node>,
    _call: Call,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let image = node.cluster.image();
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            find(&node, &image, &topic.topic, asked).unwrap_or_else(|code| {
                let (partition, error_code) = (asked.partition, code.code());
                EpochEndOffset { partition, error_code, leader_epoch: -1, end_offset: -1 }
            })
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult { topic: topic.topic, partitions }
    });
    OffsetForLeaderEpochResponse { topics: topics.collect(), ..Default::default() }
}

fn find(
    node: &Node,
    image: &MetadataImage,
    topic: &str,
    asked: &OffsetForLeaderPartition,
) -> Result<EpochEndOffset, ErrorCode> {
    let topic = lookup::topic(image, topic)?;
    let partition = lookup::leader(node, topic, asked.partition, asked.current_leader_epoch)?;
    let (leader_epoch, end_offset) =
        partition.offset_for_leader_epoch(asked.leader_epoch).unwrap_or((-1, -1));
    Ok(EpochEndOffset { error_code: 0, partition: asked.partition, leader_epoch, end_offset })
}
