//! What is left in tables, whatever is cut off when.

use std::path::Path;

use millstream_sdk::record::BatchBuilder;
use millstream_sdk::sink::{Delivery, Sink, SinkBatch, SinkPosition, TopicPartition};
use serde_json::{Value, json};

use super::server::{Server, rows};

/// Key, value and operation of a record.
type Record<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>);

fn partition() -> TopicPartition {
    TopicPartition { topic: "orders".into(), topic_id: [7; 16], partition: 0 }
}

async fn open(server: &Server, options: Value) -> (Box<dyn Sink>, i64) {
    let mut config = json!({ "url": server.url(), "key": ["id"] });
    for (name, value) in options.as_object().unwrap() {
        config[name] = value.clone();
    }
    let mut sink = crate::sink("postgres", config, Path::new("."));
    let held = sink.open(&[partition()]).await.unwrap();
    let next = held.first().map_or(0, |held| held.next_offset);
    (sink, next)
}

fn batch(first: i64, records: &[Record<'_>]) -> SinkBatch {
    let mut builder = BatchBuilder::new();
    for (key, value, op) in records {
        if let Some(op) = op {
            builder.push_header("op", Some(op.as_bytes()));
        }
        builder.push(key.map(str::as_bytes), value.map(str::as_bytes), None);
    }
    let offsets = (first..).take(records.len()).collect();
    SinkBatch { topic: "orders".into(), partition: 0, offsets, batch: builder.finish() }
}

/// Writes and commits; gives the reasons of what was refused, each behind its row.
async fn put(sink: &mut dyn Sink, first: i64, records: &[Record<'_>]) -> Vec<String> {
    let written = sink.write(batch(first, records)).await.unwrap();
    let next_offset = first + records.len() as i64;
    sink.commit(&[SinkPosition { partition: partition(), next_offset }]).await.unwrap();
    written.rejected.iter().map(|rejection| format!("{}: {}", rejection.row, rejection.reason)).collect()
}

fn values<'a>(values: &[&'a str]) -> Vec<Record<'a>> {
    values.iter().map(|value| (None, Some(*value), None)).collect()
}

