//! Assembly of one node: the order in which its parts start, and the reverse in which they stop.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use millstream_client::transport::Transport;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::api::Gates;
use crate::api::fetch_session::FetchSessions;
use crate::cluster::{Cluster, Endpoint, OpenError, Opened};
use crate::config::Config;
use crate::coordinator::group::GroupConfig;
use crate::coordinator::shell::{CoordinatorConfig, Coordinators};
use crate::coordinator::transaction::TransactionConfig;
use crate::hosting::{Hosting, HostingError};
use crate::limits;
use crate::local::LocalTransport;
use crate::log::WriteError;
use crate::log::disk::{Attempt, Disk, DiskError, RealDisk};
use crate::metrics::{Gauges, Metrics};
use crate::node::Node;
use crate::server::{BindError, Bound, Server};
use crate::surroundings::NodeSurroundings;

/// A running broker node. Dropping it without [`Broker::shutdown`] is like a crash: the next start checks the logs.
pub struct Broker {
    node: Arc<Node>,
    server: Server,
    listener: String,
    address: Option<SocketAddr>,
}

/// Why a node did not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot open the data folder: {0}")]
    Folder(DiskError),
    #[error("cannot open the metadata: {0}")]
    Metadata(Box<dyn std::error::Error + Send + Sync>),
    #[error("cannot open the logs: {0}")]
    Logs(Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("the thread that opened the data folder panicked")]
    Panicked,
}

/// A stop that was not clean: the next start checks the logs.
#[derive(Debug, thiserror::Error)]
pub enum ShutdownError {
    #[error("cannot close the logs cleanly: {0}")]
    Logs(#[from] WriteError),
    #[error("the thread that closed the logs panicked")]
    Panicked,
}

impl Broker {
    /// Opens the data folder, then the listeners. On return the node serves.
    ///
    /// # Errors
    /// [`StartError`] says which step failed and where.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let opening = config.clone();
        let opened = tokio::task::spawn_blocking(move || open(&opening)).await;
        let (metadata, hosting) = opened.map_err(|_| StartError::Panicked)??;
        let bound = Bound::bind(&config).await?;
        let endpoints = endpoints(&config, &bound);
        let (listener, address) = bound
            .addresses()
            .next()
            .map_or_else(Default::default, |(name, address)| (name.to_owned(), Some(address)));
        let cluster = Cluster::new(config.clone(), metadata, Arc::new(hosting));
        cluster.register(endpoints).await.map_err(|error| StartError::Metadata(Box::new(error)))?;
        let node = Arc::new(node(config, Arc::new(cluster)));
        node.coordinators.resume();
        let server = bound.serve(&node);
        Ok(Self { node, server, listener, address })
    }

    /// Where the first listener listens; `None` for a node without one.
    pub fn addr(&self) -> Option<SocketAddr> {
        self.address
    }

    pub fn node_id(&self) -> i32 {
        self.node.config.node_id
    }

    pub fn cluster_id(&self) -> &str {
        &self.node.cluster.identity().cluster_id
    }

    /// The direct way in, for clients in this process.
    pub fn local(&self) -> Arc<dyn Transport> {
        Arc::new(LocalTransport::new(self.node.clone(), &self.listener, self.address))
    }

    /// Counters and gauges as Prometheus text.
    pub fn metrics(&self) -> String {
        let (partitions, log_bytes) = self.node.hosting().size();
        let (flushes, flush_time) = self.node.hosting().flushed();
        self.node.metrics.render(Gauges {
            flushes,
            flush_time,
            topics: self.node.cluster.image().topics().count(),
            partitions,
            log_bytes,
            fetch_sessions: self.node.fetch_sessions.count(),
        })
    }

    /// Why the node can no longer write, if so: its disk failed, and only a restart finds out what it holds.
    pub fn failure(&self) -> Option<String> {
        self.node.hosting().failure().map(str::to_owned)
    }

