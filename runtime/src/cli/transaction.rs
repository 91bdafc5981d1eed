//! `transaction list|describe`: who has transactions, and what is open.

use millstream_client::admin::{Admin, TransactionDescription};
use serde_json::json;

use super::Failure;
use super::cluster::{ClusterArguments, block_on};
use super::output::Output;

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
    /// List transactional ids.
    List {
        /// Only those in this state, such as Ongoing.
        #[arg(long)]
        state: Vec<String>,
    },
    /// Show what a transactional id has open.
    Describe {
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let output = Output::new(arguments.json);
    block_on(async move {
        let admin = arguments.cluster.connect().await?.admin();
        match arguments.action {
            Action::List { state } => list(&admin, &state, output).await,
            Action::Describe { ids } => {
                for id in &ids {
                    let found = admin.describe_transaction(id).await.map_err(Failure::failed)?;
                    print(&found, output)?;
                }
                Ok(())
            }
        }
    })
}

async fn list(admin: &Admin, states: &[String], output: Output) -> Result<(), Failure> {
    let asked: Vec<&str> = states.iter().map(String::as_str).collect();
    let found = admin.list_transactions(&asked).await.map_err(Failure::failed)?;
    if output.json {
        for one in &found {
            output.value(&json!({
                "transactional_id": one.transactional_id, "producer_id": one.producer_id, "state": one.state,
            }))?;
        }
        return Ok(());
    }
    let row = |one: &millstream_client::admin::TransactionListing| {
        vec![one.transactional_id.clone(), one.producer_id.to_string(), one.state.clone()]
    };
    output.table(&["transactional id", "producer id", "state"], &found.iter().map(row).collect::<Vec<_>>())
}

fn print(found: &TransactionDescription, output: Output) -> Result<(), Failure> {
    let partitions: Vec<String> = found.partitions.iter().map(ToString::to_string).collect();
    if output.json {
        return output.value(&json!({
            "transactional_id": found.transactional_id,
            "state": found.state,
            "timeout_ms": found.timeout_ms,
            "started_ms": (found.started_ms >= 0).then_some(found.started_ms),
            "producer_id": found.producer_id,
            "producer_epoch": found.producer_epoch,
            "partitions": partitions,
        }));
    }
    output.line(&format!(
        "{}  state {}  producer {} epoch {}  timeout {} ms  partitions {}",
        found.transactional_id,
        found.state,
        found.producer_id,
        found.producer_epoch,
        found.timeout_ms,
        if partitions.is_empty() { "none".to_owned() } else { partitions.join(" ") }
    ))
}