#[tokio::test]
async fn rows_replace_those_of_their_key_and_tombstones_delete() {
    let server = Server::start().await;
    let sql = server.session().await;
    let (mut sink, next) = open(&server, json!({ "columns": { "at": "timestamptz" } })).await;
    assert_eq!((sink.delivery(), next), (Delivery::Transactional, 0));
    let records = [
        (
            Some("1"),
            Some(r#"{"id":1,"amount":2.5,"tags":["a"],"at":"2026-01-02T03:04:05Z","note":null}"#),
            None,
        ),
        (Some("2"), Some(r#"{"id":2,"amount":1,"at":null,"note":"x\ty"}"#), None),
        (Some("1"), Some(r#"{"id":1,"amount":3}"#), None),
        (Some("3"), Some(r#"{"id":3}"#), None),
        (Some("3"), None, None),
    ];
    assert_eq!(put(sink.as_mut(), 0, &records).await, [""; 0]);
    let found =
        rows(&sql, "SELECT id, amount, tags, at AT TIME ZONE 'UTC', note FROM orders ORDER BY id").await;
    assert_eq!(found, ["1|3|[\"a\"]|2026-01-02 03:04:05|NULL", "2|1|NULL|NULL|x\ty"]);
    let records = [
        (Some("2"), None, None),
        (Some("2"), Some(r#"{"id":2,"note":"new"}"#), None),
        (Some("1"), Some(r#"{"id":1,"note":"__debezium_unavailable_value","amount":4}"#), None),
    ];
    assert_eq!(put(sink.as_mut(), 5, &records).await, [""; 0]);
    let found = rows(&sql, "SELECT id, amount, note FROM orders ORDER BY id").await;
    assert_eq!(found, ["1|4|NULL", "2|NULL|new"]);
    let records = [(None, None, Some("t")), (Some("9"), Some(r#"{"id":9}"#), None)];
    assert_eq!(put(sink.as_mut(), 8, &records).await, [""; 0]);
    assert_eq!(rows(&sql, "SELECT id FROM orders").await, ["9"]);
}

#[tokio::test]
async fn what_was_not_committed_leaves_nothing_and_an_overtaken_sink_stops() {
    let server = Server::start().await;
    let sql = server.session().await;
    let (mut sink, _) = open(&server, json!({})).await;
    put(sink.as_mut(), 0, &values(&[r#"{"id":1,"n":1}"#])).await;
    sink.write(batch(1, &values(&[r#"{"id":1,"n":2}"#]))).await.unwrap();
    drop(sink);
    let (mut old, next) = open(&server, json!({})).await;
    assert_eq!((next, rows(&sql, "SELECT n FROM orders").await), (1, vec!["1".to_owned()]));
    let (mut new, _) = open(&server, json!({})).await;
    put(new.as_mut(), 1, &values(&[r#"{"id":1,"n":2}"#])).await;
    old.write(batch(1, &values(&[r#"{"id":2,"n":2}"#]))).await.unwrap();
    let error = old.commit(&[SinkPosition { partition: partition(), next_offset: 2 }]).await.unwrap_err();
    assert!(error.to_string().contains("another task of this sink has moved it"), "{error}");
    drop(old);
    assert_eq!(rows(&sql, "SELECT id, n FROM orders").await, ["1|2"]);
    assert_eq!(open(&server, json!({})).await.1, 2);
}

#[tokio::test]
async fn records_that_fit_no_column_are_refused_alone() {
    let server = Server::start().await;
    let sql = server.session().await;
    sql.batch_execute("CREATE TABLE orders (id int PRIMARY KEY, n int CHECK (n < 10), tags text[])")
        .await
        .unwrap();
    let (mut sink, _) = open(&server, json!({})).await;
    let records = values(&[
        r#"{"id":1,"n":1,"tags":["a","b,c"]}"#,
        r#"{"id":2,"n":"many"}"#,
        "[]",
        r#"{"id":3,"n":3,"extra":1}"#,
        r#"{"id":4,"n":99}"#,
        r#"{"n":5}"#,
        r#"{"id":6,"n":6}"#,
    ]);
    let refused = put(sink.as_mut(), 0, &records).await;
    let starts = [
        "1: writing to orders: invalid input syntax for type integer: \"many\"",
        "2: the value is not a JSON object",
        "3: table `orders` has no column `extra`; add it, or set `evolve: true`",
        "4: writing to orders: new row for relation \"orders\" violates check constraint",
        "5: the record has no key",
    ];
    assert_eq!(refused.len(), starts.len(), "{refused:?}");
    for (reason, start) in refused.iter().zip(starts) {
        assert!(reason.starts_with(start), "{reason}");
    }
    assert_eq!(rows(&sql, "SELECT id, tags FROM orders ORDER BY id").await, ["1|{a,\"b,c\"}", "6|NULL"]);
    let (mut sink, _) = open(&server, json!({ "evolve": true })).await;
    assert_eq!(put(sink.as_mut(), 7, &values(&[r#"{"id":7,"extra":{"a":1}}"#])).await, [""; 0]);
    assert_eq!(rows(&sql, "SELECT extra->>'a' FROM orders WHERE id = 7").await, ["1"]);
}

#[tokio::test]
async fn rows_are_only_added_or_left_alone_where_that_is_wanted() {
    let server = Server::start().await;
    let sql = server.session().await;
    let (mut sink, _) = open(&server, json!({ "mode": "append", "table": "log" })).await;
    put(sink.as_mut(), 0, &values(&[r#"{"id":1}"#, r#"{"id":1}"#])).await;
    assert_eq!(rows(&sql, "SELECT count(*) FROM log").await, ["2"]);
    drop(sink);
    let (mut sink, next) = open(&server, json!({ "mode": "insert", "table": "kept" })).await;
    assert_eq!(next, 2);
    let records = values(&[r#"{"id":1,"n":1}"#, r#"{"id":1,"n":2}"#]);
    assert_eq!(put(sink.as_mut(), 2, &records).await, [""; 0]);
    assert_eq!(put(sink.as_mut(), 4, &values(&[r#"{"id":1,"n":3}"#])).await, [""; 0]);
    assert_eq!(rows(&sql, "SELECT id, n FROM kept").await, ["1|1"]);
    assert_eq!(put(sink.as_mut(), 5, &[(Some("1"), None, None)]).await.len(), 1);
}
