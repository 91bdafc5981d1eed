//! One segment of a log: the `.log` file of batches and its two indexes.
//!
//! Files open on first use and can be let go when idle, so thousands of quiet partitions hold no handles. A segment is
//! shared: the partition's owner appends, readers look up positions; the small lock inside guards the indexes only and
//! is never held over a read of records. An index entry that does not fit the batch it points at is reported by file
//! name and both indexes are rebuilt from the log.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};

use millstream_protocol::record_batch::BatchHeader;
use parking_lot::Mutex;

use super::disk::{Attempt, Disk, DiskError, DiskFile};
use super::index::{Index, OffsetEntry, TimeEntry};
use super::scan::{Scan, Step};

/// Suffixes of all files that share a segment's base offset.
pub const LOG: &str = "log";
pub const OFFSET_INDEX: &str = "index";
pub const TIME_INDEX: &str = "timeindex";
pub const TRANSACTION_INDEX: &str = "txnindex";
/// Added to the names of files on their way out.
pub const DELETED: &str = "deleted";
/// Added to the names of what compaction writes, until it is complete.
pub const CLEANED: &str = "cleaned";
/// Added to the names of what compaction has written and is about to put in the place of the old files.
pub const SWAP: &str = "swap";

/// The names that a segment's files go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Naming {
    Final,
    Cleaned,
    Swap,
}

impl Naming {
    const ALL: [Self; 3] = [Self::Final, Self::Cleaned, Self::Swap];

    fn extension(self) -> &'static str {
        match self {
            Self::Final => "",
            Self::Cleaned => ".cleaned",
            Self::Swap => ".swap",
        }
    }
}

/// The log first: without it the others mean nothing.
const SUFFIXES: [&str; 4] = [LOG, OFFSET_INDEX, TIME_INDEX, TRANSACTION_INDEX];

static NEXT_IDENTITY: AtomicU64 = AtomicU64::new(1);

const UNKNOWN_TIMESTAMP: i64 = i64::MIN;

#[derive(Debug)]
pub struct Segment {
    disk: Arc<dyn Disk>,
    directory: Arc<Path>,
    base_offset: i64,
    identity: u64,
    size_bytes: AtomicU64,
    index_interval_bytes: u64,
    log: Mutex<Option<Arc<dyn DiskFile>>>,
    indexes: Mutex<Option<Indexes>>,
    /// The newest timestamp while the log had `newest_timestamp_size` bytes.
    newest_timestamp: AtomicI64,
    newest_timestamp_size: AtomicU64,
    /// Used since the last look of [`Segment::release_idle`].
    used: AtomicBool,
    /// A [`Naming`]; changes only under both locks, as files are opened by name only under them.
    naming: AtomicU8,
    /// Out of the log: its names are gone or belong to another segment, so no file is opened by name any more.
    is_retired: AtomicBool,
}

/// Both indexes and what it takes to continue them.
#[derive(Debug)]
struct Indexes {
    offsets: Index<OffsetEntry>,
    times: Index<TimeEntry>,
    bytes_since_entry: u64,
    /// Last offset of the newest batch taken in here.
    noted_offset: i64,
    first_timestamp: Option<i64>,
    max_timestamp: i64,
    max_timestamp_offset: i64,
    last_time: Option<TimeEntry>,
}

/// Why a segment cannot tell where something is.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("read {} at byte {position}: {reason}", path.display())]
    Broken { path: PathBuf, position: u64, reason: String },
}

/// A failed append, and whether the file is back at its old size.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct SegmentAppendError {
    pub error: DiskError,
    pub undone: bool,
}

/// A batch and where it starts in its segment's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    pub position: u64,
    pub batch: BatchHeader,
}

fn retired() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the segment is no longer part of the log")
}

pub fn file_name(base_offset: i64, suffix: &str) -> String {
    format!("{base_offset:020}.{suffix}")
}

