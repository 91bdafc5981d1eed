//! The TCP transport: correlation ids, pipelining, one writing and one reading task per connection.
//!
//! A connection is used until its first error, then closed for good; the pool opens the next one. Negotiating versions
//! is not done here but by the pool, the same way for every transport.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::future::BoxFuture;
use millstream_protocol::messages::ProduceResponse;
use millstream_protocol::{ApiKey, Decoder, RequestKind, ResponseKind, frame};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::low_water::LowWater;
use super::{Transport, TransportError};

/// Bounds and times of one connection.
#[derive(Debug, Clone)]
pub struct TcpConfig {
    pub client_id: String,
    pub connect_timeout: Duration,
    /// How long a request may wait for its response, beyond the time that it asks the node itself to wait.
    pub request_timeout: Duration,
    /// Requests that may wait for a response at one time; more fail with [`TransportError::Full`].
    pub in_flight_max: usize,
    /// A longer response frame closes the connection.
    pub response_bytes_max: usize,
}

impl Default for TcpConfig {
    fn default() -> Self {
        TcpConfig {
            client_id: "millstream".to_owned(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            in_flight_max: 1024,
            response_bytes_max: 256 << 20,
        }
    }
}

/// Segments handed to the kernel in one call; Linux takes 1024, and few frames have more than a handful.
const SEGMENTS_PER_WRITE: usize = 64;
/// The buffer that small responses share; a larger response gets a buffer of its own size.
const READ_BUFFER_BYTES: usize = 64 << 10;
/// Extra patience for a join, which the coordinator answers only after the whole group has rejoined.
const JOIN_GRACE: Duration = Duration::from_secs(5);

/// One socket to one node.
pub struct TcpTransport {
    shared: Arc<Shared>,
    frames: mpsc::UnboundedSender<Vec<Bytes>>,
}

struct Shared {
    address: String,
    config: TcpConfig,
    /// Requests without a response yet, in the order sent: a node answers in that order.
    waiting: Mutex<Waiting>,
    closed: AtomicBool,
    stop: CancellationToken,
}

#[derive(Default)]
struct Waiting {
    next_correlation_id: i32,
    calls: VecDeque<PendingCall>,
    /// Why the connection ended; set once.
    ended: Option<TransportError>,
}

struct PendingCall {
    correlation_id: i32,
    api: ApiKey,
    version: i16,
    reply: oneshot::Sender<Result<ResponseKind, TransportError>>,
}

impl TcpTransport {
    /// Opens the socket. `address` is `host:port`.
    pub async fn connect(address: &str, config: TcpConfig) -> Result<TcpTransport, TransportError> {
        let failed =
            |source| TransportError::Connect { address: address.to_owned(), source: Arc::new(source) };
        let stream = tokio::time::timeout(config.connect_timeout, TcpStream::connect(address))
            .await
            .map_err(|_elapsed| failed(std::io::ErrorKind::TimedOut.into()))?
            .map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let (read_half, write_half) = stream.into_split();
        // Unbounded, yet bounded by `in_flight_max`: a frame enters only after its call was counted in `waiting`.
        let (frames, frame_queue) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            address: address.to_owned(),
            config,
            waiting: Mutex::new(Waiting::default()),
            closed: AtomicBool::new(false),
            stop: CancellationToken::new(),
        });
        tokio::spawn(write_frames(shared.clone(), write_half, frame_queue));
        tokio::spawn(read_responses(shared.clone(), read_half));
        Ok(TcpTransport { shared, frames })
    }

    fn enqueue(
        &self,
        request: &RequestKind,
        version: i16,
        expects_reply: bool,
    ) -> Result<Option<oneshot::Receiver<Result<ResponseKind, TransportError>>>, TransportError> {
        let api = request.key();
        let mut waiting = self.shared.waiting.lock();
        if let Some(ended) = &waiting.ended {
            return Err(ended.clone());
        }
        if waiting.calls.len() >= self.shared.config.in_flight_max {
            return Err(TransportError::Full {
                address: self.shared.address.clone(),
                limit: self.shared.config.in_flight_max,
            });
        }
        let correlation_id = waiting.next_correlation_id;
        let header = frame::RequestHeader {
            api_key: api,
            api_version: version,
            correlation_id,
            client_id: Some(self.shared.config.client_id.clone()),
        };
        let encoded = frame::encode_request(&header, request)
            .map_err(|error| TransportError::Encode { api: api.name(), reason: error.to_string() })?;
        waiting.next_correlation_id = correlation_id.wrapping_add(1);
        let receiver = expects_reply.then(|| {
            let (reply, receiver) = oneshot::channel();
            waiting.calls.push_back(PendingCall { correlation_id, api, version, reply });
            receiver
        });
        // Still under the lock: the order of frames is the order of `calls`.
        self.frames.send(encoded.segments).map_err(|_closed| self.shared.closed_error("writer ended"))?;
        Ok(receiver)
    }
}

