//! Walking over the batch headers of a segment file, a chunk at a time.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use millstream_protocol::record_batch::{Batch, BatchHeader, HEADER_BYTES};

use super::disk::DiskFile;

/// Bytes read ahead while only headers are wanted.
const HEADER_CHUNK_BYTES: usize = 16 * 1024;

/// What a scan meets at one position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Batch(BatchHeader),
    /// The file ends between two batches.
    End,
    /// No whole batch begins here.
    Broken(String),
}

/// A forward walk. After [`Step::End`] or [`Step::Broken`] the position stays where it is.
#[derive(Debug)]
pub struct Scan {
    file: Arc<dyn DiskFile>,
    position: u64,
    end: u64,
    chunk: Vec<u8>,
    chunk_start: u64,
    chunk_size: usize,
}

impl Scan {
    /// A walk over `[position, end)`.
    pub fn headers(file: Arc<dyn DiskFile>, position: u64, end: u64) -> Self {
        Self { file, position, end, chunk: vec![0; HEADER_CHUNK_BYTES], chunk_start: 0, chunk_size: 0 }
    }

    /// Where the next step looks.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The batch at the current position; moves behind it.
    pub fn step(&mut self) -> io::Result<Step> {
        let left = self.end.saturating_sub(self.position);
        if left == 0 {
            return Ok(Step::End);
        }
        let size = (left as usize).min(HEADER_BYTES);
        let start = self.load(size)?;
        let header = self.chunk.get(start..(start + size).min(self.chunk_size)).unwrap_or_default();
        let batch = match BatchHeader::parse(header) {
            Ok(batch) => batch,
            Err(fault) => return Ok(Step::Broken(fault.to_string())),
        };
        if batch.size_bytes() as u64 > left {
            return Ok(Step::Broken(format!(
                "batch of {} bytes is cut off after {left}",
                batch.size_bytes()
            )));
        }
        self.position += batch.size_bytes() as u64;
        Ok(Step::Batch(batch))
    }

    /// The bytes of the batch that the last step returned, read whole.
    pub fn whole(&mut self, batch: &BatchHeader) -> io::Result<Result<Batch, String>> {
        let after = self.position;
        self.position = after - batch.size_bytes() as u64;
        let loaded = self.load(batch.size_bytes());
        self.position = after;
        let start = loaded?;
        let found =
            self.chunk.get(start..(start + batch.size_bytes()).min(self.chunk_size)).unwrap_or_default();
        let mut bytes = Bytes::copy_from_slice(found);
        Ok(Batch::split_from(&mut bytes).map_err(|error| error.to_string()))
    }

    /// Makes `size` bytes from the current position on available; returns where they start in the chunk.
    fn load(&mut self, size: usize) -> io::Result<usize> {
        let inside = self.position.checked_sub(self.chunk_start).map(|start| start as usize);
        if let Some(start) = inside.filter(|start| start + size <= self.chunk_size) {
            return Ok(start);
        }
        if self.chunk.len() < size {
            self.chunk.resize(size.next_power_of_two(), 0);
        }
        let wanted = ((self.end - self.position) as usize).min(self.chunk.len());
        self.chunk_size = self.file.read_at(&mut self.chunk[..wanted], self.position)?;
        self.chunk_start = self.position;
        Ok(0)
    }
}
