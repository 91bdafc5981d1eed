//! Which file it is, whatever it is called: device, inode, and a checksum of its beginning (inodes are used again).

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How much of a file's beginning tells it from another.
const HEAD_BYTES: u64 = 1024;

/// The place of a file in the file system; follows it through renames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inode {
    pub device: u64,
    pub inode: u64,
}

impl Inode {
    pub fn of(metadata: &Metadata) -> Inode {
        Inode { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// A checksum of the first bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub bytes: u64,
    pub hash: u64,
}

impl Head {
    /// Of the bytes before `offset`, at most the first 1,024.
    pub fn of(file: &File, offset: u64) -> io::Result<Head> {
        let bytes = offset.min(HEAD_BYTES);
        let mut head = vec![0; bytes as usize];
        file.read_exact_at(&mut head, 0)?;
        Ok(Head { bytes, hash: hash(&head) })
    }

    /// Whether the file begins with the same bytes.
    pub fn matches(&self, file: &File) -> io::Result<bool> {
        match Head::of(file, self.bytes) {
            Ok(found) => Ok(found == *self),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether it already covers as much as it would at `offset`.
    pub fn is_complete(&self, offset: u64) -> bool {
        self.bytes == offset.min(HEAD_BYTES)
    }
}

/// The file of that inode in the folder of `path`, under whatever name: where rotation put it.
pub fn find_sibling(path: &Path, inode: Inode) -> io::Result<Option<PathBuf>> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() && Inode::of(&metadata) == inode {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

/// FNV-1a, 64 bits: stored in positions, so it must never change.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
