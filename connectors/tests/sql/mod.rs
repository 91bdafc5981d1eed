//! SQL databases: rows in by a rising column, topics out into tables.

mod mysql;
pub mod server;

use std::path::Path;

use millstream_sdk::plugin::Role;
use millstream_sdk::record::BatchBuilder;
use millstream_sdk::sink::{Sink, SinkBatch, SinkPosition};
use millstream_sdk::source::{PollLimits, Position, Source};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::postgres::server::Server;
use crate::{LIMITS, partition, position, read_to_end, sink, source, texts};

fn database(folder: &Path, sql: &str) -> Connection {
    let connection = Connection::open(folder.join("shop.db")).unwrap();
    connection.execute_batch(sql).unwrap();
    connection
}

fn rows(connection: &Connection, query: &str) -> Vec<String> {
    let mut statement = connection.prepare(query).unwrap();
    let count = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| {
        let field = |at| format!("{:?}", row.get_ref(at).unwrap());
        Ok((0..count).map(field).collect::<Vec<_>>().join(" "))
    };
    let shown = statement.query_map([], row).unwrap();
    shown.collect::<Result<_, _>>().unwrap()
}

async fn read_all(source: &dyn Source, position: Option<Position>) -> (Vec<String>, Option<Position>) {
    let splits = source.splits().await.unwrap();
    let mut reader = source.open(&splits[0], position).await.unwrap();
    read_to_end(reader.as_mut()).await
}

