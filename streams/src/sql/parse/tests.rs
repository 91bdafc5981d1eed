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
    assert_eq!((window.size_ms, window.advance_ms, window.grace_ms), (60_000, Some(30_000), 7_200_000));
    assert_eq!(select.query.to_string(), "SELECT c, count(*) FROM o WHERE x GROUP BY c");
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
        "INSERT INTO t VALUES (1)",
        "SELECT 1 EMIT",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
    assert!(parse(&"SELECT -".repeat(20_000)).is_err());
    assert!(parse(" \n; ;").expect("nothing is a program").is_empty());
}
