//! The one place that sees both connectors' records and Kafka's: batches into producers, fetched pieces into batches.
//!
//! Records are never held one by one: a value is copied once from a column into the producer's open batch, and once
//! from a fetched batch into a column.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, NaiveDateTime};
use millstream_client::{Fetched, NewRecord, ProduceError, Producer, TopicWriter};
use millstream_connectors::json;
use millstream_protocol::record_batch;
use millstream_sdk::record::{Batch, BatchBuilder, PARTITION_HEADER, Row, TOPIC_HEADER};
use millstream_sdk::sink::{Rejection, SinkBatch};
use millstream_streams::row::{RowScalar, RowView};

use super::dead_letter::{Letter, Origin};
use super::declaration::SourceDeclaration;
use super::failure::TaskError;
use super::places::Places;
use super::transform::HeaderRows;

/// Most topics one source may write to by a template.
const MAX_TEMPLATE_TOPICS: usize = 1000;

/// Longest topic name that Kafka allows.
const MAX_TOPIC_BYTES: usize = 249;

/// How much of a fetched piece becomes one batch for a sink.
const SINK_BATCH_BYTES: usize = 1 << 20;

/// Where a source's records go: computes key, timestamp and topic of each, and appends it.
pub struct Outlet {
    producer: Producer,
    topic: Target,
    key: Option<KeyRule>,
    timestamp: Option<TimestampRule>,
    writers: HashMap<String, TopicWriter>,
    /// Where records went, for a reader that wants to know.
    pub places: Option<Places>,
}

enum Target {
    Topic(String),
    /// Literal text and, behind it, the field to insert.
    Template(Vec<(String, Option<String>)>),
}

enum KeyRule {
    Field(String),
    Expression(RowScalar),
}

enum TimestampRule {
    Field(String),
    Expression(RowScalar),
}

/// What became of a batch that was produced.
#[derive(Debug, Default)]
pub struct Produced {
    pub records: u64,
    pub bytes: u64,
    /// By row of the batch.
    pub rejected: Vec<Rejection>,
}

/// Keys and timestamps that expressions gave, for the whole batch at once.
struct Computed {
    keys: Option<Vec<Result<Option<Vec<u8>>, String>>>,
    timestamps: Option<Vec<Result<Option<i64>, String>>>,
}

