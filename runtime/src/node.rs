//! One node of Millstream in this process: its data directory, the broker, the HTTP server.
//!
//! Start order: broker (which locks the data directory for this process) → HTTP → the stored pipelines of a server.
//! [`Node::stop`] goes the other way round. Left out: runs that somebody else started, who stops them first.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use millstream_broker::{Broker, Config};
use tokio::task::JoinHandle;

use crate::http::{self, HttpServer, Resources};
use crate::pipelines::{Pipelines, QuerySettings, StoreError};

/// How long a server waits for the queries of statements before it says that it is ready.
const STATEMENTS_PATIENCE: Duration = Duration::from_secs(5);

/// Why a node did not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("finding data directory {directory}: {source}")]
    Directory { directory: PathBuf, source: std::io::Error },
    #[error("starting the broker: {0}")]
    Broker(#[from] millstream_broker::StartError),
    #[error("opening the stored pipelines: {0}")]
    Pipelines(#[from] StoreError),
    #[error("starting the http server on {address}: {source}")]
    Http { address: SocketAddr, source: std::io::Error },
}

/// Whose pipelines a node has.
pub enum Hosted {
    /// Those stored in its directory, whose queries run like this.
    Own(QuerySettings),
    /// Of whoever starts the node: it only shows them.
    Others(Pipelines),
}

/// A running node.
pub struct Node {
    broker: Arc<Broker>,
    http: HttpServer,
    directory: PathBuf,
    pipelines: Pipelines,
    /// Starts what takes statements.
    statements: Option<JoinHandle<()>>,
}

impl Node {
    /// Starts a node on the directory that `config` names. A server keeps pipelines of its own: those that are stored
    /// start with it.
    pub async fn server(
        config: Config,
        http_address: SocketAddr,
        queries: QuerySettings,
    ) -> Result<Self, StartError> {
        let mut node = Self::start(config, http_address, Hosted::Own(queries)).await?;
        if let Err(error) = node.pipelines.start_stored().await {
            node.stop().await;
            return Err(error.into());
        }
        let mut starting = tokio::spawn(node.pipelines.clone().start_statements());
        // A cluster that is not complete yet must not keep this node from being ready.
        if tokio::time::timeout(STATEMENTS_PATIENCE, &mut starting).await.is_err() {
            tracing::warn!("the queries of statements are not started yet; the node goes on trying");
            node.statements = Some(starting);
        }
        Ok(node)
    }

    /// Starts a node; `hosted` says whose pipelines it shows.
    pub async fn start(
        mut config: Config,
        http_address: SocketAddr,
        hosted: Hosted,
    ) -> Result<Self, StartError> {
        // Absolute, so that what is printed and logged means the same everywhere.
        let directory = std::path::absolute(&config.log_directory)
            .map_err(|source| StartError::Directory { directory: config.log_directory.clone(), source })?;
        config.log_directory.clone_from(&directory);
        let broker = Arc::new(Broker::start(config).await?);
        let pipelines = match hosted {
            Hosted::Own(queries) => Pipelines::on(&broker, &directory, queries),
            Hosted::Others(pipelines) => Ok(pipelines),
        };
        let pipelines = match pipelines {
            Ok(pipelines) => pipelines,
            Err(error) => {
                stop_broker(&broker).await;
                return Err(error.into());
            }
        };
        let resources = Resources::of(pipelines.clone()).with_broker(&broker);
        match http::serve(http_address, resources).await {
            Ok(http) => Ok(Self { broker, http, directory, pipelines, statements: None }),
            Err(source) => {
                stop_broker(&broker).await;
                Err(StartError::Http { address: http_address, source })
            }
        }
    }

    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where Kafka clients connect, or `-` without a listener.
    pub fn kafka_address(&self) -> String {
        self.broker.addr().map_or_else(|| "-".to_owned(), |address| address.to_string())
    }

    /// The line that tells people and scripts where everything is.
    pub fn ready_line(&self) -> String {
        format!(
            "millstream ready kafka={} http={} pg=- node={} data={}",
            self.kafka_address(),
            self.http.address(),
            self.broker.node_id(),
            self.directory.display()
        )
    }

    /// Stops in reverse order; everything acknowledged is on disk when this returns.
    pub async fn stop(self) {
        // Requests that change pipelines are over before these stop.
        self.http.stop().await;
        if let Some(starting) = &self.statements {
            starting.abort();
        }
        self.pipelines.stop().await;
        stop_broker(&self.broker).await;
    }
}

async fn stop_broker(broker: &Broker) {
    if let Err(error) = broker.shutdown().await {
        tracing::error!(%error, "the broker did not stop cleanly; the next start checks its logs");
    }
}
