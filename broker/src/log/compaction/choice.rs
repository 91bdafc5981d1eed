//! Which partition is compacted next, and which part of it.
//!
//! Compacted is only what is decided and durable: below the last stable offset, the high watermark, the recovery point
//! and the active segment. A record may replace an older one only when a power cut cannot take the newer one back.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::config::LogConfig;
use super::super::partition::{Inner, Partition};
use super::super::progress::Standing;
use super::super::segment::{Segment, SegmentError};
use crate::partition::producer::LastBatch;
use crate::partition::transaction::AbortedTransaction;

/// How far a partition's log is compacted. Offsets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Every key occurs once before here, as far as it may.
    pub to: i64,
    /// When all tombstones and markers that the last pass left may go.
    pub horizon_ms: Option<i64>,
    /// A pass met damage; nothing is touched until the log was looked at by a start.
    pub is_stuck: bool,
}

/// What one pass works on.
#[derive(Debug)]
pub struct Plan {
    /// All closed segments from the log's start to the one that holds the last offset before `to`.
    pub segments: Vec<Arc<Segment>>,
    pub config: Arc<LogConfig>,
    /// First offset that no pass has seen.
    pub from: i64,
    /// Offset behind the last that may be compacted.
    pub to: i64,
    /// Where the segment behind the last of `segments` begins.
    pub end: i64,
    pub aborted: Vec<AbortedTransaction>,
    pub last_batches: HashMap<i64, LastBatch>,
}

impl Plan {
    /// Offset behind the segment at this place.
    pub fn end_of(&self, at: usize) -> i64 {
        self.segments.get(at + 1).map_or(self.end, |next| next.base_offset())
    }
}

/// How much a partition needs compaction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Need {
    /// A record has waited for `max.compaction.lag.ms`, or tombstones are due in a log that is clean otherwise.
    pub is_overdue: bool,
    pub dirty_ratio: f64,
}

impl Need {
    /// Orders partitions, the neediest last.
    pub fn urgency(&self) -> (bool, f64) {
        (self.is_overdue, self.dirty_ratio)
    }
}

/// The dirty part of a log.
struct Survey {
    segments: Vec<Arc<Segment>>,
    config: Arc<LogConfig>,
    from: i64,
    to: i64,
    /// Where the active segment begins.
    active: i64,
    horizon_ms: Option<i64>,
}

impl Partition {
    /// Whether the partition is to be compacted now.
    pub(super) fn need_of_compaction(&self, now_ms: i64) -> Result<Option<Need>, SegmentError> {
        let Some(survey) = self.survey(now_ms)? else { return Ok(None) };
        let (mut clean_bytes, mut dirty_bytes) = (0, 0);
        for (at, segment) in survey.segments.iter().enumerate() {
            let end = survey.segments.get(at + 1).map_or(i64::MAX, |next| next.base_offset());
            if end <= survey.from {
                clean_bytes += segment.size_bytes();
            } else if segment.base_offset() < survey.to {
                dirty_bytes += segment.size_bytes();
            }
        }
        let has_dirt = survey.from < survey.to && dirty_bytes > 0;
        let dirty_ratio =
            if has_dirt { dirty_bytes as f64 / (clean_bytes + dirty_bytes) as f64 } else { 0.0 };
        let is_overdue = if has_dirt {
            survey.is_late(now_ms)?
        } else {
            survey.horizon_ms.is_some_and(|horizon_ms| horizon_ms <= now_ms)
        };
        let is_needed = is_overdue || dirty_ratio > survey.config.min_cleanable_dirty_ratio;
        Ok(is_needed.then_some(Need { is_overdue, dirty_ratio }))
    }

