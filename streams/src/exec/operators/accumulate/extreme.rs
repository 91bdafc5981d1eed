//! `min` and `max`.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};

use super::{Accumulator, COMPUTE, argument, rows};
use crate::exec::QueryError;
use crate::state::encoding::{Reader, narrowed, widened, write_bytes};

/// Declares the accumulator of `min` and `max` for one kind of value.
macro_rules! extreme {
    ($name:ident, $value:ty, $compare:expr, $write:expr, $read:expr) => {
        impl $name {
            pub fn new(largest: bool, output: DataType) -> $name {
                $name { best: Vec::new(), largest, output }
            }

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

            fn merge(&mut self, from: u32, into: u32) -> Result<(), QueryError> {
                if let Some(value) = self.best[from as usize].take() {
                    Self::offer(&mut self.best[into as usize], value, self.largest);
                }
                Ok(())
            }
        }
    };
}

/// Of integers, dates, timestamps and booleans.
pub(super) struct IntegerExtreme {
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

pub(super) struct FloatExtreme {
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

pub(super) struct DecimalExtreme {
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

pub(super) struct TextExtreme {
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
