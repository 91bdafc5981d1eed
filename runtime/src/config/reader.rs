//! Reads typed values out of a tree, reporting what does not fit and going on.
//!
//! A [`Fields`] knows which keys were asked for, so that whatever is left over is an unknown key and
//! the nearest known one can be offered.

use super::diagnostic::{Location, Report};
use super::suggest::did_you_mean;
use super::yaml::{Data, Entry, Form, Node, TextOrigin, Typed};

/// A text value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    pub value: String,
    pub location: Location,
    pub origin: TextOrigin,
}

impl Text {
    /// The place in the file of a line and column (both from 1) inside this text.
    pub fn locate(&self, line: u32, column: u32) -> Location {
        self.origin.locate(line, column)
    }
}

/// The keys of one mapping.
pub struct Fields<'a> {
    owner: &'static str,
    location: &'a Location,
    entries: &'a [Entry],
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// `owner` names what is read, for messages: "a source", "the file".
    pub fn open(node: &'a Node, owner: &'static str, report: &mut Report) -> Option<Self> {
        match &node.data {
            Data::Mapping(entries) => {
                Some(Self { owner, location: &node.location, entries, known: Vec::new() })
            }
            // `orders:` with nothing behind it means "all defaults".
            _ if node.is_null() => {
                Some(Self { owner, location: &node.location, entries: &[], known: Vec::new() })
            }
            _ => {
                report
                    .error(&node.location, format!("expected a mapping for {owner}, found {}", node.kind()));
                None
            }
        }
    }

    pub fn location(&self) -> &'a Location {
        self.location
    }

    /// The entry of `key`, and remembers the key as known.
    pub fn entry(&mut self, key: &'static str) -> Option<&'a Entry> {
        self.known.push(key);
        self.entries.iter().find(|entry| entry.key == key)
    }

    pub fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub fn required(&mut self, key: &'static str, report: &mut Report) -> Option<&'a Node> {
        let found = self.node(key);
        if found.is_none() {
            report.error(self.location, format!("{} needs \"{key}\"", self.owner));
        }
        found
    }

    pub fn text(&mut self, key: &'static str, report: &mut Report) -> Option<Text> {
        text(self.node(key)?, key, report)
    }

    pub fn required_text(&mut self, key: &'static str, report: &mut Report) -> Option<Text> {
        text(self.required(key, report)?, key, report)
    }

    pub fn integer(
        &mut self,
        key: &'static str,
        at_least: i64,
        at_most: i64,
        report: &mut Report,
    ) -> Option<i64> {
        let node = self.node(key)?;
        let found = match &node.data {
            Data::Scalar(scalar) => scalar.typed(),
            _ => Typed::Text,
        };
        match found {
            Typed::Integer(value) if (at_least..=at_most).contains(&value) => Some(value),
            Typed::Integer(value) => {
                let message = format!("\"{key}\" must be between {at_least} and {at_most}, not {value}");
                report.error(&node.location, message);
                None
            }
            _ => {
                report
                    .error(&node.location, format!("\"{key}\" must be a whole number, not {}", shown(node)));
                None
            }
        }
    }

    pub fn boolean(&mut self, key: &'static str, report: &mut Report) -> Option<bool> {
        let node = self.node(key)?;
        match &node.data {
            Data::Scalar(scalar) if matches!(scalar.typed(), Typed::Boolean(_)) => {
                Some(scalar.typed() == Typed::Boolean(true))
            }
            _ => {
                report.error(&node.location, format!("\"{key}\" must be true or false, not {}", shown(node)));
                None
            }
        }
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self, report: &mut Report) {
        for entry in self.entries {
            if !self.known.contains(&entry.key.as_str()) {
                let hint = did_you_mean(&entry.key, self.known.iter().copied());
                let listed = if hint.is_empty() {
                    format!("; {} knows {}", self.owner, self.known.join(", "))
                } else {
                    hint
                };
                report.error(&entry.key_location, format!("unknown key \"{}\"{listed}", entry.key));
            }
        }
    }
}

/// A text value. A bare number or boolean is taken as it was written.
pub fn text(node: &Node, what: &str, report: &mut Report) -> Option<Text> {
    match &node.data {
        Data::Scalar(scalar) if scalar.form != Form::Plain || scalar.typed() != Typed::Null => Some(Text {
            value: scalar.text.clone(),
            location: node.location.clone(),
            origin: scalar.origin.clone(),
        }),
        _ => {
            report.error(&node.location, format!("\"{what}\" must be text, not {}", node.kind()));
            None
        }
    }
}

/// One text or a list of them.
pub fn texts(node: &Node, what: &str, report: &mut Report) -> Vec<Text> {
    match &node.data {
        Data::Sequence(items) => items.iter().filter_map(|item| text(item, what, report)).collect(),
        _ => text(node, what, report).into_iter().collect(),
    }
}

/// One of a few words.
pub fn choice<T: Copy>(
    found: &Text,
    what: &str,
    choices: &[(&'static str, T)],
    report: &mut Report,
) -> Option<T> {
    if let Some((_, value)) = choices.iter().find(|(word, _)| *word == found.value) {
        return Some(*value);
    }
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    let hint = did_you_mean(&found.value, words.iter().copied());
    let message = format!("\"{what}\" must be one of {}, not \"{}\"{hint}", words.join(", "), found.value);
    report.error(&found.location, message);
    None
}

/// A value as JSON, for a plugin's own configuration and for expected records. Numbers that JSON
/// cannot hold become text.
pub fn to_json(node: &Node) -> serde_json::Value {
    use serde_json::Value;
    match &node.data {
        Data::Sequence(items) => Value::Array(items.iter().map(to_json).collect()),
        Data::Mapping(entries) => {
            Value::Object(entries.iter().map(|entry| (entry.key.clone(), to_json(&entry.value))).collect())
        }
        Data::Scalar(scalar) => match scalar.typed() {
            // A secret is text whatever it looks like: a password of digits is no number.
            _ if scalar.form == Form::Secret => Value::String(scalar.text.clone()),
            Typed::Null => Value::Null,
            Typed::Boolean(value) => Value::Bool(value),
            Typed::Integer(value) => Value::from(value),
            Typed::Float(value) => serde_json::Number::from_f64(value)
                .map_or_else(|| Value::String(scalar.text.clone()), Value::Number),
            Typed::Text => Value::String(scalar.text.clone()),
        },
    }
}

fn shown(node: &Node) -> String {
    match &node.data {
        Data::Scalar(scalar) if scalar.form != Form::Secret => format!("\"{}\"", scalar.text),
        _ => node.kind().to_owned(),
    }
}
