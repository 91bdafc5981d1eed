//! Built-in steps that edit one record: each with a table of options, from which come its check, its schema and its
//! documentation.
//!
//! Fields that a step does not name stay byte for byte as they were. Fields are named by their paths, `a.b`; a field whose
//! own name is the whole path comes first. Left out: steps that look at more than one record.

mod envelope;
mod fields;
mod instant;
mod object;
mod place;

use millstream_sdk::config::{self, ConfigOption, Diagnostic, Kind};
use millstream_sdk::error::ConnectorError;
use millstream_sdk::record::{BatchBuilder, Row};
use serde_json::{Map, Value};

/// A configured step.
pub trait Edit: Send {
    /// Appends what becomes of the record; false when nothing does. `topic` is where it goes or comes from. Headers are
    /// pushed only when the record is: after an error the builder is as before.
    fn apply(&mut self, row: Row<'_>, topic: &str, to: &mut BatchBuilder) -> Result<bool, String>;
}

type Made = Result<Box<dyn Edit>, ConnectorError>;

/// A built-in step, for people and for `schema`.
pub struct EditKind {
    /// The key of the step in a list of transforms.
    pub name: &'static str,
    pub doc: &'static str,
    pub options: &'static [ConfigOption],
    /// The option that is meant when the step is given a plain value (`drop: [a, b]`) or an object whose keys are no
    /// options (`rename: { a: b }`).
    pub main: Option<&'static str>,
    /// Chooses the topic, which only a source can do.
    pub routes: bool,
    make: fn(&Value) -> Made,
}

/// All there are, in the order in which documentation lists them.
pub fn edits() -> &'static [&'static EditKind] {
    &[
        &fields::RENAME,
        &fields::DROP,
        &fields::KEEP,
        &fields::CAST,
        &fields::MASK,
        &fields::HOIST,
        &fields::FLATTEN,
        &instant::TIMESTAMP,
        &place::KEY,
        &place::HEADER,
        &place::ROUTE,
        &envelope::UNWRAP,
        &envelope::OUTBOX,
    ]
}

pub fn find(name: &str) -> Option<&'static EditKind> {
    edits().iter().copied().find(|edit| edit.name == name)
}

impl std::fmt::Debug for EditKind {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_tuple("EditKind").field(&self.name).finish()
    }
}

impl EditKind {
    /// The options behind what was written, with the short form written out.
    pub fn settings(&self, written: Value) -> Value {
        let is_short = match &written {
            Value::Null => false,
            Value::Object(given) => {
                let main = self.options.iter().find(|option| Some(option.name) == self.main);
                main.is_some_and(|main| matches!(main.kind, Kind::Map(_)))
                    && !given.keys().any(|key| self.options.iter().any(|option| option.name == key))
            }
            _ => true,
        };
        match self.main.filter(|_| is_short) {
            Some(main) => Value::Object(Map::from_iter([(main.to_owned(), written)])),
            None => written,
        }
    }

    /// Everything wrong with the options.
    pub fn check(&self, settings: &Value) -> Vec<Diagnostic> {
        let mistakes = config::check(self.options, settings);
        if !mistakes.is_empty() {
            return mistakes;
        }
        match (self.make)(settings) {
            Ok(_) => Vec::new(),
            Err(error) => vec![Diagnostic::new(Vec::new(), error.to_string())],
        }
    }

    pub fn make(&self, settings: &Value) -> Made {
        (self.make)(settings)
    }
}

/// Appends the row with another value and the headers it has.
fn push_value(row: Row<'_>, value: Option<&[u8]>, to: &mut BatchBuilder) {
    to.push_row(Row { value, ..row });
}

#[cfg(test)]
mod tests;
