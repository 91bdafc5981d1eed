//! Records of a case: from the file into bytes, and from topics and sinks back into what people read.

use std::collections::BTreeMap;

use bytes::Bytes;
use millstream_client::{Client, ConsumerConfig, Header, Isolation, Start, StartAt, TopicPartition};
use serde_json::Value;

use crate::config::pipeline::CaseRecord;

/// How long one poll waits.
const POLL_WAIT: std::time::Duration = std::time::Duration::from_millis(100);

/// A given record, ready to be written.
#[derive(Debug, Clone)]
pub struct Made {
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<Header>,
    pub timestamp_ms: Option<i64>,
}

/// A record as it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(String, Option<Bytes>)>,
    pub timestamp_ms: Option<i64>,
}

/// `plain`: text is the value itself, not a JSON string.
pub fn made(record: &CaseRecord, plain: bool, clock_ms: Option<i64>) -> Made {
    let headers = record
        .headers
        .iter()
        .map(|(name, value)| Header { name: name.as_str().into(), value: Some(Bytes::from(value.clone())) });
    Made {
        key: record.key.as_ref().and_then(|key| bytes_of(key, true)),
        value: bytes_of(&record.value, plain),
        headers: headers.collect(),
        timestamp_ms: record.timestamp_ms().or(clock_ms),
    }
}

fn bytes_of(value: &Value, plain: bool) -> Option<Bytes> {
    match value {
        Value::Null => None,
        Value::String(text) if plain => Some(Bytes::from(text.clone())),
        other => Some(Bytes::from(other.to_string())),
    }
}

/// Everything committed in a topic, partition by partition; nothing when there is no such topic.
pub async fn read(client: &Client, topic: &str) -> Result<Vec<Seen>, String> {
    let Ok(layout) = client.topic(topic).await else { return Ok(Vec::new()) };
    let failed = |error: millstream_client::ConsumeError| format!("reading topic {topic}: {error}");
    let mut seen = Vec::new();
    for partition in 0..i32::try_from(layout.partitions.len()).unwrap_or(i32::MAX) {
        let place = TopicPartition::new(topic, partition);
        let raw = ConsumerConfig { isolation: Isolation::ReadUncommitted, ..ConsumerConfig::default() };
        let ends = client.consumer(raw).end_offsets(std::slice::from_ref(&place)).await.map_err(failed)?;
        let end = ends.first().copied().unwrap_or(0);
        let mut consumer = client.consumer(ConsumerConfig::default());
        let start = StartAt { place: place.clone(), start: Start::Earliest };
        consumer.assign(vec![start]).await.map_err(failed)?;
        let mut reached = 0;
        while reached < end {
            match consumer.poll(POLL_WAIT).await.map_err(failed)? {
                Some(fetched) => {
                    fetched
                        .for_each(|record| seen.push(seen_of(record)))
                        .map_err(|error| error.to_string())?;
                    reached = fetched.next_offset;
                }
                None => reached = consumer.position(&place).unwrap_or(reached),
            }
        }
    }
    Ok(seen)
}

fn seen_of(record: millstream_protocol::record_batch::Record<'_>) -> Seen {
    let copied = |part: &[u8]| Bytes::copy_from_slice(part);
    let headers = record.headers.filter_map(Result::ok);
    Seen {
        key: record.key.map(copied),
        value: record.value.map(copied),
        headers: headers.map(|header| (header.key.to_string(), header.value.map(copied))).collect(),
        timestamp_ms: Some(record.timestamp_ms),
    }
}

/// The last record of each key, in the order of the keys' first appearance.
pub fn latest(seen: Vec<Seen>) -> Vec<Seen> {
    let mut places: BTreeMap<Option<Bytes>, usize> = BTreeMap::new();
    let mut last: Vec<Seen> = Vec::new();
    for record in seen {
        match places.get(&record.key).filter(|_| record.key.is_some()) {
            Some(place) => last[*place] = record,
            None => {
                places.insert(record.key.clone(), last.len());
                last.push(record);
            }
        }
    }
    last
}
