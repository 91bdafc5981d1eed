//! Putting a compacted segment in the place of the segments it was made from, whatever happens in between.
//!
//! The files are written under names that end in `.cleaned` and made durable. Renaming the log to `.swap` decides: from
//! then on a start completes what is left to do ([`complete`]), before that it removes what it finds. The old segments
//! go in ascending order, so what a crash leaves of them is always a tail, which is the log as it was from there on; a
//! tombstone in that tail never goes before the records that it covers. The new log gets its final name last.
//!
//! No produce and no fetch waits for any of this: the list of segments changes under the partition's lock, names change
//! outside it. Readers that still hold an old segment keep their open file, or look for the new segment.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::config::LogConfig;
use super::super::disk::{Attempt, Disk, DiskError, remove_if_there};
use super::super::partition::Partition;
use super::super::producer_snapshot;
use super::super::progress::Standing;
use super::super::scan::{Scan, Step};
use super::super::segment::{
    LOG, Naming, OFFSET_INDEX, SWAP, Segment, TIME_INDEX, TRANSACTION_INDEX, file_name,
};
use super::pass::PassError;
use crate::partition::transaction::AbortedTransaction;

/// A renamed file, to be removed after `file.delete.delay.ms`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doomed {
    pub path: PathBuf,
    pub delay_ms: i64,
}

const CHANGED: PassError = PassError::GivenUp("the partition was closed or cut meanwhile");

impl Partition {
    /// Begins the files of a compacted segment.
    pub(super) fn begin_cleaned(&self, base_offset: i64, config: &LogConfig) -> Result<Segment, PassError> {
        // Under this lock the folder cannot become another topic's.
        let _upkeep = self.upkeep.lock();
        let directory = {
            let inner = self.inner.lock();
            if inner.standing != Standing::Open {
                return Err(CHANGED);
            }
            inner.log.directory().clone()
        };
        let interval = config.index_interval_bytes;
        Ok(Segment::cleaned(self.shared.disk.clone(), directory, base_offset, interval)?)
    }

    /// Puts `new`, which is durable under its temporary names, in the place of `old`. The transactions in `aborted` are
    /// those whose marker lies here and of which batches are left.
    pub(super) fn swap_in(
        &self,
        old: &[Arc<Segment>],
        new: &Arc<Segment>,
        aborted: Vec<AbortedTransaction>,
    ) -> Result<Vec<Doomed>, PassError> {
        let _upkeep = self.upkeep.lock();
        let directory = {
            let inner = self.inner.lock();
            if inner.standing != Standing::Open || inner.log.find_run(old).is_none() {
                drop(inner);
                new.discard();
                return Err(CHANGED);
            }
            inner.log.directory().clone()
        };
        let disk = &*self.shared.disk;
        let decided = new
            .rename(Naming::Swap)
            .and_then(|()| disk.sync_directory(&directory).attempt("flush folder", &directory));
        let swapped = decided.and_then(|()| {
            self.replace(old, new, aborted);
            self.rename_all(disk, &directory, old, new)
        });
        // Half-way through, names and memory may differ; only a start sorts that out.
        swapped.inspect_err(|error| self.shared.poison(error)).map_err(PassError::from)
    }

    /// The change in memory: readers that come now see the new segment and its transactions together.
    fn replace(&self, old: &[Arc<Segment>], new: &Arc<Segment>, aborted: Vec<AbortedTransaction>) {
        let mut inner = self.inner.lock();
        let Some(run) = inner.log.find_run(old) else { return };
        let end = inner.log.segments().get(run.end).map_or(i64::MAX, |next| next.base_offset());
        inner.log.replace_run(run, new.clone());
        inner.state.transactions.compacted(new.base_offset(), end, aborted);
        inner.generation += 1;
    }

    fn rename_all(
        &self,
        disk: &dyn Disk,
        directory: &Path,
        old: &[Arc<Segment>],
        new: &Arc<Segment>,
    ) -> Result<Vec<Doomed>, DiskError> {
        let delay_ms = self.inner.lock().log.config().file_delete_delay_ms;
        let mut doomed = Vec::new();
        for segment in old {
            let files = segment.retire()?;
            doomed.extend(files.into_iter().map(|path| Doomed { path, delay_ms }));
            if segment.base_offset() != new.base_offset() {
                remove_if_there(disk, &directory.join(producer_snapshot::file_name(segment.base_offset())))?;
            }
        }
        new.rename(Naming::Final)?;
        disk.sync_directory(directory).attempt("flush folder", directory)?;
        Ok(doomed)
    }
}

/// At a start: completes the swaps that were decided. `names` is what the folder holds; true when it changed.
pub fn complete(disk: &dyn Disk, directory: &Path, names: &[String]) -> Result<bool, DiskError> {
    let base_of = |name: &str, suffix: &str| {
        name.strip_suffix(suffix)?.strip_suffix('.').and_then(|stem| stem.parse::<i64>().ok())
    };
    let decided: Vec<i64> = names.iter().filter_map(|name| base_of(name, &format!("{LOG}.{SWAP}"))).collect();
    let mut old: Vec<i64> = names.iter().filter_map(|name| base_of(name, LOG)).collect();
    old.sort_unstable();
    for base in &decided {
        let last = last_offset(disk, &directory.join(file_name(*base, &format!("{LOG}.{SWAP}"))))?;
        let covered = *base..=last.unwrap_or(*base);
        tracing::info!(folder = %directory.display(), base, "completing a compaction that was under way");
        for old in old.iter().filter(|old| covered.contains(old)) {
            for suffix in [LOG, OFFSET_INDEX, TIME_INDEX, TRANSACTION_INDEX] {
                remove_if_there(disk, &directory.join(file_name(*old, suffix)))?;
            }
            if old != base {
                remove_if_there(disk, &directory.join(producer_snapshot::file_name(*old)))?;
            }
        }
        for suffix in [TRANSACTION_INDEX, TIME_INDEX, OFFSET_INDEX, LOG] {
            let from = directory.join(file_name(*base, &format!("{suffix}.{SWAP}")));
            match disk.rename(&from, &directory.join(file_name(*base, suffix))) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && suffix != LOG => {}
                other => other.attempt("rename", &from)?,
            }
        }
        disk.sync_directory(directory).attempt("flush folder", directory)?;
    }
    Ok(!decided.is_empty())
}

/// The last offset that a log file reaches.
fn last_offset(disk: &dyn Disk, path: &Path) -> Result<Option<i64>, DiskError> {
    let file = disk.open(path).attempt("open", path)?;
    let size = file.size().attempt("read", path)?;
    let mut scan = Scan::headers(file, 0, size);
    let mut last = None;
    while let Step::Batch(batch) = scan.step().attempt("read", path)? {
        last = Some(batch.last_offset());
    }
    Ok(last)
}