impl Outlet {
    pub fn new(producer: Producer, source: &SourceDeclaration) -> Result<Outlet, TaskError> {
        let scalar = |option: &'static str, text: &str| {
            RowScalar::new(text).map_err(|error| TaskError::Option { option, reason: error.to_string() })
        };
        let key = match source.key.as_deref() {
            None => None,
            Some(text) if is_field(text) => Some(KeyRule::Field(text.to_owned())),
            Some(text) => Some(KeyRule::Expression(scalar("key", text)?)),
        };
        let timestamp = match source.timestamp.as_deref() {
            None => None,
            Some(text) if is_field(text) => Some(TimestampRule::Field(text.to_owned())),
            Some(text) => Some(TimestampRule::Expression(scalar("timestamp", text)?)),
        };
        let topic = Target::parse(&source.to)?;
        Ok(Outlet { producer, topic, key, timestamp, writers: HashMap::new(), places: None })
    }

    /// A batch is about to be produced, of these input rows.
    pub fn begin(&mut self, origins: Option<&[u32]>) {
        if let Some(places) = &mut self.places {
            places.begin(origins.map(<[u32]>::to_vec));
        }
    }

    /// A batch of so many input rows was produced.
    pub fn end(&mut self, rows: usize) {
        if let Some(places) = &mut self.places {
            places.end(rows);
        }
    }

    /// The topic, or the template, as steps see it before a record has its own.
    pub fn topic_name(source: &SourceDeclaration) -> &str {
        &source.to
    }

    /// Appends every record of the batch to the open transaction.
    pub async fn produce(&mut self, batch: &Batch) -> Result<Produced, TaskError> {
        let computed = self.compute(batch);
        let mut produced = Produced::default();
        let mut writer = match &self.topic {
            Target::Topic(topic) => Some(self.producer.writer(topic).await?),
            Target::Template(_) => None,
        };
        let may_route = routes(batch);
        let mut headers = Vec::new();
        let declared = writer.clone();
        for (index, row) in batch.rows().enumerate() {
            let ready = self.ready(index, row, &computed);
            let (key, timestamp_ms, topic) = match ready {
                Ok(ready) => ready,
                Err(reason) => {
                    produced.rejected.push(Rejection { row: index, reason });
                    continue;
                }
            };
            let chosen = if may_route { row.headers.find(TOPIC_HEADER) } else { None };
            let topic = match chosen.map(|chosen| legal_topic(&String::from_utf8_lossy(chosen))) {
                Some(Ok(chosen)) => Some(chosen),
                Some(Err(reason)) => {
                    produced.rejected.push(Rejection { row: index, reason });
                    continue;
                }
                None => topic,
            };
            writer.clone_from(&declared);
            if let Some(topic) = topic {
                match self.writer(topic).await? {
                    Ok(found) => writer = Some(found),
                    Err(reason) => {
                        produced.rejected.push(Rejection { row: index, reason });
                        continue;
                    }
                }
            }
            let Some(writer) = &writer else { continue };
            let partition = match may_route.then(|| row.headers.find(PARTITION_HEADER)).flatten() {
                None => None,
                Some(text) => match chosen_partition(text, writer.partitions()) {
                    Ok(partition) => Some(partition),
                    Err(reason) => {
                        produced.rejected.push(Rejection { row: index, reason });
                        continue;
                    }
                },
            };
            headers.clear();
            headers.extend(row.headers.filter(|(name, _)| !matches!(*name, TOPIC_HEADER | PARTITION_HEADER)));
            let record = NewRecord { key: key.as_deref(), value: row.value, headers: &headers, timestamp_ms };
            produced.records += 1;
            produced.bytes += (record.key.map_or(0, <[u8]>::len) + row.value.map_or(0, <[u8]>::len)) as u64;
            match &mut self.places {
                None => writer.append(partition, record).await?,
                Some(places) => places.note(index, writer.send(partition, record).await?),
            }
        }
        Ok(produced)
    }

    fn compute(&mut self, batch: &Batch) -> Computed {
        let topic = match &self.topic {
            Target::Topic(topic) => topic.as_str(),
            Target::Template(_) => "",
        };
        let headers = match (&self.key, &self.timestamp) {
            (Some(KeyRule::Expression(_)), _) | (_, Some(TimestampRule::Expression(_))) => {
                HeaderRows::of(batch)
            }
            _ => HeaderRows::default(),
        };
        let views = || {
            let rows = batch.rows().enumerate();
            let views = rows.map(|(index, Row { key, value, timestamp_ms, .. })| RowView {
                key,
                value,
                timestamp_ms,
                topic,
                headers: headers.row(index),
                ..RowView::default()
            });
            views.collect::<Vec<_>>()
        };
        let keys = match &mut self.key {
            Some(KeyRule::Expression(expression)) => Some(expression.texts(&views())),
            _ => None,
        };
        let timestamps = match &mut self.timestamp {
            Some(TimestampRule::Expression(expression)) => Some(expression.instants_ms(&views())),
            _ => None,
        };
        Computed { keys, timestamps }
    }

    /// Key, timestamp and (for a template) topic of one record.
    fn ready<'a>(
        &self,
        index: usize,
        row: Row<'a>,
        computed: &'a Computed,
    ) -> Result<(Option<Cow<'a, [u8]>>, Option<i64>, Option<String>), String> {
        let key = match (&self.key, &computed.keys) {
            (Some(KeyRule::Field(field)), _) => field_text(row.value, field)?,
            (_, Some(keys)) => match keys.get(index) {
                Some(key) => {
                    key.as_ref().map_err(|reason| format!("key: {reason}"))?.as_deref().map(Cow::Borrowed)
                }
                None => None,
            },
            _ => row.key.map(Cow::Borrowed),
        };
        let timestamp_ms = match (&self.timestamp, &computed.timestamps) {
            (Some(TimestampRule::Field(field)), _) => field_instant(row.value, field)?.or(row.timestamp_ms),
            (_, Some(timestamps)) => match timestamps.get(index) {
                Some(instant) => *instant.as_ref().map_err(|reason| format!("timestamp: {reason}"))?,
                None => None,
            },
            _ => row.timestamp_ms,
        };
        if timestamp_ms.is_some_and(|timestamp_ms| timestamp_ms < 0) {
            return Err("timestamp: before 1970, which a record cannot carry".to_owned());
        }
        let topic = match &self.topic {
            Target::Topic(_) => None,
            Target::Template(pieces) => Some(fill(pieces, row)?),
        };
        Ok((key, timestamp_ms, topic))
    }

    /// The writer of a topic that a template named; the inner error is the record's.
    async fn writer(&mut self, topic: String) -> Result<Result<TopicWriter, String>, TaskError> {
        if let Some(writer) = self.writers.get(&topic) {
            return Ok(Ok(writer.clone()));
        }
        if self.writers.len() >= MAX_TEMPLATE_TOPICS {
            return Ok(Err(format!("topic `{topic}` would be one more than {MAX_TEMPLATE_TOPICS} topics")));
        }
        let writer = self.producer.writer(&topic).await?;
        self.writers.insert(topic, writer.clone());
        Ok(Ok(writer))
    }
}

