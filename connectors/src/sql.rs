//! Any SQL database: rows by a rising column as a source, tables as a sink.
//!
//! PostgreSQL's sink is that of `postgres`.

mod database;
mod mysql;
mod options;
mod sink;
mod source;

use millstream_sdk::config::{self, Diagnostic};
use millstream_sdk::error::ConnectorError;
use millstream_sdk::plugin::{Description, Plugin, Role, RoleDescription, Surroundings};
use millstream_sdk::sink::{Delivery, Sink};
use millstream_sdk::source::Source;
use serde_json::Value;

use crate::postgres::Postgres;
use database::Place;

pub struct Sql;

impl Plugin for Sql {
    fn describe(&self) -> Description {
        Description {
            name: "sql",
            version: env!("CARGO_PKG_VERSION"),
            doc: "Reads rows of SQL databases as they are added, and writes topics into their tables: PostgreSQL, MySQL, MariaDB and SQLite.",
            roles: vec![
                RoleDescription {
                    role: Role::Source,
                    doc: "Asks again and again for the rows whose `cursor` is above the last one, in its order: exactly-once for rows \
                          that appear with a higher cursor than those before. Rows that change or go are not noticed (use `postgres-cdc` \
                          for that), nor those that appear with a cursor that was passed already, or without one. MySQL: 64-bit, decimal and \
                          fractional values keep their digits; TIMESTAMP is read as UTC, binary columns as \\x and hexadecimal digits, \
                          BIT as a number; an ENUM, SET or JSON column is no cursor.",
                    options: options::SOURCE,
                    delivery: None,
                },
                RoleDescription {
                    role: Role::Sink,
                    doc: "Exactly-once: rows and the positions behind them (table millstream_positions) are one transaction of the \
                          database. MySQL: tables must be InnoDB; binary columns take \\x and hexadecimal digits, DATETIME and \
                          TIMESTAMP take RFC 3339 and keep UTC; a value that does not fit its column is refused, but a decimal is rounded.",
                    options: options::SINK,
                    delivery: Some(Delivery::Transactional),
                },
            ],
        }
    }

    fn validate(&self, role: Role, config: &Value) -> Vec<Diagnostic> {
        let mut mistakes = match role {
            Role::Source => options::check_source(config),
            Role::Sink => config::check(options::SINK, config),
            Role::Transform => return vec![Diagnostic::new(Vec::new(), self.refusal(role))],
        };
        match config["url"].as_str().map(Place::parse) {
            Some(Err(reason)) => mistakes.push(Diagnostic::of("url", reason)),
            Some(Ok(Place::Postgres)) if role == Role::Sink && mistakes.is_empty() => {
                return Postgres.validate(role, config);
            }
            _ => {}
        }
        mistakes
    }

    fn source(&self, config: &Value, at: &Surroundings) -> Result<Box<dyn Source>, ConnectorError> {
        Ok(Box::new(source::Rows::new(config::parse(options::SOURCE, config)?, at)?))
    }

    fn sink(&self, config: &Value, at: &Surroundings) -> Result<Box<dyn Sink>, ConnectorError> {
        let options: options::SinkOptions = config::parse(options::SINK, config)?;
        match Place::parse(&options.url).map_err(ConnectorError::config)? {
            Place::Postgres => Postgres.sink(config, at),
            Place::Mysql(address) => {
                Ok(Box::new(mysql::Tables::new(options, address.within(&at.base_directory), at)))
            }
            Place::Sqlite(path) => Ok(Box::new(sink::Tables::new(options, at.base_directory.join(path), at))),
        }
    }
}
