//! Which segments are no longer kept, and taking them out of the log.
//!
//! Taking out is a rename per file and cheap; the files are unlinked later by the folder's keeper, since freeing a
//! gigabyte can block a disk for long.

use std::path::PathBuf;

use super::disk::{Attempt, DiskError};
use super::producer_snapshot;
use super::segment::SegmentError;
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

impl Log {
    /// What time, size and the log's start offset no longer ask to keep. Only decided data (below the high watermark)
    /// is ever counted.
    pub fn expired(&self, state: &PartitionState, now_ms: i64) -> Result<Expired, SegmentError> {
        let mut expired = Expired::default();
        let mut excess = self.excess_bytes();
        for (at, segment) in self.segments.iter().enumerate() {
            let next = self.segments.get(at + 1).map(|next| next.base_offset());
            let end = next.unwrap_or(state.log_end_offset);
            if end > state.high_watermark {
                break;
            }
            let size = segment.size_bytes();
            let before_start = next.is_some() && end <= state.log_start_offset;
            let too_much = next.is_some() && excess.is_some_and(|excess| excess >= size);
            let is_over = before_start || too_much || (size > 0 && self.is_too_old(at, now_ms)?);
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
        Some(self.size_bytes().saturating_sub(limit))
    }

    fn is_too_old(&self, at: usize, now_ms: i64) -> Result<bool, SegmentError> {
        let Some(retention_ms) = self.config.retention_ms.filter(|_| self.config.delete) else {
            return Ok(false);
        };
        let newest = self.segments[at].newest_timestamp()?;
        Ok(newest >= 0 && now_ms - newest > retention_ms)
    }

    /// Takes out the first `count` segments (never the active one) and the producer snapshots before the new first.
    /// Oldest first, so that a crash in between leaves no hole. Returns the renamed files, for unlinking later.
    pub fn take_out_first(&mut self, count: usize) -> Result<Vec<PathBuf>, DiskError> {
        let mut retired = Vec::new();
        for _ in 0..count.min(self.segments.len() - 1) {
            let files = self.segments[0].retire()?;
            let segment = self.segments.remove(0);
            let snapshot = self.directory.join(producer_snapshot::file_name(segment.base_offset()));
            self.remove_if_there(&snapshot)?;
            retired.extend(files);
        }
        Ok(retired)
    }

    pub(super) fn remove_if_there(&self, path: &std::path::Path) -> Result<(), DiskError> {
        match self.disk.remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).attempt("remove", path),
            _ => Ok(()),
        }
    }
}
