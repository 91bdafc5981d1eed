//! Options of a plugin: one table per role says name, kind, default and meaning, and from it come the check of a
//! configuration (all mistakes at once, each with its path), the JSON Schema, and the documentation.
//!
//! Left out: reading files and resolving references; the host hands over a finished JSON value.

mod check;
mod closest;
mod markdown;
mod schema;

pub use check::check;
pub use closest::closest;
pub use markdown::markdown_table;
pub use schema::json_schema;

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::ConnectorError;

/// One option of a plugin.
#[derive(Debug, Clone, Copy)]
pub struct ConfigOption {
    pub name: &'static str,
    pub kind: Kind,
    pub presence: Presence,
    pub doc: &'static str,
}

/// Whether an option must be given.
#[derive(Debug, Clone, Copy)]
pub enum Presence {
    Required,
    Optional,
    /// What it is when it is not given, as JSON.
    Default(&'static str),
}

/// What values an option takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Text,
    /// Exactly one character.
    Character,
    Boolean,
    Integer {
        min: i64,
        max: i64,
    },
    Number,
    /// One of these words.
    Choice(&'static [&'static str]),
    List(&'static Kind),
    /// An object of any keys.
    Map(&'static Kind),
    /// Any of these.
    AnyOf(&'static [Kind]),
    /// Any value at all.
    Any,
}

/// A step on the way to a value inside a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// A mistake in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// From the plugin's `with:` to the value (or, for an unknown option, to its key).
    pub path: Vec<Step>,
    pub message: String,
    /// What to write instead, when there is a guess.
    pub hint: Option<String>,
}

impl Diagnostic {
    pub fn new(path: Vec<Step>, message: impl Into<String>) -> Diagnostic {
        Diagnostic { path, message: message.into(), hint: None }
    }

    /// About one option.
    pub fn of(option: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(vec![Step::Key(option.to_owned())], message)
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> Diagnostic {
        self.hint = Some(hint.into());
        self
    }
}

/// `path[0].key: message; hint`
impl fmt::Display for Diagnostic {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.path.iter().enumerate() {
            match step {
                Step::Key(key) if depth == 0 => write!(to, "{key}")?,
                Step::Key(key) => write!(to, ".{key}")?,
                Step::Index(index) => write!(to, "[{index}]")?,
            }
        }
        let separator = if self.path.is_empty() { "" } else { ": " };
        write!(to, "{separator}{}", self.message)?;
        match &self.hint {
            Some(hint) => write!(to, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Checks a configuration against its options, fills in the defaults and reads it into `T`.
pub fn parse<T: DeserializeOwned>(options: &[ConfigOption], config: &Value) -> Result<T, ConnectorError> {
    let mistakes = check(options, config);
    if !mistakes.is_empty() {
        let listed: Vec<_> = mistakes.iter().map(Diagnostic::to_string).collect();
        return Err(ConnectorError::config(listed.join("\n")));
    }
    let mut filled = match config {
        Value::Object(given) => given.clone(),
        _ => serde_json::Map::new(),
    };
    for option in options {
        if let Presence::Default(json) = option.presence
            && !filled.contains_key(option.name)
        {
            filled.insert(option.name.to_owned(), default_value(option.name, json));
        }
    }
    serde_json::from_value(Value::Object(filled))
        .map_err(|error| ConnectorError::config("reading the configuration").caused_by(error))
}

/// Defaults are our own constants: one that is not JSON is a bug of the plugin's table.
fn default_value(option: &str, json: &'static str) -> Value {
    match serde_json::from_str(json) {
        Ok(value) => value,
        Err(error) => panic!("the default of option {option} is not JSON: {error}"),
    }
}

#[cfg(test)]
mod tests;
