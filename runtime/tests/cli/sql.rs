//! Statements to a running server: `millstream sql`, `/v1/sql`, `/v1/queries`, and what a restart keeps.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::{get, millstream, server, wait_until};

const PROGRAM: &str = "CREATE STREAM orders (id BIGINT, country TEXT) WITH (key = 'country', partitions = 1);
CREATE TABLE totals AS SELECT country, count(*) AS n FROM orders GROUP BY country;
";

fn post(address: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST /v1/sql HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn statements_run_on_a_server_and_survive_its_restart() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("totals.sql"), PROGRAM).unwrap();
    let first = server(directory.path());
    let http = first.part("http").to_owned();
    let say = |http: &str, arguments: &[&str]| {
        let mut all = vec!["sql", "--node", http];
        all.extend(arguments);
        millstream(directory.path(), &all)
    };
    let created = say(&http, &["totals.sql"]).succeeded();
    assert_eq!(created, "STREAM `orders` created\nTABLE `totals` created\n");
    let insert = "INSERT INTO orders VALUES (1, 'NO'), (2, 'SE'), (3, 'NO')";
    assert_eq!(say(&http, &["-e", insert]).succeeded(), "rows for STREAM `orders`\n");
    let rows_in = |http: &str| {
        let answer = get(http, "/v1/queries/totals");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        serde_json::from_str::<serde_json::Value>(body).unwrap()
    };
    wait_until("the rows are counted", || rows_in(&http)["rows_out"].as_u64() >= Some(2));
    let query = rows_in(&http);
    assert_eq!(
        (&query["state"], &query["reads"][0], &query["writes"]),
        (&"running".into(), &"orders".into(), &"totals".into())
    );
    assert!(get(&http, "/metrics").contains("millstream_query_late_rows_total{query=\"totals\"} 0\n"));
    let shown = say(&http, &["--json", "-e", "SHOW TABLES"]).succeeded();
    assert_eq!(
        shown,
        "{\"name\":\"totals\",\"topic\":\"totals\",\"format\":\"json\",\"key\":[\"country\"],\"changes\":\"upsert\"}\n"
    );
    let refused = say(&http, &["-e", "DROP STREAM orders"]);
    assert_eq!(
        (refused.code, refused.stderr.as_str()),
        (Some(2), "-e:1:13: query `totals` still uses `orders` (drop what uses it first)\n")
    );
    first.kill();

    let second = server(directory.path());
    let http = second.part("http").to_owned();
    say(&http, &["-e", "INSERT INTO orders VALUES (4, 'NO')"]).succeeded();
    let kafka = second.part("kafka");
    wait_until("the count goes on", || {
        let read = ["consume", "totals", "--from-beginning", "--until-end", "--bootstrap", kafka];
        millstream(directory.path(), &read).stdout.contains(r#"{"country":"NO","n":3}"#)
    });
    assert_eq!(second.stop(), Some(0));
}

