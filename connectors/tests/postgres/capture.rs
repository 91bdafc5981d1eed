//! What becomes of rows and changes.

use serde_json::json;

use super::server::{Server, rows};
use super::{capture, lines, open, read};

#[tokio::test]
async fn rows_come_first_and_changes_follow_in_the_order_of_commits() {
    let server = Server::start().await;
    let sql = server.session().await;
    sql.batch_execute(
        "CREATE TABLE orders (id int PRIMARY KEY, amount numeric(10,2), note text);
         INSERT INTO orders VALUES (1, 1.50, 'a'), (2, 2, NULL)",
    )
    .await
    .unwrap();
    let source = capture(&server, json!({}));
    let mut reader = open(source.as_ref(), None).await;
    let (changes, _) = read(reader.as_mut(), 2).await;
    let expected = [r#"r 1 {"id":1,"amount":1.5,"note":"a"}"#, r#"r 2 {"id":2,"amount":2.0,"note":null}"#];
    assert_eq!(lines(&changes), expected);
    sql.batch_execute(
        "INSERT INTO orders VALUES (3, 0, 'c');
         UPDATE orders SET note = 'b' WHERE id = 2;
         UPDATE orders SET id = 9 WHERE id = 1;
         DELETE FROM orders WHERE id = 3;
         ALTER TABLE orders ADD COLUMN extra jsonb DEFAULT '{\"a\": [1]}';
         INSERT INTO orders VALUES (4, 1, 'd');
         TRUNCATE orders",
    )
    .await
    .unwrap();
    let (changes, position) = read(reader.as_mut(), 7).await;
    let expected = [
        r#"c 3 {"id":3,"amount":0.0,"note":"c"}"#,
        r#"u 2 {"id":2,"amount":2.0,"note":"b"}"#,
        "d 1 -",
        r#"c 9 {"id":9,"amount":1.5,"note":"a"}"#,
        "d 3 -",
        r#"c 4 {"id":4,"amount":1.0,"note":"d","extra":{"a":[1]}}"#,
        "t - -",
    ];
    assert_eq!(lines(&changes), expected);
    drop(reader);
    // A later start goes on; what happened meanwhile comes then.
    sql.batch_execute("INSERT INTO orders VALUES (5, 1, 'e')").await.unwrap();
    let mut reader = open(source.as_ref(), position).await;
    let (changes, _) = read(reader.as_mut(), 1).await;
    assert_eq!(lines(&changes), [r#"c 5 {"id":5,"amount":1.0,"note":"e","extra":{"a":[1]}}"#]);
}

#[tokio::test]
async fn every_common_type_keeps_its_value() {
    let server = Server::start().await;
    let sql = server.session().await;
    sql.batch_execute(
        r#"CREATE TYPE mood AS ENUM ('sad', 'glad');
           CREATE DOMAIN price AS numeric CHECK (VALUE > 0);
           CREATE TYPE pair AS (a int, b text);
           CREATE TABLE t (id bigint PRIMARY KEY, b boolean, i smallint, n numeric, r real, f double precision, t text, v varchar(9),
               c char(3), by bytea, d date, ti time, ts timestamp, tz timestamptz, iv interval, u uuid, j json, jb jsonb, m mood, p price,
               ints int[], texts text[], nested int[], times timestamptz[], moods mood[], comp pair, rng int4range, ip inet);
           INSERT INTO t VALUES (9223372036854775807, true, -32768, 12345678901234567890.0123456789, 1.1, 0.1, E'a"b\\c\nd', 'v', 'c',
               '\x00ff', '2026-02-28', '23:59:59.999999', '2026-01-02 03:04:05.678901', '2026-01-02 03:04:05+02', '1 day 2 hours',
               '123e4567-e89b-12d3-a456-426614174000', '{"a" : 1}', '{"b": [null]}', 'glad', 9.99, '{1,NULL}', '{"x,y","NULL",NULL}',
               '{{1,2},{3,4}}', '{"2026-01-02 03:04:05+00"}', '{sad}', '(1,"x y")', '[1,5)', '10.0.0.1')"#,
    )
    .await
    .unwrap();
    let source = capture(&server, json!({}));
    let mut reader = open(source.as_ref(), None).await;
    let (read_rows, _) = read(reader.as_mut(), 1).await;
    sql.batch_execute("UPDATE t SET b = b").await.unwrap();
    let (changes, _) = read(reader.as_mut(), 1).await;
    // The values are compared as raw text elsewhere; here both ways must agree, and say this.
    assert_eq!(read_rows[0].value, changes[0].value);
    let value = changes[0].value.as_ref().unwrap();
    let expected = json!({
        "id": 9_223_372_036_854_775_807_i64, "b": true, "i": -32768, "r": 1.1, "f": 0.1, "t": "a\"b\\c\nd", "v": "v", "c": "c  ",
        "by": "\\x00ff", "d": "2026-02-28", "ti": "23:59:59.999999", "ts": "2026-01-02T03:04:05.678901",
        "tz": "2026-01-02T01:04:05Z", "iv": "P1DT2H", "u": "123e4567-e89b-12d3-a456-426614174000", "j": { "a": 1 },
        "jb": { "b": [null] }, "m": "glad", "p": 9.99, "ints": [1, null], "texts": ["x,y", "NULL", null],
        "nested": [[1, 2], [3, 4]], "times": ["2026-01-02T03:04:05Z"], "moods": ["sad"], "comp": "(1,\"x y\")",
        "rng": "[1,5)", "ip": "10.0.0.1"
    });
    for (name, wanted) in expected.as_object().unwrap() {
        assert_eq!(&value[name], wanted, "{name}");
    }
    assert_eq!(changes[0].key.as_deref(), Some("9223372036854775807"));
}

#[tokio::test]
async fn large_values_that_did_not_change_are_marked_or_taken_from_the_old_row() {
    let server = Server::start().await;
    let sql = server.session().await;
    sql.batch_execute(
        "CREATE TABLE t (id int PRIMARY KEY, big text, n int);
         ALTER TABLE t ALTER COLUMN big SET STORAGE EXTERNAL;
         CREATE TABLE f (id int PRIMARY KEY, big text, n int);
         ALTER TABLE f ALTER COLUMN big SET STORAGE EXTERNAL;
         ALTER TABLE f REPLICA IDENTITY FULL",
    )
    .await
    .unwrap();
    let source = capture(&server, json!({ "snapshot": "never" }));
    let mut reader = open(source.as_ref(), None).await;
    sql.batch_execute(
        "INSERT INTO t VALUES (1, repeat('x', 10000), 1); UPDATE t SET n = 2;
         INSERT INTO f VALUES (1, repeat('x', 10000), 1); UPDATE f SET n = 2; DELETE FROM f",
    )
    .await
    .unwrap();
    let (changes, _) = read(reader.as_mut(), 5).await;
    let ops: Vec<_> = changes.iter().map(|change| format!("{}{}", change.table, change.op)).collect();
    assert_eq!(ops, ["tc", "tu", "fc", "fu", "fd"]);
    let big = |at: usize| changes[at].value.as_ref().unwrap()["big"].as_str().unwrap().to_owned();
    assert_eq!(big(1), "__debezium_unavailable_value");
    assert_eq!(big(3), "x".repeat(10_000));
    assert_eq!(changes[4].key.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_snapshot_alone_is_bounded_and_debezium_has_its_envelope() {
    let server = Server::start().await;
    let sql = server.session().await;
    sql.batch_execute(
        "CREATE TABLE a (x int, y text, PRIMARY KEY (y, x)); INSERT INTO a SELECT i, 'k' || i % 7 FROM generate_series(1, 100) i;
         CREATE TABLE empty (id int PRIMARY KEY)",
    )
    .await
    .unwrap();
    let options = json!({ "snapshot": "only", "envelope": "debezium", "chunk_rows": 9 });
    let source = capture(&server, options);
    assert!(source.is_bounded());
    let mut reader = open(source.as_ref(), None).await;
    let mut changes = Vec::new();
    loop {
        let polled = reader.poll(super::LIMITS).await.unwrap();
        changes.extend(super::changes_of(&polled.batch));
        if polled.end_of_split {
            break;
        }
    }
    assert_eq!(changes.len(), 100);
    let mut keys: Vec<_> = changes.iter().map(|change| change.key.clone().unwrap()).collect();
    assert_eq!(keys[0], r#"{"y":"k0","x":7}"#);
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 100);
    let value = changes[0].value.as_ref().unwrap();
    assert_eq!(
        (&value["op"], &value["before"], &value["after"]["x"]),
        (&json!("r"), &json!(null), &json!(7))
    );
    assert_eq!(value["source"]["table"], "a");
}

#[tokio::test]
async fn a_quiet_table_lets_the_server_drop_its_log() {
    let server = Server::start().await;
    let sql = server.session().await;
    sql.batch_execute("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE busy (id int)").await.unwrap();
    let source = capture(&server, json!({ "tables": ["t"], "slot": "quiet" }));
    let mut reader = open(source.as_ref(), None).await;
    read(reader.as_mut(), 0).await;
    let behind = "SELECT pg_current_wal_lsn() - confirmed_flush_lsn > 1000000 FROM pg_replication_slots";
    sql.batch_execute("INSERT INTO busy SELECT generate_series(1, 100000)").await.unwrap();
    assert_eq!(rows(&sql, behind).await, ["t"]);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while rows(&sql, behind).await != ["f"] {
        assert!(std::time::Instant::now() < deadline, "the slot stays behind");
        let (changes, _) = read(reader.as_mut(), 0).await;
        assert_eq!(changes, []);
    }
}
