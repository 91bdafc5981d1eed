//! Records that a fetch has found but not read: whole batches of one segment's file, read piece by piece while they are
//! sent.
//!
//! A consumer that takes its response slowly holds a file handle and one piece of [`PIECE_BYTES`], instead of all the
//! megabytes that it asked for: a thousand of them fit into memory.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::buffer::BufferPool;
use super::disk::DiskFile;

/// Bytes read and sent in one go. Smaller ones wake the receiver more often, which costs more than the cache saves.
pub const PIECE_BYTES: usize = 1 << 20;

/// Whole batches in a segment's file. The bytes stay readable when the segment is compacted or deleted meanwhile: the
/// file is open.
#[derive(Debug, Clone)]
pub struct FileRange {
    file: Arc<dyn DiskFile>,
    position: u64,
    len: usize,
    pool: BufferPool,
}

impl FileRange {
    pub(super) fn new(file: Arc<dyn DiskFile>, position: u64, len: usize, pool: BufferPool) -> Self {
        Self { file, position, len, pool }
    }

    /// Bytes that are still to be taken.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes the next piece of at most [`PIECE_BYTES`] off the front, for nothing but a write to a socket: the bytes may
    /// be the file itself. Fails with `UnexpectedEof` when the file was cut in the meantime.
    pub fn take_piece(&mut self) -> io::Result<Bytes> {
        let size = self.len.min(PIECE_BYTES);
        let piece = match self.file.map(self.position, size)? {
            Some(mapped) => mapped,
            None => self.read(size)?,
        };
        self.position += size as u64;
        self.len -= size;
        Ok(piece)
    }

    fn read(&self, size: usize) -> io::Result<Bytes> {
        let mut buffer = self.pool.take(size);
        if self.file.read_at(&mut buffer.as_mut_slice()[..size], self.position)? < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(buffer.freeze(size))
    }
}
