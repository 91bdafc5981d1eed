//! How keys and values of state are written: our own, versioned form, independent of any library's memory layout.
//!
//! A key is a version byte and its columns; a value is a version byte and whatever its accumulators write. A column is
//! one byte (0 for NULL, 1 for a value) and, for a value: integers, dates and timestamps as 8 bytes, doubles as the 8
//! bytes of their bits, decimals as 16 bytes (all little-endian), booleans as one byte, text and bytes as a 4-byte length
//! and their bytes. The column's type is not written: it comes from the query's plan.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, Float32Array, Float64Array,
    Int64Array, StringArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};

/// The form that is written today.
pub(crate) const VERSION: u8 = 1;

/// State that was not written by this form, or is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("state of version {0} cannot be read: this program writes version {VERSION}")]
    Version(u8),
    #[error("state ends {missing} bytes early")]
    Short { missing: usize },
    #[error("state has {left} bytes too many")]
    Long { left: usize },
    #[error("state holds a text that is not UTF-8")]
    Text,
    #[error("state cannot hold a column of type {0}")]
    Type(String),
    #[error("state holds the byte {0} where only a marker can stand")]
    Marker(u8),
    #[error("state holds a number that is too large for its type")]
    Number,
    #[error("state holds rows of {written} columns, and the query has {known}")]
    Columns { written: usize, known: usize },
    #[error("state cannot be made a batch: {0}")]
    Batch(String),
}

/// Whether key columns of this type can be written.
pub(crate) fn is_supported(data_type: &DataType) -> bool {
    stored(data_type).is_some()
}

/// What is actually written for a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    Integer,
    Float,
    Decimal,
    Boolean,
    Text,
    Bytes,
}

fn stored(data_type: &DataType) -> Option<Stored> {
    Some(match data_type {
        DataType::UInt64 => Stored::Decimal,
        data_type if data_type.is_integer() => Stored::Integer,
        DataType::Date32 | DataType::Timestamp(..) => Stored::Integer,
        DataType::Float32 | DataType::Float64 => Stored::Float,
        DataType::Decimal128(..) => Stored::Decimal,
        DataType::Boolean => Stored::Boolean,
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => Stored::Text,
        DataType::Binary => Stored::Bytes,
        _ => return None,
    })
}

/// A column brought into the form that is written.
pub(crate) struct StoredColumn {
    form: Stored,
    array: ArrayRef,
}

impl StoredColumn {
    pub fn new(array: &ArrayRef) -> Result<StoredColumn, DecodeError> {
        let unsupported = || DecodeError::Type(array.data_type().to_string());
        let form = stored(array.data_type()).ok_or_else(unsupported)?;
        let array = match form {
            Stored::Integer => widened(array).map_err(|_| unsupported())?,
            Stored::Float => cast(array, &DataType::Float64).map_err(|_| unsupported())?,
            Stored::Text => cast(array, &DataType::Utf8).map_err(|_| unsupported())?,
            Stored::Decimal if *array.data_type() == DataType::UInt64 => {
                cast(array, &DataType::Decimal128(20, 0)).map_err(|_| unsupported())?
            }
            _ => array.clone(),
        };
        Ok(StoredColumn { form, array })
    }

    pub fn write(&self, row: usize, out: &mut Vec<u8>) {
        if self.array.is_null(row) {
            out.push(0);
            return;
        }
        out.push(1);
        match self.form {
            Stored::Integer => {
                out.extend_from_slice(&self.array.as_primitive::<Int64Type>().value(row).to_le_bytes());
            }
            Stored::Float => {
                let bits = self.array.as_primitive::<Float64Type>().value(row).to_bits();
                out.extend_from_slice(&bits.to_le_bytes());
            }
            Stored::Decimal => {
                out.extend_from_slice(&self.array.as_primitive::<Decimal128Type>().value(row).to_le_bytes());
            }
            Stored::Boolean => out.push(u8::from(self.array.as_boolean().value(row))),
            Stored::Text => write_bytes(self.array.as_string::<i32>().value(row).as_bytes(), out),
            Stored::Bytes => write_bytes(self.array.as_binary::<i32>().value(row), out),
        }
    }
}

