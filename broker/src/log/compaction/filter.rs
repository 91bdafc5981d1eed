//! What compaction makes of one batch. Pure: bytes and rules in, a verdict out.

use bytes::Bytes;
use millstream_protocol::record_batch::{Batch, BatchHeader, Record};

use super::key_map::KeyMap;
use super::pass::PassError;

/// Most bytes that one batch's records may decompress to here.
pub const DECOMPRESSED_LIMIT_BYTES: usize = 256 << 20;

/// What stays and what goes, for all batches of a pass.
#[derive(Debug)]
pub struct Rules<'a> {
    /// The newest offset of each key below `end` that the pass knows of.
    pub newest: &'a KeyMap,
    /// Records from here on are not looked at yet and stay.
    pub end: i64,
    pub now_ms: i64,
    pub delete_retention_ms: i64,
}

/// What the walk over the log knows of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Rolled back data, or a marker of which no data is left.
    pub is_void: bool,
    /// The last batch of a producer that is still known.
    pub is_last_of_producer: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Keep,
    Drop,
    /// These bytes take its place.
    Replace(Bytes),
}

impl Rules<'_> {
    pub fn judge(&self, batch: &Batch, standing: Standing) -> Result<Verdict, PassError> {
        let header = batch.header();
        if header.base_offset >= self.end {
            return Ok(Verdict::Keep);
        }
        if header.is_control() {
            return self.judge_marker(batch, standing);
        }
        if standing.is_void || header.record_count == 0 {
            return Ok(emptied(header, standing));
        }
        let records = batch.records(DECOMPRESSED_LIMIT_BYTES)?;
        let mut keep = Vec::with_capacity(usize::try_from(header.record_count).unwrap_or(0).min(1 << 20));
        let mut has_tombstone = false;
        for record in &records {
            let record = record?;
            let stays = self.stays(&record, header);
            has_tombstone |= stays && record.value.is_none();
            keep.push(stays);
        }
        let horizon = self.new_horizon(header, has_tombstone);
        let kept = keep.iter().filter(|keep| **keep).count();
        if kept == 0 {
            return Ok(emptied(header, standing));
        }
        if kept == keep.len() && horizon.is_none() {
            return Ok(Verdict::Keep);
        }
        Ok(Verdict::Replace(records.rewrite(&keep, horizon)?))
    }

    /// A marker whose data is gone stays until its horizon, for those who are reading across it just now.
    fn judge_marker(&self, batch: &Batch, standing: Standing) -> Result<Verdict, PassError> {
        let header = batch.header();
        if !standing.is_void {
            return Ok(Verdict::Keep);
        }
        if header.record_count == 0 {
            return Ok(emptied(header, standing));
        }
        match header.delete_horizon_ms() {
            Some(horizon_ms) if horizon_ms <= self.now_ms => Ok(emptied(header, standing)),
            Some(_) => Ok(Verdict::Keep),
            None => {
                let records = batch.records(DECOMPRESSED_LIMIT_BYTES)?;
                let keep = vec![true; usize::try_from(header.record_count).unwrap_or(0)];
                Ok(Verdict::Replace(records.rewrite(&keep, self.new_horizon(header, true))?))
            }
        }
    }

    fn stays(&self, record: &Record<'_>, header: &BatchHeader) -> bool {
        if record.offset >= self.end {
            return true;
        }
        // Without a key nobody can ask for it: it is from before the topic was compacted.
        let Some(key) = record.key else { return false };
        let is_newest = self.newest.get(key).is_none_or(|newest| record.offset >= newest);
        let is_due = header.delete_horizon_ms().is_some_and(|horizon_ms| horizon_ms <= self.now_ms);
        is_newest && (record.value.is_some() || !is_due)
    }

    fn new_horizon(&self, header: &BatchHeader, is_wanted: bool) -> Option<i64> {
        let is_new = is_wanted && header.delete_horizon_ms().is_none();
        is_new.then(|| self.now_ms.saturating_add(self.delete_retention_ms))
    }
}

/// Nothing of the batch is left but what its producer needs.
fn emptied(header: &BatchHeader, standing: Standing) -> Verdict {
    match (standing.is_last_of_producer, header.record_count) {
        (false, _) => Verdict::Drop,
        (true, 0) => Verdict::Keep,
        (true, _) => Verdict::Replace(header.emptied()),
    }
}
