//! The earthquakes example gives what a plain Python pass over its file gives: on one, two and four partitions, and
//! after any number of kill -9.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::{Seeded, finish, millstream};

/// A copy of the example with so many partitions and its input so many times over.
fn example(partitions: u32, repeats: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let source = example_folder();
    for name in ["pipeline.yaml", "hourly.sql"] {
        let text = std::fs::read_to_string(source.join(name)).expect("a file of the example");
        let text = text.replace("quakes: { partitions: 4,", &format!("quakes: {{ partitions: {partitions},"));
        std::fs::write(folder.path().join(name), text).expect("write the copy");
    }
    let input = std::fs::read_to_string(source.join("earthquakes.jsonl")).expect("the example's input");
    std::fs::write(folder.path().join("earthquakes.jsonl"), input.repeat(repeats)).expect("write the copy");
    folder
}

fn example_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/earthquakes")
}

fn run(folder: &Path) -> Command {
    let mut command = millstream();
    command.current_dir(folder).args(["run", "pipeline.yaml", "--until-done", "--kafka", "127.0.0.1:0"]);
    command.args(["--http", "127.0.0.1:0"]);
    command
}

/// What the Python script computes, one JSON object a line, sorted.
fn expected(folder: &Path, partitions: u32) -> Vec<serde_json::Value> {
    let script = example_folder().join("expected.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(folder.join("earthquakes.jsonl"))
        .arg(partitions.to_string())
        .output()
        .expect("run python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows = json_lines(&String::from_utf8(output.stdout).expect("JSON is UTF-8"));
    assert!(rows.len() > 100, "the script gives only {} rows", rows.len());
    rows
}

fn json_lines(text: &str) -> Vec<serde_json::Value> {
    let mut rows: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line")).collect();
    rows.sort_by_key(|row| (row["window_start"].to_string(), row["network"].to_string()));
    rows
}

fn assert_outputs(folder: &Path, partitions: u32) {
    let expected = expected(folder, partitions);
    let json = std::fs::read_to_string(folder.join("out/hourly.jsonl")).expect("the JSON sink's file");
    let found = json_lines(&json);
    assert_eq!(found.len(), expected.len(), "rows on {partitions} partitions");
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    let csv = std::fs::read_to_string(folder.join("out/hourly.csv")).expect("the CSV sink's file");
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("network,window_start,window_end,quakes,strongest,average"));
    let mut found: Vec<String> = lines.map(str::to_owned).collect();
    let mut wanted: Vec<String> = expected.iter().map(csv_line).collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
}

fn csv_line(row: &serde_json::Value) -> String {
    let field = |name: &str| match &row[name] {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    ["network", "window_start", "window_end", "quakes", "strongest", "average"].map(field).join(",")
}

#[test]
fn gives_what_python_gives_on_any_number_of_partitions() {
    for partitions in [1, 2, 4] {
        let folder = example(partitions, 1);
        let done = finish(&mut run(folder.path()));
        assert_eq!(done.status.code(), Some(0), "{}", done.stderr);
        assert_outputs(folder.path(), partitions);
    }
}

#[test]
fn a_second_run_adds_nothing() {
    let folder = example(4, 1);
    for _ in 0..2 {
        let done = finish(&mut run(folder.path()));
        assert_eq!(done.status.code(), Some(0), "{}", done.stderr);
        assert_outputs(folder.path(), 4);
    }
}

#[test]
fn killed_again_and_again_it_still_gives_the_same_files() {
    let mut seeded = Seeded::from_environment(7);
    for partitions in [1, 2, 4] {
        let folder = example(partitions, 30);
        let mut kills = 0;
        for _ in 0..8 {
            let mut child = run(folder.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("start the binary");
            let patience = Duration::from_millis(100 + seeded.below(900));
            std::thread::sleep(patience);
            if child.try_wait().expect("ask for the exit status").is_some() {
                break;
            }
            child.kill().expect("kill -9");
            child.wait().expect("the exit status");
            kills += 1;
        }
        let done = finish(&mut run(folder.path()));
        assert_eq!(done.status.code(), Some(0), "after {kills} kills: {}", done.stderr);
        assert!(kills > 0, "every run was done before it could be killed: give it more input");
        assert_outputs(folder.path(), partitions);
    }
}
