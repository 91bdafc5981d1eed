//! What every request handler may reach: settings, metadata, hosted partitions, coordinators, sessions, counters.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::api::Gates;
use crate::api::fetch_session::FetchSessions;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::coordinator::shell::Coordinators;
use crate::hosting::Hosting;
use crate::metrics::Metrics;

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) config: Arc<Config>,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) coordinators: Coordinators,
    pub(crate) fetch_sessions: FetchSessions,
    pub(crate) producer_gates: Gates,
    pub(crate) metrics: Arc<Metrics>,
    /// One permit per byte of requests that are held, for all connections together.
    pub(crate) request_memory: Arc<Semaphore>,
    pub(crate) request_memory_bytes: usize,
    /// Cancelled when the node begins to stop: whoever waits for something new answers with what there is.
    pub(crate) stopping: CancellationToken,
}

impl Node {
    /// The partitions on this node's disk.
    pub(crate) fn hosting(&self) -> &Hosting {
        self.cluster.hosting()
    }
}
