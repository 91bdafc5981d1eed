//! Fills a topic, then reads all of it, record by record, as fast as it goes.

use std::time::{Duration, Instant};

use millstream_client::{Client, ConsumerConfig, Start, StartAt, TopicPartition};

use super::limit::file_to_socket;
use super::measured_node::MeasuredNode;
use super::report::{Before, Report};
use super::{Load, payload, produce};
use crate::cli::Failure;
use crate::cli::output::Output;

/// Nothing for so long means that records are missing.
const PATIENCE: Duration = Duration::from_secs(30);

/// The limit's file; it stays in the page cache like the log's newest part.
const LIMIT_FILE_BYTES: usize = 256 << 20;

const LIMIT_BYTES_MIN: u64 = 1 << 30;
const LIMIT_BYTES_MAX: u64 = 8 << 30;

pub async fn run(load: &Load) -> Result<(), Failure> {
    let node = MeasuredNode::start(&load.place)?;
    let (client, topic) = node.client_with_topic(load.partitions).await?;
    let producer = client.producer(load.sending.producer_config());
    let filled = produce::send(&producer, &topic, load).await?;
    producer.close().await.map_err(Failure::failed)?;
    let before = Before::now(&node);
    let started = Instant::now();
    let read = read_all(&client, &topic, load.partitions, filled.records).await?;
    let elapsed = started.elapsed();
    let mut report = Report::new(load.title("consume"));
    report.rate(read.records, read.bytes, elapsed);
    report.usage(&node, &before, read.bytes);
    node.remove_topic(&client, &topic).await?;
    let file = node.directory.join("limit");
    let bytes = read.bytes.clamp(LIMIT_BYTES_MIN, LIMIT_BYTES_MAX);
    let limit = std::fs::write(&file, payload(LIMIT_FILE_BYTES))
        .and_then(|()| file_to_socket(&file, bytes))
        .and_then(|moved| std::fs::remove_file(&file).map(|()| moved))
        .map_err(|error| Failure::failed(format!("measuring the machine's own limit: {error}")))?;
    report.limit("file to loopback", limit, read.bytes, elapsed);
    report.print(Output::new(load.place.json))
}

struct Read {
    records: u64,
    bytes: u64,
}

async fn read_all(client: &Client, topic: &str, partitions: i32, records: u64) -> Result<Read, Failure> {
    let mut consumer = client.consumer(ConsumerConfig::default());
    let start_of =
        |partition| StartAt { place: TopicPartition::new(topic, partition), start: Start::Earliest };
    consumer.assign((0..partitions).map(start_of).collect()).await.map_err(Failure::failed)?;
    let mut read = Read { records: 0, bytes: 0 };
    while read.records < records {
        let fetched = consumer.poll(PATIENCE).await.map_err(Failure::failed)?;
        let Some(fetched) = fetched else {
            let missing = records - read.records;
            return Err(Failure::failed(format!("{missing} of {records} records did not come within 30 s")));
        };
        let visited = fetched.for_each(|record| {
            read.records += 1;
            read.bytes += record.value.map_or(0, <[u8]>::len) as u64;
        });
        visited.map_err(Failure::failed)?;
    }
    Ok(read)
}
