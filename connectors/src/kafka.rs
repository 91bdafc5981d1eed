//! Another Kafka cluster: its topics into ours, ours into its.
//!
//! Both ways keep key, value, headers, timestamp and partition, and move each record once: in, the position is the
//! host's; out, offsets and records are one transaction on the other cluster. Left out: security settings, topics'
//! configurations, and the translation of groups' offsets.

mod sink;
mod source;

use millstream_client::{Client, ClientConfig, Cluster};
use millstream_sdk::config::{self, ConfigOption, Diagnostic, Kind, Presence};
use millstream_sdk::error::ConnectorError;
use millstream_sdk::plugin::{Description, Plugin, Role, RoleDescription, Surroundings};
use millstream_sdk::sink::{Delivery, Sink};
use millstream_sdk::source::Source;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

const ADDRESSES: Kind = Kind::AnyOf(&[Kind::Text, Kind::List(&Kind::Text)]);

const BOOTSTRAP: ConfigOption = ConfigOption {
    name: "bootstrap",
    kind: ADDRESSES,
    presence: Presence::Required,
    doc: "the other cluster: host:port, several by commas or as a list",
};

const PREFIX: ConfigOption = ConfigOption {
    name: "prefix",
    kind: Kind::Text,
    presence: Presence::Default("\"\""),
    doc: "what stands before a topic's name where it goes",
};

const SOURCE: &[ConfigOption] = &[
    BOOTSTRAP,
    ConfigOption {
        name: "topics",
        kind: Kind::List(&Kind::Text),
        presence: Presence::Required,
        doc: "topics to read; * stands for any letters; internal topics are left out",
    },
    ConfigOption {
        name: "rename",
        kind: Kind::Choice(&["to", "keep"]),
        presence: Presence::Default("\"to\""),
        doc: "to: everything into the topic that `to` names; keep: each topic into its namesake, behind the prefix",
    },
    PREFIX,
    ConfigOption {
        name: "partitions",
        kind: Kind::Choice(&["keep", "hash"]),
        presence: Presence::Default("\"keep\""),
        doc: "keep: each record in the partition of the same number, which must exist; hash: by its key",
    },
    ConfigOption {
        name: "start",
        kind: Kind::Choice(&["earliest", "latest"]),
        presence: Presence::Default("\"earliest\""),
        doc: "where to begin without a position",
    },
    ConfigOption {
        name: "follow",
        kind: Kind::Boolean,
        presence: Presence::Default("true"),
        doc: "go on as the topics grow; false ends at what they hold now",
    },
    ConfigOption {
        name: "isolation",
        kind: Kind::Choice(&["committed", "uncommitted"]),
        presence: Presence::Default("\"committed\""),
        doc: "uncommitted: also records of transactions that are open or were aborted",
    },
    ConfigOption {
        name: "origin",
        kind: Kind::Boolean,
        presence: Presence::Default("false"),
        doc: "add headers with topic, partition and offset in the other cluster",
    },
];

const SINK: &[ConfigOption] = &[
    BOOTSTRAP,
    PREFIX,
    ConfigOption {
        name: "topic",
        kind: Kind::Text,
        presence: Presence::Optional,
        doc: "one topic for everything; without it each topic goes to its namesake, behind the prefix",
    },
    ConfigOption {
        name: "create",
        kind: Kind::Boolean,
        presence: Presence::Default("true"),
        doc: "make topics that are missing, with as many partitions as ours",
    },
];

/// `host:port,host:port`, or a list of them.
#[derive(Debug, Clone)]
struct Addresses(Vec<String>);

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Addresses, D::Error> {
        let texts = match Value::deserialize(from)? {
            Value::String(text) => vec![text],
            list => serde_json::from_value(list).map_err(serde::de::Error::custom)?,
        };
        let split = texts.iter().flat_map(|text| text.split(','));
        Ok(Addresses(split.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()))
    }
}

impl Addresses {
    async fn connect(&self, at: &Surroundings) -> Result<Client, ConnectorError> {
        let client_id = format!("millstream-{}-{}", at.pipeline, at.node);
        let config = ClientConfig { client_id, ..ClientConfig::default() };
        let connecting = || format!("connecting to {}", self.0.join(", "));
        let connected = Client::connect(Cluster::Bootstrap(self.0.clone()), config).await;
        connected.map_err(|error| ConnectorError::retryable(connecting()).caused_by(error))
    }
}

pub struct Kafka;

impl Plugin for Kafka {
    fn describe(&self) -> Description {
        Description {
            name: "kafka",
            version: env!("CARGO_PKG_VERSION"),
            doc: "Mirrors topics from and to any Kafka cluster: key, value, headers, timestamp and partition stay.",
            roles: vec![
                RoleDescription {
                    role: Role::Source,
                    doc: "Each partition of each topic is read on its own, from the offset that was committed with its \
                          records here.",
                    options: SOURCE,
                    delivery: None,
                },
                RoleDescription {
                    role: Role::Sink,
                    doc: "Records and the offsets they came from are one transaction on the other cluster, whose group \
                          `mirror-<pipeline>-<node>` shows how far it is.",
                    options: SINK,
                    delivery: Some(Delivery::Transactional),
                },
            ],
        }
    }

    fn validate(&self, role: Role, config: &Value) -> Vec<Diagnostic> {
        let options = match role {
            Role::Source => SOURCE,
            Role::Sink => SINK,
            Role::Transform => return vec![Diagnostic::new(Vec::new(), self.refusal(role))],
        };
        let mut mistakes = config::check(options, config);
        if let Ok(addresses) = serde_json::from_value::<Addresses>(config["bootstrap"].clone()) {
            for address in &addresses.0 {
                let port = address.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
                if !matches!(port, Some((host, Ok(_))) if !host.is_empty()) {
                    mistakes.push(Diagnostic::of("bootstrap", format!("`{address}` is not host:port")));
                }
            }
        }
        mistakes
    }

    fn source(&self, config: &Value, at: &Surroundings) -> Result<Box<dyn Source>, ConnectorError> {
        Ok(Box::new(source::KafkaSource::new(config::parse(SOURCE, config)?, at.clone())?))
    }

    fn sink(&self, config: &Value, at: &Surroundings) -> Result<Box<dyn Sink>, ConnectorError> {
        Ok(Box::new(sink::KafkaSink::new(config::parse(SINK, config)?, at.clone())))
    }
}
