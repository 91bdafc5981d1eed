//! Variance and standard deviation, from exact sums of the values and of their squares: rounded once, at the end.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array};
use datafusion::arrow::datatypes::Float64Type;

use super::sum::{read_sum, write_sum};
use super::{Accumulator, argument, rows};
use crate::exec::QueryError;
use crate::exec::operators::exact_sum::ExactSum;
use crate::state::encoding::Reader;

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Of the rows as a sample: divides by one less than their number.
    pub of_sample: bool,
    /// The standard deviation: the root of the variance.
    pub root: bool,
}

pub(super) struct Moments {
    moment: Moment,
    sums: Vec<ExactSum>,
    squares: Vec<ExactSum>,
    counts: Vec<i64>,
}

impl Moments {
    pub fn new(moment: Moment) -> Moments {
        Moments { moment, sums: Vec::new(), squares: Vec::new(), counts: Vec::new() }
    }

    fn change(
        &mut self,
        values: Option<&ArrayRef>,
        keep: Option<&BooleanArray>,
        slots: &[u32],
        step: i64,
    ) -> Result<(), QueryError> {
        let values = argument(values)?.as_primitive::<Float64Type>();
        let (sums, squares, counts) = (&mut self.sums, &mut self.squares, &mut self.counts);
        rows(Some(values), keep, slots, |row, slot| {
            let value = values.value(row);
            let (high, low) = product(value, value);
            counts[slot] += step;
            if step > 0 {
                sums[slot].add(value);
                squares[slot].add(high);
                squares[slot].add(low);
            } else {
                sums[slot].subtract(value);
                squares[slot].subtract(high);
                squares[slot].subtract(low);
            }
        });
        Ok(())
    }

    fn result(&self, slot: usize) -> Option<f64> {
        let count = self.counts[slot];
        let divisor = count - i64::from(self.moment.of_sample);
        if divisor <= 0 {
            return None;
        }
        let (Some(sums), Some(squares)) = (self.sums[slot].partials(), self.squares[slot].partials()) else {
            return Some(f64::NAN);
        };
        // count × Σx² − (Σx)², without rounding.
        let mut exact = ExactSum::default();
        let mut take = |left: f64, right: f64| {
            let (high, low) = product(left, right);
            exact.add(high);
            exact.add(low);
        };
        squares.iter().for_each(|square| take(*square, count as f64));
        for left in sums {
            sums.iter().for_each(|right| take(-left, *right));
        }
        let variance = (exact.value() / count as f64 / divisor as f64).max(0.0);
        Some(if self.moment.root { variance.sqrt() } else { variance })
    }
}

/// A product and what rounding lost of it.
fn product(left: f64, right: f64) -> (f64, f64) {
    let high = left * right;
    let low = left.mul_add(right, -high);
    if high.is_finite() { (high, low) } else { (high, 0.0) }
}

impl Accumulator for Moments {
    fn resize(&mut self, slots: usize) {
        self.sums.resize_with(slots, ExactSum::default);
        self.squares.resize_with(slots, ExactSum::default);
        self.counts.resize(slots, 0);
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
        Ok(Arc::new(slots.iter().map(|slot| self.result(*slot as usize)).collect::<Float64Array>()))
    }

    fn write(&self, slot: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.counts[slot as usize].to_le_bytes());
        write_sum(&self.sums[slot as usize], out);
        write_sum(&self.squares[slot as usize], out);
    }

    fn read(&mut self, slot: u32, from: &mut Reader<'_>) -> Result<(), QueryError> {
        self.counts[slot as usize] = from.integer()?;
        self.sums[slot as usize] = read_sum(from)?;
        self.squares[slot as usize] = read_sum(from)?;
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.counts[slot as usize] = 0;
        self.sums[slot as usize] = ExactSum::default();
        self.squares[slot as usize] = ExactSum::default();
    }

    fn merge(&mut self, from: u32, into: u32) -> Result<(), QueryError> {
        for sums in [&mut self.sums, &mut self.squares] {
            let sum = std::mem::take(&mut sums[from as usize]);
            sums[into as usize].merge(&sum);
        }
        self.counts[into as usize] += std::mem::take(&mut self.counts[from as usize]);
        Ok(())
    }
}