impl Transport for TcpTransport {
    fn call(
        &self,
        request: RequestKind,
        version: i16,
    ) -> BoxFuture<'static, Result<ResponseKind, TransportError>> {
        let api = request.key();
        let patience = self.shared.config.request_timeout + node_side_wait(&request);
        let expects_reply = !matches!(&request, RequestKind::Produce(produce) if produce.acks == 0);
        let enqueued = self.enqueue(&request, version, expects_reply);
        let shared = self.shared.clone();
        Box::pin(async move {
            let Some(receiver) = enqueued? else {
                return Ok(ResponseKind::Produce(ProduceResponse::default()));
            };
            match tokio::time::timeout(patience, receiver).await {
                Ok(Ok(result)) => result,
                Ok(Err(_dropped)) => Err(shared.ended_error()),
                Err(_elapsed) => {
                    let error = TransportError::Timeout {
                        api: api.name(),
                        address: shared.address.clone(),
                        waited_ms: patience.as_millis() as u64,
                    };
                    // Responses come in order: one that never comes holds up every later one.
                    shared.end(error.clone());
                    Err(error)
                }
            }
        })
    }

    fn is_open(&self) -> bool {
        !self.shared.closed.load(Ordering::Acquire)
    }
}

impl Drop for TcpTransport {
    fn drop(&mut self) {
        self.shared.end(self.shared.closed_error("client dropped the connection"));
    }
}

impl Shared {
    fn closed_error(&self, reason: &str) -> TransportError {
        TransportError::Closed { address: self.address.clone(), reason: reason.to_owned() }
    }

    fn ended_error(&self) -> TransportError {
        self.waiting.lock().ended.clone().unwrap_or_else(|| self.closed_error("response was lost"))
    }

    /// Ends the connection; the first reason is the one that every waiting call gets.
    fn end(&self, error: TransportError) {
        let mut waiting = self.waiting.lock();
        let error = waiting.ended.get_or_insert(error).clone();
        let calls = std::mem::take(&mut waiting.calls);
        drop(waiting);
        self.closed.store(true, Ordering::Release);
        self.stop.cancel();
        for call in calls {
            // A caller that stopped waiting has dropped its receiver: nothing to tell it.
            drop(call.reply.send(Err(error.clone())));
        }
    }

    /// Takes one response frame (without its length) to the call that waits for it.
    fn deliver(&self, mut body: Bytes) -> Result<(), TransportError> {
        let correlation_id = frame_correlation_id(&body)
            .ok_or_else(|| self.closed_error("response frame is shorter than its header"))?;
        let call = self.waiting.lock().calls.pop_front();
        let Some(call) = call else {
            return Err(self.closed_error("response without a request"));
        };
        if call.correlation_id != correlation_id {
            let reason = format!("response {correlation_id} came where {} was due", call.correlation_id);
            drop(call.reply.send(Err(self.closed_error(&reason))));
            return Err(self.closed_error(&reason));
        }
        body.advance(4);
        let result = decode_response(call.api, call.version, body).map_err(|reason| TransportError::Decode {
            api: call.api.name(),
            address: self.address.clone(),
            reason,
        });
        let failure = result.as_ref().err().cloned();
        drop(call.reply.send(result));
        failure.map_or(Ok(()), Err)
    }
}

fn frame_correlation_id(frame: &[u8]) -> Option<i32> {
    frame.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes))
}

/// A node that does not know our ApiVersions version answers in version 0 with error 35 (KIP-511).
fn decode_response(api: ApiKey, version: i16, body: Bytes) -> Result<ResponseKind, String> {
    const UNSUPPORTED_VERSION: [u8; 2] = 35_i16.to_be_bytes();
    let version =
        if api == ApiKey::ApiVersions && body.starts_with(&UNSUPPORTED_VERSION) { 0 } else { version };
    let mut decoder = Decoder::new(body);
    if api.response_header_version(version) >= 1 {
        decoder.skip_tags().map_err(|error| error.to_string())?;
    }
    ResponseKind::decode(api, version, &mut decoder).map_err(|error| error.to_string())
}

