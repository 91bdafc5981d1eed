//! `topic create|list|describe|alter|delete`: what Kafka's own kafka-topics does.

use millstream_client::admin::{
    Admin, AdminError, ConfigChange, ConfigEntry, ConfigResource, ConfigSource, NewTopic,
};
use millstream_client::{TopicLayout, admin::TopicListing};
use millstream_protocol::ErrorCode;
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
    /// Create topics.
    Create(Create),
    /// List topics.
    List {
        /// Also those that the cluster keeps for itself.
        #[arg(long)]
        internal: bool,
    },
    /// Show partitions, leaders, replicas and changed settings.
    Describe {
        #[arg(required = true, value_name = "TOPIC")]
        names: Vec<String>,
    },
    /// Add partitions or change settings.
    Alter(Alter),
    /// Delete topics and all their records.
    Delete {
        #[arg(required = true, value_name = "TOPIC")]
        names: Vec<String>,
        /// A missing topic is no failure.
        #[arg(long)]
        if_exists: bool,
    },
}

#[derive(clap::Args)]
struct Create {
    #[arg(required = true, value_name = "TOPIC")]
    names: Vec<String>,
    /// The cluster's default without it.
    #[arg(long, short = 'p', value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// The cluster's default without it.
    #[arg(long, value_parser = clap::value_parser!(i16).range(1..))]
    replication_factor: Option<i16>,
    /// A setting such as retention.ms=60000.
    #[arg(long = "config", short = 'c', value_name = "KEY=VALUE")]
    configs: Vec<String>,
    /// An existing topic is no failure.
    #[arg(long)]
    if_not_exists: bool,
}

#[derive(clap::Args)]
struct Alter {
    #[arg(value_name = "TOPIC")]
    name: String,
    /// Grow to this many partitions; keys move to other partitions from then on.
    #[arg(long, short = 'p', value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// Set a setting.
    #[arg(long = "config", short = 'c', value_name = "KEY=VALUE")]
    configs: Vec<String>,
    /// Put a setting back to its default.
    #[arg(long = "delete-config", value_name = "KEY")]
    delete_configs: Vec<String>,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let output = Output::new(arguments.json);
    block_on(async move {
        let admin = arguments.cluster.connect().await?.admin();
        match arguments.action {
            Action::Create(create) => create_topics(&admin, create, output).await,
            Action::List { internal } => list_topics(&admin, internal, output).await,
            Action::Describe { names } => describe_topics(&admin, &names, output).await,
            Action::Alter(alter) => alter_topic(&admin, alter, output).await,
            Action::Delete { names, if_exists } => delete_topics(&admin, &names, if_exists, output).await,
        }
    })
}

async fn create_topics(admin: &Admin, create: Create, output: Output) -> Result<(), Failure> {
    let configs: Vec<(String, String)> = parse_settings(&create.configs)?.into_iter().collect();
    let topic = |name: &String| NewTopic {
        name: name.clone(),
        partitions: create.partitions.unwrap_or(-1),
        replication_factor: create.replication_factor.unwrap_or(-1),
        configs: configs.clone(),
    };
    let topics: Vec<NewTopic> = create.names.iter().map(topic).collect();
    let mut failures = Vec::new();
    for (topic, result) in topics.iter().zip(admin.create_topics(&topics, false).await) {
        match result {
            Ok(created) => {
                // So that the next command, through whatever node, finds it.
                admin.wait_for_topic(&created.name).await.map_err(Failure::failed)?;
                match output.json {
                    true => {
                        output.value(&json!({ "topic": created.name, "partitions": created.partitions }))?
                    }
                    false => output
                        .line(&format!("created {} with {} partitions", created.name, created.partitions))?,
                }
            }
            Err(error) if create.if_not_exists && error.code() == Some(ErrorCode::TopicAlreadyExists) => {
                output.note(&format!("{} exists already", topic.name));
            }
            Err(error) => failures.push(error.to_string()),
        }
    }
    fail_with(failures)
}

async fn list_topics(admin: &Admin, internal: bool, output: Output) -> Result<(), Failure> {
    let listed = admin.list_topics().await.map_err(Failure::failed)?;
    let shown: Vec<TopicListing> =
        listed.into_iter().filter(|topic| internal || !topic.is_internal).collect();
    if output.json {
        for topic in &shown {
            output.value(&json!({
                "topic": topic.name,
                "id": topic.topic_id.to_string(),
                "partitions": topic.partitions,
                "internal": topic.is_internal,
            }))?;
        }
        return Ok(());
    }
    let rows: Vec<Vec<String>> =
        shown.iter().map(|topic| vec![topic.name.clone(), topic.partitions.to_string()]).collect();
    output.table(&["topic", "partitions"], &rows)
}

