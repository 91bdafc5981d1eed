//! Partitions of another cluster as splits. A position is the next offset to read and, where groups are translated, the map
//! of offsets, as JSON.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use millstream_client::{
    Client, ConsumeError, Consumer, ConsumerConfig, Isolation, Start, StartAt, TopicPartition,
};
use millstream_sdk::error::ConnectorError;
use millstream_sdk::plugin::Surroundings;
use millstream_sdk::record::{BatchBuilder, PARTITION_HEADER, TOPIC_HEADER};
use millstream_sdk::source::{HostClient, Placed, PollLimits, Polled, Position, Source, SourceReader, Split};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::groups::{Groups, Maps};
use super::offset_map::{OffsetMap, Run, StoredMap};
use super::topics::{Mirrored, Topics};
use super::{Addresses, patterns};

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
    topic_configs: TopicConfigs,
    config_exclude: Vec<String>,
    groups: Vec<String>,
    sync_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TopicConfigs {
    Sync,
    Create,
    Off,
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
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Place {
    offset: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    map: Option<StoredMap>,
}

pub struct KafkaSource {
    options: Arc<Options>,
    patterns: Vec<glob::Pattern>,
    at: Surroundings,
    client: OnceCell<Client>,
    /// Of the cluster that the records go to.
    host: Option<Client>,
    /// What is done there beside the records, and knows of what it did.
    beside: OnceCell<Beside>,
    maps: Arc<Maps>,
}

struct Beside {
    topics: Topics,
    groups: Groups,
}

impl KafkaSource {
    pub fn new(options: Options, at: Surroundings) -> Result<KafkaSource, ConnectorError> {
        Ok(KafkaSource {
            patterns: patterns("topics", &options.topics)?,
            options: Arc::new(options),
            at,
            client: OnceCell::new(),
            host: None,
            beside: OnceCell::new(),
            maps: Arc::default(),
        })
    }

    async fn client(&self) -> Result<&Client, ConnectorError> {
        self.client.get_or_try_init(|| self.options.bootstrap.connect(&self.at)).await
    }

    /// What there is to do beside the records; nothing where records go to another topic than their own.
    async fn beside(&self) -> Result<Option<&Beside>, ConnectorError> {
        let Some(host) = self.host.as_ref().filter(|_| self.options.rename == Rename::Keep) else {
            return Ok(None);
        };
        let made = self.beside.get_or_try_init(|| async {
            let source = self.client().await?.clone();
            let excluded = patterns("config_exclude", &self.options.config_exclude)?;
            let groups = patterns("groups", &self.options.groups)?;
            Ok::<_, ConnectorError>(Beside {
                topics: Topics::new(source.clone(), host.clone(), excluded),
                groups: Groups::new(source, host.clone(), groups, self.options.prefix.clone()),
            })
        });
        made.await.map(Some)
    }

    async fn topics(&self) -> Result<Vec<Mirrored>, ConnectorError> {
        let listed = self.client().await?.admin().list_topics().await;
        let listed = listed.map_err(|error| ConnectorError::retryable("listing topics").caused_by(error))?;
        let wanted = listed.into_iter().filter(|topic| {
            let matches = self.patterns.iter().any(|pattern| pattern.matches(&topic.name));
            matches && !topic.is_internal && !topic.name.starts_with("__")
        });
        Ok(wanted
            .map(|topic| Mirrored {
                target: format!("{}{}", self.options.prefix, topic.name),
                source: topic.name,
                partitions: topic.partitions,
            })
            .collect())
    }
}

#[async_trait]
impl Source for KafkaSource {
    fn is_bounded(&self) -> bool {
        !self.options.follow
    }

    fn attach(&mut self, host: &HostClient) {
        self.host = host.get();
    }

    async fn tend(&self) -> Result<Option<Duration>, ConnectorError> {
        let Some(beside) = self.beside().await? else { return Ok(None) };
        let syncs_topics = self.options.topic_configs == TopicConfigs::Sync;
        let mut outcome = Ok(());
        if syncs_topics {
            for topic in self.topics().await? {
                outcome = outcome.and(beside.topics.sync(&topic).await);
            }
        }
        if !self.options.groups.is_empty() {
            outcome = outcome.and(beside.groups.sync(&self.maps).await);
        }
        outcome?;
        let has_more = syncs_topics || !self.options.groups.is_empty();
        Ok(has_more.then_some(Duration::from_millis(self.options.sync_ms)))
    }

    async fn splits(&self) -> Result<Vec<Split>, ConnectorError> {
        let beside = self.beside().await?.filter(|_| self.options.topic_configs != TopicConfigs::Off);
        let mut splits = Vec::new();
        for topic in self.topics().await? {
            if let Some(beside) = beside {
                beside.topics.ensure(&topic, self.options.partitions == Partitions::Keep).await?;
            }
            for partition in 0..i32::try_from(topic.partitions).unwrap_or(i32::MAX) {
                if !self.options.groups.is_empty() {
                    self.maps.expect(TopicPartition::new(topic.source.as_str(), partition));
                }
                splits.push(Split::new(format!("{}-{partition}", topic.source)));
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
        let client = self.client().await?;
        let knows = |count: usize| usize::try_from(place.partition).is_ok_and(|partition| partition < count);
        if client.topic(topic).await.is_ok_and(|layout| !knows(layout.partitions.len())) {
            // Grown since the client last looked. What is wrong with the answer shows when the partition is used.
            client.admin().describe_topics(&[topic]).await;
        }
        let mut consumer = client.consumer(config);
        let places = std::slice::from_ref(&place);
        let begin = consumer.beginning_offsets(places).await.map_err(failed)?.first().copied().unwrap_or(0);
        let end = consumer.end_offsets(places).await.map_err(failed)?.first().copied().unwrap_or(0);
        let next = match (&stored, self.options.start) {
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
        let copies =
            (!self.options.groups.is_empty()).then(|| Copies::start(&self.maps, &place, stored.as_ref()));
        let options = Arc::clone(&self.options);
        Ok(Box::new(Reader { options, consumer, place, topic: topic.into(), next, end, copies }))
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
    topic: Arc<str>,
    next: i64,
    /// Where the partition ended when it was opened.
    end: i64,
    copies: Option<Copies>,
}

/// Where the copies of a partition's records are.
struct Copies {
    maps: Arc<Maps>,
    /// As it will be once the open transaction is committed.
    map: OffsetMap,
    /// Rows since the last commit: how many, and the runs of their offsets (first row, first offset, count).
    rows: u64,
    read: Vec<(u64, i64, i64)>,
}

impl Copies {
    /// Goes on with the stored map. A position without one says that something was mirrored that no map knows of.
    fn start(maps: &Arc<Maps>, place: &TopicPartition, stored: Option<&Place>) -> Copies {
        let map = match stored {
            None => OffsetMap::whole(),
            Some(Place { map: Some(map), .. }) => OffsetMap::from(map),
            Some(Place { map: None, .. }) => OffsetMap::default(),
        };
        maps.set(place, map.clone());
        Copies { maps: Arc::clone(maps), map, rows: 0, read: Vec::new() }
    }

    fn read(&mut self, offset: i64) {
        match self.read.last_mut() {
            Some((_, first, count)) if *first + *count == offset => *count += 1,
            _ => self.read.push((self.rows, offset, 1)),
        }
        self.rows += 1;
    }

    /// Takes the places of the rows that were read; both lists rise.
    fn place(&mut self, places: impl Iterator<Item = Placed>) {
        let mut read = self.read.iter().copied().peekable();
        for mut placed in places {
            while placed.count > 0
                && let Some(&(row, offset, count)) = read.peek()
            {
                let skipped = placed.row.saturating_sub(row) as i64;
                if skipped >= count {
                    read.next();
                    continue;
                }
                let taken = (count - skipped).min(placed.count as i64);
                self.map.push(Run { source: offset + skipped, target: placed.offset, count: taken });
                placed.row += taken as u64;
                placed.offset += taken;
                placed.count -= taken as u64;
            }
        }
        self.read.clear();
        self.rows = 0;
    }
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
            if let Some(copies) = &mut self.copies {
                copies.read(record.offset);
            }
            let timestamp_ms = (record.timestamp_ms >= 0).then_some(record.timestamp_ms);
            builder.push(record.key, record.value, timestamp_ms);
        });
        read.map_err(|error| ConnectorError::fatal(format!("reading {}", self.place)).caused_by(error))?;
        if let Some(problem) = damaged {
            return Err(ConnectorError::fatal(format!("reading {}: {problem}", self.place)));
        }
        self.next = fetched.next_offset;
        Ok(Polled {
            batch: builder.finish(),
            position: Some(self.position()?),
            end_of_split: !self.options.follow && self.next >= self.end,
            ..Polled::default()
        })
    }

    fn wants_places(&self) -> bool {
        self.copies.is_some()
    }

    fn placed(&mut self, places: &[Placed]) -> Result<Option<Position>, ConnectorError> {
        let Some(copies) = &mut self.copies else { return Ok(None) };
        // Steps may have sent a record elsewhere: that is not where its copy is looked for.
        let here = |placed: &&Placed| placed.topic == self.topic && placed.partition == self.place.partition;
        copies.place(places.iter().filter(here).cloned());
        self.position().map(Some)
    }

    async fn committed(&mut self, _position: &Position) -> Result<(), ConnectorError> {
        if let Some(copies) = &self.copies {
            copies.maps.set(&self.place, copies.map.clone());
        }
        Ok(())
    }
}

impl Reader {
    fn position(&self) -> Result<Position, ConnectorError> {
        let map = self.copies.as_ref().map(|copies| copies.map.stored());
        let place = serde_json::to_vec(&Place { offset: self.next, map });
        let place = place.map_err(|error| ConnectorError::fatal("writing an offset").caused_by(error))?;
        Ok(Position(Bytes::from(place)))
    }
}
