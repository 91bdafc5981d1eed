//! OffsetDelete (key 47), version 0: removes positions of partitions that no member subscribes to (KIP-496).

use std::collections::HashMap;
use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

use super::{Call, offset_commit};
use crate::coordinator::TopicPartition;
use crate::node::Node;

pub(super) async fn handle(
    node: Arc<Node>,
    _call: Call,
    request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    let image = node.cluster.image();
    let asked = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| TopicPartition::new(&topic.name, partition.partition_index))
    });
    let known = asked.filter(|place| offset_commit::exists(&image, &place.topic, place.partition)).collect();
    let deleted = match node.coordinators.delete_offsets(request.group_id, known).await {
        Ok(Ok(deleted)) => deleted,
        Ok(Err(error)) => return refused(&node, error.code()),
        Err(unavailable) => return refused(&node, unavailable.code()),
    };
    let codes: HashMap<TopicPartition, ErrorCode> = deleted
        .into_iter()
        .map(|(place, result)| (place, result.map_or_else(|error| error.code(), |()| ErrorCode::None)))
        .collect();
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let place = TopicPartition::new(&topic.name, partition.partition_index);
            let code = codes.get(&place).copied().unwrap_or(ErrorCode::UnknownTopicOrPartition);
            OffsetDeleteResponsePartition {
                partition_index: partition.partition_index,
                error_code: code.code(),
            }
        });
        let partitions = partitions.collect();
        OffsetDeleteResponseTopic { name: topic.name, partitions }
    });
    OffsetDeleteResponse { topics: topics.collect(), ..Default::default() }
}

fn refused(node: &Node, code: ErrorCode) -> OffsetDeleteResponse {
    node.metrics.count_error(code);
    OffsetDeleteResponse { error_code: code.code(), ..Default::default() }
}
