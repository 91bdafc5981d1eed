//! The direct way into this broker: the client's transport without socket, framing or encoding. Record bytes are
//! shared, not copied.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use millstream_client::transport::{Transport, TransportError};
use millstream_protocol::messages::ProduceResponse;
use millstream_protocol::{RequestKind, ResponseKind};

use crate::api::{self, Call, Peer, Reply};
use crate::node::Node;

const ADDRESS: &str = "the embedded broker";

pub(crate) struct LocalTransport {
    node: Arc<Node>,
    peer: Arc<Peer>,
}

impl LocalTransport {
    /// `address` is where others reach this node.
    pub(crate) fn new(node: Arc<Node>, listener: &str, address: Option<SocketAddr>) -> Self {
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let local = address.unwrap_or(SocketAddr::new(host, 0));
        let peer = Peer { listener: listener.into(), host: format!("/{host}"), local };
        Self { node, peer: Arc::new(peer) }
    }
}

impl Transport for LocalTransport {
    fn call(
        &self,
        request: RequestKind,
        version: i16,
    ) -> BoxFuture<'static, Result<ResponseKind, TransportError>> {
        let key = request.key();
        if self.node.stopping.is_cancelled() {
            return Box::pin(std::future::ready(Err(closed("the broker is stopping"))));
        }
        if !api::serves(key, version) {
            return Box::pin(std::future::ready(Err(TransportError::Unsupported { api: key })));
        }
        let call = Call { peer: self.peer.clone(), client_id: "local".to_owned(), version, deferred: None };
        let answer = api::begin(&self.node, call, request);
        let stopping = self.node.stopping.clone();
        Box::pin(async move {
            // What is under way when the node stops may still finish: a produce waits for its flush, not for us.
            let reply = tokio::select! {
                biased;
                reply = answer => reply,
                () = stopped(stopping) => return Err(closed("the broker stopped")),
            };
            match reply {
                Reply::Response(response) => Ok(response),
                Reply::Nothing => Ok(ProduceResponse::default().into()),
                Reply::Close(reason) => Err(closed(reason)),
            }
        })
    }

    fn is_open(&self) -> bool {
        !self.node.stopping.is_cancelled()
    }
}

async fn stopped(stopping: tokio_util::sync::CancellationToken) {
    stopping.cancelled().await;
    tokio::time::sleep(crate::limits::SHUTDOWN_GRACE).await;
}

fn closed(reason: &str) -> TransportError {
    TransportError::Closed { address: ADDRESS.to_owned(), reason: reason.to_owned() }
}
