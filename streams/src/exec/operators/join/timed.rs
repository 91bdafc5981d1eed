//! Facts with facts whose times are near each other, or that are in the same window.
//!
//! A pair is given when its second row arrives: nothing that comes later can take it back, so waiting would only cost time.
//! A row without a match is given when the other side's watermark says that none can come. State of a row goes when the
//! watermark has passed every time that could match it.
//!
//! A row is late if it is older than the watermark of its own partition before it, or than the one the join was last
//! told: that is a function of the input alone. What is not late finds all of its matches, whatever the order of arrival.
//!
//! State, per side:
//!
//! | table | key | value |
//! |---|---|---|
//! | rows | bucket of time and join key (`super::facts`) | the row |
//! | waiting | time (8), join key, place (4) | nothing: the row has no match yet |
//!
//! A bucket is as long as the span of times that match one row, so a row looks into two of them, and what is old goes a
//! bucket at a time, from the front.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::array::{Array, Int64Array, RecordBatch, UInt32Array};

use super::facts::{Facts, JoinKey, Name, of_waiting_key, waiting_key};
use super::pairs::{Pairs, Shape, nothing};
use super::places::first_keys;
use super::side::{Keys, Side, microseconds};
use super::{CANDIDATES_MAX, STEP};
use crate::exec::QueryError;
use crate::exec::event_time::{BEGINNING, END};
use crate::exec::operator::{Operator, Output};
use crate::exec::rows::{RowKind, Rows};
use crate::plan::{JoinMethod, JoinPlan, TimeBounds};
use crate::state::Persistent;
use crate::state::key::{VIRTUAL_NODES, ordered, state_prefix};
use crate::state::table::StateTable;

/// Buckets are not shorter than this: a bucket of one instant would be a second key.
const BUCKET_US_MIN: i64 = 1_000_000;

pub(super) struct TimedJoin {
    plan: Arc<JoinPlan>,
    bucket_us: i64,
    sides: [TimedSide; 2],
    /// As they were last told.
    watermarks_us: [i64; 2],
    late_rows: u64,
    last_end_us: Option<i64>,
}

struct TimedSide {
    side: Side,
    rows: Facts,
    waiting: StateTable,
    /// Rows of the other side may be this much younger than one of this side and still match it.
    reach_us: i64,
    /// Buckets before this one are gone.
    dropped: i64,
}

/// Rows of one input that may have matches.
struct Arrived {
    batch: RecordBatch,
    keys: Keys,
    times: Int64Array,
    matched: Vec<bool>,
}

/// Stored rows that have the key and a near time of an arrived one.
#[derive(Default)]
struct Candidates {
    arrived: Vec<u32>,
    /// Under which they would wait, where that matters.
    waiting: Vec<Vec<u8>>,
    rows: Vec<Vec<u8>>,
}

impl Arrived {
    fn key(&self, row: usize) -> JoinKey<'_> {
        JoinKey { header: self.keys.header(row), bare: self.keys.bare(row) }
    }
}

impl TimedJoin {
    pub fn new(plan: Arc<JoinPlan>) -> Result<TimedJoin, QueryError> {
        let (least_us, most_us) = bounds(&plan).map_or((0, 0), |bounds| (bounds.least_us, bounds.most_us));
        let [left, right] = &plan.sides;
        let bucket_us = most_us.saturating_sub(least_us).max(BUCKET_US_MIN);
        let side = |side, reach_us| -> Result<TimedSide, QueryError> {
            Ok(TimedSide {
                side: Side::new(side)?,
                rows: Facts::new(bucket_us),
                waiting: StateTable::default(),
                reach_us,
                dropped: i64::MIN,
            })
        };
        let sides = [side(left, least_us.saturating_neg())?, side(right, most_us)?];
        Ok(TimedJoin {
            bucket_us,
            sides,
            plan,
            watermarks_us: [BEGINNING; 2],
            late_rows: 0,
            last_end_us: None,
        })
    }

    fn slack_us(&self) -> i64 {
        bounds(&self.plan).map_or(0, |bounds| bounds.slack_us)
    }

    /// Times of the other input that match a time of this one.
    fn matching_times(&self, input: usize, time_us: i64) -> (i64, i64) {
        let (least_us, most_us) =
            bounds(&self.plan).map_or((0, 0), |bounds| (bounds.least_us, bounds.most_us));
        match input {
            0 => (time_us.saturating_sub(most_us), time_us.saturating_sub(least_us)),
            _ => (time_us.saturating_add(least_us), time_us.saturating_add(most_us)),
        }
    }

    /// Rows of this input that are older have met all they can.
    fn settled_before(&self, input: usize) -> i64 {
        let other = self.watermarks_us[1 - input];
        other.saturating_sub(self.sides[input].reach_us).saturating_sub(self.slack_us())
    }

