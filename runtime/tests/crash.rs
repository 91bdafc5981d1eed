//! kill -9 at any moment loses no acknowledged record, doubles none and keeps their order.

use std::time::Duration;

use bytes::Bytes;
use millstream_client::admin::NewTopic;
use millstream_client::{
    Client, ClientConfig, Cluster, ConsumerConfig, ProducerConfig, Record, Start, StartAt, TopicPartition,
};

use crate::process::{Node, Seeded, free_address};

const KILLS: usize = 200;
const TOPIC: &str = "survivors";
const PARTITIONS: i32 = 3;

#[test]
fn two_hundred_kills_lose_and_double_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(survive());
}

async fn survive() {
    let mut seeded = Seeded::from_environment(11);
    let data = tempfile::tempdir().expect("a temporary directory");
    let address = free_address();
    let mut node = Node::start(data.path(), &address, &["log.segment.bytes=1048576"]);
    let client = connect(&address).await;
    let created = client.admin().create_topics(&[NewTopic::new(TOPIC, PARTITIONS)], false).await;
    assert!(created.iter().all(Result::is_ok), "{created:?}");

    let stop = tokio_util::sync::CancellationToken::new();
    let writers: Vec<_> = (0..PARTITIONS)
        .map(|partition| tokio::spawn(write(client.clone(), partition, stop.clone())))
        .collect();
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(20 + seeded.below(180))).await;
        node.kill();
        node = Node::start(data.path(), &address, &["log.segment.bytes=1048576"]);
    }
    stop.cancel();
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.push(writer.await.expect("a writer"));
    }
    // A fresh client sees what the log holds now.
    let client = connect(&address).await;
    for (partition, count) in (0..PARTITIONS).zip(acknowledged) {
        let values = read(&client, partition).await;
        assert!(count > 1_000, "partition {partition}: only {count} records were acknowledged");
        assert_eq!(values.len() as u64, count, "partition {partition}: {KILLS} kills");
        for (number, value) in (0..count).zip(&values) {
            assert_eq!(*value, number, "partition {partition}: records are in order, each once");
        }
    }
    assert!(node.stop().success());
}

async fn connect(address: &str) -> Client {
    Client::connect(Cluster::Bootstrap(vec![address.to_owned()]), ClientConfig::default())
        .await
        .expect("connect")
}

/// Writes 0, 1, 2, … until told to stop; gives how many were acknowledged. Every record is acknowledged in the end:
/// the producer retries across restarts of the node, and is idempotent.
async fn write(client: Client, partition: i32, stop: tokio_util::sync::CancellationToken) -> u64 {
    let producer = client
        .producer(ProducerConfig { delivery_timeout: Duration::from_secs(120), ..ProducerConfig::default() });
    let mut number: u64 = 0;
    let mut waiting = std::collections::VecDeque::new();
    while !stop.is_cancelled() {
        let record = Record {
            topic: TOPIC.into(),
            partition: Some(partition),
            key: None,
            value: Some(Bytes::from(format!("{number:0100}"))),
            headers: Vec::new(),
            timestamp_ms: None,
        };
        waiting.push_back(producer.send(record).await.expect("room in the producer"));
        number += 1;
        if waiting.len() >= 500 {
            let oldest = waiting.pop_front().expect("the queue is not empty");
            oldest.wait().await.expect("an acknowledgement, after however many restarts");
        }
    }
    for delivery in waiting {
        delivery.wait().await.expect("an acknowledgement, after however many restarts");
    }
    number
}

async fn read(client: &Client, partition: i32) -> Vec<u64> {
    let place = TopicPartition::new(TOPIC, partition);
    let mut consumer = client.consumer(ConsumerConfig::default());
    consumer.assign(vec![StartAt { place: place.clone(), start: Start::Earliest }]).await.expect("assign");
    let end = consumer.end_offsets(std::slice::from_ref(&place)).await.expect("the end offset")[0];
    let mut values = Vec::new();
    while consumer.position(&place).unwrap_or(0) < end {
        let Some(fetched) = consumer.poll(Duration::from_secs(1)).await.expect("poll") else { continue };
        let parsed = fetched.for_each(|record| {
            let text = std::str::from_utf8(record.value.expect("a value")).expect("digits");
            values.push(text.parse().expect("a number"));
        });
        parsed.expect("records that can be read");
    }
    values
}
