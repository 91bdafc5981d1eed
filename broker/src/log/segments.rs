//! The log of one partition: its segments in order, the last of which is appended to.
//!
//! Not shared: the partition's owner holds it under its lock and hands [`Segment`]s to readers. Appending is in
//! `writer`, opening in `recovery`, deleting in `retention`; this file keeps the list.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::LogConfig;
use super::disk::{Attempt, Disk, DiskError, DiskFile};
use super::segment::Segment;

#[derive(Debug)]
pub struct Log {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) directory: Arc<Path>,
    pub(super) config: Arc<LogConfig>,
    /// Ascending by base offset, never empty.
    pub(super) segments: Vec<Arc<Segment>>,
    /// Sealed files whose data may not be on disk yet, with their folder when names are new.
    pub(super) unsynced: Unsynced,
    /// Whether the active segment took appends since its last flush.
    pub(super) active_dirty: bool,
    /// Whether the transaction index of the active segment has entries that are not flushed.
    pub(super) aborted_dirty: bool,
}

/// What a flush has to force to disk, in this order.
#[derive(Debug, Default)]
pub struct Unsynced {
    pub files: Vec<(PathBuf, Arc<dyn DiskFile>)>,
    /// Files that are opened only to be flushed: a partition that nobody writes to holds none open.
    pub closed_files: Vec<PathBuf>,
    pub folders: Vec<Arc<Path>>,
}

impl Unsynced {
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.closed_files.is_empty() && self.folders.is_empty()
    }

    /// Notes that a folder has new names.
    pub fn add_folder(&mut self, folder: &Arc<Path>) {
        if !self.folders.contains(folder) {
            self.folders.push(folder.clone());
        }
    }

    /// Forces everything to disk.
    pub fn sync(&self, disk: &dyn Disk) -> Result<(), DiskError> {
        for (path, file) in &self.files {
            file.sync_data().attempt("flush", path)?;
        }
        for path in &self.closed_files {
            disk.open(path).and_then(|file| file.sync_data()).attempt("flush", path)?;
        }
        for folder in &self.folders {
            disk.sync_directory(folder).attempt("flush folder", folder)?;
        }
        Ok(())
    }
}

impl Log {
    pub fn directory(&self) -> &Arc<Path> {
        &self.directory
    }

    pub fn config(&self) -> &Arc<LogConfig> {
        &self.config
    }

    pub fn set_config(&mut self, config: Arc<LogConfig>) {
        self.config = config;
    }

    pub fn segments(&self) -> &[Arc<Segment>] {
        &self.segments
    }

    /// The segment that takes appends.
    pub fn active(&self) -> &Arc<Segment> {
        // `segments` is never empty: it is made with one, and retention and truncation keep the last.
        &self.segments[self.segments.len() - 1]
    }

    pub fn base_offset(&self) -> i64 {
        self.segments[0].base_offset()
    }

    pub fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size_bytes()).sum()
    }

    /// The segment that holds `offset` by its base, and all behind it.
    pub fn segments_from(&self, offset: i64) -> &[Arc<Segment>] {
        let after = self.segments.partition_point(|segment| segment.base_offset() <= offset);
        &self.segments[after.saturating_sub(1)..]
    }

    /// Takes over what must be flushed for all appended data to be durable.
    pub fn take_unsynced(&mut self) -> Result<Unsynced, DiskError> {
        // A roll right behind this flush would leave the segment below the recovery point: nothing rebuilds it then.
        let active = self.active().clone();
        self.settle_aborted(&active);
        let mut work = std::mem::take(&mut self.unsynced);
        if std::mem::take(&mut self.active_dirty) {
            let active = self.active();
            work.files.push((active.path(super::segment::LOG), active.log_file()?));
        }
        Ok(work)
    }

    /// Where these segments are in the log, if they still follow each other there.
    pub fn find_run(&self, run: &[Arc<Segment>]) -> Option<Range<usize>> {
        let first = run.first()?;
        let from = self.segments.iter().position(|segment| Arc::ptr_eq(segment, first))?;
        let range = from..from + run.len();
        let here = self.segments.get(range.clone())?;
        here.iter().zip(run).all(|(here, there)| Arc::ptr_eq(here, there)).then_some(range)
    }

    /// Puts one segment in the place of several.
    pub fn replace_run(&mut self, run: Range<usize>, new: Arc<Segment>) {
        self.segments.splice(run, [new]);
    }
}
