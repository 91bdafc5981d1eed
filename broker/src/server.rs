//! Listens, admits connections within the limits, and serves each in a task of its own.
//!
//! Left out: TLS and authentication; every listener speaks clear text.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::Peer;
use crate::config::{Config, Listener};
use crate::connection;
use crate::limits;
use crate::node::Node;

/// Pause after a failed accept: usually the process is out of file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Sockets that are bound but don't accept yet.
#[derive(Debug)]
pub(crate) struct Bound {
    sockets: Vec<(Arc<str>, TcpListener, SocketAddr)>,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    stop: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listener}: {source}")]
pub struct BindError {
    listener: Listener,
    source: io::Error,
}

impl Bound {
    /// Binds every listener that is for clients.
    pub(crate) async fn bind(config: &Config) -> Result<Self, BindError> {
        let mut sockets = Vec::new();
        for listener in &config.listeners {
            if config.controller_listener_names.contains(&listener.name) {
                tracing::debug!(%listener, "listener is for controllers; one node needs none");
                continue;
            }
            let host = if listener.host.is_empty() { "0.0.0.0" } else { &listener.host };
            let bound = TcpListener::bind((host, listener.port)).await.and_then(|socket| {
                let address = socket.local_addr()?;
                Ok((listener.name.as_str().into(), socket, address))
            });
            sockets.push(bound.map_err(|source| BindError { listener: listener.clone(), source })?);
        }
        Ok(Self { sockets })
    }

    /// Name and real address of every listener, in the order of the configuration.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&str, SocketAddr)> {
        self.sockets.iter().map(|(name, _, address)| (&**name, *address))
    }

    /// Starts accepting.
    pub(crate) fn serve(self, node: &Arc<Node>) -> Server {
        let server = Server { stop: CancellationToken::new(), tasks: TaskTracker::new() };
        let admission = Arc::new(Admission { node: node.clone(), open: Mutex::default() });
        for (name, socket, address) in self.sockets {
            let (admission, stop, tasks) = (admission.clone(), server.stop.clone(), server.tasks.clone());
            let accepting = accept(socket, name, address, admission, stop, tasks);
            server.tasks.spawn(accepting);
        }
        server
    }
}

impl Server {
    /// Stops accepting, lets requests under way finish for a while, then drops what is left.
    pub(crate) async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(limits::SHUTDOWN_GRACE * 2, self.tasks.wait()).await.is_err() {
            tracing::warn!(connections = self.tasks.len(), "connections did not close in time");
        }
    }

    /// Tells every task to end, without waiting.
    pub(crate) fn abandon(&self) {
        self.stop.cancel();
        self.tasks.close();
    }
}

async fn accept(
    socket: TcpListener,
    listener: Arc<str>,
    address: SocketAddr,
    admission: Arc<Admission>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, remote)) => {
                let Some(pass) = admission.admit(remote.ip()) else {
                    tracing::info!(%remote, "refused a connection: too many are open");
                    continue;
                };
                let peer = Arc::new(Peer {
                    listener: listener.clone(),
                    host: remote.ip().to_string(),
                    // Where the client reached us: what wildcard listeners advertise.
                    local: stream.local_addr().unwrap_or(address),
                });
                tasks.spawn(serve(stream, peer, remote, admission.node.clone(), stop.clone(), pass));
            }
            Err(error) => {
                tracing::warn!(%error, %address, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    peer: Arc<Peer>,
    remote: SocketAddr,
    node: Arc<Node>,
    stop: CancellationToken,
    pass: Pass,
) {
    if let Err(error) = connection::serve(stream, peer, node, stop).await {
        if error.is_violation() {
            tracing::info!(%remote, %error, "closed a connection");
        } else {
            tracing::debug!(%remote, %error, "connection ended");
        }
    }
    drop(pass);
}

/// Counts open connections, in all and by address.
#[derive(Debug)]
struct Admission {
    node: Arc<Node>,
    open: Mutex<HashMap<IpAddr, usize>>,
}

impl Admission {
    fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Pass> {
        let metrics = &self.node.metrics;
        let mut open = self.open.lock();
        let total: usize = usize::try_from(metrics.connections.load(Relaxed)).unwrap_or(0);
        let count = open.entry(address).or_default();
        let config = &self.node.config;
        if total >= config.connections_max || *count >= config.connections_max_per_address {
            metrics.connections_refused.fetch_add(1, Relaxed);
            return None;
        }
        *count += 1;
        metrics.connections.fetch_add(1, Relaxed);
        metrics.connections_accepted.fetch_add(1, Relaxed);
        Some(Pass { admission: self.clone(), address })
    }
}

/// The right to one connection; dropping it gives the place back.
struct Pass {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut open = self.admission.open.lock();
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
        self.admission.node.metrics.connections.fetch_sub(1, Relaxed);
    }
}
