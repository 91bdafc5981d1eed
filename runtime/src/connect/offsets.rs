//! Where sources keep their positions: the compacted topic `__connect_offsets`, by pipeline, node and split.
//!
//! A position is written in the transaction of the records that it covers. Reading goes to the end as of now, committed
//! records only; it begins after the reader's own transactional id was taken over, so nothing can come after it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use millstream_client::{
    AdminError, Client, ConsumerConfig, Isolation, NewRecord, ProduceError, Producer, ProducerConfig, Start,
    StartAt, TopicPartition, admin::NewTopic, partition_for_key,
};
use millstream_protocol::ErrorCode;
use millstream_sdk::source::Position;

use super::failure::TaskError;

/// As Kafka Connect's, and like it one topic per cluster.
pub const OFFSETS_TOPIC: &str = "__connect_offsets";

/// Few records: a handful per pipeline after compaction.
const PARTITIONS: i32 = 5;

/// How long another task's open transaction may stand before our position.
const MAX_WAIT: Duration = Duration::from_secs(90);

const POLL_WAIT: Duration = Duration::from_millis(100);

/// Names one stored position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionKey(String);

impl PositionKey {
    pub fn new(pipeline: &str, node: &str, split: &str) -> PositionKey {
        PositionKey(serde_json::json!([pipeline, node, split]).to_string())
    }
}

/// Creates the topic unless it is there.
pub async fn ensure_topic(client: &Client) -> Result<(), TaskError> {
    let topic = NewTopic::new(OFFSETS_TOPIC, PARTITIONS).config("cleanup.policy", "compact");
    let created = client.admin().create_topics(std::slice::from_ref(&topic), false).await;
    for result in created {
        match result {
            Err(error) if error.code() != Some(ErrorCode::TopicAlreadyExists) => return Err(error.into()),
            _ => {}
        }
    }
    client.admin().wait_for_topic(OFFSETS_TOPIC).await?;
    Ok(())
}

/// Makes the position part of the producer's open transaction.
pub async fn append(producer: &Producer, key: &PositionKey, position: &Position) -> Result<(), ProduceError> {
    let record = NewRecord { key: Some(key.0.as_bytes()), value: Some(&position.0), ..NewRecord::default() };
    producer.append(OFFSETS_TOPIC, None, record).await
}

/// The position that was committed last.
pub async fn read(client: &Client, key: &PositionKey) -> Result<Option<Position>, TaskError> {
    let partitions = client.topic(OFFSETS_TOPIC).await?.partitions.len();
    let place = TopicPartition::new(OFFSETS_TOPIC, partition_for_key(key.0.as_bytes(), partitions));
    let mut found = None;
    visit(client, place, |found_key, value| {
        if found_key == key.0.as_bytes() {
            // A tombstone takes the position back.
            found = value.map(|value| Position(Bytes::copy_from_slice(value)));
        }
    })
    .await?;
    Ok(found)
}

/// Every position of a source by split.
pub async fn list(client: &Client, pipeline: &str, node: &str) -> Result<Vec<(String, Position)>, TaskError> {
    ensure_topic(client).await?;
    let partitions = client.topic(OFFSETS_TOPIC).await?.partitions.len();
    let mut found = BTreeMap::new();
    for partition in 0..i32::try_from(partitions).unwrap_or(i32::MAX) {
        visit(client, TopicPartition::new(OFFSETS_TOPIC, partition), |key, value| {
            let Ok([of, source, split]) = serde_json::from_slice::<[String; 3]>(key) else { return };
            if of != pipeline || source != node {
                return;
            }
            match value {
                Some(value) => drop(found.insert(split, Position(Bytes::copy_from_slice(value)))),
                None => drop(found.remove(&split)),
            }
        })
        .await?;
    }
    Ok(found.into_iter().collect())
}

/// Sets or forgets positions of a source that does not run.
pub async fn put(
    client: &Client,
    pipeline: &str,
    node: &str,
    positions: &[(String, Option<Position>)],
) -> Result<(), TaskError> {
    ensure_topic(client).await?;
    let producer = client.producer(ProducerConfig::default());
    for (split, position) in positions {
        let key = PositionKey::new(pipeline, node, split);
        let value = position.as_ref().map(|position| position.0.as_ref());
        let record = NewRecord { key: Some(key.0.as_bytes()), value, ..NewRecord::default() };
        producer.append(OFFSETS_TOPIC, None, record).await?;
    }
    Ok(producer.flush().await?)
}

/// Shows every committed record of a partition up to its end as of now: key and value, in order.
async fn visit(
    client: &Client,
    place: TopicPartition,
    mut show: impl FnMut(&[u8], Option<&[u8]>),
) -> Result<(), TaskError> {
    let end = high_watermark(client, &place).await?;
    let mut consumer = client.consumer(ConsumerConfig::default());
    consumer.assign(vec![StartAt { place: place.clone(), start: Start::Earliest }]).await?;
    let started = Instant::now();
    let mut reached = 0;
    // The last stable offset may lie before the end while others' transactions are open; ours is behind it then.
    while reached < end {
        if let Some(fetched) = consumer.poll(POLL_WAIT).await? {
            fetched.for_each(|record| show(record.key.unwrap_or_default(), record.value))?;
            reached = fetched.next_offset;
        } else if let Some(position) = consumer.position(&place) {
            reached = position;
        }
        if started.elapsed() > MAX_WAIT {
            return Err(TaskError::PositionBlocked { key: place.to_string(), waited_s: MAX_WAIT.as_secs() });
        }
    }
    Ok(())
}

async fn high_watermark(client: &Client, place: &TopicPartition) -> Result<i64, TaskError> {
    let config = ConsumerConfig { isolation: Isolation::ReadUncommitted, ..ConsumerConfig::default() };
    let ends = client.consumer(config).end_offsets(std::slice::from_ref(place)).await?;
    ends.first().copied().ok_or_else(|| {
        let (attempt, name) = ("finding the end of", place.to_string());
        AdminError::Unanswered { attempt, name }.into()
    })
}
