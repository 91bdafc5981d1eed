//! Cuts the byte stream into request frames without copying them, within the node's request memory.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::ReadHalf;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::ConnectionError;
use crate::limits;
use crate::node::Node;

const LENGTH_BYTES: usize = 4;

/// One request without its length, and its share of the node's request memory.
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    pub(super) permit: OwnedSemaphorePermit,
}

pub(super) struct FrameReader<'stream> {
    reader: ReadHalf<'stream>,
    buffer: BytesMut,
    /// How much the next read may take; follows how full the last reads were.
    read_bytes: usize,
    /// The frame whose length has been read, once its memory has been granted.
    expected: Option<Expected>,
    node: Arc<Node>,
}

/// A frame on its way.
struct Expected {
    length: usize,
    permit: OwnedSemaphorePermit,
    /// By then it must be here: its memory is counted against everybody's.
    deadline: Instant,
}

impl<'stream> FrameReader<'stream> {
    pub(super) fn new(reader: ReadHalf<'stream>, node: Arc<Node>) -> Self {
        let read_bytes = limits::READ_BUFFER_MIN_BYTES;
        Self { reader, buffer: BytesMut::new(), read_bytes, expected: None, node }
    }

    /// The next frame, or `None` at the end of the stream. Cancelling loses nothing: all progress is in `self`.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>, ConnectionError> {
        loop {
            if self.expected.is_none() && self.buffer.len() >= LENGTH_BYTES {
                let length = self.length()?;
                // A frame larger than all the memory there is may come in alone.
                let share = length.clamp(1, self.node.request_memory_bytes);
                let permits = u32::try_from(share).unwrap_or(u32::MAX);
                let granted = self.node.request_memory.clone().acquire_many_owned(permits).await;
                let Ok(permit) = granted else { return Ok(None) };
                self.buffer.advance(LENGTH_BYTES);
                let deadline = Instant::now() + limits::frame_patience(length);
                self.expected = Some(Expected { length, permit, deadline });
            }
            match self.expected.take() {
                Some(expected) if self.buffer.len() >= expected.length => {
                    let bytes = self.buffer.split_to(expected.length).freeze();
                    return Ok(Some(Frame { bytes, permit: expected.permit }));
                }
                other => self.expected = other,
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads once. Waiting for a new frame may take any time; in the middle of one the peer must go on.
    async fn fill(&mut self) -> Result<usize, ConnectionError> {
        let missing =
            self.expected.as_ref().map_or(0, |expected| expected.length.saturating_sub(self.buffer.len()));
        // The kernel gives memory page by page as it is written, so reserving a whole announced frame costs
        // nothing until its bytes arrive.
        self.buffer.reserve(missing.max(self.read_bytes));
        let offered = self.buffer.capacity() - self.buffer.len();
        let read = self.reader.read_buf(&mut self.buffer);
        let count = match &self.expected {
            None => read.await?,
            Some(Expected { length, deadline, .. }) => {
                let stalled = |_| ConnectionError::Stalled { length: *length };
                timeout_at(*deadline, read).await.map_err(stalled)??
            }
        };
        self.node.metrics.received_bytes.fetch_add(count as u64, Relaxed);
        if count == offered {
            self.read_bytes = (self.read_bytes * 4).min(limits::READ_BUFFER_MAX_BYTES);
        }
        Ok(count)
    }

    fn length(&self) -> Result<usize, ConnectionError> {
        let mut prefix = &self.buffer[..LENGTH_BYTES];
        let length = prefix.get_i32();
        let limit = self.node.config.request_max_bytes;
        match usize::try_from(length) {
            Ok(length) if length <= limit => Ok(length),
            _ => Err(ConnectionError::FrameLength { length, limit }),
        }
    }
}
