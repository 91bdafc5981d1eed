use std::time::{Duration, Instant};

use millstream_protocol::messages::*;
use millstream_protocol::{ApiKey, ErrorCode};

use crate::harness::{
    NOW_MS, TestBroker, appended, batch, create, fetch, idempotent, only, produce, records,
};

#[tokio::test]
async fn records_come_back_with_their_offsets() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        let topic = way.name();
        way.call(create(topic, 1), 7).await;
        for (acks, base_offset) in [(-1, 0), (1, 2)] {
            let response = way.call(produce(topic, 0, batch(&["a", "b"]), acks), 9).await;
            assert_eq!((appended(&response).error_code, appended(&response).base_offset), (0, base_offset));
        }
        // acks=1 doesn't wait for the disk, what a consumer sees does.
        let mut seen = Vec::new();
        while seen.len() < 4 {
            let response =
                way.call(FetchRequest { max_wait_ms: 5_000, ..fetch(topic, 0, seen.len() as i64) }, 12).await;
            seen.extend(records(only(&response).records.as_ref().unwrap()));
        }
        let expected: Vec<_> = (0..).zip(["a", "b", "a", "b"].map(str::to_owned)).collect();
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn a_fetch_inside_a_batch_returns_the_whole_batch() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        let topic = way.name();
        way.call(create(topic, 1), 7).await;
        way.call(produce(topic, 0, batch(&["a", "b", "c"]), -1), 9).await;
        let mut small = fetch(topic, 0, 1);
        small.topics[0].partitions[0].partition_max_bytes = 1;
        let response = way.call(small, 12).await;
        assert_eq!(records(only(&response).records.as_ref().unwrap()).len(), 3);
    }
}

#[tokio::test]
async fn out_of_range_tells_the_range() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        let topic = way.name();
        way.call(create(topic, 1), 7).await;
        let response = way.call(fetch(topic, 0, 5), 12).await;
        let data = only(&response);
        assert_eq!(data.error_code, ErrorCode::OffsetOutOfRange.code());
        assert_eq!((data.log_start_offset, data.high_watermark), (0, 0));
    }
}

#[tokio::test]
async fn a_waiting_fetch_is_woken_by_a_produce() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        let topic = way.name();
        way.call(create(topic, 1), 7).await;
        let mut other = broker.connect().await;
        let began = Instant::now();
        other.send(FetchRequest { max_wait_ms: 25_000, ..fetch(topic, 0, 0) }, 12).await;
        way.call(produce(topic, 0, batch(&["late"]), -1), 9).await;
        let response = other.receive(ApiKey::Fetch, 12).await.unwrap();
        let response = FetchResponse::try_from(response).unwrap();
        assert_eq!(records(only(&response).records.as_ref().unwrap()), [(0, "late".to_owned())]);
        assert!(began.elapsed() < Duration::from_secs(20), "woken, not timed out");
    }
}

#[tokio::test]
async fn pipelined_produces_keep_their_order() {
    const REQUESTS: i64 = 200;
    let broker = TestBroker::start().await;
    let mut connection = broker.connect().await;
    connection.send(create("t", 1), 7).await;
    connection.receive(ApiKey::CreateTopics, 7).await.unwrap();
    let mut all = Vec::new();
    for number in 0..REQUESTS {
        all.extend_from_slice(&connection.encode(produce("t", 0, batch(&[&number.to_string()]), -1), 9));
    }
    connection.write(&all).await;
    for number in 0..REQUESTS {
        let response = connection.receive(ApiKey::Produce, 9).await.unwrap();
        assert_eq!(appended(&ProduceResponse::try_from(response).unwrap()).base_offset, number);
    }
}

#[tokio::test]
async fn acks_0_gets_no_response_and_an_error_closes() {
    let broker = TestBroker::start().await;
    let mut connection = broker.connect().await;
    connection.send(create("t", 1), 7).await;
    connection.receive(ApiKey::CreateTopics, 7).await.unwrap();
    let silent = connection.encode_unanswered(produce("t", 0, batch(&["a"]), 0), 9);
    connection.write(&silent).await;
    connection.send(MetadataRequest::default(), 12).await;
    connection.receive(ApiKey::Metadata, 12).await.expect("the next response is the metadata's");
    let failing = connection.encode_unanswered(produce("nowhere", 7, batch(&["a"]), 0), 9);
    connection.write(&failing).await;
    assert_eq!(connection.receive_frame().await, None);
}

