use super::*;
use millstream_sdk::record::BatchBuilder;

fn shown(applied: &Applied) -> Vec<String> {
    let text = |part: Option<&[u8]>| match part {
        Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        None => "-".to_owned(),
    };
    let mut lines = Vec::new();
    for (index, row) in applied.batch.rows().enumerate() {
        let headers: Vec<_> = row.headers.map(|(name, value)| format!(" {name}={}", text(value))).collect();
        let origin = applied.origin(index);
        lines.push(format!("{origin}: {} {}{}", text(row.key), text(row.value), headers.concat()));
    }
    for rejection in &applied.rejected {
        lines.push(format!("{}! {}", rejection.row, rejection.reason));
    }
    lines
}

fn run(steps: &[Step], values: &[Option<&str>]) -> Vec<String> {
    let mut chain = Chain::compile(steps).unwrap();
    let mut builder = BatchBuilder::new();
    for value in values {
        builder.push_header("h", Some(b"1"));
        builder.push(Some(b"k"), value.map(str::as_bytes), Some(5));
    }
    let at = Whereabouts { topic: "t", partition: None, offsets: None };
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.build().unwrap();
    shown(&runtime.block_on(chain.apply(builder.finish(), at)).unwrap())
}

fn script(text: &str, values: &[&str]) -> Vec<String> {
    let values: Vec<_> = values.iter().map(|value| Some(*value)).collect();
    run(&[Step::Script(text.to_owned())], &values)
}

#[test]
fn a_filter_and_a_map_keep_the_origin_of_each_record() {
    let steps = [
        Step::Filter("a > 1".to_owned()),
        Step::Map(vec![("b".to_owned(), "a * 10".to_owned())]),
        Step::Filter("b <> 30".to_owned()),
    ];
    let values = [
        Some(r#"{"a":1}"#),
        Some(r#"{"a":2,"c":"x"}"#),
        Some("{oops"),
        Some(r#"{"a":3}"#),
        Some(r#"{"a":4}"#),
    ];
    let lines = run(&steps, &values);
    assert_eq!(lines[..2], [r#"1: k {"a":2,"c":"x","b":20} h=1"#, r#"4: k {"a":4,"b":40} h=1"#]);
    assert!(lines[2].starts_with("2! "), "{}", lines[2]);
    assert_eq!(lines.len(), 3);
}

#[test]
fn conditions_and_maps_see_each_records_own_headers() {
    let mut builder = BatchBuilder::new();
    for (op, value) in [("c", Some(r#"{"amount":1}"#)), ("d", None), ("u", Some(r#"{"amount":2}"#))] {
        builder.push_header("lsn", Some(b"9"));
        builder.push_header("op", Some(op.as_bytes()));
        builder.push(Some(b"k"), value.map(str::as_bytes), None);
    }
    builder.push(None, Some(br#"{"amount":3,"op":"d"}"#), None);
    let steps = [
        Step::Filter("op <> 'd' AND amount > 0".to_owned()),
        Step::Map(vec![("how".to_owned(), "_headers['op']".to_owned())]),
    ];
    let mut chain = Chain::compile(&steps).unwrap();
    let at = Whereabouts { topic: "t", partition: None, offsets: None };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let lines = shown(&runtime.block_on(chain.apply(builder.finish(), at)).unwrap());
    assert_eq!(
        lines,
        [r#"0: k {"amount":1,"how":"c"} lsn=9 op=c"#, r#"2: k {"amount":2,"how":"u"} lsn=9 op=u"#]
    );
}

#[test]
fn a_script_changes_what_it_touches_and_nothing_else() {
    assert_eq!(
        script(
            "record.value.b = record.value.a + 1; record.value.remove(\"x\"); record.value.l.push(2);",
            &[r#"{"z":1.10,"a": 1 ,"x":0,"l":[ 1 ],"big":12345678901234567890}"#]
        ),
        [r#"0: k {"z":1.10,"a":1,"l":[1,2],"big":12345678901234567890,"b":2} h=1"#]
    );
    assert_eq!(script("let x = record.value.a;", &[r#"{ "a" : 1 }"#]), [r#"0: k { "a" : 1 } h=1"#]);
}

#[test]
fn a_script_can_set_keys_headers_and_timestamps() {
    assert_eq!(
        script(
            "record.key = record.value.id; record.headers.n = 7; record.headers.remove(\"h\"); \
             if record.timestamp != 5 { throw \"time\" } if record.topic != \"t\" { throw \"topic\" }",
            &[r#"{"id":9}"#]
        ),
        [r#"0: 9 {"id":9} n=7"#]
    );
}

#[test]
fn a_script_can_drop_fail_and_bury_records() {
    let text = "if record.value.a == 1 { record = (); } else if record.value.a == 2 { throw \"two\"; } \
                else if record.value.a == 3 { record.value = (); }";
    let lines = script(text, &[r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#, r#"{"a":4}"#]);
    assert_eq!(lines[..2], ["2: k - h=1", r#"3: k {"a":4} h=1"#]);
    assert!(lines[2].starts_with("1! script: Runtime error: two"), "{}", lines[2]);
}

#[test]
fn plain_text_stays_plain_text() {
    assert_eq!(script("record.value += \"!\";", &["hello world"]), ["0: k hello world! h=1"]);
    assert_eq!(script("record.value += \"!\";", &["\"json\""]), ["0: k \"json!\" h=1"]);
}

#[test]
fn an_endless_script_fails_its_record() {
    let lines = script("loop { }", &["{}"]);
    assert!(lines[0].contains("Too many operations"), "{}", lines[0]);
}

#[test]
fn what_a_record_does_not_have_is_said() {
    let lines = script("record.magnitude = 1;", &["{}"]);
    assert_eq!(lines, ["0! script: a record has no `magnitude`; fields of the value are record.value.…"]);
    let lines = script("record.topic = \"x\";", &["{}"]);
    assert_eq!(lines, ["0! script: record.topic cannot be changed"]);
}

#[test]
fn masking_keeps_the_shape() {
    assert_eq!(
        script(
            "record.value.m = mask(record.value.m); record.value.n = mask(record.value.n, 4);",
            &[r#"{"m":"ab-1@x.org","n":"4111 1111 1234"}"#]
        ),
        [r#"0: k {"m":"**-*@*.***","n":"**** **** 1234"} h=1"#]
    );
}

#[test]
fn mistakes_are_found_without_data_and_placed() {
    let at = |steps: &[Step]| match Chain::compile(steps) {
        Ok(_) => panic!("it should not compile"),
        Err(error) => (error.step, error.field.clone(), error.line, error.column),
    };
    let filter = Step::Filter("a > 1".to_owned());
    assert_eq!(at(&[filter.clone(), Step::Script("let a = 1;\nlet = 2;".to_owned())]), (1, None, 2, 5));
    let map = Step::Map(vec![("ok".to_owned(), "1".to_owned()), ("bad".to_owned(), "1 +".to_owned())]);
    assert_eq!(at(&[map]).1.as_deref(), Some("bad"));
}
