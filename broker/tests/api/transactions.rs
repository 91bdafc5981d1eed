//! Transactions from InitProducerId to what a read_committed consumer sees, in both versions of the protocol.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use millstream_protocol::compression::Compression;
use millstream_protocol::messages::*;
use millstream_protocol::record_batch::{BatchBuilder, Producer, batches};
use millstream_protocol::{ApiKey, ErrorCode};

use crate::harness::{NOW_MS, PATIENCE, TestBroker, Way, appended, create, fetch, only, produce, records};

const READ_COMMITTED: i8 = 1;

/// A producer's requests, under version 1 or 2 of transactions.
struct Transactional {
    id: String,
    producer: InitProducerIdResponse,
    sequence: i32,
    version_two: bool,
}

impl Transactional {
    async fn start(way: &mut Way, id: &str, version_two: bool) -> Self {
        let find = FindCoordinatorRequest {
            key_type: 1,
            coordinator_keys: vec![id.to_owned()],
            ..Default::default()
        };
        let found = way.call(find, 6).await;
        assert_eq!(found.coordinators[0].error_code, 0);
        let producer = init(way, id).await;
        Transactional { id: id.to_owned(), producer, sequence: 0, version_two }
    }

    fn batch(&mut self, value: &str) -> Bytes {
        let mut builder = BatchBuilder::new(Compression::None);
        let (id, epoch) = (self.producer.producer_id, self.producer.producer_epoch);
        builder.set_producer(Producer { id, epoch, base_sequence: self.sequence });
        builder.set_transactional(true);
        builder.append(NOW_MS, None, Some(value.as_bytes()), &[]).unwrap();
        self.sequence += 1;
        builder.finish().unwrap()
    }

    async fn produce(&mut self, way: &mut Way, topic: &str, value: &str) -> ErrorCode {
        let mut request = produce(topic, 0, self.batch(value), -1);
        request.transactional_id = Some(self.id.clone());
        let response = way.call(request, if self.version_two { 12 } else { 11 }).await;
        ErrorCode::from_code(appended(&response).error_code)
    }

    async fn add(&self, way: &mut Way, topic: &str) -> ErrorCode {
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: self.id.clone(),
            v3_and_below_producer_id: self.producer.producer_id,
            v3_and_below_producer_epoch: self.producer.producer_epoch,
            v3_and_below_topics: vec![AddPartitionsToTxnTopic {
                name: topic.to_owned(),
                partitions: vec![0],
            }],
            ..Default::default()
        };
        // The transaction before may still be writing its markers.
        retried(async || {
            let response = way.call(request.clone(), 3).await;
            response.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
        })
        .await
    }

    async fn end(&mut self, way: &mut Way, committed: bool) -> ErrorCode {
        let request = EndTxnRequest {
            transactional_id: self.id.clone(),
            producer_id: self.producer.producer_id,
            producer_epoch: self.producer.producer_epoch,
            committed,
        };
        let response = way.call(request, if self.version_two { 5 } else { 3 }).await;
        if self.version_two && response.error_code == 0 {
            assert_eq!(response.producer_epoch, self.producer.producer_epoch + 1, "each end bumps the epoch");
            self.producer.producer_id = response.producer_id;
            self.producer.producer_epoch = response.producer_epoch;
            self.sequence = 0;
        }
        ErrorCode::from_code(response.error_code)
    }
}

