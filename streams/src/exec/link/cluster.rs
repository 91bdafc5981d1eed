//! The way to a real cluster, through the Kafka client.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use millstream_client::{
    Client, CommittedOffset, Consumer, ConsumerConfig, Delivery, Fetched, GroupMetadata, NewRecord,
    ProducerConfig, Record, Start, StartAt, TopicPartition, TopicWriter, TransactionConfig,
    TransactionalProducer,
};

use super::restore::{self, CHANGELOG_PARTITION};
use super::{Change, InputPartition, Link, Piece, Position};
use crate::exec::QueryError;
use crate::exec::encode::OutputRows;
use crate::exec::positions::check_memory;
use crate::plan::QueryPlan;
use crate::state::store::QueryStore;

/// What one query may have fetched and not yet looked at, and have written that is not on its way yet: beside the state, so
/// it is kept small. Plenty for a commit interval.
const PREFETCH_BYTES: usize = 16 << 20;
const WRITE_BUFFER_BYTES: usize = 16 << 20;

/// Of one answer, all partitions together.
const FETCH_BYTES: usize = 8 << 20;

/// How a query reads its inputs.
pub(crate) fn reading() -> ConsumerConfig {
    ConsumerConfig {
        fetch_bytes_max: FETCH_BYTES,
        prefetch_bytes: PREFETCH_BYTES,
        ..ConsumerConfig::default()
    }
}

/// How a query writes its results.
pub(crate) fn writing() -> TransactionConfig {
    let producer = ProducerConfig { buffer_bytes: WRITE_BUFFER_BYTES, ..ProducerConfig::default() };
    TransactionConfig { producer, ..TransactionConfig::default() }
}

pub(crate) struct ClusterLink {
    client: Client,
    plan: Arc<QueryPlan>,
    transaction: TransactionConfig,
    consumer: Consumer,
    /// Topics that are read, once open.
    inputs: Vec<String>,
    opened: Option<Opened>,
}

struct Opened {
    producer: TransactionalProducer,
    /// By place among the query's outputs.
    outputs: Vec<TopicWriter>,
    changelog: Option<TopicWriter>,
    in_transaction: bool,
}

impl ClusterLink {
    pub fn new(client: Client, plan: Arc<QueryPlan>, transaction: TransactionConfig) -> ClusterLink {
        let consumer = client.consumer(reading());
        ClusterLink { client, plan, transaction, consumer, inputs: Vec::new(), opened: None }
    }

    async fn take_over(&self) -> Result<Opened, QueryError> {
        let id = self.plan.transactional_id(0);
        let producer = self
            .client
            .transactional_producer(&id, self.transaction.clone())
            .await
            .map_err(|error| QueryError::cluster(format!("open transactional id `{id}`"), error))?;
        let writer = async |topic: &str| {
            producer
                .producer()
                .writer(topic)
                .await
                .map_err(|error| QueryError::cluster(format!("write topic `{topic}`"), error))
        };
        let mut outputs = Vec::new();
        for topic in self.plan.output_topics() {
            outputs.push(writer(topic).await?);
        }
        let changelog =
            if self.plan.is_stateful() { Some(writer(&self.plan.changelog_topic()).await?) } else { None };
        Ok(Opened { producer, outputs, changelog, in_transaction: false })
    }

    /// A query that reads other topics by now has positions in those it read before: its state came from there.
    async fn check_others(&self, topics: &[String]) -> Result<(), QueryError> {
        if !self.plan.is_stateful() {
            return Ok(());
        }
        let group = self.plan.group();
        let all = self.client.admin().group_offsets(&group, None).await;
        let all =
            all.map_err(|error| QueryError::cluster(format!("fetch offsets of group `{group}`"), error))?;
        let others = all.iter().filter(|(place, _)| !topics.iter().any(|topic| **topic == *place.topic));
        others.into_iter().try_for_each(|(_, offset)| check_memory(&self.plan, &offset.metadata))
    }

