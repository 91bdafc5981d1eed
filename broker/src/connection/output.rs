//! The writing side of a connection: responses that wait for the socket.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::{Buf, Bytes};
use millstream_protocol::frame;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::WriteHalf;
use tokio::time::timeout;

use super::ConnectionError;
use crate::api::Deferred;
use crate::limits;
use crate::log::FileRange;
use crate::node::Node;

/// An encoded response, and the records that are read only while it is sent.
pub(super) struct Response {
    pub(super) frame: frame::EncodedFrame,
    pub(super) deferred: Option<Deferred>,
}

impl Response {
    /// A response that holds all its bytes.
    pub(super) fn whole(frame: frame::EncodedFrame) -> Self {
        Self { frame, deferred: None }
    }
}

/// A part of a response.
enum Segment {
    Bytes(Bytes),
    File(FileRange),
}

impl Segment {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(range) => range.len(),
        }
    }
}

/// Segments in the order in which they leave.
pub(super) struct Output<'stream> {
    writer: WriteHalf<'stream>,
    segments: VecDeque<Segment>,
    node: Arc<Node>,
}

impl<'stream> Output<'stream> {
    pub(super) fn new(writer: WriteHalf<'stream>, node: Arc<Node>) -> Self {
        Self { writer, segments: VecDeque::new(), node }
    }

    pub(super) fn push(&mut self, response: Response) {
        let deferred = response.deferred;
        let range_of = |bytes: &Bytes| deferred.as_ref().and_then(|deferred| deferred.range_of(bytes));
        let segments = response.frame.segments.into_iter().filter(|segment| !segment.is_empty());
        self.segments.extend(segments.map(|bytes| match range_of(&bytes) {
            Some(range) => Segment::File(range),
            None => Segment::Bytes(bytes),
        }));
    }

    pub(super) fn is_full(&self) -> bool {
        self.segments.iter().map(Segment::len).sum::<usize>() >= limits::RESPONSE_GATHER_BYTES
    }

    /// Writes everything queued, many segments per system call and without copying them together.
    pub(super) async fn write(&mut self) -> Result<(), ConnectionError> {
        let patience = Duration::from_millis(self.node.config.connections_max_idle_ms);
        while !self.segments.is_empty() {
            self.read_piece()?;
            let slices: Vec<IoSlice<'_>> =
                ready(&self.segments).take(limits::WRITE_SLICES).map(IoSlice::new).collect();
            let written = timeout(patience, self.writer.write_vectored(&slices));
            let written = written.await.map_err(|_| ConnectionError::NotReading)??;
            if written == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
            self.node.metrics.sent_bytes.fetch_add(written as u64, Relaxed);
            self.advance(written);
        }
        Ok(())
    }

    /// Reads a piece of the first range in line, unless there is enough to write before it.
    fn read_piece(&mut self) -> Result<(), ConnectionError> {
        let (count, bytes) =
            ready(&self.segments).fold((0, 0), |(count, bytes), segment| (count + 1, bytes + segment.len()));
        if count >= limits::WRITE_SLICES || bytes >= limits::WRITE_AHEAD_BYTES {
            return Ok(());
        }
        let Some(Segment::File(range)) = self.segments.get_mut(count) else { return Ok(()) };
        let piece = range.take_piece().map_err(ConnectionError::Records)?;
        if range.is_empty() {
            self.segments.remove(count);
        }
        self.segments.insert(count, Segment::Bytes(piece));
        Ok(())
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(Segment::Bytes(bytes)) = self.segments.front_mut() {
            if written < bytes.len() {
                bytes.advance(written);
                break;
            }
            written -= bytes.len();
            self.segments.pop_front();
        }
    }
}

/// The segments up to the next that is still in its file.
fn ready(segments: &VecDeque<Segment>) -> impl Iterator<Item = &[u8]> {
    segments.iter().map_while(|segment| match segment {
        Segment::Bytes(bytes) => Some(&bytes[..]),
        Segment::File(_) => None,
    })
}
