//! The committed state of a query on this machine's disk: a copy of its changelog up to an offset.
//!
//! What a commit changed is handed over when its transaction is through, never before, so the copy is never ahead of the
//! changelog. It waits in memory, where many changes of one key become one, and goes to disk in the order of its keys, the
//! offset it reaches last: whenever the process ended, a copy on disk has every change before its offset, and perhaps some
//! behind it. A start reads what the changelog has behind that offset, the same changes among it, and then the copy is the
//! changelog up to its end.
//!
//! Nothing but the copy's own mark says what it is worth: `Mark::judge` compares it with the topic that is there.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use fjall::config::{HashRatioPolicy, PartitioningPolicy};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};

use super::Change;
use super::memory::{MemoryBudget, Share};

mod cold;
mod mark;

pub(crate) use cold::ColdTable;
pub(crate) use mark::{Changelog, Mark, Verdict};

/// Where the mark of a query's copy stands: no node has this number.
const MARK_KEY: [u8; 3] = [255, 255, 0];

/// Of the memory setting: rows in memory and changes that wait to be written (percent), and what the database may use for
/// blocks and for what it has not written yet. A row costs twice as much as in a block, and saves the look.
const ROWS_PERCENT: u64 = 55;
const CACHE_PERCENT: u64 = 25;
const MEMTABLE_PERCENT: u64 = 5;

/// How much of a block is a hash index over its keys: most looks are for one key.
const HASH_RATIO: f32 = 0.75;

/// One writes what is in memory while the other merges files: with one alone, rows wait for the longest merge.
const DATABASE_THREADS: usize = 2;

/// The least there may be: a start reads it.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;

const MEMTABLE_BYTES_MIN: u64 = 1 << 20;
const MEMTABLE_BYTES_MAX: u64 = 32 << 20;

/// Memtables that may wait to be written at the same time.
const MEMTABLES_MAX: u64 = 2;

/// The least that the memory setting may be.
pub const STATE_MEMORY_BYTES_MIN: u64 = 16 << 20;

/// What a change costs in memory beside its key and value while it waits.
const WAITING_OVERHEAD_BYTES: usize = 96;

/// Changes of a query that may wait before they go to disk.
const WAITING_BYTES_MAX: usize = 32 << 20;

/// What goes to disk in one batch, beside what waits.
const BATCH_BYTES: usize = 1 << 20;

/// Why the local state could not be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{attempt} the local state in `{directory}`: {reason}")]
pub struct StoreError {
    attempt: &'static str,
    directory: String,
    reason: String,
}

/// The state of all queries of a node. Cheap to clone.
#[derive(Clone)]
pub struct StateDatabase {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    directory: PathBuf,
    budget: Arc<MemoryBudget>,
    memtable_bytes: u64,
    waiting_bytes: usize,
    /// By query.
    writers: Mutex<HashMap<String, Arc<Mutex<Writer>>>>,
}

/// Who may write a query's copy. Held while something is written.
#[derive(Default)]
struct Writer {
    /// Of the task that may; a write that an older task began is left out.
    generation: u64,
    /// The copy could not be read: it is thrown away at the next start.
    is_damaged: bool,
}

impl fmt::Debug for StateDatabase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("StateDatabase").field(&self.inner.directory).finish()
    }
}

