//! Components that loop for ever, eat memory, panic or answer nonsense: each is stopped with a named error.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use millstream::plugin::{Grants, find};
use millstream_sdk::plugin::Surroundings;
use millstream_sdk::record::BatchBuilder;
use serde_json::{Value, json};
use tempfile::tempdir;

use super::misbehaving;
use crate::cli::{Finished, get, millstream, server, wait_until};

/// Runs records through a step.
fn run(act: &str, allow: &str, records: usize) -> Finished {
    let folder = tempdir().unwrap();
    fs::copy(misbehaving(), folder.path().join("plugin.wasm")).unwrap();
    fs::write(folder.path().join("in.jsonl"), "{\"id\":1}\n".repeat(records)).unwrap();
    let text = format!(
        "name: bad\nsources:\n  in:\n    use: file\n    with: {{ path: in.jsonl }}\n    to: t\n    transforms:\n      \
         - wasm: ./plugin.wasm\n        with: {{ act: {act} }}\n        allow: {allow}\n"
    );
    fs::write(folder.path().join("pipeline.yaml"), text).unwrap();
    let arguments =
        ["run", "pipeline.yaml", "--until-done", "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    millstream(folder.path(), &arguments)
}

#[test]
fn each_is_stopped_with_a_named_error() {
    for (act, allow, message) in [
        ("loop", "{ cpu: 50ms }", "used more than 50 ms of processor time in one call"),
        ("eat", "{ memory: 16MiB }", "of memory and has 16 MiB"),
        ("panic", "{}", "as asked"),
    ] {
        let finished = run(act, allow, 1);
        assert_eq!(finished.code, Some(1), "{act}: {finished:?}");
        let told = finished.stderr;
        assert!(told.contains("plugin misbehaving (pipeline bad, node in)"), "{act}: {told}");
        assert!(told.contains(message), "{act}: {told}");
    }
}

/// What each component is stopped for, by what it does.
const STOPPED: [(&str, &str, &str); 4] = [
    ("loop", "{ cpu: 50ms }", "used more than 50 ms of processor time"),
    ("eat", "{ memory: 16MiB }", "of memory and has 16 MiB"),
    ("panic", "{}", "as asked"),
    ("ends-short", "{}", "gave a bad answer: values: rows end at "),
];

#[test]
fn other_pipelines_of_the_node_go_on() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    fs::copy(misbehaving(), at.join("plugin.wasm")).unwrap();
    let append = |from: u32, to: u32| {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(at.join("in.jsonl")).unwrap();
        let lines: String = (from..to).map(|n| format!("{{\"id\":{n}}}\n")).collect();
        file.write_all(lines.as_bytes()).unwrap();
    };
    append(0, 1_000);
    let good = "name: good\nsources: { in: { use: file, with: { path: in.jsonl, follow: true }, to: fine } }\n\
                sinks: { out: { from: fine, use: file, with: { path: out.jsonl } } }\n";
    let sources: String = STOPPED
        .iter()
        .map(|(act, allow, _)| {
            format!(
                "  {act}:\n    use: file\n    with: {{ path: in.jsonl, follow: true }}\n    to: bad\n    transforms:\n      \
                 - wasm: ./plugin.wasm\n        with: {{ act: {act} }}\n        allow: {allow}\n"
            )
        })
        .collect();
    fs::write(at.join("good.yaml"), good).unwrap();
    fs::write(at.join("bad.yaml"), format!("name: bad\nsources:\n{sources}")).unwrap();
    let node = server(at);
    for file in ["bad.yaml", "good.yaml"] {
        millstream(at, &["apply", file, "--node", node.part("http")]).succeeded();
    }
    for (act, _, reason) in STOPPED {
        wait_until(act, || {
            let answer = get(node.part("http"), "/v1/pipelines/bad");
            let (_, body) = answer.split_once("\r\n\r\n").unwrap();
            let shown: Value = serde_json::from_str(body).unwrap();
            let tasks = shown["tasks"].as_array().unwrap();
            let task = tasks.iter().find(|task| task["node"] == act).unwrap();
            let error = task["last_error"].as_str().unwrap_or_default();
            // Not running, whatever it does: nothing comes of it.
            let rests = ["restarting", "retrying", "failed"].contains(&task["state"].as_str().unwrap());
            assert_eq!(rests, !error.is_empty(), "{task}");
            rests && error.contains("plugin misbehaving") && error.contains(reason)
        });
    }
    append(1_000, 20_000);
    let lines = || {
        fs::read(at.join("out.jsonl")).map_or(0, |text| text.iter().filter(|byte| **byte == b'\n').count())
    };
    wait_until("every line of the other pipeline", || lines() == 20_000);
    let shown = get(node.part("http"), "/v1/pipelines/good");
    assert_eq!(shown.matches("\"state\":\"running\"").count(), 4, "{shown}");
    assert_eq!(node.stop(), Some(0));
}

