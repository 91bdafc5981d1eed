//! Writing files: appears at the first commit, survives crashes at any step, keeps other people's files.

use std::fs;
use std::path::Path;

use millstream_sdk::sink::{Sink, SinkPosition};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::{batch, partition, position, sink};

async fn open(config: Value, folder: &Path) -> (Box<dyn Sink>, Vec<SinkPosition>) {
    let mut sink = sink("file", config, folder);
    let positions = sink.open(&[partition(0), partition(1)]).await.unwrap();
    (sink, positions)
}

fn refusal(opened: Result<Vec<SinkPosition>, millstream_sdk::error::ConnectorError>) -> String {
    opened.unwrap_err().to_string()
}

#[tokio::test]
async fn a_file_appears_at_its_first_commit_and_grows_by_later_ones() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("out/x.jsonl");
    let config = json!({ "path": "out/x.jsonl" });
    let (mut sink, positions) = open(config.clone(), folder.path()).await;
    assert_eq!(positions, []);
    sink.write(batch(0, 0, &["1", "2"])).await.unwrap();
    assert!(!path.exists());
    sink.commit(&[position(0, 2)]).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "1\n2\n");
    sink.write(batch(1, 5, &["3"])).await.unwrap();
    sink.commit(&[position(1, 6)]).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "1\n2\n3\n");
    drop(sink);
    let (_, positions) = open(config, folder.path()).await;
    assert_eq!(positions, [position(0, 2), position(1, 6)]);
}

#[tokio::test]
async fn what_was_not_committed_is_gone_after_a_crash() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.jsonl");
    let config = json!({ "path": "x.jsonl" });
    // Before the first commit.
    let (mut sink, _) = open(config.clone(), folder.path()).await;
    sink.write(batch(0, 0, &["1"])).await.unwrap();
    drop(sink);
    let (mut sink, positions) = open(config.clone(), folder.path()).await;
    assert_eq!(positions, []);
    sink.write(batch(0, 0, &["1"])).await.unwrap();
    sink.commit(&[position(0, 1)]).await.unwrap();
    drop(sink);
    // Behind the committed length: a torn tail.
    fs::write(&path, "1\n2\n3").unwrap();
    let (mut sink, positions) = open(config, folder.path()).await;
    assert_eq!(positions, [position(0, 1)]);
    sink.write(batch(0, 1, &["2"])).await.unwrap();
    sink.commit(&[position(0, 2)]).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "1\n2\n");
}

