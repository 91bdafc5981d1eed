//! Compacted topics as clients and coordinators live with them: bounded, and read back whole after a restart.

use std::path::Path;

use bytes::Bytes;
use millstream_protocol::ErrorCode;
use millstream_protocol::compression::Compression;
use millstream_protocol::messages::*;
use millstream_protocol::record_batch::{BatchBuilder, batches};

use super::groups::{commit, committed, fetch_offset, find};
use super::transactions::init;
use crate::harness::{NOW_MS, PATIENCE, TestBroker, Way, appended, create, fetch, only, produce};

/// Compacts whatever there is, all the time, in small segments.
const EAGER: &[(&str, &str)] = &[
    ("log.cleaner.backoff.ms", "20"),
    ("log.cleaner.min.cleanable.ratio", "0.01"),
    ("log.segment.delete.delay.ms", "0"),
    ("offsets.topic.num.partitions", "1"),
    ("offsets.topic.segment.bytes", "20000"),
    ("transaction.state.log.num.partitions", "1"),
    ("transaction.state.log.segment.bytes", "20000"),
];

/// Bytes of a partition's log files.
fn log_bytes(folder: &Path, partition: &str) -> u64 {
    let files = std::fs::read_dir(folder.join(partition)).unwrap().map(|file| file.unwrap());
    let logs = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "log"));
    // One that is exchanged just now is gone by the time it is asked.
    logs.map(|file| file.metadata().map_or(0, |metadata| metadata.len())).sum()
}

async fn until_below(folder: &Path, partition: &str, limit_bytes: u64) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while log_bytes(folder, partition) > limit_bytes {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{partition} has {} bytes",
            log_bytes(folder, partition)
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn keyed(records: &[(Option<&str>, Option<&str>)]) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    for (key, value) in records {
        builder.append(NOW_MS, key.map(str::as_bytes), value.map(str::as_bytes), &[]).unwrap();
    }
    builder.finish().unwrap()
}

fn create_with(name: &str, settings: &[(&str, &str)]) -> CreateTopicsRequest {
    let mut request = create(name, 1);
    request.topics[0].configs = settings
        .iter()
        .map(|(name, value)| CreatableTopicConfig {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
        })
        .collect();
    request
}

#[tokio::test]
async fn offsets_and_transactions_load_from_compacted_logs() {
    let broker = TestBroker::start_with(EAGER).await;
    let mut way = Way::Local(broker.broker.local());
    find(&mut way, "readers", 0).await;
    find(&mut way, "writer", 1).await;
    way.call(create("orders", 1), 7).await;
    for offset in 0..600 {
        let response = way.call(commit("readers", None, "orders", offset), 8).await;
        assert_eq!(committed(&response), ErrorCode::None);
    }
    let mut producer = init(&mut way, "writer").await;
    for _ in 0..300 {
        producer = init(&mut way, "writer").await;
    }
    // Two groups' worth of records, what the active segment holds, and no more.
    until_below(broker.folder.path(), "__consumer_offsets-0", 30_000).await;
    until_below(broker.folder.path(), "__transaction_state-0", 30_000).await;
    drop(way);
    let broker = broker.restart().await;
    let mut way = Way::Local(broker.broker.local());
    find(&mut way, "readers", 0).await;
    assert_eq!(fetch_offset(&mut way, "readers", "orders").await, 599);
    find(&mut way, "writer", 1).await;
    let next = init(&mut way, "writer").await;
    assert_eq!((next.producer_id, next.producer_epoch), (producer.producer_id, producer.producer_epoch + 1));
}

#[tokio::test]
async fn a_compacted_topic_keeps_the_newest_of_each_key() {
    let broker = TestBroker::start_with(EAGER).await;
    let settings = [("cleanup.policy", "compact"), ("segment.bytes", "2000")];
    for mut way in broker.ways().await {
        let topic = way.name();
        way.call(create_with(topic, &settings), 7).await;
        for round in 0..200 {
            let (key, value) = (format!("k{}", round % 5), format!("value {round}"));
            let records = keyed(&[(Some(&key), Some(&value))]);
            assert_eq!(appended(&way.call(produce(topic, 0, records, -1), 9).await).error_code, 0);
        }
        until_below(broker.folder.path(), &format!("{topic}-0"), 2500).await;
        let mut newest = std::collections::BTreeMap::new();
        let mut offset = 0;
        while offset < 200 {
            let response = way.call(fetch(topic, 0, offset), 12).await;
            for batch in batches(only(&response).records.clone().unwrap()) {
                let batch = batch.unwrap();
                for record in &batch.records(1 << 20).unwrap() {
                    let record = record.unwrap();
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    newest.insert(text(record.key.unwrap()), (record.offset, text(record.value.unwrap())));
                }
                offset = batch.header().next_offset();
            }
        }
        for (at, (key, found)) in (0..).zip(&newest) {
            assert_eq!(
                (key.as_str(), found),
                (format!("k{at}").as_str(), &(195 + at, format!("value {}", 195 + at)))
            );
        }
        assert_eq!(newest.len(), 5);
    }
}

