//! Components that loop for ever, eat memory, panic or answer nonsense: each is stopped with a named error.

use std::fs;
use std::io::Write;
use std::path::Path;

use millstream::plugin::{Grants, find};
use millstream_sdk::plugin::Surroundings;
use millstream_sdk::record::BatchBuilder;
use serde_json::json;
use tempfile::tempdir;

use super::misbehaving;
use crate::cli::{get, millstream, server, wait_until};

/// Runs one record through a step and gives what was said on stderr.
fn failure(act: &str, allow: &str) -> String {
    let folder = tempdir().unwrap();
    fs::copy(misbehaving(), folder.path().join("plugin.wasm")).unwrap();
    fs::write(folder.path().join("in.jsonl"), "{\"id\":1}\n").unwrap();
    let text = format!(
        "name: bad\nsources:\n  in:\n    use: file\n    with: {{ path: in.jsonl }}\n    to: t\n    transforms:\n      \
         - wasm: ./plugin.wasm\n        with: {{ act: {act} }}\n        allow: {allow}\n"
    );
    fs::write(folder.path().join("pipeline.yaml"), text).unwrap();
    let arguments =
        ["run", "pipeline.yaml", "--until-done", "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    let finished = millstream(folder.path(), &arguments);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    finished.stderr
}

#[test]
fn each_is_stopped_with_a_named_error() {
    for (act, allow, message) in [
        ("loop", "{ cpu: 50ms }", "used more than 50 ms of processor time in one call"),
        ("eat", "{ memory: 16MiB }", "of memory and has 16 MiB"),
        ("panic", "{}", "as asked"),
    ] {
        let told = failure(act, allow);
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
        let named = format!("plugin misbehaving (pipeline bad, node {act}), transforming: ");
        wait_until(act, || {
            let shown = get(node.part("http"), "/v1/pipelines/bad");
            shown.contains(&named) && shown.contains(reason)
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
        ("header-rows", "headers: 2 rows where the batch has 1"),
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
