//! Another Kafka cluster: its topics into ours, ours into its.
//!
//! Both ways keep key, value, headers, timestamp and partition, and move each record once: in, the position is the
//! host's; out, offsets and records are one transaction on the other cluster. In, topics' partitions and configurations and
//! the offsets of groups come along. Left out: security settings, and topics' configurations and groups on the way out,
//! for which the mirror is to run in the other cluster.

mod groups;
mod offset_map;
mod sink;
mod source;
mod topics;

use millstream_client::{AdminError, Client, ClientConfig, Cluster, ErrorCode};
use millstream_sdk::config::{self, ConfigOption, Diagnostic, Kind, Presence};
use millstream_sdk::error::{ConnectorError, ErrorClass};
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
    ConfigOption {
        name: "topic_configs",
        kind: Kind::Choice(&["sync", "create", "off"]),
        presence: Presence::Default("\"sync\""),
        doc: "with `rename: keep`. sync: a topic that is missing here is made with as many partitions and the configuration it \
              has over there, grows as it grows (with `partitions: keep`), and its configuration is kept the same: only what \
              is set on the topic itself is written, and what is set no more is taken back; create: only made and grown; off: \
              topics must exist here",
    },
    // By default what belongs to a cluster's own brokers, and what would have a broker stamp or refuse timestamps, which a
    // mirror keeps: as MirrorMaker 2 has it.
    ConfigOption {
        name: "config_exclude",
        kind: Kind::List(&Kind::Text),
        presence: Presence::Default(
            "[\"follower.replication.throttled.replicas\", \"leader.replication.throttled.replicas\", \
             \"message.timestamp.after.max.ms\", \"message.timestamp.before.max.ms\", \
             \"message.timestamp.difference.max.ms\", \"message.timestamp.type\", \"min.insync.replicas\", \
             \"unclean.leader.election.enable\"]",
        ),
        doc: "configurations that `topic_configs` leaves alone; * stands for any letters",
    },
    ConfigOption {
        name: "groups",
        kind: Kind::List(&Kind::Text),
        presence: Presence::Default("[]"),
        doc: "consumer groups whose offsets are translated, so that their consumers can go on here: with `rename: keep` and \
              `partitions: keep`; * stands for any letters, and passes over groups of tools and workers (`__…`, \
              `console-consumer-…`, `connect-…`, `mirror-…`). A group with members here is left alone, and none is set back \
              unless it was set back over there. What was mirrored before the option was set is not translated",
    },
    ConfigOption {
        name: "sync_ms",
        kind: Kind::Integer { min: 100, max: 86_400_000 },
        presence: Presence::Default("10000"),
        doc: "how often topics' configurations and groups' offsets are compared",
    },
];

/// What only a source may be asked for, and why.
const SOURCE_ONLY: &[&str] = &["topic_configs", "config_exclude", "groups", "sync_ms"];

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

/// Options that say something together, and cannot say this.
fn source_conflicts(config: &Value) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    let keeps_names = config["rename"] == "keep";
    if !keeps_names && matches!(config["topic_configs"].as_str(), Some("sync" | "create")) {
        let reason =
            "`topic_configs` needs `rename: keep`: it is the topic that `to` names that is written otherwise";
        mistakes.push(Diagnostic::of("topic_configs", reason));
    }
    let has_groups = config["groups"].as_array().is_some_and(|groups| !groups.is_empty());
    if has_groups && (!keeps_names || config["partitions"] == "hash") {
        let reason =
            "`groups` needs `rename: keep` and `partitions: keep`, or a record's offset here cannot be told";
        mistakes.push(Diagnostic::of("groups", reason));
    }
    for name in ["topics", "groups", "config_exclude"] {
        for text in config[name].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if let Err(error) = glob::Pattern::new(text) {
                mistakes.push(Diagnostic::of(name, format!("`{text}` is no pattern: {error}")));
            }
        }
    }
    mistakes
}

/// A sink knows nothing of the cluster it reads: says where such an option belongs.
fn explain_source_only(mistakes: &mut Vec<Diagnostic>, config: &Value) {
    for name in SOURCE_ONLY.iter().filter(|name| config.get(**name).is_some()) {
        mistakes.retain(|mistake| mistake.path != Diagnostic::of(name, "").path);
        let reason = format!(
            "`{name}` is for sources: topics and groups are mirrored by a `kafka` source that runs in the other cluster"
        );
        mistakes.push(Diagnostic::of(name, reason));
    }
}

fn patterns(option: &str, texts: &[String]) -> Result<Vec<glob::Pattern>, ConnectorError> {
    let pattern = |text: &String| {
        glob::Pattern::new(text).map_err(|error| {
            ConnectorError::config(format!("{option}: `{text}` is no pattern")).caused_by(error)
        })
    };
    texts.iter().map(pattern).collect()
}

/// What an administrative call's failure means for the task.
fn admin_failed(attempt: &str, error: AdminError) -> ConnectorError {
    let class = match error.code() {
        Some(
            ErrorCode::TopicAuthorizationFailed
            | ErrorCode::GroupAuthorizationFailed
            | ErrorCode::ClusterAuthorizationFailed,
        ) => ErrorClass::Auth,
        _ => ErrorClass::Retryable,
    };
    ConnectorError::new(class, attempt).caused_by(error)
}

pub struct Kafka;

impl Plugin for Kafka {
    fn describe(&self) -> Description {
        Description {
            name: "kafka",
            version: env!("CARGO_PKG_VERSION"),
            doc: "Mirrors topics from and to any Kafka cluster: key, value, headers, timestamp and partition stay; on the way in \
                  also topics' configurations and consumer groups' offsets.",
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
        match role {
            Role::Source => mistakes.extend(source_conflicts(config)),
            _ => explain_source_only(&mut mistakes, config),
        }
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
