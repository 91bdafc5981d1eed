//! Change events in Debezium's envelope: back to plain rows (`unwrap`), and rows of an outbox table to the messages they
//! hold (`outbox`).

use millstream_sdk::config::{self, ConfigOption, Kind, Presence};
use millstream_sdk::record::{BatchBuilder, Row, TOPIC_HEADER};
use serde::Deserialize;

use super::fields::is_absent;
use super::object::{Object, plain, quoted};
use super::{Edit, EditKind};

pub const UNWRAP: EditKind = EditKind {
    name: "unwrap",
    doc: "Takes rows out of Debezium's envelope (`before`, `after`, `op`), with or without its schema around them.",
    options: &[
        ConfigOption {
            name: "deletes",
            kind: Kind::Choice(&["tombstone", "drop", "rewrite"]),
            presence: Presence::Default("\"tombstone\""),
            doc: "a deleted row: a record without a value, nothing, or the row as it was with `__deleted`",
        },
        ConfigOption {
            name: "tombstones",
            kind: Kind::Choice(&["keep", "drop"]),
            presence: Presence::Default("\"keep\""),
            doc: "records that have no value already",
        },
        ConfigOption {
            name: "fields",
            kind: Kind::List(&Kind::Text),
            presence: Presence::Default("[]"),
            doc: "parts of the envelope to keep in the row, as `__op`, `__source_lsn`: op, ts_ms, source.lsn, …",
        },
        ConfigOption {
            name: "headers",
            kind: Kind::List(&Kind::Text),
            presence: Presence::Default("[]"),
            doc: "parts of the envelope to keep as headers, named alike",
        },
    ],
    main: None,
    routes: false,
    make: |settings| Ok(Box::new(config::parse::<Unwrap>(UNWRAP.options, settings)?)),
};

