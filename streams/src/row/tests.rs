//! Data in, text out: expressions over schemaless records.

use super::*;

const HEADERS: &[Header<'_>] =
    &[("op", Some(b"r")), ("op", Some(b"u")), ("no", None), ("raw", Some(&[0xff])), ("n", Some(b"12"))];

fn rows<'a>(values: &[&'a str]) -> Vec<RowView<'a>> {
    values
        .iter()
        .enumerate()
        .map(|(place, value)| RowView {
            key: Some(b"k1"),
            value: Some(value.as_bytes()),
            timestamp_ms: Some(1_517_364_000_000),
            topic: "orders",
            partition: Some(2),
            offset: Some(i64::try_from(place).unwrap()),
            headers: HEADERS,
        })
        .collect()
}

fn filtered(expression: &str, values: &[&str]) -> String {
    let verdicts = RowFilter::new(expression).unwrap().apply(&rows(values));
    let letter = |verdict: &Verdict| match verdict {
        Verdict::Keep => "+".to_owned(),
        Verdict::Drop => "-".to_owned(),
        Verdict::Error(reason) => format!("({reason})"),
    };
    verdicts.iter().map(letter).collect()
}

fn mapped(fields: &[(&str, &str)], values: &[&str]) -> Vec<String> {
    let fields: Vec<_> = fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let mapped = RowMap::new(&fields).unwrap().apply(&rows(values));
    let line = |row: usize| match &mapped.errors[row] {
        Some(reason) => format!("error: {reason}"),
        None => String::from_utf8(mapped.row(row).to_vec()).unwrap(),
    };
    (0..values.len()).map(line).collect()
}

