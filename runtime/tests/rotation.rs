//! A log that is written, rotated and renamed while the pipeline that follows it is killed again and again: every line is
//! in the output file once.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::process::{Node, PATIENCE, Seeded, millstream};

const ROUNDS: usize = 12;

/// How often the log is rotated at most, however long the nodes take to start. Every generation is kept.
const ROTATIONS_MAX: usize = 150;

fn pipeline(folder: &Path) -> Command {
    let mut command = millstream();
    command.current_dir(folder).args([
        "run",
        "pipeline.yaml",
        "--kafka",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
    ]);
    command
}

/// Writes numbered lines until told to stop, rotating now and then; gives the first number of each generation, and the
/// one after the last.
fn write(folder: PathBuf, seed: u64, first: u64, stop: &AtomicBool) -> Vec<u64> {
    let mut seeded = Seeded::new(seed);
    let path = folder.join("app.log");
    let mut file = create(&path);
    let mut number = first;
    let mut starts = vec![0];
    while !stop.load(Ordering::Relaxed) && starts.len() <= ROTATIONS_MAX {
        for _ in 0..seeded.below(200) {
            writeln!(file, "{{\"n\":{number},\"pad\":\"{}\"}}", "x".repeat(seeded.below(80) as usize))
                .unwrap();
            number += 1;
        }
        std::thread::sleep(Duration::from_millis(1 + seeded.below(4)));
        if seeded.below(40) == 0 {
            for n in (1..starts.len()).rev() {
                let rotated = |n| folder.join(format!("app.log.{n}"));
                fs::rename(rotated(n), rotated(n + 1)).unwrap();
            }
            fs::rename(&path, folder.join("app.log.1")).unwrap();
            // As a program that is told a little later to open its log anew.
            for _ in 0..seeded.below(3) {
                writeln!(file, "{{\"n\":{number}}}").unwrap();
                number += 1;
                std::thread::sleep(Duration::from_millis(seeded.below(4)));
            }
            file = create(&path);
            starts.push(number);
        }
    }
    starts.push(number);
    starts
}

fn create(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

/// The numbers in the output's whole lines.
fn numbers(path: &Path) -> Vec<u64> {
    let Ok(text) = fs::read_to_string(path) else { return Vec::new() };
    let number = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok()?["n"].as_u64();
    text.lines().filter_map(number).collect()
}

/// Waits for so many lines, as long as more come.
fn wait_for_lines(output: &Path, count: usize, node: &Node) {
    let (mut seen, mut since) = (0, Instant::now());
    loop {
        let lines = fs::read(output).map_or(0, |text| count_lines(&text));
        if lines >= count {
            return;
        }
        if lines > seen {
            (seen, since) = (lines, Instant::now());
        }
        assert!(since.elapsed() < PATIENCE, "no more than {lines} of {count} lines; {}", node.said());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn count_lines(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

/// What is missing or there more than once, by generation and place in it.
fn faults(found: &[u64], starts: &[u64]) -> Vec<String> {
    let mut times: HashMap<u64, usize> = HashMap::new();
    found.iter().for_each(|number| *times.entry(*number).or_default() += 1);
    let generations = starts.windows(2).enumerate();
    let faulty = generations.filter_map(|(generation, ends)| {
        let of = |wanted: fn(usize) -> bool| {
            let numbers = (ends[0]..ends[1]).filter(|number| wanted(times.get(number).copied().unwrap_or(0)));
            numbers.map(|number| number - ends[0]).collect::<Vec<_>>()
        };
        let (missing, doubled) = (of(|times| times == 0), of(|times| times > 1));
        (!missing.is_empty() || !doubled.is_empty()).then(|| {
            let lines = ends[1] - ends[0];
            let told = |what: &str, which: &[u64]| match which {
                [first, .., last] => format!(" {} {what}, {first} to {last};", which.len()),
                [one] => format!(" line {one} {what};"),
                [] => String::new(),
            };
            format!(
                "generation {generation} of {lines} lines:{}{}",
                told("missing", &missing),
                told("doubled", &doubled)
            )
        })
    });
    faulty.collect()
}

#[test]
fn a_rotated_log_arrives_once_through_any_number_of_kills() {
    let mut seeded = Seeded::from_environment(20);
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("pipeline.yaml"),
        "name: rotation\n\
         topics: { lines: { partitions: 2 } }\n\
         sources: { log: { use: file, with: { path: app.log, follow: true, on_truncate: fail }, to: lines } }\n\
         sinks: { out: { from: lines, use: file, with: { path: out/lines.jsonl } } }\n",
    )
    .unwrap();
    let output = folder.path().join("out/lines.jsonl");
    // What was rotated away before the pipeline knew the log is not its own.
    let mut first = create(&folder.path().join("app.log"));
    writeln!(first, "{{\"n\":0}}").unwrap();
    let node = Node::from_command(&mut pipeline(folder.path()));
    wait_for_lines(&output, 1, &node);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (folder, stop, seed) = (folder.path().to_path_buf(), Arc::clone(&stop), seeded.below(u64::MAX));
        std::thread::spawn(move || write(folder, seed, 1, &stop))
    };
    node.kill();
    for _ in 0..ROUNDS {
        let node = Node::from_command(&mut pipeline(folder.path()));
        std::thread::sleep(Duration::from_millis(20 + seeded.below(500)));
        node.kill();
    }
    let node = Node::from_command(&mut pipeline(folder.path()));
    stop.store(true, Ordering::Relaxed);
    let starts = writer.join().unwrap();
    let written = *starts.last().unwrap() as usize;
    wait_for_lines(&output, written, &node);
    assert!(node.stop().success());
    let found = numbers(&output);
    assert_eq!(faults(&found, &starts), [""; 0]);
    assert_eq!(found.len(), written);
}
