//! Accumulators: one per aggregate call, holding the state of every group in vectors indexed by the group's slot.
//!
//! Adding is vectorised over a batch; reading, writing and clearing go by slot. Results depend only on the set of rows,
//! not on their order: sums of doubles are exact until the end (`exact_sum`).

mod booleans;
mod extreme;
mod moments;
mod multiset;
mod sum;

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, Int64Array};
use datafusion::arrow::datatypes::DataType;

use crate::exec::QueryError;
use crate::plan::{AggregateCall, AggregateFunction};
use crate::state::encoding::Reader;
use booleans::Booleans;
use extreme::{DecimalExtreme, FloatExtreme, IntegerExtreme, TextExtreme};
pub(crate) use moments::Moment;
use moments::Moments;
pub(crate) use multiset::{Multiset, Summary};
use sum::{FloatSum, IntegerSum};

/// The state of one aggregate call for every group.
pub(crate) trait Accumulator: Send {
    /// Makes room for so many slots; new ones are empty.
    fn resize(&mut self, slots: usize);

    /// Adds one row per element of `slots`. Rows that `keep` excludes, or whose value is NULL, change nothing.
    fn add(
        &mut self,
        values: Option<&ArrayRef>,
        keep: Option<&BooleanArray>,
        slots: &[u32],
    ) -> Result<(), QueryError>;

    /// Takes back rows that were added.
    fn retract(
        &mut self,
        _values: Option<&ArrayRef>,
        _keep: Option<&BooleanArray>,
        _slots: &[u32],
    ) -> Result<(), QueryError> {
        Err(QueryError::cluster("take rows back", "the aggregate was planned for rows that stay"))
    }

    /// The results of these slots, in their order.
    fn results(&self, slots: &[u32]) -> Result<ArrayRef, QueryError>;

    fn write(&self, slot: u32, out: &mut Vec<u8>);

    fn read(&mut self, slot: u32, from: &mut Reader<'_>) -> Result<(), QueryError>;

    fn clear(&mut self, slot: u32);

    /// What it keeps of each value, if it does.
    fn multiset(&mut self) -> Option<&mut Multiset> {
        None
    }

    /// Adds what is in one slot to another; the first is cleared.
    fn merge(&mut self, from: u32, into: u32) -> Result<(), QueryError>;
}

/// The accumulator of a call; `retracts` if rows may be taken back.
pub(crate) fn accumulator(call: &AggregateCall, retracts: bool) -> Result<Box<dyn Accumulator>, QueryError> {
    let output = call.output.clone();
    let summary = match &call.function {
        AggregateFunction::Minimum if retracts => Summary::Least,
        AggregateFunction::Maximum if retracts => Summary::Greatest,
        AggregateFunction::Median => Summary::Median,
        AggregateFunction::Array { descending } => {
            Summary::Array { once: call.distinct, descending: *descending }
        }
        AggregateFunction::Joined { descending, separator } => {
            Summary::Joined { once: call.distinct, descending: *descending, separator: separator.clone() }
        }
        _ if call.distinct => Summary::Distinct(plain(call)),
        _ => return Ok(plain(call)),
    };
    Ok(Box::new(Multiset::new(summary, &call.argument_type, output)?))
}

/// Of every row as it comes.
fn plain(call: &AggregateCall) -> Box<dyn Accumulator> {
    let text = call.text.clone();
    let output = call.output.clone();
    match (&call.function, &call.argument_type) {
        (AggregateFunction::Sum | AggregateFunction::Average, DataType::Float64) => {
            Box::new(FloatSum::new(call.function == AggregateFunction::Average))
        }
        (AggregateFunction::Sum | AggregateFunction::Average, argument) => {
            let average = call.function == AggregateFunction::Average;
            Box::new(IntegerSum::new(average, argument, output, text))
        }
        (AggregateFunction::Moment(moment), _) => Box::new(Moments::new(*moment)),
        (AggregateFunction::All, _) => Box::new(Booleans::new(true)),
        (AggregateFunction::Any, _) => Box::new(Booleans::new(false)),
        (AggregateFunction::Minimum | AggregateFunction::Maximum, argument) => {
            let largest = call.function == AggregateFunction::Maximum;
            match argument {
                DataType::Float64 | DataType::Float32 => Box::new(FloatExtreme::new(largest, output)),
                DataType::Utf8 | DataType::Utf8View => Box::new(TextExtreme::new(largest, output)),
                DataType::Decimal128(..) | DataType::UInt64 => Box::new(DecimalExtreme::new(largest, output)),
                _ => Box::new(IntegerExtreme::new(largest, output)),
            }
        }
        _ => Box::new(Count::default()),
    }
}

/// Calls `each` with the row and slot of every row that counts.
#[inline]
fn rows(
    values: Option<&dyn Array>,
    keep: Option<&BooleanArray>,
    slots: &[u32],
    mut each: impl FnMut(usize, usize),
) {
    let has_nulls = values.is_some_and(|values| values.null_count() > 0);
    if !has_nulls && keep.is_none() {
        slots.iter().enumerate().for_each(|(row, slot)| each(row, *slot as usize));
        return;
    }
    for (row, slot) in slots.iter().enumerate() {
        let kept = keep.is_none_or(|keep| keep.is_valid(row) && keep.value(row));
        if kept && values.is_none_or(|values| values.is_valid(row)) {
            each(row, *slot as usize);
        }
    }
}

fn argument(values: Option<&ArrayRef>) -> Result<&ArrayRef, QueryError> {
    values.ok_or_else(|| QueryError::cluster("evaluate an aggregate", "its argument is missing"))
}

const COMPUTE: &str = "an aggregate";

#[derive(Default)]
struct Count {
    counts: Vec<i64>,
}

impl Accumulator for Count {
    fn resize(&mut self, slots: usize) {
        self.counts.resize(slots, 0);
    }

    fn add(
        &mut self,
        values: Option<&ArrayRef>,
        keep: Option<&BooleanArray>,
        slots: &[u32],
    ) -> Result<(), QueryError> {
        let counts = &mut self.counts;
        rows(values.map(|values| values.as_ref()), keep, slots, |_, slot| counts[slot] += 1);
        Ok(())
    }

    fn retract(
        &mut self,
        values: Option<&ArrayRef>,
        keep: Option<&BooleanArray>,
        slots: &[u32],
    ) -> Result<(), QueryError> {
        let counts = &mut self.counts;
        rows(values.map(|values| values.as_ref()), keep, slots, |_, slot| counts[slot] -= 1);
        Ok(())
    }

    fn results(&self, slots: &[u32]) -> Result<ArrayRef, QueryError> {
        Ok(Arc::new(Int64Array::from_iter_values(slots.iter().map(|slot| self.counts[*slot as usize]))))
    }

    fn write(&self, slot: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.counts[slot as usize].to_le_bytes());
    }

    fn read(&mut self, slot: u32, from: &mut Reader<'_>) -> Result<(), QueryError> {
        self.counts[slot as usize] = from.integer()?;
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.counts[slot as usize] = 0;
    }

    fn merge(&mut self, from: u32, into: u32) -> Result<(), QueryError> {
        self.counts[into as usize] += std::mem::take(&mut self.counts[from as usize]);
        Ok(())
    }
}