impl StateDatabase {
    /// Opens what is in the directory, or starts an empty one there. One that is damaged is thrown away: the changelogs have
    /// it all. `memory_bytes` is what rows, blocks and changes on their way may use together.
    pub fn open(directory: &Path, memory_bytes: u64) -> Result<StateDatabase, StoreError> {
        let failed = |attempt: &'static str, reason: String| StoreError {
            attempt,
            directory: directory.display().to_string(),
            reason,
        };
        let memory_bytes = memory_bytes.max(STATE_MEMORY_BYTES_MIN);
        let percent = |percent: u64| memory_bytes / 100 * percent;
        let database = match open_database(directory, percent(CACHE_PERCENT)) {
            Ok(database) => database,
            Err(error) if is_damage(&error) => {
                let error = plain(&error);
                tracing::warn!(directory = %directory.display(), error, "local state is damaged and is built again from the changelogs");
                std::fs::remove_dir_all(directory)
                    .map_err(|error| failed("throw away", error.to_string()))?;
                open_database(directory, percent(CACHE_PERCENT))
                    .map_err(|error| failed("open", plain(&error)))?
            }
            Err(error) => return Err(failed("open", plain(&error))),
        };
        let inner = Inner {
            database,
            directory: directory.to_owned(),
            budget: MemoryBudget::new(usize::try_from(percent(ROWS_PERCENT)).unwrap_or(usize::MAX)),
            memtable_bytes: percent(MEMTABLE_PERCENT).clamp(MEMTABLE_BYTES_MIN, MEMTABLE_BYTES_MAX),
            waiting_bytes: usize::try_from(percent(MEMTABLE_PERCENT))
                .unwrap_or(usize::MAX)
                .min(WAITING_BYTES_MAX),
            writers: Mutex::default(),
        };
        Ok(StateDatabase { inner: Arc::new(inner) })
    }

    /// The copy of one query, for a new task of it; `name` is its changelog's. Waits until nothing of an older task is being
    /// written, and what an older task has not begun to write by now never is.
    pub(crate) fn query(&self, name: &str) -> Result<QueryStore, StoreError> {
        let inner = &self.inner;
        let keyspace = inner
            .database
            .keyspace(name, || options(inner.memtable_bytes))
            .map_err(|error| self.failed("open", &error))?;
        let writer = {
            let mut writers = inner.writers.lock().unwrap_or_else(PoisonError::into_inner);
            writers.entry(name.to_owned()).or_default().clone()
        };
        let mut held = writer.lock().unwrap_or_else(PoisonError::into_inner);
        held.generation += 1;
        let generation = held.generation;
        if std::mem::take(&mut held.is_damaged) {
            keyspace.clear().map_err(|error| self.failed("throw away", &error))?;
        }
        drop(held);
        let disk = Disk { database: self.clone(), keyspace, writer, generation };
        let mut waiting = Waiting::default();
        waiting.share.charge(&inner.budget);
        let shared = Shared { disk: Some(disk), waiting: RwLock::new(waiting) };
        Ok(QueryStore { shared: Arc::new(shared), mark: None })
    }

    /// Waits until what the database has taken and not written is within its part of memory: it has a setting for that,
    /// which it does not follow.
    fn bound_memtables(&self, keyspace: &Keyspace) -> Result<(), StoreError> {
        let inner = &self.inner;
        if inner.database.write_buffer_size() <= inner.memtable_bytes * MEMTABLES_MAX {
            return Ok(());
        }
        keyspace.rotate_memtable_and_wait().map_err(|error| self.failed("write", &error))
    }

    /// One that lets every row go with every commit.
    #[cfg(test)]
    pub(crate) fn without_memory(directory: &Path) -> StateDatabase {
        let mut database =
            StateDatabase::open(directory, STATE_MEMORY_BYTES_MIN).expect("the directory is ours");
        Arc::get_mut(&mut database.inner).expect("nobody else has it").budget = MemoryBudget::new(0);
        database
    }

    fn failed(&self, attempt: &'static str, error: &fjall::Error) -> StoreError {
        StoreError { attempt, directory: self.inner.directory.display().to_string(), reason: plain(error) }
    }
}

fn open_database(directory: &Path, cache_bytes: u64) -> Result<Database, fjall::Error> {
    let open = || {
        Database::builder(directory)
            .cache_size(cache_bytes)
            .worker_threads(DATABASE_THREADS)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .open()
    };
    // Some damage makes the library panic where it reads its journal.
    catch_unwind(open).unwrap_or(Err(fjall::Error::Unrecoverable))
}

