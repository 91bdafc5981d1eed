//! Reading files: formats, resuming, following.

use std::fs;
use std::io::Write;
use std::path::Path;

use millstream_sdk::source::PollLimits;
use serde_json::json;
use tempfile::tempdir;

use crate::{LIMITS, described, read_to_end, read_until, source};

pub fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn json_lines_are_read_and_bad_ones_named() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("a.jsonl"), "\u{feff}{\"a\":1}\r\n\n{\"a\":}\n [2] \n{\"last\":true}")
        .unwrap();
    let source = source("file", json!({ "path": "a.jsonl" }), folder.path());
    assert!(source.is_bounded());
    let splits = source.splits().await.unwrap();
    let mut reader = source.open(&splits[0], None).await.unwrap();
    let (read, _) = read_to_end(reader.as_mut()).await;
    assert_eq!(
        read,
        ["{\"a\":1}", " [2] ", "{\"last\":true}", "bad a.jsonl:3 not JSON: expected a value at byte 5"]
    );
}

#[tokio::test]
async fn csv_rows_become_objects_and_resume_knows_the_header() {
    let folder = tempdir().unwrap();
    let text = "id,note\n1,\"a, \"\"b\"\"\n\"\n2,x\n3\n4,z\n";
    fs::write(folder.path().join("a.csv"), text).unwrap();
    let config = json!({ "path": "a.csv", "format": "csv", "types": { "id": "integer" } });
    let source = source("file", config, folder.path());
    let splits = source.splits().await.unwrap();
    let mut reader = source.open(&splits[0], None).await.unwrap();
    let first = reader.poll(PollLimits { max_records: 1, ..LIMITS }).await.unwrap();
    assert_eq!(described(&first), [r#"{"id":1,"note":"a, \"b\"\n"}"#]);
    drop(reader);
    let mut reader = source.open(&splits[0], first.position).await.unwrap();
    let (read, _) = read_to_end(reader.as_mut()).await;
    assert_eq!(
        read,
        [r#"{"id":2,"note":"x"}"#, r#"{"id":4,"note":"z"}"#, "bad a.csv:5 1 fields where the header has 2"]
    );
}

#[tokio::test]
async fn every_poll_size_and_every_restart_reads_the_same_lines() {
    let folder = tempdir().unwrap();
    let expected: Vec<String> =
        (0..500).map(|n| format!("{{\"n\":{n},\"pad\":\"{}\"}}", "x".repeat(n * 7))).collect();
    fs::write(folder.path().join("a.jsonl"), expected.join("\n")).unwrap();
    let source = source("file", json!({ "path": "a.jsonl" }), folder.path());
    let splits = source.splits().await.unwrap();
    for max_records in [1, 7, 499, 10_000] {
        let mut read = Vec::new();
        let mut position = None;
        loop {
            // A new reader for every batch, as after a crash.
            let mut reader = source.open(&splits[0], position.clone()).await.unwrap();
            let polled = reader.poll(PollLimits { max_records, ..LIMITS }).await.unwrap();
            read.extend(described(&polled));
            position = polled.position.or(position);
            if polled.end_of_split {
                break;
            }
        }
        assert!(read == expected, "{max_records} records a poll");
    }
}

#[tokio::test]
async fn a_pattern_gives_a_split_per_file() {
    let folder = tempdir().unwrap();
    for (name, text) in [("b.txt", "b1\nb2\n"), ("a.txt", "a1\n"), ("c.log", "c1\n")] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    std::os::unix::fs::symlink("nowhere", folder.path().join("broken.txt")).unwrap();
    let source = source("file", json!({ "path": "*.txt", "format": "lines" }), folder.path());
    let mut read = Vec::new();
    for split in source.splits().await.unwrap() {
        let mut reader = source.open(&split, None).await.unwrap();
        read.extend(read_to_end(reader.as_mut()).await.0);
    }
    assert_eq!(read, ["a1", "b1", "b2"]);
    let none = crate::source("file", json!({ "path": "*.csv", "format": "lines" }), folder.path());
    assert!(none.splits().await.unwrap_err().to_string().starts_with("no file matches"));
}

#[tokio::test]
async fn following_waits_for_whole_lines_and_goes_through_rotation() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("app.log");
    append(&path, "one\ntw");
    let config = json!({ "path": "app.log", "format": "lines", "follow": true });
    let source = source("file", config, folder.path());
    let splits = source.splits().await.unwrap();
    let mut reader = source.open(&splits[0], None).await.unwrap();
    assert_eq!(read_until(reader.as_mut(), |read, _| read.len() == 1).await.0, ["one"]);
    append(&path, "o\nthree\nunfinished");
    let rotated = folder.path().join("app.log.1");
    fs::rename(&path, &rotated).unwrap();
    append(&path, "four\n");
    let (read, position) = read_until(reader.as_mut(), |read, _| read.len() == 4).await;
    assert_eq!(read, ["two", "three", "unfinished", "four"]);
    drop(reader);
    append(&path, "five\n");
    let mut reader = source.open(&splits[0], position).await.unwrap();
    assert_eq!(read_until(reader.as_mut(), |read, _| !read.is_empty()).await.0, ["five"]);
}

#[tokio::test]
async fn a_file_rotated_while_nobody_looked_is_finished_first() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("app.log");
    append(&path, "one\ntwo\n");
    let config = json!({ "path": "app.log", "format": "lines", "follow": true });
    let source = source("file", config, folder.path());
    let splits = source.splits().await.unwrap();
    let mut reader = source.open(&splits[0], None).await.unwrap();
    let (_, position) = read_until(reader.as_mut(), |read, _| read.len() == 2).await;
    drop(reader);
    append(&path, "three\n");
    fs::rename(&path, folder.path().join("app.log.1")).unwrap();
    append(&path, "four\n");
    let mut reader = source.open(&splits[0], position).await.unwrap();
    assert_eq!(read_until(reader.as_mut(), |read, _| read.len() == 2).await.0, ["three", "four"]);
}

#[tokio::test]
async fn a_truncated_file_is_read_from_its_start() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("app.log");
    append(&path, "one\ntwo\n");
    let config = json!({ "path": "app.log", "format": "lines", "follow": true });
    let source = source("file", config, folder.path());
    let splits = source.splits().await.unwrap();
    let mut reader = source.open(&splits[0], None).await.unwrap();
    let (_, position) = read_until(reader.as_mut(), |read, _| read.len() == 2).await;
    fs::write(&path, "new\n").unwrap();
    assert_eq!(read_until(reader.as_mut(), |read, _| !read.is_empty()).await.0, ["new"]);
    drop(reader);
    // The same inode, long enough, but another beginning.
    fs::write(&path, "other\ntext\n").unwrap();
    let mut reader = source.open(&splits[0], position).await.unwrap();
    assert_eq!(read_until(reader.as_mut(), |read, _| read.len() == 2).await.0, ["other", "text"]);
}

