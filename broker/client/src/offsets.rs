//! Looking offsets up at the partitions' leaders (ListOffsets), through leader changes.

use std::collections::{BTreeMap, HashMap, VecDeque};

use futures_util::future::join_all;
use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use tokio::time::Instant;

use crate::client::Client;
use crate::connection::{CallError, SHARED_LANE};
use crate::consumer::Isolation;
use crate::metadata::MetadataError;
use crate::topic::TopicPartition;

/// Special timestamps of ListOffsets.
pub(crate) const LATEST: i64 = -1;
pub(crate) const EARLIEST: i64 = -2;
pub(crate) const MAX_TIMESTAMP: i64 = -3;

/// One answer: −1 where there is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedOffset {
    pub offset: i64,
    /// Of the record found; −1 for the earliest and latest offset.
    pub timestamp_ms: i64,
    pub leader_epoch: i32,
}

/// Why an offset could not be looked up.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ListOffsetsError {
    #[error("offset of {place} was refused: {code}")]
    Refused { place: TopicPartition, code: ErrorCode },
    #[error("leader of {place} gave no answer: {source}")]
    Call { place: TopicPartition, source: CallError },
    #[error("{place} has no leader at the moment")]
    NoLeader { place: TopicPartition },
    #[error(transparent)]
    Topic(#[from] MetadataError),
}

impl ListOffsetsError {
    fn is_retriable(&self) -> bool {
        match self {
            ListOffsetsError::Refused { code, .. } => code.is_retriable(),
            ListOffsetsError::Call { source, .. } => source.is_retriable(),
            ListOffsetsError::NoLeader { .. } => true,
            ListOffsetsError::Topic(error) => error.is_retriable(),
        }
    }
}

type Found = Result<ListedOffset, ListOffsetsError>;

impl Client {
    /// One result per place asked, in that order. Tries until `operation_timeout`.
    pub(crate) async fn list_offsets(
        &self,
        asked: &[(TopicPartition, i64)],
        isolation: Isolation,
    ) -> Vec<Found> {
        let deadline = Instant::now() + self.shared.config.operation_timeout;
        let mut backoff = self.retry_backoff();
        let mut found: HashMap<(TopicPartition, i64), Found> = HashMap::new();
        let mut open: Vec<(TopicPartition, i64)> = asked.to_vec();
        loop {
            for (question, answer) in self.list_offsets_once(&open, isolation).await {
                found.insert(question, answer);
            }
            open.retain(|question| match found.get(question) {
                Some(Ok(_)) => false,
                Some(Err(error)) => error.is_retriable(),
                None => true,
            });
            let wait = backoff.next_wait();
            if open.is_empty() || Instant::now() + wait >= deadline {
                break;
            }
            tokio::time::sleep(wait).await;
            // Retriable trouble here means a stale leader; a failed refresh shows up in the next round.
            if let Err(error) = self.refresh_metadata().await {
                tracing::debug!(%error, "metadata refresh failed");
            }
        }
        let unanswered = |place: &TopicPartition| Err(ListOffsetsError::NoLeader { place: place.clone() });
        asked
            .iter()
            .map(|question| found.get(question).cloned().unwrap_or_else(|| unanswered(&question.0)))
            .collect()
    }

    async fn list_offsets_once(
        &self,
        asked: &[(TopicPartition, i64)],
        isolation: Isolation,
    ) -> Vec<((TopicPartition, i64), Found)> {
        let mut answers = Vec::new();
        let mut by_leader: BTreeMap<i32, Vec<(TopicPartition, i64)>> = BTreeMap::new();
        for question in asked {
            match self.leader_of(&question.0).await {
                Ok(leader) => by_leader.entry(leader).or_default().push(question.clone()),
                Err(error) => answers.push((question.clone(), Err(error))),
            }
        }
        let calls =
            by_leader.into_iter().map(|(leader, questions)| self.ask_leader(leader, questions, isolation));
        answers.extend(join_all(calls).await.into_iter().flatten());
        answers
    }

    /// The node that leads a partition, by metadata that is fetched when missing.
    pub(crate) async fn leader_of(&self, place: &TopicPartition) -> Result<i32, ListOffsetsError> {
        let layout = self.topic_layout(&place.topic, false).await?;
        let position = usize::try_from(place.partition).unwrap_or(usize::MAX);
        let Some(entry) = layout.partitions.get(position) else {
            return Err(ListOffsetsError::Topic(MetadataError::UnknownPartition {
                topic: place.topic.to_string(),
                partition: place.partition,
                partitions: layout.partitions.len(),
            }));
        };
        if entry.leader < 0 {
            return Err(ListOffsetsError::NoLeader { place: place.clone() });
        }
        Ok(entry.leader)
    }

    async fn ask_leader(
        &self,
        leader: i32,
        questions: Vec<(TopicPartition, i64)>,
        isolation: Isolation,
    ) -> Vec<((TopicPartition, i64), Found)> {
        let request = list_offsets_request(&questions, isolation);
        let response = match self.shared.pool.node(leader, SHARED_LANE).await {
            Ok(connection) => connection.call(request).await,
            Err(error) => Err(error),
        };
        match response {
            Ok(response) => match_answers(questions, &response),
            Err(source) => questions
                .into_iter()
                .map(|question| {
                    let error = ListOffsetsError::Call { place: question.0.clone(), source: source.clone() };
                    (question, Err(error))
                })
                .collect(),
        }
    }
}

fn list_offsets_request(questions: &[(TopicPartition, i64)], isolation: Isolation) -> ListOffsetsRequest {
    let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for (place, timestamp) in questions {
        topics.entry(&place.topic).or_default().push(ListOffsetsPartition {
            partition_index: place.partition,
            timestamp: *timestamp,
            ..Default::default()
        });
    }
    ListOffsetsRequest {
        replica_id: -1,
        isolation_level: isolation.level(),
        topics: topics
            .into_iter()
            .map(|(name, partitions)| ListOffsetsTopic { name: name.to_owned(), partitions })
            .collect(),
        ..Default::default()
    }
}

/// Pairs questions with answers by place. One place asked twice with different timestamps is answered in order.
fn match_answers(
    questions: Vec<(TopicPartition, i64)>,
    response: &ListOffsetsResponse,
) -> Vec<((TopicPartition, i64), Found)> {
    let mut by_place: HashMap<(String, i32), VecDeque<Found>> = HashMap::new();
    for topic in &response.topics {
        for partition in &topic.partitions {
            let code = ErrorCode::from_code(partition.error_code);
            let found = if code == ErrorCode::None {
                Ok(ListedOffset {
                    offset: partition.offset,
                    timestamp_ms: partition.timestamp,
                    leader_epoch: partition.leader_epoch,
                })
            } else {
                let place = TopicPartition::new(topic.name.as_str(), partition.partition_index);
                Err(ListOffsetsError::Refused { place, code })
            };
            by_place.entry((topic.name.clone(), partition.partition_index)).or_default().push_back(found);
        }
    }
    questions
        .into_iter()
        .filter_map(|question| {
            let answer =
                by_place.get_mut(&(question.0.topic.to_string(), question.0.partition))?.pop_front()?;
            Some((question, answer))
        })
        .collect()
}
