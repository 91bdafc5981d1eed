//! The client and the broker keep their promises together while requests and responses get lost between them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use millstream_client::transport::{Transport, TransportError};
use millstream_client::{
    Client, ClientConfig, Cluster, CommittedOffset, GroupMetadata, Isolation, NewRecord, ProducerConfig,
    TopicPartition, TransactionConfig, TransactionError, TransactionalProducer,
};
use millstream_protocol::{ApiKey, RequestKind, ResponseKind};
use parking_lot::Mutex;

use super::transactions::all_ended;
use super::{create_topic, read_all};
use crate::harness::TestBroker;

/// Of 100 requests, this many are lost on the way there, and as many responses on the way back.
const LOST_PERCENT: u64 = 5;

/// A way to the broker that loses things, by seed.
struct Lossy {
    inner: Arc<dyn Transport>,
    random: Mutex<u64>,
    /// Hides the cluster's features, so that transactions are those of version 1.
    hides_features: bool,
}

impl Lossy {
    fn below(&self, bound: u64) -> u64 {
        let mut random = self.random.lock();
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        *random % bound
    }
}

impl Transport for Lossy {
    fn call(
        &self,
        request: RequestKind,
        version: i16,
    ) -> BoxFuture<'static, Result<ResponseKind, TransportError>> {
        let lost = || TransportError::Closed { address: "broker".to_owned(), reason: "lost".to_owned() };
        if request.key() == ApiKey::ApiVersions && self.hides_features {
            return hide_features(self.inner.call(request, version));
        }
        let is_spared = matches!(request.key(), ApiKey::ApiVersions | ApiKey::Metadata);
        let dice = if is_spared { 100 } else { self.below(100) };
        if dice < LOST_PERCENT {
            return async move { Err(lost()) }.boxed();
        }
        let response = self.inner.call(request, version);
        if dice < 2 * LOST_PERCENT {
            return async move {
                drop(response.await);
                Err(lost())
            }
            .boxed();
        }
        response
    }
}

fn hide_features(
    response: BoxFuture<'static, Result<ResponseKind, TransportError>>,
) -> BoxFuture<'static, Result<ResponseKind, TransportError>> {
    async move {
        let mut response = response.await?;
        if let ResponseKind::ApiVersions(versions) = &mut response {
            versions.finalized_features.clear();
        }
        Ok(response)
    }
    .boxed()
}

async fn lossy_client(broker: &TestBroker, seed: u64) -> Client {
    let random = Mutex::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let transport = Lossy { inner: broker.broker.local(), random, hides_features: seed.is_multiple_of(2) };
    let config = ClientConfig {
        retry_backoff: Duration::from_millis(1),
        retry_backoff_max: Duration::from_millis(10),
        ..ClientConfig::default()
    };
    Client::connect(Cluster::Local(Arc::new(transport)), config).await.unwrap()
}

#[tokio::test]
async fn idempotent_records_are_written_once_and_in_order() {
    let broker = TestBroker::start().await;
    for seed in 1..=4 {
        let client = lossy_client(&broker, seed).await;
        let topic = format!("idempotent-{seed}");
        create_topic(&client, &topic, 1).await;
        let producer = client.producer(ProducerConfig { batch_bytes: 200, ..ProducerConfig::default() });
        for number in 0..2000 {
            let value = number.to_string();
            let record = NewRecord { value: Some(value.as_bytes()), ..NewRecord::default() };
            producer.append(&topic, None, record).await.unwrap();
        }
        producer.flush().await.unwrap();
        let expected: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
        assert_eq!(read_all(&client, &topic, 1, Isolation::ReadCommitted).await, [expected], "seed {seed}");
    }
}

/// In both versions of transactions: copies numbers in transactions that also carry the position, as a task does; starts over wherever it must.
#[tokio::test]
async fn a_transactional_copy_writes_every_number_once() {
    const NUMBERS: i64 = 300;
    let broker = TestBroker::start().await;
    for seed in 1..=4 {
        let client = lossy_client(&broker, seed).await;
        let topic = format!("copy-{seed}");
        create_topic(&client, &topic, 1).await;
        let mut producer = start(&client, &topic).await;
        let mut next = 0;
        while next < NUMBERS {
            match copy(&mut producer, &topic, next).await {
                Ok(()) => next += 10,
                Err(error) => {
                    if !error.is_abortable() || producer.abort().await.is_err() {
                        producer = start(&client, &topic).await;
                    }
                    next = position(&client, &topic).await;
                }
            }
        }
        all_ended(&client, &topic).await;
        let expected: Vec<String> = (0..NUMBERS).map(|number| number.to_string()).collect();
        assert_eq!(read_all(&client, &topic, 1, Isolation::ReadCommitted).await, [expected], "seed {seed}");
    }
}

async fn start(client: &Client, topic: &str) -> TransactionalProducer {
    let producer = ProducerConfig { batch_bytes: 100, ..ProducerConfig::default() };
    let config = TransactionConfig { producer, ..TransactionConfig::default() };
    client.transactional_producer(topic, config).await.unwrap()
}

async fn copy(producer: &mut TransactionalProducer, topic: &str, first: i64) -> Result<(), TransactionError> {
    producer.begin()?;
    for number in first..first + 10 {
        let value = number.to_string();
        let record = NewRecord { value: Some(value.as_bytes()), ..NewRecord::default() };
        if producer.producer().append(topic, Some(0), record).await.is_err() {
            // The transaction has failed already: its commit says how.
            break;
        }
    }
    let offsets = [(TopicPartition::new(topic, 0), CommittedOffset::at(first + 10))];
    producer.send_offsets(&offsets, &GroupMetadata::simple(topic)).await?;
    producer.commit().await
}

async fn position(client: &Client, topic: &str) -> i64 {
    let committed = client.admin().group_offsets(topic, None).await.unwrap();
    committed.first().map_or(0, |(_, committed)| committed.offset)
}