#[derive(Deserialize)]
struct Unwrap {
    deletes: Deletes,
    tombstones: Tombstones,
    fields: Vec<String>,
    headers: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Deletes {
    Tombstone,
    Drop,
    Rewrite,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tombstones {
    Keep,
    Drop,
}

/// What an envelope says, as JSON texts.
struct Event<'a> {
    envelope: Object<'a>,
}

impl<'a> Event<'a> {
    fn parse(value: &'a [u8]) -> Result<Event<'a>, String> {
        let envelope = Object::parse(without_schema(value))?;
        match envelope.get("op").is_some()
            && (envelope.get("after").is_some() || envelope.get("before").is_some())
        {
            true => Ok(Event { envelope }),
            false => Err("the value is no change event: it has no `op` with `before` or `after`".to_owned()),
        }
    }

    fn row(&self, which: &str) -> Option<&[u8]> {
        self.envelope.get(which).filter(|raw| !is_absent(Some(raw)))
    }

    fn is_delete(&self) -> bool {
        self.row("after").is_none() && self.envelope.get("op") == Some(b"\"d\"")
    }
}

/// What is inside `{"schema": …, "payload": …}`; other values as they are.
fn without_schema(value: &[u8]) -> &[u8] {
    use millstream_connectors::json;
    match (json::field(value, "schema"), json::field(value, "payload")) {
        (Some(_), Some(payload)) => payload,
        _ => value,
    }
}

/// `source.lsn` is `__source_lsn` in a row or header.
fn kept_name(path: &str) -> String {
    format!("__{}", path.replace('.', "_"))
}

impl Edit for Unwrap {
    fn apply(&mut self, row: Row<'_>, _topic: &str, to: &mut BatchBuilder) -> Result<bool, String> {
        let key = row.key.map(without_schema);
        let Some(value) = row.value else {
            if self.tombstones == Tombstones::Drop {
                return Ok(false);
            }
            to.push_row(Row { key, ..row });
            return Ok(true);
        };
        let event = Event::parse(value)?;
        let (source, deleted) = match (event.row("after"), event.is_delete()) {
            (Some(after), _) => (Some(after), false),
            (None, true) => match self.deletes {
                Deletes::Drop => return Ok(false),
                Deletes::Tombstone => (None, true),
                Deletes::Rewrite => (event.row("before"), true),
            },
            // A truncate, or a message: no row at all.
            (None, false) => return Ok(false),
        };
        let mut object = source.map(Object::parse).transpose()?;
        if let Some(object) = &mut object {
            if self.deletes == Deletes::Rewrite {
                object.set("__deleted", quoted(if deleted { "true" } else { "false" }));
            }
            for path in &self.fields {
                object.set(&kept_name(path), event.envelope.get(path).unwrap_or(b"null").to_vec());
            }
        }
        row.headers.for_each(|(name, value)| to.push_header(name, value));
        for path in &self.headers {
            let text = event.envelope.get(path).and_then(plain);
            to.push_header(&kept_name(path), text.as_ref().map(|text| text.as_bytes()));
        }
        let written = object.map(|object| object.to_json());
        to.push(key, written.as_deref(), row.timestamp_ms);
        Ok(true)
    }
}

pub const OUTBOX: EditKind = EditKind {
    name: "outbox",
    doc: "Makes a message of each row that is inserted into an outbox table: key, value, headers and topic out of its columns. \
          Takes plain rows and Debezium's envelope. Deleted rows make nothing.",
    options: &[
        text("id", "\"id\"", "the column whose value becomes header `id`"),
        text("type", "\"type\"", "the column whose value becomes header `eventType`"),
        text("key", "\"aggregateid\"", "the column of the key"),
        text("payload", "\"payload\"", "the column of the value; JSON inside text is taken out of it"),
        text("route", "\"aggregatetype\"", "the column that chooses the topic"),
        text("topic", "\"outbox.event.{route}\"", "the topic; {route} stands for the column's value"),
        ConfigOption {
            name: "headers",
            kind: Kind::List(&Kind::Text),
            presence: Presence::Default("[]"),
            doc: "further columns to keep as headers of their names",
        },
    ],
    main: None,
    routes: true,
    make: |settings| Ok(Box::new(config::parse::<Outbox>(OUTBOX.options, settings)?)),
};

const fn text(name: &'static str, default: &'static str, doc: &'static str) -> ConfigOption {
    ConfigOption { name, kind: Kind::Text, presence: Presence::Default(default), doc }
}

#[derive(Deserialize)]
struct Outbox {
    id: String,
    r#type: String,
    key: String,
    payload: String,
    route: String,
    topic: String,
    headers: Vec<String>,
}

impl Edit for Outbox {
    fn apply(&mut self, row: Row<'_>, _topic: &str, to: &mut BatchBuilder) -> Result<bool, String> {
        // The table is emptied by deletes, which say nothing.
        let Some(value) = row.value else { return Ok(false) };
        let event = Event::parse(value).ok();
        let columns = match &event {
            Some(event) => match event.row("after") {
                Some(after) => Object::parse(after)?,
                None => return Ok(false),
            },
            None => Object::parse(without_schema(value))?,
        };
        let column = |name: &str| {
            let found = columns.get(name).and_then(plain);
            found.map(|text| text.into_owned()).ok_or_else(|| format!("outbox: the row has no `{name}`"))
        };
        let (key, route) = (column(&self.key)?, column(&self.route)?);
        let (id, kind) = (column(&self.id)?, column(&self.r#type)?);
        let payload =
            columns.get(&self.payload).ok_or_else(|| format!("outbox: the row has no `{}`", self.payload))?;
        let payload = plain(payload).map(|text| text.into_owned().into_bytes());
        let further =
            self.headers.iter().filter_map(|name| Some((name.as_str(), plain(columns.get(name)?)?)));
        let topic = self.topic.replace("{route}", &route);
        row.headers
            .filter(|(name, _)| *name != TOPIC_HEADER)
            .for_each(|(name, value)| to.push_header(name, value));
        to.push_header("id", Some(id.as_bytes()));
        to.push_header("eventType", Some(kind.as_bytes()));
        further.for_each(|(name, text)| to.push_header(name, Some(text.as_bytes())));
        to.push_header(TOPIC_HEADER, Some(topic.as_bytes()));
        to.push(Some(key.as_bytes()), payload.as_deref(), row.timestamp_ms);
        Ok(true)
    }
}
