//! Records that a fetch has found but not read: whole batches of one segment's file, read piece by piece while they are
//! sent.
//!
//! A response of several megabytes that is read first and sent afterwards leaves the processor's cache in between, so
//! every byte comes from memory twice. Read and sent in pieces of [`PIECE_BYTES`], the second copy finds the first one's
//! bytes in the cache, and a slow consumer holds a file handle instead of megabytes.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::buffer::BufferPool;
use super::disk::DiskFile;

/// Bytes read and sent in one go: well within a core's own cache.
pub const PIECE_BYTES: usize = 128 << 10;

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

    /// Takes the next piece of at most [`PIECE_BYTES`] off the front. Fails with `UnexpectedEof` when the file was cut
    /// in the meantime.
    pub fn take_piece(&mut self) -> io::Result<Bytes> {
        let size = self.len.min(PIECE_BYTES);
        let mut buffer = self.pool.take(size);
        if self.file.read_at(&mut buffer.as_mut_slice()[..size], self.position)? < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += size as u64;
        self.len -= size;
        Ok(buffer.freeze(size))
    }
}