#[tokio::test]
async fn a_bounded_file_that_grew_continues_where_it_was_even_as_a_copy() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.txt");
    append(&path, "one\ntwo\n");
    let source = source("file", json!({ "path": "a.txt", "format": "lines" }), folder.path());
    let splits = source.splits().await.unwrap();
    let mut reader = source.open(&splits[0], None).await.unwrap();
    let (_, position) = read_to_end(reader.as_mut()).await;
    append(&path, "three\n");
    let copy = folder.path().join("copy");
    fs::copy(&path, &copy).unwrap();
    fs::rename(&copy, &path).unwrap();
    let mut reader = source.open(&splits[0], position).await.unwrap();
    assert_eq!(read_to_end(reader.as_mut()).await.0, ["three"]);
}

#[tokio::test]
async fn a_missing_file_says_so() {
    let folder = tempdir().unwrap();
    let source = source("file", json!({ "path": "none.txt" }), folder.path());
    let splits = source.splits().await.unwrap();
    let Err(error) = source.open(&splits[0], None).await else { panic!("there is no such file") };
    assert!(error.to_string().starts_with("opening "), "{error}");
    assert_eq!(error.class().name(), "config");
}

#[tokio::test]
async fn generations_that_came_and_went_while_nobody_looked_are_read_in_order() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("app.log");
    let rotated = |n: usize| folder.path().join(format!("app.log.{n}"));
    append(&path, "one\n");
    let config = json!({ "path": "app.log", "format": "lines", "follow": true });
    let source = source("file", config, folder.path());
    let splits = source.splits().await.unwrap();
    let mut reader = source.open(&splits[0], None).await.unwrap();
    let (_, position) = read_until(reader.as_mut(), |read, _| read.len() == 1).await;
    drop(reader);
    append(&path, "two\n");
    for (round, line) in ["three\n", "four\n", "five\n"].iter().enumerate() {
        // Births have the file system's clock: a few milliseconds apart.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        for n in (1..=round).rev() {
            fs::rename(rotated(n), rotated(n + 1)).unwrap();
        }
        fs::rename(&path, rotated(1)).unwrap();
        append(&path, line);
    }
    // Copies and compressed files are none of them.
    fs::copy(rotated(1), folder.path().join("app.log.bak")).unwrap();
    fs::write(folder.path().join("app.log.4.gz"), "no\n").unwrap();
    let mut reader = source.open(&splits[0], position.clone()).await.unwrap();
    let (read, _) = read_until(reader.as_mut(), |read, _| read.len() == 4).await;
    assert_eq!(read, ["two", "three", "four", "five"]);
    drop(reader);
    // The one that was read is gone: the next is the oldest that is left.
    fs::remove_file(rotated(3)).unwrap();
    let mut reader = source.open(&splits[0], position).await.unwrap();
    assert_eq!(read_until(reader.as_mut(), |read, _| read.len() == 3).await.0, ["three", "four", "five"]);
}

