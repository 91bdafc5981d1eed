//! Accumulators: one per aggregate call, holding the state of every group in vectors indexed by the group's slot.
//!
//! Adding is vectorised over a batch; reading, writing and clearing go by slot. Results depend only on the set of rows,
//! not on their order: sums of doubles are exact until the end ([`ExactSum`]).

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray,
    UInt64Array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};

use super::QueryError;
use super::exact_sum::ExactSum;
use crate::plan::{AggregateCall, AggregateFunction};
use crate::state::encoding::{Reader, narrowed, widened, write_bytes};

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

    /// The results of these slots, in their order.
    fn results(&self, slots: &[u32]) -> Result<ArrayRef, QueryError>;

    fn write(&self, slot: u32, out: &mut Vec<u8>);

    fn read(&mut self, slot: u32, from: &mut Reader<'_>) -> Result<(), QueryError>;

    fn clear(&mut self, slot: u32);
}

pub(crate) fn accumulator(call: &AggregateCall) -> Box<dyn Accumulator> {
    let text = call.text.clone();
    let output = call.output.clone();
    match (call.function, &call.argument_type) {
        (AggregateFunction::Count, _) => Box::new(Count::default()),
        (AggregateFunction::Sum | AggregateFunction::Average, DataType::Float64) => {
            let average = call.function == AggregateFunction::Average;
            Box::new(FloatSum { sums: Vec::new(), counts: Vec::new(), average })
        }
        (AggregateFunction::Sum | AggregateFunction::Average, argument) => {
            let average = call.function == AggregateFunction::Average;
            let scale = decimal_scale(argument);
            Box::new(IntegerSum { sums: Vec::new(), counts: Vec::new(), average, scale, output, text })
        }
        (function, argument) => {
            let largest = function == AggregateFunction::Maximum;
            match argument {
                DataType::Float64 | DataType::Float32 => {
                    Box::new(FloatExtreme { best: Vec::new(), largest, output })
                }
                DataType::Utf8 | DataType::Utf8View => {
                    Box::new(TextExtreme { best: Vec::new(), largest, output })
                }
                DataType::Decimal128(..) | DataType::UInt64 => {
                    Box::new(DecimalExtreme { best: Vec::new(), largest, output })
                }
                _ => Box::new(IntegerExtreme { best: Vec::new(), largest, output }),
            }
        }
    }
}