#[tokio::test]
async fn an_idempotent_duplicate_returns_its_first_offset_and_a_gap_is_refused() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        let topic = way.name();
        way.call(create(topic, 1), 7).await;
        for (sequence, error, base_offset) in [
            (0, ErrorCode::None, 0),
            (2, ErrorCode::None, 2),
            (0, ErrorCode::None, 0),
            (9, ErrorCode::OutOfOrderSequenceNumber, -1),
        ] {
            let records = idempotent(&["a", "b"], 77, 0, sequence);
            let response = way.call(produce(topic, 0, records, -1), 9).await;
            let partition = appended(&response);
            assert_eq!(
                (partition.error_code, partition.base_offset),
                (error.code(), base_offset),
                "{sequence}"
            );
        }
    }
}

#[tokio::test]
async fn offsets_are_found_by_time_and_at_the_ends() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        let topic = way.name();
        way.call(create(topic, 1), 7).await;
        way.call(produce(topic, 0, batch(&["a", "b"]), -1), 9).await;
        for (timestamp, offset, found) in
            [(-2, 0, -1), (-1, 2, -1), (NOW_MS, 0, NOW_MS), (NOW_MS + 1, -1, -1), (-3, 0, NOW_MS)]
        {
            let partition = ListOffsetsPartition { timestamp, ..Default::default() };
            let asked = ListOffsetsTopic { name: topic.to_owned(), partitions: vec![partition] };
            let request = ListOffsetsRequest { replica_id: -1, topics: vec![asked], ..Default::default() };
            let response = way.call(request, 7).await;
            let partition = &response.topics[0].partitions[0];
            assert_eq!((partition.offset, partition.timestamp), (offset, found), "{timestamp}");
        }
    }
}

#[tokio::test]
async fn a_session_answers_with_what_changed() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        let topic = way.name();
        way.call(create(topic, 2), 7).await;
        let mut first = FetchRequest { session_epoch: 0, ..fetch(topic, 0, 0) };
        first.topics[0].partitions.push(FetchPartition {
            partition: 1,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        });
        let opened = way.call(first, 12).await;
        assert_ne!(opened.session_id, 0);
        assert_eq!(opened.responses[0].partitions.len(), 2);
        way.call(produce(topic, 1, batch(&["a"]), -1), 9).await;
        let next = FetchRequest {
            session_id: opened.session_id,
            session_epoch: 1,
            max_bytes: 1 << 20,
            ..Default::default()
        };
        let response = way.call(next, 12).await;
        assert_eq!(response.session_id, opened.session_id);
        assert_eq!(response.responses[0].partitions.len(), 1);
        assert_eq!(only(&response).partition_index, 1);
    }
}

#[tokio::test]
async fn a_restart_keeps_records_and_producers() {
    let broker = TestBroker::start().await;
    let mut connection = crate::harness::Way::Tcp(broker.connect().await);
    connection.call(create("t", 1), 7).await;
    connection.call(produce("t", 0, idempotent(&["a"], 7, 0, 0), -1), 9).await;
    let broker = broker.restart().await;
    let mut connection = crate::harness::Way::Tcp(broker.connect().await);
    let repeated = connection.call(produce("t", 0, idempotent(&["a"], 7, 0, 0), -1), 9).await;
    assert_eq!(appended(&repeated).base_offset, 0, "the retry is known");
    let response = connection.call(fetch("t", 0, 0), 12).await;
    assert_eq!(records(only(&response).records.as_ref().unwrap()), [(0, "a".to_owned())]);
}

#[tokio::test]
async fn a_large_fetch_of_several_partitions_carries_every_byte_to_its_place() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        let topic = way.name();
        way.call(create(topic, 3), 7).await;
        let mut expected = Vec::new();
        for partition in 0..3 {
            // Partition 1 has batches that are read at once, between two that are read while they are sent.
            let (count, size) = if partition == 1 { (300, 2_000) } else { (40, 30_000) };
            let values: Vec<String> =
                (0..count).map(|at| format!("{partition}/{at}/{}", "x".repeat(size + at))).collect();
            for value in &values {
                way.call(produce(topic, partition, batch(&[value]), -1), 9).await;
            }
            expected.push(values);
        }
        let mut all = fetch(topic, 0, 0);
        all.max_bytes = 64 << 20;
        all.topics[0].partitions = (0..3)
            .map(|partition| FetchPartition {
                partition,
                partition_max_bytes: 16 << 20,
                ..all.topics[0].partitions[0].clone()
            })
            .collect();
        let response = way.call(all, 12).await;
        assert_eq!(response.responses[0].partitions.len(), 3);
        for (data, values) in response.responses[0].partitions.iter().zip(&expected) {
            let seen: Vec<String> =
                records(data.records.as_ref().unwrap()).into_iter().map(|(_, value)| value).collect();
            assert!(seen == *values, "partition {}: {} records", data.partition_index, seen.len());
        }
    }
}
