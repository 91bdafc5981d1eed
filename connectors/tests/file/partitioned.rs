//! One file per what a path's placeholders stand for, all of a transaction or none.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use millstream_sdk::sink::{Sink, SinkPosition};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::{batch, partition, position, sink};

async fn open(config: &Value, folder: &Path) -> (Box<dyn Sink>, Vec<SinkPosition>) {
    let mut sink = sink("file", config.clone(), folder);
    let positions = sink.open(&[partition(0), partition(1)]).await.unwrap();
    (sink, positions)
}

/// Every file below a folder that people see, with its text.
fn tree(folder: &Path) -> BTreeMap<String, String> {
    let pattern = format!("{}/**/*", folder.display());
    let files = glob::glob(&pattern).unwrap().map(Result::unwrap).filter(|path| path.is_file());
    let shown = files.filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'));
    let name = |path: &Path| path.strip_prefix(folder).unwrap().display().to_string();
    shown.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect()
}

fn expected(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[tokio::test]
async fn records_are_spread_and_committed_together() {
    let folder = tempdir().unwrap();
    let config = json!({ "path": "out/{c}/{at:%Y-%m-%d}.jsonl" });
    let (mut sink, positions) = open(&config, folder.path()).await;
    assert_eq!(positions, []);
    let rows = [
        r#"{"c":"NO","at":"2026-01-01T10:00:00Z"}"#,
        r#"{"c":"SE","at":"2026-01-01T10:00:00Z"}"#,
        r#"{"c":["x"]}"#,
        r#"{"c":"NO","at":"2026-01-02T10:00:00Z"}"#,
    ];
    let written = sink.write(batch(0, 0, &rows)).await.unwrap();
    assert_eq!(written.rejected.iter().map(|rejection| rejection.row).collect::<Vec<_>>(), [2]);
    assert_eq!(tree(folder.path()), expected(&[]), "nobody sees what is not committed");
    sink.commit(&[position(0, 4)]).await.unwrap();
    let line = |row: &str| format!("{row}\n");
    let (first, second, last) = (line(rows[0]), line(rows[1]), line(rows[3]));
    let mut files = expected(&[
        ("out/NO/2026-01-01.jsonl", &first),
        ("out/NO/2026-01-02.jsonl", &last),
        ("out/SE/2026-01-01.jsonl", &second),
    ]);
    assert_eq!(tree(folder.path()), files);
    // Another sink must wait for this one.
    let mut other = crate::sink("file", config.clone(), folder.path());
    let error = other.open(&[partition(0)]).await.unwrap_err().to_string();
    assert!(error.contains("is being written by another sink"), "{error}");
    // A file that rests can be moved away.
    fs::remove_file(folder.path().join("out/SE/2026-01-01.jsonl")).unwrap();
    files.remove("out/SE/2026-01-01.jsonl");
    sink.write(batch(0, 4, &rows[..1])).await.unwrap();
    sink.commit(&[position(0, 5)]).await.unwrap();
    drop(sink);
    let (_sink, positions) = open(&config, folder.path()).await;
    assert_eq!(positions, [position(0, 5)]);
    files.insert("out/NO/2026-01-01.jsonl".to_owned(), first.repeat(2));
    assert_eq!(tree(folder.path()), files);
}

#[tokio::test]
async fn a_file_that_was_taken_away_is_made_anew() {
    let folder = tempdir().unwrap();
    let config = json!({ "path": "{c}.jsonl" });
    let (mut sink, _) = open(&config, folder.path()).await;
    let rows = [r#"{"c":"a"}"#, r#"{"c":"b"}"#];
    sink.write(batch(0, 0, &rows)).await.unwrap();
    sink.commit(&[position(0, 2)]).await.unwrap();
    fs::rename(folder.path().join("a.jsonl"), folder.path().join("a.done")).unwrap();
    sink.write(batch(0, 2, &rows)).await.unwrap();
    sink.commit(&[position(0, 4)]).await.unwrap();
    let (a, b) = ("{\"c\":\"a\"}\n", "{\"c\":\"b\"}\n");
    assert_eq!(tree(folder.path()), expected(&[("a.done", a), ("a.jsonl", a), ("b.jsonl", &b.repeat(2))]));
}

/// A copy of everything in the folder, as a crash leaves it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { _ = fs::copy(&path, &target).unwrap() }
    }
}