fn decimal_scale(data_type: &DataType) -> i8 {
    match data_type {
        DataType::Decimal128(_, scale) => *scale,
        _ => 0,
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
}

/// `sum` and `avg` of doubles.
struct FloatSum {
    sums: Vec<ExactSum>,
    counts: Vec<i64>,
    average: bool,
}

impl Accumulator for FloatSum {
    fn resize(&mut self, slots: usize) {
        self.sums.resize_with(slots, ExactSum::default);
        self.counts.resize(slots, 0);
    }

    fn add(
        &mut self,
        values: Option<&ArrayRef>,
        keep: Option<&BooleanArray>,
        slots: &[u32],
    ) -> Result<(), QueryError> {
        let values = argument(values)?.as_primitive::<Float64Type>();
        let (sums, counts) = (&mut self.sums, &mut self.counts);
        rows(Some(values), keep, slots, |row, slot| {
            sums[slot].add(values.value(row));
            counts[slot] += 1;
        });
        Ok(())
    }

    fn results(&self, slots: &[u32]) -> Result<ArrayRef, QueryError> {
        let results = slots.iter().map(|slot| {
            let slot = *slot as usize;
            let sum = self.sums[slot].value();
            match self.counts[slot] {
                0 => None,
                count if self.average => Some(sum / count as f64),
                _ => Some(sum),
            }
        });
        Ok(Arc::new(Float64Array::from_iter(results)))
    }

    fn write(&self, slot: u32, out: &mut Vec<u8>) {
        let slot = slot as usize;
        out.extend_from_slice(&self.counts[slot].to_le_bytes());
        let (partials, special) = self.sums[slot].parts();
        out.push(u8::from(special.is_some()));
        out.extend_from_slice(&special.unwrap_or_default().to_bits().to_le_bytes());
        out.extend_from_slice(&(partials.len() as i64).to_le_bytes());
        for partial in partials {
            out.extend_from_slice(&partial.to_bits().to_le_bytes());
        }
    }

    fn read(&mut self, slot: u32, from: &mut Reader<'_>) -> Result<(), QueryError> {
        let slot = slot as usize;
        self.counts[slot] = from.integer()?;
        let has_special = from.byte()? != 0;
        let special = from.float()?;
        let length = from.integer()?;
        let mut partials = Vec::new();
        for _ in 0..length {
            partials.push(from.float()?);
        }
        self.sums[slot] = ExactSum::from_parts(partials, has_special.then_some(special));
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.sums[slot as usize] = ExactSum::default();
        self.counts[slot as usize] = 0;
    }
}

/// `sum` and `avg` of integers and decimals, in 128 bits.
struct IntegerSum {
    sums: Vec<i128>,
    counts: Vec<i64>,
    average: bool,
    scale: i8,
    output: DataType,
    text: String,
}

impl IntegerSum {
    fn overflow(&self) -> QueryError {
        QueryError::Overflow { aggregate: self.text.clone() }
    }

    fn result(&self, slot: u32) -> Option<i128> {
        let slot = slot as usize;
        match self.counts[slot] {
            0 => None,
            count if self.average => {
                let scale = u32::try_from(decimal_scale(&self.output) - self.scale).unwrap_or(0);
                Some(self.sums[slot].checked_mul(10i128.checked_pow(scale)?)? / i128::from(count))
            }
            _ => Some(self.sums[slot]),
        }
    }
}

impl Accumulator for IntegerSum {
    fn resize(&mut self, slots: usize) {
        self.sums.resize(slots, 0);
        self.counts.resize(slots, 0);
    }

    fn add(
        &mut self,
        values: Option<&ArrayRef>,
        keep: Option<&BooleanArray>,
        slots: &[u32],
    ) -> Result<(), QueryError> {
        let values = argument(values)?;
        let (sums, counts) = (&mut self.sums, &mut self.counts);
        let mut overflowed = false;
        let mut add = |slot: usize, value: i128| match sums[slot].checked_add(value) {
            Some(sum) => {
                sums[slot] = sum;
                counts[slot] += 1;
            }
            None => overflowed = true,
        };
        match values.data_type() {
            DataType::Int64 => {
                let values = values.as_primitive::<Int64Type>();
                rows(Some(values), keep, slots, |row, slot| add(slot, i128::from(values.value(row))));
            }
            DataType::Decimal128(..) => {
                let values = values.as_primitive::<Decimal128Type>();
                rows(Some(values), keep, slots, |row, slot| add(slot, values.value(row)));
            }
            _ => {
                let wide =
                    cast(values, &DataType::Decimal128(38, 0)).map_err(QueryError::compute(COMPUTE))?;
                let wide = wide.as_primitive::<Decimal128Type>();
                rows(Some(wide), keep, slots, |row, slot| add(slot, wide.value(row)));
            }
        }
        if overflowed { Err(self.overflow()) } else { Ok(()) }
    }

    fn results(&self, slots: &[u32]) -> Result<ArrayRef, QueryError> {
        if let (DataType::Float64, true) = (&self.output, self.average) {
            let averages = slots.iter().map(|slot| {
                let (sum, count) = (self.sums[*slot as usize], self.counts[*slot as usize]);
                (count > 0).then(|| sum as f64 / count as f64)
            });
            return Ok(Arc::new(Float64Array::from_iter(averages)));
        }
        let mut sums = Vec::with_capacity(slots.len());
        for slot in slots {
            let result = self.result(*slot);
            if result.is_none() && self.counts[*slot as usize] > 0 {
                return Err(self.overflow());
            }
            sums.push(result);
        }
        let narrow = |sum: &Option<i128>| -> Result<Option<i64>, QueryError> {
            sum.map(i64::try_from).transpose().map_err(|_| self.overflow())
        };
        match &self.output {
            DataType::Decimal128(precision, scale) => {
                let array = Decimal128Array::from(sums)
                    .with_precision_and_scale(*precision, *scale)
                    .map_err(QueryError::compute(COMPUTE))?;
                array.validate_decimal_precision(*precision).map_err(|_| self.overflow())?;
                Ok(Arc::new(array))
            }
            DataType::UInt64 => {
                let sums = sums.iter().map(|sum| sum.map(u64::try_from).transpose());
                let sums = sums.collect::<Result<Vec<_>, _>>().map_err(|_| self.overflow())?;
                Ok(Arc::new(UInt64Array::from(sums)))
            }
            _ => Ok(Arc::new(Int64Array::from(sums.iter().map(narrow).collect::<Result<Vec<_>, _>>()?))),
        }
    }

    fn write(&self, slot: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.counts[slot as usize].to_le_bytes());
        out.extend_from_slice(&self.sums[slot as usize].to_le_bytes());
    }

    fn read(&mut self, slot: u32, from: &mut Reader<'_>) -> Result<(), QueryError> {
        self.counts[slot as usize] = from.integer()?;
        self.sums[slot as usize] = from.decimal()?;
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.counts[slot as usize] = 0;
        self.sums[slot as usize] = 0;
    }
}

