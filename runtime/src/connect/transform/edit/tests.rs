//! Each step on records, as people would write it and read it.

use millstream_sdk::record::BatchBuilder;
use serde_json::{Value, json};

use super::*;

/// A record as `key | value | headers`.
fn run(step: Value, values: &[&str]) -> Vec<String> {
    let (name, written) = step.as_object().unwrap().iter().next().unwrap();
    let kind = find(name).unwrap();
    let settings = kind.settings(written.clone());
    assert_eq!(kind.check(&settings), []);
    let mut edit = kind.make(&settings).unwrap();
    let mut given = BatchBuilder::new();
    for value in values {
        given.push_header("h", Some(b"1"));
        given.push(Some(b"k"), (*value != "null").then_some(value.as_bytes()), Some(5));
    }
    let mut shown = Vec::new();
    for row in given.finish().rows() {
        let mut to = BatchBuilder::new();
        match edit.apply(row, "db.public.orders", &mut to) {
            Ok(true) => shown.push(shown_row(to)),
            Ok(false) => shown.push("dropped".to_owned()),
            Err(reason) => shown.push(format!("error: {reason}")),
        }
    }
    shown
}

fn shown_row(to: BatchBuilder) -> String {
    let batch = to.finish();
    let row = batch.row(0).unwrap();
    let text =
        |part: Option<&[u8]>| part.map_or("-".to_owned(), |part| String::from_utf8_lossy(part).into_owned());
    let headers: Vec<String> = row.headers.map(|(name, value)| format!("{name}={}", text(value))).collect();
    let headers: Vec<String> = headers.into_iter().filter(|header| header != "h=1").collect();
    let mut shown = text(row.value);
    if row.key != Some(b"k") {
        shown = format!("{} → {shown}", text(row.key));
    }
    if row.timestamp_ms != Some(5) {
        shown = format!("{shown} at {:?}", row.timestamp_ms);
    }
    if headers.is_empty() { shown } else { format!("{shown} [{}]", headers.join(", ")) }
}

fn one(step: Value, value: &str) -> String {
    run(step, &[value]).remove(0)
}

