//! Transactions through the client: all or nothing, offsets included, and no zombies.

use std::time::Duration;

use millstream_client::admin::OffsetSpec;
use millstream_client::{
    Client, CommittedOffset, GroupMetadata, Isolation, NewRecord, TopicPartition, TransactionConfig,
    TransactionError, TransactionalProducer,
};

use super::{create_topic, read_all, started};
use crate::harness::PATIENCE;

async fn begin(client: &Client, id: &str) -> TransactionalProducer {
    let config = TransactionConfig { transaction_timeout: Duration::from_secs(20), ..Default::default() };
    let mut producer = client.transactional_producer(id, config).await.unwrap();
    producer.begin().unwrap();
    producer
}

async fn append(producer: &TransactionalProducer, topic: &str, value: &str) {
    let record = NewRecord { value: Some(value.as_bytes()), ..NewRecord::default() };
    producer.producer().append(topic, Some(0), record).await.unwrap();
}

/// Waits until no transaction of the topic is open: a commit is answered before its markers are in the log.
pub async fn all_ended(client: &Client, topic: &str) {
    let place = TopicPartition::new(topic, 0);
    let latest = [(place, OffsetSpec::Latest)];
    tokio::time::timeout(PATIENCE, async {
        loop {
            let stable = client.admin().list_offsets(&latest, Isolation::ReadCommitted).await;
            let end = client.admin().list_offsets(&latest, Isolation::ReadUncommitted).await;
            if stable[0].as_ref().unwrap().offset == end[0].as_ref().unwrap().offset {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn committed_transactions_are_seen_with_their_offsets_and_aborted_ones_are_not() {
    let (_broker, clients) = started().await;
    for (way, client) in &clients {
        create_topic(client, way, 1).await;
        let group = format!("group-{way}");
        let place = TopicPartition::new(*way, 0);
        let mut producer = begin(client, way).await;
        let mut expected = Vec::new();
        for round in 0..12 {
            if round > 0 {
                producer.begin().unwrap();
            }
            append(&producer, way, &round.to_string()).await;
            let offsets = [(place.clone(), CommittedOffset::at(round))];
            producer.send_offsets(&offsets, &GroupMetadata::simple(group.as_str())).await.unwrap();
            if round % 3 == 2 {
                if round % 2 == 0 {
                    producer.producer().flush().await.unwrap();
                }
                producer.abort().await.unwrap();
            } else {
                producer.commit().await.unwrap();
                expected.push(round.to_string());
            }
        }
        all_ended(client, way).await;
        assert_eq!(read_all(client, way, 1, Isolation::ReadCommitted).await, [expected], "{way}");
        let committed = client.admin().group_offsets(&group, None).await.unwrap();
        assert_eq!(committed, [(place, CommittedOffset::at(10))], "{way}");
    }
}

#[tokio::test]
async fn a_producer_that_was_replaced_cannot_commit() {
    let (_broker, clients) = started().await;
    for (way, client) in &clients {
        create_topic(client, way, 1).await;
        let mut zombie = begin(client, way).await;
        append(&zombie, way, "sent before").await;
        zombie.producer().flush().await.unwrap();
        let mut heir = begin(client, way).await;
        append(&zombie, way, "sent after").await;
        let mut error = zombie.commit().await.unwrap_err();
        if error.is_abortable() {
            error = zombie.abort().await.unwrap_err();
        }
        assert!(matches!(error, TransactionError::Fenced { .. }), "{way}: {error}");
        append(&heir, way, "heir").await;
        heir.commit().await.unwrap();
        all_ended(client, way).await;
        assert_eq!(read_all(client, way, 1, Isolation::ReadCommitted).await, [["heir"]], "{way}");
    }
}

#[tokio::test]
async fn an_open_transaction_is_not_read_before_it_commits() {
    let (_broker, clients) = started().await;
    for (way, client) in &clients {
        create_topic(client, way, 1).await;
        let mut producer = begin(client, way).await;
        append(&producer, way, "open").await;
        producer.producer().flush().await.unwrap();
        let none: [[&str; 0]; 1] = [[]];
        assert_eq!(read_all(client, way, 1, Isolation::ReadCommitted).await, none, "{way}");
        assert_eq!(read_all(client, way, 1, Isolation::ReadUncommitted).await, [["open"]], "{way}");
        producer.commit().await.unwrap();
        all_ended(client, way).await;
        assert_eq!(read_all(client, way, 1, Isolation::ReadCommitted).await, [["open"]], "{way}");
    }
}

#[tokio::test]
async fn steps_out_of_order_are_refused_by_name() {
    let (_broker, clients) = started().await;
    for (way, client) in &clients {
        create_topic(client, way, 1).await;
        let mut producer = begin(client, way).await;
        assert!(matches!(producer.begin(), Err(TransactionError::Misuse { .. })), "{way}");
        producer.commit().await.unwrap();
        assert!(matches!(producer.commit().await, Err(TransactionError::Misuse { .. })), "{way}");
        let refused = producer.producer().append(way, None, NewRecord::default()).await;
        assert!(refused.unwrap_err().to_string().contains("no transaction is open"), "{way}");
    }
}