    /// Stops in order: no new connections, requests under way get their answers, logs are flushed and marked clean.
    ///
    /// # Errors
    /// [`ShutdownError`] when the logs could not be closed cleanly.
    pub async fn shutdown(&self) -> Result<(), ShutdownError> {
        self.node.stopping.cancel();
        self.server.shutdown().await;
        let node = self.node.clone();
        let closed = tokio::task::spawn_blocking(move || node.hosting().close()).await;
        let closed = closed.map_err(|_| ShutdownError::Panicked)?.map_err(ShutdownError::from);
        self.node.cluster.close().await;
        closed
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.node.stopping.cancel();
        self.server.abandon();
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Broker").field("address", &self.address).finish_non_exhaustive()
    }
}

fn open(config: &Arc<Config>) -> Result<(Opened, Hosting), StartError> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let folder = &config.log_directory;
    disk.create_directory(folder).attempt("create folder", folder).map_err(StartError::Folder)?;
    let metadata =
        Opened::load(&disk, config).map_err(|error: OpenError| StartError::Metadata(Box::new(error)))?;
    let hosting = Hosting::open(disk, config.clone(), &metadata.image)
        .map_err(|error: HostingError| StartError::Logs(Box::new(error)))?;
    Ok((metadata, hosting))
}

fn node(config: Arc<Config>, cluster: Arc<Cluster>) -> Node {
    let request_memory_bytes = config.request_memory_bytes.unwrap_or(limits::REQUEST_MEMORY_BYTES);
    let request_memory_bytes = request_memory_bytes.min(Semaphore::MAX_PERMITS);
    let stopping = CancellationToken::new();
    let surroundings = Arc::new(NodeSurroundings { cluster: cluster.clone() });
    Node {
        fetch_sessions: FetchSessions::new(config.fetch_session_slots, config.fetch_session_min_eviction_ms),
        coordinators: Coordinators::new(surroundings, coordinator_config(&config), stopping.clone()),
        config,
        cluster,
        producer_gates: Gates::default(),
        metrics: Arc::new(Metrics::default()),
        request_memory: Arc::new(Semaphore::new(request_memory_bytes)),
        request_memory_bytes,
        stopping,
    }
}

fn coordinator_config(config: &Config) -> CoordinatorConfig {
    CoordinatorConfig {
        group: GroupConfig {
            min_session_timeout_ms: config.group_min_session_timeout_ms,
            max_session_timeout_ms: config.group_max_session_timeout_ms,
            initial_rebalance_delay_ms: i64::try_from(config.group_initial_rebalance_delay_ms)
                .unwrap_or(i64::MAX),
            max_size: usize::try_from(config.group_max_size).unwrap_or(usize::MAX),
            offset_metadata_max_bytes: config.offset_metadata_max_bytes,
            offsets_retention_ms: config.offsets_retention_minutes.saturating_mul(60_000),
            consumer_session_timeout_ms: config.group_consumer_session_timeout_ms,
            consumer_heartbeat_interval_ms: config.group_consumer_heartbeat_interval_ms,
            consumer_max_size: usize::try_from(config.group_consumer_max_size).unwrap_or(usize::MAX),
            consumer_assignors: config.group_consumer_assignors.clone(),
            consumer_migration: config.group_consumer_migration,
            ..GroupConfig::default()
        },
        offsets_sweep_ms: config.offsets_retention_check_interval_ms,
        transaction: TransactionConfig {
            max_timeout_ms: config.transaction_max_timeout_ms,
            id_expiration_ms: config.transactional_id_expiration_ms,
            ..TransactionConfig::default()
        },
    }
}

/// What clients of each listener are told: the advertised address of the same name, or the listener's own. The
/// host of a wildcard listener stays empty: whoever asks is told the address that it came in on.
fn endpoints(config: &Config, bound: &Bound) -> Vec<Endpoint> {
    let endpoint = |(name, address): (&str, SocketAddr)| {
        let advertised = config.advertised_listeners.iter().find(|advertised| advertised.name == name);
        let own = config.listeners.iter().find(|own| own.name == name);
        let (host, port) = match (advertised, own) {
            (Some(advertised), _) => (advertised.host.clone(), advertised.port),
            (None, Some(own)) if !own.is_wildcard() => (own.host.clone(), 0),
            _ => (String::new(), 0),
        };
        Endpoint { listener: name.to_owned(), host, port: if port == 0 { address.port() } else { port } }
    };
    bound.addresses().map(endpoint).collect()
}
