//! Produces as fast as the client and broker go.

use std::time::{Duration, Instant};

use bytes::Bytes;
use millstream_client::{NewRecord, Producer, Record, TopicWriter};
use tokio::task::JoinSet;

use super::histogram::Histogram;
use super::limit::socket_to_file;
use super::measured_node::MeasuredNode;
use super::report::{Before, Report};
use super::{Load, payload};
use crate::cli::Failure;
use crate::cli::output::Output;

/// One record in so many is sent with a delivery to await, for the latency figures.
const SAMPLE_EVERY: u64 = 2_000;

/// The clock is read once per so many records.
const CLOCK_EVERY: u64 = 256;

/// The limit is measured over as many bytes as the run sent, within these.
const LIMIT_BYTES_MIN: u64 = 256 << 20;
const LIMIT_BYTES_MAX: u64 = 4 << 30;

/// What was sent, and how long that took until the last acknowledgement.
pub struct Sent {
    pub records: u64,
    pub bytes: u64,
    pub elapsed: Duration,
    pub latency: Histogram,
}

pub async fn run(load: &Load) -> Result<(), Failure> {
    let node = MeasuredNode::start(&load.place)?;
    let (client, topic) = node.client_with_topic(load.partitions).await?;
    let producer = client.producer(load.sending.producer_config());
    let before = Before::now(&node);
    let sent = send(&producer, &topic, load).await?;
    let mut report = Report::new(load.title("produce"));
    report.rate(sent.records, sent.bytes, sent.elapsed);
    report.latency(&sent.latency);
    report.usage(&node, &before, sent.bytes);
    producer.close().await.map_err(Failure::failed)?;
    node.remove_topic(&client, &topic).await?;
    let bytes = sent.bytes.clamp(LIMIT_BYTES_MIN, LIMIT_BYTES_MAX);
    let file = node.directory.join("limit");
    let limit = socket_to_file(&file, bytes, &payload(1 << 20))
        .and_then(|moved| std::fs::remove_file(&file).map(|()| moved))
        .map_err(|error| Failure::failed(format!("measuring the machine's own limit: {error}")))?;
    report.limit("loopback to file", limit, sent.bytes, sent.elapsed);
    report.print(Output::new(load.place.json))
}

/// Sends as fast as it goes until the load's end, then waits for every acknowledgement.
pub async fn send(producer: &Producer, topic: &str, load: &Load) -> Result<Sent, Failure> {
    let writer = producer.writer(topic).await.map_err(Failure::failed)?;
    let pool = payload(load.record_bytes.saturating_mul(64).clamp(load.record_bytes, 16 << 20));
    let (records_max, time_max) = load.limits();
    let mut samples: JoinSet<Option<Duration>> = JoinSet::new();
    let started = Instant::now();
    let mut records = 0;
    while records < records_max {
        if records.is_multiple_of(CLOCK_EVERY) && started.elapsed() >= time_max {
            break;
        }
        let value = value_of(&pool, load.record_bytes, records);
        if records.is_multiple_of(SAMPLE_EVERY) {
            sample(producer, topic, value, &mut samples).await?;
        } else {
            append(&writer, value).await?;
        }
        records += 1;
    }
    producer.flush().await.map_err(Failure::failed)?;
    let elapsed = started.elapsed();
    let mut latency = Histogram::default();
    while let Some(sample) = samples.join_next().await {
        if let Ok(Some(took)) = sample {
            latency.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    }
    Ok(Sent { records, bytes: records * load.record_bytes as u64, elapsed, latency })
}

async fn append(writer: &TopicWriter, value: &[u8]) -> Result<(), Failure> {
    let record = NewRecord { value: Some(value), ..NewRecord::default() };
    writer.append(None, record).await.map_err(Failure::failed)
}

async fn sample(
    producer: &Producer,
    topic: &str,
    value: &[u8],
    samples: &mut JoinSet<Option<Duration>>,
) -> Result<(), Failure> {
    let record =
        Record { topic: topic.to_owned(), value: Some(Bytes::copy_from_slice(value)), ..Record::default() };
    let sent_at = Instant::now();
    let delivery = producer.send(record).await.map_err(Failure::failed)?;
    samples.spawn(async move { delivery.wait().await.ok().map(|_| sent_at.elapsed()) });
    Ok(())
}

/// A different slice of the pool each time.
fn value_of(pool: &[u8], record_bytes: usize, number: u64) -> &[u8] {
    let room = pool.len().saturating_sub(record_bytes);
    let start = match room {
        0 => 0,
        room => usize::try_from(number.wrapping_mul(7919)).unwrap_or(0) % room,
    };
    pool.get(start..start + record_bytes).unwrap_or_default()
}
