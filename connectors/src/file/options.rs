//! What can be said about a file in a pipeline file.

use std::collections::BTreeMap;

use millstream_sdk::config::{self, ConfigOption, Diagnostic, Kind, Presence, Step};
use serde::Deserialize;
use serde_json::Value;

use super::parquet::Kind as ColumnKind;
use super::template::Template;

const FORMATS: Kind = Kind::Choice(&["json", "csv", "lines", "parquet"]);
const TYPES: &[&str] = &["text", "integer", "number", "boolean", "json"];

pub const SOURCE: &[ConfigOption] = &[
    ConfigOption {
        name: "path",
        kind: Kind::Text,
        presence: Presence::Required,
        doc: "a file, or a pattern such as logs/*.jsonl; relative to the pipeline file",
    },
    ConfigOption {
        name: "format",
        kind: FORMATS,
        presence: Presence::Default("\"json\""),
        doc: "json: one JSON value per line; csv and parquet: a JSON object per row; lines: each line as it is",
    },
    ConfigOption {
        name: "compression",
        kind: Kind::Choice(&["auto", "none", "gzip"]),
        presence: Presence::Default("\"auto\""),
        doc: "auto: gzip where the file begins as such, else none; a compressed file is read to its end and not followed",
    },
    ConfigOption {
        name: "follow",
        kind: Kind::Boolean,
        presence: Presence::Default("false"),
        doc: "go on at the end of the file as it grows, through rotation and truncation, and take up new files; a Parquet \
              file is waited for until it has its footer, and what replaces it is read next",
    },
    ConfigOption {
        name: "on_truncate",
        kind: Kind::Choice(&["restart", "fail"]),
        presence: Presence::Default("\"restart\""),
        doc: "a file that is cut or rewritten in place (logrotate's copytruncate): read it from its start, or fail, because \
              lines that were written just before may be lost",
    },
    ConfigOption {
        name: "header",
        kind: Kind::Boolean,
        presence: Presence::Default("true"),
        doc: "csv: the first row names the columns; without it give `columns`",
    },
    ConfigOption {
        name: "columns",
        kind: Kind::List(&Kind::Text),
        presence: Presence::Optional,
        doc: "csv: names of the columns, in place of the header's; parquet: which columns to read, in this order",
    },
    ConfigOption {
        name: "delimiter",
        kind: Kind::Character,
        presence: Presence::Default("\",\""),
        doc: "csv: what stands between fields",
    },
    ConfigOption {
        name: "types",
        kind: Kind::AnyOf(&[Kind::Choice(&["text", "infer"]), Kind::Map(&Kind::Choice(TYPES))]),
        presence: Presence::Default("\"text\""),
        doc: "csv: text keeps every field as text; infer makes numbers and booleans of what looks like them and \
              null of empty fields; an object names the type of some columns, the others stay text",
    },
];