#[tokio::test]
async fn a_crash_between_journal_and_name_is_finished_on_opening() {
    let folder = tempdir().unwrap();
    let config = json!({ "path": "x.jsonl" });
    let (mut sink, _) = open(config.clone(), folder.path()).await;
    sink.write(batch(0, 0, &["1"])).await.unwrap();
    sink.commit(&[position(0, 1)]).await.unwrap();
    drop(sink);
    let (path, new) = (folder.path().join("x.jsonl"), folder.path().join(".x.jsonl.millstream-new"));
    fs::rename(&path, &new).unwrap();
    let (_sink, positions) = open(config, folder.path()).await;
    assert_eq!(positions, [position(0, 1)]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
}

#[tokio::test]
async fn csv_keeps_its_columns_across_restarts() {
    let folder = tempdir().unwrap();
    let config = json!({ "path": "x.csv", "format": "csv" });
    let (mut sink, _) = open(config.clone(), folder.path()).await;
    sink.write(batch(0, 0, &[r#"{"a":1,"b":"x"}"#])).await.unwrap();
    sink.commit(&[position(0, 1)]).await.unwrap();
    drop(sink);
    let (mut sink, _) = open(config, folder.path()).await;
    let written = sink.write(batch(0, 1, &[r#"{"b":"y","a":2}"#, "[]"])).await.unwrap();
    assert_eq!(written.rejected.len(), 1);
    assert_eq!(written.rejected[0].row, 1);
    sink.commit(&[position(0, 3)]).await.unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("x.csv")).unwrap(), "a,b\n1,x\n2,y\n");
}

#[tokio::test]
async fn a_commit_without_records_makes_an_empty_file() {
    let folder = tempdir().unwrap();
    let (mut sink, _) =
        open(json!({ "path": "x.csv", "format": "csv", "columns": ["a"] }), folder.path()).await;
    sink.commit(&[]).await.unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("x.csv")).unwrap(), "a\n");
}

#[tokio::test]
async fn files_of_others_are_kept_unless_told_otherwise() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.jsonl");
    fs::write(&path, "mine\n").unwrap();
    let mut refused = sink("file", json!({ "path": "x.jsonl" }), folder.path());
    let message = refusal(refused.open(&[partition(0)]).await);
    assert!(message.contains("is already there and was not written by this sink"), "{message}");
    let (mut appending, _) = open(json!({ "path": "x.jsonl", "existing": "append" }), folder.path()).await;
    appending.write(batch(0, 0, &["1"])).await.unwrap();
    appending.commit(&[position(0, 1)]).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine\n1\n");
    drop(appending);
    // The topic was made anew: what the journal says is of another one.
    let mut other = partition(0);
    other.topic_id = [8; 16];
    let message = refusal(refused.open(std::slice::from_ref(&other)).await);
    assert!(message.contains("was written from another topic or cluster"), "{message}");
    let mut replacing = sink("file", json!({ "path": "x.jsonl", "existing": "replace" }), folder.path());
    assert_eq!(replacing.open(&[other]).await.unwrap(), []);
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine\n1\n", "until the first commit");
    replacing.write(batch(0, 0, &["2"])).await.unwrap();
    replacing.commit(&[position(0, 1)]).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "2\n");
}

#[tokio::test]
async fn what_is_appended_fits_what_is_there() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.jsonl");
    fs::write(&path, "1").unwrap();
    let (mut json, _) = open(json!({ "path": "x.jsonl", "existing": "append" }), folder.path()).await;
    json.write(batch(0, 0, &["2"])).await.unwrap();
    json.commit(&[position(0, 1)]).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "1\n2\n");

    let path = folder.path().join("x.csv");
    fs::write(&path, "a,b\n1,\"2\n3\"").unwrap();
    let config = json!({ "path": "x.csv", "format": "csv", "existing": "append" });
    let (mut csv, _) = open(config.clone(), folder.path()).await;
    let written = csv.write(batch(0, 0, &[r#"{"b":5,"a":4}"#, r#"{"z":1}"#])).await.unwrap();
    assert_eq!(written.rejected.len(), 1, "{:?}", written.rejected);
    csv.commit(&[position(0, 2)]).await.unwrap();
    drop(csv);
    assert_eq!(fs::read_to_string(&path).unwrap(), "a,b\n1,\"2\n3\"\n4,5\n");
    let (mut again, _) = open(config, folder.path()).await;
    again.write(batch(0, 2, &[r#"{"a":6,"b":7}"#])).await.unwrap();
    again.commit(&[position(0, 3)]).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "a,b\n1,\"2\n3\"\n4,5\n6,7\n");

    fs::write(folder.path().join("y.csv"), "a,b\n1,2\n").unwrap();
    let config = json!({ "path": "y.csv", "format": "csv", "existing": "append", "columns": ["b", "a"] });
    let message = refusal(sink("file", config, folder.path()).open(&[partition(0)]).await);
    assert!(message.contains("y.csv has the columns a, b, not b, a"), "{message}");
}

#[tokio::test]
async fn where_the_file_of_another_topic_is_gone_a_new_one_begins() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.jsonl");
    let (mut first, _) = open(json!({ "path": "x.jsonl" }), folder.path()).await;
    first.write(batch(0, 0, &["1"])).await.unwrap();
    first.commit(&[position(0, 1)]).await.unwrap();
    drop(first);
    fs::remove_file(&path).unwrap();
    let mut other = partition(0);
    other.topic_id = [8; 16];
    let mut second = sink("file", json!({ "path": "x.jsonl" }), folder.path());
    assert_eq!(second.open(&[other]).await.unwrap(), []);
    second.write(batch(0, 0, &["2"])).await.unwrap();
    second.commit(&[position(0, 1)]).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "2\n");
}

#[tokio::test]
async fn lost_data_is_reported_not_papered_over() {
    let folder = tempdir().unwrap();
    let config = json!({ "path": "x.jsonl" });
    let (mut first, _) = open(config.clone(), folder.path()).await;
    first.write(batch(0, 0, &["1"])).await.unwrap();
    first.commit(&[position(0, 1)]).await.unwrap();
    let mut second = sink("file", config.clone(), folder.path());
    let message = refusal(second.open(&[partition(0)]).await);
    assert!(message.contains("is being written by another sink"), "{message}");
    drop(first);
    fs::remove_file(folder.path().join("x.jsonl")).unwrap();
    let message = refusal(second.open(&[partition(0)]).await);
    assert!(message.contains("holds 0 of 2 committed bytes"), "{message}");
}
