//! MariaDB in and out: types without loss, positions with the rows, a server that is killed, TLS.

use std::path::Path;

use millstream_sdk::sink::Sink;
use mysql_async::prelude::Queryable;
use serde_json::{Value, json};

use super::server::{Server, rows};
use super::{batch, read_all};
use crate::{LIMITS, partition, position, sink, source};

const TYPES: &str = "id BIGINT UNSIGNED PRIMARY KEY, small TINYINT, flag BOOLEAN, big BIGINT, price DECIMAL(40,10), filled DECIMAL(8,2) ZEROFILL, \
    single FLOAT, wide DOUBLE, bits BIT(64), day DATE, at DATETIME(6), stamp TIMESTAMP(3) NULL, span TIME(6), y YEAR, \
    name VARCHAR(50) CHARACTER SET latin1, note TEXT CHARACTER SET utf8mb4, raw BLOB, fixed BINARY(4), doc JSON, \
    kind ENUM('a','b'), tags SET('x','y','z'), uid UUID, address INET6, place POINT";

const VALUES: &str = "(18446744073709551615, -128, true, -9223372036854775808, 123456789012345678901234567890.0123456789, 7.5, \
     1.1, 0.1, b'1111111111111111111111111111111111111111111111111111111111111111', '9999-12-31', '2026-01-02 03:04:05.000006', \
     '2026-01-02 03:04:05.250', '-838:59:59.5', 2155, 'na\u{ef}ve \\\\ \\'q\\'', '\u{1F600}\\n\"', x'00ff5c', x'01', \
     '{\"a\": [1, 2.50,\\n \"x\"]}', 'b', 'x,z', '00112233-4455-6677-8899-aabbccddeeff', '::1', POINT(1, 2)), \
     (0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)";

const SHOWN: &str = "SELECT id, small, flag, big, price, filled, CAST(single AS DOUBLE), wide, HEX(bits), day, at, stamp, span, y, name, note, HEX(raw), \
     HEX(fixed), doc, kind, tags, uid, address, ST_AsText(place) FROM";