/// Repeats a request while the transaction before is not complete.
async fn retried(mut request: impl AsyncFnMut() -> i16) -> ErrorCode {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let code = ErrorCode::from_code(request().await);
        let busy = matches!(code, ErrorCode::ConcurrentTransactions | ErrorCode::NotEnoughReplicas);
        if !busy || tokio::time::Instant::now() > deadline {
            return code;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(super) async fn init(way: &mut Way, id: &str) -> InitProducerIdResponse {
    let request = InitProducerIdRequest {
        transactional_id: Some(id.to_owned()),
        transaction_timeout_ms: 60_000,
        ..Default::default()
    };
    let mut response = InitProducerIdResponse::default();
    let code = retried(async || {
        response = way.call(request.clone(), 4).await;
        response.error_code
    })
    .await;
    assert_eq!(code, ErrorCode::None);
    response
}

/// What a read_committed consumer sees up to an offset, once that is stable.
async fn committed(way: &mut Way, topic: &str, until_offset: i64) -> Vec<String> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut offset = 0;
    let mut seen = Vec::new();
    loop {
        let request = FetchRequest { isolation_level: READ_COMMITTED, ..fetch(topic, 0, offset) };
        let response = way.call(request, 12).await;
        offset = read_committed(only(&response), &mut seen).unwrap_or(offset);
        if offset >= until_offset {
            return seen;
        }
        assert!(tokio::time::Instant::now() < deadline, "stable up to {offset} only");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Takes what is visible of one response; the offset behind its last batch.
fn read_committed(data: &FetchPartitionData, seen: &mut Vec<String>) -> Option<i64> {
    let aborted = data.aborted_transactions.iter().flatten();
    let mut aborted: Vec<_> = aborted.map(|one| (one.first_offset, one.producer_id)).collect();
    let mut skipped = HashSet::new();
    let mut next_offset = None;
    for batch in batches(data.records.clone().unwrap_or_default()) {
        let batch = batch.unwrap();
        let header = *batch.header();
        while aborted.first().is_some_and(|(first, _)| *first <= header.last_offset()) {
            skipped.insert(aborted.remove(0).1);
        }
        if header.is_control() {
            skipped.remove(&header.producer_id);
        } else if !skipped.contains(&header.producer_id) {
            seen.extend(records(batch.bytes()).into_iter().map(|(_, value)| value));
        }
        next_offset = Some(header.next_offset());
    }
    next_offset
}

#[tokio::test]
async fn committed_transactions_are_seen_and_aborted_ones_are_not() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        for version_two in [false, true] {
            let topic = format!("{}-{version_two}", way.name());
            way.call(create(&topic, 1), 7).await;
            let mut producer = Transactional::start(&mut way, &topic, version_two).await;
            for (value, commit) in [("one", true), ("two", false), ("three", true)] {
                if !version_two {
                    assert_eq!(producer.add(&mut way, &topic).await, ErrorCode::None);
                }
                let produced = producing(&mut producer, &mut way, &topic, value).await;
                assert_eq!(produced, ErrorCode::None, "{topic} {value}");
                assert_eq!(producer.end(&mut way, commit).await, ErrorCode::None);
            }
            // Three records and three markers.
            assert_eq!(committed(&mut way, &topic, 6).await, ["one", "three"], "{topic}");
        }
    }
}

/// Produces; the first batch of a transaction may have to wait for the end of the one before.
async fn producing(producer: &mut Transactional, way: &mut Way, topic: &str, value: &str) -> ErrorCode {
    let sequence = producer.sequence;
    retried(async || {
        producer.sequence = sequence;
        producer.produce(way, topic, value).await.code()
    })
    .await
}

#[tokio::test]
async fn a_record_outside_its_transaction_is_refused() {
    let broker = TestBroker::start().await;
    let mut way = Way::Local(broker.broker.local());
    way.call(create("t", 1), 7).await;
    let mut producer = Transactional::start(&mut way, "id", false).await;
    assert_eq!(producer.produce(&mut way, "t", "stray").await, ErrorCode::TransactionAbortable);
}

#[tokio::test]
async fn an_open_transaction_holds_readers_back_and_a_new_instance_fences_it() {
    let broker = TestBroker::start().await;
    let mut way = Way::Local(broker.broker.local());
    way.call(create("t", 1), 7).await;
    let mut old = Transactional::start(&mut way, "id", false).await;
    assert_eq!(old.add(&mut way, "t").await, ErrorCode::None);
    assert_eq!(old.produce(&mut way, "t", "half").await, ErrorCode::None);
    assert!(committed(&mut way, "t", 0).await.is_empty());

    let mut new = Transactional::start(&mut way, "id", false).await;
    assert!(new.producer.producer_epoch > old.producer.producer_epoch);
    assert_eq!(old.end(&mut way, true).await, ErrorCode::ProducerFenced);
    assert_eq!(old.produce(&mut way, "t", "zombie").await, ErrorCode::InvalidProducerEpoch);
    assert_eq!(new.add(&mut way, "t").await, ErrorCode::None);
    assert_eq!(new.produce(&mut way, "t", "whole").await, ErrorCode::None);
    assert_eq!(new.end(&mut way, true).await, ErrorCode::None);
    assert_eq!(committed(&mut way, "t", 4).await, ["whole"]);
}

#[tokio::test]
async fn a_transaction_outlives_its_broker() {
    let broker = TestBroker::start().await;
    let mut way = Way::Local(broker.broker.local());
    way.call(create("t", 1), 7).await;
    let mut producer = Transactional::start(&mut way, "id", true).await;
    assert_eq!(producer.produce(&mut way, "t", "before").await, ErrorCode::None);
    drop(way);
    let broker = broker.restart().await;
    let mut way = Way::Local(broker.broker.local());
    assert_eq!(producer.produce(&mut way, "t", "after").await, ErrorCode::None);
    assert_eq!(producer.end(&mut way, true).await, ErrorCode::None);
    assert_eq!(committed(&mut way, "t", 3).await, ["before", "after"]);
}

#[tokio::test]
async fn offsets_of_a_transaction_count_when_it_commits() {
    let broker = TestBroker::start().await;
    for version_two in [false, true] {
        let mut way = Way::Local(broker.broker.local());
        let group = format!("group-{version_two}");
        way.call(create(&group, 1), 7).await;
        let mut producer = Transactional::start(&mut way, &group, version_two).await;
        for (offset, commit) in [(5, true), (9, false)] {
            if !version_two {
                let add = AddOffsetsToTxnRequest {
                    transactional_id: group.clone(),
                    producer_id: producer.producer.producer_id,
                    producer_epoch: producer.producer.producer_epoch,
                    group_id: group.clone(),
                };
                let code = retried(async || way.call(add.clone(), 3).await.error_code).await;
                assert_eq!(code, ErrorCode::None);
            }
            let request = offsets(&producer, &group, offset);
            let version = if version_two { 5 } else { 3 };
            let code =
                retried(async || way.call(request.clone(), version).await.topics[0].partitions[0].error_code)
                    .await;
            assert_eq!(code, ErrorCode::None);
            assert_eq!(producer.end(&mut way, commit).await, ErrorCode::None);
        }
        assert_eq!(stable_offset(&mut way, &group).await, 5);
    }
}

fn offsets(producer: &Transactional, group: &str, offset: i64) -> TxnOffsetCommitRequest {
    TxnOffsetCommitRequest {
        transactional_id: producer.id.clone(),
        group_id: group.to_owned(),
        producer_id: producer.producer.producer_id,
        producer_epoch: producer.producer.producer_epoch,
        topics: vec![TxnOffsetCommitRequestTopic {
            name: group.to_owned(),
            partitions: vec![TxnOffsetCommitRequestPartition {
                partition_index: 0,
                committed_offset: offset,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// The group's offset once no transaction can change it any more.
async fn stable_offset(way: &mut Way, group: &str) -> i64 {
    let request = OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: group.to_owned(),
            topics: Some(vec![OffsetFetchRequestTopics {
                name: group.to_owned(),
                partition_indexes: vec![0],
                ..Default::default()
            }]),
            ..Default::default()
        }],
        require_stable: true,
        ..Default::default()
    };
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let response = way.call(request.clone(), 8).await;
        let partition = &response.groups[0].topics[0].partitions[0];
        if partition.error_code != ErrorCode::UnstableOffsetCommit.code() {
            return partition.committed_offset;
        }
        assert!(tokio::time::Instant::now() < deadline, "the offset stays unstable");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn pipelined_writes_of_a_new_transaction_keep_their_order() {
    const WRITES: i32 = 20;
    let broker = TestBroker::start().await;
    let mut way = Way::Tcp(broker.connect().await);
    way.call(create("t", 1), 7).await;
    let mut producer = Transactional::start(&mut way, "pipelined", true).await;
    let mut connection = broker.connect().await;
    for _ in 0..WRITES {
        let transactional_id = Some("pipelined".to_owned());
        let request = ProduceRequest { transactional_id, ..produce("t", 0, producer.batch("x"), -1) };
        connection.send(request, 12).await;
    }
    for sequence in 0..WRITES {
        let response = connection.receive(ApiKey::Produce, 12).await.unwrap();
        let response = ProduceResponse::try_from(response).unwrap();
        let partition = appended(&response);
        assert_eq!((partition.error_code, partition.base_offset), (0, i64::from(sequence)));
    }
}
