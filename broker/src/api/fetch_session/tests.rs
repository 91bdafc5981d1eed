use bytes::Bytes;
use millstream_protocol::messages::{FetchTopic, ForgottenTopic};

use super::*;

const VERSION: i16 = 12;

fn request(session_id: i32, session_epoch: i32, topic: &str, partitions: &[i32]) -> FetchRequest {
    let partitions =
        partitions.iter().map(|index| FetchPartition { partition: *index, ..Default::default() });
    let topic =
        FetchTopic { topic: topic.to_owned(), partitions: partitions.collect(), ..Default::default() };
    let topics = if topic.partitions.is_empty() { Vec::new() } else { vec![topic] };
    FetchRequest { session_id, session_epoch, topics, ..Default::default() }
}

fn data(index: i32, high_watermark: i64, records: &'static str) -> FetchPartitionData {
    FetchPartitionData {
        partition_index: index,
        high_watermark,
        records: Some(Bytes::from_static(records.as_bytes())),
        ..Default::default()
    }
}

/// Runs one request; every partition has the given high watermark, and `full` of them have records.
fn fetch(
    sessions: &FetchSessions,
    request: FetchRequest,
    high_watermark: i64,
    full: &[i32],
) -> (i32, Vec<i32>) {
    let plan = sessions.open(request, VERSION, 0).unwrap();
    let read = plan.wanted.iter().map(|wanted| {
        let index = wanted.partition.partition;
        data(index, high_watermark, if full.contains(&index) { "x" } else { "" })
    });
    let read = read.collect();
    let response = sessions.answer(plan, read, VERSION, 0, 42);
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    (response.session_id, partitions.map(|partition| partition.partition_index).collect())
}

#[test]
fn later_requests_are_answered_with_what_changed() {
    let sessions = FetchSessions::new(10, 1000);
    assert_eq!(fetch(&sessions, request(0, 0, "t", &[0, 1, 2]), 5, &[]), (42, vec![0, 1, 2]));
    assert_eq!(fetch(&sessions, request(42, 1, "t", &[]), 5, &[]), (42, vec![]));
    assert_eq!(fetch(&sessions, request(42, 2, "t", &[]), 5, &[0]), (42, vec![0]));
    assert_eq!(fetch(&sessions, request(42, 3, "t", &[]), 6, &[]), (42, vec![1, 2, 0]), "0 had its turn");
    assert_eq!(fetch(&sessions, request(42, 4, "t", &[7]), 6, &[]), (42, vec![7]));
}

#[test]
fn forgotten_partitions_are_gone_and_an_empty_session_ends() {
    let sessions = FetchSessions::new(10, 1000);
    fetch(&sessions, request(0, 0, "t", &[0, 1]), 5, &[]);
    let forget = |epoch, partitions: &[i32]| FetchRequest {
        forgotten_topics_data: vec![ForgottenTopic {
            topic: "t".to_owned(),
            partitions: partitions.to_vec(),
            ..Default::default()
        }],
        ..request(42, epoch, "t", &[])
    };
    assert_eq!(fetch(&sessions, forget(1, &[0]), 6, &[]), (42, vec![1]));
    assert_eq!(fetch(&sessions, forget(2, &[1]), 6, &[]), (0, vec![]));
    assert_eq!(sessions.count(), 0);
}

#[test]
fn wrong_id_epoch_or_naming_is_refused() {
    let sessions = FetchSessions::new(10, 1000);
    fetch(&sessions, request(0, 0, "t", &[0]), 5, &[]);
    let refuse = |request, version| sessions.open(request, version, 0).unwrap_err();
    assert_eq!(refuse(request(43, 1, "t", &[]), VERSION), ErrorCode::FetchSessionIdNotFound);
    assert_eq!(refuse(request(42, 2, "t", &[]), VERSION), ErrorCode::InvalidFetchSessionEpoch);
    assert_eq!(refuse(request(42, 1, "t", &[]), 13), ErrorCode::FetchSessionTopicIdError);
    assert_eq!(
        fetch(&sessions, request(42, 1, "t", &[]), 5, &[]),
        (42, vec![]),
        "refusals leave it as it was"
    );
}

#[test]
fn final_epoch_closes_the_session() {
    let sessions = FetchSessions::new(10, 1000);
    fetch(&sessions, request(0, 0, "t", &[0]), 5, &[]);
    assert_eq!(fetch(&sessions, request(42, -1, "t", &[0]), 5, &[]), (0, vec![0]));
    assert_eq!(sessions.count(), 0);
}

#[test]
fn only_an_idle_session_makes_room() {
    let sessions = FetchSessions::new(1, 1000);
    fetch(&sessions, request(0, 0, "t", &[0]), 5, &[]);
    assert_eq!(fetch(&sessions, request(0, 0, "u", &[0]), 5, &[]).0, 0, "the slot is in use");
    let plan = sessions.open(request(0, 0, "u", &[0]), VERSION, 2000).unwrap();
    let response = sessions.answer(plan, vec![data(0, 5, "")], VERSION, 2000, 77);
    assert_eq!(response.session_id, 77);
    assert_eq!(sessions.count(), 1);
}

#[test]
fn an_error_is_repeated_and_its_end_is_told() {
    let sessions = FetchSessions::new(10, 1000);
    fetch(&sessions, request(0, 0, "t", &[0]), 5, &[]);
    let run = |epoch, error: ErrorCode| {
        let plan = sessions.open(request(42, epoch, "t", &[]), VERSION, 0).unwrap();
        let read = vec![FetchPartitionData { error_code: error.code(), ..data(0, 5, "") }];
        sessions.answer(plan, read, VERSION, 0, 1).responses.len()
    };
    assert_eq!(run(1, ErrorCode::NotLeaderOrFollower), 1);
    assert_eq!(run(2, ErrorCode::NotLeaderOrFollower), 1);
    assert_eq!(run(3, ErrorCode::None), 1);
    assert_eq!(run(4, ErrorCode::None), 0);
}
