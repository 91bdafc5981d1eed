//! Time from send to receive at a steady rate, producer and consumer in this process.

use std::time::{Duration, Instant};

use millstream_client::{Consumer, ConsumerConfig, NewRecord, Start, StartAt, TopicPartition, TopicWriter};

use super::histogram::Histogram;
use super::measured_node::MeasuredNode;
use super::report::{Before, Report};
use super::{Place, payload};
use crate::cli::Failure;
use crate::cli::output::Output;
use crate::cli::produce::Sending;

/// A value begins with its send time in microseconds since the run began.
const STAMP_BYTES: usize = 8;

/// Nothing for so long means that records are missing.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// Records a second.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..1_000_000))]
    rate: u32,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Size of each record's value.
    #[arg(long, default_value_t = 200)]
    record_bytes: usize,
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    partitions: i32,
    #[command(flatten)]
    sending: Sending,
    #[command(flatten)]
    place: Place,
}

pub async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let node = MeasuredNode::start(&arguments.place)?;
    let (client, topic) = node.client_with_topic(arguments.partitions).await?;
    let producer = client.producer(arguments.sending.producer_config());
    let writer = producer.writer(&topic).await.map_err(Failure::failed)?;
    let mut consumer = client.consumer(ConsumerConfig::default());
    let start_of =
        |partition| StartAt { place: TopicPartition::new(topic.as_str(), partition), start: Start::Earliest };
    consumer.assign((0..arguments.partitions).map(start_of).collect()).await.map_err(Failure::failed)?;
    let records = u64::from(arguments.rate) * arguments.seconds;
    let before = Before::now(&node);
    let epoch = Instant::now();
    let (sent, received) = tokio::join!(
        send_steadily(&writer, arguments, epoch, records),
        receive(&mut consumer, epoch, records)
    );
    sent?;
    let latency = received?;
    let mut report = Report::new(format!(
        "latency: {} records/s of {} B, {} partitions",
        arguments.rate, arguments.record_bytes, arguments.partitions
    ));
    report.latency(&latency);
    report.usage(&node, &before, records * arguments.record_bytes as u64);
    producer.close().await.map_err(Failure::failed)?;
    node.remove_topic(&client, &topic).await?;
    report.print(Output::new(arguments.place.json))
}

async fn send_steadily(
    writer: &TopicWriter,
    arguments: &Arguments,
    epoch: Instant,
    records: u64,
) -> Result<(), Failure> {
    let mut value = payload(arguments.record_bytes.max(STAMP_BYTES));
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    let mut sent = 0;
    while sent < records {
        tick.tick().await;
        // Due by the clock, so that a late tick is caught up with and does not lower the rate.
        let due = (epoch.elapsed().as_secs_f64() * f64::from(arguments.rate)) as u64;
        while sent < due.min(records) {
            if let Some(stamp) = value.get_mut(..STAMP_BYTES) {
                stamp.copy_from_slice(&elapsed_us(epoch).to_le_bytes());
            }
            let record = NewRecord { value: Some(&value), ..NewRecord::default() };
            writer.append(None, record).await.map_err(Failure::failed)?;
            sent += 1;
        }
    }
    Ok(())
}

async fn receive(consumer: &mut Consumer, epoch: Instant, records: u64) -> Result<Histogram, Failure> {
    let mut latency = Histogram::default();
    while latency.count() < records {
        let fetched = consumer.poll(PATIENCE).await.map_err(Failure::failed)?;
        let Some(fetched) = fetched else {
            return Err(Failure::failed("records stopped coming before all were received"));
        };
        let now = elapsed_us(epoch);
        let visited = fetched.for_each(|record| {
            let stamp = record.value.and_then(|value| value.first_chunk::<STAMP_BYTES>());
            latency.record(now.saturating_sub(stamp.map_or(now, |stamp| u64::from_le_bytes(*stamp))));
        });
        visited.map_err(Failure::failed)?;
    }
    Ok(latency)
}

fn elapsed_us(epoch: Instant) -> u64 {
    u64::try_from(epoch.elapsed().as_micros()).unwrap_or(u64::MAX)
}