/// Each rule of an answer, broken by itself. Called directly: a pipeline would take seconds for each.
#[tokio::test]
async fn an_answer_that_breaks_a_rule_is_named() {
    let name = misbehaving().display().to_string();
    let plugin = find(&name, Path::new("/"), &Grants::default()).unwrap();
    let mut batch = BatchBuilder::new();
    batch.push(None, Some(b"{}"), None);
    let batch = batch.finish();
    for (act, message) in [
        ("ends-short", "values: rows end at 1 of 2 bytes"),
        ("nulls-short", "values: a null bitmap of 0 bytes for 1 rows"),
        ("keys-long", "keys: 2 rows where the batch has 1"),
        ("times-short", "timestamps: 0 rows where the batch has 1"),
        ("name-bytes", "header names: row 0 is not UTF-8"),
        ("name-null", "header names: row 0 is null, which it cannot be"),
        ("header-rows", "headers: 2 rows where the batch has 1"),
        ("header-count", "headers: rows end at 1 of 2 bytes"),
        ("header-values", "header values: 1 rows where the batch has 2"),
        ("origins-short", "0 origins for 1 records"),
        ("origins-range", "origin row 1 of 1"),
        ("rejected-range", "rejected row 1 of 1"),
        ("rejected-origin", "row 0 is both rejected and an origin"),
        ("verdicts-short", "0 bytes of verdicts for 1 rows"),
        ("verdict-rejected", "row 0 is both kept and rejected"),
    ] {
        let at = Surroundings { pipeline: "p".to_owned(), node: "n".to_owned(), ..Surroundings::default() };
        let mut transform = plugin.transform(&json!({ "act": act }), &at).unwrap();
        let answer = transform.apply(&batch).await.unwrap();
        let reasons: Vec<&str> = answer.rejected.iter().map(|rejection| rejection.reason.as_str()).collect();
        let expected =
            format!("plugin misbehaving (pipeline p, node n), transforming: gave a bad answer: {message}");
        assert_eq!(reasons, [expected], "{act}");
    }
}

/// Rules that one row alone cannot break: the answer about both is named in the log, then each row is tried by itself.
#[test]
fn an_answer_whose_rows_do_not_rise_is_named() {
    for (act, message) in [
        ("ends-fall", "values: row 1 ends at 1, before the row ahead of it"),
        ("header-ends", "headers: row 1 ends at 0"),
        ("origins-fall", "origin row 0 behind row 1"),
        ("rejected-fall", "rejected row 0 is not behind the one before it"),
    ] {
        let told = run(act, "{}", 2).stderr;
        let expected =
            format!("plugin misbehaving (pipeline bad, node in), transforming: gave a bad answer: {message}");
        assert!(told.contains(&expected), "{act}: {told}");
    }
}

/// No file can change how long a call may take; a test can.
#[tokio::test]
async fn a_call_that_waits_too_long_is_stopped() {
    let name = misbehaving().display().to_string();
    let grants = Grants { wall: Duration::from_millis(200), ..Grants::default() };
    let plugin = find(&name, Path::new("/"), &grants).unwrap();
    let mut batch = BatchBuilder::new();
    batch.push(None, Some(b"{}"), None);
    let mut transform = plugin.transform(&json!({ "act": "sleep" }), &Surroundings::default()).unwrap();
    let answer = transform.apply(&batch.finish()).await.unwrap();
    let [only] = answer.rejected.as_slice() else { panic!("{answer:?}") };
    assert!(only.reason.ends_with("transforming: did not return within 200ms"), "{}", only.reason);
}

/// One that uses up its time is not started again at once: it would have a core for itself.
#[tokio::test]
async fn a_component_that_was_stopped_rests() {
    let name = misbehaving().display().to_string();
    let grants = Grants { cpu: Duration::from_millis(50), ..Grants::default() };
    let plugin = find(&name, Path::new("/"), &grants).unwrap();
    let mut batch = BatchBuilder::new();
    batch.push(None, Some(b"{}"), None);
    let batch = batch.finish();
    let at = |node: &str| Surroundings { node: node.to_owned(), ..Surroundings::default() };
    let apply = async |act: &str, node: &str| {
        let began = Instant::now();
        let mut transform = plugin.transform(&json!({ "act": act }), &at(node)).unwrap();
        transform.apply(&batch).await.unwrap();
        began.elapsed()
    };
    apply("loop", "tired").await;
    let (other, same) = (apply("keep", "other").await, apply("keep", "tired").await);
    assert!(same > Duration::from_millis(300), "started again after {same:?}");
    assert!(other < same, "another node waited {other:?}");
}