#[tokio::test]
async fn records_without_key_are_named() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        let topic = way.name();
        way.call(create_with(topic, &[("cleanup.policy", "compact,delete")]), 7).await;
        let records = keyed(&[(Some("a"), Some("1")), (None, Some("2")), (Some("b"), None), (None, None)]);
        let response = way.call(produce(topic, 0, records.clone(), -1), 9).await;
        let refused = appended(&response);
        assert_eq!(refused.error_code, ErrorCode::InvalidRecord.code());
        let places: Vec<_> = refused.record_errors.iter().map(|error| error.batch_index).collect();
        assert_eq!(places, [1, 3]);
        assert!(refused.error_message.as_ref().unwrap().contains("needs a key"));
        // Versions without room for them say at least the code.
        let response = way.call(produce(topic, 0, records, -1), 7).await;
        assert_eq!(appended(&response).error_code, ErrorCode::InvalidRecord.code());
    }
}

#[tokio::test]
async fn batches_are_stored_in_the_topics_compression() {
    let broker = TestBroker::start_with(&[("compression.zstd.level", "7")]).await;
    let mut way = Way::Local(broker.broker.local());
    let value = "x".repeat(500);
    let records = keyed(&[(Some("a"), Some(&value)), (Some("b"), Some(&value))]);
    let cases = [
        ("uncompressed", Compression::None),
        ("gzip", Compression::Gzip),
        ("snappy", Compression::Snappy),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd),
    ];
    for (name, compression) in cases {
        way.call(create_with(name, &[("compression.type", name), ("compression.gzip.level", "9")]), 7).await;
        assert_eq!(appended(&way.call(produce(name, 0, records.clone(), -1), 9).await).error_code, 0);
        let response = way.call(fetch(name, 0, 0), 12).await;
        let batch = batches(only(&response).records.clone().unwrap()).next().unwrap().unwrap();
        batch.verify_crc().unwrap();
        assert_eq!(batch.header().compression().unwrap(), compression);
        assert_eq!(batch.records(1 << 20).unwrap().iter().count(), 2);
    }
    // What grows beyond the limit when it is unpacked is too large.
    let mut packed = BatchBuilder::new(Compression::Gzip);
    packed.append(NOW_MS, Some(b"k"), Some(value.repeat(20).as_bytes()), &[]).unwrap();
    let settings = [("compression.type", "uncompressed"), ("max.message.bytes", "5000")];
    way.call(create_with("small", &settings), 7).await;
    let response = way.call(produce("small", 0, packed.finish().unwrap(), -1), 9).await;
    assert_eq!(appended(&response).error_code, ErrorCode::MessageTooLarge.code());
}

#[tokio::test]
async fn times_are_bounded_where_the_topic_says_so() {
    let broker = TestBroker::start().await;
    let mut way = Way::Local(broker.broker.local());
    way.call(create_with("times", &[("message.timestamp.before.max.ms", "60000")]), 7).await;
    let now_ms =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let mut builder = BatchBuilder::new(Compression::Lz4);
    for time_ms in [now_ms, NOW_MS, now_ms] {
        builder.append(time_ms, None, Some(b"v"), &[]).unwrap();
    }
    let response = way.call(produce("times", 0, builder.finish().unwrap(), -1), 9).await;
    let refused = appended(&response);
    assert_eq!(refused.error_code, ErrorCode::InvalidTimestamp.code());
    assert_eq!(refused.record_errors.iter().map(|error| error.batch_index).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn records_are_deleted_only_where_the_policy_is_to_delete() {
    let broker = TestBroker::start().await;
    let mut way = Way::Local(broker.broker.local());
    for (topic, policy, expected) in [
        ("deleted", "delete", ErrorCode::None),
        ("both", "compact,delete", ErrorCode::None),
        ("compacted", "compact", ErrorCode::PolicyViolation),
    ] {
        way.call(create_with(topic, &[("cleanup.policy", policy)]), 7).await;
        let records = keyed(&[(Some("a"), Some("1")), (Some("b"), Some("2"))]);
        way.call(produce(topic, 0, records, -1), 9).await;
        let partition = DeleteRecordsPartition { partition_index: 0, offset: 1 };
        let asked = DeleteRecordsTopic { name: topic.to_owned(), partitions: vec![partition] };
        let request = DeleteRecordsRequest { topics: vec![asked], timeout_ms: 1000 };
        let response = way.call(request, 2).await;
        let deleted = &response.topics[0].partitions[0];
        assert_eq!(ErrorCode::from_code(deleted.error_code), expected, "{topic}");
        assert_eq!(deleted.low_watermark, if expected.is_none() { 1 } else { -1 });
    }
}