impl Segment {
    /// A segment whose log file holds `size_bytes`. Opens nothing.
    pub fn existing(
        disk: Arc<dyn Disk>,
        directory: Arc<Path>,
        base_offset: i64,
        size_bytes: u64,
        interval: u64,
    ) -> Self {
        Self {
            disk,
            directory,
            base_offset,
            identity: NEXT_IDENTITY.fetch_add(1, Ordering::Relaxed),
            size_bytes: AtomicU64::new(size_bytes),
            index_interval_bytes: interval,
            log: Mutex::new(None),
            indexes: Mutex::new(None),
            newest_timestamp: AtomicI64::new(UNKNOWN_TIMESTAMP),
            newest_timestamp_size: AtomicU64::new(0),
            used: AtomicBool::new(true),
            naming: AtomicU8::new(Naming::Final as u8),
            is_retired: AtomicBool::new(false),
        }
    }

    /// An empty segment in the making: it takes no part in the log until [`Segment::rename`] gives it its names.
    pub fn cleaned(
        disk: Arc<dyn Disk>,
        directory: Arc<Path>,
        base_offset: i64,
        interval: u64,
    ) -> Result<Self, DiskError> {
        let segment = Self::existing(disk, directory, base_offset, 0, interval);
        segment.naming.store(Naming::Cleaned as u8, Ordering::Release);
        for suffix in SUFFIXES {
            // Left over from a pass that was given up.
            match segment.disk.remove_file(&segment.path(suffix)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).attempt("remove", &segment.path(suffix));
                }
                _ => {}
            }
        }
        segment.log_file()?;
        *segment.indexes.lock() = Some(segment.empty_indexes());
        Ok(segment)
    }

    /// Creates the empty log file of a new segment.
    pub fn create(
        disk: Arc<dyn Disk>,
        directory: Arc<Path>,
        base_offset: i64,
        interval: u64,
    ) -> Result<Self, DiskError> {
        let segment = Self::existing(disk, directory, base_offset, 0, interval);
        let path = segment.path(LOG);
        let file = segment.disk.open(&path).attempt("create", &path)?;
        // Not kept open: most partitions of a large topic wait long for their first record.
        file.truncate(0).attempt("empty", &path)?;
        *segment.indexes.lock() = Some(segment.empty_indexes());
        Ok(segment)
    }

    pub fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// A number that no other segment of this process has, not even one in the same place.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    pub fn size_bytes(&self) -> u64 {
        self.size_bytes.load(Ordering::Acquire)
    }

    pub fn path(&self, suffix: &str) -> PathBuf {
        self.named(suffix, self.naming())
    }

    fn naming(&self) -> Naming {
        let naming = self.naming.load(Ordering::Acquire);
        Naming::ALL.get(usize::from(naming)).copied().unwrap_or(Naming::Final)
    }

    fn named(&self, suffix: &str, naming: Naming) -> PathBuf {
        let name = format!("{}{}", file_name(self.base_offset, suffix), naming.extension());
        self.directory.join(name)
    }

    /// Whether the segment is out of the log: whoever still reads it should look for what took its place.
    pub fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Acquire)
    }

    /// The log file, opened if it was not.
    pub fn log_file(&self) -> Result<Arc<dyn DiskFile>, DiskError> {
        self.used.store(true, Ordering::Relaxed);
        let mut log = self.log.lock();
        if let Some(file) = &*log {
            return Ok(file.clone());
        }
        let path = self.path(LOG);
        if self.is_retired() {
            return Err(retired()).attempt("open", &path);
        }
        let file = self.disk.open(&path).attempt("open", &path)?;
        *log = Some(file.clone());
        Ok(file)
    }

    /// Appends the parts, `size_bytes` in all; what a failure left behind is cut away again.
    pub fn append(&self, parts: &mut [IoSlice<'_>], size_bytes: u64) -> Result<(), SegmentAppendError> {
        let file = self.log_file().map_err(|error| SegmentAppendError { error, undone: true })?;
        let before = self.size_bytes();
        if before == 0 {
            // Loaded behind the first batch, they would seem to have lost it.
            self.indexes.lock().get_or_insert_with(|| self.empty_indexes());
        }
        match file.append(parts).attempt("append to", &self.path(LOG)) {
            Ok(()) => {
                self.size_bytes.store(before + size_bytes, Ordering::Release);
                Ok(())
            }
            Err(error) => Err(SegmentAppendError { error, undone: file.truncate(before).is_ok() }),
        }
    }

    /// Continues the indexes with a batch that now lies at `position`.
    pub fn note(&self, batch: &BatchHeader, position: u64) -> Result<(), SegmentError> {
        self.with_indexes(|indexes| {
            indexes.note(batch, position, self.base_offset, self.index_interval_bytes);
            Ok(())
        })
    }

    /// Whether an index has no room for another entry.
    pub fn index_is_full(&self, index_bytes: u64) -> Result<bool, SegmentError> {
        self.with_indexes(|indexes| {
            Ok(indexes.offsets.len() >= index_bytes / 8 || indexes.times.len() >= index_bytes / 12)
        })
    }

    /// The newest timestamp, -1 for none. Looks at segments that may well be idle, and leaves no file open.
    pub fn newest_timestamp(&self) -> Result<i64, SegmentError> {
        let known = self.newest_timestamp.load(Ordering::Relaxed);
        let size_bytes = self.size_bytes();
        let slot = self.indexes.lock();
        if let Some(indexes) = &*slot {
            return Ok(indexes.max_timestamp);
        }
        if known != UNKNOWN_TIMESTAMP && size_bytes == self.newest_timestamp_size.load(Ordering::Relaxed) {
            return Ok(known);
        }
        self.check_named()?;
        let was_open = self.log.lock().is_some();
        let newest = self.load_indexes()?.max_timestamp;
        if !was_open {
            *self.log.lock() = None;
        }
        self.newest_timestamp.store(newest, Ordering::Relaxed);
        self.newest_timestamp_size.store(size_bytes, Ordering::Relaxed);
        Ok(newest)
    }

    pub fn first_timestamp(&self) -> Result<Option<i64>, SegmentError> {
        self.with_indexes(|indexes| Ok(indexes.first_timestamp))
    }

    /// The first batch that holds `offset` or one behind it; `None` when the segment ends before.
    pub fn locate(&self, offset: i64) -> Result<Option<Located>, SegmentError> {
        let relative = u32::try_from(offset - self.base_offset).unwrap_or(0);
        for attempt in 0..2 {
            let entry = self.with_indexes(|indexes| {
                indexes.offsets.last_before(|entry| entry.relative_offset <= relative)
            })?;
            let mut scan = self.scan(entry.map_or(0, |entry| u64::from(entry.position)))?;
            if let Some(entry) = entry
                && !self.entry_fits(&mut scan, entry)?
            {
                self.report_broken(OFFSET_INDEX, attempt)?;
                continue;
            }
            return self.first_match(scan, |batch| batch.last_offset() >= offset);
        }
        self.first_match(self.scan(0)?, |batch| batch.last_offset() >= offset)
    }

    /// The first batch that carries a record at or after `timestamp`.
    pub fn locate_time(&self, timestamp: i64) -> Result<Option<Located>, SegmentError> {
        for attempt in 0..2 {
            let entry =
                self.with_indexes(|indexes| indexes.times.last_before(|entry| entry.timestamp < timestamp))?;
            let Some(entry) = entry else { break };
            let located = self.locate(self.base_offset + i64::from(entry.relative_offset))?;
            match located {
                Some(located) if located.batch.max_timestamp_ms == entry.timestamp => {
                    return self.first_match(self.scan(located.position)?, |batch| reaches(batch, timestamp));
                }
                _ => self.report_broken(TIME_INDEX, attempt)?,
            }
        }
        self.first_match(self.scan(0)?, |batch| reaches(batch, timestamp))
    }

    /// A walk over the headers from `position` to the present end.
    pub fn scan(&self, position: u64) -> Result<Scan, SegmentError> {
        Ok(Scan::headers(self.log_file()?, position, self.size_bytes()))
    }

    /// Forgets all index entries: recovery notes every batch anew.
    pub fn reset_indexes(&self) -> Result<(), SegmentError> {
        let mut indexes = self.empty_indexes();
        indexes.offsets.clear().attempt("empty", indexes.offsets.path())?;
        indexes.times.clear().attempt("empty", indexes.times.path())?;
        *self.indexes.lock() = Some(indexes);
        Ok(())
    }

    /// Cuts the log at `position`. The indexes must be rebuilt afterwards.
    pub fn cut(&self, position: u64) -> Result<(), SegmentError> {
        self.log_file()?.truncate(position).attempt("truncate", &self.path(LOG))?;
        self.size_bytes.store(position, Ordering::Release);
        Ok(())
    }

    /// Rebuilds both indexes from the log. An append meanwhile waits for the lock; its batch is not noted twice.
    pub fn rebuild_indexes(&self) -> Result<(), SegmentError> {
        let mut slot = self.indexes.lock();
        self.check_named()?;
        *slot = Some(self.indexes_from_log()?);
        Ok(())
    }

    /// [`Segment::seal`], unless nothing was read or written here since the files were last complete.
    pub fn seal_if_loaded(&self) -> Result<Vec<Arc<dyn DiskFile>>, SegmentError> {
        let loaded = self.indexes.lock().is_some();
        if loaded && self.size_bytes() > 0 { self.seal() } else { Ok(Vec::new()) }
    }

    /// Writes gathered index entries and the closing time entry; the returned handles are still to be flushed.
    pub fn seal(&self) -> Result<Vec<Arc<dyn DiskFile>>, SegmentError> {
        self.with_indexes(|indexes| {
            indexes.push_time(self.base_offset);
            indexes.offsets.flush()?;
            indexes.times.flush()?;
            Ok(vec![indexes.offsets.file()?, indexes.times.file()?])
        })
    }

    /// Lets go of handles and index state that nobody used since the last call.
    pub fn release_idle(&self) {
        if self.used.swap(false, Ordering::Relaxed) {
            return;
        }
        let mut slot = self.indexes.lock();
        if let Some(indexes) = slot.as_mut().filter(|_| !self.is_retired()) {
            // What memory alone knows, the running maximum of the timestamps among it, must be in the files first.
            indexes.push_time(self.base_offset);
            if let Err(error) = indexes.offsets.flush().and_then(|()| indexes.times.flush()) {
                return report_deferred(Err(error), indexes.offsets.path());
            }
        }
        *slot = None;
        *self.log.lock() = None;
    }

    /// Takes the segment out of use and renames its files out of the way; returns the new paths. Readers that have the
    /// log file open are not disturbed, all others must look for the segment anew.
    pub fn retire(&self) -> Result<Vec<PathBuf>, DiskError> {
        self.withdraw();
        let mut retired = Vec::new();
        for suffix in SUFFIXES {
            let path = self.path(suffix);
            let target = self.path(&format!("{suffix}.{DELETED}"));
            match self.disk.rename(&path, &target) {
                Ok(()) => retired.push(target),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).attempt("rename", &path),
            }
        }
        Ok(retired)
    }

    /// From here on no file is opened by its name.
    pub fn withdraw(&self) {
        let _indexes = self.indexes.lock();
        let _log = self.log.lock();
        self.is_retired.store(true, Ordering::Release);
    }

    /// Gives the files other names, the log's last: where it is, all of them are.
    pub fn rename(&self, naming: Naming) -> Result<(), DiskError> {
        let mut indexes = self.indexes.lock();
        let _log = self.log.lock();
        for suffix in SUFFIXES.into_iter().rev() {
            let from = self.path(suffix);
            match self.disk.rename(&from, &self.named(suffix, naming)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && suffix != LOG => {}
                other => other.attempt("rename", &from)?,
            }
        }
        self.naming.store(naming as u8, Ordering::Release);
        if let Some(indexes) = &mut *indexes {
            indexes.offsets.set_path(self.path(OFFSET_INDEX));
            indexes.times.set_path(self.path(TIME_INDEX));
        }
        Ok(())
    }

    /// Removes the files of a segment in the making that comes to nothing.
    pub fn discard(&self) {
        self.withdraw();
        for suffix in SUFFIXES {
            let path = self.path(suffix);
            match self.disk.remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::debug!(path = %path.display(), %error, "left for the next start to remove");
                }
                _ => {}
            }
        }
    }

    fn check_named(&self) -> Result<(), DiskError> {
        if self.is_retired() { Err(retired()).attempt("read", &self.path(OFFSET_INDEX)) } else { Ok(()) }
    }

    pub fn broken(&self, position: u64, reason: String) -> SegmentError {
        SegmentError::Broken { path: self.path(LOG), position, reason }
    }

    fn first_match(
        &self,
        mut scan: Scan,
        wanted: impl Fn(&BatchHeader) -> bool,
    ) -> Result<Option<Located>, SegmentError> {
        loop {
            let position = scan.position();
            match scan.step().attempt("read", &self.path(LOG))? {
                Step::Batch(batch) if wanted(&batch) => return Ok(Some(Located { position, batch })),
                Step::Batch(_) => {}
                Step::End => return Ok(None),
                Step::Broken(reason) => return Err(self.broken(position, reason)),
            }
        }
    }

    /// Whether the batch that an offset entry points at ends with the entry's offset. The scan stays in place.
    fn entry_fits(&self, scan: &mut Scan, entry: OffsetEntry) -> Result<bool, SegmentError> {
        let step = scan.step().attempt("read", &self.path(LOG))?;
        *scan = self.scan(u64::from(entry.position))?;
        Ok(matches!(step, Step::Batch(batch)
            if batch.last_offset() == self.base_offset + i64::from(entry.relative_offset)))
    }

    fn report_broken(&self, suffix: &str, attempt: u32) -> Result<(), SegmentError> {
        tracing::warn!(path = %self.path(suffix).display(), "index does not fit its log, rebuilding it");
        if attempt == 0 { self.rebuild_indexes() } else { Ok(()) }
    }

    fn empty_indexes(&self) -> Indexes {
        Indexes {
            offsets: Index::new(self.disk.clone(), self.path(OFFSET_INDEX)),
            times: Index::new(self.disk.clone(), self.path(TIME_INDEX)),
            bytes_since_entry: 0,
            noted_offset: -1,
            first_timestamp: None,
            max_timestamp: -1,
            max_timestamp_offset: self.base_offset,
            last_time: None,
        }
    }

    /// Runs with the indexes, loaded if they were not.
    fn with_indexes<T>(&self, run: impl FnOnce(&mut Indexes) -> io::Result<T>) -> Result<T, SegmentError> {
        self.used.store(true, Ordering::Relaxed);
        let mut slot = self.indexes.lock();
        self.check_named()?;
        if slot.is_none() {
            *slot = Some(self.load_indexes()?);
        }
        let Some(indexes) = &mut *slot else {
            return Err(self.broken(0, "indexes are not loaded".into()));
        };
        run(indexes).attempt("use", &self.path(OFFSET_INDEX)).map_err(SegmentError::from)
    }

    /// Takes up the indexes of a segment that was written earlier. Batches behind the last time entry are looked at:
    /// after a clean stop there are none.
    fn load_indexes(&self) -> Result<Indexes, SegmentError> {
        let mut indexes = self.empty_indexes();
        if self.size_bytes() == 0 {
            return Ok(indexes);
        }
        let (offsets, times) = (self.path(OFFSET_INDEX), self.path(TIME_INDEX));
        indexes.offsets = Index::open(self.disk.clone(), offsets.clone()).attempt("open", &offsets)?;
        indexes.times = Index::open(self.disk.clone(), times.clone()).attempt("open", &times)?;
        if let Some(last) = indexes.times.last().attempt("read", &times)? {
            if !self.time_entry_fits(&indexes, last)? {
                tracing::warn!(path = %times.display(), "index does not fit its log, rebuilding it");
                return self.indexes_from_log();
            }
            indexes.last_time = Some(last);
            indexes.max_timestamp = last.timestamp;
            indexes.max_timestamp_offset = self.base_offset + i64::from(last.relative_offset);
        }
        if let Step::Batch(first) = self.scan(0)?.step().attempt("read", &self.path(LOG))? {
            indexes.first_timestamp = Some(first.max_timestamp_ms);
            if reaches(&first, 0) && indexes.last_time.is_none() {
                tracing::warn!(path = %times.display(), "index is missing, rebuilding it");
                return self.indexes_from_log();
            }
        }
        Ok(indexes)
    }

    /// Whether the batch that holds a time entry's offset carries its timestamp.
    fn time_entry_fits(&self, indexes: &Indexes, entry: TimeEntry) -> Result<bool, SegmentError> {
        let path = self.path(OFFSET_INDEX);
        let near = indexes.offsets.last_before(|offsets| offsets.relative_offset <= entry.relative_offset);
        let start = near.attempt("read", &path)?.map_or(0, |near| u64::from(near.position));
        let offset = self.base_offset + i64::from(entry.relative_offset);
        // A broken walk from here also means that an index points astray.
        let found = self.first_match(self.scan(start)?, |batch| batch.last_offset() >= offset);
        Ok(matches!(found, Ok(Some(located)) if located.batch.max_timestamp_ms == entry.timestamp))
    }

    fn indexes_from_log(&self) -> Result<Indexes, SegmentError> {
        let mut indexes = self.empty_indexes();
        indexes.offsets.clear().attempt("empty", indexes.offsets.path())?;
        indexes.times.clear().attempt("empty", indexes.times.path())?;
        let mut scan = self.scan(0)?;
        loop {
            let position = scan.position();
            match scan.step().attempt("read", &self.path(LOG))? {
                Step::Batch(batch) => {
                    indexes.note(&batch, position, self.base_offset, self.index_interval_bytes)
                }
                Step::End => return Ok(indexes),
                Step::Broken(reason) => return Err(self.broken(position, reason)),
            }
        }
    }
}

