//! A disk in memory that forgets what was not flushed, tears writes, fills up and fails on demand.
//!
//! What it may do to us: after [`SimulatedDisk::crash`] a file holds what was flushed plus any prefix of what was
//! appended since (its last bytes possibly garbage); names created, renamed or removed since their folder's last flush
//! are undone from any point on. All choices come from the seed, so one seed run twice is identical. Left out: bytes
//! that rot in place (tests flip them by [`SimulatedDisk::edit`]).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::log::disk::{Disk, DiskEntry, DiskFile};

/// The disk; clones share it.
#[derive(Debug, Clone)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    random: Random,
    files: Vec<Content>,
    names: Names,
    /// Names as they are surely on disk, and what happened to each folder since its flush, in order.
    flushed_names: Names,
    pending: BTreeMap<PathBuf, Vec<Change>>,
    capacity_bytes: Option<u64>,
    failing_flushes: u32,
    /// Operations until everything fails as if the machine had stopped.
    steps_left: Option<u64>,
    /// Counts restarts: handles from before one are dead.
    life: u64,
    locked: BTreeSet<PathBuf>,
}

#[derive(Debug, Clone, Default)]
struct Names {
    files: BTreeMap<PathBuf, usize>,
    folders: BTreeSet<PathBuf>,
}

#[derive(Debug, Clone)]
enum Change {
    Add(PathBuf, usize),
    AddFolder(PathBuf),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    flushed: Vec<u8>,
}

/// SplitMix64: enough for choices, the same everywhere.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

