//! The command line: one file per subcommand, exit code 0 done, 1 failed, 2 bad usage or a bad file
//! (then nothing was started).
//!
//! Left out: what the commands do; each parses its arguments and calls the part that does it.

mod answer;
mod apply;
mod bench;
mod config;
mod connector;
mod consume;
mod group;
mod plugin;
mod produce;
mod queries;
mod record_format;
mod run;
mod schema;
mod server;
mod sql;
mod status;
mod stop;
mod test;
mod topic;
mod transaction;
mod validate;

mod cluster;
mod node_api;
pub mod output;

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use output::Output;

/// Kafka-compatible broker, connectors and streaming SQL in one binary.
#[derive(Parser)]
#[command(name = "millstream", version, propagate_version = true, max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// What to log on stderr: error, warn, info, debug, trace, or directives such as millstream_broker=debug.
    #[arg(long, global = true, env = "MILLSTREAM_LOG", default_value = "warn", value_name = "FILTER")]
    log: String,
}

#[derive(Subcommand)]
enum Command {
    /// Run pipelines, on an embedded node or on the cluster they name.
    Run(run::Arguments),
    /// Run a broker node.
    Server(server::Arguments),
    /// Check pipeline files without starting anything.
    Validate(validate::Arguments),
    /// Run the cases of pipeline files in memory.
    Test(test::Arguments),
    /// Say what applying pipeline files would change on a running node.
    Plan(apply::Arguments),
    /// Make a running node's pipelines as the files say; only what differs restarts.
    Apply(apply::Arguments),
    /// Take pipelines off a running node. Topics and positions stay.
    Delete(apply::DeleteArguments),
    /// Show what runs on a node.
    Status(status::Arguments),
    /// List, pause, resume, restart and delete sources and sinks of a running node.
    Connector(connector::Arguments),
    /// Create, list, describe, alter and delete topics.
    Topic(topic::Arguments),
    /// Send lines to a topic.
    Produce(produce::Arguments),
    /// Print a topic's records.
    Consume(consume::Arguments),
    /// List, describe, reset and delete consumer groups.
    Group(group::Arguments),
    /// List and describe transactions.
    Transaction(transaction::Arguments),
    /// Show and change settings of topics and nodes.
    Config(config::Arguments),
    /// Start, look at and try plugins.
    Plugin(plugin::Arguments),
    /// Carry out SQL statements on a running node.
    Sql(sql::Arguments),
    /// Measure a broker beside this machine's own limits.
    Bench(bench::Arguments),
    /// Print the JSON Schema of the pipeline file.
    Schema(schema::Arguments),
}

/// Why a command ended badly.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Exit code 2: nothing was started.
    #[error("{0}")]
    BadInput(String),
    /// Exit code 2; the findings were printed as JSON.
    #[error("the findings were printed")]
    AlreadyTold,
    /// The reader of our output went away; nobody is left to tell.
    #[error("the reader of the output went away")]
    ReaderGone,
}

impl Failure {
    pub fn failed(reason: impl std::fmt::Display) -> Self {
        Self::Failed(reason.to_string())
    }

    pub fn bad_input(reason: impl std::fmt::Display) -> Self {
        Self::BadInput(reason.to_string())
    }
}

/// Parses the process's arguments, runs the command and says how it ended.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(reason) = start_log(&arguments.log) {
        Output::for_people().complain(&format!("--log {}: {reason}", arguments.log));
        return ExitCode::from(2);
    }
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::ReaderGone) => ExitCode::SUCCESS,
        Err(Failure::AlreadyTold) => ExitCode::from(2),
        Err(failure) => {
            Output::for_people().complain(&failure.to_string());
            ExitCode::from(if matches!(failure, Failure::BadInput(_)) { 2 } else { 1 })
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Run(arguments) => run::run(arguments),
        Command::Server(arguments) => server::run(arguments),
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Plan(arguments) => apply::plan(&arguments),
        Command::Apply(arguments) => apply::apply(&arguments),
        Command::Delete(arguments) => apply::delete(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Connector(arguments) => connector::run(&arguments),
        Command::Topic(arguments) => topic::run(arguments),
        Command::Produce(arguments) => produce::run(arguments),
        Command::Plugin(arguments) => plugin::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Consume(arguments) => consume::run(arguments),
        Command::Group(arguments) => group::run(arguments),
        Command::Transaction(arguments) => transaction::run(arguments),
        Command::Sql(arguments) => sql::run(arguments),
        Command::Config(arguments) => config::run(arguments),
        Command::Schema(arguments) => schema::run(&arguments),
    }
}

fn start_log(filter: &str) -> Result<(), String> {
    use std::io::IsTerminal;
    let filter = EnvFilter::try_new(filter).map_err(|error| error.to_string())?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}

/// `NAME=VALUE` pairs of `--set`.
fn parse_settings(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |setting: &String| match setting.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Failure::bad_input(format!("--set {setting}: expected NAME=VALUE"))),
    };
    given.iter().map(pair).collect()
}