    /// Leaves out what is late, and gives or drops what can match nothing.
    fn sort_out(&mut self, input: usize, rows: Rows, out: &mut Output) -> Result<Arrived, QueryError> {
        let times = self.times(input, &rows.batch)?;
        let keys = self.sides[input].side.keys(&rows.batch)?;
        let (slack_us, told_us) = (self.slack_us(), self.watermarks_us[input]);
        let (mut late, mut kept, mut alone) = (Vec::new(), Vec::new(), Pairs::default());
        for row in 0..rows.len() {
            let place = row as u32;
            let watermark_us =
                rows.watermarks.as_ref().map_or(BEGINNING, |watermarks| watermarks.value(row)).max(told_us);
            if times.is_valid(row) && times.value(row).saturating_add(slack_us) < watermark_us {
                late.push(place);
            } else if times.is_valid(row) && !keys.is_null(row) {
                kept.push(place);
            } else if self.plan.kind.keeps_unmatched(input) {
                alone.push(Some(place), None, RowKind::Insert);
            }
        }
        let shape = Shape { plan: &self.plan, input };
        shape.give_inserts(&rows.batch, &nothing(&self.plan, 1 - input), &alone, out)?;
        if !late.is_empty() {
            self.late_rows += late.len() as u64;
            out.late.push(rows.take(&UInt32Array::from(late)).map_err(QueryError::compute(STEP))?);
        }
        if kept.len() == rows.len() {
            return Ok(Arrived { matched: vec![false; rows.len()], batch: rows.batch, keys, times });
        }
        let kept = rows.take(&UInt32Array::from(kept)).map_err(QueryError::compute(STEP))?;
        let times = self.times(input, &kept.batch)?;
        let keys = self.sides[input].side.keys(&kept.batch)?;
        Ok(Arrived { matched: vec![false; kept.len()], batch: kept.batch, keys, times })
    }

    fn times(&self, input: usize, batch: &RecordBatch) -> Result<Int64Array, QueryError> {
        let Some(time) = bounds(&self.plan).and_then(|bounds| bounds.times.get(input)) else {
            return Ok(Int64Array::new_null(batch.num_rows()));
        };
        let times = microseconds(&time.expression, batch)?;
        Ok(if time.add_us == 0 { times } else { times.unary(|value| value.saturating_add(time.add_us)) })
    }

    /// Collects the candidates of a row, and looks at them whenever there are enough.
    fn find(
        &mut self,
        input: usize,
        row: usize,
        arrived: &mut Arrived,
        candidates: &mut Candidates,
        out: &mut Output,
    ) -> Result<(), QueryError> {
        let times_us = self.matching_times(input, arrived.times.value(row));
        let tracks = self.plan.kind.tracks(1 - input);
        let mut after: Option<Name> = None;
        loop {
            let mut stopped_at = None;
            let key = arrived.key(row);
            self.sides[1 - input].rows.find(key, times_us, after, &mut |name, found| {
                candidates.arrived.push(row as u32);
                candidates.rows.push(found.to_vec());
                if tracks {
                    candidates.waiting.push(waiting_key(key, name));
                }
                if candidates.arrived.len() < CANDIDATES_MAX {
                    return Ok(ControlFlow::Continue(()));
                }
                stopped_at = Some(name);
                Ok(ControlFlow::Break(()))
            })?;
            if stopped_at.is_none() {
                return Ok(());
            }
            self.give(input, arrived, candidates, out)?;
            after = stopped_at;
        }
    }

    /// Gives those candidates that are pairs.
    fn give(
        &mut self,
        input: usize,
        arrived: &mut Arrived,
        candidates: &mut Candidates,
        out: &mut Output,
    ) -> Result<(), QueryError> {
        let Candidates { arrived: places, waiting, rows } = std::mem::take(candidates);
        if places.is_empty() {
            return Ok(());
        }
        let kind = self.plan.kind;
        let other = &mut self.sides[1 - input];
        let stored = other.side.rows.decode(rows.iter().map(Vec::as_slice))?;
        let shape = Shape { plan: &self.plan, input };
        let verdicts = shape.verdicts(&arrived.batch, &stored, &places)?;
        let mut pairs = Pairs::default();
        for (candidate, place) in places.into_iter().enumerate() {
            if verdicts.as_ref().is_some_and(|verdicts| !verdicts.value(candidate)) {
                continue;
            }
            let was_matched = std::mem::replace(&mut arrived.matched[place as usize], true);
            if kind.gives_pairs() {
                pairs.push(Some(place), Some(candidate as u32), RowKind::Insert);
            } else if kind.keeps_matched(input) && !was_matched {
                pairs.push(Some(place), None, RowKind::Insert);
            }
            if let Some(waiting) = waiting.get(candidate)
                && other.waiting.get(waiting)?.is_some()
            {
                other.waiting.remove(waiting)?;
                if kind.keeps_matched(1 - input) {
                    pairs.push(None, Some(candidate as u32), RowKind::Insert);
                }
            }
        }
        shape.give_inserts(&arrived.batch, &stored, &pairs, out)
    }

