//! `--bootstrap`: how every command reaches a cluster.

use std::future::Future;
use std::time::Duration;

use millstream_client::{Client, ClientConfig, Cluster};

use super::Failure;

/// How long a command tries before it says that the cluster cannot be reached.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(clap::Args, Clone)]
pub struct ClusterArguments {
    /// Where the cluster is: host:port, several by commas.
    #[arg(
        long,
        short = 'b',
        global = true,
        env = "MILLSTREAM_BOOTSTRAP",
        default_value = "127.0.0.1:9092",
        value_name = "ADDR"
    )]
    bootstrap: String,
}

impl ClusterArguments {
    pub async fn connect(&self) -> Result<Client, Failure> {
        connect(&self.bootstrap).await
    }
}

/// Connects to addresses separated by commas.
pub async fn connect(bootstrap: &str) -> Result<Client, Failure> {
    let addresses: Vec<String> = bootstrap
        .split(',')
        .map(|address| address.trim().to_owned())
        .filter(|address| !address.is_empty())
        .collect();
    let config = ClientConfig {
        client_id: "millstream-cli".to_owned(),
        operation_timeout: PATIENCE,
        ..ClientConfig::default()
    };
    Client::connect(Cluster::Bootstrap(addresses), config).await.map_err(Failure::failed)
}

/// Runs a command's future to its end.
pub fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("starting the async runtime: {error}")))?;
    runtime.block_on(work)
}
