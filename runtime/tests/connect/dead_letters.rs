//! Records that cannot be processed: fail, skip, dead letters; and what a failure looks like from outside.

use serde_json::json;

use millstream::connect::{TaskState, Then};

use super::{Bench, policy, script, soon, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_records_of_a_source_go_to_the_dead_letter_topic() {
    let bench = Bench::start().await;
    bench.topic("t", 1).await;
    bench.topic("dlq", 1).await;
    bench.write("in.jsonl", "{\"a\":1}\n{\"a\":\n{\"a\":2}\n{\"a\":3}\n");
    let mut source = bench.source("file", json!({ "path": "in.jsonl" }), "t");
    source.steps = vec![script("if record.value.a == 2 { throw \"two\" }")];
    source.on_error = policy(Then::DeadLetter { topic: "dlq".to_owned() });
    let worker = bench.worker(vec![source], vec![]).await;
    soon("draining", worker.sources_drained()).await.unwrap();
    assert_eq!(worker.progress().dead_letters, 2);
    worker.stop().await;
    assert_eq!(bench.values("t").await, ["{\"a\":1}", "{\"a\":3}"]);
    let letters = bench.records("dlq").await;
    assert_eq!(letters[0].2.as_deref(), Some("{\"a\":"));
    let headers = &letters[0].3;
    assert_eq!(headers[..2], ["__millstream.error.pipeline=test", "__millstream.error.node=in"]);
    assert!(headers[2].starts_with("__millstream.error.reason=not JSON"), "{headers:?}");
    assert!(headers[3].ends_with("in.jsonl:2"), "{headers:?}");
    assert_eq!(letters[1].2.as_deref(), Some("{\"a\":2}"));
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_records_of_a_sink_go_to_the_dead_letter_topic_with_their_place() {
    let bench = Bench::start().await;
    bench.topic("t", 1).await;
    bench.topic("dlq", 1).await;
    bench.write("in.txt", "{\"a\":1}\nno json\n{\"a\":2}\n");
    let source = bench.source("file", json!({ "path": "in.txt", "format": "lines" }), "t");
    let mut sink = bench.sink("file", json!({ "path": "out.csv", "format": "csv" }), "t");
    sink.on_error = policy(Then::DeadLetter { topic: "dlq".to_owned() });
    let worker = bench.worker(vec![source], vec![sink]).await;
    soon("draining", worker.sources_drained()).await.unwrap();
    soon("finishing", worker.sinks_finished()).await.unwrap();
    worker.stop().await;
    assert_eq!(bench.read("out.csv"), "a\n1\n2\n");
    let letters = bench.records("dlq").await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].2.as_deref(), Some("no json"));
    assert_eq!(
        letters[0].3[3..],
        ["__millstream.error.topic=t", "__millstream.error.partition=0", "__millstream.error.offset=1"]
    );
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_record_stops_the_source_unless_told_otherwise() {
    let bench = Bench::start().await;
    bench.topic("t", 1).await;
    bench.write("in.jsonl", "{\"a\":1}\n{\"a\":\n{\"a\":2}\n");
    let source = bench.source("file", json!({ "path": "in.jsonl" }), "t");
    let worker = bench.worker(vec![source.clone()], vec![]).await;
    let failure = soon("failing", worker.sources_drained()).await.unwrap_err().to_string();
    assert!(failure.starts_with("in: "), "{failure}");
    assert!(failure.contains("in.jsonl:2: not JSON"), "{failure}");
    let status = &worker.status()[0];
    assert_eq!(status.state, TaskState::Failed);
    assert!(status.last_error.as_ref().is_some_and(|error| error.contains("in.jsonl:2")));
    worker.stop().await;
    // Nothing of the transaction is seen.
    assert_eq!(bench.values("t").await, Vec::<String>::new());
    let mut skipping = source;
    skipping.on_error = policy(Then::Skip);
    let worker = bench.worker(vec![skipping], vec![]).await;
    soon("draining", worker.sources_drained()).await.unwrap();
    assert_eq!(worker.progress().skipped, 1);
    worker.stop().await;
    assert_eq!(bench.values("t").await, ["{\"a\":1}", "{\"a\":2}"]);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_is_held_up_says_so_and_recovers_by_itself() {
    let bench = Bench::start().await;
    bench.topic("t", 1).await;
    bench.write("in.jsonl", "1\n2\n");
    // Somebody else's file is in the way.
    bench.write("out.jsonl", "mine\n");
    let source = bench.source("file", json!({ "path": "in.jsonl" }), "t");
    let sink = bench.sink("file", json!({ "path": "out.jsonl" }), "t");
    let worker = bench.worker(vec![source], vec![sink]).await;
    until("failing", || worker.status()[1].state == TaskState::Failed).await;
    let error = worker.status()[1].last_error.clone().unwrap_or_default();
    assert!(error.contains("is already there"), "{error}");
    std::fs::remove_file(bench.path().join("out.jsonl")).unwrap();
    until("recovering", || worker.progress().taken == 2).await;
    assert_eq!(worker.status()[1].last_error, None);
    worker.stop().await;
    assert_eq!(bench.read("out.jsonl"), "1\n2\n");
    bench.stop().await;
}
