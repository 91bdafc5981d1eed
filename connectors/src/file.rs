//! Files: read them line by line, or row by row, into a topic, write a topic into one.
//!
//! Walk in: [`source`] (splits, follow, resume) → [`lines`] (blocks and records) → [`decode`] (bytes to values).
//! Walk out: [`sink`] → [`encode`] (records to lines) → [`output`] (the file and its journal).
//! Parquet has walks of its own: [`parquet`].

mod decode;
mod encode;
mod identity;
mod lines;
mod options;
mod output;
mod parquet;
mod partitioned;
mod place;
mod source;

mod sink;
mod template;

use millstream_sdk::config;
use millstream_sdk::error::ConnectorError;
use millstream_sdk::plugin::{Description, Plugin, Role, RoleDescription, Surroundings};
use millstream_sdk::sink::{Delivery, Sink};
use millstream_sdk::source::Source;
use serde_json::Value;

pub struct File;

impl Plugin for File {
    fn describe(&self) -> Description {
        Description {
            name: "file",
            version: env!("CARGO_PKG_VERSION"),
            doc: "Reads and writes files of JSON lines, CSV, Parquet or plain lines.",
            roles: vec![
                RoleDescription {
                    role: Role::Source,
                    doc: "One record per line or row. Exactly-once: the place in the file is committed with the records. \
                          Reads each matching file to its end, or follows it through rotation with `follow`.",
                    options: options::SOURCE,
                    delivery: None,
                },
                RoleDescription {
                    role: Role::Sink,
                    doc: "One line or row per record into exactly the file that `path` names, or into many by a path with \
                          placeholders such as out/{country}/{ordered_at:%Y-%m-%d}.jsonl. Exactly-once: a journal \
                          beside them holds committed lengths and the topic positions. Parquet files are finished by size or age \
                          and appear whole.",
                    options: options::SINK,
                    delivery: Some(Delivery::Transactional),
                },
            ],
        }
    }

    fn validate(&self, role: Role, config: &Value) -> Vec<config::Diagnostic> {
        match role {
            Role::Source => options::check_source(config),
            Role::Sink => options::check_sink(config),
            Role::Transform => vec![config::Diagnostic::new(Vec::new(), self.refusal(role))],
        }
    }

    fn source(&self, config: &Value, at: &Surroundings) -> Result<Box<dyn Source>, ConnectorError> {
        let options = config::parse(options::SOURCE, config)?;
        Ok(Box::new(source::FileSource::new(options, &at.base_directory)?))
    }

    fn sink(&self, config: &Value, at: &Surroundings) -> Result<Box<dyn Sink>, ConnectorError> {
        let options = config::parse(options::SINK, config)?;
        Ok(Box::new(sink::FileSink::new(options, &at.base_directory)?))
    }
}