    async fn start_positions(&self, input: usize, topic: &str) -> Result<Vec<InputPartition>, QueryError> {
        let failed = |error: &dyn ToString| {
            QueryError::cluster(format!("find positions in `{topic}`"), error.to_string())
        };
        let layout = self.client.topic(topic).await.map_err(|error| failed(&error))?;
        let places: Vec<TopicPartition> = (0..layout.partitions.len())
            .map(|partition| TopicPartition::new(topic, i32::try_from(partition).unwrap_or(i32::MAX)))
            .collect();
        let admin = self.client.admin();
        let committed = admin.group_offsets(&self.plan.group(), Some(&places)).await.map_err(|error| {
            QueryError::cluster(format!("fetch offsets of group `{}`", self.plan.group()), error)
        })?;
        let committed: HashMap<TopicPartition, CommittedOffset> = committed.into_iter().collect();
        let first = self.consumer.beginning_offsets(&places).await.map_err(|error| failed(&error))?;
        let ends = self.consumer.end_offsets(&places).await.map_err(|error| failed(&error))?;
        let partitions = places.iter().zip(first).zip(ends).map(|((place, first), end_offset)| {
            let known = committed.get(place);
            InputPartition {
                input,
                partition: place.partition,
                offset: known.map_or(first, |known| known.offset.max(first)),
                note: known.map(|known| known.metadata.clone()),
                end_offset,
            }
        });
        Ok(partitions.collect())
    }

    fn opened(&mut self) -> Result<&mut Opened, QueryError> {
        self.opened.as_mut().ok_or_else(|| QueryError::cluster("write results", "the task is not open"))
    }
}

impl Opened {
    fn begin(&mut self) -> Result<(), QueryError> {
        if !self.in_transaction {
            self.producer.begin().map_err(|error| QueryError::cluster("begin a transaction", error))?;
            self.in_transaction = true;
        }
        Ok(())
    }

    /// Writes the changes of the state. Gives the delivery of the last.
    async fn log(&mut self, topic: &str, changes: &[Change]) -> Result<Option<Delivery>, QueryError> {
        let (Some(changelog), Some((last, others))) = (&self.changelog, changes.split_last()) else {
            return Ok(None);
        };
        let failed = |error| QueryError::cluster("write the changelog", error);
        if let Some((key, value)) = changes
            .iter()
            .find(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len) > restore::CHANGE_BYTES_MAX)
        {
            let bytes = key.len() + value.as_ref().map_or(0, Vec::len);
            return Err(QueryError::State { topic: topic.to_owned(), reason: restore::too_large(bytes) });
        }
        for (key, value) in others {
            let record =
                NewRecord { key: Some(key), value: value.as_deref(), headers: &[], timestamp_ms: None };
            changelog.append(Some(CHANGELOG_PARTITION), record).await.map_err(failed)?;
        }
        let (key, value) = last;
        let record = Record {
            topic: topic.to_owned(),
            partition: Some(CHANGELOG_PARTITION),
            key: Some(Bytes::copy_from_slice(key)),
            value: value.as_deref().map(Bytes::copy_from_slice),
            ..Record::default()
        };
        self.producer.producer().send(record).await.map(Some).map_err(failed)
    }
}

/// What was fetched, if it is of one of the inputs.
pub(crate) fn piece_of(inputs: &[String], fetched: Fetched) -> Option<Piece> {
    let input = inputs.iter().position(|topic| *topic == *fetched.place.topic)?;
    Some(Piece {
        input,
        partition: fetched.place.partition,
        start_offset: fetched.start_offset,
        next_offset: fetched.next_offset,
        end_offset: if fetched.last_stable_offset >= 0 {
            fetched.last_stable_offset.min(fetched.high_watermark)
        } else {
            fetched.high_watermark
        },
        batches: fetched.batches,
    })
}

