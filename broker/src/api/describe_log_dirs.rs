//! DescribeLogDirs (key 35), versions 1–5: what lies in this node's data folder (KIP-113, KIP-827). There is one
//! folder and no partition on its way to another. Left out: the size of the disk under it.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResult,
    DescribeLogDirsTopic,
};

use super::Call;
use crate::node::Node;

pub(super) async fn handle(
    node: Arc<Node>,
    _call: Call,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let image = node.cluster.image();
    let wanted: Option<BTreeMap<String, Vec<i32>>> = request
        .topics
        .map(|topics| topics.into_iter().map(|topic| (topic.topic, topic.partitions)).collect());
    let is_wanted = |topic: &str, index: i32| {
        wanted
            .as_ref()
            .is_none_or(|wanted| wanted.get(topic).is_some_and(|partitions| partitions.contains(&index)))
    };
    let mut topics = Vec::new();
    for topic in image.topics() {
        let indexes = (0..).zip(&topic.partitions).map(|(index, _)| index);
        let partitions: Vec<_> = indexes
            .filter(|index| is_wanted(&topic.name, *index))
            .filter_map(|index| {
                let log = node.hosting().find(topic.id, index)?;
                Some(DescribeLogDirsPartition {
                    partition_index: index,
                    partition_size: i64::try_from(log.size_bytes()).unwrap_or(i64::MAX),
                    offset_lag: 0,
                    is_future_key: false,
                })
            })
            .collect();
        if !partitions.is_empty() {
            topics.push(DescribeLogDirsTopic { name: topic.name.to_string(), partitions });
        }
    }
    let failed = node.hosting().failure().is_some();
    let folder = DescribeLogDirsResult {
        error_code: if failed { ErrorCode::KafkaStorageError } else { ErrorCode::None }.code(),
        log_dir: node.config.log_directory.display().to_string(),
        topics,
        ..Default::default()
    };
    DescribeLogDirsResponse { results: vec![folder], ..Default::default() }
}