#[test]
fn fields_are_renamed_dropped_and_kept_and_the_rest_stays_byte_for_byte() {
    let value = r#"{ "a" : 1.10, "b":{"c": "x","d":[1, 2]}, "e":null }"#;
    assert_eq!(
        one(json!({ "rename": { "a": "z", "b.c": "y", "none": "n" } }), value),
        r#"{"z":1.10,"b":{"y":"x","d":[1, 2]},"e":null}"#
    );
    assert_eq!(one(json!({ "drop": ["b.d", "e"] }), value), r#"{"a":1.10,"b":{"c":"x"}}"#);
    assert_eq!(one(json!({ "keep": ["b.c", "a", "none"] }), value), r#"{"c":"x","a":1.10}"#);
    assert_eq!(
        run(json!({ "drop": ["a"] }), &["null", "[1]", "{a}"]),
        [
            "-",
            "error: the value is no JSON object",
            "error: not JSON: expected a field name in quotes at byte 1",
        ]
    );
}

#[test]
fn values_are_cast_exactly_or_refused() {
    let cast = |kind: &str, raw: &str| one(json!({ "cast": { "v": kind } }), &format!("{{\"v\":{raw}}}"));
    for (kind, raw, expected) in [
        ("text", "1.10", r#"{"v":"1.10"}"#),
        ("text", r#""a\"b""#, r#"{"v":"a\"b"}"#),
        ("integer", r#"" 007 ""#, r#"{"v":7}"#),
        ("integer", "-2.9", r#"{"v":-2}"#),
        ("integer", "true", r#"{"v":1}"#),
        ("number", r#""1.10""#, r#"{"v":1.10}"#),
        ("number", r#"".5""#, r#"{"v":0.5}"#),
        ("boolean", r#""yes""#, r#"{"v":true}"#),
        ("json", r#""{\"a\": 1}""#, r#"{"v":{"a": 1}}"#),
        ("integer", "null", r#"{"v":null}"#),
        ("integer", r#""x""#, "error: cast: `v` is `x`, which is no 64-bit integer"),
        ("integer", "1e30", "error: cast: `v` is `1e30`, which is no 64-bit integer"),
        ("number", r#""NaN""#, "error: cast: `v` is `NaN`, which is no number"),
        ("boolean", "2", "error: cast: `v` is `2`, which is neither true nor false"),
    ] {
        assert_eq!(cast(kind, raw), expected, "{kind} {raw}");
    }
}

#[test]
fn fields_are_masked_hoisted_and_flattened() {
    let value = r#"{"email":"ann@x.org","card":{"number":1234567}}"#;
    assert_eq!(
        one(json!({ "mask": ["email"] }), value),
        r#"{"email":"***@*.***","card":{"number":1234567}}"#
    );
    assert_eq!(
        one(json!({ "mask": { "fields": ["card.number"], "keep": 4 } }), value),
        r#"{"email":"ann@x.org","card":{"number":"***4567"}}"#
    );
    assert_eq!(
        one(json!({ "mask": { "fields": ["email"], "with": "(hidden)" } }), r#"{"email":"a"}"#),
        r#"{"email":"(hidden)"}"#
    );
    assert_eq!(
        run(json!({ "hoist": "line" }), &["a \"b\"", "[1, 2]"]),
        [r#"{"line":"a \"b\""}"#, r#"{"line":[1, 2]}"#]
    );
    assert_eq!(
        one(json!({ "flatten": "_" }), r#"{"a":{"b":{"c":1},"d":[{"e":2}]},"f":{}}"#),
        r#"{"a_b_c":1,"a_d":[{"e":2}],"f":{}}"#
    );
}

#[test]
fn times_change_their_form() {
    let turn = |from: &str, to: &str, raw: &str| {
        one(json!({ "timestamp": { "field": "t", "from": from, "to": to } }), &format!("{{\"t\":{raw}}}"))
    };
    for (from, to, raw, expected) in [
        ("auto", "iso", "1767225600", r#"{"t":"2026-01-01T00:00:00Z"}"#),
        ("auto", "iso", "1767225600123", r#"{"t":"2026-01-01T00:00:00.123Z"}"#),
        ("auto", "milliseconds", r#""2026-01-01T01:00:00+01:00""#, r#"{"t":1767225600000}"#),
        ("seconds", "microseconds", "-1.5", r#"{"t":-1500000}"#),
        ("seconds", "milliseconds", "1767323045.25", r#"{"t":1767323045250}"#),
        ("milliseconds", "nanoseconds", r#""1767323045250.000001""#, r#"{"t":1767323045250000001}"#),
        ("seconds", "milliseconds", "1.5e3", r#"{"t":1500000}"#),
        ("%d.%m.%Y %H:%M", "iso", r#""31.12.2025 23:59""#, r#"{"t":"2025-12-31T23:59:00Z"}"#),
        ("iso", "%Y/%j", r#""2026-02-01""#, r#"{"t":"2026/032"}"#),
        ("iso", "iso", r#""soon""#, "error: timestamp: `t` is `soon`, which is no time"),
        ("iso", "iso", "null", r#"{"t":null}"#),
    ] {
        assert_eq!(turn(from, to, raw), expected, "{from} {to} {raw}");
    }
    let record = json!({ "timestamp": { "field": "t", "record": true } });
    assert_eq!(one(record, r#"{"t":1}"#), r#"{"t":"1970-01-01T00:00:01Z"} at Some(1000)"#);
    let kind = find("timestamp").unwrap();
    assert_eq!(kind.check(&json!({ "field": "t", "to": "%Q" })).len(), 1);
}

#[test]
fn keys_headers_and_topics_come_from_the_value() {
    let value = r#"{"id":7,"meta":{"trace":"abc"},"kind":"big"}"#;
    assert_eq!(one(json!({ "key": "id" }), value), format!("7 → {value}"));
    assert_eq!(
        one(json!({ "key": ["kind", "id"] }), value),
        format!("{{\"kind\":\"big\",\"id\":7}} → {value}")
    );
    assert_eq!(
        one(json!({ "header": { "t": "meta.trace", "none": "x" } }), value),
        format!("{value} [t=abc]")
    );
    assert_eq!(
        one(json!({ "header": { "headers": { "t": "meta.trace" }, "move": true } }), value),
        r#"{"id":7,"meta":{},"kind":"big"} [t=abc]"#
    );
    let routed = |topic: &str| format!("{value} [__millstream.topic={topic}]");
    assert_eq!(
        one(json!({ "route": { "pattern": r"^db\.public\.(.*)$", "to": "in.$1" } }), value),
        routed("in.orders")
    );
    assert_eq!(one(json!({ "route": { "pattern": "^other", "to": "x" } }), value), value);
    assert_eq!(
        one(json!({ "route": { "field": "kind", "pattern": "^b", "to": "orders.{field}" } }), value),
        routed("orders.big")
    );
    assert_eq!(find("route").unwrap().check(&json!({ "pattern": "(", "to": "x" })).len(), 1);
}

#[test]
fn change_events_become_rows() {
    let insert = r#"{"before":null,"after":{"id":1},"op":"c","ts_ms":9,"source":{"lsn":5}}"#;
    let delete = r#"{"schema":{},"payload":{"before":{"id":1},"after":null,"op":"d"}}"#;
    let truncate = r#"{"before":null,"after":null,"op":"t"}"#;
    assert_eq!(
        run(json!({ "unwrap": {} }), &[insert, delete, truncate, "null", "{}"]),
        [
            r#"{"id":1}"#,
            "-",
            "dropped",
            "-",
            "error: the value is no change event: it has no `op` with `before` or `after`"
        ]
    );
    assert_eq!(
        run(
            json!({ "unwrap": { "deletes": "rewrite", "tombstones": "drop", "fields": ["op", "source.lsn"], "headers": ["ts_ms"] } }),
            &[insert, delete, "null"]
        ),
        [
            r#"{"id":1,"__deleted":"false","__op":"c","__source_lsn":5} [__ts_ms=9]"#,
            r#"{"id":1,"__deleted":"true","__op":"d","__source_lsn":null} [__ts_ms=-]"#,
            "dropped"
        ]
    );
}

#[test]
fn rows_of_an_outbox_become_messages() {
    let row = r#"{"id":"e1","aggregatetype":"order","aggregateid":"42","type":"OrderCreated","payload":"{\"a\": 1}","tenant":"t"}"#;
    let message =
        r#"42 → {"a": 1} [id=e1, eventType=OrderCreated, tenant=t, __millstream.topic=outbox.event.order]"#;
    let step = || json!({ "outbox": { "headers": ["tenant"] } });
    assert_eq!(one(step(), row), message);
    assert_eq!(one(step(), &format!("{{\"before\":null,\"after\":{row},\"op\":\"c\"}}")), message);
    assert_eq!(one(step(), &format!("{{\"before\":{row},\"after\":null,\"op\":\"d\"}}")), "dropped");
    assert_eq!(one(step(), "{}"), "error: outbox: the row has no `aggregateid`");
}

#[test]
fn every_step_describes_itself_and_refuses_what_it_does_not_know() {
    for kind in edits() {
        assert!(
            !kind.doc.is_empty() && kind.options.iter().all(|option| !option.doc.is_empty()),
            "{}",
            kind.name
        );
        let mistakes = kind.check(&json!({ "nonsense": 1 }));
        assert!(
            mistakes.iter().any(|mistake| mistake.message.contains("nonsense")),
            "{}: {mistakes:?}",
            kind.name
        );
    }
}