async fn describe_topics(admin: &Admin, names: &[String], output: Output) -> Result<(), Failure> {
    let asked: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut failures = Vec::new();
    for (name, result) in names.iter().zip(admin.describe_topics(&asked).await) {
        match result {
            Ok(layout) => {
                let resource = ConfigResource::Topic(name.clone());
                let configs = admin.describe_configs(&resource).await.map_err(Failure::failed)?;
                print_topic(&layout, &configs, output)?;
            }
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    fail_with(failures)
}

fn print_topic(layout: &TopicLayout, configs: &[ConfigEntry], output: Output) -> Result<(), Failure> {
    let changed: Vec<&ConfigEntry> =
        configs.iter().filter(|entry| entry.source == ConfigSource::Topic).collect();
    if output.json {
        let partitions: Vec<serde_json::Value> = layout
            .partitions
            .iter()
            .enumerate()
            .map(|(index, partition)| {
                json!({
                    "partition": index,
                    "leader": partition.leader,
                    "leader_epoch": partition.leader_epoch,
                    "replicas": partition.replicas,
                    "in_sync_replicas": partition.in_sync_replicas,
                })
            })
            .collect();
        let configs: serde_json::Map<String, serde_json::Value> =
            changed.iter().map(|entry| (entry.name.clone(), json!(entry.value))).collect();
        return output.value(&json!({
            "topic": &*layout.name,
            "id": layout.topic_id.to_string(),
            "internal": layout.is_internal,
            "partitions": partitions,
            "configs": configs,
        }));
    }
    output.line(&format!("topic {}  id {}", layout.name, layout.topic_id))?;
    for entry in changed {
        output.line(&format!("  {}={}", entry.name, entry.value.as_deref().unwrap_or("(hidden)")))?;
    }
    let ids = |ids: &[i32]| ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    let rows: Vec<Vec<String>> = layout
        .partitions
        .iter()
        .enumerate()
        .map(|(index, partition)| {
            let leader = if partition.leader < 0 { "none".to_owned() } else { partition.leader.to_string() };
            vec![index.to_string(), leader, ids(&partition.replicas), ids(&partition.in_sync_replicas)]
        })
        .collect();
    output.table(&["partition", "leader", "replicas", "in sync"], &rows)
}

async fn alter_topic(admin: &Admin, alter: Alter, output: Output) -> Result<(), Failure> {
    let settings = parse_settings(&alter.configs)?;
    let set = settings.into_iter().map(|(key, value)| ConfigChange::Set(key, value));
    let changes: Vec<ConfigChange> =
        set.chain(alter.delete_configs.into_iter().map(ConfigChange::Delete)).collect();
    if changes.is_empty() && alter.partitions.is_none() {
        return Err(Failure::bad_input("nothing to alter: give --partitions, --config or --delete-config"));
    }
    if !changes.is_empty() {
        let resource = ConfigResource::Topic(alter.name.clone());
        admin.alter_configs(&resource, &changes, false).await.map_err(Failure::failed)?;
    }
    if let Some(partitions) = alter.partitions {
        admin.create_partitions(&alter.name, partitions).await.map_err(Failure::failed)?;
    }
    output.note(&format!("altered {}", alter.name));
    Ok(())
}

async fn delete_topics(
    admin: &Admin,
    names: &[String],
    if_exists: bool,
    output: Output,
) -> Result<(), Failure> {
    let asked: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut failures = Vec::new();
    for (name, result) in names.iter().zip(admin.delete_topics(&asked).await) {
        match result {
            Ok(()) => output.note(&format!("deleted {name}")),
            Err(error) if if_exists && is_unknown_topic(&error) => {
                output.note(&format!("{name} does not exist"))
            }
            Err(error) => failures.push(error.to_string()),
        }
    }
    fail_with(failures)
}

fn is_unknown_topic(error: &AdminError) -> bool {
    error.code() == Some(ErrorCode::UnknownTopicOrPartition)
}

/// Fails with all that went wrong, one a line.
pub fn fail_with(failures: Vec<String>) -> Result<(), Failure> {
    match failures.is_empty() {
        true => Ok(()),
        false => Err(Failure::failed(failures.join("\n"))),
    }
}
