//! Where a session keeps its statements: a compacted topic with one record per relation or query.
//!
//! The key is the name; the value is JSON: `{"version":1,"number":3,"state":"running","statement":"CREATE …"}`. Numbers
//! give the order of planning. One transaction per change, so that a statement that touches several is kept whole or not
//! at all; a second session of the same pipeline fences this one.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream_client::admin::NewTopic;
use millstream_client::{
    Client, ConsumerConfig, MetadataError, NewRecord, Start, StartAt, TopicPartition, TransactionConfig,
    TransactionalProducer,
};
use millstream_protocol::ErrorCode;
use serde::{Deserialize, Serialize};

use crate::plan::{Entry, EntryState};

const VERSION: u32 = 1;

/// How long one poll waits while statements are read back.
const READ_WAIT: Duration = Duration::from_millis(500);

/// Why statements could not be kept or read back.
#[derive(Debug, thiserror::Error)]
#[error("{attempt} in topic `{topic}`: {reason}")]
pub struct StoreError {
    attempt: &'static str,
    topic: String,
    reason: String,
}

/// A statement as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub name: String,
    pub number: u64,
    pub state: EntryState,
    pub statement: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    number: u64,
    state: String,
    statement: String,
}

pub(super) struct Store {
    client: Client,
    topic: String,
    transactional_id: String,
    replication_factor: i16,
    producer: Option<TransactionalProducer>,
    /// By name: what the topic holds.
    kept: BTreeMap<String, Kept>,
}

impl Store {
    /// Reads back what is kept, in the order of planning. The topic is created when the first statement is kept.
    pub async fn open(
        client: Client,
        pipeline: &str,
        replication_factor: i16,
    ) -> Result<(Store, Vec<Kept>), StoreError> {
        let mut store = Store {
            client,
            topic: format!("__{pipeline}-statements"),
            transactional_id: format!("millstream-{pipeline}-statements"),
            replication_factor,
            producer: None,
            kept: BTreeMap::new(),
        };
        match store.client.topic(&store.topic).await {
            Ok(_) => {}
            Err(MetadataError::UnknownTopic { .. }) => return Ok((store, Vec::new())),
            Err(error) => return Err(store.failed("find statements", &error)),
        }
        // Fences an earlier session, and ends what it left open, before anything is read.
        store.producer = Some(store.take_over().await?);
        store.read().await?;
        let mut kept: Vec<Kept> = store.kept.values().cloned().collect();
        kept.sort_by_key(|kept| kept.number);
        Ok((store, kept))
    }

    /// Makes the topic say what the entries are.
    pub async fn keep(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let mut changes: Vec<(String, Option<Kept>)> = Vec::new();
        let mut next = self.kept.values().map(|kept| kept.number).max().unwrap_or_default() + 1;
        let mut last = 0;
        for entry in entries.iter().filter(|entry| !entry.fixed) {
            let known = self.kept.get(&entry.name);
            let statement = entry.statement.text.to_string();
            let number = match known {
                Some(known) if known.number > last && known.statement == statement => known.number,
                _ => {
                    next += 1;
                    next - 1
                }
            };
            last = number;
            let kept = Kept { name: entry.name.clone(), number, state: entry.state, statement };
            if known != Some(&kept) {
                changes.push((entry.name.clone(), Some(kept)));
            }
        }
        let gone = self.kept.keys().filter(|name| entries.iter().all(|entry| entry.name != **name));
        changes.extend(gone.map(|name| (name.clone(), None)));
        self.write(&changes).await
    }

