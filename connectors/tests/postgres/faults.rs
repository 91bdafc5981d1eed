//! Crashes, restarts and servers that are not as they should be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use millstream_sdk::error::ErrorClass;
use millstream_sdk::source::{PollLimits, Position, Source};
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::server::{Server, rows};
use super::{Change, capture, changes_of, lines, open, read};

/// A small generator of numbers, the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// The table as its changes leave it; a row's version must rise by one with each of its changes.
#[derive(Default)]
struct Rebuilt {
    rows: BTreeMap<String, Value>,
}

impl Rebuilt {
    fn apply(&mut self, change: &Change) {
        let key = change.key.clone().unwrap();
        let version = |row: &Value| row["version"].as_i64().unwrap();
        let known = self.rows.get(&key).map(version);
        match (&change.value, change.op.as_str(), known) {
            (None, ..) => {
                assert!(self.rows.remove(&key).is_some(), "{} was not there", change.line());
            }
            (Some(row), "u", Some(before)) => {
                assert_eq!(version(row), before + 1, "{} follows version {before}", change.line());
                self.rows.insert(key, row.clone());
            }
            (Some(row), "r" | "c", None) => {
                self.rows.insert(key, row.clone());
            }
            (Some(_), ..) => panic!("{} follows version {known:?}", change.line()),
        }
    }
}

async fn change_at_random(sql: Client, stop: Arc<AtomicBool>, seed: u64) {
    let mut random = Random(seed);
    while !stop.load(Ordering::Relaxed) {
        let mut transaction = String::from("BEGIN;");
        for _ in 0..=random.below(4) {
            let id = random.below(400);
            let command = match random.below(4) {
                0 => format!("INSERT INTO t VALUES ({id}, 0) ON CONFLICT DO NOTHING;"),
                1 => format!("DELETE FROM t WHERE id = {id};"),
                _ => format!("UPDATE t SET version = version + 1 WHERE id = {id};"),
            };
            transaction.push_str(&command);
        }
        transaction.push_str(if random.below(8) == 0 { "ROLLBACK" } else { "COMMIT" });
        // Two writers may deadlock; the server ends one of them.
        if sql.batch_execute(&transaction).await.is_err() {
            sql.batch_execute("ROLLBACK").await.unwrap();
        }
    }
}

