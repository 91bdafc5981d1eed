//! The only file-system code of the broker's log: a narrow trait with one real implementation.
//!
//! Everything above speaks [`Disk`] and [`DiskFile`], so the log runs unchanged over the simulated disk of
//! `testing::disk`, which loses unsynced data, tears writes and fails flushes on demand. Left out on purpose: async,
//! reading through a mapping, preallocation and any knowledge of what the files mean.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, IoSlice, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use memmap2::MmapOptions;
use rustix::fs::{Advice, fadvise};

/// Names and files of one disk. Paths are absolute; errors are the operating system's own.
pub trait Disk: Debug + Send + Sync + 'static {
    /// Opens a file for appending and reading; a missing one is created (and durable only after
    /// [`Disk::sync_directory`] of its folder).
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// The whole of a small file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// What a folder holds, in no order.
    fn list(&self, directory: &Path) -> io::Result<Vec<DiskEntry>>;
    /// Creates a folder and its missing parents; one that exists is no error.
    fn create_directory(&self, directory: &Path) -> io::Result<()>;
    /// Moves a file or folder, replacing a file at the target.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder with all it holds.
    fn remove_directory(&self, directory: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals inside this folder durable.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
    /// Takes the folder for this process until the returned value is dropped; `WouldBlock` when another has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
}

/// One open file. Writes go to the end; reads name their position.
pub trait DiskFile: Debug + Send + Sync + 'static {
    /// Appends all parts in order. After an error an unknown prefix may have been written.
    fn append(&self, parts: &mut [IoSlice<'_>]) -> io::Result<()>;
    /// Fills the buffer from `position`; a shorter count means that the file ends there.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// The bytes of `[position, position + length)` without a copy, for the kernel alone to read: whoever else does ends
    /// the process if the file is cut meanwhile. `None` if this disk has no such thing.
    fn map(&self, _position: u64, _length: usize) -> io::Result<Option<Bytes>> {
        Ok(None)
    }
    fn size(&self) -> io::Result<u64>;
    fn truncate(&self, size: u64) -> io::Result<()>;
    /// fdatasync: the data, and the size needed to read it back.
    fn sync_data(&self) -> io::Result<()>;
    /// Hint: starts to write `[from, to)` to the disk, so that a later flush finds little left to do.
    fn start_writing(&self, _from: u64, _to: u64) {}
    /// Hint: `[from, to)` will hardly be read again.
    fn forget_cached(&self, _from: u64, _to: u64) {}
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskEntry {
    pub name: String,
    pub is_directory: bool,
    pub size_bytes: u64,
}

/// A failed disk operation: what was tried, where, and the system's reason.
#[derive(Debug, thiserror::Error)]
#[error("{action} {}: {source}", path.display())]
pub struct DiskError {
    pub action: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

impl DiskError {
    /// The disk or a quota is full: the only failure after which appending may go on.
    pub fn is_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// Adds what was tried, and where, to a system error.
pub trait Attempt<T> {
    fn attempt(self, action: &'static str, path: &Path) -> Result<T, DiskError>;
}

impl<T> Attempt<T> for io::Result<T> {
    fn attempt(self, action: &'static str, path: &Path) -> Result<T, DiskError> {
        self.map_err(|source| DiskError { action, path: path.to_owned(), source })
    }
}

/// Removes a file that may be gone already.
pub fn remove_if_there(disk: &dyn Disk, path: &Path) -> Result<(), DiskError> {
    match disk.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).attempt("remove", path),
        _ => Ok(()),
    }
}

/// Replaces a small file so that a crash leaves the old or the new content, never a mix: temporary file, flush, rename,
/// flush of the folder.
pub fn replace_file(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<(), DiskError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let file = disk.open(&temporary).attempt("create", &temporary)?;
    file.truncate(0).attempt("empty", &temporary)?;
    file.append(&mut [IoSlice::new(content)]).attempt("write", &temporary)?;
    file.sync_data().attempt("flush", &temporary)?;
    disk.rename(&temporary, path).attempt("rename to", path)?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    disk.sync_directory(directory).attempt("flush folder", directory)
}

/// The machine's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        Ok(Arc::new(RealFile { file }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<DiskEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            // A name that is not UTF-8 is none of ours.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            entries.push(DiskEntry { name, is_directory: metadata.is_dir(), size_bytes: metadata.len() });
        }
        Ok(entries)
    }

    fn create_directory(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_directory(&self, directory: &Path) -> io::Result<()> {
        fs::remove_dir_all(directory)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[derive(Debug)]
struct RealFile {
    file: File,
}

impl DiskFile for RealFile {
    fn append(&self, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            match (&self.file).write_vectored(parts) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut parts, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], position + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    #[expect(unsafe_code, reason = "a mapping changes with its file")]
    fn map(&self, position: u64, length: usize) -> io::Result<Option<Bytes>> {
        if self.size()? < position.saturating_add(length as u64) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // SAFETY: appending leaves these bytes as they are, and they are only handed to the kernel, which answers with an
        // error where the file has been cut.
        let map = unsafe { MmapOptions::new().offset(position).len(length).map(&self.file) };
        // Not every file system can, and a process may have as many mappings as it may have.
        Ok(map.ok().map(Bytes::from_owner))
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.file.set_len(size)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Linux starts to write dirty pages that it is told to forget, and keeps them until they are clean.
    fn start_writing(&self, from: u64, to: u64) {
        self.forget_cached(from, to);
    }

    fn forget_cached(&self, from: u64, to: u64) {
        let Some(length) = NonZeroU64::new(to.saturating_sub(from)) else { return };
        if let Err(error) = fadvise(&self.file, from, Some(length), Advice::DontNeed) {
            tracing::debug!(%error, "the file system takes no hints");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_mapped_piece_is_the_file_and_sending_it_fails_when_the_file_is_cut() {
        let directory = tempfile::tempdir().unwrap();
        let file = RealDisk.open(&directory.path().join("segment")).unwrap();
        let bytes: Vec<u8> = (0..40_000_u32).flat_map(u32::to_be_bytes).collect();
        file.append(&mut [IoSlice::new(&bytes)]).unwrap();
        assert_eq!(file.map(5, 160_000).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);

        let piece = file.map(5, 50_001).unwrap().unwrap();
        file.append(&mut [IoSlice::new(b"more")]).unwrap();
        let (mut sender, mut receiver) = UnixStream::pair().unwrap();
        sender.write_all(&piece[..]).unwrap();
        let mut received = vec![0; piece.len()];
        receiver.read_exact(&mut received).unwrap();
        assert!(received == bytes[5..50_006]);

        file.truncate(0).unwrap();
        sender.write_all(&piece[..]).unwrap_err();
    }
}
