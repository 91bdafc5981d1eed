//! Writers change a table while the node is killed every few seconds, the server crashes once, and a column is added half-way.
//! The topic then holds each change once and in the order of the commits per key, and a second server the same table.
//!
//! `MILLSTREAM_FAULT_SECONDS` makes it longer.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_postgres::Client;

use super::run;
use super::server::{Server, rows, session_at};
use crate::process::{Node, PATIENCE, Seeded, millstream};

const KEYS: u64 = 300;

/// Every change has a version of its own, and a trigger notes it in the order of the commits per key: the row is locked.
const TABLES: &str = "
    CREATE SEQUENCE versions;
    CREATE TABLE t (id int PRIMARY KEY, version bigint NOT NULL, note text);
    CREATE TABLE history (at bigserial, id int, op text, version bigint);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'DELETE' THEN INSERT INTO history (id, op) VALUES (OLD.id, 'd');
        ELSE INSERT INTO history (id, op, version)
            VALUES (NEW.id, CASE TG_OP WHEN 'INSERT' THEN 'c' ELSE 'u' END, NEW.version);
        END IF;
        RETURN NULL; END $$;
    CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION note();
    INSERT INTO t SELECT i, nextval('versions'), 'first' FROM generate_series(0, 199) i";

const PIPELINE: &str = r#"
name: faults
topics: { changes: { partitions: 3 } }
sources:
  pg: { use: postgres-cdc, with: { url: !secret FROM_URL, tables: [public.t], chunk_rows: 50 }, to: changes }
sinks:
  copy: { from: changes, use: postgres, with: { url: !secret TO_URL, table: t, key: [id], evolve: true } }
"#;

