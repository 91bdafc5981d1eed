//! The client crate against a broker, over both transports: what a user of the library relies on.

mod consume;
mod faults;
mod group;
mod transactions;

use std::time::Duration;

use millstream_broker::Broker;
use millstream_client::admin::NewTopic;
use millstream_client::{
    Client, ClientConfig, Cluster, Consumer, ConsumerConfig, Isolation, Start, StartAt, TopicPartition,
};

use crate::harness::TestBroker;

/// One poll waits at most this long; a test waits for as many as it takes within the harness's patience.
const POLL: Duration = Duration::from_millis(200);

/// A client per way in, with its name.
async fn clients(broker: &Broker) -> Vec<(&'static str, Client)> {
    let address = broker.addr().unwrap().to_string();
    let ways = [("local", Cluster::Local(broker.local())), ("tcp", Cluster::Bootstrap(vec![address]))];
    let mut clients = Vec::new();
    for (name, cluster) in ways {
        clients.push((name, Client::connect(cluster, ClientConfig::default()).await.unwrap()));
    }
    clients
}

/// A broker, and a client per way in.
async fn started() -> (TestBroker, Vec<(&'static str, Client)>) {
    let broker = TestBroker::start().await;
    let clients = clients(&broker.broker).await;
    (broker, clients)
}

async fn create_topic(client: &Client, topic: &str, partitions: i32) {
    for created in client.admin().create_topics(&[NewTopic::new(topic, partitions)], false).await {
        created.unwrap();
    }
    client.admin().wait_for_topic(topic).await.unwrap();
}

fn places(topic: &str, partitions: i32) -> Vec<TopicPartition> {
    (0..partitions).map(|partition| TopicPartition::new(topic, partition)).collect()
}

/// Every value of a topic, partition by partition in order, read up to its present end.
async fn read_all(client: &Client, topic: &str, partitions: i32, isolation: Isolation) -> Vec<Vec<String>> {
    let config = ConsumerConfig { isolation, ..ConsumerConfig::default() };
    let mut consumer = client.consumer(config);
    let places = places(topic, partitions);
    let starts = places.iter().map(|place| StartAt { place: place.clone(), start: Start::Earliest });
    consumer.assign(starts.collect()).await.unwrap();
    let ends = consumer.end_offsets(&places).await.unwrap();
    let mut values = vec![Vec::new(); places.len()];
    tokio::time::timeout(crate::harness::PATIENCE, async {
        while !has_reached(&consumer, &places, &ends) {
            let Some(fetched) = consumer.poll(POLL).await.unwrap() else { continue };
            fetched.verify().unwrap();
            let partition = &mut values[fetched.place.partition as usize];
            fetched
                .for_each(|record| partition.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap()))
                .unwrap();
        }
    })
    .await
    .unwrap();
    values
}

fn has_reached(consumer: &Consumer, places: &[TopicPartition], ends: &[i64]) -> bool {
    places.iter().zip(ends).all(|(place, end)| consumer.position(place).is_some_and(|at| at >= *end))
}
