//! HTTP: take records that others post (webhooks), ask others for records (pages, streams of events), post records to others.
//!
//! What is posted either way is at-least-once: a request is answered once its records are committed, and a batch whose answer
//! got lost is sent again. What is asked for has positions. All speak https, the server with a certificate of its own.

mod client;
mod events;
mod page;
mod poll;
mod sink;
mod source;
mod source_options;
mod stream;
mod tls;

use millstream_sdk::config::{self, ConfigOption, Diagnostic, Kind, Presence};
use millstream_sdk::error::ConnectorError;
use millstream_sdk::plugin::{Description, Plugin, Role, RoleDescription, Surroundings};
use millstream_sdk::sink::{Delivery, Sink};
use millstream_sdk::source::Source;
use serde_json::Value;
use source_options::{Options, SOURCE};

const SINK: &[ConfigOption] = &[
    ConfigOption {
        name: "url",
        kind: Kind::Text,
        presence: Presence::Required,
        doc: "where to, such as https://example.com/events",
    },
    ConfigOption {
        name: "method",
        kind: Kind::Choice(&["POST", "PUT", "PATCH"]),
        presence: Presence::Default("\"POST\""),
        doc: "how",
    },
    ConfigOption {
        name: "batch",
        kind: Kind::Integer { min: 1, max: 10_000 },
        presence: Presence::Default("1"),
        doc: "most records of one request; when a request of several is refused, they are sent one by one",
    },
    ConfigOption {
        name: "format",
        kind: Kind::Choice(&["json", "lines"]),
        presence: Presence::Default("\"json\""),
        doc: "a request of several records: a JSON list, or a line each",
    },
    ConfigOption {
        name: "headers",
        kind: Kind::Map(&Kind::Text),
        presence: Presence::Default("{}"),
        doc: "headers of every request, such as Authorization",
    },
    ConfigOption {
        name: "timeout_ms",
        kind: Kind::Integer { min: 1, max: 600_000 },
        presence: Presence::Default("10000"),
        doc: "how long an answer may take",
    },
    ConfigOption {
        name: "ca",
        kind: Kind::Text,
        presence: Presence::Optional,
        doc: "https: a file of certificates (PEM) that vouch for the server, in place of the usual authorities; relative to \
              the pipeline file",
    },
];

pub struct Http;

impl Plugin for Http {
    fn describe(&self) -> Description {
        Description {
            name: "http",
            version: env!("CARGO_PKG_VERSION"),
            doc: "Takes records over HTTP (webhooks), asks servers for them (polling, server-sent events), and posts records to a server.",
            roles: vec![
                RoleDescription {
                    role: Role::Source,
                    doc: "With `listen` it takes requests and answers 204 once their records are committed. What is not committed in \
                          time is answered 503, and the caller sends it again. With `url` it asks a server: page by page, where \
                          the page or cursor that is next is stored with the records, and `ETag` and `Last-Modified` spare \
                          what has not changed; or one stream of events, which goes on behind the last event's id. 429, 5xx \
                          and lost connections are tried again (`Retry-After` is kept), other refusals are errors.",
                    options: SOURCE,
                    delivery: Some(Delivery::AtLeastOnce),
                },
                RoleDescription {
                    role: Role::Sink,
                    doc: "Sends records in order. 408, 429 and 5xx are tried again (`Retry-After` is kept), 401 and 403 wait for \
                          other credentials, any other refusal is the record's.",
                    options: SINK,
                    delivery: Some(Delivery::AtLeastOnce),
                },
            ],
        }
    }

    fn validate(&self, role: Role, config: &Value) -> Vec<Diagnostic> {
        match role {
            Role::Source => {
                let mut mistakes = config::check(SOURCE, config);
                mistakes.extend(source_options::conflicts(config));
                mistakes
            }
            Role::Sink => {
                let mut mistakes = config::check(SINK, config);
                match config["url"].as_str().map(sink::Target::parse) {
                    Some(Err(reason)) => mistakes.push(Diagnostic::of("url", reason)),
                    Some(Ok(target)) if !target.is_https() && config.get("ca").is_some() => {
                        mistakes.push(Diagnostic::of("ca", "`ca` has no meaning for http"));
                    }
                    _ => {}
                }
                mistakes
            }
            Role::Transform => vec![Diagnostic::new(Vec::new(), self.refusal(role))],
        }
    }

    fn source(&self, config: &Value, at: &Surroundings) -> Result<Box<dyn Source>, ConnectorError> {
        Ok(match Options::parse(config, &at.base_directory)? {
            Options::Listen(options) => Box::new(source::HttpSource::new(options, &at.base_directory)?),
            Options::Ask(options) => Box::new(poll::AskSource::new(*options)),
        })
    }

    fn sink(&self, config: &Value, at: &Surroundings) -> Result<Box<dyn Sink>, ConnectorError> {
        Ok(Box::new(sink::HttpSink::new(config::parse(SINK, config)?, &at.base_directory)?))
    }
}
