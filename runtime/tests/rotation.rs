//! A log that is written, rotated and renamed while the pipeline that follows it is killed again and again: every line is
//! in the output file once, and each partition has them in their order.

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

/// How many rotated files are kept. More than come while a node is down.
const KEPT: usize = 60;

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

/// Writes numbered lines until told to stop, rotating now and then; gives how many it wrote.
fn write(folder: PathBuf, seed: u64, stop: &AtomicBool) -> u64 {
    let mut seeded = Seeded::new(seed);
    let path = folder.join("app.log");
    let mut file = create(&path);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..seeded.below(200) {
            writeln!(file, "{{\"n\":{number},\"pad\":\"{}\"}}", "x".repeat(seeded.below(80) as usize))
                .unwrap();
            number += 1;
        }
        std::thread::sleep(Duration::from_millis(1 + seeded.below(4)));
        if seeded.below(40) == 0 {
            for n in (1..KEPT).rev() {
                let from = folder.join(format!("app.log.{n}"));
                if from.exists() {
                    fs::rename(from, folder.join(format!("app.log.{}", n + 1))).unwrap();
                }
            }
            fs::rename(&path, folder.join("app.log.1")).unwrap();
            // As a program that is told a little later to open its log anew.
            for _ in 0..seeded.below(3) {
                writeln!(file, "{{\"n\":{number}}}").unwrap();
                number += 1;
                std::thread::sleep(Duration::from_millis(seeded.below(4)));
            }
            file = create(&path);
        }
    }
    number
}

fn create(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

fn numbers(path: &Path) -> Vec<u64> {
    let Ok(text) = fs::read_to_string(path) else { return Vec::new() };
    let number = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok()?["n"].as_u64();
    text.lines().filter_map(number).collect()
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
    create(&folder.path().join("app.log"));
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (folder, stop, seed) = (folder.path().to_path_buf(), Arc::clone(&stop), seeded.below(u64::MAX));
        std::thread::spawn(move || write(folder, seed, &stop))
    };
    for _ in 0..ROUNDS {
        let node = Node::from_command(&mut pipeline(folder.path()));
        std::thread::sleep(Duration::from_millis(20 + seeded.below(500)));
        node.kill();
    }
    let node = Node::from_command(&mut pipeline(folder.path()));
    stop.store(true, Ordering::Relaxed);
    let written = writer.join().unwrap();
    let output = folder.path().join("out/lines.jsonl");
    let deadline = Instant::now() + PATIENCE;
    while (numbers(&output).len() as u64) < written {
        assert!(Instant::now() < deadline, "{} of {written} lines; {}", numbers(&output).len(), node.said());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(node.stop().success());
    let found = numbers(&output);
    let mut times: HashMap<u64, usize> = HashMap::new();
    found.iter().for_each(|number| *times.entry(*number).or_default() += 1);
    let missing: Vec<_> = (0..written).filter(|number| !times.contains_key(number)).take(5).collect();
    let doubled: Vec<_> = times.iter().filter(|(_, times)| **times > 1).take(5).collect();
    assert!(missing.is_empty() && doubled.is_empty(), "missing {missing:?}, more than once {doubled:?}");
    assert_eq!(found.len() as u64, written);
}
