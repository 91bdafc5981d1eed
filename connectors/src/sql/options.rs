//! What can be said about a SQL database in a pipeline file.

use std::collections::BTreeMap;

use millstream_sdk::config::{self, ConfigOption, Diagnostic, Kind, Presence};
use serde::Deserialize;
use serde_json::Value;

const URL: ConfigOption = ConfigOption {
    name: "url",
    kind: Kind::Text,
    presence: Presence::Required,
    doc: "postgres://user:password@host:port/database, mysql://user:password@host:port/database (MariaDB too; with \
          ?ssl-mode=disabled, preferred, required, verify-ca or verify-identity, ssl-ca=FILE, socket=PATH), or sqlite:FILE \
          relative to the pipeline file",
};

pub(super) const SOURCE: &[ConfigOption] = &[
    URL,
    ConfigOption {
        name: "table",
        kind: Kind::Text,
        presence: Presence::Optional,
        doc: "the table to read, as name or schema.name",
    },
    ConfigOption {
        name: "query",
        kind: Kind::Text,
        presence: Presence::Optional,
        doc: "in place of a table, a SELECT whose rows are read",
    },
    ConfigOption {
        name: "cursor",
        kind: Kind::Text,
        presence: Presence::Optional,
        doc: "the column that rises from row to row; a table's primary key of one column without it",
    },
    ConfigOption {
        name: "follow",
        kind: Kind::Boolean,
        presence: Presence::Default("true"),
        doc: "go on with rows as they are added; false ends with those there are",
    },
    ConfigOption {
        name: "interval_ms",
        kind: Kind::Integer { min: 1, max: 86_400_000 },
        presence: Presence::Default("1000"),
        doc: "how long to wait before asking again when there was nothing more",
    },
    ConfigOption {
        name: "page_rows",
        kind: Kind::Integer { min: 1, max: 100_000 },
        presence: Presence::Default("5000"),
        doc: "rows that are asked for at a time; rows of the same cursor come together however many they are",
    },
    ConfigOption {
        name: "zero_dates",
        kind: Kind::Choice(&["fail", "null"]),
        presence: Presence::Default("\"fail\""),
        doc: "MySQL: what a date such as 0000-00-00 becomes: a bad record (see `on_error`), or null",
    },
];

pub(super) const SINK: &[ConfigOption] = &[
    URL,
    ConfigOption {
        name: "table",
        kind: Kind::Text,
        presence: Presence::Optional,
        doc: "the table to write; the topic's name without it",
    },
    ConfigOption {
        name: "mode",
        kind: Kind::Choice(&["upsert", "insert", "append"]),
        presence: Presence::Default("\"upsert\""),
        doc: "upsert: a row replaces that of its key, a record without value deletes it; insert: a row that is there stays; append: rows are only added",
    },
    ConfigOption {
        name: "key",
        kind: Kind::List(&Kind::Text),
        presence: Presence::Optional,
        doc: "the columns that tell rows apart; the table's primary key without it",
    },
    ConfigOption {
        name: "create",
        kind: Kind::Boolean,
        presence: Presence::Default("true"),
        doc: "make the table if it is not there, with columns as the first records need them",
    },
    ConfigOption {
        name: "evolve",
        kind: Kind::Boolean,
        presence: Presence::Default("false"),
        doc: "add a column for a field that the table lacks; without it such a record is refused",
    },
    ConfigOption {
        name: "columns",
        kind: Kind::Map(&Kind::Text),
        presence: Presence::Default("{}"),
        doc: "types of columns that are made, by name: { amount: numeric }",
    },
];

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceOptions {
    pub url: String,
    pub table: Option<String>,
    pub query: Option<String>,
    pub cursor: Option<String>,
    pub follow: bool,
    pub interval_ms: u64,
    pub page_rows: usize,
    pub zero_dates: ZeroDates,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ZeroDates {
    Fail,
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    Upsert,
    Insert,
    Append,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SinkOptions {
    pub url: String,
    pub table: Option<String>,
    pub mode: Mode,
    pub key: Option<Vec<String>>,
    pub create: bool,
    pub evolve: bool,
    pub columns: BTreeMap<String, String>,
}

pub(super) fn check_source(config: &Value) -> Vec<Diagnostic> {
    let mut mistakes = config::check(SOURCE, config);
    match (config.get("table").is_some(), config.get("query").is_some()) {
        (true, true) => mistakes.push(Diagnostic::of("query", "either `table` or `query`, not both")),
        (false, false) => {
            let missing = Diagnostic::new(Vec::new(), "missing option `table` or `query`");
            mistakes.push(missing.with_hint("add `table: orders`"));
        }
        (false, true) if config.get("cursor").is_none() => {
            let missing =
                Diagnostic::of("query", "a query needs `cursor`, the column that rises from row to row");
            mistakes.push(missing.with_hint("add `cursor: id`"));
        }
        _ => {}
    }
    mistakes
}