pub const SINK: &[ConfigOption] = &[
    ConfigOption {
        name: "path",
        kind: Kind::Text,
        presence: Presence::Required,
        doc: "the file to write; its folder is made; relative to the pipeline file. {field}, {_topic}, {_partition} and {_key} \
              make many files of it, {field:%Y-%m-%d} and {_timestamp:%Y/%m/%d} write a time; a value that is missing or \
              null is __HIVE_DEFAULT_PARTITION__",
    },
    ConfigOption {
        name: "format",
        kind: FORMATS,
        presence: Presence::Default("\"json\""),
        doc: "json: one JSON value per line; csv and parquet: a row per JSON object; lines: each value as it is",
    },
    ConfigOption {
        name: "columns",
        kind: Kind::List(&Kind::Text),
        presence: Presence::Optional,
        doc: "csv and parquet: which fields to write, in this order; by default those of the first record (csv), or all as \
              they come: a new one begins a new file (parquet)",
    },
    ConfigOption {
        name: "header",
        kind: Kind::Boolean,
        presence: Presence::Default("true"),
        doc: "csv: begin with a row of column names",
    },
    ConfigOption {
        name: "delimiter",
        kind: Kind::Character,
        presence: Presence::Default("\",\""),
        doc: "csv: what stands between fields",
    },
    ConfigOption {
        name: "tombstones",
        kind: Kind::Choice(&["skip", "write"]),
        presence: Presence::Default("\"skip\""),
        doc: "records without a value: leave them out, or write them (json: null; else an empty line or row; parquet: a row \
              of nulls)",
    },
    ConfigOption {
        name: "existing",
        kind: Kind::Choice(&["fail", "append", "replace"]),
        presence: Presence::Default("\"fail\""),
        doc: "a file that is already there and was not written from this topic: refuse, write behind it, or \
              write it anew",
    },
    ConfigOption {
        name: "types",
        kind: Kind::Map(&Kind::Text),
        presence: Presence::Optional,
        doc: "parquet: the types of some columns, such as decimal(12,2), timestamptz, date, list<int32>, map<text> or \
              struct<lat: double>; the others get boolean, int64, double, text, list or struct by their values. What does \
              not fit a column exactly is rejected",
    },
    ConfigOption {
        name: "compression",
        kind: Kind::Choice(&["none", "snappy", "zstd", "gzip", "lz4"]),
        presence: Presence::Default("\"snappy\""),
        doc: "parquet: how pages are compressed",
    },
    ConfigOption {
        name: "row_group_rows",
        kind: Kind::Integer { min: 1, max: 10_000_000 },
        presence: Presence::Default("131072"),
        doc: "parquet: rows of a row group, of which at most 64 MiB are gathered",
    },
    ConfigOption {
        name: "file_bytes",
        kind: Kind::Integer { min: 1, max: i64::MAX },
        presence: Presence::Default("134217728"),
        doc: "parquet: a file of so many bytes is finished and the next begun; the first is called `path`, the others have a \
              number before their extension",
    },
    ConfigOption {
        name: "file_rows",
        kind: Kind::Integer { min: 1, max: i64::MAX },
        presence: Presence::Optional,
        doc: "parquet: the same for so many rows",
    },
    ConfigOption {
        name: "file_interval_ms",
        kind: Kind::Integer { min: 0, max: i64::MAX },
        presence: Presence::Default("60000"),
        doc: "parquet: how long rows may wait for their file to be finished, and their positions to be committed",
    },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Json,
    Csv,
    Lines,
    Parquet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    Text,
    Integer,
    Number,
    Boolean,
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Types {
    Infer,
    /// Columns that are not named are text.
    Named(BTreeMap<String, FieldType>),
}

impl<'de> Deserialize<'de> for Types {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Types, D::Error> {
        match Value::deserialize(from)? {
            Value::String(word) if word == "infer" => Ok(Types::Infer),
            Value::String(_) => Ok(Types::Named(BTreeMap::new())),
            named => serde_json::from_value(named).map(Types::Named).map_err(serde::de::Error::custom),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    Auto,
    None,
    Gzip,
}

/// What a file that was cut in place means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Truncation {
    Restart,
    Fail,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceOptions {
    pub path: String,
    pub format: Format,
    pub compression: Compression,
    pub follow: bool,
    pub on_truncate: Truncation,
    pub header: bool,
    pub columns: Option<Vec<String>>,
    pub delimiter: char,
    pub types: Types,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tombstones {
    Skip,
    Write,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Existing {
    Fail,
    Append,
    Replace,
}

/// How the pages of a Parquet file are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableCompression {
    None,
    Snappy,
    Zstd,
    Gzip,
    Lz4,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkOptions {
    pub path: String,
    pub format: Format,
    pub columns: Option<Vec<String>>,
    pub header: bool,
    pub delimiter: char,
    pub tombstones: Tombstones,
    pub existing: Existing,
    /// In the order they were given.
    #[serde(default)]
    pub types: serde_json::Map<String, Value>,
    pub compression: TableCompression,
    pub row_group_rows: usize,
    pub file_bytes: u64,
    pub file_rows: Option<u64>,
    pub file_interval_ms: u64,
}

impl SinkOptions {
    /// The types that were given.
    pub fn kinds(&self) -> Result<Vec<(String, ColumnKind)>, String> {
        let kind = |(name, written): (&String, &Value)| {
            let written = written.as_str().unwrap_or_default();
            let kind = ColumnKind::parse(written).map_err(|reason| format!("types.{name}: {reason}"))?;
            Ok((name.clone(), kind))
        };
        self.types.iter().map(kind).collect()
    }
}

/// Options that mean something for some formats only.
const SOURCE_FORMATS: &[(&str, &[&str])] = &[
    ("compression", &["json", "csv", "lines"]),
    ("header", &["csv"]),
    ("columns", &["csv", "parquet"]),
    ("delimiter", &["csv"]),
    ("types", &["csv"]),
];

pub fn check_source(config: &Value) -> Vec<Diagnostic> {
    let mut mistakes = config::check(SOURCE, config);
    check_formats(config, &mut mistakes, SOURCE_FORMATS);
    let text = |name: &str| config.get(name).and_then(Value::as_str);
    if let Some(error) = text("path").and_then(|path| glob::Pattern::new(path).err()) {
        mistakes.push(Diagnostic::of("path", format!("not a pattern: {}", error.msg)));
    }
    if text("compression") == Some("gzip") && config.get("follow") == Some(&Value::Bool(true)) {
        mistakes.push(Diagnostic::of("follow", "a compressed file cannot be followed"));
    }
    let headless = config.get("header") == Some(&Value::Bool(false)) && config.get("columns").is_none();
    if text("format") == Some("csv") && headless {
        mistakes.push(
            Diagnostic::of("header", "without a header row the columns need names")
                .with_hint("add `columns: [first, second]`"),
        );
    }
    mistakes
}

const SINK_FORMATS: &[(&str, &[&str])] = &[
    ("columns", &["csv", "parquet"]),
    ("header", &["csv"]),
    ("delimiter", &["csv"]),
    ("types", &["parquet"]),
    ("compression", &["parquet"]),
    ("row_group_rows", &["parquet"]),
    ("file_bytes", &["parquet"]),
    ("file_rows", &["parquet"]),
    ("file_interval_ms", &["parquet"]),
];

pub fn check_sink(config: &Value) -> Vec<Diagnostic> {
    let mut mistakes = config::check(SINK, config);
    check_formats(config, &mut mistakes, SINK_FORMATS);
    check_types(config, &mut mistakes);
    match config.get("path").and_then(Value::as_str).map(Template::parse) {
        Some(Err(reason)) => mistakes.push(Diagnostic::of("path", reason)),
        Some(Ok(Some(_))) if config["format"] == "csv" && config.get("columns").is_none() => {
            mistakes.push(
                Diagnostic::of("format", "many files of csv need `columns`, so that all have the same")
                    .with_hint("add `columns: [first, second]`"),
            );
        }
        _ => {}
    }
    mistakes
}

/// Types that are none, and types of columns that are not written.
fn check_types(config: &Value, mistakes: &mut Vec<Diagnostic>) {
    let Some(Value::Object(types)) = config.get("types") else {
        return;
    };
    let columns = config.get("columns").and_then(Value::as_array);
    for (name, written) in types {
        let at = || vec![Step::Key("types".to_owned()), Step::Key(name.clone())];
        if let Some(Err(reason)) = written.as_str().map(ColumnKind::parse) {
            mistakes.push(Diagnostic::new(at(), reason));
        }
        if columns.is_some_and(|columns| !columns.iter().any(|column| column == name)) {
            mistakes.push(Diagnostic::new(at(), format!("`{name}` is not one of `columns`")));
        }
    }
}

fn check_formats(config: &Value, mistakes: &mut Vec<Diagnostic>, options: &[(&str, &[&str])]) {
    let format = config.get("format").and_then(Value::as_str).unwrap_or("json");
    for (name, formats) in options {
        if !formats.contains(&format) && config.get(*name).is_some() {
            mistakes.push(Diagnostic::of(name, format!("`{name}` has no meaning for format {format}")));
        }
    }
    match config.get("delimiter").and_then(Value::as_str) {
        Some(text) if text.chars().count() == 1 && (!text.is_ascii() || "\"\n\r".contains(text)) => {
            let message = format!("{text:?} cannot stand between fields");
            mistakes.push(Diagnostic::of("delimiter", message).with_hint("take , ; | or a tab"));
        }
        _ => {}
    }
    let Some(Value::Array(columns)) = config.get("columns") else {
        return;
    };
    for (index, column) in columns.iter().enumerate() {
        if columns[..index].contains(column) {
            let message = format!("column {column} is named twice");
            mistakes.push(Diagnostic::of("columns", message));
        }
    }
}