impl Target {
    fn parse(to: &str) -> Result<Target, TaskError> {
        if !to.contains(['{', '}']) {
            return Ok(Target::Topic(to.to_owned()));
        }
        let bad =
            || TaskError::Option { option: "to", reason: format!("`{to}` is not text with {{field}}s") };
        let mut pieces = Vec::new();
        let mut rest = to;
        while let Some((literal, behind)) = rest.split_once('{') {
            let (field, behind) = behind.split_once('}').ok_or_else(bad)?;
            if literal.contains('}') || field.is_empty() || field.contains('{') {
                return Err(bad());
            }
            pieces.push((literal.to_owned(), Some(field.to_owned())));
            rest = behind;
        }
        if rest.contains('}') {
            return Err(bad());
        }
        pieces.push((rest.to_owned(), None));
        Ok(Target::Template(pieces))
    }
}

/// The topic that a template names for a record. A header of the name goes before a field: sources say there where a record
/// comes from (`{schema}.{table}`).
fn fill(pieces: &[(String, Option<String>)], row: Row<'_>) -> Result<String, String> {
    let mut topic = String::new();
    for (literal, field) in pieces {
        topic.push_str(literal);
        let Some(field) = field else { continue };
        let text = match row.headers.find(field) {
            Some(text) => Cow::Borrowed(text),
            None => field_text(row.value, field)?
                .ok_or_else(|| format!("to: the record has no header or field `{field}`"))?,
        };
        topic.push_str(&String::from_utf8_lossy(&text));
    }
    legal_topic(&topic)
}

fn legal_topic(topic: &str) -> Result<String, String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match topic.bytes().all(legal)
        && !topic.is_empty()
        && topic.len() <= MAX_TOPIC_BYTES
        && topic != "."
        && topic != ".."
    {
        true => Ok(topic.to_owned()),
        false => Err(format!("to: `{topic}` is no topic name")),
    }
}

/// Whether any record of the batch may choose its topic or partition.
fn routes(batch: &Batch) -> bool {
    let (names, _, _) = batch.headers().parts();
    let chooses = |entry| {
        names
            .get(entry)
            .is_some_and(|name| name == TOPIC_HEADER.as_bytes() || name == PARTITION_HEADER.as_bytes())
    };
    (0..names.len()).any(chooses)
}

fn chosen_partition(text: &[u8], count: usize) -> Result<i32, String> {
    let text = String::from_utf8_lossy(text);
    let partition =
        text.parse::<i32>().ok().filter(|partition| usize::try_from(*partition).is_ok_and(|one| one < count));
    partition
        .ok_or_else(|| format!("to: the topic has {count} partitions, and the record is of partition {text}"))
}

/// Whether an option is a plain field (`a`, `a.b`) rather than an expression. Names that begin with an underscore may be
/// those of the record itself (`_key`), which expressions know.
fn is_field(text: &str) -> bool {
    text.split('.').all(|name| {
        name.starts_with(|first: char| first.is_alphabetic())
            && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
    })
}

/// A field of a JSON value as plain text; `None` when it is missing or null.
fn field_text<'a>(value: Option<&'a [u8]>, field: &str) -> Result<Option<Cow<'a, [u8]>>, String> {
    let Some(raw) = value.and_then(|value| json::path(value, field)) else {
        return Ok(None);
    };
    match raw {
        b"null" => Ok(None),
        [b'"', text @ .., b'"'] if !text.contains(&b'\\') => Ok(Some(Cow::Borrowed(text))),
        [b'"', text @ .., b'"'] => match json::unescape(text) {
            Some(text) => Ok(Some(Cow::Owned(text.into_owned().into_bytes()))),
            None => Err(format!("field `{field}` is not UTF-8")),
        },
        [b'{' | b'[', ..] => {
            let mut compacted = Vec::with_capacity(raw.len());
            json::compact(raw, &mut compacted).map_err(|error| format!("field `{field}`: {error}"))?;
            Ok(Some(Cow::Owned(compacted)))
        }
        plain => Ok(Some(Cow::Borrowed(plain))),
    }
}

