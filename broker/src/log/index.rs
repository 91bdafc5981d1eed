//! Kafka's two sparse indexes of a segment: offset → file position, and timestamp → offset.
//!
//! Entries are fixed-size, big-endian and relative to the segment's base offset. New entries gather in memory and are
//! appended in blocks; what is in the file is found by binary search with small reads, so an index costs no memory
//! while nobody asks. A stored entry is a hint: readers check it against the batch that it points at
//! (`segment` reports and rebuilds an index that lies). Left out: fsync (recovery rebuilds from the log) and mmap.

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;

use super::disk::{Disk, DiskFile};

/// Entries that gather in memory before they are appended in one write.
const PENDING_LIMIT: usize = 64;

/// One kind of index entry.
pub trait Entry: Copy + Ord + std::fmt::Debug {
    const BYTES: usize;
    fn write(&self, to: &mut Vec<u8>);
    /// `bytes` holds exactly [`Entry::BYTES`].
    fn read(bytes: &[u8]) -> Self;
}

/// The batch whose last offset is `base + relative_offset` starts at `position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OffsetEntry {
    pub relative_offset: u32,
    pub position: u32,
}

/// Up to `base + relative_offset` no record is newer than `timestamp`, which a batch ending there carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeEntry {
    pub timestamp: i64,
    pub relative_offset: u32,
}

impl Entry for OffsetEntry {
    const BYTES: usize = 8;

    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.relative_offset.to_be_bytes());
        to.extend_from_slice(&self.position.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        Self { relative_offset: number(bytes, 0), position: number(bytes, 4) }
    }
}

impl Entry for TimeEntry {
    const BYTES: usize = 12;

    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.timestamp.to_be_bytes());
        to.extend_from_slice(&self.relative_offset.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        let timestamp = (i64::from(number(bytes, 0)) << 32) | i64::from(number(bytes, 4));
        Self { timestamp, relative_offset: number(bytes, 8) }
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u32::from_be_bytes(*chunk))
}

/// One index: entries in the file, then those still in memory.
#[derive(Debug)]
pub struct Index<E> {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    stored: u64,
    pending: Vec<E>,
}

impl<E: Entry> Index<E> {
    /// An index that has no file yet; one appears with the first flush.
    pub fn new(disk: Arc<dyn Disk>, path: PathBuf) -> Self {
        Self { disk, path, stored: 0, pending: Vec::new() }
    }

    /// Takes an index file as it is; a torn last entry is cut away.
    pub fn open(disk: Arc<dyn Disk>, path: PathBuf) -> io::Result<Self> {
        let mut index = Self::new(disk, path);
        let file = index.file()?;
        let size = file.size()?;
        index.stored = size / E::BYTES as u64;
        if size % E::BYTES as u64 != 0 {
            file.truncate(index.stored * E::BYTES as u64)?;
        }
        Ok(index)
    }

    /// Opened per use: appends come once per block, searches once per seek.
    pub fn file(&self) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(&self.path)
    }

    pub fn path(&self) -> &PathBuf {
        &self.path
    }

    /// The file has another name now.
    pub fn set_path(&mut self, path: PathBuf) {
        self.path = path;
    }

    pub fn len(&self) -> u64 {
        self.stored + self.pending.len() as u64
    }

    pub fn push(&mut self, entry: E) -> io::Result<()> {
        self.pending.push(entry);
        if self.pending.len() >= PENDING_LIMIT { self.flush() } else { Ok(()) }
    }

    /// Appends the gathered entries to the file.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(self.pending.len() * E::BYTES);
        self.pending.iter().for_each(|entry| entry.write(&mut bytes));
        let file = self.file()?;
        if let Err(error) = file.append(&mut [IoSlice::new(&bytes)]) {
            // A torn entry would shift all that follow.
            file.truncate(self.stored * E::BYTES as u64)?;
            return Err(error);
        }
        self.stored += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    pub fn clear(&mut self) -> io::Result<()> {
        self.pending.clear();
        self.stored = 0;
        self.file()?.truncate(0)
    }

    pub fn last(&self) -> io::Result<Option<E>> {
        if let Some(last) = self.pending.last() {
            return Ok(Some(*last));
        }
        match self.stored {
            0 => Ok(None),
            count => read_entry(&*self.file()?, count - 1).map(Some),
        }
    }

    /// The last entry of the prefix that satisfies `before`.
    pub fn last_before(&self, mut before: impl FnMut(&E) -> bool) -> io::Result<Option<E>> {
        if self.pending.first().is_some_and(&mut before) {
            let count = self.pending.partition_point(before);
            return Ok(self.pending.get(count.wrapping_sub(1)).copied());
        }
        if self.stored == 0 {
            return Ok(None);
        }
        let file = self.file()?;
        let (mut low, mut high) = (0, self.stored);
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = read_entry(&*file, middle)?;
            if before(&entry) {
                low = middle + 1;
                found = Some(entry);
            } else {
                high = middle;
            }
        }
        Ok(found)
    }
}

fn read_entry<E: Entry>(file: &dyn DiskFile, at: u64) -> io::Result<E> {
    let mut bytes = [0; 16];
    let slot = &mut bytes[..E::BYTES];
    if file.read_at(slot, at * E::BYTES as u64)? < E::BYTES {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(E::read(slot))
}
