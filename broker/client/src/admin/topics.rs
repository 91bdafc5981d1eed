//! Topics: create, delete, grow, list, describe.

use std::collections::HashMap;

use millstream_protocol::messages::{
    CreatableTopic, CreatableTopicConfig, CreatePartitionsRequest, CreatePartitionsTopic,
    CreateTopicsRequest, DeleteTopicState, DeleteTopicsRequest,
};
use millstream_protocol::{ErrorCode, Uuid};

use super::{Admin, AdminError, accepted};
use crate::connection::CallError;
use crate::metadata::{MetadataError, TopicLayout};

/// A topic to create. `-1` leaves a number to the broker's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    pub name: String,
    pub partitions: i32,
    pub replication_factor: i16,
    pub configs: Vec<(String, String)>,
}

impl NewTopic {
    pub fn new(name: impl Into<String>, partitions: i32) -> NewTopic {
        NewTopic { name: name.into(), partitions, replication_factor: -1, configs: Vec::new() }
    }

    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> NewTopic {
        self.configs.push((name.into(), value.into()));
        self
    }
}

/// A topic as it was created. −1 where the cluster does not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    pub name: String,
    pub topic_id: Uuid,
    pub partitions: i32,
    pub replication_factor: i16,
}

/// One topic of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicListing {
    pub name: String,
    pub topic_id: Uuid,
    pub is_internal: bool,
    pub partitions: usize,
}

/// Names in DeleteTopics moved into a structure at this version.
const FIRST_DELETE_BY_STATE: i16 = 6;