#[test]
fn http_takes_json_and_text_and_says_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path());
    let http = server.part("http");
    let created = post(http, "", r#"{"sql": "CREATE STREAM s (a INT)"}"#);
    assert!(created.starts_with("HTTP/1.1 200"), "{created}");
    assert!(
        created.contains(
            r#"{"results":[{"statement":"CREATE STREAM s (a INT)","message":"STREAM `s` created"}]}"#
        )
    );
    let lines = post(http, "Accept: application/x-ndjson\r\n", "DESCRIBE s");
    assert!(lines.contains("{\"column\":\"a\",\"type\":\"INT\",\"role\":\"\",\"note\":\"\"}\n"), "{lines}");
    let refused = post(http, "", "SHOW STREAMS;\nCREATE STREAM t AS SELECT b FROM s");
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    assert!(
        refused.contains(
            r#""errors":[{"line":2,"column":27,"message":"no column `b`","hint":"columns here: a"}]"#
        ),
        "{refused}"
    );
    assert!(post(http, "Origin: https://example.com\r\n", "SHOW STREAMS").starts_with("HTTP/1.1 403"));
    assert!(post(http, "", r#"{"sq": ""}"#).starts_with("HTTP/1.1 400"));
    assert!(get(http, "/v1/queries/none").starts_with("HTTP/1.1 404"));
    assert!(get(http, "/v1/queries").ends_with("[]"));
    let away = millstream(directory.path(), &["sql", "--node", "127.0.0.1:1", "-e", "SHOW STREAMS"]);
    assert_eq!(away.code, Some(1));
    assert!(away.stderr.starts_with("asking the node at 127.0.0.1:1: "), "{}", away.stderr);
}

#[test]
fn a_select_is_answered_as_a_table_or_line_by_line() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path());
    let http = server.part("http");
    post(
        http,
        "",
        "CREATE STREAM s (k TEXT, n INT) WITH (partitions = 1); INSERT INTO s VALUES ('a', 1), ('b', 2);",
    );
    let table = post(http, "", "SELECT n, k FROM s WHERE n > 1");
    assert!(table.contains(r#""columns":["n","k"]"#) && table.contains(r#""rows":[[2,"b"]]"#), "{table}");
    let lines = post(http, "Accept: application/x-ndjson\r\n", "SELECT n, k FROM s");
    assert!(
        lines.contains("{\"n\":1,\"k\":\"a\"}\n") && lines.contains("{\"n\":2,\"k\":\"b\"}\n"),
        "{lines}"
    );
    // It goes on for ever, so the client reads as much as it wants and goes.
    let mut stream = TcpStream::connect(http).unwrap();
    let body = "SELECT k FROM s EMIT CHANGES";
    let length = body.len();
    write!(stream, "POST /v1/sql HTTP/1.1\r\nHost: {http}\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut seen = String::new();
    let mut piece = [0; 1024];
    while !seen.contains("{\"k\":\"b\"}") {
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    let limited =
        millstream(directory.path(), &["sql", "--node", http, "-e", "SELECT k FROM s EMIT CHANGES LIMIT 1"]);
    assert_eq!(limited.succeeded(), "{\"k\":\"a\"}\n");
    let limited =
        millstream(directory.path(), &["sql", "--node", http, "-e", "SELECT k FROM s LIMIT 1 EMIT CHANGES"]);
    assert_eq!(limited.succeeded(), "{\"k\":\"a\"}\n");
    // A server that stops ends what would go on.
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn flags_say_how_often_queries_commit() {
    let directory = tempfile::tempdir().unwrap();
    let start = |flags: &[&str]| {
        let address = "127.0.0.1:0";
        let server = ["server", "--listen", address, "--http", address, "--data", "data"];
        super::Running::start(directory.path(), &[&server, flags].concat())
    };
    let counts = |http: &str| {
        let answer = get(http, "/v1/queries/totals");
        let query: serde_json::Value =
            serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        (query["rows_in"].as_u64().unwrap_or(0), query["commits"].as_u64().unwrap_or(0))
    };

    // Ten minutes are longer than this test waits for anything.
    let seldom = start(&["--commit-interval-ms", "600000", "--parallelism", "3"]);
    let http = seldom.part("http").to_owned();
    let say = |http: &str, sql: &str| {
        millstream(directory.path(), &["sql", "--node", http, "-e", sql]).succeeded();
    };
    say(&http, PROGRAM);
    say(&http, "INSERT INTO orders VALUES (1, 'NO'), (2, 'SE'), (3, 'NO')");
    wait_until("the rows are read", || counts(&http).0 == 3);
    assert_eq!(counts(&http), (3, 0));
    seldom.kill();

    let often = start(&["--commit-interval-ms", "20"]);
    let http = often.part("http").to_owned();
    wait_until("the rows are read again and committed", || counts(&http).0 == 3 && counts(&http).1 > 0);
    assert_eq!(often.stop(), Some(0));

    for (flag, value, says) in [
        ("--commit-interval-ms", "0", "0 is not in 1..=600000"),
        ("--parallelism", "0", "0 is not in 1..="),
        ("--state-memory-bytes", "1000", "1000 is not in "),
    ] {
        let refused = millstream(directory.path(), &["server", "--data", "other", flag, value]);
        assert_eq!(refused.code, Some(2), "{flag}: {}", refused.stderr);
        assert!(refused.stderr.contains(flag) && refused.stderr.contains(says), "{}", refused.stderr);
    }
}
