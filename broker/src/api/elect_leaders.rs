//! ElectLeaders (key 43), versions 0–2: makes preferred (or any live) replicas lead (KIP-183, KIP-460). With one
//! replica per partition the leader is always the preferred one, so there is never anything to elect.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
};

use super::Call;
use crate::cluster::MetadataImage;
use crate::node::Node;

const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

pub(super) async fn handle(
    node: Arc<Node>,
    call: Call,
    request: ElectLeadersRequest,
) -> ElectLeadersResponse {
    if !(PREFERRED..=UNCLEAN).contains(&request.election_type) {
        let mut response = ElectLeadersResponse::default();
        if call.version >= 1 {
            response.error_code = ErrorCode::InvalidRequest.code();
        }
        return response;
    }
    let image = node.cluster.image();
    // Asked for all partitions, only those that changed are named: none.
    let results = request.topic_partitions.unwrap_or_default().into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter();
        ReplicaElectionResult {
            partition_result: partitions.map(|index| elect(&image, &topic.topic, index)).collect(),
            topic: topic.topic,
        }
    });
    ElectLeadersResponse { replica_election_results: results.collect(), ..Default::default() }
}

fn elect(image: &MetadataImage, topic: &str, partition_id: i32) -> PartitionResult {
    let found = image.topic(topic).and_then(|topic| topic.partition(partition_id));
    let (error, message) = match found {
        None => {
            (ErrorCode::UnknownTopicOrPartition, format!("partition {topic}-{partition_id} does not exist"))
        }
        Some(_) => (
            ErrorCode::ElectionNotNeeded,
            format!("the right replica of {topic}-{partition_id} leads already"),
        ),
    };
    PartitionResult { partition_id, error_code: error.code(), error_message: Some(message) }
}