/// Readers are dropped at any moment, before and after their batch is committed, while two writers change the table.
#[tokio::test]
async fn restarts_at_any_moment_lose_and_double_nothing() {
    let mut random = Random(7);
    let server = Server::start().await;
    let sql = server.session().await;
    sql.batch_execute("CREATE TABLE t (id int PRIMARY KEY, version int); INSERT INTO t SELECT i, 0 FROM generate_series(0, 299) i")
        .await
        .unwrap();
    let source = capture(&server, json!({ "chunk_rows": 20 }));
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for seed in [11, 12] {
        writers.push(tokio::spawn(change_at_random(server.session().await, Arc::clone(&stop), seed)));
    }
    let (mut rebuilt, mut position): (Rebuilt, Option<Position>) = Default::default();
    for _ in 0..25 {
        position = read_a_while(source.as_ref(), position, &mut random, &mut rebuilt).await;
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let expected: Vec<String> = rows(&sql, "SELECT id, version FROM t ORDER BY id::text COLLATE \"C\"").await;
    let found = |rebuilt: &Rebuilt| -> Vec<String> {
        rebuilt.rows.values().map(|row| format!("{}|{}", row["id"], row["version"])).collect()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut reader = open(source.as_ref(), position).await;
    while found(&rebuilt) != expected {
        assert!(Instant::now() < deadline, "{:?} is not {expected:?}", found(&rebuilt));
        let polled = reader.poll(super::LIMITS).await.unwrap();
        changes_of(&polled.batch).iter().for_each(|change| rebuilt.apply(change));
    }
}

async fn read_a_while(
    source: &dyn Source,
    mut position: Option<Position>,
    random: &mut Random,
    rebuilt: &mut Rebuilt,
) -> Option<Position> {
    let mut reader = open(source, position.clone()).await;
    for _ in 0..=random.below(12) {
        let limits = PollLimits {
            max_records: 1 + random.below(60) as usize,
            max_bytes: 1 << 20,
            wait: Duration::from_millis(20),
        };
        let polled = reader.poll(limits).await.unwrap();
        if random.below(6) == 0 {
            // The batch is lost before it is committed.
            return position;
        }
        changes_of(&polled.batch).iter().for_each(|change| rebuilt.apply(change));
        position = polled.position.or(position);
        if random.below(6) == 0 {
            // Committed here, but the server never hears of it.
            return position;
        }
        if let Some(position) = &position {
            reader.committed(position).await.unwrap();
        }
    }
    position
}

#[tokio::test]
async fn a_large_transaction_goes_on_where_it_was_cut() {
    let server = Server::start().await;
    let sql = server.session().await;
    sql.batch_execute("CREATE TABLE t (id int PRIMARY KEY)").await.unwrap();
    let source = capture(&server, json!({ "snapshot": "never" }));
    let mut reader = open(source.as_ref(), None).await;
    let (_, mut position) = read(reader.as_mut(), 0).await;
    sql.batch_execute("INSERT INTO t SELECT generate_series(1, 2000)").await.unwrap();
    let mut ids = Vec::new();
    while ids.len() < 2000 {
        drop(reader);
        reader = open(source.as_ref(), position.clone()).await;
        let polled = reader
            .poll(PollLimits { max_records: 300, wait: Duration::from_secs(5), ..super::LIMITS })
            .await
            .unwrap();
        ids.extend(
            changes_of(&polled.batch)
                .iter()
                .map(|change| change.value.as_ref().unwrap()["id"].as_i64().unwrap()),
        );
        position = polled.position.or(position);
    }
    assert_eq!(ids, (1..=2000).collect::<Vec<i64>>());
}

#[tokio::test]
async fn a_server_that_crashes_and_comes_back_goes_on() {
    let mut server = Server::start().await;
    let sql = server.session().await;
    sql.batch_execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await.unwrap();
    let source = capture(&server, json!({}));
    let mut reader = open(source.as_ref(), None).await;
    let (_, position) = read(reader.as_mut(), 1).await;
    sql.batch_execute("INSERT INTO t VALUES (2); CHECKPOINT").await.unwrap();
    server.kill();
    let deadline = Instant::now() + Duration::from_secs(30);
    let error = loop {
        assert!(Instant::now() < deadline, "the reader does not notice");
        match reader.poll(super::LIMITS).await {
            // What was on its way is not committed and comes again.
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.class(), ErrorClass::Retryable, "{error}");
    let split = &source.splits().await.unwrap()[0];
    let refused = source.open(split, position.clone()).await.err().unwrap();
    assert_eq!(refused.class(), ErrorClass::Retryable, "{refused}");
    server.boot().await;
    let mut reader = open(source.as_ref(), position).await;
    let (changes, _) = read(reader.as_mut(), 1).await;
    assert_eq!(lines(&changes), [r#"c 2 {"id":2}"#]);
}

#[tokio::test]
async fn what_does_not_fit_is_named_with_a_way_out() {
    let server = Server::start().await;
    let sql = server.session().await;
    sql.batch_execute("CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE keyless (id int); INSERT INTO orders VALUES (1)")
        .await
        .unwrap();
    let refused = async |options: Value, position: Option<Position>| {
        let source = capture(&server, options);
        let split = &source.splits().await.unwrap()[0];
        source.open(split, position).await.err().map(|error| format!("{}: {error}", error.class().name()))
    };
    assert_eq!(
        refused(json!({ "tables": ["public.order"] }), None).await.unwrap(),
        "config: there is no table `public.order` to capture; did you mean `public.orders`?"
    );
    let source = capture(&server, json!({ "tables": ["keyless"], "slot": "k" }));
    let mut reader = open(source.as_ref(), None).await;
    let error = loop {
        if let Err(error) = reader.poll(super::LIMITS).await {
            break error;
        }
    };
    assert!(error.to_string().contains("has no primary key"), "{error}");
    drop(reader);

    let options = json!({ "tables": ["orders"], "slot": "s" });
    let source = capture(&server, options.clone());
    let mut reader = open(source.as_ref(), None).await;
    let (_, position) = read(reader.as_mut(), 1).await;
    drop(reader);
    let drop_slot = "SELECT pg_drop_replication_slot('s')";
    let deadline = Instant::now() + Duration::from_secs(30);
    while sql.batch_execute(drop_slot).await.is_err() {
        assert!(Instant::now() < deadline, "the old session holds the slot");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let lost = refused(options, position.clone()).await.unwrap();
    assert!(lost.starts_with("config: replication slot `s` is gone, so changes may be missing"), "{lost}");
    let again = capture(&server, json!({ "tables": ["orders"], "slot": "s", "on_slot_loss": "resnapshot" }));
    let mut reader = open(again.as_ref(), position).await;
    assert_eq!(lines(&read(reader.as_mut(), 1).await.0), [r#"r 1 {"id":1}"#]);

    let plain = Server::with_level("replica").await;
    let source = capture(&plain, json!({}));
    let split = &source.splits().await.unwrap()[0];
    let error = source.open(split, None).await.err().unwrap();
    assert!(error.to_string().contains("set wal_level = logical"), "{error}");
}
