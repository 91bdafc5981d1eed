//! The options of `postgres-cdc`.

use millstream_sdk::config::{ConfigOption, Kind, Presence};
use serde::Deserialize;

use super::table::Envelope;

pub(super) const OPTIONS: &[ConfigOption] = &[
    ConfigOption {
        name: "url",
        kind: Kind::Text,
        presence: Presence::Required,
        doc: "postgres://user:password@host:port/database, with sslmode and sslrootcert as libpq knows them",
    },
    ConfigOption {
        name: "tables",
        kind: Kind::List(&Kind::Text),
        presence: Presence::Required,
        doc: "schema.table each; * stands for any letters",
    },
    ConfigOption {
        name: "snapshot",
        kind: Kind::Choice(&["initial", "never", "only"]),
        presence: Presence::Default("\"initial\""),
        doc: "initial: the rows there are, then all changes; never: changes from now on; only: the rows, then the source is drained",
    },
    ConfigOption {
        name: "envelope",
        kind: Kind::Choice(&["plain", "debezium"]),
        presence: Presence::Default("\"plain\""),
        doc: "plain: the row, a deleted one without a value; debezium: before, after, source and op",
    },
    ConfigOption {
        name: "tombstones",
        kind: Kind::Boolean,
        presence: Presence::Default("true"),
        doc: "behind a deletion in Debezium's envelope, a record without a value",
    },
    ConfigOption {
        name: "truncate",
        kind: Kind::Choice(&["emit", "skip", "fail"]),
        presence: Presence::Default("\"emit\""),
        doc: "what a TRUNCATE becomes: a record without key and value and with header op = t, nothing, or a failure",
    },
    ConfigOption {
        name: "slot",
        kind: Kind::Text,
        presence: Presence::Optional,
        doc: "name of the replication slot; millstream_<pipeline>_<source> without it. Made if it is not there",
    },
    ConfigOption {
        name: "publication",
        kind: Kind::Text,
        presence: Presence::Optional,
        doc: "name of the publication; that of the slot without it. Made if it is not there",
    },
    ConfigOption {
        name: "on_slot_loss",
        kind: Kind::Choice(&["fail", "resnapshot"]),
        presence: Presence::Default("\"fail\""),
        doc: "when the slot is gone, or ahead of what is stored: stop with the reason, or read all rows again",
    },
    ConfigOption {
        name: "max_slot_lag",
        kind: Kind::Integer { min: 1 << 20, max: i64::MAX },
        presence: Presence::Default("1073741824"),
        doc: "warn when the server keeps more bytes of its log than this for us",
    },
    ConfigOption {
        name: "chunk_rows",
        kind: Kind::Integer { min: 1, max: 1_000_000 },
        presence: Presence::Default("16384"),
        doc: "rows that a snapshot reads at a time, and that are committed together; fewer where they are large",
    },
    ConfigOption {
        name: "snapshot_tables",
        kind: Kind::Integer { min: 1, max: 32 },
        presence: Presence::Default("2"),
        doc: "tables that are read at the same time, a session each",
    },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Snapshot {
    Initial,
    Never,
    Only,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Truncate {
    Emit,
    Skip,
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SlotLoss {
    Fail,
    Resnapshot,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    pub url: String,
    pub tables: Vec<String>,
    pub snapshot: Snapshot,
    pub envelope: Envelope,
    pub tombstones: bool,
    pub truncate: Truncate,
    pub slot: Option<String>,
    pub publication: Option<String>,
    pub on_slot_loss: SlotLoss,
    pub max_slot_lag: u64,
    pub chunk_rows: u64,
    pub snapshot_tables: usize,
}