#[tokio::test]
async fn a_crash_leaves_all_of_a_transaction_or_nothing() {
    let folder = tempdir().unwrap();
    let config = json!({ "path": "{c}.jsonl" });
    let (mut sink, _) = open(&config, folder.path()).await;
    sink.write(batch(0, 0, &[r#"{"c":"a"}"#])).await.unwrap();
    sink.commit(&[position(0, 1)]).await.unwrap();
    // More than is gathered: it is in the files, and behind what is committed.
    let pad = "x".repeat(600 << 10);
    let (old, new) = (format!(r#"{{"c":"a","p":"{pad}"}}"#), format!(r#"{{"c":"b","p":"{pad}"}}"#));
    let rows: Vec<&str> = vec![&old, &old, &new, &new];
    sink.write(batch(0, 1, &rows)).await.unwrap();
    assert!(fs::metadata(folder.path().join("a.jsonl")).unwrap().len() > 1 << 20);
    let crashed = tempdir().unwrap();
    copy(folder.path(), crashed.path());
    let (mut again, positions) = open(&config, crashed.path()).await;
    assert_eq!(positions, [position(0, 1)]);
    assert_eq!(tree(crashed.path()), expected(&[("a.jsonl", "{\"c\":\"a\"}\n")]));
    again.write(batch(0, 1, &rows)).await.unwrap();
    again.commit(&[position(0, 5)]).await.unwrap();
    sink.commit(&[position(0, 5)]).await.unwrap();
    assert!(tree(crashed.path()) == tree(folder.path()));
    drop(sink);
    // The journal was written, the name was not given.
    fs::rename(folder.path().join("b.jsonl"), folder.path().join(".b.jsonl.millstream-new")).unwrap();
    let (_sink, positions) = open(&config, folder.path()).await;
    assert_eq!(positions, [position(0, 5)]);
    assert!(tree(crashed.path()) == tree(folder.path()));
}

#[tokio::test]
async fn more_files_than_may_be_open_are_written_all_the_same() {
    let folder = tempdir().unwrap();
    let config = json!({ "path": "{n}.csv", "format": "csv", "columns": ["n", "r"] });
    let (mut sink, _) = open(&config, folder.path()).await;
    for round in 0..3 {
        let rows: Vec<String> = (0..300).map(|n| format!(r#"{{"n":{n},"r":{round}}}"#)).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        sink.write(batch(0, round * 300, &rows)).await.unwrap();
        sink.commit(&[position(0, (round + 1) * 300)]).await.unwrap();
    }
    let files = tree(folder.path());
    assert_eq!(files.len(), 300);
    assert_eq!(files["299.csv"], "n,r\n299,0\n299,1\n299,2\n");
}

#[tokio::test]
async fn files_of_others_are_kept_unless_told_otherwise() {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("d=1")).unwrap();
    fs::write(folder.path().join("d=1/x.jsonl"), "mine\n").unwrap();
    let mut config = json!({ "path": "d={d}/x.jsonl" });
    let mut refused = sink("file", config.clone(), folder.path());
    let error = refused.open(&[partition(0)]).await.unwrap_err().to_string();
    assert!(error.contains("d=1/x.jsonl is already there and was not written by this sink"), "{error}");
    config["existing"] = json!("append");
    let (mut sink, _) = open(&config, folder.path()).await;
    sink.write(batch(0, 0, &[r#"{"d":1}"#])).await.unwrap();
    sink.commit(&[position(0, 1)]).await.unwrap();
    drop(sink);
    assert_eq!(tree(folder.path()), expected(&[("d=1/x.jsonl", "mine\n{\"d\":1}\n")]));
    // The topic was made anew.
    let mut other = partition(0);
    other.topic_id = [8; 16];
    config["existing"] = json!("fail");
    let mut refused = crate::sink("file", config.clone(), folder.path());
    let error = refused.open(std::slice::from_ref(&other)).await.unwrap_err().to_string();
    assert!(error.contains("were written from another topic or cluster"), "{error}");
    config["existing"] = json!("replace");
    let mut replacing = crate::sink("file", config, folder.path());
    assert_eq!(replacing.open(&[other]).await.unwrap(), []);
    assert_eq!(tree(folder.path()), expected(&[]));
}
