//! Keys, timestamps, topics and steps on the way in and out.

use serde_json::json;

use millstream::connect::{Step, TaskState};

use super::{Bench, script, soon, sorted};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_goes_through_a_topic_into_a_file() {
    let bench = Bench::start().await;
    bench.topic("t", 3).await;
    let lines: Vec<String> = (0..1000).map(|n| format!("{{\"id\":{n},\"k\":\"k{}\"}}", n % 7)).collect();
    bench.write("in.jsonl", &lines.join("\n"));
    let mut source = bench.source("file", json!({ "path": "in.jsonl" }), "t");
    source.key = Some("k".to_owned());
    let sink = bench.sink("file", json!({ "path": "out/out.jsonl" }), "t");
    let worker = bench.worker(vec![source], vec![sink]).await;
    soon("draining", worker.sources_drained()).await.unwrap();
    soon("finishing", worker.sinks_finished()).await.unwrap();
    let written = bench.read("out/out.jsonl");
    assert_eq!(sorted(written.lines().map(str::to_owned).collect()), sorted(lines));
    let progress = worker.progress();
    assert_eq!((progress.produced, progress.taken, progress.records_ahead), (1000, 1000, 0));
    let states: Vec<_> = worker.status().iter().map(|status| status.state).collect();
    assert_eq!(states, [TaskState::Drained, TaskState::Finished]);
    worker.stop().await;
    // A key has one partition, which Java's partitioner would choose too.
    let mut partitions: Vec<_> =
        bench.records("t").await.into_iter().map(|record| (record.1.unwrap(), record.0)).collect();
    partitions.sort();
    partitions.dedup();
    assert_eq!(partitions.len(), 7);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_run_in_order_on_both_sides() {
    let bench = Bench::start().await;
    bench.topic("t", 1).await;
    bench.write("in.jsonl", "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n{\"a\":4}\n");
    let mut source = bench.source("file", json!({ "path": "in.jsonl" }), "t");
    source.steps = vec![
        Step::Filter("a > 1".to_owned()),
        Step::Map(vec![("b".to_owned(), "a * 10".to_owned())]),
        script("record.value.c = `${record.value.b}!`; record.headers.from = \"script\";"),
    ];
    source.key = Some("a + 100".to_owned());
    let mut sink = bench.sink("file", json!({ "path": "out.jsonl" }), "t");
    sink.steps = vec![Step::Filter("_key <> '103' AND _offset >= 0".to_owned())];
    let worker = bench.worker(vec![source], vec![sink]).await;
    soon("draining", worker.sources_drained()).await.unwrap();
    soon("finishing", worker.sinks_finished()).await.unwrap();
    let progress = worker.progress();
    worker.stop().await;
    let records = bench.records("t").await;
    assert_eq!(records.len(), 3);
    assert_eq!(
        records[0],
        (
            0,
            Some("102".to_owned()),
            Some(r#"{"a":2,"b":20,"c":"20!"}"#.to_owned()),
            vec!["from=script".to_owned()]
        )
    );
    assert_eq!(
        bench.read("out.jsonl"),
        "{\"a\":2,\"b\":20,\"c\":\"20!\"}\n{\"a\":4,\"b\":40,\"c\":\"40!\"}\n"
    );
    assert_eq!(progress.filtered, 2);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_chooses_the_topic_of_each_record() {
    let bench = Bench::start().await;
    bench.write("in.jsonl", "{\"t\":\"a\",\"n\":1}\n{\"t\":\"b\",\"n\":2}\n{\"t\":\"a\",\"n\":3}\n");
    let source = bench.source("file", json!({ "path": "in.jsonl" }), "x.{t}");
    let worker = bench.worker(vec![source], vec![]).await;
    soon("draining", worker.sources_drained()).await.unwrap();
    worker.stop().await;
    assert_eq!(bench.values("x.a").await, [r#"{"t":"a","n":1}"#, r#"{"t":"a","n":3}"#]);
    assert_eq!(bench.values("x.b").await, [r#"{"t":"b","n":2}"#]);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sinks_without_input_finish_and_make_an_empty_file() {
    let bench = Bench::start().await;
    bench.topic("t", 2).await;
    let sink = bench.sink("file", json!({ "path": "out.jsonl" }), "t");
    let worker = bench.worker(vec![], vec![sink]).await;
    soon("finishing", worker.sinks_finished()).await.unwrap();
    assert_eq!(bench.read("out.jsonl"), "");
    worker.stop().await;
    bench.stop().await;
}