#[test]
fn headers_have_names_of_their_own_and_stand_in_for_fields_that_are_not_there() {
    let values = [r#"{"op":"d","n":1}"#, r#"{"op":null}"#, r#"{"n":5}"#, "{}"];
    assert_eq!(filtered("op <> 'd'", &values), "--++");
    assert_eq!(filtered("_headers['op'] = 'u' AND _HEADERS.op <> 'd'", &values), "++++");
    assert_eq!(
        filtered("_headers['no'] IS NULL AND _headers['none'] IS NULL AND no IS NULL", &values),
        "++++"
    );
    assert_eq!(filtered("raw IS NULL AND _headers['raw'] IS NOT NULL", &values), "++++");
    assert_eq!(filtered("n > 4", &values), "-+++");
    assert_eq!(filtered("op.x IS NULL", &values), "++++");
    assert_eq!(
        mapped(&[("was", "_headers['op'] || n")], &values[2..]),
        [r#"{"n":5,"was":"u5"}"#, r#"{"was":"u12"}"#]
    );
    let told = RowFilter::new("_headers = 'x'").unwrap_err();
    assert_eq!(told.message, "`_headers` is all headers: name one, as in _headers['op']");
    // A deleted row has no value: its headers are what is known of it.
    let deleted = RowView { headers: &[("op", Some(b"d"))], ..RowView::default() };
    assert_eq!(RowFilter::new("op <> 'd' AND amount > 0").unwrap().apply(&[deleted]), [Verdict::Drop]);
    assert_eq!(RowFilter::new("op = 'd'").unwrap().apply(&[deleted]), [Verdict::Keep]);
}

#[test]
fn filters_by_the_fields_each_record_has() {
    let values = [
        r#"{"op":"c","amount":5}"#,
        r#"{"op":"d","amount":5}"#,
        r#"{"op":"c","amount":-1.5}"#,
        r#"{"op":"c"}"#,
        r#"{"op":"c","amount":null}"#,
        r#"{"op":"c","amount":"7"}"#,
    ];
    assert_eq!(filtered("op <> 'd' AND amount > 0", &values), "+----+");
    assert_eq!(filtered("amount IS NULL", &values), "---++-");
    assert_eq!(
        filtered("_topic = 'orders' AND _offset >= 4 AND _key LIKE 'k%' AND _partition = 2", &values),
        "----++"
    );
    assert_eq!(filtered("_timestamp >= TIMESTAMP '2018-01-31T02:00:00'", &values), "++++++");
    assert_eq!(filtered("now() > _timestamp", &values), "++++++");
}

#[test]
fn names_are_taken_to_the_letter_and_paths_go_inside() {
    let values = [r#"{"orderId":1,"geo":{"lat":59.5,"a b":1}}"#, r#"{"orderid":1,"geo":[1]}"#];
    assert_eq!(filtered("orderId = 1", &values), "+-");
    assert_eq!(filtered("geo.lat > 59", &values), "+-");
    assert_eq!(filtered("geo['a b'] = 1", &values), "+-");
    assert_eq!(filtered("\"orderid\" = 1", &values), "-+");
}

#[test]
fn a_record_that_cannot_be_judged_is_named_alone() {
    let values = [r#"{"a":4,"b":2}"#, r#"{"a":4,"b":0}"#, "[1]", r#"{"a":6,"b":3}"#];
    let verdicts = RowFilter::new("a / b = 2").unwrap().apply(&rows(&values));
    assert_eq!(verdicts[0], Verdict::Keep);
    assert!(
        matches!(&verdicts[1], Verdict::Error(reason) if reason.contains("ivide by zero")),
        "{verdicts:?}"
    );
    let reason = "the record's value is no JSON object: expected a JSON object at byte 0";
    assert_eq!(verdicts[2], Verdict::Error(reason.to_owned()));
    assert_eq!(verdicts[3], Verdict::Keep);
    assert_eq!(filtered("amount + 1", &[r#"{"amount":1}"#]), "(a filter must be true or false, not Int64)");
}

#[test]
fn maps_add_and_replace_and_leave_the_rest_as_it_was() {
    let lines = mapped(
        &[("total_cents", "amount * 100"), ("country", "upper(country)"), ("big", "amount > 10")],
        &[
            r#"{ "country" : "no", "amount":5, "x": 1.50 }"#,
            r#"{"amount":2.5,"country":null}"#,
            "{}",
            r#"{"amount":12,"big":"?","country":"a\"b"}"#,
        ],
    );
    assert_eq!(
        lines,
        [
            r#"{ "country" : "NO", "amount":5, "x": 1.50 ,"total_cents":500,"big":false}"#,
            r#"{"amount":2.5,"country":null,"total_cents":250.0,"big":false}"#,
            r#"{"total_cents":null,"country":null,"big":null}"#,
            r#"{"amount":12,"big":true,"country":"A\"B","total_cents":1200}"#,
        ]
    );
}

#[test]
fn a_records_result_does_not_depend_on_its_neighbours() {
    let values = [
        r#"{"a":1}"#,
        r#"{"a":1.5}"#,
        r#"{"a":"x"}"#,
        r#"{}"#,
        r#"{"a":true}"#,
        r#"{"a":[1]}"#,
        r#"{"a":2}"#,
    ];
    let fields = [("b", "a"), ("c", "coalesce(a, a)")];
    let together = mapped(&fields, &values);
    for (value, line) in values.iter().zip(&together) {
        assert_eq!(mapped(&fields, &[value]), std::slice::from_ref(line));
    }
    assert_eq!(together[0], r#"{"a":1,"b":1,"c":1}"#);
    assert_eq!(together[6], r#"{"a":2,"b":2,"c":2}"#);
}

#[test]
fn a_tombstone_stays_one() {
    let mapped = RowMap::new(&[("a".to_owned(), "1".to_owned())]).unwrap().apply(&[RowView::default()]);
    assert_eq!((mapped.row(0), &mapped.errors[0]), (&b""[..], &None));
}

#[test]
fn scalars_give_keys_and_timestamps() {
    let values =
        [r#"{"id":7,"at":"2018-01-31T02:00:00.5Z","n":"x"}"#, r#"{"at":1517364000500}"#, r#"{"at":"soon"}"#];
    let keys = RowScalar::new("concat(n, '-', CAST(id AS VARCHAR))").unwrap().texts(&rows(&values));
    assert_eq!(keys[0], Ok(Some(b"x-7".to_vec())));
    let instants = RowScalar::new("at").unwrap().instants_ms(&rows(&values));
    assert_eq!(instants[0], Ok(Some(1_517_364_000_500)));
    assert_eq!(instants[1], Ok(Some(1_517_364_000_500)));
    assert_eq!(instants[2], Err("`soon` is no timestamp".to_owned()));
    let missing = RowScalar::new("nothing").unwrap().texts(&rows(&values));
    assert_eq!(missing, [Ok(None), Ok(None), Ok(None)]);
}

#[test]
fn refuses_at_compile_time_with_the_place() {
    let refused = |text: &str| {
        let error = RowFilter::new(text).unwrap_err();
        format!("{}:{}: {}", error.line, error.column, error.message)
    };
    assert_eq!(refused("amount >"), "1:1: Expected: an expression, found: EOF");
    assert_eq!(refused("a = 1 b"), "1:7: expected the end of the expression, found `b`");
    assert_eq!(refused("a = 1\n AND uper(b) = 'X'"), "2:6: unknown function `uper`: did you mean `upper`?");
    assert_eq!(
        refused("sum(a) > 1"),
        "1:1: `sum` sees more than one record: write it as a statement under `streams`"
    );
    assert!(refused("a IN (SELECT 1)").contains("a subquery sees more than one record"));
    assert!(
        RowMap::new(&[("x".to_owned(), "1 +".to_owned())]).unwrap_err().message.starts_with("field `x`: ")
    );
}