/// How long the node itself may hold the request before it answers.
fn node_side_wait(request: &RequestKind) -> Duration {
    let wait_ms = match request {
        RequestKind::Fetch(fetch) => fetch.max_wait_ms,
        RequestKind::Produce(produce) => produce.timeout_ms,
        RequestKind::CreateTopics(create) => create.timeout_ms,
        RequestKind::DeleteTopics(delete) => delete.timeout_ms,
        RequestKind::JoinGroup(join) => {
            let longest_ms = join.rebalance_timeout_ms.max(join.session_timeout_ms).max(0);
            return Duration::from_millis(longest_ms as u64) + JOIN_GRACE;
        }
        RequestKind::SyncGroup(_) => return JOIN_GRACE,
        _ => 0,
    };
    Duration::from_millis(wait_ms.max(0) as u64)
}

async fn write_frames(
    shared: Arc<Shared>,
    mut socket: OwnedWriteHalf,
    mut frames: mpsc::UnboundedReceiver<Vec<Bytes>>,
) {
    let mut segments: VecDeque<Bytes> = VecDeque::new();
    loop {
        let frame = tokio::select! {
            () = shared.stop.cancelled() => return,
            frame = frames.recv() => frame,
        };
        let Some(frame) = frame else { return };
        segments.extend(frame);
        // Whatever else is already queued rides in the same system call.
        while segments.len() < SEGMENTS_PER_WRITE {
            let Ok(frame) = frames.try_recv() else { break };
            segments.extend(frame);
        }
        if let Err(error) = write_segments(&mut socket, &mut segments).await {
            shared.end(shared.closed_error(&format!("write failed: {error}")));
            return;
        }
    }
}

async fn write_segments(socket: &mut OwnedWriteHalf, segments: &mut VecDeque<Bytes>) -> std::io::Result<()> {
    while !segments.is_empty() {
        let slices: Vec<IoSlice<'_>> =
            segments.iter().take(SEGMENTS_PER_WRITE).map(|segment| IoSlice::new(segment)).collect();
        let mut written = socket.write_vectored(&slices).await?;
        if written == 0 && slices.iter().any(|slice| !slice.is_empty()) {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        while let Some(first) = segments.front_mut() {
            if first.len() > written {
                first.advance(written);
                break;
            }
            written -= first.len();
            segments.pop_front();
        }
    }
    Ok(())
}

async fn read_responses(shared: Arc<Shared>, mut socket: OwnedReadHalf) {
    let mut buffer = BytesMut::with_capacity(READ_BUFFER_BYTES);
    let mut low_water = LowWater::default();
    let error = loop {
        let missing = match take_frame(&mut buffer, shared.config.response_bytes_max) {
            Err(reason) => break shared.closed_error(&reason),
            Ok(Taken::Frame(frame)) => {
                if let Err(error) = shared.deliver(frame) {
                    break error;
                }
                continue;
            }
            Ok(Taken::Missing(bytes)) => bytes,
        };
        if let Err(error) = low_water.follow(socket.as_ref(), missing) {
            break shared.closed_error(&format!("setting the socket's low-water mark failed: {error}"));
        }
        let read = tokio::select! {
            () = shared.stop.cancelled() => return,
            read = socket.read_buf(&mut buffer) => read,
        };
        match read {
            Ok(0) => break shared.closed_error("peer closed the connection"),
            Ok(_) => {}
            Err(error) => break shared.closed_error(&format!("read failed: {error}")),
        }
    };
    shared.end(error);
}

/// What the buffer holds of the next frame.
enum Taken {
    Frame(Bytes),
    /// So many bytes at least are on their way.
    Missing(usize),
}

/// Splits the next whole frame off, or reserves room for the rest of it.
fn take_frame(buffer: &mut BytesMut, response_bytes_max: usize) -> Result<Taken, String> {
    let Some(length) = buffer.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes)) else {
        buffer.reserve(READ_BUFFER_BYTES);
        return Ok(Taken::Missing(1));
    };
    let length = usize::try_from(length).map_err(|_negative| format!("response frame of {length} bytes"))?;
    if length > response_bytes_max {
        return Err(format!("response frame of {length} bytes is longer than {response_bytes_max}"));
    }
    if buffer.len() < 4 + length {
        let missing = 4 + length - buffer.len();
        buffer.reserve(missing.max(READ_BUFFER_BYTES));
        return Ok(Taken::Missing(missing));
    }
    buffer.advance(4);
    Ok(Taken::Frame(buffer.split_to(length).freeze()))
}