    /// Writes all of the changes, or none.
    pub async fn write(&mut self, changes: &[(String, Option<Kept>)]) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        if self.producer.is_none() {
            self.create_topic().await?;
            self.producer = Some(self.take_over().await?);
        }
        let written = self.commit(changes).await;
        if written.is_err() {
            // Whatever became of it, the next producer starts from a known state.
            self.producer = None;
        }
        written?;
        for (name, kept) in changes {
            match kept {
                Some(kept) => self.kept.insert(name.clone(), kept.clone()),
                None => self.kept.remove(name),
            };
        }
        Ok(())
    }

    async fn commit(&mut self, changes: &[(String, Option<Kept>)]) -> Result<(), StoreError> {
        const ATTEMPT: &str = "keep statements";
        let topic = self.topic.clone();
        let failed = |reason: &dyn ToString| StoreError {
            attempt: ATTEMPT,
            topic: topic.clone(),
            reason: reason.to_string(),
        };
        let Some(producer) = &mut self.producer else { return Err(failed(&"no producer is open")) };
        producer.begin().map_err(|error| failed(&error))?;
        for (name, kept) in changes {
            let value = kept.as_ref().map(written).transpose().map_err(|error| failed(&error))?;
            let record = NewRecord {
                key: Some(name.as_bytes()),
                value: value.as_deref(),
                headers: &[],
                timestamp_ms: None,
            };
            producer.producer().append(&topic, Some(0), record).await.map_err(|error| failed(&error))?;
        }
        producer.commit().await.map_err(|error| failed(&error))
    }

    async fn create_topic(&self) -> Result<(), StoreError> {
        const ATTEMPT: &str = "create a place for statements";
        let mut topic = NewTopic::new(self.topic.as_str(), 1).config("cleanup.policy", "compact");
        topic.replication_factor = self.replication_factor;
        let admin = self.client.admin();
        for created in admin.create_topics(std::slice::from_ref(&topic), false).await {
            match created {
                Err(error) if error.code() == Some(ErrorCode::TopicAlreadyExists) => {}
                Err(error) => return Err(self.failed(ATTEMPT, &error)),
                Ok(_) => {}
            }
        }
        admin.wait_for_topic(&self.topic).await.map(drop).map_err(|error| self.failed(ATTEMPT, &error))
    }

    async fn take_over(&self) -> Result<TransactionalProducer, StoreError> {
        let producer =
            self.client.transactional_producer(&self.transactional_id, TransactionConfig::default()).await;
        producer.map_err(|error| self.failed("take over statements", &error))
    }

    async fn read(&mut self) -> Result<(), StoreError> {
        const ATTEMPT: &str = "read statements back";
        let place = TopicPartition::new(self.topic.as_str(), 0);
        let mut consumer = self.client.consumer(ConsumerConfig::default());
        let ends = consumer.end_offsets(std::slice::from_ref(&place)).await;
        let end = ends.map_err(|error| self.failed(ATTEMPT, &error))?.first().copied().unwrap_or_default();
        let start = StartAt { place: place.clone(), start: Start::Earliest };
        consumer.assign(vec![start]).await.map_err(|error| self.failed(ATTEMPT, &error))?;
        while consumer.position(&place).unwrap_or_default() < end {
            let fetched = consumer.poll(READ_WAIT).await.map_err(|error| self.failed(ATTEMPT, &error))?;
            let Some(fetched) = fetched else { continue };
            let mut damaged = None;
            let visited = fetched.for_each(|record| {
                let name = String::from_utf8_lossy(record.key.unwrap_or_default()).into_owned();
                match record.value.map(|value| read(&name, value)) {
                    None => drop(self.kept.remove(&name)),
                    Some(Ok(kept)) => drop(self.kept.insert(name, kept)),
                    Some(Err(reason)) => {
                        damaged.get_or_insert(format!("offset {}: {reason}", record.offset));
                    }
                }
            });
            visited.map_err(|error| self.failed(ATTEMPT, &error))?;
            if let Some(reason) = damaged {
                return Err(self.failed(ATTEMPT, &reason));
            }
            if fetched.next_offset >= end {
                break;
            }
        }
        Ok(())
    }

    fn failed(&self, attempt: &'static str, reason: &dyn ToString) -> StoreError {
        StoreError { attempt, topic: self.topic.clone(), reason: reason.to_string() }
    }
}

const STATES: [(EntryState, &str); 3] =
    [(EntryState::Running, "running"), (EntryState::Paused, "paused"), (EntryState::Ended, "ended")];

fn written(kept: &Kept) -> Result<Vec<u8>, serde_json::Error> {
    let state = STATES.iter().find(|(state, _)| *state == kept.state).map_or("", |(_, name)| name);
    serde_json::to_vec(&Written {
        version: VERSION,
        number: kept.number,
        state: state.to_owned(),
        statement: kept.statement.clone(),
    })
}

fn read(name: &str, value: &[u8]) -> Result<Kept, String> {
    let written: Written = serde_json::from_slice(value).map_err(|error| error.to_string())?;
    if written.version != VERSION {
        return Err(format!("version {} is not known here", written.version));
    }
    let state = STATES.iter().find(|(_, name)| *name == written.state).map(|(state, _)| *state);
    let state = state.ok_or_else(|| format!("state \"{}\" is not known here", written.state))?;
    Ok(Kept { name: name.to_owned(), number: written.number, state, statement: written.statement })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_read_as_it_was_written() {
        for (state, _) in STATES {
            let kept = Kept { name: "x".to_owned(), number: 7, state, statement: "CREATE \"ä\"".to_owned() };
            let bytes = written(&kept).expect("it can be written");
            assert_eq!(read("x", &bytes), Ok(kept));
        }
        let first = br#"{"version":1,"number":3,"state":"paused","statement":"SHOW STREAMS"}"#;
        let kept = read("q", first).expect("the first version stays readable");
        assert_eq!((kept.number, kept.state), (3, EntryState::Paused));
    }

    #[test]
    fn what_is_no_statement_is_refused() {
        for (bytes, reason) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            (r#"{"version":2,"number":3,"state":"paused","statement":""}"#, "version 2 is not known here"),
            (
                r#"{"version":1,"number":3,"state":"asleep","statement":""}"#,
                "state \"asleep\" is not known here",
            ),
        ] {
            assert_eq!(read("q", bytes.as_bytes()), Err(reason.to_owned()));
        }
    }
}
