//! Tables with tables: every change of one side is joined with what the other side has, so that the changes that are given
//! add up to the join of both, whatever their order.
//!
//! A row that is given alone (of an outer join without a match, of a semi join with one) is given and taken back as the
//! number of its matches leaves zero and comes back to it.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::CANDIDATES_MAX;
use super::multiset::{Counts, Multiset};
use super::pairs::{Pairs, Shape, nothing};
use super::side::{Keys, Side};
use crate::exec::QueryError;
use crate::exec::operator::{Operator, Output};
use crate::exec::rows::Rows;
use crate::plan::JoinPlan;
use crate::state::{Encoded, Persistent};

pub(super) struct ChangesJoin {
    plan: Arc<JoinPlan>,
    sides: [Side; 2],
    rows: [Multiset; 2],
}

/// Changes of one input.
struct Arrived {
    rows: Rows,
    keys: Keys,
    encoded: Encoded,
    /// How many rows of the other side match each.
    matches: Vec<i32>,
}

/// Rows of the other side that have the key of a change.
#[derive(Default)]
struct Candidates {
    arrived: Vec<u32>,
    rows: Vec<Vec<u8>>,
    weights: Vec<i32>,
}

impl ChangesJoin {
    pub fn new(plan: Arc<JoinPlan>) -> Result<ChangesJoin, QueryError> {
        let [left, right] = &plan.sides;
        let sides = [Side::new(left)?, Side::new(right)?];
        Ok(ChangesJoin { plan, sides, rows: [Multiset::default(), Multiset::default()] })
    }

    /// Collects what has the key of a change, and looks at it whenever there is enough.
    fn find(
        &mut self,
        input: usize,
        row: usize,
        arrived: &mut Arrived,
        candidates: &mut Candidates,
        out: &mut Output,
    ) -> Result<(), QueryError> {
        let join_key = arrived.keys.whole(row);
        let mut after: Option<Vec<u8>> = None;
        loop {
            let mut stopped_at = None;
            self.rows[1 - input].find(&join_key, after.as_deref(), &mut |stored, counts| {
                candidates.arrived.push(row as u32);
                candidates.rows.push(stored.to_vec());
                candidates.weights.push(counts.weight);
                if candidates.arrived.len() < CANDIDATES_MAX {
                    return ControlFlow::Continue(());
                }
                stopped_at = Some(stored.to_vec());
                ControlFlow::Break(())
            })?;
            let Some(last) = stopped_at else { return Ok(()) };
            self.give(input, arrived, candidates, out)?;
            after = Some(last);
        }
    }

    /// Gives those candidates that are pairs, and what that changes for rows of the other side that are given alone.
    fn give(
        &mut self,
        input: usize,
        arrived: &mut Arrived,
        candidates: &mut Candidates,
        out: &mut Output,
    ) -> Result<(), QueryError> {
        let Candidates { arrived: places, rows, weights } = std::mem::take(candidates);
        if places.is_empty() {
            return Ok(());
        }
        let kind = self.plan.kind;
        let other = 1 - input;
        let stored = self.sides[other].rows.decode(rows.iter().map(Vec::as_slice))?;
        let shape = Shape { plan: &self.plan, input };
        let verdicts = shape.verdicts(&arrived.rows.batch, &stored, &places)?;
        let mut pairs = Pairs::default();
        for (candidate, (place, (row, weight))) in
            places.into_iter().zip(rows.iter().zip(weights)).enumerate()
        {
            if verdicts.as_ref().is_some_and(|verdicts| !verdicts.value(candidate)) {
                continue;
            }
            let stored_place = Some(candidate as u32);
            let change = if arrived.rows.kind(place as usize).adds() { 1 } else { -1 };
            if kind.tracks(input) {
                let matches = &mut arrived.matches[place as usize];
                *matches = matches.saturating_add(weight);
            }
            if kind.tracks(other) {
                let key = arrived.keys.whole(place as usize);
                let (known, counts) = self.rows[other].update(&key, row, |known| Counts {
                    matches: known.matches.saturating_add(change),
                    ..known
                })?;
                let alone = self.alone(other, counts) - self.alone(other, known);
                pairs.push_weighted(None, stored_place, alone);
            }
            if kind.gives_pairs() {
                pairs.push_weighted(Some(place), stored_place, i64::from(change) * i64::from(weight));
            }
        }
        shape.give_changes(&arrived.rows.batch, &stored, &pairs, out)
    }

    /// How often a row is given alone.
    fn alone(&self, input: usize, counts: Counts) -> i64 {
        let kind = self.plan.kind;
        let is_given =
            if counts.matches > 0 { kind.keeps_matched(input) } else { kind.keeps_unmatched(input) };
        if is_given { counts.weight.into() } else { 0 }
    }

    /// Remembers the changes, and gives what they change alone.
    fn keep(&mut self, input: usize, arrived: &Arrived, out: &mut Output) -> Result<(), QueryError> {
        let mut pairs = Pairs::default();
        for row in 0..arrived.rows.len() {
            let change = if arrived.rows.kind(row).adds() { 1 } else { -1 };
            let matches = arrived.matches.get(row).copied().unwrap_or(0);
            pairs.push_weighted(
                Some(row as u32),
                None,
                self.alone(input, Counts { weight: change, matches }),
            );
            // What meets nothing need not be found.
            if arrived.keys.is_null(row) {
                continue;
            }
            let key = arrived.keys.whole(row);
            self.rows[input].update(&key, arrived.encoded.get(row), |known| Counts {
                weight: known.weight.saturating_add(change),
                matches,
            })?;
        }
        let shape = Shape { plan: &self.plan, input };
        shape.give_changes(&arrived.rows.batch, &nothing(&self.plan, 1 - input), &pairs, out)
    }
}

impl Operator for ChangesJoin {
    fn on_rows(&mut self, input: usize, rows: Rows, out: &mut Output) -> Result<(), QueryError> {
        let side = &self.sides[input];
        let (keys, encoded) = (side.keys(&rows.batch)?, side.rows.encode(&rows.batch)?);
        let mut arrived = Arrived { matches: vec![0; rows.len()], keys, encoded, rows };
        let mut candidates = Candidates::default();
        for row in 0..arrived.rows.len() {
            if !arrived.keys.is_null(row) {
                self.find(input, row, &mut arrived, &mut candidates, out)?;
            }
        }
        self.give(input, &mut arrived, &mut candidates, out)?;
        self.keep(input, &arrived, out)
    }

    fn tables(&mut self) -> Vec<(u8, &mut dyn Persistent)> {
        let [left, right] = &mut self.rows;
        vec![(0, &mut left.table), (1, &mut right.table)]
    }
}