#[tokio::test]
async fn a_file_rewritten_in_place_is_noticed_even_when_it_is_longer_and_refused_where_that_is_asked() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("app.log");
    append(&path, "one\n");
    let config = json!({ "path": "app.log", "format": "lines", "follow": true });
    let taking = source("file", config.clone(), folder.path());
    let splits = taking.splits().await.unwrap();
    let mut reader = taking.open(&splits[0], None).await.unwrap();
    let (_, position) = read_until(reader.as_mut(), |read, _| read.len() == 1).await;
    // To the end once more, so that the reader waits for growth.
    assert!(
        reader.poll(PollLimits { wait: std::time::Duration::ZERO, ..LIMITS }).await.unwrap().batch.is_empty()
    );
    fs::write(&path, "another and longer\n").unwrap();
    assert_eq!(read_until(reader.as_mut(), |read, _| !read.is_empty()).await.0, ["another and longer"]);
    let mut refusing = config;
    refusing["on_truncate"] = json!("fail");
    let refusing = source("file", refusing, folder.path());
    let Err(error) = refusing.open(&splits[0], position).await else { panic!("it was rewritten") };
    assert!(error.to_string().contains("truncated or rewritten in place after 4 bytes"), "{error}");
    assert_eq!(error.class().name(), "fatal");
}

#[tokio::test]
async fn an_empty_successor_does_not_end_the_old_file() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("app.log");
    append(&path, "one\n");
    let config = json!({ "path": "app.log", "format": "lines", "follow": true });
    let source = source("file", config, folder.path());
    let splits = source.splits().await.unwrap();
    let mut reader = source.open(&splits[0], None).await.unwrap();
    read_until(reader.as_mut(), |read, _| read.len() == 1).await;
    let rotated = folder.path().join("app.log.1");
    fs::rename(&path, &rotated).unwrap();
    fs::write(&path, "").unwrap();
    assert!(reader.poll(LIMITS).await.unwrap().batch.is_empty());
    // The writer has not been told yet.
    append(&rotated, "two\n");
    assert_eq!(read_until(reader.as_mut(), |read, _| !read.is_empty()).await.0, ["two"]);
    append(&path, "three\n");
    assert_eq!(read_until(reader.as_mut(), |read, _| !read.is_empty()).await.0, ["three"]);
}

#[tokio::test]
async fn compressed_files_are_read_and_resumed_by_the_place_in_their_text() {
    use flate2::{Compression, write::GzEncoder};
    let folder = tempdir().unwrap();
    let expected: Vec<String> = (0..3000).map(|n| format!("{{\"n\":{n}}}")).collect();
    let mut packed = Vec::new();
    // Two members end to end, as `cat a.gz b.gz` makes them.
    for half in expected.chunks(1500) {
        let mut encoder = GzEncoder::new(&mut packed, Compression::default());
        encoder.write_all((half.join("\n") + "\n").as_bytes()).unwrap();
        encoder.finish().unwrap();
    }
    fs::write(folder.path().join("a.jsonl.gz"), packed).unwrap();
    let source = source("file", json!({ "path": "*.gz" }), folder.path());
    let splits = source.splits().await.unwrap();
    let (mut read, mut position) = (Vec::new(), None);
    loop {
        // A new reader for every batch, as after a crash.
        let mut reader = source.open(&splits[0], position.clone()).await.unwrap();
        let polled = reader.poll(PollLimits { max_records: 700, ..LIMITS }).await.unwrap();
        read.extend(described(&polled));
        position = polled.position.or(position);
        if polled.end_of_split {
            break;
        }
    }
    assert!(read == expected, "{} lines", read.len());
    fs::write(folder.path().join("b.gz"), b"\x1f\x8bnonsense").unwrap();
    let broken = crate::source("file", json!({ "path": "b.gz" }), folder.path());
    let mut reader = broken.open(&broken.splits().await.unwrap()[0], None).await.unwrap();
    let error = reader.poll(LIMITS).await.unwrap_err();
    assert!(error.to_string().starts_with("reading "), "{error}");
}
