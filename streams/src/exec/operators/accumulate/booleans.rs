//! `bool_and` and `bool_or`: how many are true, how many false.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray};

use super::{Accumulator, argument, rows};
use crate::exec::QueryError;
use crate::state::encoding::Reader;

pub(super) struct Booleans {
    all: bool,
    /// False and true.
    counts: Vec<[i64; 2]>,
}

impl Booleans {
    /// Whether all are true, or any.
    pub fn new(all: bool) -> Booleans {
        Booleans { all, counts: Vec::new() }
    }

    fn change(
        &mut self,
        values: Option<&ArrayRef>,
        keep: Option<&BooleanArray>,
        slots: &[u32],
        step: i64,
    ) -> Result<(), QueryError> {
        let values = argument(values)?.as_boolean();
        let counts = &mut self.counts;
        rows(Some(values), keep, slots, |row, slot| counts[slot][usize::from(values.value(row))] += step);
        Ok(())
    }
}

impl Accumulator for Booleans {
    fn resize(&mut self, slots: usize) {
        self.counts.resize(slots, [0; 2]);
    }

    fn add(
        &mut self,
        values: Option<&ArrayRef>,
        keep: Option<&BooleanArray>,
        slots: &[u32],
    ) -> Result<(), QueryError> {
        self.change(values, keep, slots, 1)
    }

    fn retract(
        &mut self,
        values: Option<&ArrayRef>,
        keep: Option<&BooleanArray>,
        slots: &[u32],
    ) -> Result<(), QueryError> {
        self.change(values, keep, slots, -1)
    }

    fn results(&self, slots: &[u32]) -> Result<ArrayRef, QueryError> {
        let results = slots.iter().map(|slot| match self.counts[*slot as usize] {
            [0, 0] => None,
            [no, yes] => Some(if self.all { no == 0 } else { yes > 0 }),
        });
        Ok(Arc::new(results.collect::<BooleanArray>()))
    }

    fn write(&self, slot: u32, out: &mut Vec<u8>) {
        self.counts[slot as usize].iter().for_each(|count| out.extend_from_slice(&count.to_le_bytes()));
    }

    fn read(&mut self, slot: u32, from: &mut Reader<'_>) -> Result<(), QueryError> {
        self.counts[slot as usize] = [from.integer()?, from.integer()?];
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.counts[slot as usize] = [0; 2];
    }

    fn merge(&mut self, from: u32, into: u32) -> Result<(), QueryError> {
        let [no, yes] = std::mem::take(&mut self.counts[from as usize]);
        let counts = &mut self.counts[into as usize];
        *counts = [counts[0] + no, counts[1] + yes];
        Ok(())
    }
}
