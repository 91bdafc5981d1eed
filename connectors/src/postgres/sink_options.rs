//! The options of the `postgres` sink.

use std::collections::BTreeMap;

use millstream_sdk::config::{ConfigOption, Kind, Presence};
use serde::Deserialize;

pub(super) const OPTIONS: &[ConfigOption] = &[
    ConfigOption {
        name: "url",
        kind: Kind::Text,
        presence: Presence::Required,
        doc: "postgres://user:password@host:port/database, with sslmode and sslrootcert as libpq knows them",
    },
    ConfigOption {
        name: "table",
        kind: Kind::Text,
        presence: Presence::Optional,
        doc: "the table to write, as name or schema.name; the topic's name without it",
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
        doc: "types of columns that are made, by name: { ordered_at: timestamptz }",
    },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    Upsert,
    Insert,
    Append,
}

#[derive(Clone, Deserialize)]
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