impl SimulatedDisk {
    pub fn new(seed: u64) -> Self {
        let state = State {
            random: Random(seed),
            files: Vec::new(),
            names: Names::default(),
            flushed_names: Names::default(),
            pending: BTreeMap::new(),
            capacity_bytes: None,
            failing_flushes: 0,
            steps_left: None,
            life: 0,
            locked: BTreeSet::new(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// The disk is full at so many bytes of content.
    pub fn set_capacity(&self, capacity_bytes: Option<u64>) {
        self.state.lock().capacity_bytes = capacity_bytes;
    }

    /// The next flush of a file fails.
    pub fn fail_next_flush(&self) {
        self.state.lock().failing_flushes += 1;
    }

    /// After so many more operations every one fails, until [`SimulatedDisk::crash`].
    pub fn stop_after(&self, operations: u64) {
        self.state.lock().steps_left = Some(operations);
    }

    /// Cuts the power and starts again.
    pub fn crash(&self) {
        let mut state = self.state.lock();
        state.life += 1;
        state.steps_left = None;
        state.failing_flushes = 0;
        state.locked.clear();
        state.lose_names();
        state.lose_content();
    }

    /// Changes a file's bytes in place, as rot would.
    pub fn edit(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state.lock();
        let id = *state.names.files.get(path).expect("the file exists");
        change(&mut state.files[id].bytes);
        state.files[id].flushed = state.files[id].bytes.clone();
    }

    /// Ends the process but not the machine: handles die, nothing is lost, and nothing more is flushed.
    pub fn kill(&self) {
        let mut state = self.state.lock();
        state.life += 1;
        state.steps_left = None;
        state.failing_flushes = 0;
        state.locked.clear();
    }

    /// All file names under a folder, for assertions.
    pub fn names(&self, folder: &Path) -> Vec<String> {
        let state = self.state.lock();
        let inside = state.names.files.keys().filter_map(|path| path.strip_prefix(folder).ok());
        inside.map(|path| path.display().to_string()).collect()
    }
}

impl State {
    /// Every operation passes here first.
    fn step(&mut self) -> io::Result<()> {
        match &mut self.steps_left {
            Some(0) => Err(io::Error::other("the machine has stopped")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn change(&mut self, change: Change) {
        let folder = match &change {
            Change::Add(path, _)
            | Change::AddFolder(path)
            | Change::Remove(path)
            | Change::Rename(path, _) => path.parent(),
        };
        let folder = folder.unwrap_or(Path::new("/")).to_owned();
        self.names.apply(&change);
        self.pending.entry(folder).or_default().push(change);
    }

    fn lose_names(&mut self) {
        for (_, changes) in std::mem::take(&mut self.pending) {
            let kept = self.random.below(changes.len() as u64 + 1) as usize;
            for change in &changes[..kept] {
                self.flushed_names.apply(change);
            }
        }
        // A folder that is gone takes along what was in it.
        let folders = self.flushed_names.folders.clone();
        let reachable = |path: &Path| {
            path.ancestors().skip(1).all(|folder| folder == Path::new("/") || folders.contains(folder))
        };
        self.flushed_names.files.retain(|path, _| reachable(path));
        self.flushed_names.folders.retain(|path| reachable(path));
        self.names = self.flushed_names.clone();
    }

    fn lose_content(&mut self) {
        for content in &mut self.files {
            let common =
                content.bytes.iter().zip(&content.flushed).take_while(|(new, old)| new == old).count();
            if common < content.flushed.len() {
                // Truncated and rewritten since: either version.
                if self.random.below(2) == 0 {
                    content.bytes = content.flushed.clone();
                }
            } else {
                let unflushed = content.bytes.len() - common;
                let kept = self.random.below(unflushed as u64 + 1) as usize;
                content.bytes.truncate(common + kept);
                let garbled = self.random.below(kept.min(64) as u64 + 1) as usize;
                if self.random.below(3) == 0 {
                    let from = content.bytes.len() - garbled;
                    content.bytes[from..].fill(0);
                }
            }
            content.flushed = content.bytes.clone();
        }
    }

    fn used_bytes(&self) -> u64 {
        self.names.files.values().map(|id| self.files[*id].bytes.len() as u64).sum()
    }
}

impl Names {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Add(path, id) => {
                self.files.insert(path.clone(), *id);
            }
            Change::AddFolder(path) => {
                self.folders.insert(path.clone());
            }
            Change::Remove(path) => {
                self.files.retain(|file, _| !file.starts_with(path));
                self.folders.retain(|folder| !folder.starts_with(path));
            }
            Change::Rename(from, to) => self.rename(from, to),
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        let moved = |path: &Path| {
            path.strip_prefix(from)
                .map(|rest| if rest == Path::new("") { to.to_owned() } else { to.join(rest) })
        };
        let files = std::mem::take(&mut self.files);
        let (inside, outside): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|(path, _)| path.starts_with(from));
        self.files = outside.into_iter().collect();
        for (path, id) in inside {
            self.files.insert(moved(&path).unwrap_or(path), id);
        }
        let folders = std::mem::take(&mut self.folders);
        self.folders = folders.into_iter().map(|path| moved(&path).unwrap_or(path)).collect();
    }
}

impl Disk for SimulatedDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        state.step()?;
        let parent = path.parent().unwrap_or(Path::new("/"));
        if parent != Path::new("/") && !state.names.folders.contains(parent) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let id = match state.names.files.get(path) {
            Some(id) => *id,
            None => {
                let id = state.files.len();
                state.files.push(Content::default());
                state.change(Change::Add(path.to_owned(), id));
                id
            }
        };
        Ok(Arc::new(SimulatedFile { disk: self.clone(), id, life: state.life }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.state.lock();
        state.step()?;
        let id = *state.names.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(state.files[id].bytes.clone())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<DiskEntry>> {
        let mut state = self.state.lock();
        state.step()?;
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let here = |path: &Path| path.parent() == Some(directory);
        let files = state.names.files.iter().filter(|(path, _)| here(path)).map(|(path, id)| DiskEntry {
            name: name(path),
            is_directory: false,
            size_bytes: state.files[*id].bytes.len() as u64,
        });
        let folders = state.names.folders.iter().filter(|path| here(path)).map(|path| DiskEntry {
            name: name(path),
            is_directory: true,
            size_bytes: 0,
        });
        Ok(files.chain(folders).collect())
    }

    fn create_directory(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.step()?;
        let missing: Vec<_> = directory
            .ancestors()
            .filter(|folder| *folder != Path::new("/") && !state.names.folders.contains(*folder))
            .map(Path::to_owned)
            .collect();
        for folder in missing.into_iter().rev() {
            state.change(Change::AddFolder(folder));
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.step()?;
        if !state.names.files.contains_key(from) && !state.names.folders.contains(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change(Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.step()?;
        if !state.names.files.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change(Change::Remove(path.to_owned()));
        Ok(())
    }

    fn remove_directory(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.step()?;
        state.change(Change::Remove(directory.to_owned()));
        Ok(())
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.step()?;
        for change in state.pending.remove(directory).unwrap_or_default() {
            state.flushed_names.apply(&change);
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.state.lock();
        state.step()?;
        if !state.locked.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Lock { disk: self.clone(), path: path.to_owned(), life: state.life }))
    }
}

struct Lock {
    disk: SimulatedDisk,
    path: PathBuf,
    life: u64,
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut state = self.disk.state.lock();
        if state.life == self.life {
            state.locked.remove(&self.path);
        }
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    id: usize,
    life: u64,
}

impl SimulatedFile {
    fn with<T>(&self, run: impl FnOnce(&mut State, usize) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.state.lock();
        state.step()?;
        if state.life != self.life {
            return Err(io::Error::other("this handle died with the machine"));
        }
        run(&mut state, self.id)
    }
}

impl DiskFile for SimulatedFile {
    fn append(&self, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        let stopped = state.step();
        if state.life != self.life {
            return Err(io::Error::other("this handle died with the machine"));
        }
        let mut bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let asked = bytes.len();
        if stopped.is_err() {
            // The power went while this was being written.
            let written = state.random.below(asked as u64 + 1) as usize;
            bytes.truncate(written);
        }
        let room = state.capacity_bytes.map(|capacity| capacity.saturating_sub(state.used_bytes()) as usize);
        bytes.truncate(room.unwrap_or(usize::MAX));
        let is_short = bytes.len() < asked;
        state.files[self.id].bytes.append(&mut bytes);
        stopped?;
        if is_short { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.with(|state, id| {
            let bytes = &state.files[id].bytes;
            let rest = bytes.get(position as usize..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        })
    }

    fn size(&self) -> io::Result<u64> {
        self.with(|state, id| Ok(state.files[id].bytes.len() as u64))
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.with(|state, id| {
            state.files[id].bytes.truncate(size as usize);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|state, id| {
            if state.failing_flushes > 0 {
                state.failing_flushes -= 1;
                return Err(io::Error::other("the flush failed"));
            }
            let content = &mut state.files[id];
            content.flushed = content.bytes.clone();
            Ok(())
        })
    }
}