/// A field of a JSON value as milliseconds since the epoch: a number of them, or RFC 3339 text (UTC without an offset).
fn field_instant(value: Option<&[u8]>, field: &str) -> Result<Option<i64>, String> {
    let Some(text) = field_text(value, field)? else {
        return Ok(None);
    };
    let wrong = || format!("timestamp: field `{field}` is `{}`", String::from_utf8_lossy(&text));
    let text = std::str::from_utf8(&text).map_err(|_| wrong())?;
    let instant = if let Ok(milliseconds) = text.parse::<i64>() {
        Some(milliseconds)
    } else if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        Some(instant.timestamp_millis())
    } else {
        let naive = |format| NaiveDateTime::parse_from_str(text, format).ok();
        let naive = naive("%Y-%m-%dT%H:%M:%S%.f").or_else(|| naive("%Y-%m-%d %H:%M:%S%.f"));
        naive.map(|naive| naive.and_utc().timestamp_millis())
    };
    let fraction =
        || text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number as i64);
    instant.or_else(fraction).map(Some).ok_or_else(wrong)
}

/// A record of a batch as a dead letter.
pub fn letter(row: Row<'_>, reason: String, origin: Origin) -> Letter {
    Letter {
        key: row.key.map(Bytes::copy_from_slice),
        value: row.value.map(Bytes::copy_from_slice),
        headers: row
            .headers
            .map(|(name, value)| (name.to_owned(), value.map(Bytes::copy_from_slice)))
            .collect(),
        timestamp_ms: row.timestamp_ms,
        reason,
        origin,
    }
}

/// Appends a dead letter to its topic.
pub async fn post(producer: &Producer, topic: &str, letter: &Letter) -> Result<(), ProduceError> {
    let headers: Vec<_> =
        letter.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
    let record = NewRecord {
        key: letter.key.as_deref(),
        value: letter.value.as_deref(),
        headers: &headers,
        timestamp_ms: letter.timestamp_ms,
    };
    producer.append(topic, None, record).await
}

/// A fetched piece as batches for a sink.
pub fn sink_batches(fetched: &Fetched) -> Result<Vec<SinkBatch>, TaskError> {
    let mut pieces = Pieces {
        builder: BatchBuilder::with_capacity(
            0,
            fetched.batches.iter().map(|batch| batch.bytes().len()).sum(),
        ),
        ..Pieces::default()
    };
    let mut damaged = None;
    fetched.for_each(|record| {
        for header in record.headers {
            match header {
                Ok(header) => pieces.builder.push_header(&header.key, header.value),
                Err(problem) => damaged = Some((record.offset, problem)),
            }
        }
        let timestamp_ms = (record.timestamp_ms != record_batch::NO_TIMESTAMP).then_some(record.timestamp_ms);
        pieces.builder.push(record.key, record.value, timestamp_ms);
        pieces.offsets.push(record.offset);
        if pieces.builder.byte_len() >= SINK_BATCH_BYTES {
            pieces.close(fetched);
        }
    })?;
    if let Some((offset, problem)) = damaged {
        let reason = format!("a header of the record at offset {offset}: {problem}");
        return Err(TaskError::Corrupt { place: fetched.place.to_string(), reason });
    }
    pieces.close(fetched);
    Ok(pieces.finished)
}

#[derive(Default)]
struct Pieces {
    builder: BatchBuilder,
    offsets: Vec<i64>,
    finished: Vec<SinkBatch>,
}

impl Pieces {
    fn close(&mut self, fetched: &Fetched) {
        if self.builder.is_empty() {
            return;
        }
        self.finished.push(SinkBatch {
            topic: Arc::clone(&fetched.place.topic),
            partition: fetched.place.partition,
            offsets: std::mem::take(&mut self.offsets),
            batch: std::mem::take(&mut self.builder).finish(),
        });
    }
}

#[cfg(test)]
mod tests;