#[async_trait]
impl Link for ClusterLink {
    async fn open(&mut self) -> Result<Vec<InputPartition>, QueryError> {
        // First the fence, then the positions: nothing of an older task can be committed behind what is read here.
        self.opened = Some(self.take_over().await?);
        let topics: Vec<String> = self.plan.input_topics().into_iter().map(str::to_owned).collect();
        let mut partitions = Vec::new();
        for (input, topic) in topics.iter().enumerate() {
            partitions.extend(self.start_positions(input, topic).await?);
        }
        self.check_others(&topics).await?;
        let starts = partitions.iter().filter_map(|position| {
            let place = TopicPartition::new(topics.get(position.input)?.as_str(), position.partition);
            Some(StartAt { place, start: Start::Offset(position.offset) })
        });
        self.consumer
            .assign(starts.collect())
            .await
            .map_err(|error| QueryError::cluster(format!("read topics `{}`", topics.join("`, `")), error))?;
        self.inputs = topics;
        Ok(partitions)
    }

    async fn changelog(
        &mut self,
        store: &mut QueryStore,
        left: &(dyn Fn(i64) + Sync),
    ) -> Result<(), QueryError> {
        restore::follow(&self.client, &self.plan.changelog_topic(), store, left).await
    }

    async fn poll(&mut self, wait: Duration) -> Result<Option<Piece>, QueryError> {
        let fetched = self.consumer.poll(wait).await.map_err(|error| {
            QueryError::cluster(format!("read topics `{}`", self.inputs.join("`, `")), error)
        })?;
        Ok(fetched.and_then(|fetched| piece_of(&self.inputs, fetched)))
    }

    fn hold(&mut self, held: &[usize]) {
        let is_held = |place: &TopicPartition| {
            held.iter().any(|input| self.inputs.get(*input).is_some_and(|topic| *topic == *place.topic))
        };
        let (paused, resumed): (Vec<_>, Vec<_>) = self.consumer.assignment().into_iter().partition(is_held);
        self.consumer.pause(&paused);
        self.consumer.resume(&resumed);
    }

    async fn write(&mut self, output: usize, rows: &OutputRows, keyless: i32) -> Result<(), QueryError> {
        let topic = self.plan.output_topics().get(output).copied().unwrap_or_default().to_owned();
        let opened = self.opened()?;
        opened.begin()?;
        let Some(writer) = opened.outputs.get(output) else { return Ok(()) };
        let partitions = i32::try_from(writer.partitions()).unwrap_or(i32::MAX).max(1);
        for (key, value, headers) in rows.iter() {
            let partition = if key.is_none() { Some(keyless.rem_euclid(partitions)) } else { None };
            let headers: Vec<(&str, Option<&[u8]>)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
            let record = NewRecord { key, value, headers: &headers, timestamp_ms: None };
            writer
                .append(partition, record)
                .await
                .map_err(|error| QueryError::cluster(format!("write topic `{topic}`"), error))?;
        }
        Ok(())
    }

    async fn commit(
        &mut self,
        changes: &[Change],
        positions: &[Position],
    ) -> Result<Option<i64>, QueryError> {
        let inputs = self.inputs.clone();
        let group = self.plan.group();
        let topic = self.plan.changelog_topic();
        let opened = self.opened()?;
        opened.begin()?;
        let last = opened.log(&topic, changes).await?;
        let offsets: Vec<(TopicPartition, CommittedOffset)> = positions
            .iter()
            .filter_map(|position| {
                let place = TopicPartition::new(inputs.get(position.input)?.as_str(), position.partition);
                let metadata = position.note.clone();
                Some((place, CommittedOffset { offset: position.offset, leader_epoch: -1, metadata }))
            })
            .collect();
        opened
            .producer
            .send_offsets(&offsets, &GroupMetadata::simple(group))
            .await
            .map_err(|error| QueryError::cluster("commit positions", error))?;
        opened.producer.commit().await.map_err(|error| QueryError::cluster("commit", error))?;
        opened.in_transaction = false;
        let Some(last) = last else { return Ok(None) };
        // The transaction is through, and so is everything in it.
        let written = last.wait().await.map_err(|error| QueryError::cluster("write the changelog", error))?;
        Ok((written.offset >= 0).then(|| written.offset + 1))
    }
}
