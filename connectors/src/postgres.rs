//! PostgreSQL: change capture as a source, tables as a sink.

mod address;
mod catalog;
mod copy;
mod input;
mod options;
mod pgoutput;
mod piece;
mod position;
mod reader;
mod replication;
mod session;
mod sink;
mod sink_options;
mod snapshot;
mod source;
mod table;
mod target;
mod tls;
mod value;

use millstream_sdk::config::{self, Diagnostic};
use millstream_sdk::error::ConnectorError;
use millstream_sdk::plugin::{Description, Plugin, Role, RoleDescription, Surroundings};
use millstream_sdk::sink::{Delivery, Sink};
use millstream_sdk::source::Source;
use serde_json::Value;

pub(crate) use address::Address;
pub(crate) use input::{Field, Shape, Wanted, key_parts, wanted};
pub(crate) use session::{classed, connect, quoted_text};

/// `use: postgres-cdc`: rows and changes of tables through logical replication.
pub struct PostgresCdc;

impl Plugin for PostgresCdc {
    fn describe(&self) -> Description {
        Description {
            name: "postgres-cdc",
            version: env!("CARGO_PKG_VERSION"),
            doc: "Captures the rows of PostgreSQL tables and every change of them, in the order of the commits.",
            roles: vec![RoleDescription {
                role: Role::Source,
                doc: "Exactly-once: the place in the server's log is committed with the records, and confirmed to the server after that.",
                options: options::OPTIONS,
                delivery: None,
            }],
        }
    }

    fn validate(&self, role: Role, config: &Value) -> Vec<Diagnostic> {
        validated(self, role, config)
    }

    fn source(&self, config: &Value, at: &Surroundings) -> Result<Box<dyn Source>, ConnectorError> {
        let options = config::parse(options::OPTIONS, config)?;
        Ok(Box::new(source::Changes::new(options, at)?))
    }
}

/// `use: postgres`: topics into tables.
pub struct Postgres;

impl Plugin for Postgres {
    fn describe(&self) -> Description {
        Description {
            name: "postgres",
            version: env!("CARGO_PKG_VERSION"),
            doc: "Writes JSON records into PostgreSQL tables, which it makes and widens where it may.",
            roles: vec![RoleDescription {
                role: Role::Sink,
                doc: "Exactly-once: rows and positions (table `millstream_positions`) are one transaction of the target.",
                options: sink_options::OPTIONS,
                delivery: Some(Delivery::Transactional),
            }],
        }
    }

    fn validate(&self, role: Role, config: &Value) -> Vec<Diagnostic> {
        validated(self, role, config)
    }

    fn sink(&self, config: &Value, at: &Surroundings) -> Result<Box<dyn Sink>, ConnectorError> {
        let options = config::parse(sink_options::OPTIONS, config)?;
        Ok(Box::new(sink::Tables::new(options, at)?))
    }
}

/// The table of options, and the URL.
fn validated(plugin: &dyn Plugin, role: Role, config: &Value) -> Vec<Diagnostic> {
    let Some(description) = plugin.describe().role(role).cloned() else {
        return vec![Diagnostic::new(Vec::new(), plugin.refusal(role))];
    };
    let mut mistakes = config::check(description.options, config);
    if let Some(Err(reason)) = config.get("url").and_then(Value::as_str).map(Address::parse) {
        mistakes.push(Diagnostic::of("url", reason));
    }
    mistakes
}