#[tokio::test]
async fn every_type_goes_through_json_and_back_without_loss() {
    let server = Server::start(&[]).await;
    let mut sql = server.session().await;
    sql.query_drop("SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'").await.unwrap();
    for table in ["t", "copy"] {
        sql.query_drop(format!("CREATE TABLE {table} ({TYPES})")).await.unwrap();
    }
    sql.query_drop(format!("INSERT INTO t VALUES {VALUES}")).await.unwrap();
    let table = source("sql", json!({ "url": server.url(), "table": "t", "follow": false }), Path::new("."));
    let (read, _) = read_all(table.as_ref(), None).await;
    assert_eq!(read.len(), 2, "{read:?}");
    for part in [
        r#""id":18446744073709551615,"small":-128,"flag":1,"big":-9223372036854775808,"#,
        r#""price":123456789012345678901234567890.0123456789,"filled":7.50,"single":1.1,"wide":0.1,"#,
        r#""bits":18446744073709551615,"day":"9999-12-31","at":"2026-01-02T03:04:05.000006","#,
        r#""stamp":"2026-01-02T03:04:05.250Z","span":"-838:59:59.500000","y":2155,"#,
        "\"name\":\"na\u{ef}ve \\\\ 'q'\",\"note\":\"\u{1F600}\\n\\\"\",",
        r#""raw":"\\x00ff5c","fixed":"\\x01000000","doc":{"a": [1, 2.50,  "x"]},"kind":"b","tags":"x,z","#,
        r#""uid":"00112233-4455-6677-8899-aabbccddeeff","address":"::1","#,
    ] {
        assert!(read[1].contains(part), "{part} is not in {}", read[1]);
    }
    assert!(read[0].starts_with(r#"{"id":0,"small":null"#), "{}", read[0]);
    let mut copy = sink("sql", json!({ "url": server.url(), "table": "copy" }), Path::new("."));
    copy.open(&[partition(0)]).await.unwrap();
    let records: Vec<_> = read.iter().map(|row| (None, Some(row.as_str()))).collect();
    let written = copy.write(batch(0, &records)).await.unwrap();
    assert_eq!(written.rejected, []);
    copy.commit(&[position(0, 2)]).await.unwrap();
    let normal = |row: String| row.replace("\n ", "  ");
    let expected: Vec<String> =
        rows(&mut sql, &format!("{SHOWN} t ORDER BY id")).await.into_iter().map(normal).collect();
    assert_eq!(rows(&mut sql, &format!("{SHOWN} copy ORDER BY id")).await, expected);
}

#[tokio::test]
async fn rows_follow_by_cursors_of_any_kind_and_zero_dates_are_named() {
    let server = Server::start(&[]).await;
    let mut sql = server.session().await;
    sql.query_drop("SET sql_mode = ''").await.unwrap();
    sql.query_drop(
        "CREATE TABLE c (n INT, t VARCHAR(9) COLLATE utf8mb4_general_ci, d DATETIME(3), f FLOAT, p DECIMAL(30,2), s TIME(2), b VARBINARY(9))",
    )
    .await
    .unwrap();
    let values: Vec<String> = (0..60)
        .map(|n| {
            let letter = if n % 2 == 0 { "a" } else { "A" };
            let group = n / 7;
            format!(
                "({n}, '{letter}{group}\\\\', '2026-01-01 00:00:{group:02}.{group:03}', {group}.1, 99999999999999999999999999{group}.25, \
                 '-00:00:{group:02}.5', '{group}')"
            )
        })
        .collect();
    sql.query_drop(format!("INSERT INTO c VALUES {}", values.join(","))).await.unwrap();
    for cursor in ["n", "t", "d", "f", "p", "s", "b", "N"] {
        for page in [1, 7, 8, 100] {
            let config = json!({ "url": server.url(), "query": "SELECT * FROM c WHERE n <> 5;", "cursor": cursor,
                                 "follow": false, "page_rows": page });
            let table = source("sql", config, Path::new("."));
            let splits = table.splits().await.unwrap();
            let (mut read, mut position) = (Vec::new(), None);
            loop {
                // A new reader for every page, as after a crash.
                let mut reader = table.open(&splits[0], position.clone()).await.unwrap();
                let polled = reader.poll(LIMITS).await.unwrap();
                let number =
                    |row: &String| serde_json::from_str::<Value>(row).unwrap()["n"].as_i64().unwrap();
                read.extend(crate::texts(&polled.batch).iter().map(number));
                position = polled.position.or(position);
                if polled.end_of_split {
                    break;
                }
            }
            read.sort_unstable();
            assert_eq!(
                read,
                (0..60).filter(|n| *n != 5).collect::<Vec<_>>(),
                "{page} rows a page by {cursor}"
            );
        }
    }
    sql.query_drop("CREATE TABLE z (id INT PRIMARY KEY, at DATETIME, kind ENUM('b','a')); INSERT INTO z VALUES (1, '0000-00-00', 'a'), (2, '2026-01-01', 'b')")
        .await
        .unwrap();
    let url = server.url();
    let dates = source("sql", json!({ "url": url, "table": "shop.z", "follow": false }), Path::new("."));
    let (read, _) = read_all(dates.as_ref(), None).await;
    assert_eq!(
        read,
        [
            r#"{"id":2,"at":"2026-01-01T00:00:00","kind":"b"}"#,
            "bad the row of cursor 1 column at: the date 0000-00-00 is none; set `zero_dates: \"null\"` to read such as null",
        ]
    );
    let config = json!({ "url": url, "table": "z", "follow": false, "zero_dates": "null", "cursor": "at" });
    let (read, _) = read_all(source("sql", config, Path::new(".")).as_ref(), None).await;
    assert_eq!(read[0], r#"{"id":1,"at":null,"kind":"a"}"#);
    assert_eq!(read.len(), 2);
    let listed = source("sql", json!({ "url": url, "table": "z", "cursor": "kind" }), Path::new("."));
    let mut reader = listed.open(&listed.splits().await.unwrap()[0], None).await.unwrap();
    let told = reader.poll(LIMITS).await.unwrap_err();
    assert!(told.to_string().contains("`kind` is no cursor"), "{told}");
}

#[tokio::test]
async fn tables_are_made_widened_and_written_with_their_positions() {
    let server = Server::start(&[]).await;
    let mut sql = server.session().await;
    let config = json!({ "url": server.url(), "table": "orders", "key": ["id"], "evolve": true });
    let open = async || {
        let mut orders = sink("sql", config.clone(), Path::new("."));
        let held = orders.open(&[partition(0)]).await.unwrap();
        (orders, held)
    };
    let (mut orders, held) = open().await;
    assert_eq!(held, []);
    let records = [
        (None, Some(r#"{"id":"a","n":1,"x":1.5,"ok":true,"tags":[1, 2],"huge":99999999999999999999}"#)),
        (None, Some(r#"{"id":"A","n":2}"#)),
        (None, Some(r#"{"id":"a","n":3}"#)),
        (Some("k"), Some(r#"{"n":4}"#)),
        (None, Some("[]")),
        (Some("A"), None),
    ];
    let written = orders.write(batch(0, &records)).await.unwrap();
    let refused: Vec<_> =
        written.rejected.iter().map(|found| format!("{}: {}", found.row, found.reason)).collect();
    assert_eq!(refused[0], "4: the value is not a JSON object");
    assert_eq!(rows(&mut sql, "SELECT count(*) FROM orders").await, ["0"], "not committed yet");
    // Gone half-way: nothing of it stays.
    drop(orders);
    let (mut orders, held) = open().await;
    assert_eq!(held, []);
    orders.write(batch(0, &records)).await.unwrap();
    // A column in the middle of a transaction: it is given up, and comes again with the column there.
    let more = [(None, Some(r#"{"id":"b","n":"many"}"#)), (None, Some(r#"{"id":"c","extra":"\u00e6"}"#))];
    let error = orders.write(batch(6, &more)).await.unwrap_err();
    assert_eq!(error.class().name(), "retryable", "{error}");
    let (mut orders, held) = open().await;
    assert_eq!(held, []);
    orders.write(batch(0, &records)).await.unwrap();
    let written = orders.write(batch(6, &more)).await.unwrap();
    let refused: Vec<_> =
        written.rejected.iter().map(|found| format!("{}: {}", found.row, found.reason)).collect();
    assert!(refused[0].starts_with("0: writing to orders: Incorrect integer value: 'many'"), "{refused:?}");
    orders.commit(&[position(0, 8)]).await.unwrap();
    assert_eq!(
        rows(&mut sql, "SELECT id, n, x, ok, tags, huge, extra FROM orders ORDER BY id").await,
        [
            "a|3|1.5|1|[1, 2]|99999999999999999999|NULL",
            "c|NULL|NULL|NULL|NULL|NULL|\u{e6}",
            "k|4|NULL|NULL|NULL|NULL|NULL"
        ]
    );
    // A sink that was overtaken by another must not go on.
    sql.query_drop("UPDATE millstream_positions SET next_offset = 9").await.unwrap();
    let error = orders.commit(&[position(0, 9)]).await.unwrap_err();
    assert!(error.to_string().contains("another task of this sink has moved it"), "{error}");
    assert_eq!(open().await.1, [position(0, 9)]);
}

/// Writes values by a sink of its own and gives what was refused.
async fn put(config: Value, values: &[&str]) -> Vec<String> {
    let mut tables = sink("sql", config, Path::new("."));
    tables.open(&[partition(0)]).await.unwrap();
    let records: Vec<_> = values.iter().map(|value| (None, Some(*value))).collect();
    match tables.write(batch(0, &records)).await {
        Err(error) => vec![error.to_string()],
        Ok(written) => {
            tables.commit(&[]).await.unwrap();
            written.rejected.iter().map(|found| format!("{}: {}", found.row, found.reason)).collect()
        }
    }
}

#[tokio::test]
async fn keys_engines_and_constraints_hold() {
    let server = Server::start(&["--max-allowed-packet=1M"]).await;
    let mut sql = server.session().await;
    sql.query_drop(
        "CREATE TABLE t (id INT PRIMARY KEY, email VARCHAR(20) UNIQUE, n INT CHECK (n < 10), s VARCHAR(3)); \
         CREATE TABLE log (n INT, s LONGTEXT); CREATE TABLE old (n INT PRIMARY KEY) ENGINE=MyISAM",
    )
    .await
    .unwrap();
    let url = server.url();
    let refused = put(
        json!({ "url": url, "table": "t" }),
        &[
            r#"{"id":1,"email":"a","n":1}"#,
            r#"{"id":2,"email":"a","n":2}"#,
            r#"{"id":3,"n":10}"#,
            r#"{"id":4,"s":"long"}"#,
            r#"{"id":5,"n":1.5}"#,
            r#"{"id":1,"n":5}"#,
        ],
    )
    .await;
    assert_eq!(refused.len(), 4, "{refused:?}");
    for (found, expected) in refused.iter().zip([
        "1: writing to t: Duplicate entry 'a'",
        "2: writing to t: CONSTRAINT",
        "3: writing to t: Data too long",
        "4: `1.5` is no whole",
    ]) {
        assert!(found.starts_with(expected), "{found}");
    }
    assert_eq!(
        put(
            json!({ "url": url, "table": "t", "mode": "insert" }),
            &[r#"{"id":1,"n":7}"#, r#"{"id":6,"n":6}"#]
        )
        .await,
        [""; 0]
    );
    assert_eq!(rows(&mut sql, "SELECT id, email, n FROM t").await, ["1|a|5", "6|NULL|6"]);
    let large = format!(r#"{{"n":1,"s":"{}"}}"#, "x".repeat(1 << 20));
    let half = format!(r#"{{"n":2,"s":"{}"}}"#, "y".repeat(600_000));
    let refused = put(
        json!({ "url": url, "table": "log", "mode": "append" }),
        &[&large, &half, &half, r#"{"n":3}"#, r#"{"n":3}"#],
    )
    .await;
    assert!(
        refused.len() == 1 && refused[0].contains("larger than the server's max_allowed_packet"),
        "{refused:?}"
    );
    assert_eq!(rows(&mut sql, "SELECT count(*), sum(length(s)) FROM log").await, ["4|1200000"]);
    for (table, config, expected) in [
        ("log", json!({}), "table `log` has no primary key"),
        ("old", json!({}), "is kept by MyISAM, which has no transactions"),
        ("new", json!({}), "its key must be known"),
        ("t", json!({ "key": ["n"] }), "no unique index of the columns n"),
        ("none", json!({ "create": false }), "there is no table `none`"),
    ] {
        let mut with = json!({ "url": url, "table": table });
        for (name, value) in config.as_object().unwrap() {
            with[name] = value.clone();
        }
        let told = put(with, &[r#"{"n":1}"#]).await.concat();
        assert!(told.contains(expected), "{told}");
    }
}

#[tokio::test]
async fn a_server_that_is_killed_loses_and_doubles_nothing() {
    let mut server = Server::start(&[]).await;
    server.restart().await;
    let config = json!({ "url": server.url(), "table": "log", "mode": "append" });
    let mut log: Option<Box<dyn Sink>> = None;
    let mut next = 0;
    for round in 0..40 {
        if round % 7 == 3 {
            server.kill();
        }
        if log.is_none() {
            let mut opened = sink("sql", config.clone(), Path::new("."));
            match opened.open(&[partition(0)]).await {
                Ok(held) => {
                    next = held.first().map_or(0, |held| held.next_offset);
                    log = Some(opened);
                }
                Err(error) => {
                    assert_eq!(error.class().name(), "retryable", "{error}");
                    server.boot().await;
                    continue;
                }
            }
        }
        let Some(open) = log.as_mut() else { continue };
        let values: Vec<String> = (next..next + 5).map(|n| format!("{{\"n\":{n}}}")).collect();
        let records: Vec<_> = values.iter().map(|value| (None, Some(value.as_str()))).collect();
        let outcome = match open.write(batch(next, &records)).await {
            Ok(_) => open.commit(&[position(0, next + 5)]).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => next += 5,
            Err(error) => {
                assert_eq!(error.class().name(), "retryable", "{error}");
                log = None;
            }
        }
    }
    let mut sql = server.session().await;
    let found = rows(&mut sql, "SELECT count(*), count(DISTINCT n), max(n) + 1 FROM log").await;
    assert_eq!(found, [format!("{next}|{next}|{next}")]);
    assert!(next >= 100, "{next}");
    // A reader whose server goes says so and goes on from its position.
    let table = source("sql", json!({ "url": server.url(), "table": "log", "cursor": "n" }), Path::new("."));
    let split = &table.splits().await.unwrap()[0];
    let mut reader = table.open(split, None).await.unwrap();
    let first = reader.poll(LIMITS).await.unwrap();
    server.kill();
    assert_eq!(
        reader.poll(crate::PollLimits { wait: crate::PATIENCE, ..LIMITS }).await.unwrap_err().class().name(),
        "retryable"
    );
    server.boot().await;
    server.session().await.query_drop(format!("INSERT INTO log VALUES ({next})")).await.unwrap();
    let mut reader = table.open(split, first.position).await.unwrap();
    assert_eq!(crate::texts(&reader.poll(LIMITS).await.unwrap().batch), [format!("{{\"n\":{next}}}")]);
}

#[tokio::test]
async fn tls_asks_for_what_the_url_says() {
    let tls = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http/tls");
    let (certificate, key) = (tls.join("certificate.pem"), tls.join("key.pem"));
    let server = Server::start(&[
        &format!("--ssl-cert={}", certificate.display()),
        &format!("--ssl-key={}", key.display()),
    ])
    .await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(&certificate, folder.path().join("ca.pem")).unwrap();
    let read = async |host: &str, options: &str| {
        let url = format!("mysql://me@{host}:{}/shop{options}", server.port);
        let query = "SELECT 1 AS id, VARIABLE_VALUE <> '' AS encrypted FROM information_schema.SESSION_STATUS \
                     WHERE VARIABLE_NAME = 'Ssl_cipher'";
        let config = json!({ "url": url, "query": query, "cursor": "id", "follow": false });
        let table = source("sql", config, folder.path());
        let split = table.splits().await.unwrap().remove(0);
        match table.open(&split, None).await {
            Ok(mut reader) => crate::read_to_end(reader.as_mut()).await.0,
            Err(error) => vec![format!("{}: {error}", error.class().name())],
        }
    };
    let row = [r#"{"id":1,"encrypted":1}"#];
    assert_eq!(read("localhost", "").await, row);
    assert_eq!(read("localhost", "?ssl-mode=required").await, row);
    assert_eq!(read("localhost", "?ssl-mode=verify-identity&ssl-ca=ca.pem").await, row);
    let stranger = read("localhost", "?ssl-mode=verify-ca").await;
    assert!(stranger[0].starts_with("config: connecting to MySQL"), "{stranger:?}");
    assert_eq!(read("localhost", "?ssl-mode=disabled").await, [r#"{"id":1,"encrypted":0}"#]);
    let bare = Server::start(&["--skip-ssl"]).await;
    let url = format!("mysql://me@127.0.0.1:{}/shop?ssl-mode=required", bare.port);
    let table = source("sql", json!({ "url": url, "table": "s" }), Path::new("."));
    let Err(told) = table.open(&table.splits().await.unwrap()[0], None).await else { panic!("it came in") };
    assert!(told.to_string().contains("the server offers no TLS"), "{told}");
}
