//! The values of Arrow columns behind the forms that are written: what `key` and `row` have in common.
//!
//! Arrow has several types for one kind of value (integers of five widths, three layouts of text); a form is what is
//! written for all of them. The type itself is not written: it comes from the query's plan.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, BooleanBufferBuilder,
    Decimal128Array, Float32Array, Float64Array, Int64Array, LargeBinaryArray, LargeStringArray,
    NullBufferBuilder, StringArray, StringViewArray, UInt64Array, new_null_array,
};
use datafusion::arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;

use super::encoding::{DecodeError, narrowed, widened};

/// What is written for a type without parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Nothing but NULL.
    Null,
    Boolean,
    /// Signed and small unsigned integers, dates, times of day, timestamps, durations: 64 bits.
    Integer,
    /// Unsigned integers of 64 bits.
    Unsigned,
    Single,
    Double,
    Decimal,
    /// Text, whatever its layout.
    Text,
    Bytes,
}

impl Form {
    /// `None` for types with parts and for those that nothing here can write.
    pub fn of(data_type: &DataType) -> Option<Form> {
        Some(match data_type {
            DataType::Null => Form::Null,
            DataType::Boolean => Form::Boolean,
            DataType::UInt64 => Form::Unsigned,
            data_type if data_type.is_integer() => Form::Integer,
            DataType::Date32 | DataType::Date64 | DataType::Time32(_) | DataType::Time64(_) => Form::Integer,
            DataType::Timestamp(..) | DataType::Duration(_) => Form::Integer,
            DataType::Float32 => Form::Single,
            DataType::Float64 => Form::Double,
            DataType::Decimal128(..) => Form::Decimal,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Form::Text,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Form::Bytes,
            _ => return None,
        })
    }
}

pub(crate) fn unsupported(data_type: &DataType) -> DecodeError {
    DecodeError::Type(data_type.to_string())
}

/// A column to be written.
pub(crate) struct Column {
    pub nulls: Option<NullBuffer>,
    pub values: Values,
}

pub(crate) enum Values {
    Null,
    Boolean(BooleanArray),
    Integer(Int64Array),
    Unsigned(UInt64Array),
    Single(Float32Array),
    Double(Float64Array),
    Decimal(Decimal128Array),
    Bytes(ByteValues),
}

/// Text or bytes in any of Arrow's layouts.
pub(crate) enum ByteValues {
    Text(StringArray),
    LargeText(LargeStringArray),
    TextView(StringViewArray),
    Bytes(BinaryArray),
    LargeBytes(LargeBinaryArray),
    BytesView(BinaryViewArray),
}

impl ByteValues {
    #[inline]
    pub fn value(&self, row: usize) -> &[u8] {
        match self {
            ByteValues::Text(array) => array.value(row).as_bytes(),
            ByteValues::LargeText(array) => array.value(row).as_bytes(),
            ByteValues::TextView(array) => array.value(row).as_bytes(),
            ByteValues::Bytes(array) => array.value(row),
            ByteValues::LargeBytes(array) => array.value(row),
            ByteValues::BytesView(array) => array.value(row),
        }
    }
}

impl Column {
    pub fn new(array: &ArrayRef) -> Result<Column, DecodeError> {
        let data_type = array.data_type();
        let wrong = |_| unsupported(data_type);
        let form = Form::of(data_type).ok_or_else(|| unsupported(data_type))?;
        let values = match form {
            Form::Null => Values::Null,
            Form::Boolean => Values::Boolean(array.as_boolean().clone()),
            Form::Integer => Values::Integer(widened(array).map_err(wrong)?.as_primitive().clone()),
            Form::Unsigned => Values::Unsigned(array.as_primitive().clone()),
            Form::Single => Values::Single(array.as_primitive().clone()),
            Form::Double => Values::Double(array.as_primitive().clone()),
            Form::Decimal => Values::Decimal(array.as_primitive().clone()),
            Form::Text | Form::Bytes => Values::Bytes(match data_type {
                DataType::LargeUtf8 => ByteValues::LargeText(array.as_string().clone()),
                DataType::Utf8View => ByteValues::TextView(array.as_string_view().clone()),
                DataType::Binary => ByteValues::Bytes(array.as_binary().clone()),
                DataType::LargeBinary => ByteValues::LargeBytes(array.as_binary().clone()),
                DataType::BinaryView => ByteValues::BytesView(array.as_binary_view().clone()),
                _ => ByteValues::Text(array.as_string().clone()),
            }),
        };
        Ok(Column { nulls: array.logical_nulls(), values })
    }

    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }
}

