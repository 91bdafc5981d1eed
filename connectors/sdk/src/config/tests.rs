use super::*;
use serde::Deserialize;
use serde_json::json;

const OPTIONS: &[ConfigOption] = &[
    ConfigOption { name: "path", kind: Kind::Text, presence: Presence::Required, doc: "the file" },
    ConfigOption {
        name: "format",
        kind: Kind::Choice(&["json", "csv", "lines"]),
        presence: Presence::Default("\"json\""),
        doc: "how records are written",
    },
    ConfigOption {
        name: "limit",
        kind: Kind::Integer { min: 1, max: 10 },
        presence: Presence::Optional,
        doc: "how many",
    },
    ConfigOption {
        name: "types",
        kind: Kind::AnyOf(&[Kind::Choice(&["infer"]), Kind::Map(&Kind::Choice(&["text", "integer"]))]),
        presence: Presence::Optional,
        doc: "types of columns",
    },
];

fn mistakes(config: serde_json::Value) -> Vec<String> {
    check(OPTIONS, &config).iter().map(Diagnostic::to_string).collect()
}

#[test]
fn a_right_configuration_has_no_mistakes_and_gets_its_defaults() {
    #[derive(Deserialize)]
    struct Config {
        path: String,
        format: String,
        limit: Option<u32>,
    }
    let config = json!({ "path": "a", "types": { "n": "integer" } });
    assert_eq!(mistakes(config.clone()), Vec::<String>::new());
    let parsed: Config = parse(OPTIONS, &config).unwrap();
    assert_eq!((parsed.path.as_str(), parsed.format.as_str(), parsed.limit), ("a", "json", None));
}

#[test]
fn all_mistakes_are_reported_with_path_and_guess() {
    assert_eq!(
        mistakes(json!({ "formta": "json", "format": "jsn", "limit": 11, "types": { "n": "integr" } })),
        [
            "formta: unknown option `formta`; did you mean `format`?",
            "format: expected one of json, csv, lines, found `jsn`; did you mean `json`?",
            "limit: expected an integer from 1 to 10, found 11",
            "types.n: expected one of text, integer, found `integr`; did you mean `integer`?",
            "missing option `path` (the file)",
        ]
    );
    assert_eq!(mistakes(json!([1])), ["expected options as `name: value`, found a list"]);
    assert_eq!(
        mistakes(json!({ "path": 5, "zzz": 1 })),
        [
            "path: expected text, found the number 5",
            "zzz: unknown option `zzz`; known are: path, format, limit, types"
        ]
    );
}

#[test]
fn the_schema_says_the_same_as_the_check() {
    let schema = json_schema(OPTIONS);
    assert_eq!(schema["required"], json!(["path"]));
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(
        schema["properties"]["format"],
        json!({ "enum": ["json", "csv", "lines"], "description": "how records are written", "default": "json" })
    );
}

#[test]
fn guesses_are_near() {
    assert_eq!(closest("fromat", ["format", "path"]), Some("format"));
    assert_eq!(closest("wibble", ["format", "path"]), None);
    assert_eq!(closest("x", ["y"]), Some("y"));
}
