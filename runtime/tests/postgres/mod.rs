//! Pipelines from and to real PostgreSQL servers: the examples, and everything killed again and again.

mod examples;
mod faults;
#[path = "../../../connectors/tests/postgres/server.rs"]
mod server;

use std::path::Path;
use std::process::Command;

use server::Server;

use crate::process::millstream;

/// A server with a database beside the first.
async fn with_database(name: &str) -> Server {
    let server = Server::start().await;
    server.session().await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    server
}

fn run(folder: &Path, variables: &[(&str, String)]) -> Command {
    let mut command = millstream();
    command.current_dir(folder).args(["run", "pipeline.yaml", "--kafka", "127.0.0.1:0"]);
    command.args(["--http", "127.0.0.1:0"]).envs(variables.iter().map(|(name, value)| (name, value)));
    command
}
