//! Our topics into another cluster: records and the offsets they came from in one transaction there.

use std::collections::HashMap;

use async_trait::async_trait;
use millstream_client::admin::NewTopic;
use millstream_client::{
    Client, CommittedOffset, GroupMetadata, MetadataError, NewRecord, ProduceError, TopicPartition as Place,
    TransactionConfig, TransactionError, TransactionalProducer,
};
use millstream_sdk::error::{ConnectorError, ErrorClass};
use millstream_sdk::plugin::Surroundings;
use millstream_sdk::sink::{Delivery, Sink, SinkBatch, SinkPosition, TopicPartition, Written};
use serde::Deserialize;

use super::{Addresses, admin_failed};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    bootstrap: Addresses,
    prefix: String,
    topic: Option<String>,
    create: bool,
}

pub struct KafkaSink {
    options: Options,
    at: Surroundings,
    open: Option<Open>,
}

struct Open {
    producer: TransactionalProducer,
    has_transaction: bool,
}

impl KafkaSink {
    pub fn new(options: Options, at: Surroundings) -> KafkaSink {
        KafkaSink { options, at, open: None }
    }

    fn name(&self) -> String {
        format!("mirror-{}-{}", self.at.pipeline, self.at.node)
    }

    fn topic_of(&self, topic: &str) -> String {
        self.options.topic.clone().unwrap_or_else(|| format!("{}{topic}", self.options.prefix))
    }

    /// Where the offset of one of our partitions is kept: by our topic's name, under a topic that exists there.
    fn keeps(&self, partition: &TopicPartition) -> Place {
        Place::new(self.topic_of(&partition.topic), partition.partition)
    }

    async fn ensure_topics(
        &self,
        client: &Client,
        partitions: &[TopicPartition],
    ) -> Result<(), ConnectorError> {
        let mut wanted: HashMap<String, i32> = HashMap::new();
        for partition in partitions {
            let count = wanted.entry(self.topic_of(&partition.topic)).or_default();
            *count = (*count).max(partition.partition + 1);
        }
        let admin = client.admin();
        for (topic, count) in wanted {
            let found = match client.topic(&topic).await {
                Ok(layout) => layout.partitions.len(),
                Err(MetadataError::UnknownTopic { .. }) if self.options.create => {
                    for created in admin.create_topics(&[NewTopic::new(&topic, count)], false).await {
                        created
                            .map_err(|error| admin_failed("making a topic in the other cluster", error))?;
                    }
                    let ready = admin.wait_for_topic(&topic).await;
                    ready
                        .map_err(|error| admin_failed("making a topic in the other cluster", error))?
                        .partitions
                        .len()
                }
                Err(MetadataError::UnknownTopic { .. }) => {
                    return Err(ConnectorError::config(format!(
                        "the other cluster has no topic {topic}; make it, or set `create`"
                    )));
                }
                Err(error) => {
                    return Err(
                        ConnectorError::retryable(format!("looking for topic {topic}")).caused_by(error)
                    );
                }
            };
            if found < count as usize {
                return Err(ConnectorError::config(format!(
                    "topic {topic} has {found} partitions in the other cluster and {count} here; give it as many"
                )));
            }
        }
        Ok(())
    }

    fn open_now(&mut self) -> Result<&mut Open, ConnectorError> {
        self.open.as_mut().ok_or_else(|| ConnectorError::fatal("the sink is not open"))
    }
}

impl Open {
    fn begin(&mut self) -> Result<(), ConnectorError> {
        if !self.has_transaction {
            self.producer.begin().map_err(transaction_failed)?;
            self.has_transaction = true;
        }
        Ok(())
    }
}

#[async_trait]
impl Sink for KafkaSink {
    fn delivery(&self) -> Delivery {
        Delivery::Transactional
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<Vec<SinkPosition>, ConnectorError> {
        self.open = None;
        if self.options.topic.is_some() {
            let mut topics: Vec<_> = partitions.iter().map(|partition| &partition.topic).collect();
            topics.dedup();
            if topics.len() > 1 {
                return Err(ConnectorError::config(
                    "`topic` takes one topic; a sink of several keeps their names",
                ));
            }
        }
        let client = self.options.bootstrap.connect(&self.at).await?;
        self.ensure_topics(&client, partitions).await?;
        // Taking over the name ends what an older sink had open, so the offsets are final.
        let producer = client.transactional_producer(&self.name(), TransactionConfig::default()).await;
        let producer = producer.map_err(transaction_failed)?;
        let places: Vec<Place> = partitions.iter().map(|partition| self.keeps(partition)).collect();
        let stored = client.admin().group_offsets(&self.name(), Some(&places)).await;
        let stored: HashMap<Place, CommittedOffset> = stored
            .map_err(|error| admin_failed("reading offsets in the other cluster", error))?
            .into_iter()
            .collect();
        self.open = Some(Open { producer, has_transaction: false });
        let held = partitions.iter().filter_map(|partition| {
            let next_offset = stored.get(&self.keeps(partition))?.offset;
            Some(SinkPosition { partition: partition.clone(), next_offset })
        });
        Ok(held.collect())
    }

    async fn write(&mut self, batch: SinkBatch) -> Result<Written, ConnectorError> {
        let topic = self.topic_of(&batch.topic);
        let open = self.open_now()?;
        open.begin()?;
        let writer = open.producer.producer().writer(&topic).await.map_err(produce_failed)?;
        for row in batch.batch.rows() {
            let headers: Vec<_> = row.headers.collect();
            let record = NewRecord {
                key: row.key,
                value: row.value,
                headers: &headers,
                timestamp_ms: row.timestamp_ms,
            };
            writer.append(Some(batch.partition), record).await.map_err(produce_failed)?;
        }
        Ok(Written::default())
    }

    async fn commit(&mut self, positions: &[SinkPosition]) -> Result<(), ConnectorError> {
        let offsets: Vec<_> = positions
            .iter()
            .map(|position| (self.keeps(&position.partition), CommittedOffset::at(position.next_offset)))
            .collect();
        let group = GroupMetadata::simple(self.name());
        let open = self.open_now()?;
        if offsets.is_empty() && !open.has_transaction {
            return Ok(());
        }
        open.begin()?;
        open.producer.send_offsets(&offsets, &group).await.map_err(transaction_failed)?;
        open.producer.commit().await.map_err(transaction_failed)?;
        open.has_transaction = false;
        Ok(())
    }

    async fn close(&mut self) -> Result<(), ConnectorError> {
        if let Some(mut open) = self.open.take()
            && open.has_transaction
        {
            open.producer.abort().await.map_err(transaction_failed)?;
        }
        Ok(())
    }
}

fn transaction_failed(error: TransactionError) -> ConnectorError {
    let class = if error.is_fatal() { ErrorClass::Fatal } else { ErrorClass::Retryable };
    ConnectorError::new(class, "writing to the other cluster").caused_by(error)
}

fn produce_failed(error: ProduceError) -> ConnectorError {
    ConnectorError::retryable("writing to the other cluster").caused_by(error)
}