    /// What a pass would do now.
    pub(super) fn plan_compaction(&self, now_ms: i64) -> Result<Option<Plan>, SegmentError> {
        let Some(Survey { mut segments, config, from, to, active, .. }) = self.survey(now_ms)? else {
            return Ok(None);
        };
        let count = segments.partition_point(|segment| segment.base_offset() < to);
        let end = segments.get(count).map_or(active, |next| next.base_offset());
        segments.truncate(count);
        let inner = self.inner.lock();
        let aborted = inner.state.transactions.aborted_before(end);
        let last_batches = inner.state.producers.last_batches();
        Ok((!segments.is_empty()).then_some(Plan { segments, config, from, to, end, aborted, last_batches }))
    }

    /// Closes the active segment when its first record must be compacted soon, so that the lag holds in a topic that
    /// nobody writes to any more. Returns whether it did.
    pub(super) fn roll_for_compaction(self: &Arc<Self>, now_ms: i64) -> Result<bool, SegmentError> {
        let (active, max_lag_ms) = {
            let inner = self.inner.lock();
            let config = inner.log.config();
            if !config.compact || config.max_compaction_lag_ms == i64::MAX || !is_open(&inner) {
                return Ok(false);
            }
            (inner.log.active().clone(), config.max_compaction_lag_ms)
        };
        if active.size_bytes() == 0 {
            return Ok(false);
        }
        let is_late = active
            .first_timestamp()?
            .is_some_and(|first_ms| first_ms >= 0 && now_ms.saturating_sub(first_ms) > max_lag_ms);
        if is_late { self.roll_active(&active) } else { Ok(false) }
    }

    fn survey(&self, now_ms: i64) -> Result<Option<Survey>, SegmentError> {
        let mut survey = {
            let inner = self.inner.lock();
            if !is_open(&inner) || !inner.log.config().compact || inner.compacted.is_stuck {
                return Ok(None);
            }
            let active = inner.log.active().base_offset();
            let state = &inner.state;
            let to = active.min(state.last_stable_offset()).min(inner.recovery_point);
            let start = inner.log.base_offset();
            // A checkpoint that does not fit this log is from another one.
            let from = if inner.compacted.to > active { start } else { inner.compacted.to.max(start) };
            let closed = inner.log.segments().len() - 1;
            if to < from || closed == 0 {
                return Ok(None);
            }
            Survey {
                segments: inner.log.segments()[..closed].to_vec(),
                config: inner.log.config().clone(),
                from,
                to,
                active,
                horizon_ms: inner.compacted.horizon_ms,
            }
        };
        survey.hold_back_young(now_ms)?;
        Ok(Some(survey))
    }
}

impl Survey {
    /// `min.compaction.lag.ms`: nothing from the first segment with a younger record on.
    fn hold_back_young(&mut self, now_ms: i64) -> Result<(), SegmentError> {
        let lag_ms = self.config.min_compaction_lag_ms;
        if lag_ms == 0 {
            return Ok(());
        }
        for (at, segment) in self.segments.iter().enumerate() {
            let end = self.segments.get(at + 1).map_or(i64::MAX, |next| next.base_offset());
            if end > self.from && segment.newest_timestamp()? > now_ms.saturating_sub(lag_ms) {
                self.to = self.to.min(segment.base_offset().max(self.from));
                break;
            }
        }
        Ok(())
    }

    /// `max.compaction.lag.ms`: whether a dirty segment begins with a record that is older.
    fn is_late(&self, now_ms: i64) -> Result<bool, SegmentError> {
        let lag_ms = self.config.max_compaction_lag_ms;
        if lag_ms == i64::MAX {
            return Ok(false);
        }
        for (at, segment) in self.segments.iter().enumerate() {
            let end = self.segments.get(at + 1).map_or(i64::MAX, |next| next.base_offset());
            if end <= self.from || segment.base_offset() >= self.to {
                continue;
            }
            let first_ms = segment.first_timestamp()?.filter(|first_ms| *first_ms >= 0);
            if first_ms.is_some_and(|first_ms| now_ms.saturating_sub(first_ms) > lag_ms) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn is_open(inner: &Inner) -> bool {
    inner.standing == Standing::Open
}
