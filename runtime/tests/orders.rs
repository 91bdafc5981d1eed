//! The orders example gives what a plain Python pass over its files gives: at once, and after any number of kill -9 on ten
//! times the input.
//!
//! `MILLSTREAM_ORDERS` (how many orders), `MILLSTREAM_KILLS` and `MILLSTREAM_SEED` make the second one longer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::process::{Node, Seeded, finish, millstream};

fn example_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/orders")
}

/// A copy of the example with its own input, or with as many orders as asked for.
fn example(orders: Option<u64>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["pipeline.yaml", "orders.sql", "orders.jsonl", "customers.jsonl", "payments.jsonl"] {
        std::fs::copy(example_folder().join(name), folder.path().join(name)).unwrap();
    }
    if let Some(orders) = orders {
        python(folder.path(), "generate.py", &[&orders.to_string(), "3"]);
    }
    folder
}

fn python(folder: &Path, script: &str, arguments: &[&str]) -> String {
    let script = example_folder().join(script);
    let output = Command::new("python3").arg(script).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn run(folder: &Path) -> Command {
    let mut command = millstream();
    command.current_dir(folder).args(["run", "pipeline.yaml", "--until-done"]);
    command.args(["--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    command
}

fn lines(text: &str) -> impl Iterator<Item = Value> + '_ {
    text.lines().map(|line| serde_json::from_str(line).unwrap())
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// The last row of each country and minute, and every late payment, in their order.
fn found(folder: &Path) -> (Vec<String>, Vec<String>) {
    let mut totals = BTreeMap::new();
    for row in lines(&read(folder, "out/totals.jsonl")) {
        totals.insert((row["country"].to_string(), row["minute"].to_string()), row.to_string());
    }
    let mut late: Vec<String> =
        lines(&read(folder, "out/late_payments.jsonl")).map(|row| row.to_string()).collect();
    late.sort();
    (totals.into_values().collect(), late)
}

fn expected(folder: &Path) -> (Vec<String>, Vec<String>) {
    let said = python(folder, "expected.py", &["."]);
    let of = |topic: &str| -> Vec<Value> {
        lines(&said).filter(|line| line["topic"] == topic).map(|line| line["row"].clone()).collect()
    };
    let mut totals = of("totals");
    totals.sort_by_key(|row| (row["country"].to_string(), row["minute"].to_string()));
    let mut late: Vec<String> = of("late_payments").iter().map(Value::to_string).collect();
    late.sort();
    assert!(totals.len() > 20 && late.len() > 20, "the script gives too little to compare");
    (totals.iter().map(Value::to_string).collect(), late)
}

#[test]
fn joins_give_what_python_gives() {
    let folder = example(None);
    let done = finish(&mut run(folder.path()));
    assert_eq!(done.status.code(), Some(0), "{}", done.stderr);
    assert_eq!(found(folder.path()), expected(folder.path()));
    let again = finish(&mut run(folder.path()));
    assert_eq!(again.status.code(), Some(0), "{}", again.stderr);
    assert_eq!(found(folder.path()), expected(folder.path()), "a second run adds nothing");
    let node = Node::start(&folder.path().join(".millstream"), "127.0.0.1:0", &[]);
    let mut consume = millstream();
    consume.args(["consume", "orders.dlq", "--from-beginning", "--until-end", "--bootstrap", &node.kafka]);
    let letters = consume.output().unwrap();
    let letters = String::from_utf8_lossy(&letters.stdout).into_owned();
    assert_eq!(letters.lines().filter(|line| line.contains("poison")).count(), 1, "{letters}");
}

#[test]
fn killed_again_and_again_joins_give_what_python_gives() {
    let from_environment =
        |name: &str, usual: u64| std::env::var(name).map_or(usual, |text| text.parse().expect("a number"));
    let kills_wanted = from_environment("MILLSTREAM_KILLS", 8);
    let mut seeded = Seeded::from_environment(11);
    let folder = example(Some(from_environment("MILLSTREAM_ORDERS", 10_000)));
    let mut kills = 0;
    while kills < kills_wanted {
        let mut child = run(folder.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // No condition: the moment is to be any.
        std::thread::sleep(Duration::from_millis(150 + seeded.below(1_200)));
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    let done = finish(&mut run(folder.path()));
    assert_eq!(done.status.code(), Some(0), "after {kills} kills: {}", done.stderr);
    assert!(kills > 0, "every run was done before it could be killed: give it more input");
    let (totals, late) = found(folder.path());
    let (expected_totals, expected_late) = expected(folder.path());
    assert_eq!(late, expected_late, "after {kills} kills");
    assert_eq!(totals, expected_totals, "after {kills} kills");
}
