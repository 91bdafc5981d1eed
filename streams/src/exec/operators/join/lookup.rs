//! Facts with the rows that a table has when they are processed. Changes of the table give nothing: they count from the
//! next fact on.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::Int64Array;
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::Int64Type;

use super::multiset::{Counts, Multiset};
use super::pairs::{Pairs, Shape};
use super::side::Side;
use super::{CANDIDATES_MAX, STEP};
use crate::exec::QueryError;
use crate::exec::operator::{Operator, Output};
use crate::exec::rows::{RowKind, Rows};
use crate::plan::{JoinKind, JoinPlan};
use crate::state::Persistent;

pub(super) struct LookupJoin {
    plan: Arc<JoinPlan>,
    sides: [Side; 2],
    table: usize,
    rows: Multiset,
}

/// Rows of the table that have the key of a fact.
#[derive(Default)]
struct Candidates {
    arrived: Vec<u32>,
    weights: Vec<i32>,
    rows: Vec<Vec<u8>>,
}

impl LookupJoin {
    pub fn new(plan: Arc<JoinPlan>, table: usize) -> Result<LookupJoin, QueryError> {
        let [left, right] = &plan.sides;
        let sides = [Side::new(left)?, Side::new(right)?];
        Ok(LookupJoin { plan, sides, table, rows: Multiset::default() })
    }

    fn change(&mut self, rows: &Rows) -> Result<(), QueryError> {
        let side = &self.sides[self.table];
        let keys = side.keys(&rows.batch)?;
        let encoded = side.rows.encode(&rows.batch)?;
        for row in (0..rows.len()).filter(|row| !keys.is_null(*row)) {
            let change = if rows.kind(row).adds() { 1 } else { -1 };
            self.rows.update(&keys.whole(row), encoded.get(row), |known| Counts {
                weight: known.weight.saturating_add(change),
                matches: 0,
            })?;
        }
        Ok(())
    }

    fn look_up(&mut self, rows: &Rows, out: &mut Output) -> Result<(), QueryError> {
        let input = 1 - self.table;
        let keys = self.sides[input].keys(&rows.batch)?;
        let mut candidates = Candidates::default();
        let mut first = 0;
        for row in 0..rows.len() {
            if !keys.is_null(row) {
                self.rows.find(&keys.whole(row), None, &mut |stored, counts| {
                    candidates.arrived.push(row as u32);
                    candidates.weights.push(counts.weight);
                    candidates.rows.push(stored.to_vec());
                    ControlFlow::Continue(())
                })?;
            }
            if candidates.arrived.len() >= CANDIDATES_MAX {
                self.give(rows, first..row + 1, std::mem::take(&mut candidates), out)?;
                first = row + 1;
            }
        }
        self.give(rows, first..rows.len(), candidates, out)
    }

    /// Gives the results of a range of the facts, in their order.
    fn give(
        &self,
        rows: &Rows,
        places: std::ops::Range<usize>,
        candidates: Candidates,
        out: &mut Output,
    ) -> Result<(), QueryError> {
        let input = 1 - self.table;
        let kind = self.plan.kind;
        let shape = Shape { plan: &self.plan, input };
        let stored = self.sides[self.table].rows.decode(candidates.rows.iter().map(Vec::as_slice))?;
        let verdicts = shape.verdicts(&rows.batch, &stored, &candidates.arrived)?;
        let mut found = candidates.arrived.iter().copied().enumerate().peekable();
        let mut pairs = Pairs::default();
        for place in places {
            let place = place as u32;
            let mut is_matched = false;
            while let Some((candidate, _)) = found.next_if(|(_, arrived)| *arrived == place) {
                let is_true = verdicts.as_ref().is_none_or(|verdicts| verdicts.value(candidate));
                let weight = candidates.weights.get(candidate).copied().unwrap_or(0);
                if !is_true || weight <= 0 {
                    continue;
                }
                is_matched = true;
                if kind.gives_pairs() {
                    pairs.push_weighted(Some(place), Some(candidate as u32), weight.into());
                }
            }
            let is_alone = if is_matched { kind == JoinKind::Semi } else { kind.keeps_unmatched(input) };
            if is_alone {
                pairs.push(Some(place), None, RowKind::Insert);
            }
        }
        if pairs.is_empty() {
            return Ok(());
        }
        let watermarks = match &rows.watermarks {
            Some(watermarks) => Some(taken(watermarks, &pairs)?),
            None => None,
        };
        let batch = shape.rows(&rows.batch, &stored, &pairs)?;
        let records = match &rows.records {
            Some(records) => {
                let taken = take(records, &pairs.arrived(), None).map_err(QueryError::compute(STEP))?;
                Some(taken.as_binary::<i32>().clone())
            }
            None => None,
        };
        out.push(Rows { batch, kinds: None, watermarks, records });
        Ok(())
    }
}

/// Each fact's own watermark, for its results.
fn taken(watermarks: &Int64Array, pairs: &Pairs) -> Result<Int64Array, QueryError> {
    let taken = take(watermarks, &pairs.arrived(), None).map_err(QueryError::compute(STEP))?;
    Ok(taken.as_primitive::<Int64Type>().clone())
}

impl Operator for LookupJoin {
    fn on_rows(&mut self, input: usize, rows: Rows, out: &mut Output) -> Result<(), QueryError> {
        if input == self.table { self.change(&rows) } else { self.look_up(&rows, out) }
    }

    /// A table has no event time here: the facts' own goes on.
    fn output_watermark(&self, watermarks_us: &[i64]) -> i64 {
        watermarks_us.get(1 - self.table).copied().unwrap_or(i64::MIN)
    }

    fn tables(&mut self) -> Vec<(u8, &mut dyn Persistent)> {
        vec![(0, &mut self.rows.table)]
    }
}
