//! `server`: a broker node with Kafka's own settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use millstream_broker::Config;

use super::cluster::block_on;
use super::output::Output;
use super::queries::QueryArguments;
use super::stop::StopRequest;
use super::{Failure, parse_settings};
use crate::config::server::{Given, apply};
use crate::node::Node;

/// Where a node keeps its data when nothing says otherwise.
const DATA_DIRECTORY: &str = ".millstream";

#[derive(clap::Args)]
pub struct Arguments {
    /// A Java properties file with Kafka's own keys. An unknown key in it is a warning.
    #[arg(long, value_name = "FILE")]
    properties: Option<PathBuf>,
    /// A setting by Kafka's own key; wins over the environment (KAFKA_NUM_PARTITIONS) and the file.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Where Kafka clients connect; port 0 picks a free one. 127.0.0.1:9092 without it.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where the HTTP server listens; port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8083")]
    http: SocketAddr,
    /// Where the node keeps its data.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// This node's number in its cluster.
    #[arg(long, value_name = "N")]
    node_id: Option<i32>,
    #[command(flatten)]
    queries: QueryArguments,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let output = Output::for_people();
    let config = read_config(&arguments, output)?;
    block_on(async move {
        let stop = StopRequest::listen()?;
        let node = Node::server(config, arguments.http, arguments.queries.settings())
            .await
            .map_err(Failure::failed)?;
        output.complain(&node.ready_line());
        stop.requested().await;
        node.stop().await;
        Ok(())
    })
}

fn read_config(arguments: &Arguments, output: Output) -> Result<Config, Failure> {
    let mut config = Config::new(DATA_DIRECTORY);
    let mut settings = vec![("listeners".to_owned(), "PLAINTEXT://127.0.0.1:9092".to_owned())];
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    // The default listener is weaker than everything a user says, so it goes first and alone.
    let default = Given { settings: std::mem::take(&mut settings), ..Given::default() };
    let mut findings = apply(&default, &mut config);
    settings.extend(parse_settings(&arguments.settings)?);
    settings.extend(flags(arguments));
    let given = Given { properties: arguments.properties.as_deref(), environment, settings };
    let found = apply(&given, &mut config);
    findings.warnings.extend(found.warnings);
    findings.errors.extend(found.errors);
    for warning in &findings.warnings {
        output.complain(&format!("warning: {warning}"));
    }
    match findings.errors.is_empty() {
        true => Ok(config),
        false => Err(Failure::bad_input(findings.errors.join("\n"))),
    }
}

/// Flags that stand for a key.
fn flags(arguments: &Arguments) -> Vec<(String, String)> {
    let listen = arguments.listen.map(|address| ("listeners", format!("PLAINTEXT://{address}")));
    let data = arguments.data.as_ref().map(|path| ("log.dirs", path.display().to_string()));
    let node_id = arguments.node_id.map(|number| ("node.id", number.to_string()));
    [listen, data, node_id].into_iter().flatten().map(|(key, value)| (key.to_owned(), value)).collect()
}
