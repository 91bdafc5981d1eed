//! Offsets of partitions, and deleting records from their start.

use std::collections::{BTreeMap, HashMap};

use millstream_protocol::messages::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic};

use super::{Admin, AdminError, accepted};
use crate::connection::SHARED_LANE;
use crate::consumer::Isolation;
use crate::offsets::{self, ListedOffset};
use crate::topic::TopicPartition;

/// Which offset of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    Earliest,
    Latest,
    /// Of the record with the greatest timestamp.
    MaxTimestamp,
    /// Of the first record whose timestamp (ms since 1970) is at least this.
    Timestamp(i64),
}

impl Admin {
    /// One result per partition, in the order asked. Nothing found is offset −1.
    pub async fn list_offsets(
        &self,
        asked: &[(TopicPartition, OffsetSpec)],
        isolation: Isolation,
    ) -> Vec<Result<ListedOffset, AdminError>> {
        let questions: Vec<_> = asked.iter().map(|(place, spec)| (place.clone(), spec.timestamp())).collect();
        let found = self.client.list_offsets(&questions, isolation).await;
        found.into_iter().map(|result| result.map_err(AdminError::from)).collect()
    }

    /// Deletes the records below the given offsets (−1: all that are there). Gives the new first offsets.
    pub async fn delete_records(&self, asked: &[(TopicPartition, i64)]) -> Vec<Result<i64, AdminError>> {
        const ATTEMPT: &str = "deleting records of";
        let mut by_leader: BTreeMap<i32, BTreeMap<String, Vec<DeleteRecordsPartition>>> = BTreeMap::new();
        let mut found: HashMap<TopicPartition, Result<i64, AdminError>> = HashMap::new();
        for (place, offset) in asked {
            match self.client.leader_of(place).await {
                Ok(leader) => {
                    let partition =
                        DeleteRecordsPartition { partition_index: place.partition, offset: *offset };
                    let topics = by_leader.entry(leader).or_default();
                    topics.entry(place.topic.to_string()).or_default().push(partition);
                }
                Err(error) => {
                    found.insert(place.clone(), Err(error.into()));
                }
            }
        }
        for (leader, topics) in by_leader {
            let topics = topics
                .into_iter()
                .map(|(name, partitions)| DeleteRecordsTopic { name, partitions })
                .collect();
            let request = DeleteRecordsRequest { topics, timeout_ms: self.timeout_ms() };
            let called =
                async { self.client.shared.pool.node(leader, SHARED_LANE).await?.call(request).await };
            match called.await {
                Ok(response) => {
                    for topic in response.topics {
                        for partition in topic.partitions {
                            let place = TopicPartition::new(topic.name.as_str(), partition.partition_index);
                            let result = accepted(ATTEMPT, &place.to_string(), partition.error_code, None);
                            found.insert(place, result.map(|()| partition.low_watermark));
                        }
                    }
                }
                Err(error) => tracing::debug!(leader, %error, "deleting records failed"),
            }
        }
        asked
            .iter()
            .map(|(place, _)| {
                found.remove(place).unwrap_or_else(|| {
                    Err(AdminError::Unanswered { attempt: ATTEMPT, name: place.to_string() })
                })
            })
            .collect()
    }
}

impl OffsetSpec {
    fn timestamp(self) -> i64 {
        match self {
            OffsetSpec::Earliest => offsets::EARLIEST,
            OffsetSpec::Latest => offsets::LATEST,
            OffsetSpec::MaxTimestamp => offsets::MAX_TIMESTAMP,
            OffsetSpec::Timestamp(timestamp_ms) => timestamp_ms,
        }
    }
}
