//! The cluster itself: nodes, controller, log directories.

use millstream_protocol::messages::{DescribeClusterRequest, DescribeLogDirsRequest};

use super::{Admin, AdminError, accepted};
use crate::connection::SHARED_LANE;
use crate::metadata::Node;
use crate::topic::TopicPartition;

/// Who makes up the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDescription {
    pub cluster_id: String,
    /// −1 when unknown.
    pub controller_id: i32,
    pub nodes: Vec<Node>,
}

/// One log directory of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirectory {
    pub path: String,
    /// −1 when the node does not tell.
    pub total_bytes: i64,
    pub usable_bytes: i64,
    pub partitions: Vec<LogDirectoryPartition>,
}

/// One partition's files in a log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirectoryPartition {
    pub place: TopicPartition,
    pub size_bytes: i64,
    /// How far this replica's end is behind the high watermark.
    pub offset_lag: i64,
}

impl Admin {
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, AdminError> {
        const ATTEMPT: &str = "describing";
        let request = DescribeClusterRequest::default();
        let response = self.call_any(request).await.map_err(|source| AdminError::Call {
            attempt: ATTEMPT,
            name: "cluster".to_owned(),
            source,
        })?;
        accepted(ATTEMPT, "cluster", response.error_code, response.error_message)?;
        let node = |broker: millstream_protocol::messages::DescribeClusterBroker| Node {
            node_id: broker.broker_id,
            host: broker.host,
            port: broker.port,
            rack: broker.rack,
        };
        Ok(ClusterDescription {
            cluster_id: response.cluster_id,
            controller_id: response.controller_id,
            nodes: response.brokers.into_iter().map(node).collect(),
        })
    }

    /// The log directories of one node.
    pub async fn log_directories(&self, node_id: i32) -> Result<Vec<LogDirectory>, AdminError> {
        const ATTEMPT: &str = "describing log directories of node";
        let name = node_id.to_string();
        let called = async {
            let connection = self.client.shared.pool.node(node_id, SHARED_LANE).await?;
            connection.call(DescribeLogDirsRequest::default()).await
        };
        let response = called.await.map_err(|source| AdminError::Call {
            attempt: ATTEMPT,
            name: name.clone(),
            source,
        })?;
        accepted(ATTEMPT, &name, response.error_code, None)?;
        let mut directories = Vec::new();
        for result in response.results {
            accepted(ATTEMPT, &name, result.error_code, Some(result.log_dir.clone()))?;
            let mut partitions = Vec::new();
            for topic in result.topics {
                partitions.extend(topic.partitions.iter().map(|partition| LogDirectoryPartition {
                    place: TopicPartition::new(topic.name.as_str(), partition.partition_index),
                    size_bytes: partition.partition_size,
                    offset_lag: partition.offset_lag,
                }));
            }
            directories.push(LogDirectory {
                path: result.log_dir,
                total_bytes: result.total_bytes,
                usable_bytes: result.usable_bytes,
                partitions,
            });
        }
        Ok(directories)
    }
}
