//! Generations of a log that come faster than the clock of their births ticks.

use std::fs;
use std::path::Path;

use millstream_sdk::source::PollLimits;
use serde_json::json;
use tempfile::{TempDir, tempdir};

use super::source::append;
use crate::{LIMITS, read_until, source};

fn born(path: &Path) -> Option<std::time::SystemTime> {
    fs::metadata(path).ok()?.created().ok()
}

/// Rotates `app.log` by one and begins it anew with a line.
fn rotate(folder: &Path, generations: usize, line: &str) {
    let rotated = |n: usize| folder.join(format!("app.log.{n}"));
    for n in (1..generations).rev() {
        fs::rename(rotated(n), rotated(n + 1)).unwrap();
    }
    fs::rename(folder.join("app.log"), rotated(1)).unwrap();
    append(&folder.join("app.log"), line);
}

/// A folder whose log had four generations, the first three of them born in one tick where the clock has ticks.
fn generations_of_one_birth() -> TempDir {
    for attempt in 0.. {
        let folder = tempdir().unwrap();
        append(&folder.path().join("app.log"), "one\n");
        rotate(folder.path(), 1, "two\n");
        rotate(folder.path(), 2, "three\n");
        let births = ["app.log", "app.log.1", "app.log.2"].map(|name| born(&folder.path().join(name)));
        if attempt == 200 || births[0] == births[1] && births[1] == births[2] {
            rotate(folder.path(), 3, "four\n");
            return folder;
        }
    }
    unreachable!("the loop has no end")
}

#[tokio::test]
async fn generations_of_the_same_birth_are_read_each_once() {
    let config = json!({ "path": "app.log", "format": "lines", "follow": true });
    for _ in 0..20 {
        let folder = generations_of_one_birth();
        // As it was when the pipeline began: the first generation alone, under its first name.
        let begun = tempdir_in(&folder);
        let source = source("file", config.clone(), folder.path());
        let splits = source.splits().await.unwrap();
        let names = ["app.log", "app.log.1", "app.log.2", "app.log.3"];
        for name in &names[..3] {
            fs::rename(folder.path().join(name), begun.path().join(name)).unwrap();
        }
        fs::rename(folder.path().join("app.log.3"), folder.path().join("app.log")).unwrap();
        let mut reader = source.open(&splits[0], None).await.unwrap();
        let mut position = reader.poll(PollLimits { max_records: 1, ..LIMITS }).await.unwrap().position;
        drop(reader);
        fs::rename(folder.path().join("app.log"), folder.path().join("app.log.3")).unwrap();
        for name in &names[..3] {
            fs::rename(begun.path().join(name), folder.path().join(name)).unwrap();
        }
        let mut read = Vec::new();
        while read.len() < 3 {
            // A new reader for every record, as after a crash.
            let mut reader = source.open(&splits[0], position.clone()).await.unwrap();
            let polled = reader.poll(PollLimits { max_records: 1, ..LIMITS }).await.unwrap();
            read.extend(crate::described(&polled));
            position = polled.position.or(position);
        }
        read.sort();
        assert_eq!(read, ["four", "three", "two"]);
    }
}

fn tempdir_in(folder: &TempDir) -> TempDir {
    TempDir::new_in(folder.path().parent().unwrap()).unwrap()
}

#[tokio::test]
async fn a_file_is_ours_from_its_first_poll_on_even_while_it_is_empty() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("app.log"), "").unwrap();
    let config = json!({ "path": "app.log", "format": "lines", "follow": true });
    let source = source("file", config, folder.path());
    let splits = source.splits().await.unwrap();
    let mut reader = source.open(&splits[0], None).await.unwrap();
    let position = reader.poll(LIMITS).await.unwrap().position;
    drop(reader);
    append(&folder.path().join("app.log"), "one\n");
    rotate(folder.path(), 1, "two\n");
    let mut reader = source.open(&splits[0], position).await.unwrap();
    assert_eq!(read_until(reader.as_mut(), |read, _| read.len() == 2).await.0, ["one", "two"]);
}

#[tokio::test]
async fn generations_older_than_the_pipeline_are_not_its_own() {
    let config = json!({ "path": "app.log", "format": "lines", "follow": true });
    for _ in 0..20 {
        let folder = generations_of_one_birth();
        let source = source("file", config.clone(), folder.path());
        let splits = source.splits().await.unwrap();
        let mut reader = source.open(&splits[0], None).await.unwrap();
        rotate(folder.path(), 4, "five\n");
        assert_eq!(read_until(reader.as_mut(), |read, _| read.len() == 2).await.0, ["four", "five"]);
    }
}
