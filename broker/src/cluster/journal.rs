//! The metadata log on disk: `__cluster_metadata/metadata.log`, records one after the other.
//!
//! Each record: length (u32), CRC-32C of the payload (u32), payload. Records that must apply together share one
//! entry: the payload is a list of length-prefixed records. A torn last entry was never acknowledged and is cut
//! off; damage before the end is an error that names the place. When the file has outgrown what the image needs
//! it is replaced by the image's own records: that is the snapshot.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::image::{ApplyError, MetadataImage};
use super::record::{MetadataRecord, RecordError};
use crate::limits;
use crate::log::disk::{Attempt, Disk, DiskError, DiskFile, replace_file};

const FOLDER: &str = "__cluster_metadata";
const FILE: &str = "metadata.log";
const LOCK: &str = ".lock";
const ENTRY_HEADER_BYTES: usize = 8;

#[derive(Debug)]
pub(super) struct Journal {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    size_bytes: u64,
    /// Size right after the last rewrite.
    rewritten_bytes: u64,
    /// A failed flush leaves unknown what is on disk: nothing may follow it.
    poisoned: bool,
    lock: Option<FolderLock>,
}

/// Held as long as the journal is open, so that two processes never write one.
struct FolderLock {
    _held: Box<dyn Send + Sync>,
}

impl std::fmt::Debug for FolderLock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("FolderLock")
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("metadata journal {}: entry at byte {position}: {source}", path.display())]
    Record { path: PathBuf, position: u64, source: RecordError },
    #[error("metadata journal {}: entry at byte {position}: {source}", path.display())]
    Apply { path: PathBuf, position: u64, source: ApplyError },
    #[error("metadata journal {}: checksum of the entry at byte {position} is wrong, and more follows", path.display())]
    Checksum { path: PathBuf, position: u64 },
    #[error("data folder {} is in use by another process", folder.display())]
    InUse { folder: PathBuf },
    #[error("metadata journal {} is closed: the node is stopping", path.display())]
    Closed { path: PathBuf },
    #[error("metadata journal {} failed to flush before; restart the node", path.display())]
    Poisoned { path: PathBuf },
}

impl Journal {
    /// Reads the journal and returns the image that it describes.
    pub(super) fn open(disk: Arc<dyn Disk>, directory: &Path) -> Result<(Self, MetadataImage), JournalError> {
        let folder = directory.join(FOLDER);
        disk.create_directory(&folder).attempt("create folder", &folder)?;
        let lock_path = folder.join(LOCK);
        let held = disk.lock(&lock_path).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => JournalError::InUse { folder: directory.to_owned() },
            _ => DiskError { action: "lock", path: lock_path, source }.into(),
        })?;
        let path = folder.join(FILE);
        let content = match disk.read(&path) {
            Ok(content) => Bytes::from(content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Bytes::new(),
            Err(source) => return Err(DiskError { action: "read", path, source }.into()),
        };
        let (image, intact_bytes) = replay(&path, content.clone())?;
        let file = disk.open(&path).attempt("open", &path)?;
        if intact_bytes < content.len() as u64 {
            let cut_bytes = content.len() as u64 - intact_bytes;
            tracing::warn!(path = %path.display(), cut_bytes, "cut off a torn entry at the end of the metadata journal");
            file.truncate(intact_bytes).attempt("truncate", &path)?;
            file.sync_data().attempt("flush", &path)?;
        }
        disk.sync_directory(&folder).attempt("flush folder", &folder)?;
        disk.sync_directory(directory).attempt("flush folder", directory)?;
        let journal = Self {
            disk,
            path,
            file,
            size_bytes: intact_bytes,
            rewritten_bytes: intact_bytes,
            poisoned: false,
            lock: Some(FolderLock { _held: held }),
        };
        Ok((journal, image))
    }

    /// Makes records durable, all or none.
    pub(super) fn append(&mut self, records: &[MetadataRecord]) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned { path: self.path.clone() });
        }
        if self.lock.is_none() {
            return Err(JournalError::Closed { path: self.path.clone() });
        }
        let entry = encode_entry(records);
        self.poisoned = true;
        self.file.append(&mut [IoSlice::new(&entry)]).attempt("append to", &self.path).inspect_err(|_| {
            // A full disk may have taken a part; with that part gone the journal is as before.
            self.poisoned = self.file.truncate(self.size_bytes).is_err();
        })?;
        self.file.sync_data().attempt("flush", &self.path)?;
        self.poisoned = false;
        self.size_bytes += entry.len() as u64;
        Ok(())
    }

    /// Gives the folder's lock back; nothing can be appended any more.
    pub(super) fn close(&mut self) {
        self.lock = None;
    }

    /// Replaces the journal by the image's records once it has outgrown them.
    pub(super) fn rewrite_if_large(&mut self, image: &MetadataImage) -> Result<(), JournalError> {
        let limit =
            (self.rewritten_bytes * limits::JOURNAL_GROWTH_FACTOR).max(limits::JOURNAL_REWRITE_MIN_BYTES);
        if self.size_bytes < limit {
            return Ok(());
        }
        let mut content = BytesMut::new();
        for records in image.to_records().chunks(1024) {
            content.extend_from_slice(&encode_entry(records));
        }
        replace_file(&*self.disk, &self.path, &content)?;
        self.file = self.disk.open(&self.path).attempt("open", &self.path)?;
        self.size_bytes = content.len() as u64;
        self.rewritten_bytes = self.size_bytes;
        Ok(())
    }
}

