//! Which file it is, whatever it is called: device, inode, and a checksum of its beginning (inodes are used again).

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A folder that did not change for so long has no rotation under way. Longer than the clock of file systems ticks.
const QUIET: Duration = Duration::from_millis(20);

/// How often a folder that does not rest is read, and how often a file may be renamed while it is being opened.
const LISTINGS_MAX: usize = 50;
const RENAMES_MAX: usize = 20;

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

/// When a file came to be, in nanoseconds since the epoch; `None` where the file system does not keep it. Renames leave it
/// alone, so it tells the generations of a rotated log apart and puts them in order.
pub fn born_ns(metadata: &Metadata) -> Option<u64> {
    let born = metadata.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(born.as_nanos()).ok()
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
        // A compressed file may be shorter than the text that was read from it.
        let bytes = offset.min(HEAD_BYTES).min(file.metadata()?.len());
        let mut head = vec![0; bytes as usize];
        file.read_exact_at(&mut head, 0)?;
        Ok(Head { bytes, hash: hash(&head) })
    }

    /// Of bytes that tell a file of that length from another.
    pub fn of_bytes(length: u64, bytes: &[u8]) -> Head {
        Head { bytes: length, hash: hash(bytes) }
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
pub fn find_sibling(path: &Path, inode: Inode) -> io::Result<Option<Found>> {
    for _ in 0..RENAMES_MAX {
        let listed = list(folder_of(path))?;
        let Some(entry) = listed.into_iter().find(|entry| entry.inode == inode) else { return Ok(None) };
        if let Some(found) = entry.open()? {
            return Ok(Some(found));
        }
    }
    Err(io::Error::other("the folder's files are renamed all the time"))
}

/// The generation after one that came to be at `born_ns`: the oldest file among `path` and its rotated names that is
/// not older. The clock of births has ticks of milliseconds, so several may have the same: `passed` names those of them
/// that come before.
pub fn next_generation(path: &Path, born_ns: u64, passed: &[Inode]) -> io::Result<Option<Found>> {
    for _ in 0..RENAMES_MAX {
        let not_older = generations(path)?
            .filter(|entry| !passed.contains(&entry.inode))
            .filter_map(|entry| Some((entry.born_ns.filter(|born| *born >= born_ns)?, entry)));
        let next = not_older
            .min_by_key(|(born, entry)| (*born, entry.path == path, entry.modified_ns, entry.inode.inode));
        let Some((_, entry)) = next else { return Ok(None) };
        if let Some(found) = entry.open()? {
            return Ok(Some(found));
        }
    }
    Err(io::Error::other("the folder's files are renamed all the time"))
}

/// The generations there are, each with its birth.
pub fn births(path: &Path) -> io::Result<Vec<(Inode, Option<u64>)>> {
    Ok(generations(path)?.map(|entry| (entry.inode, entry.born_ns)).collect())
}

fn generations(path: &Path) -> io::Result<impl Iterator<Item = Entry>> {
    let listed = list(folder_of(path))?.into_iter();
    Ok(listed.filter(move |entry| entry.path == path || is_rotated_name(&entry.path, path)))
}

/// A file that was looked for, open, and the name it had.
#[derive(Debug)]
pub struct Found {
    pub path: PathBuf,
    pub file: File,
}

struct Entry {
    path: PathBuf,
    inode: Inode,
    born_ns: Option<u64>,
    modified_ns: i128,
}

impl Entry {
    /// `None` when the name belongs to another file by now.
    fn open(self) -> io::Result<Option<Found>> {
        match File::open(&self.path) {
            Ok(file) if Inode::of(&file.metadata()?) == self.inode => {
                Ok(Some(Found { path: self.path, file }))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The files of a folder, by inode. A rename may slip past a reading of the folder, so it is read until nothing was
/// renamed for a moment; if it never rests, what any of the readings saw counts.
fn list(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut seen: BTreeMap<(u64, u64), Entry> = BTreeMap::new();
    for _ in 0..LISTINGS_MAX {
        let before = folder.metadata()?.modified()?;
        // Asked before the reading: a rename within the same tick leaves no trace in the time.
        let rested = before.elapsed().map_or(true, |since| since >= QUIET);
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_file() {
                let inode = Inode::of(&metadata);
                let modified_ns =
                    i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
                let entry = Entry { path: entry.path(), inode, born_ns: born_ns(&metadata), modified_ns };
                seen.insert((inode.device, inode.inode), entry);
            }
        }
        if rested && folder.metadata()?.modified()? == before {
            break;
        }
        std::thread::sleep(QUIET / 2);
    }
    Ok(seen.into_values().collect())
}

/// Whether a name is `path` with what rotation puts behind it: `.1`, `-20260131`, `.2026-01-31T10:00`.
fn is_rotated_name(found: &Path, path: &Path) -> bool {
    let (Some(found), Some(name)) = (found.file_name(), path.file_name()) else { return false };
    let found = found.to_string_lossy();
    let Some(suffix) = found.strip_prefix(name.to_string_lossy().as_ref()) else { return false };
    let legal = |letter: char| letter.is_ascii_digit() || "-_.:TZ".contains(letter);
    suffix.starts_with(['.', '-', '_'])
        && suffix.ends_with(|letter: char| letter.is_ascii_digit() || letter == 'Z')
        && suffix.chars().all(legal)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// FNV-1a, 64 bits: stored in positions, so it must never change.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
