//! The producer keeps its promises whatever the network does. Time is virtual: waits cost nothing.

use std::time::Duration;

use bytes::Bytes;
use millstream_client::{Client, ClientConfig, Cluster, NewRecord, ProduceError, ProducerConfig, Record};

use crate::model_broker::ModelBroker;

fn config() -> ProducerConfig {
    ProducerConfig { batch_bytes: 120, ..ProducerConfig::default() }
}

async fn client(broker: std::sync::Arc<ModelBroker>) -> Client {
    Client::connect(Cluster::Local(broker), ClientConfig::default()).await.unwrap()
}

fn numbered(range: std::ops::Range<u32>) -> Vec<Bytes> {
    range.map(|number| Bytes::from(number.to_string())).collect()
}

#[tokio::test(start_paused = true)]
async fn faults_neither_lose_nor_double_nor_reorder_records() {
    let mut faults = 0;
    for seed in 1..=60 {
        let broker = ModelBroker::new(3, seed, 30);
        let producer = client(broker.clone()).await.producer(config());
        let mut deliveries = Vec::new();
        for number in 0..300_u32 {
            let record = Record {
                topic: "t".to_owned(),
                partition: Some((number % 3) as i32),
                value: Some(number.to_string().into()),
                ..Record::default()
            };
            deliveries.push((number, producer.send(record).await.unwrap()));
        }
        producer.flush().await.unwrap();
        for (number, delivery) in deliveries {
            let written = delivery.wait().await.unwrap();
            assert_eq!(written.offset, i64::from(number / 3), "seed {seed}, record {number}");
        }
        for partition in 0..3_u32 {
            let expected: Vec<Bytes> = (0..300)
                .filter(|number| number % 3 == partition)
                .map(|number| number.to_string().into())
                .collect();
            assert_eq!(broker.values(partition as i32), expected, "seed {seed}, partition {partition}");
        }
        faults += broker.faults();
    }
    assert!(faults > 300, "only {faults} faults: the test tests nothing");
}

#[tokio::test(start_paused = true)]
async fn a_full_buffer_holds_the_caller_until_there_is_room() {
    let broker = ModelBroker::new(1, 1, 0);
    let small = ProducerConfig { buffer_bytes: 1000, ..config() };
    let producer = client(broker.clone()).await.producer(small);
    for number in 0..500 {
        let value = number.to_string();
        let record = NewRecord { value: Some(value.as_bytes()), ..NewRecord::default() };
        producer.append("t", None, record).await.unwrap();
    }
    producer.flush().await.unwrap();
    assert_eq!(broker.values(0), numbered(0..500));
    let huge = vec![0_u8; 2000];
    let refused = producer.append("t", None, NewRecord { value: Some(&huge), ..NewRecord::default() }).await;
    assert!(matches!(refused, Err(ProduceError::TooLarge { limit: 1000, .. })), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_never_answers_well_fails_the_delivery_in_time() {
    let broker = ModelBroker::new(1, 1, 100);
    let impatient = ProducerConfig { delivery_timeout: Duration::from_secs(5), ..config() };
    let producer = client(broker).await.producer(impatient);
    let record = Record { topic: "t".to_owned(), value: Some("x".into()), ..Record::default() };
    let delivery = producer.send(record).await.unwrap();
    let failure = delivery.wait().await.unwrap_err();
    assert!(matches!(failure, ProduceError::DeliveryTimeout { .. }), "{failure}");
    assert!(matches!(producer.flush().await, Err(ProduceError::DeliveryTimeout { .. })));
    producer.flush().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn keyless_records_take_turns_by_batch_and_keys_stay_together() {
    let broker = ModelBroker::new(4, 1, 0);
    let producer = client(broker.clone()).await.producer(config());
    for number in 0..400 {
        let value = number.to_string();
        let record = NewRecord { value: Some(value.as_bytes()), ..NewRecord::default() };
        producer.append("t", None, record).await.unwrap();
    }
    producer.flush().await.unwrap();
    let counts: Vec<usize> = (0..4).map(|partition| broker.values(partition).len()).collect();
    assert!(counts.iter().all(|&count| count >= 90), "{counts:?}");
    for _ in 0..10 {
        let record = NewRecord { key: Some(b"21"), value: Some(b"keyed"), ..NewRecord::default() };
        producer.append("t", None, record).await.unwrap();
    }
    producer.flush().await.unwrap();
    let keyed = millstream_client::partition_for_key(b"21", 4);
    assert_eq!(broker.values(keyed).iter().filter(|value| &value[..] == b"keyed").count(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_closed_producer_says_so() {
    let producer = client(ModelBroker::new(1, 1, 0)).await.producer(config());
    producer.append("t", None, NewRecord { value: Some(b"x"), ..NewRecord::default() }).await.unwrap();
    producer.close().await.unwrap();
    let refused = producer.append("t", None, NewRecord::default()).await;
    assert!(matches!(refused, Err(ProduceError::Closed)), "{refused:?}");
}
