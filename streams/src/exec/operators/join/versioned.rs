//! Facts with the row that a table had at a time: `FOR SYSTEM_TIME AS OF`.
//!
//! A fact waits until the table's watermark has passed its time: then no version that it should have seen can come in
//! time. A version that comes late still counts, for the facts that come after it: a table must not miss a change.
//! The end of a row is as old as the row that ended, since what deletes a row has no time of its own.
//!
//! State:
//!
//! | table | key | value |
//! |---|---|---|
//! | versions | join key, time (8, the newest first) | 1 and the row; or 0, there is none from then on |
//! | waiting | time (8), join key, place (4) | the fact |
//! | gone | time (8), join key | nothing: the key has a version that says there is none |

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use datafusion::arrow::array::{Array, Int64Array, RecordBatch, UInt32Array};

use super::STEP;
use super::pairs::{Pairs, Shape, nothing};
use super::places::{first_keys, push_free_place};
use super::side::{Keys, Side, microseconds};
use crate::exec::QueryError;
use crate::exec::event_time::{BEGINNING, END};
use crate::exec::operator::{Operator, Output};
use crate::exec::rows::{RowKind, Rows};
use crate::plan::{JoinMethod, JoinPlan, VersionedPlan};
use crate::state::Persistent;
use crate::state::key::{HEADER_BYTES, VIRTUAL_NODES, number, ordered, state_prefix, successor};
use crate::state::table::StateTable;

const FACTS: usize = 0;
const TABLE: usize = 1;

const TIME_BYTES: usize = 8;

const IS_GONE: u8 = 0;
const IS_ROW: u8 = 1;

pub(super) struct VersionedJoin {
    plan: Arc<JoinPlan>,
    sides: [Side; 2],
    versions: StateTable,
    waiting: StateTable,
    gone: StateTable,
    /// As they were last told.
    watermarks_us: [i64; 2],
    late_rows: u64,
    last_end_us: Option<i64>,
}

impl VersionedJoin {
    pub fn new(plan: Arc<JoinPlan>) -> Result<VersionedJoin, QueryError> {
        let [left, right] = &plan.sides;
        let sides = [Side::new(left)?, Side::new(right)?];
        Ok(VersionedJoin {
            plan,
            sides,
            versions: StateTable::default(),
            waiting: StateTable::default(),
            gone: StateTable::default(),
            watermarks_us: [BEGINNING; 2],
            late_rows: 0,
            last_end_us: None,
        })
    }

    fn times(&self, input: usize, batch: &RecordBatch) -> Result<Int64Array, QueryError> {
        let JoinMethod::Versioned(VersionedPlan { as_of, since }) = &self.plan.method else {
            return Ok(Int64Array::new_null(batch.num_rows()));
        };
        microseconds(if input == FACTS { as_of } else { since }, batch)
    }

    /// No fact asks for a version from before the newest that is not younger than this.
    fn horizon_us(&self) -> i64 {
        self.watermarks_us[FACTS].min(self.watermarks_us[TABLE])
    }

    fn change(&mut self, rows: &Rows) -> Result<(), QueryError> {
        let side = &self.sides[TABLE];
        let (keys, encoded) = (side.keys(&rows.batch)?, side.rows.encode(&rows.batch)?);
        let times = self.times(TABLE, &rows.batch)?;
        for row in 0..rows.len() {
            let kind = rows.kind(row);
            // The row that replaces another says when.
            if kind == RowKind::UpdateBefore || keys.is_null(row) || times.is_null(row) {
                continue;
            }
            let (header, bare, time_us) = (keys.header(row), keys.bare(row), times.value(row));
            let key = [&header[..], bare, &newest_first(time_us)].concat();
            if kind.adds() {
                self.versions.put(&key, [&[IS_ROW], encoded.get(row)].concat())?;
            } else {
                self.versions.put(&key, vec![IS_GONE])?;
                self.gone.put(&[&header[..], &ordered(time_us), bare].concat(), Vec::new())?;
            }
            self.forget(&[&header[..], bare].concat())?;
        }
        Ok(())
    }

