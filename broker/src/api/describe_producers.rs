//! DescribeProducers (key 61), version 0: the idempotent and transactional producers that a partition remembers
//! (KIP-664).

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
};

use super::{Call, lookup};
use crate::cluster::MetadataImage;
use crate::node::Node;

pub(super) async fn handle(
    node: Arc<Node>,
    _call: Call,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let image = node.cluster.image();
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|index| {
            let producers = producers(&node, &image, &topic.name, *index);
            let error_code = producers.as_ref().err().copied().unwrap_or(ErrorCode::None).code();
            PartitionResponse {
                partition_index: *index,
                error_code,
                error_message: None,
                active_producers: producers.unwrap_or_default(),
            }
        });
        let partitions = partitions.collect();
        TopicResponse { name: topic.name, partitions }
    });
    DescribeProducersResponse { topics: topics.collect(), ..Default::default() }
}

fn producers(
    node: &Node,
    image: &MetadataImage,
    topic: &str,
    index: i32,
) -> Result<Vec<ProducerState>, ErrorCode> {
    let partition = lookup::leader(node, lookup::topic(image, topic)?, index, -1)?;
    Ok(partition.with_state(|state| {
        let described = state.producers.iter().map(|(id, producer)| ProducerState {
            producer_id: id,
            producer_epoch: i32::from(producer.epoch),
            last_sequence: producer.last_sequence().unwrap_or(-1),
            last_timestamp: producer.last_timestamp,
            coordinator_epoch: producer.coordinator_epoch,
            current_txn_start_offset: producer.transaction_first_offset.unwrap_or(-1),
        });
        described.collect()
    }))
}
