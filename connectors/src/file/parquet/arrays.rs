//! What a column has gathered as an array of Arrow's.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Decimal256Array, Float32Array, Float64Array, GenericByteArray,
    Int64Array, ListArray, MapArray, NullArray, PrimitiveArray, StringArray, StructArray, UInt64Array,
    new_null_array,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{BinaryType, DataType, Date32Type, Field, Utf8Type, i256};
use arrow::error::ArrowError;

use super::column::{Cells, Column};
use super::columns::Group;
use super::kind::map_of;

impl Column {
    /// Takes the values out as an array of the column's type.
    pub fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        let length = self.is_there.len();
        let Some(data_type) = self.data_type() else {
            self.is_there.clear();
            return Ok(Arc::new(NullArray::new(length)));
        };
        self.is_settled = true;
        let nulls = Some(NullBuffer::from(std::mem::take(&mut self.is_there))).filter(|n| n.null_count() > 0);
        let array: ArrayRef = match &mut self.cells {
            Cells::Unknown => new_null_array(&data_type, length),
            Cells::Boolean(values) => Arc::new(BooleanArray::new(std::mem::take(values).into(), nulls)),
            Cells::Signed(values) => return take_signed(values, nulls, &data_type),
            Cells::Unsigned(values) => {
                let wide: ArrayRef = Arc::new(UInt64Array::try_new(std::mem::take(values).into(), nulls)?);
                return cast(&wide, &data_type);
            }
            Cells::Float(values) => Arc::new(Float32Array::try_new(std::mem::take(values).into(), nulls)?),
            Cells::Double(values) => Arc::new(Float64Array::try_new(std::mem::take(values).into(), nulls)?),
            Cells::Decimal(values) => return take_decimals(values, nulls, &data_type),
            Cells::Bytes { bytes, ends } => {
                let offsets = offsets(ends);
                let bytes = Buffer::from(std::mem::take(bytes));
                match data_type {
                    DataType::Binary => {
                        Arc::new(GenericByteArray::<BinaryType>::try_new(offsets, bytes, nulls)?)
                    }
                    _ => Arc::new(GenericByteArray::<Utf8Type>::try_new(offsets, bytes, nulls)?),
                }
            }
            Cells::List { ends, item } => {
                let unknown = item.data_type().is_none();
                let mut values = item.take()?;
                if unknown {
                    values = new_null_array(&DataType::Utf8, values.len());
                }
                let field = Field::new("element", values.data_type().clone(), true);
                Arc::new(ListArray::try_new(Arc::new(field), offsets(ends), values, nulls)?)
            }
            Cells::Map { ends, keys, values } => {
                let (keys, values) = (keys.take()?, values.take()?);
                let value = Field::new("value", values.data_type().clone(), true);
                let DataType::Map(entries, _) = map_of(value) else {
                    return Err(ArrowError::SchemaError("a map without entries".to_owned()));
                };
                let DataType::Struct(fields) = entries.data_type() else {
                    return Err(ArrowError::SchemaError("a map without pairs".to_owned()));
                };
                let pairs = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
                Arc::new(MapArray::try_new(entries, offsets(ends), pairs, nulls, false)?)
            }
            Cells::Group(group) => take_group(group, nulls, length)?,
        };
        Ok(array)
    }
}

fn take_signed(
    values: &mut Vec<i64>,
    nulls: Option<NullBuffer>,
    data_type: &DataType,
) -> Result<ArrayRef, ArrowError> {
    let values = std::mem::take(values);
    if *data_type == DataType::Date32 {
        let days: ScalarBuffer<i32> = values.iter().map(|days| *days as i32).collect::<Vec<_>>().into();
        return Ok(Arc::new(PrimitiveArray::<Date32Type>::try_new(days, nulls)?));
    }
    let wide: ArrayRef = Arc::new(Int64Array::try_new(values.into(), nulls)?);
    match data_type {
        // Milliseconds of a day fit 32 bits.
        DataType::Time32(_) => cast(&cast(&wide, &DataType::Int32)?, data_type),
        _ => cast(&wide, data_type),
    }
}

fn take_decimals(
    values: &mut Vec<i256>,
    nulls: Option<NullBuffer>,
    data_type: &DataType,
) -> Result<ArrayRef, ArrowError> {
    let values = std::mem::take(values);
    Ok(match data_type {
        DataType::Decimal128(precision, scale) => {
            let narrow: Vec<i128> = values.iter().map(|value| value.to_i128().unwrap_or(0)).collect();
            let array = Decimal128Array::try_new(narrow.into(), nulls)?;
            Arc::new(array.with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Decimal256(precision, scale) => {
            let array = Decimal256Array::try_new(values.into(), nulls)?;
            Arc::new(array.with_precision_and_scale(*precision, *scale)?)
        }
        other => return Err(ArrowError::SchemaError(format!("{other} is no decimal"))),
    })
}

fn take_group(group: &mut Group, nulls: Option<NullBuffer>, length: usize) -> Result<ArrayRef, ArrowError> {
    let fields = group.fields();
    let arrays = group.take_arrays()?;
    if fields.is_empty() {
        let there = |row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let texts = (0..length).map(|row| there(row).then_some("{}"));
        return Ok(Arc::new(StringArray::from_iter(texts)));
    }
    Ok(Arc::new(StructArray::try_new(fields, arrays, nulls)?))
}

/// Ends of rows as offsets, which begin with one more.
fn offsets(ends: &mut Vec<i32>) -> OffsetBuffer<i32> {
    let mut all = Vec::with_capacity(ends.len() + 1);
    all.push(0);
    all.append(ends);
    OffsetBuffer::new(all.into())
}
