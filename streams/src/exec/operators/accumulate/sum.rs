//! `sum` and `avg`.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, UInt64Array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};

use super::{Accumulator, COMPUTE, argument, rows};
use crate::exec::QueryError;
use crate::exec::operators::exact_sum::ExactSum;
use crate::state::encoding::Reader;

/// `sum` and `avg` of doubles.
pub(super) struct FloatSum {
    sums: Vec<ExactSum>,
    counts: Vec<i64>,
    average: bool,
}

impl FloatSum {
    pub fn new(average: bool) -> FloatSum {
        FloatSum { sums: Vec::new(), counts: Vec::new(), average }
    }
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

    fn retract(
        &mut self,
        values: Option<&ArrayRef>,
        keep: Option<&BooleanArray>,
        slots: &[u32],
    ) -> Result<(), QueryError> {
        let values = argument(values)?.as_primitive::<Float64Type>();
        let (sums, counts) = (&mut self.sums, &mut self.counts);
        rows(Some(values), keep, slots, |row, slot| {
            sums[slot].subtract(values.value(row));
            counts[slot] -= 1;
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
        write_sum(&self.sums[slot], out);
    }

    fn read(&mut self, slot: u32, from: &mut Reader<'_>) -> Result<(), QueryError> {
        self.counts[slot as usize] = from.integer()?;
        self.sums[slot as usize] = read_sum(from)?;
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.sums[slot as usize] = ExactSum::default();
        self.counts[slot as usize] = 0;
    }

    fn merge(&mut self, from: u32, into: u32) -> Result<(), QueryError> {
        let sum = std::mem::take(&mut self.sums[from as usize]);
        self.sums[into as usize].merge(&sum);
        self.counts[into as usize] += std::mem::take(&mut self.counts[from as usize]);
        Ok(())
    }
}

pub(super) fn write_sum(sum: &ExactSum, out: &mut Vec<u8>) {
    let (partials, specials) = sum.parts();
    out.push(u8::from(specials.is_some()));
    specials.iter().flatten().for_each(|count| out.extend_from_slice(&count.to_le_bytes()));
    out.extend_from_slice(&(partials.len() as i64).to_le_bytes());
    partials.iter().for_each(|partial| out.extend_from_slice(&partial.to_bits().to_le_bytes()));
}

pub(super) fn read_sum(from: &mut Reader<'_>) -> Result<ExactSum, QueryError> {
    let specials = match from.byte()? {
        0 => None,
        _ => Some([from.integer()?, from.integer()?, from.integer()?]),
    };
    let mut partials = Vec::new();
    for _ in 0..from.integer()? {
        partials.push(from.float()?);
    }
    Ok(ExactSum::from_parts(partials, specials))
}

/// `sum` and `avg` of integers and decimals, in 128 bits.
pub(super) struct IntegerSum {
    sums: Vec<i128>,
    counts: Vec<i64>,
    average: bool,
    scale: i8,
    output: DataType,
    text: String,
}

impl IntegerSum {
    pub fn new(average: bool, argument: &DataType, output: DataType, text: String) -> IntegerSum {
        let scale = decimal_scale(argument);
        IntegerSum { sums: Vec::new(), counts: Vec::new(), average, scale, output, text }
    }

    fn overflow(&self) -> QueryError {
        QueryError::Overflow { aggregate: self.text.clone() }
    }

    fn change(
        &mut self,
        values: Option<&ArrayRef>,
        keep: Option<&BooleanArray>,
        slots: &[u32],
        step: i8,
    ) -> Result<(), QueryError> {
        let values = argument(values)?;
        let (sums, counts) = (&mut self.sums, &mut self.counts);
        let mut overflowed = false;
        let mut add = |slot: usize, value: i128| match if step > 0 {
            sums[slot].checked_add(value)
        } else {
            sums[slot].checked_sub(value)
        } {
            Some(sum) => {
                sums[slot] = sum;
                counts[slot] += i64::from(step);
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

    fn merge(&mut self, from: u32, into: u32) -> Result<(), QueryError> {
        let sum = std::mem::take(&mut self.sums[from as usize]);
        let whole = self.sums[into as usize].checked_add(sum);
        self.sums[into as usize] = whole.ok_or_else(|| self.overflow())?;
        self.counts[into as usize] += std::mem::take(&mut self.counts[from as usize]);
        Ok(())
    }
}

fn decimal_scale(data_type: &DataType) -> i8 {
    match data_type {
        DataType::Decimal128(_, scale) => *scale,
        _ => 0,
    }
}