impl Indexes {
    /// An entry per interval, before the batch that crosses it. A failed index write is no failed append: entries stay
    /// in memory and go out with the next ones.
    fn note(&mut self, batch: &BatchHeader, position: u64, base_offset: i64, interval_bytes: u64) {
        if batch.last_offset() <= self.noted_offset {
            return;
        }
        self.noted_offset = batch.last_offset();
        self.first_timestamp.get_or_insert(batch.max_timestamp_ms);
        // A batch that compaction emptied has no record of that time.
        if batch.record_count > 0 && batch.max_timestamp_ms > self.max_timestamp {
            self.max_timestamp = batch.max_timestamp_ms;
            self.max_timestamp_offset = batch.last_offset();
        }
        if self.bytes_since_entry > interval_bytes {
            let relative = u32::try_from(batch.last_offset() - base_offset);
            if let (Ok(relative_offset), Ok(position)) = (relative, u32::try_from(position)) {
                let written = self.offsets.push(OffsetEntry { relative_offset, position });
                report_deferred(written, self.offsets.path());
            }
            self.push_time(base_offset);
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += batch.size_bytes() as u64;
    }

    fn push_time(&mut self, base_offset: i64) {
        let Ok(relative_offset) = u32::try_from(self.max_timestamp_offset - base_offset) else { return };
        if self.max_timestamp < 0 || self.last_time.is_some_and(|last| last.timestamp >= self.max_timestamp) {
            return;
        }
        let entry = TimeEntry { timestamp: self.max_timestamp, relative_offset };
        self.last_time = Some(entry);
        let written = self.times.push(entry);
        report_deferred(written, self.times.path());
    }
}

/// Whether the batch has a record at or after `timestamp`.
pub fn reaches(batch: &BatchHeader, timestamp: i64) -> bool {
    batch.record_count > 0 && batch.max_timestamp_ms >= timestamp
}

fn report_deferred(written: io::Result<()>, path: &Path) {
    if let Err(error) = written {
        tracing::debug!(path = %path.display(), %error, "index entries stay in memory for now");
    }
}
