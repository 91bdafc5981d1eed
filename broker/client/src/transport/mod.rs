//! Ways to reach one node: typed request in, typed response out.
//!
//! Two exist: [`TcpTransport`] here, and the broker's own direct call, which implements the same trait in the broker
//! crate. Everything else in this crate is written against [`Transport`] and cannot tell them apart.

mod low_water;
mod tcp;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use millstream_protocol::{ApiKey, RequestKind, ResponseKind};

pub use tcp::{TcpConfig, TcpTransport};

/// One way to one node.
///
/// `call` must take its place in the node's request order before it returns the future, so that pipelined produce
/// requests keep their order; the future only waits. Dropping the future abandons the response, not the request.
/// A produce request with `acks = 0` gets no reply from a node: its future resolves with an empty response as soon as
/// the request has been handed over.
pub trait Transport: Send + Sync + 'static {
    fn call(
        &self,
        request: RequestKind,
        version: i16,
    ) -> BoxFuture<'static, Result<ResponseKind, TransportError>>;

    /// False once no further call can succeed: the pool then replaces the transport.
    fn is_open(&self) -> bool {
        true
    }
}

/// Why a request got no response. None of these says whether the node carried the request out, except
/// `Connect`, `Encode` and `Full`, where it was never sent.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransportError {
    #[error("connecting to {address} failed: {source}")]
    Connect { address: String, source: Arc<std::io::Error> },
    #[error("connection to {address} was closed: {reason}")]
    Closed { address: String, reason: String },
    #[error("{api} request to {address} got no response within {waited_ms} ms")]
    Timeout { api: &'static str, address: String, waited_ms: u64 },
    #[error("{api} request could not be encoded: {reason}")]
    Encode { api: &'static str, reason: String },
    #[error("{api} response from {address} could not be decoded: {reason}")]
    Decode { api: &'static str, address: String, reason: String },
    #[error(
        "{limit} requests to {address} are already waiting for a response; wait for some before sending more"
    )]
    Full { address: String, limit: usize },
    #[error("node does not support {}", api.name())]
    Unsupported { api: ApiKey },
}

impl TransportError {
    /// True when the request certainly never reached the node.
    pub fn is_unsent(&self) -> bool {
        matches!(
            self,
            TransportError::Connect { .. }
                | TransportError::Encode { .. }
                | TransportError::Full { .. }
                | TransportError::Unsupported { .. }
        )
    }

    /// True when trying again, perhaps on a new connection, may succeed.
    pub fn is_retriable(&self) -> bool {
        !matches!(self, TransportError::Encode { .. } | TransportError::Unsupported { .. })
    }
}
