//! HTTP: take records that others post (webhooks), post records to others.
//!
//! Both are at-least-once: a request is answered once its records are committed, and a batch whose answer got lost is sent
//! again. Both speak https, the source with a certificate of its own.

mod sink;
mod source;
mod tls;

use millstream_sdk::config::{self, ConfigOption, Diagnostic, Kind, Presence};
use millstream_sdk::error::ConnectorError;
use millstream_sdk::plugin::{Description, Plugin, Role, RoleDescription, Surroundings};
use millstream_sdk::sink::{Delivery, Sink};
use millstream_sdk::source::Source;
use serde_json::Value;

const SOURCE: &[ConfigOption] = &[
    ConfigOption {
        name: "listen",
        kind: Kind::Text,
        presence: Presence::Required,
        doc: "address to listen on, such as 127.0.0.1:8090",
    },
    ConfigOption {
        name: "path",
        kind: Kind::Text,
        presence: Presence::Default("\"/\""),
        doc: "the path that takes POST and PUT; others are not found",
    },
    ConfigOption {
        name: "format",
        kind: Kind::Choice(&["json", "lines", "body"]),
        presence: Presence::Default("\"json\""),
        doc: "json: one value a request, or each item of a list; lines: a record per line; body: the body as it is",
    },
    ConfigOption {
        name: "token",
        kind: Kind::Text,
        presence: Presence::Optional,
        doc: "what callers must send as `Authorization: Bearer`; without it anybody who reaches the address may write",
    },
    ConfigOption {
        name: "body_bytes",
        kind: Kind::Integer { min: 1, max: 64 << 20 },
        presence: Presence::Default("1048576"),
        doc: "largest body that is taken",
    },
    ConfigOption {
        name: "certificate",
        kind: Kind::Text,
        presence: Presence::Optional,
        doc: "https: a file with the server's certificate and those behind it (PEM); relative to the pipeline file",
    },
    ConfigOption {
        name: "key",
        kind: Kind::Text,
        presence: Presence::Optional,
        doc: "https: a file with the certificate's private key (PEM)",
    },
];

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
            doc: "Takes records over HTTP (webhooks), and posts records to a server.",
            roles: vec![
                RoleDescription {
                    role: Role::Source,
                    doc: "Listens for requests and answers 204 once their records are committed. What is not committed in \
                          time is answered 503, and the caller sends it again.",
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
                if let Some(listen) =
                    config["listen"].as_str().filter(|text| text.parse::<std::net::SocketAddr>().is_err())
                {
                    mistakes.push(Diagnostic::of(
                        "listen",
                        format!("`{listen}` is no address such as 127.0.0.1:8090"),
                    ));
                }
                for (one, other) in [("certificate", "key"), ("key", "certificate")] {
                    if config.get(one).is_some() && config.get(other).is_none() {
                        mistakes.push(Diagnostic::of(one, format!("`{one}` needs `{other}` beside it")));
                    }
                }
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
        Ok(Box::new(source::HttpSource::new(config::parse(SOURCE, config)?, &at.base_directory)?))
    }

    fn sink(&self, config: &Value, at: &Surroundings) -> Result<Box<dyn Sink>, ConnectorError> {
        Ok(Box::new(sink::HttpSink::new(config::parse(SINK, config)?, &at.base_directory)?))
    }
}
