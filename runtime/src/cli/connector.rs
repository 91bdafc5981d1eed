//! `connector …`: sources and sinks of a running node, one by one.

use hyper::Method;
use serde_json::Value;

use super::Failure;
use super::cluster::block_on;
use super::node_api::{NodeArguments, escaped};
use super::output::Output;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    node: NodeArguments,
}

#[derive(clap::Subcommand)]
enum Action {
    /// List connectors with their states.
    List,
    /// Show a connector's configuration and state.
    Describe { name: String },
    /// Stop it for a while; its task keeps its place.
    Pause { name: String },
    /// Let it go on.
    Resume { name: String },
    /// Stop it, so that its offsets can be changed.
    Stop { name: String },
    /// Start it anew from what is committed.
    Restart { name: String },
    /// Take it out of its pipeline. Its positions stay.
    Delete { name: String },
    /// Show the offsets, or forget them (of a stopped one).
    Offsets {
        name: String,
        /// Start from the beginning.
        #[arg(long)]
        reset: bool,
    },
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    block_on(carry_out(&arguments.action, &arguments.node))
}

async fn carry_out(action: &Action, node: &NodeArguments) -> Result<(), Failure> {
    let output = Output::for_people();
    let path = |name: &str, part: &str| format!("/connectors/{}{part}", escaped(name));
    let change =
        async |method: Method, path: String| node.call(method, &path, None).await?.done().map(|_| ());
    match action {
        Action::List => {
            let all = node.get("/connectors?expand=status&expand=info").await?;
            let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
            let row = |(name, parts): (&String, &Value)| {
                let state = text(&parts["status"]["tasks"][0]["state"]);
                let state = if state == "-" { text(&parts["status"]["connector"]["state"]) } else { state };
                vec![name.clone(), text(&parts["info"]["config"]["connector.class"]), state]
            };
            let rows: Vec<Vec<String>> = all.as_object().into_iter().flatten().map(row).collect();
            output.table(&["connector", "class", "state"], &rows)
        }
        Action::Describe { name } => {
            let info = node.get(&path(name, "")).await?;
            let status = node.get(&path(name, "/status")).await?;
            let whole = serde_json::json!({ "info": info, "status": status });
            output.line(&format!("{whole:#}"))
        }
        Action::Pause { name } => change(Method::PUT, path(name, "/pause")).await,
        Action::Resume { name } => change(Method::PUT, path(name, "/resume")).await,
        Action::Stop { name } => change(Method::PUT, path(name, "/stop")).await,
        Action::Restart { name } => change(Method::POST, path(name, "/restart")).await,
        Action::Delete { name } => change(Method::DELETE, path(name, "")).await,
        Action::Offsets { name, reset: true } => change(Method::DELETE, path(name, "/offsets")).await,
        Action::Offsets { name, reset: false } => {
            let offsets = node.get(&path(name, "/offsets")).await?;
            output.line(&format!("{offsets:#}"))
        }
    }
}