/// A column that is being read back.
pub(crate) struct ColumnBuilder {
    data_type: DataType,
    nulls: NullBufferBuilder,
    pub data: Data,
}

pub(crate) enum Data {
    Null,
    Boolean(BooleanBufferBuilder),
    Integer(Vec<i64>),
    Unsigned(Vec<u64>),
    Single(Vec<f32>),
    Double(Vec<f64>),
    Decimal(Vec<i128>),
    Bytes { bytes: Vec<u8>, ends: Vec<usize> },
}

impl ColumnBuilder {
    pub fn new(data_type: &DataType) -> Result<ColumnBuilder, DecodeError> {
        let data = match Form::of(data_type).ok_or_else(|| unsupported(data_type))? {
            Form::Null => Data::Null,
            Form::Boolean => Data::Boolean(BooleanBufferBuilder::new(0)),
            Form::Integer => Data::Integer(Vec::new()),
            Form::Unsigned => Data::Unsigned(Vec::new()),
            Form::Single => Data::Single(Vec::new()),
            Form::Double => Data::Double(Vec::new()),
            Form::Decimal => Data::Decimal(Vec::new()),
            Form::Text | Form::Bytes => Data::Bytes { bytes: Vec::new(), ends: Vec::new() },
        };
        Ok(ColumnBuilder { data_type: data_type.clone(), nulls: NullBufferBuilder::new(0), data })
    }

    /// The next row is NULL.
    pub fn push_null(&mut self) {
        self.nulls.append_null();
        match &mut self.data {
            Data::Null => {}
            Data::Boolean(values) => values.append(false),
            Data::Integer(values) => values.push(0),
            Data::Unsigned(values) => values.push(0),
            Data::Single(values) => values.push(0.0),
            Data::Double(values) => values.push(0.0),
            Data::Decimal(values) => values.push(0),
            Data::Bytes { bytes, ends } => ends.push(bytes.len()),
        }
    }

    /// The next row has the value that was just added to `data`.
    #[inline]
    pub fn note_value(&mut self) {
        self.nulls.append_non_null();
    }

    pub fn finish(mut self) -> Result<ArrayRef, DecodeError> {
        let rows = self.nulls.len();
        let nulls = self.nulls.finish();
        let data_type = &self.data_type;
        let wrong = |_| unsupported(data_type);
        let array: ArrayRef = match self.data {
            Data::Null => return Ok(new_null_array(&DataType::Null, rows)),
            Data::Boolean(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Data::Integer(values) => {
                let wide: ArrayRef = Arc::new(Int64Array::new(values.into(), nulls));
                narrowed(&wide, data_type).map_err(wrong)?
            }
            Data::Unsigned(values) => Arc::new(UInt64Array::new(values.into(), nulls)),
            Data::Single(values) => Arc::new(Float32Array::new(values.into(), nulls)),
            Data::Double(values) => Arc::new(Float64Array::new(values.into(), nulls)),
            Data::Decimal(values) => {
                let array = Decimal128Array::new(ScalarBuffer::from(values), nulls);
                Arc::new(array.with_data_type(data_type.clone()))
            }
            Data::Bytes { bytes, ends } => return byte_array(data_type, bytes, &ends, nulls),
        };
        Ok(array)
    }
}

fn byte_array(
    data_type: &DataType,
    bytes: Vec<u8>,
    ends: &[usize],
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, DecodeError> {
    let offset = |end: &usize| i64::try_from(*end).unwrap_or(i64::MAX);
    let offsets: Vec<i64> = std::iter::once(0).chain(ends.iter().map(offset)).collect();
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let values = Buffer::from_vec(bytes);
    let array: ArrayRef = match Form::of(data_type) {
        Some(Form::Text) => {
            Arc::new(LargeStringArray::try_new(offsets, values, nulls).map_err(|_| DecodeError::Text)?)
        }
        _ => Arc::new(LargeBinaryArray::try_new(offsets, values, nulls).map_err(|_| unsupported(data_type))?),
    };
    cast(&array, data_type).map_err(|_| unsupported(data_type))
}

/// Rows written one behind the other: one buffer, and where each row ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub bytes: Vec<u8>,
    pub ends: Vec<usize>,
}

impl Encoded {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Empty if there is no such row.
    #[inline]
    pub fn get(&self, row: usize) -> &[u8] {
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(row).copied().unwrap_or(start);
        self.bytes.get(start..end).unwrap_or_default()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|row| self.get(row))
    }
}
