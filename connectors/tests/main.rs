//! Connectors as the host sees them: configured by JSON, polled and written to, dropped at any moment.

#![expect(clippy::unwrap_used, reason = "a test says by its panic where it failed")]

mod file;
mod http;
mod plugins;
mod postgres;
mod sql;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_sdk::plugin::Surroundings;
use millstream_sdk::record::{Batch, BatchBuilder};
use millstream_sdk::sink::{Sink, SinkBatch, SinkPosition, TopicPartition};
use millstream_sdk::source::{PollLimits, Polled, Position, Source, SourceReader};
use serde_json::Value;

const LIMITS: PollLimits = PollLimits { max_records: 1000, max_bytes: 1 << 20, wait: Duration::ZERO };

/// Longest that a test waits for something another task does.
const PATIENCE: Duration = Duration::from_secs(20);

fn surroundings(folder: &Path) -> Surroundings {
    Surroundings { base_directory: folder.to_path_buf(), pipeline: "test".into(), node: "node".into() }
}

fn source(plugin: &str, config: Value, folder: &Path) -> Box<dyn Source> {
    let plugin = millstream_connectors::find(plugin).unwrap();
    plugin.source(&config, &surroundings(folder)).unwrap()
}

fn sink(plugin: &str, config: Value, folder: &Path) -> Box<dyn Sink> {
    let plugin = millstream_connectors::find(plugin).unwrap();
    plugin.sink(&config, &surroundings(folder)).unwrap()
}

fn texts(batch: &Batch) -> Vec<String> {
    batch.values().iter().map(|value| String::from_utf8_lossy(value.unwrap()).into_owned()).collect()
}

fn described(polled: &Polled) -> Vec<String> {
    let bad = polled.bad.iter().map(|bad| {
        let file = bad.origin.rsplit('/').next().unwrap();
        format!("bad {file} {}", bad.reason)
    });
    texts(&polled.batch).into_iter().chain(bad).collect()
}

/// Polls until `enough` says so; returns everything read and the last position.
async fn read_until(
    reader: &mut dyn SourceReader,
    mut enough: impl FnMut(&[String], &Polled) -> bool,
) -> (Vec<String>, Option<Position>) {
    let deadline = Instant::now() + PATIENCE;
    let (mut read, mut position) = (Vec::new(), None);
    loop {
        let limits = PollLimits { wait: Duration::from_millis(5), ..LIMITS };
        let polled = reader.poll(limits).await.unwrap();
        read.extend(described(&polled));
        position = polled.position.clone().or(position);
        if enough(&read, &polled) {
            return (read, position);
        }
        assert!(Instant::now() < deadline, "still waiting; read so far: {read:?}");
    }
}

async fn read_to_end(reader: &mut dyn SourceReader) -> (Vec<String>, Option<Position>) {
    read_until(reader, |_, polled| polled.end_of_split).await
}

fn partition(partition: i32) -> TopicPartition {
    TopicPartition { topic: Arc::from("t"), topic_id: [7; 16], partition }
}

fn position(of: i32, next_offset: i64) -> SinkPosition {
    SinkPosition { partition: partition(of), next_offset }
}

/// Records of partition `of` from `first_offset` on.
fn batch(of: i32, first_offset: i64, values: &[&str]) -> SinkBatch {
    let mut builder = BatchBuilder::new();
    for value in values {
        builder.push(None, Some(value.as_bytes()), None);
    }
    let offsets = (first_offset..).take(values.len()).collect();
    SinkBatch { topic: Arc::from("t"), partition: of, offsets, batch: builder.finish() }
}