/// Declares the accumulator of `min` and `max` for one kind of value.
macro_rules! extreme {
    ($name:ident, $value:ty, $compare:expr, $write:expr, $read:expr) => {
        impl $name {
            #[inline]
            fn offer(best: &mut Option<$value>, value: $value, largest: bool) {
                let compare: fn(&$value, &$value) -> std::cmp::Ordering = $compare;
                let better = best.as_ref().is_none_or(|best| match compare(&value, best) {
                    std::cmp::Ordering::Less => !largest,
                    std::cmp::Ordering::Greater => largest,
                    std::cmp::Ordering::Equal => false,
                });
                if better {
                    *best = Some(value);
                }
            }
        }

        impl Accumulator for $name {
            fn resize(&mut self, slots: usize) {
                self.best.resize(slots, None);
            }

            fn add(
                &mut self,
                values: Option<&ArrayRef>,
                keep: Option<&BooleanArray>,
                slots: &[u32],
            ) -> Result<(), QueryError> {
                self.add_values(argument(values)?, keep, slots)
            }

            fn results(&self, slots: &[u32]) -> Result<ArrayRef, QueryError> {
                self.array(slots.iter().map(|slot| self.best[*slot as usize].clone()))
            }

            fn write(&self, slot: u32, out: &mut Vec<u8>) {
                let write: fn(&$value, &mut Vec<u8>) = $write;
                match &self.best[slot as usize] {
                    None => out.push(0),
                    Some(value) => {
                        out.push(1);
                        write(value, out);
                    }
                }
            }

            fn read(&mut self, slot: u32, from: &mut Reader<'_>) -> Result<(), QueryError> {
                let read: fn(&mut Reader<'_>) -> Result<$value, crate::state::encoding::DecodeError> = $read;
                self.best[slot as usize] = if from.byte()? == 0 { None } else { Some(read(from)?) };
                Ok(())
            }

            fn clear(&mut self, slot: u32) {
                self.best[slot as usize] = None;
            }
        }
    };
}

/// Of integers, dates, timestamps and booleans.
struct IntegerExtreme {
    best: Vec<Option<i64>>,
    largest: bool,
    output: DataType,
}

impl IntegerExtreme {
    fn add_values(
        &mut self,
        values: &ArrayRef,
        keep: Option<&BooleanArray>,
        slots: &[u32],
    ) -> Result<(), QueryError> {
        let wide = widened(values).map_err(QueryError::compute(COMPUTE))?;
        let wide = wide.as_primitive::<Int64Type>();
        rows(Some(wide), keep, slots, |row, slot| {
            Self::offer(&mut self.best[slot], wide.value(row), self.largest)
        });
        Ok(())
    }

    fn array(&self, values: impl Iterator<Item = Option<i64>>) -> Result<ArrayRef, QueryError> {
        let wide: ArrayRef = Arc::new(Int64Array::from_iter(values));
        narrowed(&wide, &self.output).map_err(QueryError::compute(COMPUTE))
    }
}

extreme!(IntegerExtreme, i64, i64::cmp, |value, out| out.extend_from_slice(&value.to_le_bytes()), |from| {
    from.integer()
});

struct FloatExtreme {
    best: Vec<Option<f64>>,
    largest: bool,
    output: DataType,
}

impl FloatExtreme {
    fn add_values(
        &mut self,
        values: &ArrayRef,
        keep: Option<&BooleanArray>,
        slots: &[u32],
    ) -> Result<(), QueryError> {
        let wide = cast(values, &DataType::Float64).map_err(QueryError::compute(COMPUTE))?;
        let wide = wide.as_primitive::<Float64Type>();
        rows(Some(wide), keep, slots, |row, slot| {
            Self::offer(&mut self.best[slot], wide.value(row), self.largest)
        });
        Ok(())
    }

    fn array(&self, values: impl Iterator<Item = Option<f64>>) -> Result<ArrayRef, QueryError> {
        let wide: ArrayRef = Arc::new(Float64Array::from_iter(values));
        cast(&wide, &self.output).map_err(QueryError::compute(COMPUTE))
    }
}

extreme!(
    FloatExtreme,
    f64,
    f64::total_cmp,
    |value, out| out.extend_from_slice(&value.to_bits().to_le_bytes()),
    |from| from.float()
);

struct DecimalExtreme {
    best: Vec<Option<i128>>,
    largest: bool,
    output: DataType,
}

impl DecimalExtreme {
    fn add_values(
        &mut self,
        values: &ArrayRef,
        keep: Option<&BooleanArray>,
        slots: &[u32],
    ) -> Result<(), QueryError> {
        let wide = match values.data_type() {
            DataType::UInt64 => {
                cast(values, &DataType::Decimal128(20, 0)).map_err(QueryError::compute(COMPUTE))?
            }
            _ => values.clone(),
        };
        let wide = wide.as_primitive::<Decimal128Type>();
        rows(Some(wide), keep, slots, |row, slot| {
            Self::offer(&mut self.best[slot], wide.value(row), self.largest)
        });
        Ok(())
    }

    fn array(&self, values: impl Iterator<Item = Option<i128>>) -> Result<ArrayRef, QueryError> {
        let wide = Decimal128Array::from_iter(values);
        match &self.output {
            DataType::Decimal128(precision, scale) => Ok(Arc::new(
                wide.with_precision_and_scale(*precision, *scale).map_err(QueryError::compute(COMPUTE))?,
            )),
            other => {
                let wide = wide.with_precision_and_scale(20, 0).map_err(QueryError::compute(COMPUTE))?;
                cast(&wide, other).map_err(QueryError::compute(COMPUTE))
            }
        }
    }
}

extreme!(DecimalExtreme, i128, i128::cmp, |value, out| out.extend_from_slice(&value.to_le_bytes()), |from| {
    from.decimal()
});

struct TextExtreme {
    best: Vec<Option<String>>,
    largest: bool,
    output: DataType,
}

impl TextExtreme {
    fn add_values(
        &mut self,
        values: &ArrayRef,
        keep: Option<&BooleanArray>,
        slots: &[u32],
    ) -> Result<(), QueryError> {
        let texts = cast(values, &DataType::Utf8).map_err(QueryError::compute(COMPUTE))?;
        let texts = texts.as_string::<i32>();
        rows(Some(texts), keep, slots, |row, slot| {
            Self::offer(&mut self.best[slot], texts.value(row).to_owned(), self.largest);
        });
        Ok(())
    }

    fn array(&self, values: impl Iterator<Item = Option<String>>) -> Result<ArrayRef, QueryError> {
        cast(&StringArray::from_iter(values), &self.output).map_err(QueryError::compute(COMPUTE))
    }
}

extreme!(TextExtreme, String, String::cmp, |value, out| write_bytes(value.as_bytes(), out), |from| from
    .text());
