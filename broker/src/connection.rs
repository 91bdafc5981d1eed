//! One client connection: frames in, responses out in request order.
//!
//! One task owns the socket, the read buffer and the requests under way. Requests run concurrently, so a produce
//! can wait for the disk while the next one is appended, but responses leave in the order of their requests. While
//! too much is under way (requests, bytes, or the whole node's request memory) nothing more is read from the
//! socket: that is the back-pressure. Left out: authentication.

mod frame_reader;
mod output;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesOrdered, StreamExt};
use millstream_protocol::{ApiKey, EncodeError, frame};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::api::{self, Call, Deferred, Peer, Reply};
use crate::limits;
use crate::node::Node;
use frame_reader::{Frame, FrameReader};
use output::{Output, Response};

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("socket failed: {0}")]
    Socket(#[from] io::Error),
    #[error("request of {length} bytes is outside 0 to {limit} (socket.request.max.bytes)")]
    FrameLength { length: i32, limit: usize },
    #[error("peer takes too long over a request of {length} bytes")]
    Stalled { length: usize },
    #[error("cannot read a request: {0}")]
    Frame(#[from] api::FrameError),
    #[error("cannot read records of a response that has begun: {0}")]
    Records(#[source] io::Error),
    #[error("cannot write a response: {0}")]
    Encode(#[from] EncodeError),
    #[error("produce without acknowledgement failed: {0}")]
    Unacknowledged(&'static str),
    #[error("peer takes no response")]
    NotReading,
    #[error("idle for longer than connections.max.idle.ms")]
    Idle,
}

impl ConnectionError {
    /// Whether the peer did something that deserves a line in the log.
    pub(crate) fn is_violation(&self) -> bool {
        !matches!(self, Self::Socket(_) | Self::Idle)
    }
}

/// Serves a connection until the peer closes it, breaks the rules, or `stop` is cancelled; in the last case
/// requests under way still get their responses.
pub(crate) async fn serve(
    mut stream: TcpStream,
    peer: Arc<Peer>,
    node: Arc<Node>,
    stop: CancellationToken,
) -> Result<(), ConnectionError> {
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.split();
    let input = FrameReader::new(reader, node.clone());
    let output = Output::new(writer, node.clone());
    Connection { input, output, work: Work::default(), held: None, peer, node }.run(stop).await
}

struct Connection<'stream> {
    input: FrameReader<'stream>,
    output: Output<'stream>,
    work: Work,
    /// A fetch that waits for the one before it, so that one connection holds one fetch response in memory.
    held: Option<Frame>,
    peer: Arc<Peer>,
    node: Arc<Node>,
}

/// The requests under way, in order.
#[derive(Default)]
struct Work {
    requests: FuturesOrdered<BoxFuture<'static, Done>>,
    request_bytes: usize,
    fetches: usize,
}

/// A finished request.
struct Done {
    outcome: Result<Option<Response>, ConnectionError>,
    request_bytes: usize,
    is_fetch: bool,
}

impl Connection<'_> {
    async fn run(mut self, stop: CancellationToken) -> Result<(), ConnectionError> {
        let idle_limit = Duration::from_millis(self.node.config.connections_max_idle_ms);
        let mut last_active = Instant::now();
        let idle = sleep_until(last_active + idle_limit);
        tokio::pin!(idle);
        loop {
            let may_read = self.held.is_none() && self.work.has_room();
            tokio::select! {
                biased;
                Some(done) = self.work.requests.next(), if !self.work.requests.is_empty() => {
                    let finished = self.finish(done);
                    // Earlier responses leave even if this request ends the connection.
                    self.output.write().await?;
                    finished?;
                    self.begin_held()?;
                }
                frame = self.input.next(), if may_read => {
                    let Some(frame) = frame? else { return Ok(()) };
                    self.begin(frame)?;
                    self.begin_buffered()?;
                }
                () = stop.cancelled() => break,
                () = &mut idle => {
                    let busy = !self.work.requests.is_empty();
                    if !busy && last_active.elapsed() >= idle_limit {
                        return Err(ConnectionError::Idle);
                    }
                    let from = if busy { Instant::now() } else { last_active };
                    idle.as_mut().reset(from + idle_limit);
                    continue;
                }
            }
            last_active = Instant::now();
        }
        self.drain().await
    }

    /// Answers what is under way before a clean stop; what takes longer (a group's rebalance) is dropped.
    async fn drain(mut self) -> Result<(), ConnectionError> {
        let drained = timeout(limits::SHUTDOWN_GRACE, async {
            while let Some(done) = self.work.requests.next().await {
                self.finish(done)?;
                self.output.write().await?;
            }
            Ok(())
        });
        drained.await.unwrap_or(Ok(()))
    }

    /// Starts every further request that has already arrived whole.
    fn begin_buffered(&mut self) -> Result<(), ConnectionError> {
        while self.held.is_none()
            && self.work.has_room()
            && let Some(frame) = self.input.next().now_or_never()
        {
            // The end of the input will be seen again by the next read.
            let Some(frame) = frame? else { break };
            self.begin(frame)?;
        }
        Ok(())
    }

    fn begin_held(&mut self) -> Result<(), ConnectionError> {
        match self.held.take() {
            Some(frame) => self.begin(frame),
            None => Ok(()),
        }
    }

    fn begin(&mut self, frame: Frame) -> Result<(), ConnectionError> {
        let is_fetch = api::peek_key(&frame.bytes) == Some(ApiKey::Fetch);
        if is_fetch && self.work.fetches > 0 {
            self.held = Some(frame);
            return Ok(());
        }
        let request_bytes = frame.bytes.len();
        let permit = frame.permit;
        let answer = begin_request(frame.bytes, &self.peer, &self.node)?;
        self.work.request_bytes += request_bytes;
        self.work.fetches += usize::from(is_fetch);
        self.work.requests.push_back(Box::pin(async move {
            let outcome = answer.await;
            drop(permit);
            Done { outcome, request_bytes, is_fetch }
        }));
        Ok(())
    }

    /// Queues a finished request's response, and those of the requests behind it that have finished too.
    fn finish(&mut self, first: Done) -> Result<(), ConnectionError> {
        let mut next = Some(first);
        while let Some(done) = next {
            self.work.request_bytes -= done.request_bytes;
            self.work.fetches -= usize::from(done.is_fetch);
            if let Some(response) = done.outcome? {
                self.output.push(response);
            }
            if self.output.is_full() {
                break;
            }
            next = self.work.requests.next().now_or_never().flatten();
        }
        Ok(())
    }
}

impl Work {
    fn has_room(&self) -> bool {
        self.requests.len() < limits::CONNECTION_REQUESTS_IN_FLIGHT
            && self.request_bytes < limits::CONNECTION_REQUEST_BYTES_IN_FLIGHT
    }
}

type Encoded = BoxFuture<'static, Result<Option<Response>, ConnectionError>>;

/// Decodes one frame and starts its request: what must keep its place in the order has happened on return.
fn begin_request(bytes: Bytes, peer: &Arc<Peer>, node: &Arc<Node>) -> Result<Encoded, ConnectionError> {
    let (header, request) = match api::decode(bytes)? {
        api::Decoded::Request(header, request) => (header, request),
        api::Decoded::UnknownApiVersions(header) => {
            let response = api::api_versions::unsupported();
            let encoded = frame::encode_response(header.correlation_id, 0, &response)?;
            return Ok(Box::pin(async move { Ok(Some(Response::whole(encoded))) }));
        }
    };
    let (correlation_id, version) = (header.correlation_id, header.api_version);
    let deferred = (header.api_key == ApiKey::Fetch).then(Deferred::default);
    let call = Call {
        peer: peer.clone(),
        client_id: header.client_id.unwrap_or_default(),
        version,
        deferred: deferred.clone(),
    };
    let answer = api::begin(node, call, request);
    Ok(Box::pin(async move {
        match answer.await {
            Reply::Response(response) => {
                let frame = frame::encode_response(correlation_id, version, &response)?;
                Ok(Some(Response { frame, deferred }))
            }
            Reply::Nothing => Ok(None),
            Reply::Close(reason) => Err(ConnectionError::Unacknowledged(reason)),
        }
    }))
}