    /// Remembers the rows that later ones may match, and gives those without a match that none can.
    fn keep(&mut self, input: usize, arrived: &Arrived, out: &mut Output) -> Result<(), QueryError> {
        let kind = self.plan.kind;
        let settled_us = self.settled_before(input);
        let mut alone = Pairs::default();
        let encoded = self.sides[input].side.rows.encode(&arrived.batch)?;
        for row in 0..arrived.batch.num_rows() {
            let time_us = arrived.times.value(row);
            let is_waiting = kind.tracks(input) && !arrived.matched[row];
            if time_us < settled_us {
                if is_waiting && kind.keeps_unmatched(input) {
                    alone.push(Some(row as u32), None, RowKind::Insert);
                }
                continue;
            }
            // Whether a left row has a match is all that a semi or anti join asks, and here it is known.
            if !kind.gives_pairs() && input == 0 && !is_waiting {
                continue;
            }
            let side = &mut self.sides[input];
            let key = arrived.key(row);
            let name = side.rows.keep(key, time_us, encoded.get(row))?;
            if is_waiting {
                side.waiting.put(&waiting_key(key, name), Vec::new())?;
            }
        }
        let shape = Shape { plan: &self.plan, input };
        shape.give_inserts(&arrived.batch, &nothing(&self.plan, 1 - input), &alone, out)
    }

    /// Rows of this input that waited for a match and can have none: given in the order of their time, if they are wanted.
    fn give_unmatched(&mut self, input: usize, out: &mut Output) -> Result<(), QueryError> {
        if !self.plan.kind.tracks(input) {
            return Ok(());
        }
        let settled_us = self.settled_before(input);
        for node in 0..VIRTUAL_NODES {
            let first = state_prefix(node).to_vec();
            let end = [&first[..], &ordered(settled_us)].concat();
            loop {
                let side = &mut self.sides[input];
                let settled = first_keys(&mut side.waiting, &first, &end)?;
                if settled.is_empty() {
                    break;
                }
                let mut rows = side.side.rows.reader()?;
                let mut pairs = Pairs::default();
                for waiting in &settled {
                    if let Some((key, name)) = of_waiting_key(waiting)
                        && let Some(row) = side.rows.get(key, name)?
                    {
                        pairs.push(None, Some(rows.len() as u32), RowKind::Insert);
                        rows.read(row)?;
                    }
                    side.waiting.remove(waiting)?;
                }
                if self.plan.kind.keeps_unmatched(input) {
                    let shape = Shape { plan: &self.plan, input: 1 - input };
                    shape.give_inserts(&nothing(&self.plan, 1 - input), &rows.finish()?, &pairs, out)?;
                }
            }
        }
        Ok(())
    }

    /// Forgets the buckets of which every row is settled.
    fn forget(&mut self, input: usize) -> Result<(), QueryError> {
        let first_kept = self.settled_before(input).div_euclid(self.bucket_us);
        let slack_us = self.slack_us();
        let side = &mut self.sides[input];
        if first_kept <= side.dropped {
            return Ok(());
        }
        let (reach_us, last_end_us) = (side.reach_us, &mut self.last_end_us);
        side.rows.forget(first_kept, &mut |time_us| {
            let end_us = time_us.saturating_add(reach_us).saturating_add(slack_us);
            *last_end_us = (*last_end_us).max(Some(end_us.saturating_add(1)));
        })?;
        side.dropped = first_kept;
        Ok(())
    }
}

impl Operator for TimedJoin {
    fn on_rows(&mut self, input: usize, rows: Rows, out: &mut Output) -> Result<(), QueryError> {
        let mut arrived = self.sort_out(input, rows, out)?;
        let mut candidates = Candidates::default();
        for row in 0..arrived.batch.num_rows() {
            self.find(input, row, &mut arrived, &mut candidates, out)?;
        }
        self.give(input, &mut arrived, &mut candidates, out)?;
        self.keep(input, &arrived, out)
    }

    fn on_watermark(&mut self, watermarks_us: &[i64], out: &mut Output) -> Result<(), QueryError> {
        let told = self.watermarks_us;
        for (known, given) in self.watermarks_us.iter_mut().zip(watermarks_us) {
            *known = (*known).max(*given);
        }
        if self.watermarks_us == told {
            return Ok(());
        }
        for input in [0, 1] {
            self.give_unmatched(input, out)?;
            self.forget(input)?;
        }
        // The end is no time: what the watermark is from then on is told anew.
        for (known, before) in self.watermarks_us.iter_mut().zip(told) {
            if *known == END {
                *known = before;
                self.sides.iter_mut().for_each(|side| side.dropped = i64::MIN);
            }
        }
        Ok(())
    }

    fn tables(&mut self) -> Vec<(u8, &mut dyn Persistent)> {
        let [left, right] = &mut self.sides;
        vec![
            (0, &mut left.rows.table),
            (1, &mut right.rows.table),
            (2, &mut left.waiting),
            (3, &mut right.waiting),
        ]
    }

    fn late_rows(&self) -> u64 {
        self.late_rows
    }

    fn last_end_us(&self) -> Option<i64> {
        self.last_end_us
    }
}

fn bounds(plan: &JoinPlan) -> Option<&TimeBounds> {
    match &plan.method {
        JoinMethod::Timed(bounds) => Some(bounds),
        _ => None,
    }
}