#[tokio::test]
async fn rows_of_a_file_are_read_once_with_their_types() {
    let folder = tempdir().unwrap();
    let sql = database(
        folder.path(),
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT, amount REAL, raw BLOB);
         INSERT INTO orders VALUES (3, 'c', 1e300, NULL), (1, 'a \"q\" \\ ' || char(10), 1.0, x'00ff'), (2, NULL, -2.5, NULL);",
    );
    let config = json!({ "url": "sqlite:shop.db", "table": "orders", "follow": false });
    let orders = source("sql", config, folder.path());
    assert!(orders.is_bounded());
    let (read, position) = read_all(orders.as_ref(), None).await;
    assert_eq!(
        read,
        [
            r#"{"id":1,"name":"a \"q\" \\ \n","amount":1.0,"raw":"\\x00ff"}"#,
            r#"{"id":2,"name":null,"amount":-2.5,"raw":null}"#,
            r#"{"id":3,"name":"c","amount":1e300,"raw":null}"#,
        ]
    );
    sql.execute_batch("INSERT INTO orders VALUES (7, 'd', 0, NULL)").unwrap();
    let (read, position) = read_all(orders.as_ref(), position).await;
    assert_eq!(read, [r#"{"id":7,"name":"d","amount":0.0,"raw":null}"#]);
    assert_eq!(read_all(orders.as_ref(), position).await.0, [""; 0]);
}

#[tokio::test]
async fn rows_of_one_cursor_stay_together_whatever_the_page() {
    let folder = tempdir().unwrap();
    let expected: Vec<(String, i64)> = (0..60).map(|n| (format!("t{:02}\\'", n / 7), n)).collect();
    let values: Vec<String> =
        expected.iter().map(|(at, n)| format!("('{}', {n})", at.replace('\'', "''"))).collect();
    database(
        folder.path(),
        &format!("CREATE TABLE e (at TEXT, n INTEGER); INSERT INTO e VALUES {}", values.join(",")),
    );
    for page in [1, 3, 7, 8, 100] {
        let config = json!({ "url": "sqlite:shop.db", "query": "SELECT * FROM e WHERE n <> 5;", "cursor": "at",
                             "follow": false, "page_rows": page });
        let events = source("sql", config, folder.path());
        let splits = events.splits().await.unwrap();
        let (mut read, mut position) = (Vec::new(), None);
        loop {
            // A new reader for every page, as after a crash.
            let mut reader = events.open(&splits[0], position.clone()).await.unwrap();
            let polled = reader.poll(LIMITS).await.unwrap();
            let numbers = texts(&polled.batch);
            read.extend(
                numbers.iter().map(|row| serde_json::from_str::<Value>(row).unwrap()["n"].as_i64().unwrap()),
            );
            position = polled.position.or(position);
            if polled.end_of_split {
                break;
            }
        }
        assert_eq!(read, (0..60).filter(|n| *n != 5).collect::<Vec<_>>(), "{page} rows a page");
    }
}

#[tokio::test]
async fn new_rows_of_postgresql_follow() {
    let server = Server::start().await;
    let sql = server.session().await;
    sql.batch_execute(
        "CREATE TABLE t (id bigint PRIMARY KEY, price numeric, at timestamptz, tags text[]);
         INSERT INTO t VALUES (10, 12345678901234567890.10, '2026-01-02 03:04:05Z', '{a,b}'), (9, NULL, NULL, NULL)",
    )
    .await
    .unwrap();
    let config = json!({ "url": server.url(), "table": "public.t", "interval_ms": 1 });
    let table = source("sql", config, Path::new("."));
    assert!(!table.is_bounded());
    let splits = table.splits().await.unwrap();
    let mut reader = table.open(&splits[0], None).await.unwrap();
    let first = reader.poll(LIMITS).await.unwrap();
    assert_eq!(
        texts(&first.batch),
        [
            r#"{"id":9,"price":null,"at":null,"tags":null}"#,
            r#"{"id":10,"price":12345678901234567890.10,"at":"2026-01-02T03:04:05+00:00","tags":["a","b"]}"#,
        ]
    );
    drop(reader);
    let mut reader = table.open(&splits[0], first.position).await.unwrap();
    let limits = PollLimits { wait: std::time::Duration::from_millis(50), ..LIMITS };
    assert!(reader.poll(limits).await.unwrap().batch.is_empty());
    sql.batch_execute("INSERT INTO t VALUES (100, 1, NULL, NULL)").await.unwrap();
    let mut polled = reader.poll(limits).await.unwrap();
    while polled.batch.is_empty() {
        polled = reader.poll(limits).await.unwrap();
    }
    assert_eq!(texts(&polled.batch), [r#"{"id":100,"price":1,"at":null,"tags":null}"#]);
}

async fn open(config: &Value, folder: &Path) -> (Box<dyn Sink>, Vec<SinkPosition>) {
    let mut sink = sink("sql", config.clone(), folder);
    let held = sink.open(&[partition(0)]).await.unwrap();
    (sink, held)
}

fn batch(first: i64, records: &[(Option<&str>, Option<&str>)]) -> SinkBatch {
    let mut builder = BatchBuilder::new();
    for (key, value) in records {
        builder.push(key.map(str::as_bytes), value.map(str::as_bytes), None);
    }
    SinkBatch {
        topic: "t".into(),
        partition: 0,
        offsets: (first..).take(records.len()).collect(),
        batch: builder.finish(),
    }
}

#[tokio::test]
async fn rows_and_positions_are_one_transaction_of_a_file() {
    let folder = tempdir().unwrap();
    let config =
        json!({ "url": "sqlite:shop.db", "table": "orders", "key": ["id"], "columns": { "day": "DATE" } });
    let (mut orders, held) = open(&config, folder.path()).await;
    assert_eq!(held, []);
    let records = [
        (None, Some(r#"{"id":1,"name":"a","amount":1.5,"ok":true,"tags":[1, 2],"day":"2026-01-01"}"#)),
        (None, Some(r#"{"id":2,"name":"b"}"#)),
        (None, Some(r#"{"id":1,"amount":2}"#)),
        (Some("3"), Some(r#"{"name":"from the key"}"#)),
        (None, Some("[]")),
        (Some("2"), None),
    ];
    let written = orders.write(batch(0, &records)).await.unwrap();
    let refused: Vec<_> =
        written.rejected.iter().map(|found| format!("{}: {}", found.row, found.reason)).collect();
    assert_eq!(refused, ["4: the value is not a JSON object"]);
    let watcher = Connection::open(folder.path().join("shop.db")).unwrap();
    assert!(
        rows(&watcher, "SELECT name FROM sqlite_master WHERE name = 'orders'").is_empty(),
        "not committed yet"
    );
    // Gone half-way: nothing of it stays.
    drop(orders);
    let (mut orders, held) = open(&config, folder.path()).await;
    assert_eq!(held, []);
    orders.write(batch(0, &records)).await.unwrap();
    orders.commit(&[position(0, 6)]).await.unwrap();
    assert_eq!(
        rows(&watcher, "SELECT id, name, amount, ok, tags, day FROM orders ORDER BY id"),
        [
            r#"Integer(1) Text([97]) Real(2.0) Integer(1) Text([91, 49, 44, 32, 50, 93]) Text([50, 48, 50, 54, 45, 48, 49, 45, 48, 49])"#,
            r#"Integer(3) Text([102, 114, 111, 109, 32, 116, 104, 101, 32, 107, 101, 121]) Null Null Null Null"#,
        ]
    );
    let written = orders.write(batch(6, &[(None, Some(r#"{"id":4,"more":1}"#))])).await.unwrap();
    let reason = "table `orders` has no column `more`; add it, or set `evolve: true`";
    assert_eq!(written.rejected.iter().map(|found| found.reason.as_str()).collect::<Vec<_>>(), [reason]);
    drop(orders);
    let evolving = json!({ "url": "sqlite:shop.db", "table": "orders", "evolve": true });
    let (mut orders, held) = open(&evolving, folder.path()).await;
    assert_eq!(held, [position(0, 6)]);
    orders.write(batch(6, &[(None, Some(r#"{"id":4,"more":"x"}"#))])).await.unwrap();
    orders.commit(&[position(0, 7)]).await.unwrap();
    assert_eq!(rows(&watcher, "SELECT id, more FROM orders WHERE id = 4"), ["Integer(4) Text([120])"]);
    // A sink that was overtaken by another must not go on.
    watcher.execute_batch("UPDATE millstream_positions SET next_offset = 9").unwrap();
    let error = orders.commit(&[position(0, 9)]).await.unwrap_err();
    assert!(error.to_string().contains("another task of this sink has moved it"), "{error}");
    assert_eq!(error.class().name(), "retryable");
}

#[tokio::test]
async fn modes_and_constraints_of_tables_hold() {
    let folder = tempdir().unwrap();
    let sql = database(
        folder.path(),
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER CHECK (n < 10)); CREATE TABLE log (n INTEGER)",
    );
    let put = async |config: Value, values: &[&str]| {
        let mut tables = sink("sql", config, folder.path());
        if let Err(error) = tables.open(&[partition(0)]).await {
            return vec![error.to_string()];
        }
        let records: Vec<_> = values.iter().map(|value| (None, Some(*value))).collect();
        match tables.write(batch(0, &records)).await {
            Err(error) => vec![error.to_string()],
            Ok(written) => {
                tables.commit(&[]).await.unwrap();
                written.rejected.iter().map(|found| format!("{}: {}", found.row, found.reason)).collect()
            }
        }
    };
    let url = "sqlite:shop.db";
    let refused =
        put(json!({ "url": url }), &[r#"{"id":1,"n":1}"#, r#"{"id":2,"n":10}"#, r#"{"id":3,"n":3}"#]).await;
    assert_eq!(refused, ["1: writing to t: CHECK constraint failed: n < 10"]);
    let refused =
        put(json!({ "url": url, "mode": "insert" }), &[r#"{"id":1,"n":7}"#, r#"{"id":4,"n":4}"#]).await;
    assert_eq!(refused, [""; 0]);
    assert_eq!(
        rows(&sql, "SELECT id, n FROM t"),
        ["Integer(1) Integer(1)", "Integer(3) Integer(3)", "Integer(4) Integer(4)"]
    );
    put(json!({ "url": url, "table": "log", "mode": "append" }), &[r#"{"n":1}"#, r#"{"n":1}"#]).await;
    assert_eq!(rows(&sql, "SELECT count(*) FROM log"), ["Integer(2)"]);
    let told = put(json!({ "url": url, "table": "log" }), &[r#"{"n":1}"#]).await.concat();
    assert!(told.starts_with("table `log` has no primary key; name the columns"), "{told}");
    let told = put(json!({ "url": url, "table": "new" }), &[r#"{"n":1}"#]).await.concat();
    assert!(told.starts_with("there is no table `new`, and to make it, its key must be known"), "{told}");
}

#[test]
fn mistakes_are_named() {
    let plugin = millstream_connectors::find("sql").unwrap();
    for (role, config, message) in [
        (Role::Source, json!({ "url": "sqlite:x" }), "missing option `table` or `query`"),
        (Role::Source, json!({ "url": "sqlite:x", "query": "SELECT 1" }), "a query needs `cursor`"),
        (Role::Source, json!({ "url": "mysql://h/d", "table": "t" }), "names no user"),
        (Role::Sink, json!({ "url": "file.db" }), "neither postgres://"),
        (Role::Sink, json!({ "url": "postgres://me@h/d", "tabel": "t" }), "unknown option `tabel`"),
    ] {
        let found = plugin.validate(role, &config);
        assert!(found.iter().any(|mistake| mistake.message.contains(message)), "{config}: {found:?}");
    }
}
