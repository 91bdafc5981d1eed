//! Steps that take from the value what belongs beside it: the key, headers, the topic.

use std::collections::BTreeMap;

use millstream_sdk::config::{self, ConfigOption, Kind, Presence};
use millstream_sdk::error::ConnectorError;
use millstream_sdk::record::{BatchBuilder, Row, TOPIC_HEADER};
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use super::fields::is_absent;
use super::object::{Object, plain};
use super::{Edit, EditKind};

pub const KEY: EditKind = EditKind {
    name: "key",
    doc: "Takes the key from the value: `key: id` as plain text, `key: [country, id]` as a JSON object.",
    options: &[ConfigOption {
        name: "fields",
        kind: Kind::AnyOf(&[Kind::Text, Kind::List(&Kind::Text)]),
        presence: Presence::Required,
        doc: "one path, or a list of them",
    }],
    main: Some("fields"),
    routes: false,
    make: |settings| {
        #[derive(Deserialize)]
        struct Options {
            fields: Value,
        }
        let Options { fields } = config::parse(KEY.options, settings)?;
        Ok(Box::new(match fields {
            Value::String(path) => Key::One(path),
            fields => Key::Several(
                serde_json::from_value(fields)
                    .map_err(|error| ConnectorError::config("reading `fields`").caused_by(error))?,
            ),
        }))
    },
};

enum Key {
    One(String),
    Several(Vec<String>),
}

impl Edit for Key {
    fn apply(&mut self, row: Row<'_>, _topic: &str, to: &mut BatchBuilder) -> Result<bool, String> {
        // A tombstone has nothing to take the key from; the one it has is the best there is.
        let Some(value) = row.value else {
            to.push_row(row);
            return Ok(true);
        };
        let object = Object::parse(value)?;
        let key = match self {
            Key::One(path) => object.get(path).and_then(plain).map(|text| text.into_owned().into_bytes()),
            Key::Several(paths) => {
                let mut key = Object::default();
                for path in paths {
                    key.set(path, object.get(path).unwrap_or(b"null").to_vec());
                }
                Some(key.to_json())
            }
        };
        to.push_row(Row { key: key.as_deref(), ..row });
        Ok(true)
    }
}

pub const HEADER: EditKind = EditKind {
    name: "header",
    doc: "Copies fields into headers: `header: { trace: meta.trace_id }`. A field that is missing makes no header.",
    options: &[
        ConfigOption {
            name: "headers",
            kind: Kind::Map(&Kind::Text),
            presence: Presence::Required,
            doc: "header to path",
        },
        ConfigOption {
            name: "move",
            kind: Kind::Boolean,
            presence: Presence::Default("false"),
            doc: "take the fields out of the value",
        },
    ],
    main: Some("headers"),
    routes: false,
    make: |settings| Ok(Box::new(config::parse::<Header>(HEADER.options, settings)?)),
};

#[derive(Deserialize)]
struct Header {
    headers: BTreeMap<String, String>,
    r#move: bool,
}

impl Edit for Header {
    fn apply(&mut self, row: Row<'_>, _topic: &str, to: &mut BatchBuilder) -> Result<bool, String> {
        let Some(value) = row.value else {
            to.push_row(row);
            return Ok(true);
        };
        let mut object = Object::parse(value)?;
        let mut found = Vec::new();
        for (name, path) in &self.headers {
            if let Some(text) = object.get(path).and_then(plain) {
                found.push((name, text.into_owned()));
            }
        }
        if self.r#move {
            for path in self.headers.values() {
                object.edit(path, &mut |_, _| Ok(None))?;
            }
        }
        let moved = self.r#move.then(|| object.to_json());
        let renewed = |name: &str| found.iter().any(|(found, _)| found.as_str() == name);
        row.headers.filter(|(name, _)| !renewed(name)).for_each(|(name, value)| to.push_header(name, value));
        for (name, text) in &found {
            to.push_header(name, Some(text.as_bytes()));
        }
        to.push(row.key, Some(moved.as_deref().unwrap_or(value)), row.timestamp_ms);
        Ok(true)
    }
}

pub const ROUTE: EditKind = EditKind {
    name: "route",
    doc: "Chooses the topic. By `pattern`, what matches of the topic's name is replaced: `route: { pattern: \"^db\\\\.(.*)$\", \
          to: \"$1\" }`; by `field`, records whose field matches go to `to`, where `{field}` stands for the field's text.",
    options: &[
        ConfigOption {
            name: "pattern",
            kind: Kind::Text,
            presence: Presence::Default("\".*\""),
            doc: "a regular expression; records that it does not match stay where they are",
        },
        ConfigOption {
            name: "field",
            kind: Kind::Text,
            presence: Presence::Optional,
            doc: "path of the field to match; without it the topic's name is matched",
        },
        ConfigOption {
            name: "to",
            kind: Kind::Text,
            presence: Presence::Required,
            doc: "the topic; $1 or ${name} stand for the pattern's groups",
        },
    ],
    main: None,
    routes: true,
    make: |settings| {
        #[derive(Deserialize)]
        struct Options {
            pattern: String,
            field: Option<String>,
            to: String,
        }
        let options: Options = config::parse(ROUTE.options, settings)?;
        let pattern = Regex::new(&options.pattern)
            .map_err(|error| ConnectorError::config("`pattern` is no regular expression").caused_by(error))?;
        Ok(Box::new(Route { pattern, field: options.field, to: options.to }))
    },
};

struct Route {
    pattern: Regex,
    field: Option<String>,
    to: String,
}

impl Edit for Route {
    fn apply(&mut self, row: Row<'_>, topic: &str, to: &mut BatchBuilder) -> Result<bool, String> {
        let now = current_topic(row, topic);
        let new = match &self.field {
            None => self.pattern.is_match(&now).then(|| self.pattern.replace(&now, &self.to).into_owned()),
            Some(path) => {
                let raw = row.value.and_then(|value| millstream_connectors::json::path(value, path));
                let text = raw.filter(|_| !is_absent(raw)).and_then(plain);
                text.and_then(|text| {
                    let found = self.pattern.captures(&text)?;
                    let mut new = String::new();
                    found.expand(&self.to, &mut new);
                    Some(new.replace("{field}", &text))
                })
            }
        };
        push_to_topic(row, new.as_deref(), to);
        Ok(true)
    }
}

/// Where a record goes as of the steps so far.
fn current_topic(row: Row<'_>, topic: &str) -> String {
    let chosen = row.headers.find(TOPIC_HEADER);
    chosen.map_or_else(|| topic.to_owned(), |chosen| String::from_utf8_lossy(chosen).into_owned())
}

/// Appends a record that goes to another topic than so far.
pub fn push_to_topic(row: Row<'_>, topic: Option<&str>, to: &mut BatchBuilder) {
    let Some(topic) = topic else {
        to.push_row(row);
        return;
    };
    row.headers
        .filter(|(name, _)| *name != TOPIC_HEADER)
        .for_each(|(name, value)| to.push_header(name, value));
    to.push_header(TOPIC_HEADER, Some(topic.as_bytes()));
    to.push(row.key, row.value, row.timestamp_ms);
}
