//! Which segments are no longer kept, and taking them out of the log.
//!
//! Taking out is a rename per file and cheap; the files are unlinked later by the folder's keeper, since freeing a
//! gigabyte can block a disk for long.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::LogConfig;
use super::disk::{Disk, DiskError, remove_if_there};
use super::producer_snapshot;
use super::segment::{Segment, SegmentError};
use super::segments::Log;
use crate::partition::PartitionState;

/// What retention decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expired {
    /// Leading segments to take out.
    pub segments: usize,
    /// The active segment is among them: a new one must be begun first.
    pub roll: bool,
}

/// What retention looks at: a copy, so that reading old segments' times holds nobody up.
#[derive(Debug)]
pub struct Held {
    segments: Vec<Arc<Segment>>,
    config: Arc<LogConfig>,
    pub log_end_offset: i64,
    log_start_offset: i64,
    high_watermark: i64,
}

impl Held {
    pub fn of(log: &Log, state: &PartitionState) -> Self {
        Self {
            segments: log.segments().to_vec(),
            config: log.config().clone(),
            log_end_offset: state.log_end_offset,
            log_start_offset: state.log_start_offset,
            high_watermark: state.high_watermark,
        }
    }

    /// What time, size and the log's start offset no longer ask to keep. Only decided data (below the high watermark)
    /// is ever counted.
    pub fn expired(&self, now_ms: i64) -> Result<Expired, SegmentError> {
        let mut expired = Expired::default();
        let mut excess = self.excess_bytes();
        for (at, segment) in self.segments.iter().enumerate() {
            let next = self.segments.get(at + 1).map(|next| next.base_offset());
            let end = next.unwrap_or(self.log_end_offset);
            if end > self.high_watermark {
                break;
            }
            let size = segment.size_bytes();
            let before_start = next.is_some() && end <= self.log_start_offset;
            let too_much = next.is_some() && excess.is_some_and(|excess| excess >= size);
            let is_over = before_start || too_much || (size > 0 && self.is_too_old(segment, now_ms)?);
            if !is_over {
                break;
            }
            excess = excess.map(|excess| excess.saturating_sub(size));
            expired.segments += 1;
            expired.roll = next.is_none();
        }
        Ok(expired)
    }

    fn excess_bytes(&self) -> Option<u64> {
        let limit = self.config.retention_bytes.filter(|_| self.config.delete)?;
        let size: u64 = self.segments.iter().map(|segment| segment.size_bytes()).sum();
        Some(size.saturating_sub(limit))
    }

    fn is_too_old(&self, segment: &Segment, now_ms: i64) -> Result<bool, SegmentError> {
        let Some(retention_ms) = self.config.retention_ms.filter(|_| self.config.delete) else {
            return Ok(false);
        };
        let newest = segment.newest_timestamp()?;
        Ok(newest >= 0 && now_ms - newest > retention_ms)
    }
}

/// Renames the files of segments that were taken out, oldest first, so that a crash in between leaves no hole, and
/// removes their producer snapshots. Returns the renamed files, for unlinking later.
pub fn retire_all(
    disk: &dyn Disk,
    directory: &Path,
    segments: &[Arc<Segment>],
) -> Result<Vec<PathBuf>, DiskError> {
    let mut retired = Vec::new();
    for segment in segments {
        retired.extend(segment.retire()?);
        remove_if_there(disk, &directory.join(producer_snapshot::file_name(segment.base_offset())))?;
    }
    Ok(retired)
}

impl Log {
    /// Takes the first `count` segments out of the list, never the active one.
    pub fn take_out_first(&mut self, count: usize) -> Vec<Arc<Segment>> {
        self.segments.drain(..count.min(self.segments.len() - 1)).collect()
    }

    pub(super) fn remove_if_there(&self, path: &Path) -> Result<(), DiskError> {
        remove_if_there(&*self.disk, path)
    }
}