impl Admin {
    /// Creates topics, or only checks whether they could be.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        validate_only: bool,
    ) -> Vec<Result<CreatedTopic, AdminError>> {
        const ATTEMPT: &str = "creating topic";
        let request = CreateTopicsRequest {
            topics: topics.iter().map(creatable).collect(),
            timeout_ms: self.timeout_ms(),
            validate_only,
        };
        let not_controller = |code: i16| ErrorCode::from_code(code) == ErrorCode::NotController;
        let response = self
            .call_controller(request, |response| {
                response.topics.iter().any(|topic| not_controller(topic.error_code))
            })
            .await;
        let mut answers = match response {
            Ok(response) => response
                .topics
                .into_iter()
                .map(|topic| (topic.name.clone(), topic))
                .collect::<HashMap<_, _>>(),
            Err(source) => return every(ATTEMPT, topics.iter().map(|topic| &topic.name), &source),
        };
        topics
            .iter()
            .map(|asked| {
                let answer = answers
                    .remove(&asked.name)
                    .ok_or_else(|| AdminError::Unanswered { attempt: ATTEMPT, name: asked.name.clone() })?;
                accepted(ATTEMPT, &asked.name, answer.error_code, answer.error_message)?;
                Ok(CreatedTopic {
                    name: answer.name,
                    topic_id: answer.topic_id,
                    partitions: answer.num_partitions,
                    replication_factor: answer.replication_factor,
                })
            })
            .collect()
    }

    /// Deletes topics by name.
    pub async fn delete_topics(&self, names: &[&str]) -> Vec<Result<(), AdminError>> {
        const ATTEMPT: &str = "deleting topic";
        let response = match self.delete_topics_call(names).await {
            Ok(response) => response,
            Err(source) => return every(ATTEMPT, names.iter().copied(), &source),
        };
        names
            .iter()
            .map(|&name| {
                let answer = response
                    .responses
                    .iter()
                    .find(|answer| answer.name.as_deref() == Some(name))
                    .ok_or_else(|| AdminError::Unanswered { attempt: ATTEMPT, name: name.to_owned() })?;
                accepted(ATTEMPT, name, answer.error_code, answer.error_message.clone())?;
                self.client.forget_topic(name);
                Ok(())
            })
            .collect()
    }

    async fn delete_topics_call(
        &self,
        names: &[&str],
    ) -> Result<millstream_protocol::messages::DeleteTopicsResponse, CallError> {
        let version = self.client.shared.pool.any().await?.version::<DeleteTopicsRequest>()?;
        let mut request = DeleteTopicsRequest { timeout_ms: self.timeout_ms(), ..Default::default() };
        if version >= FIRST_DELETE_BY_STATE {
            let by_name =
                |name: &&str| DeleteTopicState { name: Some((*name).to_owned()), topic_id: Uuid::ZERO };
            request.topics = names.iter().map(by_name).collect();
        } else {
            request.topic_names = names.iter().map(|&name| name.to_owned()).collect();
        }
        self.call_controller(request, |response| {
            let is_not_controller = |code| ErrorCode::from_code(code) == ErrorCode::NotController;
            response.responses.iter().any(|answer| is_not_controller(answer.error_code))
        })
        .await
    }

    /// Grows a topic to `partitions` in all.
    pub async fn create_partitions(&self, topic: &str, partitions: i32) -> Result<(), AdminError> {
        const ATTEMPT: &str = "adding partitions to topic";
        let asked = CreatePartitionsTopic { name: topic.to_owned(), count: partitions, assignments: None };
        let request = CreatePartitionsRequest {
            topics: vec![asked],
            timeout_ms: self.timeout_ms(),
            validate_only: false,
        };
        let response = self
            .call_controller(request, |response| {
                let is_not_controller = |code| ErrorCode::from_code(code) == ErrorCode::NotController;
                response.results.iter().any(|result| is_not_controller(result.error_code))
            })
            .await
            .map_err(|source| AdminError::Call { attempt: ATTEMPT, name: topic.to_owned(), source })?;
        let answer = response
            .results
            .into_iter()
            .next()
            .ok_or_else(|| AdminError::Unanswered { attempt: ATTEMPT, name: topic.to_owned() })?;
        accepted(ATTEMPT, topic, answer.error_code, answer.error_message)?;
        self.client.forget_topic(topic);
        Ok(())
    }

    /// Every topic that this client may see, sorted by name.
    pub async fn list_topics(&self) -> Result<Vec<TopicListing>, AdminError> {
        let topics = self.client.all_topics().await.map_err(|source| AdminError::Call {
            attempt: "listing topics of",
            name: "cluster".to_owned(),
            source,
        })?;
        let mut listings: Vec<TopicListing> = topics
            .into_iter()
            .filter(|topic| topic.error_code == ErrorCode::None.code())
            .filter_map(|topic| {
                Some(TopicListing {
                    name: topic.name?,
                    topic_id: topic.topic_id,
                    is_internal: topic.is_internal,
                    partitions: topic.partitions.len(),
                })
            })
            .collect();
        listings.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(listings)
    }

    /// Leaders and replicas of topics, fetched fresh.
    pub async fn describe_topics(&self, names: &[&str]) -> Vec<Result<TopicLayout, AdminError>> {
        let describe = |name: String| async move {
            self.client.forget_topic(&name);
            Ok(self.client.topic_layout(&name, false).await?)
        };
        futures_util::future::join_all(names.iter().map(|&name| describe(name.to_owned()))).await
    }

    /// Waits until metadata knows a topic that was just created, and every partition has a leader.
    pub async fn wait_for_topic(&self, name: &str) -> Result<TopicLayout, AdminError> {
        let deadline = tokio::time::Instant::now() + self.client.shared.config.operation_timeout;
        let mut backoff = self.client.retry_backoff();
        loop {
            self.client.forget_topic(name);
            let result = self.client.topic_layout(name, false).await;
            let is_ready = result.as_ref().is_ok_and(|layout| {
                !layout.partitions.is_empty()
                    && layout.partitions.iter().all(|partition| partition.leader >= 0)
            });
            let may_come = match &result {
                Ok(_) | Err(MetadataError::UnknownTopic { .. }) => true,
                Err(error) => error.is_retriable(),
            };
            let wait = backoff.next_wait();
            if is_ready || !may_come || tokio::time::Instant::now() + wait >= deadline {
                return Ok(result?);
            }
            tokio::time::sleep(wait).await;
        }
    }
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let config = |(name, value): &(String, String)| CreatableTopicConfig {
        name: name.clone(),
        value: Some(value.clone()),
    };
    CreatableTopic {
        name: topic.name.clone(),
        num_partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        assignments: Vec::new(),
        configs: topic.configs.iter().map(config).collect(),
    }
}

/// The same failed call, once per thing asked.
pub(super) fn every<T>(
    attempt: &'static str,
    names: impl Iterator<Item = impl ToString>,
    source: &CallError,
) -> Vec<Result<T, AdminError>> {
    names
        .map(|name| Err(AdminError::Call { attempt, name: name.to_string(), source: source.clone() }))
        .collect()
}
