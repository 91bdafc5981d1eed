//! Partitions of another cluster as splits. A position is the next offset to read, as JSON.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use millstream_client::{
    Client, ConsumeError, Consumer, ConsumerConfig, Isolation, Start, StartAt, TopicPartition,
};
use millstream_sdk::error::ConnectorError;
use millstream_sdk::plugin::Surroundings;
use millstream_sdk::record::{BatchBuilder, PARTITION_HEADER, TOPIC_HEADER};
use millstream_sdk::source::{PollLimits, Polled, Position, Source, SourceReader, Split};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::Addresses;

/// How much of one partition is fetched ahead.
const PREFETCH_BYTES: usize = 4 << 20;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    bootstrap: Addresses,
    topics: Vec<String>,
    rename: Rename,
    prefix: String,
    partitions: Partitions,
    start: StartWhere,
    follow: bool,
    isolation: Reads,
    origin: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Rename {
    To,
    Keep,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Partitions {
    Keep,
    Hash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StartWhere {
    Earliest,
    Latest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reads {
    Committed,
    Uncommitted,
}

/// A position as it is stored. New fields need defaults.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Place {
    offset: i64,
}

pub struct KafkaSource {
    options: Arc<Options>,
    patterns: Vec<glob::Pattern>,
    at: Surroundings,
    client: OnceCell<Client>,
}

impl KafkaSource {
    pub fn new(options: Options, at: Surroundings) -> Result<KafkaSource, ConnectorError> {
        let pattern = |text: &String| {
            glob::Pattern::new(text).map_err(|error| {
                ConnectorError::config(format!("topics: `{text}` is no pattern")).caused_by(error)
            })
        };
        let patterns = options.topics.iter().map(pattern).collect::<Result<_, _>>()?;
        Ok(KafkaSource { options: Arc::new(options), patterns, at, client: OnceCell::new() })
    }

    async fn client(&self) -> Result<&Client, ConnectorError> {
        self.client.get_or_try_init(|| self.options.bootstrap.connect(&self.at)).await
    }
}

#[async_trait]
impl Source for KafkaSource {
    fn is_bounded(&self) -> bool {
        !self.options.follow
    }

    async fn splits(&self) -> Result<Vec<Split>, ConnectorError> {
        let listed = self.client().await?.admin().list_topics().await;
        let listed = listed.map_err(|error| ConnectorError::retryable("listing topics").caused_by(error))?;
        let mut splits = Vec::new();
        for topic in listed {
            let wanted = self.patterns.iter().any(|pattern| pattern.matches(&topic.name));
            if wanted && !topic.is_internal && !topic.name.starts_with("__") {
                splits.extend(
                    (0..topic.partitions).map(|partition| Split::new(format!("{}-{partition}", topic.name))),
                );
            }
        }
        match splits.is_empty() && !self.options.follow {
            true => {
                Err(ConnectorError::config(format!("no topic matches {}", self.options.topics.join(", "))))
            }
            false => Ok(splits),
        }
    }

    async fn open(
        &self,
        split: &Split,
        position: Option<Position>,
    ) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let broken = || ConnectorError::fatal(format!("`{}` is no partition", split.id));
        let (topic, partition) = split.id.rsplit_once('-').ok_or_else(broken)?;
        let place = TopicPartition::new(topic, partition.parse().map_err(|_| broken())?);
        let stored: Option<Place> = match position {
            Some(position) => Some(
                serde_json::from_slice(&position.0)
                    .map_err(|error| ConnectorError::fatal("reading a stored offset").caused_by(error))?,
            ),
            None => None,
        };
        let isolation = match self.options.isolation {
            Reads::Committed => Isolation::ReadCommitted,
            Reads::Uncommitted => Isolation::ReadUncommitted,
        };
        let config =
            ConsumerConfig { isolation, prefetch_bytes: PREFETCH_BYTES, ..ConsumerConfig::default() };
        let mut consumer = self.client().await?.consumer(config);
        let places = std::slice::from_ref(&place);
        let begin = consumer.beginning_offsets(places).await.map_err(failed)?.first().copied().unwrap_or(0);
        let end = consumer.end_offsets(places).await.map_err(failed)?.first().copied().unwrap_or(0);
        let next = match (stored, self.options.start) {
            (Some(stored), _) if stored.offset > end => {
                return Err(ConnectorError::fatal(format!(
                    "{place} ends at {end} and was read up to {}: it was made anew; forget the source's offsets to read \
                     it from its start",
                    stored.offset
                )));
            }
            (Some(stored), _) => {
                if stored.offset < begin {
                    tracing::warn!(%place, from = stored.offset, to = begin, "retention has taken records before they were read");
                }
                stored.offset.max(begin)
            }
            (None, StartWhere::Earliest) => begin,
            (None, StartWhere::Latest) => end,
        };
        consumer
            .assign(vec![StartAt { place: place.clone(), start: Start::Offset(next) }])
            .await
            .map_err(failed)?;
        let topic = format!("{}{}", self.options.prefix, place.topic);
        Ok(Box::new(Reader { options: Arc::clone(&self.options), consumer, place, topic, next, end }))
    }
}

fn failed(error: ConsumeError) -> ConnectorError {
    ConnectorError::retryable("reading the other cluster").caused_by(error)
}

struct Reader {
    options: Arc<Options>,
    consumer: Consumer,
    place: TopicPartition,
    /// Where records go when topics keep their names.
    topic: String,
    next: i64,
    /// Where the partition ended when it was opened.
    end: i64,
}

#[async_trait]
impl SourceReader for Reader {
    async fn poll(&mut self, limits: PollLimits) -> Result<Polled, ConnectorError> {
        let at_end = |next: i64| !self.options.follow && next >= self.end;
        if at_end(self.next) {
            return Ok(Polled { end_of_split: true, ..Polled::default() });
        }
        let Some(fetched) = self.consumer.poll(limits.wait).await.map_err(failed)? else {
            // Markers of transactions move the position without a record.
            self.next = self.consumer.position(&self.place).unwrap_or(self.next);
            return Ok(Polled {
                end_of_split: !self.options.follow && self.next >= self.end,
                ..Polled::default()
            });
        };
        let mut builder = BatchBuilder::new();
        let partition = self.place.partition.to_string();
        let mut damaged = None;
        let read = fetched.for_each(|record| {
            for header in record.headers {
                match header {
                    Ok(header) => builder.push_header(&header.key, header.value),
                    Err(problem) => damaged = Some(format!("offset {}: {problem}", record.offset)),
                }
            }
            if self.options.rename == Rename::Keep {
                builder.push_header(TOPIC_HEADER, Some(self.topic.as_bytes()));
            }
            if self.options.partitions == Partitions::Keep {
                builder.push_header(PARTITION_HEADER, Some(partition.as_bytes()));
            }
            if self.options.origin {
                builder.push_header("origin.topic", Some(self.place.topic.as_bytes()));
                builder.push_header("origin.partition", Some(partition.as_bytes()));
                builder.push_header("origin.offset", Some(record.offset.to_string().as_bytes()));
            }
            let timestamp_ms = (record.timestamp_ms >= 0).then_some(record.timestamp_ms);
            builder.push(record.key, record.value, timestamp_ms);
        });
        read.map_err(|error| ConnectorError::fatal(format!("reading {}", self.place)).caused_by(error))?;
        if let Some(problem) = damaged {
            return Err(ConnectorError::fatal(format!("reading {}: {problem}", self.place)));
        }
        self.next = fetched.next_offset;
        let place = serde_json::to_vec(&Place { offset: self.next })
            .map_err(|error| ConnectorError::fatal("writing an offset").caused_by(error))?;
        Ok(Polled {
            batch: builder.finish(),
            position: Some(Position(Bytes::from(place))),
            end_of_split: !self.options.follow && self.next >= self.end,
            ..Polled::default()
        })
    }
}