/// Any integer, date or timestamp as 64-bit integers.
pub(crate) fn widened(array: &ArrayRef) -> Result<ArrayRef, datafusion::arrow::error::ArrowError> {
    match array.data_type() {
        DataType::Date32 => cast(&cast(array, &DataType::Int32)?, &DataType::Int64),
        _ => cast(array, &DataType::Int64),
    }
}

/// The reverse of [`widened`].
pub(crate) fn narrowed(
    array: &ArrayRef,
    data_type: &DataType,
) -> Result<ArrayRef, datafusion::arrow::error::ArrowError> {
    match data_type {
        DataType::Date32 => cast(&cast(array, &DataType::Int32)?, data_type),
        _ => cast(array, data_type),
    }
}

/// Collects the values of one column as they are read back.
pub(crate) struct ColumnReader {
    data_type: DataType,
    values: Values,
}

enum Values {
    Integer(Vec<Option<i64>>),
    Float(Vec<Option<f64>>),
    Decimal(Vec<Option<i128>>),
    Boolean(Vec<Option<bool>>),
    Text(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl ColumnReader {
    pub fn new(data_type: &DataType) -> Result<ColumnReader, DecodeError> {
        let values = match stored(data_type).ok_or_else(|| DecodeError::Type(data_type.to_string()))? {
            Stored::Integer => Values::Integer(Vec::new()),
            Stored::Float => Values::Float(Vec::new()),
            Stored::Decimal => Values::Decimal(Vec::new()),
            Stored::Boolean => Values::Boolean(Vec::new()),
            Stored::Text => Values::Text(Vec::new()),
            Stored::Bytes => Values::Bytes(Vec::new()),
        };
        Ok(ColumnReader { data_type: data_type.clone(), values })
    }

    pub fn read(&mut self, from: &mut Reader<'_>) -> Result<(), DecodeError> {
        let present = from.byte()? != 0;
        match &mut self.values {
            Values::Integer(values) => values.push(present.then(|| from.integer()).transpose()?),
            Values::Float(values) => values.push(present.then(|| from.float()).transpose()?),
            Values::Decimal(values) => values.push(present.then(|| from.decimal()).transpose()?),
            Values::Boolean(values) => {
                values.push(present.then(|| from.byte()).transpose()?.map(|byte| byte != 0));
            }
            Values::Text(values) => values.push(present.then(|| from.text()).transpose()?),
            Values::Bytes(values) => {
                values.push(present.then(|| from.bytes()).transpose()?.map(<[u8]>::to_vec));
            }
        }
        Ok(())
    }

    pub fn finish(self) -> Result<ArrayRef, DecodeError> {
        let unsupported = || DecodeError::Type(self.data_type.to_string());
        Ok(match self.values {
            Values::Integer(values) => {
                let wide: ArrayRef = Arc::new(Int64Array::from(values));
                narrowed(&wide, &self.data_type).map_err(|_| unsupported())?
            }
            Values::Float(values) if self.data_type == DataType::Float32 => Arc::new(
                Float32Array::from_iter(values.into_iter().map(|value| value.map(|value| value as f32))),
            ),
            Values::Float(values) => Arc::new(Float64Array::from(values)),
            Values::Decimal(values) => {
                let array = Decimal128Array::from(values);
                match &self.data_type {
                    DataType::Decimal128(precision, scale) => Arc::new(
                        array.with_precision_and_scale(*precision, *scale).map_err(|_| unsupported())?,
                    ),
                    other => {
                        let array = array.with_precision_and_scale(20, 0).map_err(|_| unsupported())?;
                        cast(&array, other).map_err(|_| unsupported())?
                    }
                }
            }
            Values::Boolean(values) => Arc::new(BooleanArray::from(values)),
            Values::Text(values) => {
                cast(&StringArray::from(values), &self.data_type).map_err(|_| unsupported())?
            }
            Values::Bytes(values) => Arc::new(BinaryArray::from_iter(values)),
        })
    }
}

pub(crate) fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    // A record's value is below 2 GiB, so the length always fits.
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Reads what was written, never past its end.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts behind the version byte.
    pub fn new(bytes: &'a [u8]) -> Result<Reader<'a>, DecodeError> {
        let mut reader = Reader { rest: bytes };
        match reader.byte()? {
            VERSION => Ok(reader),
            other => Err(DecodeError::Version(other)),
        }
    }

    /// Of bytes that have no version of their own.
    pub fn behind_version(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Long { left: self.rest.len() }) }
    }

    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        self.fixed::<1>().map(|[byte]| byte)
    }

    pub fn integer(&mut self) -> Result<i64, DecodeError> {
        self.fixed().map(i64::from_le_bytes)
    }

    pub fn float(&mut self) -> Result<f64, DecodeError> {
        self.fixed().map(|bytes| f64::from_bits(u64::from_le_bytes(bytes)))
    }

    pub fn decimal(&mut self) -> Result<i128, DecodeError> {
        self.fixed().map(i128::from_le_bytes)
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.fixed().map(u32::from_le_bytes)? as usize;
        self.take(length)
    }

    pub fn text(&mut self) -> Result<String, DecodeError> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| DecodeError::Text)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut fixed = [0; N];
        fixed.copy_from_slice(self.take(N)?);
        Ok(fixed)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let missing = length.saturating_sub(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Short { missing })?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Date32Array, StringViewArray, TimestampMicrosecondArray, UInt64Array};

    #[test]
    fn every_type_is_read_back_as_it_was_written() {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![Some(i64::MIN), None])),
            Arc::new(UInt64Array::from(vec![Some(u64::MAX), None])),
            Arc::new(Date32Array::from(vec![Some(17_000), None])),
            Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None])),
            Arc::new(Float64Array::from(vec![Some(-0.0), None])),
            Arc::new(Float32Array::from(vec![Some(1.5), None])),
            Arc::new(BooleanArray::from(vec![Some(true), None])),
            Arc::new(StringArray::from(vec![Some("nö"), None])),
            Arc::new(StringViewArray::from(vec![Some("a text that does not fit into a view"), None])),
            Arc::new(BinaryArray::from_iter([Some(b"\0\xff"), None])),
            Arc::new(
                Decimal128Array::from(vec![Some(-12345), None]).with_precision_and_scale(10, 2).unwrap(),
            ),
        ];
        for column in columns {
            let form = StoredColumn::new(&column).unwrap();
            let mut reader = ColumnReader::new(column.data_type()).unwrap();
            for row in 0..2 {
                let mut bytes = vec![VERSION];
                form.write(row, &mut bytes);
                let mut from = Reader::new(&bytes).unwrap();
                reader.read(&mut from).unwrap();
                from.end().unwrap();
            }
            assert_eq!(&reader.finish().unwrap(), &column);
        }
    }

    /// What version 1 wrote must be readable as long as there is one.
    #[test]
    fn version_one_is_these_bytes() {
        let columns: [(ArrayRef, &[u8]); 5] = [
            (Arc::new(Int64Array::from(vec![Some(-2)])), &[1, 254, 255, 255, 255, 255, 255, 255, 255]),
            (Arc::new(Int64Array::from(vec![None])), &[0]),
            (Arc::new(Float64Array::from(vec![1.0])), &[1, 0, 0, 0, 0, 0, 0, 240, 63]),
            (Arc::new(BooleanArray::from(vec![true])), &[1, 1]),
            (Arc::new(StringArray::from(vec!["ak"])), &[1, 2, 0, 0, 0, b'a', b'k']),
        ];
        for (column, expected) in columns {
            let mut bytes = Vec::new();
            StoredColumn::new(&column).unwrap().write(0, &mut bytes);
            assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn damage_is_told_apart() {
        assert_eq!(Reader::new(&[]).err(), Some(DecodeError::Short { missing: 1 }));
        assert_eq!(Reader::new(&[9]).err(), Some(DecodeError::Version(9)));
        let mut reader = Reader::new(&[VERSION, 255, 255, 255, 255]).unwrap();
        assert_eq!(reader.bytes(), Err(DecodeError::Short { missing: u32::MAX as usize }));
        assert_eq!(Reader::new(&[VERSION, 1]).unwrap().end(), Err(DecodeError::Long { left: 1 }));
    }
}
