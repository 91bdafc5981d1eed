//! What a component writes to its standard outputs and its log: lines in the host's log, and a short memory of them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

use super::Guests;
use crate::plugin::wasm::instance::Origin;

/// How much of what was said last is remembered.
const TAIL_BYTES_MAX: usize = 1024;

/// Longest line that is logged in one piece.
const LINE_BYTES_MAX: usize = 4096;

/// The last words.
#[derive(Debug, Clone, Default)]
pub struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    pub fn push(&self, line: &str) {
        let mut lines = self.0.lock();
        lines.push_back(line[..line.floor_char_boundary(TAIL_BYTES_MAX)].to_owned());
        while lines.iter().map(String::len).sum::<usize>() > TAIL_BYTES_MAX && lines.len() > 1 {
            lines.pop_front();
        }
    }

    pub fn text(&self) -> String {
        self.0.lock().iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// Standard output or error output, line by line.
#[derive(Debug, Clone)]
pub struct Words {
    origin: Origin,
    tail: Tail,
    line: Arc<Mutex<Vec<u8>>>,
}

impl Words {
    pub fn new(guest: &Guests) -> Words {
        Words { origin: guest.origin.clone(), tail: guest.tail.clone(), line: Arc::default() }
    }

    fn take(&self, bytes: &[u8]) {
        let mut line = self.line.lock();
        for byte in bytes {
            if *byte != b'\n' {
                line.push(*byte);
            }
            if *byte == b'\n' || line.len() >= LINE_BYTES_MAX {
                let text = String::from_utf8_lossy(&line).into_owned();
                line.clear();
                let Origin { plugin, pipeline, node } = &self.origin;
                tracing::info!(plugin, pipeline, node, "{text}");
                self.tail.push(&text);
            }
        }
    }
}

impl IsTerminal for Words {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Words {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Words {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
