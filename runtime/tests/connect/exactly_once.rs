//! Tasks dropped in the middle and started again lose nothing and double nothing.

use std::time::Duration;

use serde_json::json;

use super::{Bench, soon, sorted, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_dropped_again_and_again_move_every_line_once() {
    const LINES: usize = 30_000;
    let bench = Bench::start().await;
    bench.topic("t", 2).await;
    let pad = "x".repeat(60);
    let lines: Vec<String> = (0..LINES).map(|n| format!("{{\"n\":{n},\"pad\":\"{pad}\"}}")).collect();
    bench.write("in.jsonl", &lines.join("\n"));
    let start = async || {
        let source = bench.source("file", json!({ "path": "in.jsonl" }), "t");
        let sink = bench.sink("file", json!({ "path": "out.jsonl" }), "t");
        bench.worker(vec![source], vec![sink]).await
    };
    for round in 1..=6 {
        let worker = start().await;
        // Some way in, wherever that is: in a poll, an append, a commit, an fsync.
        let before = worker.progress();
        until("some progress", || {
            let now = worker.progress();
            now != before || worker.status().iter().all(|status| status.restarts > 0)
        })
        .await;
        tokio::time::sleep(Duration::from_millis(round * 7)).await;
        drop(worker);
    }
    let worker = start().await;
    soon("draining", worker.sources_drained()).await.unwrap();
    soon("finishing", worker.sinks_finished()).await.unwrap();
    worker.stop().await;
    assert!(sorted(bench.values("t").await) == sorted(lines.clone()), "the topic is not the file");
    let written: Vec<String> = bench.read("out.jsonl").lines().map(str::to_owned).collect();
    assert_eq!(written.len(), LINES);
    assert!(sorted(written) == sorted(lines), "the output is not the input");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_dropped_again_and_again_write_and_read_every_row_of_parquet_files_once() {
    const ROWS: usize = 20_000;
    let bench = Bench::start().await;
    bench.topic("t", 2).await;
    bench.topic("back", 1).await;
    let lines: Vec<String> = (0..ROWS).map(|n| format!("{{\"n\":{n},\"kind\":\"k{}\"}}", n % 3)).collect();
    bench.write("in.jsonl", &lines.join("\n"));
    let plain = json!({ "path": "plain.parquet", "format": "parquet", "file_rows": 3000 });
    let split = json!({ "path": "split/{kind}.parquet", "format": "parquet", "file_interval_ms": 40 });
    let start = async || {
        let source = bench.source("file", json!({ "path": "in.jsonl" }), "t");
        let mut sinks = vec![bench.sink("file", plain.clone(), "t"), bench.sink("file", split.clone(), "t")];
        sinks[1].name = "split".to_owned();
        bench.worker(vec![source], sinks).await
    };
    for round in 1..=6 {
        let worker = start().await;
        until("a start", || worker.progress().produced > 0 || round > 1).await;
        tokio::time::sleep(Duration::from_millis(round * 60)).await;
        drop(worker);
    }
    let worker = start().await;
    soon("draining", worker.sources_drained()).await.unwrap();
    soon("finishing", worker.sinks_finished()).await.unwrap();
    worker.stop().await;
    assert!(sorted(bench.values("t").await) == sorted(lines.clone()), "the topic is not the file");
    // All of them back into one topic, by readers that are dropped as well.
    for (round, pattern) in ["plain*.parquet", "split/*.parquet"].iter().enumerate() {
        let settings = json!({ "path": pattern, "format": "parquet", "columns": ["n", "kind"] });
        for pause in [5, 15, 40] {
            let worker = bench.worker(vec![bench.source("file", settings.clone(), "back")], vec![]).await;
            tokio::time::sleep(Duration::from_millis(pause)).await;
            drop(worker);
        }
        let worker = bench.worker(vec![bench.source("file", settings, "back")], vec![]).await;
        soon("draining", worker.sources_drained()).await.unwrap();
        worker.stop().await;
        let expected = lines.iter().cycle().take(ROWS * (round + 1)).cloned();
        assert!(sorted(bench.values("back").await) == sorted(expected.collect()), "{pattern}");
    }
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_followed_file_goes_on_where_it_was_after_a_clean_stop() {
    let bench = Bench::start().await;
    bench.topic("t", 1).await;
    bench.write("app.log", "one\ntwo\n");
    let settings = json!({ "path": "app.log", "format": "lines", "follow": true });
    for (round, more) in ["one\ntwo\n", "three\n", "four\n"].iter().enumerate() {
        if round > 0 {
            let text = bench.read("app.log") + *more;
            // Grown in place: the same inode.
            bench.write("app.log", &text);
        }
        let worker = bench.worker(vec![bench.source("file", settings.clone(), "t")], vec![]).await;
        assert_eq!(worker.unbounded_sources(), ["in"]);
        let expected = more.lines().count() as u64;
        until("reading", || worker.progress().produced == expected).await;
        worker.stop().await;
    }
    assert_eq!(bench.values("t").await, ["one", "two", "three", "four"]);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_file_of_a_pattern_is_read_once() {
    let bench = Bench::start().await;
    bench.topic("t", 1).await;
    for n in 0..40 {
        bench.write(&format!("part-{n:02}.txt"), &format!("{n}a\n{n}b\n"));
    }
    for _ in 0..2 {
        let source = bench.source("file", json!({ "path": "part-*.txt", "format": "lines" }), "t");
        let worker = bench.worker(vec![source], vec![]).await;
        soon("draining", worker.sources_drained()).await.unwrap();
        worker.stop().await;
    }
    let expected: Vec<String> = (0..40).flat_map(|n| [format!("{n}a"), format!("{n}b")]).collect();
    assert_eq!(sorted(bench.values("t").await), sorted(expected));
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sinks_that_keep_no_positions_go_on_from_their_group() {
    let bench = Bench::start().await;
    bench.topic("t", 1).await;
    bench.write("in.jsonl", "1\n2\n3\n");
    let source = bench.source("file", json!({ "path": "in.jsonl" }), "t");
    let sink = bench.sink("blackhole", json!({}), "t");
    let worker = bench.worker(vec![source], vec![sink.clone()]).await;
    soon("draining", worker.sources_drained()).await.unwrap();
    soon("finishing", worker.sinks_finished()).await.unwrap();
    assert_eq!(worker.progress().taken, 3);
    worker.stop().await;
    let worker = bench.worker(vec![], vec![sink]).await;
    soon("finishing", worker.sinks_finished()).await.unwrap();
    assert_eq!(worker.progress().taken, 0);
    worker.stop().await;
    bench.stop().await;
}