/// Filters and indexes behind the first level are cut into blocks like data: whole, they are larger than what the cache
/// takes, and every look reads and checks all of one.
fn options(memtable_bytes: u64) -> KeyspaceCreateOptions {
    let behind_first = || PartitioningPolicy::new([false, true]);
    KeyspaceCreateOptions::default()
        .max_memtable_size(memtable_bytes)
        .filter_block_partitioning_policy(behind_first())
        .index_block_partitioning_policy(behind_first())
        .data_block_hash_ratio_policy(HashRatioPolicy::all(HASH_RATIO))
}

/// Whether what is in the directory can never be opened; otherwise somebody has to make room, or give access.
fn is_damage(error: &fjall::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
    match error {
        fjall::Error::Locked => false,
        fjall::Error::Io(error) => matches!(error.kind(), InvalidData | NotFound | UnexpectedEof),
        _ => true,
    }
}

fn plain(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Locked => "another process uses it".to_owned(),
        fjall::Error::Io(error) => error.to_string(),
        fjall::Error::Poisoned => "an earlier write failed".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The copy of one query.
pub(crate) struct QueryStore {
    shared: Arc<Shared>,
    mark: Option<Mark>,
}

#[derive(Default)]
struct Shared {
    /// `None`: everything waits, for ever.
    disk: Option<Disk>,
    waiting: RwLock<Waiting>,
}

struct Disk {
    database: StateDatabase,
    keyspace: Keyspace,
    writer: Arc<Mutex<Writer>>,
    generation: u64,
}

type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Committed, but not on disk yet.
#[derive(Default)]
struct Waiting {
    rows: Changes,
    /// Of `rows`.
    bytes: usize,
    /// Being written: older than `rows`.
    writing: Arc<Changes>,
    /// Of all that is here.
    share: Share,
}

impl Waiting {
    fn put(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let (key_bytes, value_bytes) = (key.len(), value.as_ref().map_or(0, Vec::len));
        let before = self.bytes;
        match self.rows.insert(key, value) {
            Some(old) => self.bytes -= old.map_or(0, |old| old.len()),
            None => self.bytes += WAITING_OVERHEAD_BYTES + key_bytes,
        }
        self.bytes += value_bytes;
        self.share.grow(self.bytes.saturating_sub(before));
        self.share.shrink(before.saturating_sub(self.bytes));
    }

    fn clear(&mut self) {
        self.share.shrink(self.share.bytes());
        (self.rows, self.writing, self.bytes) = Default::default();
    }

    /// What was being written is on disk.
    fn note_written(&mut self) {
        self.writing = Arc::default();
        self.share.shrink(self.share.bytes() - self.bytes);
    }
}

/// A write that is due. It may be done anywhere.
pub(crate) struct Flush {
    shared: Arc<Shared>,
    rows: Arc<Changes>,
    mark: Mark,
}

impl QueryStore {
    /// One without a directory: it serves to restore state into memory.
    pub fn in_memory() -> QueryStore {
        QueryStore { shared: Arc::default(), mark: None }
    }

    pub fn is_on_disk(&self) -> bool {
        self.shared.disk.is_some()
    }

    /// Where to read the changelog from. Throws the copy away if it cannot be followed from where it ends.
    pub fn begin(&mut self, changelog: &Changelog, now_ms: i64) -> Result<Verdict, StoreError> {
        let mark = self.mark()?;
        let verdict = Mark::judge(mark.as_ref(), changelog, now_ms);
        if verdict.is_to_follow() {
            self.mark = mark;
        } else {
            self.shared.write_waiting().clear();
            if let Some(disk) = &self.shared.disk {
                disk.keyspace.clear().map_err(|error| disk.database.failed("throw away", &error))?;
            }
            self.mark = Some(Mark::first(changelog));
        }
        Ok(verdict)
    }

    /// What is on disk; `None` if nothing is that can be used.
    fn mark(&self) -> Result<Option<Mark>, StoreError> {
        let Some(disk) = &self.shared.disk else { return Ok(None) };
        let mark = disk.keyspace.get(MARK_KEY).map_err(|error| disk.unread(&error))?;
        Ok(mark.and_then(|mark| Mark::read(&mark)))
    }

    /// Takes over what is committed: in the changelog, before `position` (0 if it is not known how far).
    pub fn take(&mut self, changes: impl IntoIterator<Item = Change>, position: i64) {
        let mut waiting = self.shared.write_waiting();
        changes.into_iter().for_each(|(key, value)| waiting.put(key, value));
        if let Some(mark) = &mut self.mark {
            mark.offset = mark.offset.max(position);
        }
    }

    /// Enough waits to be written.
    pub fn is_full(&self) -> bool {
        let waiting = self.shared.read_waiting();
        self.shared.disk.as_ref().is_some_and(|disk| waiting.bytes >= disk.database.inner.waiting_bytes)
    }

    /// What waits, to be written with the mark; `None` if nothing does, or the last write is not through.
    pub fn flush(&mut self, now_ms: i64) -> Option<Flush> {
        self.shared.disk.as_ref()?;
        let mut waiting = self.shared.write_waiting();
        if waiting.rows.is_empty() || !waiting.writing.is_empty() {
            return None;
        }
        let mark = self.mark.as_mut()?;
        mark.stored_ms = now_ms;
        waiting.bytes = 0;
        waiting.writing = Arc::new(std::mem::take(&mut waiting.rows));
        Some(Flush { shared: self.shared.clone(), rows: waiting.writing.clone(), mark: mark.clone() })
    }

    /// The rows of a step's table, of these virtual nodes alone.
    pub fn table(&self, node: u16, table: u8, nodes: Range<u8>) -> ColdTable {
        ColdTable::new(self.shared.clone(), node, table, nodes)
    }

    /// `None` without a directory: rows cannot be let go.
    pub fn budget(&self) -> Option<&Arc<MemoryBudget>> {
        self.shared.disk.as_ref().map(|disk| &disk.database.inner.budget)
    }
}

impl Flush {
    /// Writes rows, then the mark.
    pub fn run(self) -> Result<(), StoreError> {
        let Some(disk) = &self.shared.disk else { return Ok(()) };
        let writer = disk.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.generation != disk.generation {
            return Ok(());
        }
        let batch = || disk.database.inner.database.batch().durability(Some(PersistMode::Buffer));
        let (mut part, mut bytes) = (batch(), 0);
        for (key, value) in self.rows.iter() {
            match value {
                Some(value) => part.insert(&disk.keyspace, key.as_slice(), value.as_slice()),
                None => part.remove(&disk.keyspace, key.as_slice()),
            }
            bytes += WAITING_OVERHEAD_BYTES + key.len() + value.as_ref().map_or(0, Vec::len);
            if bytes >= BATCH_BYTES {
                disk.write(std::mem::replace(&mut part, batch()))?;
                bytes = 0;
            }
        }
        part.insert(&disk.keyspace, MARK_KEY, self.mark.write());
        disk.write(part)?;
        self.shared.write_waiting().note_written();
        Ok(())
    }
}

impl Shared {
    fn read_waiting(&self) -> std::sync::RwLockReadGuard<'_, Waiting> {
        self.waiting.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_waiting(&self) -> std::sync::RwLockWriteGuard<'_, Waiting> {
        self.waiting.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    fn write(&self, batch: OwnedWriteBatch) -> Result<(), StoreError> {
        batch.commit().map_err(|error| self.database.failed("write", &error))?;
        self.database.bound_memtables(&self.keyspace)
    }

    /// What cannot be read is built again at the next start.
    fn unread(&self, error: &fjall::Error) -> StoreError {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).is_damaged = true;
        self.database.failed("read", error)
    }
}

#[cfg(test)]
mod tests;
