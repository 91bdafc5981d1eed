//! Examples: those with cases pass them; those that end run to their end and give what they say.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{Node, PATIENCE, finish, free_address, millstream};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// A copy of an example, so that what it writes stays out of the tree.
pub fn copy(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(examples().join(name)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    folder
}

fn run_to_end(folder: &Path, settings: &[&str]) {
    run_file_to_end(folder, "pipeline.yaml", settings);
}

fn run_file_to_end(folder: &Path, file: &str, settings: &[&str]) {
    let mut command = millstream();
    command.current_dir(folder).args(["run", file, "--until-done"]);
    command.args(["--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"]).args(settings);
    let done = finish(&mut command);
    assert_eq!(done.status.code(), Some(0), "{}", done.stderr);
}

pub fn lines(folder: &Path, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn cases_of_examples_pass() {
    for name in ["nexmark", "change-events"] {
        let folder = copy(name);
        let output =
            millstream().current_dir(folder.path()).args(["test", "pipeline.yaml"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{name}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn nexmark_makes_the_same_high_bids_again_and_again() {
    let (first, second) = (copy("nexmark"), copy("nexmark"));
    run_to_end(first.path(), &[]);
    run_to_end(second.path(), &[]);
    let sorted = |folder: &Path| {
        let mut rows: Vec<String> = lines(folder, "out/high.jsonl").iter().map(Value::to_string).collect();
        rows.sort();
        rows
    };
    let rows = sorted(first.path());
    // A tenth of the 4,600 bids, more or less.
    assert!((300..700).contains(&rows.len()), "{} high bids", rows.len());
    assert_eq!(rows, sorted(second.path()));
}

#[test]
fn change_events_become_rows_by_country() {
    let folder = copy("change-events");
    run_to_end(folder.path(), &[]);
    let norway = lines(folder.path(), "out/norway.jsonl");
    assert_eq!(norway.len(), 1);
    assert_eq!(norway[0]["card"], "************1111");
    let rest = lines(folder.path(), "out/rest.jsonl");
    assert_eq!(rest.iter().map(|row| row["__deleted"].clone()).collect::<Vec<_>>(), ["false", "true"]);
    let letters = std::fs::read_to_string(folder.path().join("out/letters.txt")).unwrap();
    assert_eq!(letters, "this line is no event\n");
}

#[test]
fn a_mirror_keeps_keys_timestamps_headers_and_partitions_and_runs_twice_without_doubling() {
    let folder = copy("mirror");
    let other = Node::start(&folder.path().join("other"), "127.0.0.1:0", &[]);
    let cli = |arguments: &[&str]| {
        let output = millstream().args(arguments).args(["--bootstrap", &other.kafka]).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    cli(&["topic", "create", "orders", "--partitions", "2"]);
    let rows = folder.path().join("rows.txt");
    std::fs::write(&rows, (0..50).map(|n| format!("k{n}:{n}\n")).collect::<String>()).unwrap();
    cli(&["produce", "orders", &rows.display().to_string(), "--key-separator", ":", "--header", "h=1"]);
    let setting = format!("OTHER={}", other.kafka);
    for _ in 0..2 {
        run_to_end(folder.path(), &["--set", &setting]);
    }
    let consumed = |topic: &str| {
        let text =
            cli(&["consume", topic, "--from-beginning", "--until-end", "--format", "%p %T %k=%s %h\\n"]);
        // Order holds within a partition.
        let mut rows: Vec<String> = text.lines().map(str::to_owned).collect();
        rows.sort_by_key(|row| row.split(' ').next().map(str::to_owned));
        rows
    };
    let (orders, copied) = (consumed("orders"), consumed("copied"));
    assert_eq!((orders.len(), copied.len()), (50, 50));
    for (order, copy) in orders.iter().zip(&copied) {
        assert!(
            copy.starts_with(order.trim_end()) && copy.contains("origin.offset"),
            "{order} became {copy}"
        );
    }
}

#[test]
fn a_table_of_a_sqlite_file_is_written_and_read_back() {
    let folder = copy("sqlite");
    for _ in 0..2 {
        // The second time there is nothing left to do.
        run_file_to_end(folder.path(), "pipeline.yaml", &[]);
        run_file_to_end(folder.path(), "read.yaml", &[]);
    }
    let orders = lines(folder.path(), "out/orders.jsonl");
    let ids: Vec<_> = orders.iter().map(|order| order["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (0..500).collect::<Vec<_>>());
}

#[test]
fn orders_become_parquet_files_by_country_and_come_back() {
    let folder = copy("parquet");
    for _ in 0..2 {
        // The second time there is nothing left to do.
        run_file_to_end(folder.path(), "pipeline.yaml", &[]);
        run_file_to_end(folder.path(), "read.yaml", &[]);
    }
    let text = std::fs::read_to_string(folder.path().join("out/amounts.csv")).unwrap();
    let (header, rows) = text.split_once('\n').unwrap();
    assert_eq!(header, "id,amount");
    let mut ids: Vec<u64> = Vec::new();
    for row in rows.lines() {
        let (id, amount) = row.split_once(',').unwrap();
        assert_eq!(amount.split_once('.').unwrap().1.len(), 2, "{row}");
        ids.push(id.parse().unwrap());
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..500).collect::<Vec<_>>());
}

#[test]
fn requests_become_files_by_country_and_day() {
    let folder = copy("webhook");
    let address = free_address();
    let setting = format!("LISTEN={address}");
    let mut command = millstream();
    command.current_dir(folder.path()).args(["run", "pipeline.yaml", "--set", &setting]);
    let node = Node::from_command(command.args(["--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"]));
    let waited = Instant::now() + PATIENCE;
    let post = |token: &str, body: &str| loop {
        let Ok(mut stream) = TcpStream::connect(&address) else {
            assert!(Instant::now() < waited, "the source does not listen: {}", node.said());
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        let length = body.len();
        let head = "POST /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer";
        write!(stream, "{head} {token}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        return answer.split(' ').nth(1).map(str::to_owned);
    };
    let event = r#"{"country":"NO","at":"2026-01-01T10:00:00Z"}"#;
    assert_eq!(post("wrong", event).as_deref(), Some("401"));
    assert_eq!(post("example", event).as_deref(), Some("204"));
    assert_eq!(post("example", r#"{"country":"SE","at":"never"}"#).as_deref(), Some("204"));
    assert_eq!(post("example", event).as_deref(), Some("204"));
    let file = folder.path().join("out/NO/2026-01-01.jsonl");
    let wanted = format!("{event}\n{event}\n");
    while std::fs::read_to_string(&file).unwrap_or_default() != wanted {
        assert!(Instant::now() < waited, "{}", node.said());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(node.stop().success());
}

/// Every line of every file below a folder.
fn lines_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(lines_below(&path));
        } else if path.extension().is_some_and(|kind| kind == "jsonl") {
            found.extend(std::fs::read_to_string(path).unwrap().lines().map(str::to_owned));
        }
    }
    found
}

#[test]
fn large_orders_are_posted_to_the_server_of_the_webhook() {
    /// So many of the 500, by their seed.
    const LARGE: usize = 300;
    let (hook, orders) = (copy("webhook"), copy("notify"));
    let address = free_address();
    let mut server = millstream();
    server.current_dir(hook.path()).args(["run", "pipeline.yaml", "--set", &format!("LISTEN={address}")]);
    let node = Node::from_command(server.args(["--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"]));
    run_to_end(orders.path(), &["--set", &format!("SERVER=http://{address}")]);
    let deadline = Instant::now() + PATIENCE;
    let posted = loop {
        let posted = lines_below(&hook.path().join("out"));
        if posted.len() >= LARGE {
            break posted;
        }
        assert!(Instant::now() < deadline, "{} orders came: {}", posted.len(), node.said());
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(posted.len(), LARGE);
    let amounts =
        posted.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["amount"].as_f64().unwrap());
    assert!(amounts.into_iter().all(|amount| amount >= 400.0));
    assert!(node.stop().success());
}

/// Answers the questions of the example `feed`: seven items, three a page, and two events.
fn serve_feed(listener: std::net::TcpListener) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(char::from(byte[0]));
        }
        let path = head.split(' ').nth(1).unwrap();
        let after = path.split_once("after=").map_or(0, |(_, after)| after.parse().unwrap());
        let items: Vec<u32> = (after + 1..=7).take(3).collect();
        let rows: Vec<_> = items.iter().map(|id| format!("{{\"id\":{id}}}")).collect();
        let last = items.last().map_or("null".to_owned(), u32::to_string);
        let (kind, body) = match path.starts_with("/items?limit=50") {
            true => {
                let rows = rows.join(",");
                ("application/json", format!("{{\"items\":[{rows}],\"paging\":{{\"after\":{last}}}}}"))
            }
            false if head.to_ascii_lowercase().contains("last-event-id: 2") => {
                ("text/event-stream", String::new())
            }
            false => ("text/event-stream", "id: 1\ndata: {\"n\":1}\n\nid: 2\ndata: {\"n\":2}\n\n".to_owned()),
        };
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: {kind}\r\n");
        write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}").unwrap();
    }
}

#[test]
fn items_and_news_of_a_server_are_read_once() {
    let folder = copy("feed");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let setting = format!("FEED=http://{}", listener.local_addr().unwrap());
    // Ends with the test's process.
    std::thread::spawn(|| serve_feed(listener));
    for _ in 0..2 {
        // The second time there is nothing new.
        run_to_end(folder.path(), &["--set", &setting]);
    }
    let items = lines(folder.path(), "out/items.jsonl");
    assert_eq!(
        items.iter().map(|item| item["id"].as_u64().unwrap()).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6, 7]
    );
    let news = lines(folder.path(), "out/news.jsonl");
    assert_eq!(news.iter().map(|event| event["n"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_rotated_log_is_read_through_by_level() {
    let folder = copy("logs");
    let log = folder.path().join("app.log");
    std::fs::write(&log, "12:00:01 INFO started\n12:00:02 ERROR no disk\n").unwrap();
    let mut command = millstream();
    command.current_dir(folder.path()).args(["run", "pipeline.yaml"]);
    let node = Node::from_command(command.args(["--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"]));
    let deadline = Instant::now() + PATIENCE;
    let errors = |wanted: usize| loop {
        let found = lines_below(&folder.path().join("out")).into_iter().filter(|line| line.contains("ERROR"));
        let found: Vec<_> = found.collect();
        if found.len() == wanted {
            return found;
        }
        assert!(Instant::now() < deadline, "{found:?}; {}", node.said());
        std::thread::sleep(Duration::from_millis(20));
    };
    errors(1);
    std::fs::rename(&log, folder.path().join("app.log.1")).unwrap();
    std::fs::write(&log, "12:00:03 ERROR still none\n").unwrap();
    assert!(errors(2)[1].contains("still none"));
    assert!(folder.path().join("out/INFO.jsonl").exists() && folder.path().join("out/ERROR.jsonl").exists());
    assert!(node.stop().success());
}

#[test]
fn lines_of_standard_input_come_out_changed() {
    let folder = copy("terminal");
    let mut command = millstream();
    command.current_dir(folder.path()).args(["run", "pipeline.yaml", "--until-done"]);
    command.args(["--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{\"text\":\"one\"}\n{\"text\":\"three\"}\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "{\"text\":\"three\",\"loud\":\"THREE\"}\n");
}
