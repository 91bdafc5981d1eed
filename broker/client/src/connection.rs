//! Connections by node: opened on demand, versions negotiated, replaced with a growing wait after a failure.
//!
//! Only this file decides which version of an API is spoken.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use millstream_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use millstream_protocol::{ApiKey, ErrorCode, Request};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::client::{Client, ClientConfig, Cluster};
use crate::transport::{TcpConfig, TcpTransport, Transport, TransportError};

/// The version of ApiVersions asked with: every broker since 2.4 knows it, and it carries the finalized features.
const API_VERSIONS_VERSION: i16 = 3;
const CLIENT_SOFTWARE_NAME: &str = "millstream";

/// Why a typed call gave no usable response.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(
        "node supports {api} only in versions {theirs_min}–{theirs_max}, this client in {ours_min}–{ours_max}"
    )]
    NoCommonVersion { api: &'static str, ours_min: i16, ours_max: i16, theirs_min: i16, theirs_max: i16 },
    #[error("{api} was answered with a response of another kind")]
    WrongResponse { api: &'static str },
    #[error("node refused to tell its API versions: {code}")]
    Handshake { code: ErrorCode },
    #[error("node {node_id} is not known; the cluster may have changed")]
    UnknownNode { node_id: i32 },
    #[error("coordinator of \"{key}\" cannot be found: {code}")]
    NoCoordinator { key: String, code: ErrorCode },
}

impl CallError {
    /// True when trying again, perhaps after a metadata refresh, may succeed.
    pub fn is_retriable(&self) -> bool {
        match self {
            CallError::Transport(error) => error.is_retriable(),
            CallError::UnknownNode { .. } => true,
            CallError::NoCoordinator { code, .. } => code.is_retriable(),
            CallError::NoCommonVersion { .. }
            | CallError::WrongResponse { .. }
            | CallError::Handshake { .. } => false,
        }
    }

    /// True when the request certainly never reached a node.
    pub fn is_unsent(&self) -> bool {
        match self {
            CallError::Transport(error) => error.is_unsent(),
            CallError::WrongResponse { .. } => false,
            _ => true,
        }
    }
}

/// A transport together with what its node can do.
pub(crate) struct Connection {
    transport: Arc<dyn Transport>,
    versions: HashMap<i16, (i16, i16)>,
    features: HashMap<String, i16>,
}

impl Connection {
    async fn negotiate(transport: Arc<dyn Transport>) -> Result<Connection, CallError> {
        let request = ApiVersionsRequest {
            client_software_name: CLIENT_SOFTWARE_NAME.to_owned(),
            client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Default::default()
        };
        let mut response = ask_versions(&*transport, request, API_VERSIONS_VERSION).await?;
        if response.error_code == ErrorCode::UnsupportedVersion.code() {
            response = ask_versions(&*transport, ApiVersionsRequest::default(), 0).await?;
        }
        let code = ErrorCode::from_code(response.error_code);
        if code != ErrorCode::None {
            return Err(CallError::Handshake { code });
        }
        let versions =
            response.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect();
        let features =
            response.finalized_features.into_iter().map(|level| (level.name, level.max_version_level));
        Ok(Connection { transport, versions, features: features.collect() })
    }

    pub(crate) fn is_open(&self) -> bool {
        self.transport.is_open()
    }

    /// The finalized level of a cluster feature such as `transaction.version`; 0 when the node names none.
    pub(crate) fn feature(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    /// The highest version of `R` that both sides speak.
    pub(crate) fn version<R: Request>(&self) -> Result<i16, CallError> {
        self.version_up_to::<R>(i16::MAX)
    }

    /// As [`Connection::version`], but none above `version_max`.
    pub(crate) fn version_up_to<R: Request>(&self, version_max: i16) -> Result<i16, CallError> {
        let ours_min = R::MIN_VERSION;
        let ours_max = version_max.min(newest_spoken(R::KEY)).min(R::MAX_VERSION);
        let Some(&(theirs_min, theirs_max)) = self.versions.get(&(R::KEY as i16)) else {
            return Err(TransportError::Unsupported { api: R::KEY }.into());
        };
        let version = ours_max.min(theirs_max);
        if version < ours_min.max(theirs_min) {
            let api = R::KEY.name();
            return Err(CallError::NoCommonVersion { api, ours_min, ours_max, theirs_min, theirs_max });
        }
        Ok(version)
    }

    /// Sends `request` in its best common version. The place in the node's order is taken before this returns.
    pub(crate) fn call<R>(&self, request: R) -> BoxFuture<'static, Result<R::Response, CallError>>
    where
        R: Request,
    {
        self.call_up_to(request, i16::MAX)
    }

    /// As [`Connection::call`], in no version above `version_max`.
    pub(crate) fn call_up_to<R>(
        &self,
        request: R,
        version_max: i16,
    ) -> BoxFuture<'static, Result<R::Response, CallError>>
    where
        R: Request,
    {
        match self.version_up_to::<R>(version_max) {
            Ok(version) => self.call_version(request, version),
            Err(error) => futures_util::future::ready(Err(error)).boxed(),
        }
    }

    /// Sends `request` in exactly `version`.
    pub(crate) fn call_version<R>(
        &self,
        request: R,
        version: i16,
    ) -> BoxFuture<'static, Result<R::Response, CallError>>
    where
        R: Request,
    {
        let response = self.transport.call(request.into(), version);
        async move {
            R::Response::try_from(response.await?)
                .map_err(|_other| CallError::WrongResponse { api: R::KEY.name() })
        }
        .boxed()
    }
}

async fn ask_versions(
    transport: &dyn Transport,
    request: ApiVersionsRequest,
    version: i16,
) -> Result<ApiVersionsResponse, CallError> {
    ApiVersionsResponse::try_from(transport.call(request.into(), version).await?)
        .map_err(|_other| CallError::WrongResponse { api: ApiKey::ApiVersions.name() })
}

/// Newest version that this client fills in correctly. Later ones name topics by id only, are meant for brokers among
/// themselves, or are not final.
fn newest_spoken(api: ApiKey) -> i16 {
    match api {
        ApiKey::Produce | ApiKey::Fetch => 12,
        ApiKey::OffsetCommit | ApiKey::OffsetFetch => 9,
        ApiKey::TxnOffsetCommit | ApiKey::InitProducerId => 5,
        ApiKey::AddPartitionsToTxn => 3,
        _ => i16::MAX,
    }
}

/// Connections to the nodes of one cluster, in lanes.
///
/// A Kafka broker works on one request of a connection at a time: a fetch or a join that waits holds up everything behind
/// it. So whoever waits long has a lane, and thereby connections, of its own. A local transport needs none of that.
pub(crate) struct Pool {
    config: ClientConfig,
    /// Set for an embedded broker: every node is reached through this one transport.
    local: Option<Arc<dyn Transport>>,
    bootstrap: Vec<String>,
    nodes: Mutex<Nodes>,
    next_lane: AtomicU64,
}

#[derive(Default)]
struct Nodes {
    addresses: BTreeMap<i32, String>,
    slots: HashMap<NodeKey, Arc<Slot>>,
}

/// Short requests of everybody.
pub(crate) const SHARED_LANE: u64 = 0;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum NodeKey {
    Local,
    Bootstrap(usize),
    Node { node_id: i32, lane: u64 },
}

struct Slot {
    address: String,
    current: Mutex<Option<Arc<Connection>>>,
    /// Held while connecting, so that callers wait for one attempt instead of starting several.
    dialing: tokio::sync::Mutex<Dialing>,
}

struct Dialing {
    backoff: Backoff,
    not_before: Option<Instant>,
}

/// Connections that nobody else uses; closed when this is dropped.
pub(crate) struct Lane {
    client: Client,
    number: u64,
}

impl Lane {
    pub(crate) fn new(client: Client) -> Lane {
        let number = client.shared.pool.next_lane.fetch_add(1, Ordering::Relaxed);
        Lane { client, number }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// See [`Pool::open_node`].
    pub(crate) fn open_node(&self, node_id: i32) -> Option<Arc<Connection>> {
        self.client.shared.pool.open_node(node_id, self.number)
    }

    /// See [`Pool::node`].
    pub(crate) async fn node(&self, node_id: i32) -> Result<Arc<Connection>, CallError> {
        self.client.shared.pool.node(node_id, self.number).await
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.client.shared.pool.close_lane(self.number);
    }
}

impl Pool {
    pub(crate) fn new(cluster: Cluster, config: ClientConfig) -> Pool {
        let (local, bootstrap) = match cluster {
            Cluster::Local(transport) => (Some(transport), Vec::new()),
            Cluster::Bootstrap(addresses) => (None, addresses),
        };
        let next_lane = AtomicU64::new(SHARED_LANE + 1);
        Pool { config, local, bootstrap, nodes: Mutex::default(), next_lane }
    }

    /// Makes addresses known; a node that moved loses its old connections.
    pub(crate) fn learn(&self, addresses: impl Iterator<Item = (i32, String)>) {
        let mut nodes = self.nodes.lock();
        for (node_id, address) in addresses {
            let has_moved = |key: &NodeKey, slot: &Arc<Slot>| {
                matches!(key, NodeKey::Node { node_id: other, .. } if *other == node_id)
                    && slot.address != address
            };
            nodes.slots.retain(|key, slot| !has_moved(key, slot));
            nodes.addresses.insert(node_id, address);
        }
    }

    /// An open connection to `node_id`, without waiting; `None` when one would have to be opened first.
    pub(crate) fn open_node(&self, node_id: i32, lane: u64) -> Option<Arc<Connection>> {
        let slot = self.nodes.lock().slots.get(&self.key(node_id, lane)).cloned()?;
        slot.open()
    }

    /// A connection to `node_id`, opened if need be.
    pub(crate) async fn node(&self, node_id: i32, lane: u64) -> Result<Arc<Connection>, CallError> {
        let slot = self.slot(self.key(node_id, lane), |nodes| nodes.addresses.get(&node_id).cloned());
        let slot = slot.ok_or(CallError::UnknownNode { node_id })?;
        self.dial(&slot).await
    }

    /// A connection to any node, for short requests: an open one if there is, else the bootstrap addresses and the known
    /// nodes in turn.
    pub(crate) async fn any(&self) -> Result<Arc<Connection>, CallError> {
        if self.local.is_some() {
            return self.node(0, SHARED_LANE).await;
        }
        let known: Vec<i32> = self.nodes.lock().addresses.keys().copied().collect();
        if let Some(open) = known.iter().find_map(|&node_id| self.open_node(node_id, SHARED_LANE)) {
            return Ok(open);
        }
        let mut last_error = CallError::UnknownNode { node_id: -1 };
        for node_id in known {
            match self.node(node_id, SHARED_LANE).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last_error = error,
            }
        }
        for (position, address) in self.bootstrap.iter().enumerate() {
            let Some(slot) = self.slot(NodeKey::Bootstrap(position), |_| Some(address.clone())) else {
                continue;
            };
            match self.dial(&slot).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last_error = error,
            }
        }
        Err(last_error)
    }

    fn close_lane(&self, lane: u64) {
        let is_of_lane = |key: &NodeKey| matches!(key, NodeKey::Node { lane: other, .. } if *other == lane);
        self.nodes.lock().slots.retain(|key, _| !is_of_lane(key));
    }

    fn key(&self, node_id: i32, lane: u64) -> NodeKey {
        if self.local.is_some() { NodeKey::Local } else { NodeKey::Node { node_id, lane } }
    }

    /// The slot of a key, made on first use; `None` when no address is known for it.
    fn slot(&self, key: NodeKey, address: impl FnOnce(&Nodes) -> Option<String>) -> Option<Arc<Slot>> {
        let mut nodes = self.nodes.lock();
        if let Some(slot) = nodes.slots.get(&key) {
            return Some(slot.clone());
        }
        let address = if key == NodeKey::Local { String::new() } else { address(&nodes)? };
        let slot = Arc::new(Slot::new(address, &self.config));
        nodes.slots.insert(key, slot.clone());
        Some(slot)
    }

    async fn dial(&self, slot: &Slot) -> Result<Arc<Connection>, CallError> {
        if let Some(open) = slot.open() {
            return Ok(open);
        }
        let mut dialing = slot.dialing.lock().await;
        if let Some(open) = slot.open() {
            return Ok(open);
        }
        if let Some(not_before) = dialing.not_before {
            tokio::time::sleep_until(not_before).await;
        }
        let address = &slot.address;
        match self.connect(address).await {
            Ok(connection) => {
                dialing.backoff.reset();
                // A node that accepts and then drops us at once must not be dialled in a tight loop either.
                dialing.not_before = Some(Instant::now() + self.config.reconnect_backoff);
                let connection = Arc::new(connection);
                *slot.current.lock() = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                let wait: Duration = dialing.backoff.next_wait();
                dialing.not_before = Some(Instant::now() + wait);
                tracing::debug!(%address, %error, "connecting failed");
                Err(error)
            }
        }
    }

    async fn connect(&self, address: &str) -> Result<Connection, CallError> {
        let transport: Arc<dyn Transport> = match &self.local {
            Some(local) => local.clone(),
            None => Arc::new(TcpTransport::connect(address, self.tcp_config()).await?),
        };
        Connection::negotiate(transport).await
    }

    fn tcp_config(&self) -> TcpConfig {
        TcpConfig {
            client_id: self.config.client_id.clone(),
            connect_timeout: self.config.connect_timeout,
            request_timeout: self.config.request_timeout,
            response_bytes_max: self.config.response_bytes_max,
            ..TcpConfig::default()
        }
    }
}

impl Slot {
    fn new(address: String, config: &ClientConfig) -> Slot {
        let spread = address.bytes().fold(17_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        let backoff = Backoff::new(config.reconnect_backoff, config.reconnect_backoff_max, spread);
        let dialing = tokio::sync::Mutex::new(Dialing { backoff, not_before: None });
        Slot { address, current: Mutex::new(None), dialing }
    }

    fn open(&self) -> Option<Arc<Connection>> {
        self.current.lock().as_ref().filter(|connection| connection.is_open()).cloned()
    }
}
