use super::*;

fn one(text: &str) -> Body {
    parse(text).expect("the text parses").remove(0).body
}

fn refused(text: &str) -> String {
    let findings = parse(text).expect_err("the text is refused");
    findings.into_iter().map(|finding| finding.within("x.sql").to_string()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_declaration_carries_columns_watermark_and_options() {
    let body = one("CREATE STREAM orders (id BIGINT PRIMARY KEY, \"Amount\" DECIMAL(10, 2), at TIMESTAMP, \
         WATERMARK FOR at AS at - INTERVAL '5' SECOND) WITH (topic = 'o', partitions = 4, key.format = 'json');");
    let Body::Declare(declare) = body else { panic!("not a declaration: {body:?}") };
    let names: Vec<_> = declare.columns.iter().map(|column| column.name.text.as_str()).collect();
    assert_eq!(names, ["id", "Amount", "at"]);
    assert_eq!(declare.primary_key[0].text, "id");
    assert_eq!(declare.watermark.expect("a watermark").expression.to_string(), "at - INTERVAL '5' SECOND");
    let options: Vec<_> =
        declare.options.iter().map(|option| format!("{}={}", option.key.text, option.value)).collect();
    assert_eq!(options, ["topic=o", "partitions=4", "key.format=json"]);
}

#[test]
fn emit_is_not_taken_for_an_alias() {
    let Body::CreateAs(create) =
        one("CREATE TABLE t AS SELECT * FROM TUMBLE(o, at, INTERVAL '1' MINUTE) EMIT FINAL")
    else {
        panic!("not a query")
    };
    assert_eq!(create.select.emit, Some(Emit::Final));
    assert_eq!(create.select.query.to_string(), "SELECT * FROM TUMBLE(o, at, INTERVAL '1' MINUTE)");
}

#[test]
fn the_window_clause_is_read() {
    let Body::Select(select) = one(
        "SELECT c, count(*) FROM o WINDOW HOPPING (SIZE 1 MINUTE, ADVANCE BY 30 SECONDS, GRACE PERIOD 2 HOURS) \
             WHERE x GROUP BY c EMIT CHANGES",
    ) else {
        panic!("not a query")
    };
    let window = select.window.expect("a window");
    assert_eq!(window.kind, WindowClauseKind::Hopping { size_ms: 60_000, advance_ms: 30_000 });
    assert_eq!(window.grace_ms, 7_200_000);
    assert_eq!(select.query.to_string(), "SELECT c, count(*) FROM o WHERE x GROUP BY c");
}

#[test]
fn a_session_has_a_gap_and_perhaps_a_grace_period() {
    let Body::Select(select) =
        one("SELECT c FROM o WINDOW SESSION (30 SECONDS, GRACE PERIOD 1 DAY) GROUP BY c")
    else {
        panic!("not a query")
    };
    let window = select.window.expect("a window");
    assert_eq!((window.kind, window.grace_ms), (WindowClauseKind::Session { gap_ms: 30_000 }, 86_400_000));
}

#[test]
fn statements_that_ask_and_tell_are_read() {
    for (text, expected) in [
        ("SHOW functions", "Show(Functions)"),
        ("LIST STREAMS", "Show(Streams)"),
        (
            "DROP STREAM IF EXISTS x DELETE TOPIC",
            "Drop(Drop { what: Relation(Stream), name: x, if_exists: true, delete_topic: true })",
        ),
        (
            "DROP TABLE if",
            "Drop(Drop { what: Relation(Table), name: if, if_exists: false, delete_topic: false })",
        ),
        (
            "DROP QUERY orders-12",
            "Drop(Drop { what: Query, name: orders-12, if_exists: false, delete_topic: false })",
        ),
        ("TERMINATE QUERY x", "Drop(Drop { what: Query, name: x, if_exists: false, delete_topic: false })"),
        ("PAUSE QUERY orders-2", "Pause(One(orders-2))"),
        ("PAUSE query", "Pause(One(query))"),
        ("RESUME ALL", "Resume(All)"),
        ("DESC EXTENDED x", "Describe(x)"),
        ("DESCRIBE extended", "Describe(extended)"),
        ("EXPLAIN orders-2", "Explain(Name(orders-2))"),
    ] {
        // Places are not what this is about.
        let found = format!("{:?}", one(text));
        let mut shown = String::new();
        for (index, part) in found.split("Name { text: \"").enumerate() {
            match part.split_once("\", at: Position { line: ") {
                Some((name, rest)) if index > 0 => {
                    shown.push_str(name);
                    shown.push_str(rest.split_once("} }").expect("a place").1);
                }
                _ => shown.push_str(part),
            }
        }
        assert_eq!(shown, expected, "{text}");
    }
}

#[test]
fn rows_are_read_with_and_without_columns() {
    let Body::InsertValues(values) = one("INSERT INTO t (a, b) VALUES (1, 'x'), (1 + 1, NULL)") else {
        panic!("not rows")
    };
    assert_eq!(values.columns.len(), 2);
    let rows: Vec<String> = values.rows.iter().flatten().map(ToString::to_string).collect();
    assert_eq!(rows, ["1", "'x'", "1 + 1", "NULL"]);
    let Body::Insert(insert) = one("INSERT INTO t WITH (name = 'q') SELECT 1 FROM x") else {
        panic!("not a query")
    };
    assert_eq!(insert.options[0].value, "q");
    assert!(matches!(one("INSERT INTO t WITH a AS (SELECT 1 FROM x) SELECT * FROM a"), Body::Insert(_)));
}

#[test]
fn each_statement_knows_its_own_text() {
    let text = "-- first\nSHOW STREAMS ;\n\n  CREATE STREAM x AS\n  SELECT 'ä;ö' FROM y -- why\n;SHOW TABLES";
    let statements = parse(text).expect("the text parses");
    let texts: Vec<&str> = statements.iter().map(|statement| statement.text.as_ref()).collect();
    assert_eq!(texts, ["SHOW STREAMS", "CREATE STREAM x AS\n  SELECT 'ä;ö' FROM y", "SHOW TABLES"]);
}

#[test]
fn a_column_or_alias_may_be_called_emit_or_window() {
    let Body::Select(select) = one("SELECT a.emit, window FROM a") else { panic!("not a query") };
    assert_eq!((select.emit, select.window), (None, None));
}

#[test]
fn mistakes_are_pointed_at() {
    for (text, expected) in [
        ("CREAT STREAM x", "x.sql:1:1: expected a statement, but found `CREAT` (did you mean `create`?)"),
        ("CREATE STREM x", "x.sql:1:8: cannot create `strem` (did you mean `stream`?)"),
        (
            "CREATE STREAM x",
            "x.sql:1:16: expected `(`, WITH or AS, but the statement ends \
                             (declare columns in parentheses, or write AS SELECT …)",
        ),
        ("CREATE STREAM x (a BIGINT", "x.sql:1:26: expected `,` or `)`, but the statement ends"),
        (
            "CREATE STREAM x\nAS SELECT a b c FROM t",
            "x.sql:2:15: expected the end of the statement, but found `c`",
        ),
        (
            "SELECT a FROM t EMIT FINALLY",
            "x.sql:1:17: expected EMIT CHANGES or EMIT FINAL (did you mean `final`?)",
        ),
        ("SELECT 'abc", "x.sql:1:8: unterminated string literal"),
        ("SHOW TOPIC", "x.sql:1:6: cannot show `topic` (did you mean `topics`?)"),
        (
            "SELECT a FROM t WINDOW TUMBLING (SIZE 1 MINUT)",
            "x.sql:1:41: `minut` is not a unit of time \
                             (did you mean `minutes`?)",
        ),
        (
            "CREATE OR REPLACE STREAM IF NOT EXISTS x AS SELECT 1",
            "x.sql:1:26: OR REPLACE and IF NOT EXISTS contradict each other (write one)",
        ),
        (
            "INSERT INTO t (a) SELECT 1",
            "x.sql:1:15: a list of columns belongs to VALUES (a query's columns are \
             matched by position: select them in the order of the declaration)",
        ),
        ("PAUSE QUERY a-'b'", "x.sql:1:15: expected the rest of the query's name, but found `'b'`"),
        ("CREATE STREAM x (a BIGINT) WITH (topic 'x')", "x.sql:1:40: expected `=`, but found `'x'`"),
    ] {
        assert_eq!(refused(text), expected, "{text}");
    }
}

#[test]
fn every_bad_statement_is_reported_and_good_ones_between_do_not_hide_them() {
    let text = "CREAT x;\nSELECT 1;\nDROP VIEW y;";
    assert_eq!(refused(text).lines().count(), 2);
}

#[test]
fn hostile_text_is_refused_without_a_crash() {
    for text in [
        "(((((((((((((((((((((((((",
        "CREATE STREAM ( ) ) (",
        "SELECT ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1",
        "\u{0}\u{1}\u{2}",
        "CREATE TABLE t AS",
        "EXPLAIN EXPLAIN EXPLAIN",
        "INSERT INTO t VALUES",
        "EXPLAIN",
        "DROP QUERY -",
        "SELECT 1 EMIT",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
    assert!(parse(&"SELECT -".repeat(20_000)).is_err());
    assert!(parse(" \n; ;").expect("nothing is a program").is_empty());
}
