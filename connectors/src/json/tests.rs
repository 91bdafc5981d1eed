use super::*;

fn verdict(text: &str) -> bool {
    validate(text.as_bytes()).is_ok()
}

#[test]
fn agrees_with_serde_json_on_hand_picked_texts() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let mut texts: Vec<String> = [
        "{}",
        "[]",
        " { } ",
        "1",
        "-0",
        "01",
        "-",
        "1.",
        "1.5e",
        "1.5e+3",
        "1E-2",
        "+1",
        ".5",
        "true",
        "tru",
        "nulll",
        "\"\"",
        "\"a",
        "\"\\u12\"",
        "\"\\u12aF\"",
        "\"\\x\"",
        "\"\t\"",
        "\"tab\\t\"",
        "{\"a\":1}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "{\"a\":{\"b\":[1,2,{\"c\":null}]},\"d\":[[],{}]}",
        "[1,2",
        "[1 2]",
        "[1,]",
        "{\"a\":1}}",
        "",
        " ",
        "{\"ключ\":\"значение\"}",
        "[{}]",
        "{\"a\":[}",
        "\"0123456\\\"89\"",
        "\"\u{7f}\u{80}\u{ff}\"",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push(deep(100));
    for text in &texts {
        let expected = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        assert_eq!(verdict(text), expected, "{text}");
    }
    assert!(verdict(&deep(129)), "127 open brackets around an empty list");
    assert!(!verdict(&deep(200)));
}

#[test]
fn agrees_with_serde_json_on_every_one_byte_change() {
    let text = br#"{"id": "ak\n1", "m": -2.50e3, "l": [1, true, null, {"x": "\u00e9"}], "e": {}}"#;
    for at in 0..text.len() {
        for byte in 0..128u8 {
            let mut changed = text.to_vec();
            changed[at] = byte;
            // ASCII only: serde_json does not check UTF-8 in what it skips.
            let expected = serde_json::from_slice::<serde::de::IgnoredAny>(&changed).is_ok();
            assert_eq!(validate(&changed).is_ok(), expected, "{}", String::from_utf8_lossy(&changed));
        }
    }
}

#[test]
fn errors_say_where() {
    let error = validate(b"{\"a\":1,\"b\":x}").unwrap_err();
    assert_eq!(error.to_string(), "not JSON: expected a value at byte 11");
}

#[test]
fn fields_are_found_by_name_and_path() {
    let object = br#" {"a": 1, "n\"q": [1,2], "in": {"b": "x", "c": {"d": null}}, "x.y": 7, "a": 2} "#;
    let shown = |found: Option<&[u8]>| found.map(|raw| String::from_utf8_lossy(raw).into_owned());
    assert_eq!(shown(field(object, "a")).as_deref(), Some("1"));
    assert_eq!(shown(field(object, "n\"q")).as_deref(), Some("[1,2]"));
    assert_eq!(shown(field(object, "b")), None);
    assert_eq!(shown(path(object, "in.b")).as_deref(), Some("\"x\""));
    assert_eq!(shown(path(object, "in.c.d")).as_deref(), Some("null"));
    assert_eq!(shown(path(object, "x.y")).as_deref(), Some("7"));
    assert_eq!(shown(path(object, "zz")), None);
    assert_eq!(shown(field(b"[1]", "a")), None);
    assert_eq!(shown(field(b"{\"b\":1 \"a\":2}", "a")), None);
}

#[test]
fn strings_survive_the_way_out_and_in() {
    for text in ["", "plain", "q\"uote", "back\\slash", "line\nbreak\r\t\u{1}\u{1f}", "ключ 🦀"] {
        let mut escaped = Vec::new();
        push_escaped(text.as_bytes(), &mut escaped);
        assert!(validate(&escaped).is_ok());
        assert_eq!(serde_json::from_slice::<String>(&escaped).unwrap(), text);
        assert_eq!(unescape(&escaped[1..escaped.len() - 1]).unwrap(), text);
    }
    assert_eq!(unescape(br"\ud83e\udd80\u00e9\ud83e").unwrap(), "🦀é\u{fffd}");
    assert_eq!(unescape(br"\ud83").as_deref(), None);
}

#[test]
fn compact_drops_blanks_between_tokens_only() {
    let mut compacted = Vec::new();
    compact(b"{ \"a b\" :\n [ 1 , \"c \\\" d\" ] }", &mut compacted).unwrap();
    assert_eq!(compacted, b"{\"a b\":[1,\"c \\\" d\"]}");
}
