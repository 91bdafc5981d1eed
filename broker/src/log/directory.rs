//! A log folder: every partition in it, its checkpoints, its one flusher and its keeper.
//!
//! Start: read the checkpoints and whether the last stop was clean, open each partition (side by side), then remove the
//! clean-stop marker. Stop: settle every partition, write the checkpoints, then the marker. Both are quick with ten
//! thousand idle partitions, which cost neither handles nor flushes. Left out: several folders per broker.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use super::buffer::BufferPool;
use super::checkpoint::{self, CheckpointError, Offsets};
use super::compaction::Cleaner;
use super::config::{DirectoryConfig, LogConfig};
use super::disk::{Attempt, Disk, DiskError};
use super::flusher::{FlushQueue, in_parallel};
use super::keeper::Keeper;
use super::partition::Partition;
use super::recovery::{self, Known, OpenError};
use super::writer::WriteError;

/// Threads that open and close partitions.
const OPEN_THREADS: usize = 8;
/// Folders of deleted partitions, until they are removed.
const DELETED_FOLDER: &str = "-delete";
/// Folders that belong to no known topic, set aside under this suffix.
const STRAY_FOLDER: &str = "-stray";
const LOCK: &str = ".lock";

/// Milliseconds since 1970, from whatever clock the caller lives by.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Topic and partition number; its display is the name of its folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionName {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl PartitionName {
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }

    fn parse(folder: &str) -> Option<Self> {
        let (topic, partition) = folder.rsplit_once('-')?;
        let partition = partition.parse().ok().filter(|partition| *partition >= 0)?;
        (!topic.is_empty()).then(|| Self::new(topic, partition))
    }
}

impl fmt::Display for PartitionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.topic, self.partition)
    }
}

/// What the cluster's metadata says of a partition that should be here.
#[derive(Debug, Clone)]
pub struct Expected {
    pub topic_id: [u8; 16],
    pub config: Arc<LogConfig>,
}

#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error("open log folder {}: another process uses it", .0.display())]
    InUse(PathBuf),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("open partition {partition}: {source}")]
    Partition { partition: PartitionName, source: OpenError },
    #[error("create partition {0}: it exists")]
    Exists(PartitionName),
    #[error("delete partition {0}: it does not exist")]
    Missing(PartitionName),
}

/// What partitions and the folder's threads share.
pub struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) path: Arc<Path>,
    pub(super) config: DirectoryConfig,
    pub(super) buffers: BufferPool,
    pub(super) flushes: FlushQueue,
    clock: Clock,
    failure: OnceLock<String>,
    pub(super) flushed: FlushCount,
    pub(super) partitions: RwLock<HashMap<PartitionName, Arc<Partition>>>,
    /// One writer of the checkpoint files at a time.
    checkpoints: Mutex<()>,
}

/// How many flushes partitions had, and how long they took together.
#[derive(Debug, Default)]
pub struct FlushCount {
    flushes: AtomicU64,
    micros: AtomicU64,
}