    /// Removes the versions of a key that no fact asks for any more.
    fn forget(&mut self, join_key: &[u8]) -> Result<(), QueryError> {
        let from = [join_key, &newest_first(self.horizon_us())].concat();
        let (mut old, mut is_newest) = (Vec::new(), true);
        scan_prefix(&mut self.versions, join_key, &from, &mut |key, value| {
            // The newest of the old ones still counts, if it is a row.
            if !is_newest || value.first() != Some(&IS_ROW) {
                old.push(key.to_vec());
            }
            is_newest = false;
            ControlFlow::Continue(())
        })?;
        old.iter().try_for_each(|key| self.versions.remove(key))
    }

    fn arrive(&mut self, rows: &Rows, out: &mut Output) -> Result<(), QueryError> {
        let times = self.times(FACTS, &rows.batch)?;
        let keys = self.sides[FACTS].keys(&rows.batch)?;
        let encoded = self.sides[FACTS].rows.encode(&rows.batch)?;
        let (mut late, mut ready) = (Vec::new(), Vec::new());
        for row in 0..rows.len() {
            if times.is_null(row) || keys.is_null(row) {
                ready.push(row as u32);
                continue;
            }
            let time_us = times.value(row);
            let before_us = rows.watermarks.as_ref().map_or(BEGINNING, |watermarks| watermarks.value(row));
            if time_us < before_us.max(self.watermarks_us[FACTS]) {
                late.push(row as u32);
            } else if time_us < self.watermarks_us[TABLE] {
                ready.push(row as u32);
            } else {
                let mut key = [&keys.header(row)[..], &ordered(time_us), keys.bare(row)].concat();
                push_free_place(&mut self.waiting, &mut key)?;
                self.waiting.put(&key, encoded.get(row).to_vec())?;
            }
        }
        if !late.is_empty() {
            self.late_rows += late.len() as u64;
            out.late.push(rows.take(&UInt32Array::from(late)).map_err(QueryError::compute(STEP))?);
        }
        self.give(&rows.batch, &keys, &times, &ready, out)
    }

    /// Gives the results of these facts.
    fn give(
        &mut self,
        facts: &RecordBatch,
        keys: &Keys,
        times: &Int64Array,
        places: &[u32],
        out: &mut Output,
    ) -> Result<(), QueryError> {
        let (mut arrived, mut rows) = (Vec::new(), self.sides[TABLE].rows.reader()?);
        for place in places {
            let row = *place as usize;
            if keys.is_null(row) || times.is_null(row) {
                continue;
            }
            let join_key = [&keys.header(row)[..], keys.bare(row)].concat();
            if let Some(version) = version(&mut self.versions, &join_key, times.value(row))? {
                rows.read(&version)?;
                arrived.push(*place);
            }
        }
        let stored = rows.finish()?;
        let shape = Shape { plan: &self.plan, input: FACTS };
        let verdicts = shape.verdicts(facts, &stored, &arrived)?;
        let mut found = arrived.iter().copied().enumerate().peekable();
        let mut pairs = Pairs::default();
        for place in places {
            let candidate = found.next_if(|(_, arrived)| arrived == place).map(|(candidate, _)| candidate);
            let matched = candidate
                .filter(|candidate| verdicts.as_ref().is_none_or(|verdicts| verdicts.value(*candidate)));
            match matched {
                Some(candidate) => pairs.push(Some(*place), Some(candidate as u32), RowKind::Insert),
                None if self.plan.kind.keeps_unmatched(FACTS) => {
                    pairs.push(Some(*place), None, RowKind::Insert);
                }
                None => {}
            }
        }
        if stored.num_rows() == 0 {
            return shape.give_inserts(facts, &nothing(&self.plan, TABLE), &pairs, out);
        }
        shape.give_inserts(facts, &stored, &pairs, out)
    }