/// Changes rows at random until told to stop, through crashes of the server; counts the commits.
async fn write(sql: Client, url: String, seed: u64, stop: Arc<AtomicBool>, commits: Arc<AtomicUsize>) {
    let mut seeded = Seeded::new(seed);
    let mut session = Some(sql);
    while !stop.load(Ordering::Relaxed) {
        let Some(sql) = &session else {
            session = session_at(&url).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let mut transaction = String::from("BEGIN;");
        for _ in 0..=seeded.below(4) {
            let id = seeded.below(KEYS);
            transaction.push_str(&match seeded.below(5) {
                0 => format!(
                    "INSERT INTO t VALUES ({id}, nextval('versions'), 'again') ON CONFLICT DO NOTHING;"
                ),
                1 => format!("DELETE FROM t WHERE id = {id};"),
                _ => format!(
                    "UPDATE t SET version = nextval('versions'), note = 'n{}' WHERE id = {id};",
                    seeded.below(9)
                ),
            });
        }
        transaction.push_str(if seeded.below(8) == 0 { "ROLLBACK" } else { "COMMIT" });
        match sql.batch_execute(&transaction).await {
            Ok(()) => _ = commits.fetch_add(1, Ordering::Relaxed),
            // A deadlock ends one of two transactions; a crash of the server the session.
            Err(_) if sql.batch_execute("ROLLBACK").await.is_err() => session = None,
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(seeded.below(4))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_arrives_once_and_in_order_through_kills_a_crash_and_a_new_column() {
    let seconds = std::env::var("MILLSTREAM_FAULT_SECONDS").ok().map_or(8, |text| text.parse().unwrap());
    let mut seeded = Seeded::from_environment(4);
    let (mut server, second) = (Server::start().await, Server::start().await);
    server.session().await.batch_execute(TABLES).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pipeline.yaml"), PIPELINE).unwrap();
    let variables = [("FROM_URL", server.url()), ("TO_URL", second.url())];
    let start = || Node::from_command(&mut run(folder.path(), &variables));
    let (stop, commits): (Arc<AtomicBool>, Arc<AtomicUsize>) = Default::default();
    let mut writers = Vec::new();
    for _ in 0..3 {
        let (sql, seed) = (server.session().await, seeded.below(u64::MAX));
        writers.push(tokio::spawn(write(sql, server.url(), seed, Arc::clone(&stop), Arc::clone(&commits))));
    }
    let begun = Instant::now();
    let half = Duration::from_secs(seconds) / 2;
    let (mut kills, mut changed) = (0, false);
    while begun.elapsed() < half * 2 || !changed {
        let node = start();
        tokio::time::sleep(Duration::from_millis(200 + seeded.below(2_000))).await;
        if begun.elapsed() >= half && !changed {
            changed = true;
            server
                .session()
                .await
                .batch_execute("ALTER TABLE t ADD COLUMN extra text DEFAULT 'x'")
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(seeded.below(500))).await;
            server.kill();
            server.boot().await;
            tokio::time::sleep(Duration::from_millis(seeded.below(1_000))).await;
        }
        node.kill();
        kills += 1;
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let sql = server.session().await;
    // Rows that only came with the new column's default are written once more, so that the copy learns of it.
    sql.batch_execute("UPDATE t SET version = nextval('versions')").await.unwrap();
    let node = start();
    let target = second.session().await;
    wait_for_copy(&sql, &target, &node).await;
    let arrived = consume(&node.kafka, folder.path());
    assert!(node.stop().success());
    let history = history(&sql).await;
    let changes: usize = history.values().map(Vec::len).sum();
    eprintln!("{kills} kills, {} commits, {changes} changes", commits.load(Ordering::Relaxed));
    assert!(changes > KEYS as usize, "{changes} changes are no test");
    for (key, changes) in &history {
        if let Err(reason) = follows(arrived.get(key).map_or(&[], Vec::as_slice), changes) {
            panic!("key {key}: {reason}\narrived {:?}\nhistory {changes:?}", arrived.get(key));
        }
    }
}

const ROWS: &str = "SELECT id, version, note, extra FROM t ORDER BY id";

async fn wait_for_copy(sql: &Client, target: &Client, node: &Node) {
    let expected = rows(sql, ROWS).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = match target.simple_query("SELECT extra FROM t LIMIT 1").await {
            Ok(_) => rows(target, ROWS).await,
            Err(_) => Vec::new(),
        };
        if found == expected {
            return;
        }
        let differ = || expected.iter().zip(&found).find(|(left, right)| left != right);
        assert!(
            Instant::now() < deadline,
            "{} of {} rows, first other one {:?}; {}",
            found.len(),
            expected.len(),
            differ(),
            node.said()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What happened to a key: `r`, `c`, `u` with the version, or `d`.
type Event = (String, Option<i64>);

async fn history(sql: &Client) -> HashMap<String, Vec<Event>> {
    let mut history: HashMap<String, Vec<Event>> = HashMap::new();
    for row in rows(sql, "SELECT id, op, version FROM history ORDER BY at").await {
        let fields: Vec<&str> = row.split('|').collect();
        history.entry(fields[0].to_owned()).or_default().push((fields[1].to_owned(), fields[2].parse().ok()));
    }
    history
}

/// The topic's records by key, in the order of their offsets.
fn consume(kafka: &str, folder: &Path) -> HashMap<String, Vec<Event>> {
    let arguments = ["consume", "changes", "--from-beginning", "--until-end", "--json", "--bootstrap", kafka];
    let output = millstream().current_dir(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut arrived: HashMap<String, Vec<Event>> = HashMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let headers = record["headers"].as_array().unwrap();
        let op = headers.iter().find(|header| header["key"] == "op").unwrap()["value"].as_str().unwrap();
        let key = record["key"].as_str().unwrap().to_owned();
        arrived.entry(key).or_default().push((op.to_owned(), record["value"]["version"].as_i64()));
    }
    arrived
}

/// Whether what arrived is what happened: perhaps the row as the snapshot found it, then every change since then.
fn follows(arrived: &[Event], history: &[Event]) -> Result<(), String> {
    let (read, changes) = match arrived {
        [(op, version), rest @ ..] if op == "r" => (Some(*version), rest),
        all => (None, all),
    };
    let Some(seen) = history.len().checked_sub(changes.len()) else {
        return Err(format!("{} changes arrived, {} happened", changes.len(), history.len()));
    };
    let (before, since) = history.split_at(seen);
    if changes != since {
        return Err("other changes arrived than happened last".to_owned());
    }
    match (read, before.last()) {
        // The row was there before the first change, or came with the last one before the snapshot.
        (Some(version), Some((op, then))) if op == "d" || *then != version => {
            Err("the snapshot is another".to_owned())
        }
        (None, Some((op, _))) if op != "d" => Err(format!("{} changes are missing", before.len())),
        _ => Ok(()),
    }
}
