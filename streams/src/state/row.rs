//! Rows of a batch as bytes, and back to a batch, in a form of our own.
//!
//! Version 1. A row is one byte for the version, the number of its columns, a bit for each of them (the lowest of the
//! first byte first, padded to whole bytes; set if the column is NULL), and the values of those that are not NULL:
//!
//! | | bytes |
//! |---|---|
//! | boolean | 0 or 1 |
//! | integers, dates, times, timestamps | zigzag, as a number |
//! | unsigned integers of 64 bits, lengths, numbers of columns | a number: 7 bits a byte, the lowest first, the top bit set on all but the last (LEB128) |
//! | real, double | 4 or 8, little-endian |
//! | decimal | zigzag, as a number of up to 128 bits |
//! | text, bytes | length, bytes |
//! | struct | its fields as a row, without version and number |
//! | array, map | length; a bit for each element as above; the elements that are not NULL. An entry of a map is a struct |
//!
//! Types are not written: they come from the query's plan. A row that was written when the plan had fewer columns has
//! NULL in those that came later.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, ListArray, MapArray, NullBufferBuilder, RecordBatch, RecordBatchOptions,
    StructArray,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, SchemaRef};

use super::column::{Column, ColumnBuilder, Data, Encoded, Form, Values, unsupported};
use super::encoding::DecodeError;

/// The form that is written today.
const VERSION: u8 = 1;

/// Whether columns of this type can be written.
pub(crate) fn is_supported(data_type: &DataType) -> bool {
    match data_type {
        DataType::Struct(fields) => fields.iter().all(|field| is_supported(field.data_type())),
        DataType::List(element) | DataType::Map(element, _) => is_supported(element.data_type()),
        other => Form::of(other).is_some(),
    }
}

/// Writes rows of one schema and reads them back.
#[derive(Debug, Clone)]
pub(crate) struct RowCodec {
    schema: SchemaRef,
}

impl RowCodec {
    pub fn new(schema: SchemaRef) -> Result<RowCodec, DecodeError> {
        match schema.fields().iter().find(|field| !is_supported(field.data_type())) {
            Some(field) => Err(unsupported(field.data_type())),
            None => Ok(RowCodec { schema }),
        }
    }

    #[expect(dead_code, reason = "for steps to come")]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Every row of the batch, whose columns are those of the codec's schema.
    pub fn encode(&self, batch: &RecordBatch) -> Result<Encoded, DecodeError> {
        let writer = RowWriter::new(batch)?;
        let mut encoded = Encoded::default();
        for row in 0..batch.num_rows() {
            writer.write(row, &mut encoded.bytes);
            encoded.ends.push(encoded.bytes.len());
        }
        Ok(encoded)
    }

    pub fn decode<'a>(&self, rows: impl IntoIterator<Item = &'a [u8]>) -> Result<RecordBatch, DecodeError> {
        let mut reader = self.reader()?;
        for row in rows {
            reader.read(row)?;
        }
        reader.finish()
    }

    /// Collects rows one after the other.
    pub fn reader(&self) -> Result<RowReader, DecodeError> {
        let columns = self
            .schema
            .fields()
            .iter()
            .map(|field| ValueReader::new(field.data_type()))
            .collect::<Result<_, _>>()?;
        Ok(RowReader { schema: self.schema.clone(), columns, rows: 0 })
    }
}

/// Writes rows of one batch, any of them, in any order.
pub(crate) struct RowWriter {
    columns: Vec<ValueWriter>,
}

impl RowWriter {
    pub fn new(batch: &RecordBatch) -> Result<RowWriter, DecodeError> {
        Ok(RowWriter { columns: batch.columns().iter().map(ValueWriter::new).collect::<Result<_, _>>()? })
    }

    pub fn write(&self, row: usize, out: &mut Vec<u8>) {
        out.push(VERSION);
        write_number(self.columns.len() as u128, out);
        write_fields(&self.columns, row, out);
    }
}

