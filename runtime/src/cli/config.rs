//! `config describe|alter`: settings of topics and nodes, as Kafka's own kafka-configs shows and changes them.

use millstream_client::admin::{Admin, ConfigChange, ConfigEntry, ConfigResource, ConfigSource};
use serde_json::json;

use super::cluster::{ClusterArguments, block_on};
use super::output::Output;
use super::{Failure, parse_settings};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    cluster: ClusterArguments,
    /// One JSON value a line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Show settings.
    Describe {
        #[command(flatten)]
        whose: Whose,
        /// Also those at their defaults.
        #[arg(long)]
        all: bool,
    },
    /// Change settings.
    Alter {
        #[command(flatten)]
        whose: Whose,
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// Put a setting back to its default.
        #[arg(long, value_name = "KEY")]
        delete: Vec<String>,
    },
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Whose {
    #[arg(long)]
    topic: Option<String>,
    /// A node, by id.
    #[arg(long)]
    broker: Option<i32>,
    /// The defaults of all nodes.
    #[arg(long)]
    brokers: bool,
}

impl Whose {
    fn resource(&self) -> ConfigResource {
        match (&self.topic, self.broker) {
            (Some(topic), _) => ConfigResource::Topic(topic.clone()),
            (None, Some(node_id)) => ConfigResource::Broker(node_id),
            (None, None) => ConfigResource::Brokers,
        }
    }
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let output = Output::new(arguments.json);
    block_on(async move {
        let admin = arguments.cluster.connect().await?.admin();
        match arguments.action {
            Action::Describe { whose, all } => describe(&admin, &whose.resource(), all, output).await,
            Action::Alter { whose, set, delete } => {
                let changes =
                    parse_settings(&set)?.into_iter().map(|(key, value)| ConfigChange::Set(key, value));
                let changes: Vec<ConfigChange> =
                    changes.chain(delete.into_iter().map(ConfigChange::Delete)).collect();
                if changes.is_empty() {
                    return Err(Failure::bad_input("nothing to alter: give --set or --delete"));
                }
                admin.alter_configs(&whose.resource(), &changes, false).await.map_err(Failure::failed)
            }
        }
    })
}

async fn describe(
    admin: &Admin,
    resource: &ConfigResource,
    all: bool,
    output: Output,
) -> Result<(), Failure> {
    let entries = admin.describe_configs(resource).await.map_err(Failure::failed)?;
    let shown: Vec<&ConfigEntry> =
        entries.iter().filter(|entry| all || entry.source != ConfigSource::Default).collect();
    if output.json {
        for entry in shown {
            output.value(&json!({
                "key": entry.name,
                "value": entry.value,
                "source": source_word(entry.source),
                "read_only": entry.is_read_only,
                "sensitive": entry.is_sensitive,
                "documentation": entry.documentation,
            }))?;
        }
        return Ok(());
    }
    let row = |entry: &&ConfigEntry| {
        let value = entry.value.clone().unwrap_or_else(|| "(hidden)".to_owned());
        vec![entry.name.clone(), value, source_word(entry.source).to_owned()]
    };
    output.table(&["key", "value", "source"], &shown.iter().map(row).collect::<Vec<_>>())
}

fn source_word(source: ConfigSource) -> &'static str {
    match source {
        ConfigSource::Topic => "topic",
        ConfigSource::DynamicBroker => "broker",
        ConfigSource::DynamicBrokers => "brokers",
        ConfigSource::StaticBroker => "start",
        ConfigSource::Default => "default",
        ConfigSource::Group => "group",
        ConfigSource::Unknown => "unknown",
    }
}