    /// Gives the facts that need not wait any longer.
    fn give_waiting(&mut self, out: &mut Output) -> Result<(), QueryError> {
        for node in 0..VIRTUAL_NODES {
            let first = state_prefix(node).to_vec();
            let end = [&first[..], &ordered(self.watermarks_us[TABLE])].concat();
            loop {
                let ready = first_keys(&mut self.waiting, &first, &end)?;
                if ready.is_empty() {
                    break;
                }
                let mut facts = self.sides[FACTS].rows.reader()?;
                for key in &ready {
                    if let Some(row) = self.waiting.get(key)? {
                        facts.read(row)?;
                    }
                    let time_us =
                        number(key.get(HEADER_BYTES..HEADER_BYTES + TIME_BYTES).unwrap_or_default());
                    self.last_end_us = self.last_end_us.max(Some(time_us.saturating_add(1)));
                    self.waiting.remove(key)?;
                }
                let facts = facts.finish()?;
                let (keys, times) = (self.sides[FACTS].keys(&facts)?, self.times(FACTS, &facts)?);
                let places: Vec<u32> = (0..facts.num_rows() as u32).collect();
                self.give(&facts, &keys, &times, &places, out)?;
            }
        }
        Ok(())
    }

    /// Forgets keys that have been gone for long enough.
    fn forget_gone(&mut self) -> Result<(), QueryError> {
        for node in 0..VIRTUAL_NODES {
            let first = state_prefix(node).to_vec();
            let end = [&first[..], &ordered(self.horizon_us())].concat();
            loop {
                let gone = first_keys(&mut self.gone, &first, &end)?;
                if gone.is_empty() {
                    break;
                }
                for key in &gone {
                    let bare = key.get(HEADER_BYTES + TIME_BYTES..).unwrap_or_default();
                    self.forget(&[&first[..], bare].concat())?;
                    self.gone.remove(key)?;
                }
            }
        }
        Ok(())
    }
}

impl Operator for VersionedJoin {
    fn on_rows(&mut self, input: usize, rows: Rows, out: &mut Output) -> Result<(), QueryError> {
        if input == TABLE { self.change(&rows) } else { self.arrive(&rows, out) }
    }

    fn on_watermark(&mut self, watermarks_us: &[i64], out: &mut Output) -> Result<(), QueryError> {
        let told = self.watermarks_us;
        for (known, given) in self.watermarks_us.iter_mut().zip(watermarks_us) {
            *known = (*known).max(*given);
        }
        if self.watermarks_us == told {
            return Ok(());
        }
        self.give_waiting(out)?;
        // The end is no time: what the watermark is from then on is told anew.
        for (known, before) in self.watermarks_us.iter_mut().zip(told) {
            if *known == END {
                *known = before;
            }
        }
        self.forget_gone()
    }

    fn tables(&mut self) -> Vec<(u8, &mut dyn Persistent)> {
        vec![(0, &mut self.versions), (1, &mut self.waiting), (2, &mut self.gone)]
    }

    fn late_rows(&self) -> u64 {
        self.late_rows
    }

    fn last_end_us(&self) -> Option<i64> {
        self.last_end_us
    }
}

fn newest_first(time_us: i64) -> [u8; 8] {
    ordered(!time_us)
}

/// Takes a key and its value; breaks to end the walk.
type OnEntry<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

fn scan_prefix(
    table: &mut StateTable,
    prefix: &[u8],
    from: &[u8],
    each: &mut OnEntry<'_>,
) -> Result<(), QueryError> {
    let end = successor(prefix);
    let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    table.scan(Bound::Included(from), end, &mut |key, value| Ok(each(key, value)))
}

/// The row that counts at a time, if there is one.
fn version(table: &mut StateTable, join_key: &[u8], time_us: i64) -> Result<Option<Vec<u8>>, QueryError> {
    let mut found = None;
    let from = [join_key, &newest_first(time_us)].concat();
    scan_prefix(table, join_key, &from, &mut |_, value| {
        if let Some((&IS_ROW, row)) = value.split_first() {
            found = Some(row.to_vec());
        }
        ControlFlow::Break(())
    })?;
    Ok(found)
}