enum ValueWriter {
    Plain(Column),
    Struct { nulls: Option<NullBuffer>, fields: Vec<ValueWriter> },
    List { nulls: Option<NullBuffer>, offsets: OffsetBuffer<i32>, elements: Box<ValueWriter> },
}

impl ValueWriter {
    fn new(array: &ArrayRef) -> Result<ValueWriter, DecodeError> {
        Ok(match array.data_type() {
            DataType::Struct(_) => {
                let array = array.as_struct();
                let fields = array.columns().iter().map(ValueWriter::new).collect::<Result<_, _>>()?;
                ValueWriter::Struct { nulls: array.nulls().cloned(), fields }
            }
            DataType::List(_) => {
                let array = array.as_list::<i32>();
                let elements = Box::new(ValueWriter::new(array.values())?);
                ValueWriter::List {
                    nulls: array.nulls().cloned(),
                    offsets: array.offsets().clone(),
                    elements,
                }
            }
            DataType::Map(..) => {
                let array = array.as_map();
                let entries: ArrayRef = Arc::new(array.entries().clone());
                let elements = Box::new(ValueWriter::new(&entries)?);
                ValueWriter::List {
                    nulls: array.nulls().cloned(),
                    offsets: array.offsets().clone(),
                    elements,
                }
            }
            _ => ValueWriter::Plain(Column::new(array)?),
        })
    }

    #[inline]
    fn is_null(&self, row: usize) -> bool {
        match self {
            ValueWriter::Plain(column) => column.is_null(row) || matches!(column.values, Values::Null),
            ValueWriter::Struct { nulls, .. } | ValueWriter::List { nulls, .. } => {
                nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
            }
        }
    }

    /// A value that is not NULL.
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            ValueWriter::Plain(column) => write_plain(&column.values, row, out),
            ValueWriter::Struct { fields, .. } => write_fields(fields, row, out),
            ValueWriter::List { offsets, elements, .. } => {
                let places = offsets[row] as usize..offsets[row + 1] as usize;
                write_number(places.len() as u128, out);
                write_nulls(places.clone().map(|place| elements.is_null(place)), out);
                for place in places {
                    if !elements.is_null(place) {
                        elements.write(place, out);
                    }
                }
            }
        }
    }
}

fn write_fields(columns: &[ValueWriter], row: usize, out: &mut Vec<u8>) {
    write_nulls(columns.iter().map(|column| column.is_null(row)), out);
    for column in columns {
        if !column.is_null(row) {
            column.write(row, out);
        }
    }
}

fn write_nulls(nulls: impl Iterator<Item = bool>, out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0_u8, 0);
    for is_null in nulls {
        bits |= u8::from(is_null) << (count % 8);
        count += 1;
        if count % 8 == 0 {
            out.push(std::mem::take(&mut bits));
        }
    }
    if count % 8 != 0 {
        out.push(bits);
    }
}

fn write_plain(values: &Values, row: usize, out: &mut Vec<u8>) {
    match values {
        Values::Null => {}
        Values::Boolean(values) => out.push(u8::from(values.value(row))),
        Values::Integer(values) => {
            let value = values.value(row);
            write_small((value.wrapping_shl(1) ^ (value >> 63)) as u64, out);
        }
        Values::Unsigned(values) => write_small(values.value(row), out),
        Values::Single(values) => out.extend_from_slice(&values.value(row).to_le_bytes()),
        Values::Double(values) => out.extend_from_slice(&values.value(row).to_le_bytes()),
        Values::Decimal(values) => {
            let value = values.value(row);
            write_number((value.wrapping_shl(1) ^ (value >> 127)) as u128, out);
        }
        Values::Bytes(values) => {
            let value = values.value(row);
            write_small(value.len() as u64, out);
            out.extend_from_slice(value);
        }
    }
}

