use super::*;

fn parse_text(text: &str) -> (Option<Node>, String) {
    let mut report = Report::default();
    let file: Arc<str> = Arc::from("f.yaml");
    let node = parse(&file, text, &mut report);
    (node, report.render(false))
}

/// Shows a tree as one line per node: `line:column kind value`.
fn show(node: &Node, out: &mut String) {
    let Location { line, column, .. } = node.location;
    match &node.data {
        Data::Scalar(scalar) => {
            out.push_str(&format!("{line}:{column} {:?} {:?}\n", scalar.typed(), scalar.text));
        }
        Data::Sequence(items) => {
            out.push_str(&format!("{line}:{column} list\n"));
            items.iter().for_each(|item| show(item, out));
        }
        Data::Mapping(entries) => {
            for entry in entries {
                let at = &entry.key_location;
                out.push_str(&format!("{}:{} {}=\n", at.line, at.column, entry.key));
                show(&entry.value, out);
            }
        }
    }
}

#[test]
fn every_key_and_value_knows_its_place() {
    let (node, errors) = parse_text("a: 1\nb:\n  - x\n  - {c: \"2\", d: 1.5}\ne: !env HOME\n");
    assert_eq!(errors, "");
    let mut out = String::new();
    show(&node.unwrap(), &mut out);
    assert_eq!(
        out,
        "1:1 a=\n1:4 Integer(1) \"1\"\n2:1 b=\n3:3 list\n3:5 Text \"x\"\n4:6 c=\n4:9 Text \"2\"\n\
         4:14 d=\n4:17 Float(1.5) \"1.5\"\n5:1 e=\n5:9 Text \"HOME\"\n"
    );
}

#[test]
fn json_is_a_subset() {
    let (node, errors) = parse_text("{\"name\": \"x\", \"topics\": {\"t\": {\"partitions\": 4}}}\n");
    assert_eq!(errors, "");
    let node = node.unwrap();
    let partitions = node.get("topics").and_then(|topics| topics.get("t")).and_then(|t| t.get("partitions"));
    assert_eq!(partitions.unwrap().kind(), "a number");
}

#[test]
fn lines_of_a_block_are_found_again() {
    let text = "streams:\n  - sql: |\n\n      SELECT 1\n        FROM t\n";
    let (node, _) = parse_text(text);
    let node = node.unwrap();
    let Data::Sequence(items) = &node.get("streams").unwrap().data else { panic!("a list") };
    let Data::Scalar(scalar) = &items[0].get("sql").unwrap().data else { panic!("text") };
    assert_eq!(scalar.text, "\nSELECT 1\n  FROM t\n");
    let from = scalar.origin.locate(3, 3);
    assert_eq!((from.line, from.column), (5, 9));
}

#[test]
fn mistakes_are_placed() {
    for (text, expected) in [
        ("a: 1\na: 2\n", "f.yaml:2:1: duplicate key \"a\"; the first is at 1:1\n"),
        ("a: !x {b: 1}\n", "f.yaml:1:7: tag !x goes before one text value, not a collection\n"),
        ("? [a]\n: 1\n", "f.yaml:1:3: a key must be one word or text\n"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document in one file; use one file each\n"),
    ] {
        assert_eq!(parse_text(text).1, expected, "{text}");
    }
    let (node, errors) = parse_text("a: [1, 2\nb: 3\n");
    assert!(node.is_none());
    assert!(errors.starts_with("f.yaml:") && errors.contains("not valid YAML"), "{errors}");
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = String::from("a: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for (name, before) in [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d"), ("f", "e"), ("g", "f")] {
        let refs = vec![format!("*{before}"); 10].join(", ");
        text.push_str(&format!("{name}: &{name} [{refs}]\n"));
    }
    let (node, errors) = parse_text(&text);
    assert!(node.is_none());
    assert!(errors.contains("more than 200000 values"), "{errors}");
}

#[test]
fn scalars_follow_the_core_schema() {
    for (text, expected) in [
        ("", Typed::Null),
        ("~", Typed::Null),
        ("yes", Typed::Text),
        ("True", Typed::Boolean(true)),
        ("0x10", Typed::Integer(16)),
        ("-7", Typed::Integer(-7)),
        ("1e3", Typed::Float(1000.0)),
        ("1.2.3", Typed::Text),
        ("nan", Typed::Text),
        ("-.inf", Typed::Float(f64::NEG_INFINITY)),
    ] {
        assert_eq!(core_schema(text), expected, "{text}");
    }
}

#[test]
fn a_secret_does_not_show() {
    let origin = TextOrigin::Opaque(Location::start_of(&Arc::from("f")));
    let scalar = Scalar { text: "hunter2".into(), form: Form::Secret, tag: None, origin };
    assert!(!format!("{scalar:?}").contains("hunter2"));
}
