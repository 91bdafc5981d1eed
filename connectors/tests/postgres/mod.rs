//! Change capture from, and writing to, a real PostgreSQL server.

mod capture;
mod faults;
pub mod server;
mod sink;

use std::path::Path;
use std::time::{Duration, Instant};

use millstream_sdk::source::{PollLimits, Position, Source, SourceReader};
use serde_json::{Value, json};

use server::Server;

const LIMITS: PollLimits =
    PollLimits { max_records: 500, max_bytes: 1 << 20, wait: Duration::from_millis(100) };

/// One captured record.
#[derive(Debug, Clone, PartialEq)]
struct Change {
    op: String,
    table: String,
    key: Option<String>,
    value: Option<Value>,
}

impl Change {
    /// `op key value`
    fn line(&self) -> String {
        let value = self.value.as_ref().map_or("-".to_owned(), Value::to_string);
        format!("{} {} {value}", self.op, self.key.as_deref().unwrap_or("-"))
    }
}

fn capture(server: &Server, options: Value) -> Box<dyn Source> {
    let mut config = json!({ "url": server.url(), "tables": ["public.*"] });
    for (name, value) in options.as_object().unwrap() {
        config[name] = value.clone();
    }
    crate::source("postgres-cdc", config, Path::new("."))
}

async fn open(source: &dyn Source, position: Option<Position>) -> Box<dyn SourceReader> {
    let split = &source.splits().await.unwrap()[0];
    source.open(split, position).await.unwrap()
}

/// Polls and commits until there are `count` records; then once more, to see that no others come.
async fn read(reader: &mut dyn SourceReader, count: usize) -> (Vec<Change>, Option<Position>) {
    let (mut changes, mut position) = (Vec::new(), None);
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let complete = changes.len() >= count;
        assert!(Instant::now() < deadline, "{} of {count} records came: {changes:?}", changes.len());
        let polled = reader.poll(LIMITS).await.unwrap();
        let quiet = polled.batch.is_empty();
        changes.extend(changes_of(&polled.batch));
        if let Some(reached) = polled.position {
            reader.committed(&reached).await.unwrap();
            position = Some(reached);
        }
        if complete && quiet {
            return (changes, position);
        }
    }
}

fn changes_of(batch: &millstream_sdk::record::Batch) -> Vec<Change> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    batch
        .rows()
        .map(|row| Change {
            op: text(row.headers.find("op").unwrap()),
            table: text(row.headers.find("table").unwrap()),
            key: row.key.map(text),
            value: row.value.map(|value| serde_json::from_slice(value).unwrap()),
        })
        .collect()
}

fn lines(changes: &[Change]) -> Vec<String> {
    changes.iter().map(Change::line).collect()
}