impl FlushCount {
    pub(super) fn add(&self, took: Duration) {
        self.flushes.fetch_add(1, Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Number and total time.
    pub fn total(&self) -> (u64, Duration) {
        (self.flushes.load(Relaxed), Duration::from_micros(self.micros.load(Relaxed)))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    /// Why nothing may be appended to this folder any more.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Gives the folder up after a failed write or flush: what the disk holds is unknown until it is read again.
    pub(super) fn poison(self: &Arc<Self>, error: &dyn fmt::Display) {
        if self.failure.set(error.to_string()).is_err() {
            return;
        }
        tracing::error!(folder = %self.path.display(), %error, "log folder failed, appends are refused until a restart");
        // The caller may hold a partition's lock; telling the others takes none.
        for partition in self.partitions.read().values() {
            partition.fail();
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<Partition>> {
        self.partitions.read().values().cloned().collect()
    }

    /// Writes where logs start. Where a first segment tells the same it is written too: until the folder is flushed, a
    /// power cut may bring older segments back.
    pub(super) fn store_log_starts(&self) -> Result<(), DiskError> {
        let _one_writer = self.checkpoints.lock();
        let mut starts: Vec<_> = self
            .all()
            .iter()
            .filter_map(|partition| {
                let inner = partition.inner.lock();
                let start = inner.state.log_start_offset;
                (start > 0).then(|| (partition.name.to_string(), start))
            })
            .collect();
        starts.sort_unstable();
        checkpoint::write_offsets(&*self.disk, &self.path.join(checkpoint::LOG_START_OFFSETS), &starts)
    }

    /// Writes how far compacted partitions are clean.
    pub(super) fn store_compacted(&self) -> Result<(), DiskError> {
        let _one_writer = self.checkpoints.lock();
        let mut offsets: Vec<_> = self
            .all()
            .iter()
            .map(|partition| (partition.name.to_string(), partition.inner.lock().compacted.to))
            .filter(|(_, to)| *to > 0)
            .collect();
        offsets.sort_unstable();
        checkpoint::write_offsets(&*self.disk, &self.path.join(checkpoint::COMPACTED_OFFSETS), &offsets)
    }

    pub(super) fn store_recovery_points(&self) -> Result<(), DiskError> {
        let _one_writer = self.checkpoints.lock();
        let mut points: Vec<_> = self
            .all()
            .iter()
            .map(|partition| (partition.name.to_string(), partition.inner.lock().recovery_point))
            .collect();
        points.sort_unstable();
        checkpoint::write_offsets(&*self.disk, &self.path.join(checkpoint::RECOVERY_POINTS), &points)
    }
}

/// The open folder. Dropping it without [`LogDirectory::close`] is an unclean stop.
pub struct LogDirectory {
    shared: Arc<Shared>,
    keeper: Arc<Keeper>,
    cleaner: Arc<Cleaner>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    closed: Mutex<bool>,
    /// Given back by [`LogDirectory::close`].
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

impl fmt::Debug for LogDirectory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LogDirectory").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl LogDirectory {
    /// Opens the folder and every partition in it that `expected` knows with the same topic id; others are renamed
    /// aside. Blocks: on an unclean stop as long as reading the unflushed tails takes.
    pub fn open(
        disk: Arc<dyn Disk>,
        path: &Path,
        config: DirectoryConfig,
        clock: Clock,
        expected: &(dyn Fn(&PartitionName) -> Option<Expected> + Sync),
    ) -> Result<Self, DirectoryError> {
        disk.create_directory(path).attempt("create folder", path)?;
        let parent = match path.parent() {
            Some(parent) if parent == Path::new("") => Path::new("."),
            Some(parent) => parent,
            None => path,
        };
        disk.sync_directory(parent).attempt("flush folder", parent)?;
        let lock = disk.lock(&path.join(LOCK)).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => DirectoryError::InUse(path.to_owned()),
            _ => DirectoryError::Disk(DiskError { action: "lock", path: path.join(LOCK), source: error }),
        })?;
        let background = config.background;
        let shared = Arc::new(Shared {
            disk,
            path: path.into(),
            config,
            buffers: BufferPool::default(),
            flushes: FlushQueue::default(),
            clock,
            failure: OnceLock::new(),
            flushed: FlushCount::default(),
            partitions: RwLock::default(),
            checkpoints: Mutex::default(),
        });
        open_partitions(&shared, expected)?;
        let keeper = Arc::new(Keeper::new(shared.clone()));
        let cleaner = Arc::new(Cleaner::new(shared.clone(), keeper.clone()));
        let threads = if background {
            start_threads(&shared, &keeper, &cleaner).attempt("start threads for", path)?
        } else {
            Vec::new()
        };
        Ok(Self {
            shared,
            keeper,
            cleaner,
            threads: Mutex::new(threads),
            closed: Mutex::new(false),
            lock: Mutex::new(Some(lock)),
        })
    }

    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Why the folder takes no more appends, if so.
    pub fn failure(&self) -> Option<&str> {
        self.shared.failure()
    }

    /// Flushes since the folder was opened.
    pub fn flushed(&self) -> (u64, Duration) {
        self.shared.flushed.total()
    }

    pub fn partition(&self, name: &PartitionName) -> Option<Arc<Partition>> {
        self.shared.partitions.read().get(name).cloned()
    }

    pub fn partitions(&self) -> Vec<Arc<Partition>> {
        self.shared.all()
    }

    /// Begins an empty partition. Its folder becomes durable with its first flush; metadata knows it before.
    pub fn create(&self, name: PartitionName, expected: &Expected) -> Result<Arc<Partition>, DirectoryError> {
        let mut partitions = self.shared.partitions.write();
        if partitions.contains_key(&name) {
            return Err(DirectoryError::Exists(name));
        }
        let folder = self.shared.path.join(name.to_string());
        self.shared.disk.create_directory(&folder).attempt("create folder", &folder)?;
        let known = Known { recovery_point: 0, log_start_offset: 0, compacted_to: 0, clean: false };
        let partition = open_partition(&self.shared, &name, expected, known, None)?;
        partitions.insert(name, partition.clone());
        Ok(partition)
    }

    /// Deletes a partition: its folder is renamed at once and removed by the keeper.
    pub fn delete(&self, name: &PartitionName) -> Result<(), DirectoryError> {
        let removed = self.shared.partitions.write().remove(name);
        let partition = removed.ok_or_else(|| DirectoryError::Missing(name.clone()))?;
        // A compaction under way must not go on in the folder of a new topic of this name.
        let _upkeep = partition.upkeep.lock();
        partition.close();
        let folder = self.shared.path.join(name.to_string());
        let id = u128::from_be_bytes(partition.topic_id());
        // Cut as Kafka does: a folder's name has 255 bytes.
        let topic: String = name.topic.chars().take(200).collect();
        let target = self.shared.path.join(format!("{topic}-{}.{id:032x}{DELETED_FOLDER}", name.partition));
        self.shared.disk.rename(&folder, &target).attempt("rename", &folder)?;
        self.shared.disk.sync_directory(&self.shared.path).attempt("flush folder", &self.shared.path)?;
        self.keeper.remove_folder_later(target);
        Ok(())
    }

    /// Flushes all that waits for it, on this thread. For a folder without threads, and tests.
    pub fn flush_now(&self) {
        self.shared.flushes.flush_now();
    }

    /// One round of retention, producer expiry, checkpoints and unlinking, on this thread.
    pub fn keep_now(&self) {
        self.keeper.round();
    }

    /// Compacts whatever needs it, on this thread.
    pub fn clean_now(&self) {
        self.cleaner.round();
    }

    /// Stops the threads, settles and flushes everything, and marks the stop as clean. Blocks. A failed folder is
    /// left unmarked, to be checked at the next start. A second call does nothing.
    pub fn close(&self) -> Result<(), WriteError> {
        let mut closed = self.closed.lock();
        if std::mem::replace(&mut *closed, true) {
            return Ok(());
        }
        self.stop_threads();
        let partitions = self.shared.all();
        let first_error = Mutex::new(None);
        in_parallel(&partitions, OPEN_THREADS, |partition| {
            if self.shared.failure().is_none()
                && let Err(error) = partition.settle()
            {
                self.shared.poison(&error);
                first_error.lock().get_or_insert(error);
            }
            partition.close();
        });
        self.keeper.unlink_all();
        if let Some(error) = first_error.into_inner() {
            return Err(error);
        }
        if self.shared.failure().is_none() {
            self.shared.store_log_starts()?;
            self.shared.store_recovery_points()?;
            checkpoint::write_clean_stop(&*self.shared.disk, &self.shared.path.join(checkpoint::CLEAN_STOP))?;
        }
        self.shared.partitions.write().clear();
        *self.lock.lock() = None;
        Ok(())
    }

    fn stop_threads(&self) {
        self.shared.flushes.stop();
        self.cleaner.stop();
        self.keeper.stop();
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                tracing::error!(folder = %self.shared.path.display(), "a log thread panicked");
            }
        }
    }
}

impl Drop for LogDirectory {
    fn drop(&mut self) {
        self.stop_threads();
        for partition in self.shared.all() {
            partition.close();
        }
        self.shared.partitions.write().clear();
    }
}

fn start_threads(
    shared: &Arc<Shared>,
    keeper: &Arc<Keeper>,
    cleaner: &Arc<Cleaner>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let (flushes, keeper) = (shared.clone(), keeper.clone());
    let flusher = thread::Builder::new().name("log-flusher".into()).spawn(move || flushes.flushes.run())?;
    let keeping = thread::Builder::new().name("log-keeper".into()).spawn(move || keeper.run())?;
    let mut threads = vec![flusher, keeping];
    for _ in 0..shared.config.cleaner.threads {
        let cleaner = cleaner.clone();
        threads.push(thread::Builder::new().name("log-cleaner".into()).spawn(move || cleaner.run())?);
    }
    Ok(threads)
}

/// Opens all partitions side by side, after reading what the last stop left.
fn open_partitions(
    shared: &Arc<Shared>,
    expected: &(dyn Fn(&PartitionName) -> Option<Expected> + Sync),
) -> Result<(), DirectoryError> {
    let (disk, path) = (&*shared.disk, &*shared.path);
    let marker = path.join(checkpoint::CLEAN_STOP);
    let clean = checkpoint::has_clean_stop(disk, &marker).unwrap_or(false);
    let (points, points_read) = offsets_or_none(disk, &path.join(checkpoint::RECOVERY_POINTS));
    let (starts, _) = offsets_or_none(disk, &path.join(checkpoint::LOG_START_OFFSETS));
    let (compacted, _) = offsets_or_none(disk, &path.join(checkpoint::COMPACTED_OFFSETS));
    let mut folders = Vec::new();
    for entry in disk.list(path).attempt("list", path)?.into_iter().filter(|entry| entry.is_directory) {
        if entry.name.ends_with(DELETED_FOLDER) {
            let folder = path.join(&entry.name);
            disk.remove_directory(&folder).attempt("remove folder", &folder)?;
        } else if let Some(name) = PartitionName::parse(&entry.name) {
            folders.push(name);
        }
    }
    let failed = Mutex::new(None);
    in_parallel(&folders, OPEN_THREADS, |name| {
        let folder = name.to_string();
        let known = Known {
            recovery_point: points.get(&folder).copied().unwrap_or(0),
            log_start_offset: starts.get(&folder).copied().unwrap_or(0),
            clean: clean && points_read,
            compacted_to: compacted.get(&folder).copied().unwrap_or(0),
        };
        if let Err(error) = open_expected(shared, name, known, expected) {
            failed.lock().get_or_insert(error);
        }
    });
    if let Some(error) = failed.into_inner() {
        return Err(error);
    }
    if clean {
        disk.remove_file(&marker).attempt("remove", &marker)?;
    }
    // Also after a crash of the process alone: names seen now may not be on disk yet.
    disk.sync_directory(path).attempt("flush folder", path)?;
    Ok(())
}

fn open_expected(
    shared: &Arc<Shared>,
    name: &PartitionName,
    known: Known,
    expected: &(dyn Fn(&PartitionName) -> Option<Expected> + Sync),
) -> Result<(), DirectoryError> {
    let folder = shared.path.join(name.to_string());
    let stored = match checkpoint::read_topic_id(&*shared.disk, &folder.join(checkpoint::PARTITION_METADATA))
    {
        Ok(stored) => stored,
        Err(CheckpointError::Malformed { path, reason, .. }) => {
            tracing::warn!(path = %path.display(), reason, "topic id is unreadable, taking it from the metadata");
            None
        }
        Err(error) => {
            return Err(DirectoryError::Partition { partition: name.clone(), source: error.into() });
        }
    };
    match expected(name) {
        Some(expected) if stored.is_none_or(|stored| stored == expected.topic_id) => {
            let partition = open_partition(shared, name, &expected, known, stored)?;
            shared.partitions.write().insert(name.clone(), partition);
            Ok(())
        }
        _ => {
            let id = u128::from_be_bytes(stored.unwrap_or_default());
            let aside = shared.path.join(format!("{name}.{id:032x}{STRAY_FOLDER}"));
            tracing::warn!(folder = %folder.display(), aside = %aside.display(), "no topic owns this folder, set aside");
            shared.disk.rename(&folder, &aside).attempt("rename", &folder)?;
            Ok(())
        }
    }
}

/// Opens one partition's log; `stored` is the topic id on file.
fn open_partition(
    shared: &Arc<Shared>,
    name: &PartitionName,
    expected: &Expected,
    known: Known,
    stored: Option<[u8; 16]>,
) -> Result<Arc<Partition>, DirectoryError> {
    let folder: Arc<Path> = shared.path.join(name.to_string()).into();
    let failed = |source| DirectoryError::Partition { partition: name.clone(), source };
    let mut opened = recovery::open(shared.disk.clone(), folder.clone(), expected.config.clone(), known)
        .map_err(failed)?;
    if stored != Some(expected.topic_id) {
        let path = folder.join(checkpoint::PARTITION_METADATA);
        checkpoint::write_topic_id(&*shared.disk, &path, expected.topic_id)?;
        opened.log.unsynced.closed_files.push(path);
        opened.log.unsynced.add_folder(&folder);
        opened.log.unsynced.add_folder(&shared.path);
    }
    let partition = Partition::new(name.clone(), expected.topic_id, shared.clone(), opened);
    partition.resume_compaction(known.compacted_to);
    Ok(Arc::new(partition))
}

/// A checkpoint's offsets. An unreadable one counts as empty, which costs a full check of the logs.
fn offsets_or_none(disk: &dyn Disk, path: &Path) -> (Offsets, bool) {
    match checkpoint::read_offsets(disk, path) {
        Ok(offsets) => (offsets, true),
        Err(error) => {
            tracing::warn!(%error, "checkpoint is unusable");
            (Offsets::new(), false)
        }
    }
}