fn encode_entry(records: &[MetadataRecord]) -> BytesMut {
    let mut entry = BytesMut::zeroed(ENTRY_HEADER_BYTES);
    for record in records {
        let start = entry.len();
        entry.put_u32(0);
        record.encode(&mut entry);
        put_length(&mut entry, start, start + 4);
    }
    put_length(&mut entry, 0, ENTRY_HEADER_BYTES);
    let checksum = crc32c::crc32c(&entry[ENTRY_HEADER_BYTES..]);
    entry[4..ENTRY_HEADER_BYTES].copy_from_slice(&checksum.to_be_bytes());
    entry
}

/// Writes at `at` how many bytes follow from `from` on.
fn put_length(entry: &mut BytesMut, at: usize, from: usize) {
    let length = u32::try_from(entry.len() - from).expect("metadata entries are far below 4 GiB");
    entry[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// The image after every intact entry, and where the intact part ends.
fn replay(path: &Path, content: Bytes) -> Result<(MetadataImage, u64), JournalError> {
    let mut image = MetadataImage::default();
    let mut rest = content.clone();
    while rest.len() >= ENTRY_HEADER_BYTES {
        let position = (content.len() - rest.len()) as u64;
        let mut after = rest.clone();
        let length = after.get_u32() as usize;
        let checksum = after.get_u32();
        if length > after.len() {
            return Ok((image, position));
        }
        let payload = after.split_to(length);
        if crc32c::crc32c(&payload) != checksum || length == 0 {
            // Zeros or garbage after the last flush are a torn write; anything else in the middle is damage.
            if after.is_empty() || content.slice(position as usize..).iter().all(|byte| *byte == 0) {
                return Ok((image, position));
            }
            return Err(JournalError::Checksum { path: path.to_owned(), position });
        }
        let records = decode_entry(payload).map_err(|source| JournalError::Record {
            path: path.to_owned(),
            position,
            source,
        })?;
        image = image.apply(&records).map_err(|source| JournalError::Apply {
            path: path.to_owned(),
            position,
            source,
        })?;
        rest = after;
    }
    Ok((image, (content.len() - rest.len()) as u64))
}

fn decode_entry(mut payload: Bytes) -> Result<Vec<MetadataRecord>, RecordError> {
    let mut records = Vec::new();
    while !payload.is_empty() {
        if payload.len() < 4 {
            return Err(RecordError::Short);
        }
        let length = payload.get_u32() as usize;
        if length > payload.len() {
            return Err(RecordError::Short);
        }
        records.push(MetadataRecord::decode(payload.split_to(length))?);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::disk::SimulatedDisk;
    use millstream_protocol::Uuid;

    fn topic(number: u8) -> Vec<MetadataRecord> {
        vec![MetadataRecord::Topic { id: Uuid::from_bytes([number; 16]), name: format!("topic-{number}") }]
    }

    fn disk() -> Arc<dyn Disk> {
        let disk = SimulatedDisk::new(1);
        disk.create_directory(Path::new("/data")).unwrap();
        Arc::new(disk)
    }

    fn names(image: &MetadataImage) -> Vec<String> {
        image.topics().map(|topic| topic.name.to_string()).collect()
    }

    #[test]
    fn what_was_appended_is_read_back() {
        let disk = disk();
        let (mut journal, image) = Journal::open(disk.clone(), Path::new("/data")).unwrap();
        assert_eq!(image, MetadataImage::default());
        journal.append(&topic(1)).unwrap();
        journal.append(&topic(2)).unwrap();
        let error = Journal::open(disk.clone(), Path::new("/data")).unwrap_err().to_string();
        assert_eq!(error, "data folder /data is in use by another process");
        drop(journal);
        let (_, image) = Journal::open(disk, Path::new("/data")).unwrap();
        assert_eq!(names(&image), ["topic-1", "topic-2"]);
    }

    #[test]
    fn torn_end_is_cut_off_and_damage_before_it_is_named() {
        let intact: Vec<u8> = [encode_entry(&topic(1)), encode_entry(&topic(2))].concat();
        let first = encode_entry(&topic(1)).len();
        let path = Path::new("/data/__cluster_metadata/metadata.log");
        for length in first..intact.len() {
            let disk = disk();
            disk.create_directory(path.parent().unwrap()).unwrap();
            replace_file(&*disk, path, &intact[..length]).unwrap();
            let (mut journal, image) = Journal::open(disk.clone(), Path::new("/data")).unwrap();
            assert_eq!(names(&image), ["topic-1"], "cut at {length}");
            journal.append(&topic(3)).unwrap();
            drop(journal);
            let (_, image) = Journal::open(disk, Path::new("/data")).unwrap();
            assert_eq!(names(&image), ["topic-1", "topic-3"]);
        }
        let mut damaged = intact;
        damaged[12] ^= 1;
        let disk = disk();
        disk.create_directory(path.parent().unwrap()).unwrap();
        replace_file(&*disk, path, &damaged).unwrap();
        let error = Journal::open(disk, Path::new("/data")).unwrap_err().to_string();
        assert!(error.contains("metadata.log: checksum of the entry at byte 0"), "{error}");
    }
}