#[inline]
fn write_small(mut number: u64, out: &mut Vec<u8>) {
    while number > 0x7F {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn write_number(mut number: u128, out: &mut Vec<u8>) {
    while number > 0x7F {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Collects rows into a batch.
pub(crate) struct RowReader {
    schema: SchemaRef,
    columns: Vec<ValueReader>,
    rows: usize,
}

impl RowReader {
    pub fn len(&self) -> usize {
        self.rows
    }

    pub fn read(&mut self, row: &[u8]) -> Result<(), DecodeError> {
        let mut from = Bytes { rest: row };
        match from.byte()? {
            VERSION => {}
            other => return Err(DecodeError::Version(other)),
        }
        let written = from.length()?;
        if written > self.columns.len() {
            return Err(DecodeError::Columns { written, known: self.columns.len() });
        }
        let (old, new) = self.columns.split_at_mut(written);
        read_fields(old, &mut from)?;
        new.iter_mut().for_each(ValueReader::push_null);
        self.rows += 1;
        if from.rest.is_empty() { Ok(()) } else { Err(DecodeError::Long { left: from.rest.len() }) }
    }

    /// A row of which nothing is known: NULL in every column.
    #[expect(dead_code, reason = "for steps to come")]
    pub fn push_nulls(&mut self) {
        self.columns.iter_mut().for_each(ValueReader::push_null);
        self.rows += 1;
    }

    pub fn finish(self) -> Result<RecordBatch, DecodeError> {
        let columns = self.columns.into_iter().map(ValueReader::finish).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(self.schema, columns, &options)
            .map_err(|error| DecodeError::Batch(error.to_string()))
    }
}

enum ValueReader {
    Plain(ColumnBuilder),
    Struct {
        fields: Fields,
        nulls: NullBufferBuilder,
        columns: Vec<ValueReader>,
    },
    List {
        field: FieldRef,
        nulls: NullBufferBuilder,
        ends: Vec<i32>,
        elements: Box<ValueReader>,
        map: Option<bool>,
    },
}

impl ValueReader {
    fn new(data_type: &DataType) -> Result<ValueReader, DecodeError> {
        let list = |field: &Arc<Field>, map: Option<bool>| -> Result<ValueReader, DecodeError> {
            let elements = Box::new(ValueReader::new(field.data_type())?);
            let nulls = NullBufferBuilder::new(0);
            Ok(ValueReader::List { field: field.clone(), nulls, ends: vec![0], elements, map })
        };
        Ok(match data_type {
            DataType::Struct(fields) => ValueReader::Struct {
                fields: fields.clone(),
                nulls: NullBufferBuilder::new(0),
                columns: fields
                    .iter()
                    .map(|field| ValueReader::new(field.data_type()))
                    .collect::<Result<_, _>>()?,
            },
            DataType::List(field) => list(field, None)?,
            DataType::Map(field, sorted) => list(field, Some(*sorted))?,
            other => ValueReader::Plain(ColumnBuilder::new(other)?),
        })
    }

    fn push_null(&mut self) {
        match self {
            ValueReader::Plain(builder) => builder.push_null(),
            ValueReader::Struct { nulls, columns, .. } => {
                nulls.append_null();
                columns.iter_mut().for_each(ValueReader::push_null);
            }
            ValueReader::List { nulls, ends, .. } => {
                nulls.append_null();
                ends.push(ends.last().copied().unwrap_or(0));
            }
        }
    }

    fn read(&mut self, from: &mut Bytes<'_>) -> Result<(), DecodeError> {
        match self {
            ValueReader::Plain(builder) => read_plain(builder, from),
            ValueReader::Struct { nulls, columns, .. } => {
                nulls.append_non_null();
                read_fields(columns, from)
            }
            ValueReader::List { nulls, ends, elements, .. } => {
                nulls.append_non_null();
                let count = from.length()?;
                let absent = from.take(count.div_ceil(8))?;
                for place in 0..count {
                    if is_set(absent, place) { elements.push_null() } else { elements.read(from)? }
                }
                let end = ends.last().copied().unwrap_or(0);
                let end = i32::try_from(count).ok().and_then(|count| end.checked_add(count));
                ends.push(end.ok_or_else(|| DecodeError::Batch("an array column is too long".to_owned()))?);
                Ok(())
            }
        }
    }

    fn finish(self) -> Result<ArrayRef, DecodeError> {
        let wrong = |error: datafusion::arrow::error::ArrowError| DecodeError::Batch(error.to_string());
        Ok(match self {
            ValueReader::Plain(builder) => builder.finish()?,
            ValueReader::Struct { fields, mut nulls, columns } => {
                let rows = nulls.len();
                let columns = columns.into_iter().map(ValueReader::finish).collect::<Result<Vec<_>, _>>()?;
                let array = StructArray::try_new_with_length(fields, columns, nulls.finish(), rows);
                Arc::new(array.map_err(wrong)?)
            }
            ValueReader::List { field, mut nulls, ends, elements, map } => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
                let (elements, nulls) = (elements.finish()?, nulls.finish());
                match map {
                    None => Arc::new(ListArray::try_new(field, offsets, elements, nulls).map_err(wrong)?),
                    Some(sorted) => {
                        let entries = elements.as_struct().clone();
                        Arc::new(MapArray::try_new(field, offsets, entries, nulls, sorted).map_err(wrong)?)
                    }
                }
            }
        })
    }
}

fn read_fields(columns: &mut [ValueReader], from: &mut Bytes<'_>) -> Result<(), DecodeError> {
    let absent = from.take(columns.len().div_ceil(8))?;
    for (place, column) in columns.iter_mut().enumerate() {
        if is_set(absent, place) { column.push_null() } else { column.read(from)? }
    }
    Ok(())
}

fn is_set(bits: &[u8], place: usize) -> bool {
    bits.get(place / 8).is_some_and(|byte| byte >> (place % 8) & 1 == 1)
}

fn read_plain(builder: &mut ColumnBuilder, from: &mut Bytes<'_>) -> Result<(), DecodeError> {
    match &mut builder.data {
        // NULL alone has this type, and NULL is a bit.
        Data::Null => return Err(DecodeError::Marker(0)),
        Data::Boolean(values) => values.append(from.byte()? != 0),
        Data::Integer(values) => {
            let number = from.small()?;
            values.push((number >> 1) as i64 ^ -((number & 1) as i64));
        }
        Data::Unsigned(values) => values.push(from.small()?),
        Data::Single(values) => values.push(f32::from_le_bytes(from.fixed()?)),
        Data::Double(values) => values.push(f64::from_le_bytes(from.fixed()?)),
        Data::Decimal(values) => {
            let number = from.number()?;
            values.push((number >> 1) as i128 ^ -((number & 1) as i128));
        }
        Data::Bytes { bytes, ends } => {
            let length = from.length()?;
            bytes.extend_from_slice(from.take(length)?);
            ends.push(bytes.len());
        }
    }
    builder.note_value();
    Ok(())
}

/// What is left of a row; never read past its end.
struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let missing = length.saturating_sub(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Short { missing })?;
        self.rest = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut fixed = [0; N];
        fixed.copy_from_slice(self.take(N)?);
        Ok(fixed)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        self.fixed::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Result<u128, DecodeError> {
        let mut number = 0_u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7F);
            if bits.leading_zeros() < shift {
                return Err(DecodeError::Number);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(DecodeError::Number)
    }

    #[inline]
    fn small(&mut self) -> Result<u64, DecodeError> {
        // Most numbers are one byte.
        if let Some((byte, rest)) = self.rest.split_first()
            && *byte < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        u64::try_from(self.number()?).map_err(|_| DecodeError::Number)
    }

    fn length(&mut self) -> Result<usize, DecodeError> {
        usize::try_from(self.small()?).map_err(|_| DecodeError::Number)
    }
}

#[cfg(test)]
mod tests;
