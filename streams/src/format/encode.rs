//! Arrow batches to record values and keys, straight from the columns into one buffer.

use arrow::array::{
    Array, AsArray, BinaryArray, BooleanArray, GenericListArray, MapArray, PrimitiveArray, RecordBatch,
    StringArray, StringViewArray, StructArray,
};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};

use super::time::{Instant, write_clock, write_date, write_instant};
use super::{Format, FormatError, csv};

/// Rows as bytes, end to end: row n is `bytes[ends[n-1]..ends[n]]`.
#[derive(Clone, Debug, Default)]
pub struct EncodedRows {
    pub bytes: Vec<u8>,
    pub ends: Vec<usize>,
}

impl EncodedRows {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The n-th row.
    ///
    /// # Panics
    /// Where there is no n-th row.
    pub fn row(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start..self.ends[row]]
    }
}

/// Writes batches of one schema as values of one format.
#[derive(Clone, Debug)]
pub struct Encoder {
    format: Format,
    /// The columns to write, by place in the batch.
    columns: Vec<usize>,
    /// For JSON: what stands before each value, `{"name":` or `,"name":`.
    prefixes: Vec<Vec<u8>>,
}

impl Encoder {
    /// An encoder of the given columns of a batch.
    ///
    /// # Errors
    /// `raw` with other than one column.
    pub fn new(format: Format, columns: &[(usize, &str)]) -> Result<Encoder, FormatError> {
        if format == Format::Raw && columns.len() != 1 {
            return Err(FormatError::RawColumns(columns.len()));
        }
        let prefixes = columns.iter().enumerate().map(|(place, (_, name))| {
            let mut prefix = vec![if place == 0 { b'{' } else { b',' }];
            write_json_text(name.as_bytes(), &mut prefix);
            prefix.push(b':');
            prefix
        });
        Ok(Encoder {
            format,
            prefixes: prefixes.collect(),
            columns: columns.iter().map(|(column, _)| *column).collect(),
        })
    }

    /// Appends every row of the batch to `out`.
    ///
    /// # Errors
    /// A column's type has no text form in the format.
    pub fn encode(&self, batch: &RecordBatch, out: &mut EncodedRows) -> Result<(), FormatError> {
        let cells: Result<Vec<Cells<'_>>, FormatError> = self
            .columns
            .iter()
            .map(|column| Cells::new(batch.column(*column).as_ref(), self.format))
            .collect();
        let cells = cells?;
        out.ends.reserve(batch.num_rows());
        for row in 0..batch.num_rows() {
            match self.format {
                Format::Json => self.json_row(&cells, row, &mut out.bytes),
                Format::Csv { delimiter } => {
                    for (place, cell) in cells.iter().enumerate() {
                        if place > 0 {
                            out.bytes.push(delimiter);
                        }
                        cell.write_csv(row, delimiter, &mut out.bytes);
                    }
                }
                Format::Raw => cells.iter().for_each(|cell| cell.write_plain(row, &mut out.bytes)),
            }
            out.ends.push(out.bytes.len());
        }
        Ok(())
    }

    #[inline]
    fn json_row(&self, cells: &[Cells<'_>], row: usize, out: &mut Vec<u8>) {
        if cells.is_empty() {
            out.push(b'{');
        }
        for (prefix, cell) in self.prefixes.iter().zip(cells) {
            out.extend_from_slice(prefix);
            cell.write_json(row, out);
        }
        out.push(b'}');
    }
}

/// The key of a row whose only key column is NULL, where every row has one: a byte that no text holds.
pub const NULL_KEY: &[u8] = &[0xFF];

/// Writes record keys: the plain text of one column, so that it partitions like any producer's, or a JSON array of
/// several.
#[derive(Clone, Debug)]
pub struct KeyEncoder {
    columns: Vec<usize>,
    needs_key: bool,
}

impl KeyEncoder {
    /// `needs_key` says that records without a key are no use: a NULL is [`NULL_KEY`] then.
    pub fn new(columns: Vec<usize>, needs_key: bool) -> KeyEncoder {
        KeyEncoder { columns, needs_key }
    }

    /// Appends the key of every row. Where keys are not needed, a row whose only key column is NULL has an empty range and
    /// `false` in the result.
    pub fn encode(&self, batch: &RecordBatch, out: &mut EncodedRows) -> Result<Vec<bool>, FormatError> {
        let cells: Result<Vec<Cells<'_>>, FormatError> = self
            .columns
            .iter()
            .map(|column| Cells::new(batch.column(*column).as_ref(), Format::Json))
            .collect();
        let cells = cells?;
        let mut present = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let mut has_key = !cells.is_empty();
            if let [only] = cells.as_slice() {
                if !only.is_null(row) {
                    only.write_plain(row, &mut out.bytes);
                } else if self.needs_key {
                    out.bytes.extend_from_slice(NULL_KEY);
                } else {
                    has_key = false;
                }
            } else if has_key {
                for (place, cell) in cells.iter().enumerate() {
                    out.bytes.push(if place == 0 { b'[' } else { b',' });
                    cell.write_json(row, &mut out.bytes);
                }
                out.bytes.push(b']');
            }
            present.push(has_key);
            out.ends.push(out.bytes.len());
        }
        Ok(present)
    }
}

/// Appends one value of an array as JSON.
///
/// # Errors
/// The array's type has no JSON form.
pub fn write_json_value(array: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<(), FormatError> {
    Cells::new(array, Format::Json)?.write_json(row, out);
    Ok(())
}

/// Appends a text in quotes with what JSON wants escaped (RFC 8259, 7). Bytes are taken to be UTF-8.
#[inline]
pub fn write_json_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut written = 0;
    for (at, byte) in text.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x08 => b"\\b",
            0x0c => b"\\f",
            0..=0x1f => {
                &[b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), b"0123456789abcdef"[usize::from(byte & 15)]]
            }
            _ => continue,
        };
        out.extend_from_slice(&text[written..at]);
        out.extend_from_slice(escape);
        written = at + 1;
    }
    out.extend_from_slice(&text[written..]);
    out.push(b'"');
}

/// A column seen as its own type, looked up once a batch.
pub(crate) enum Cells<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Int8(&'a PrimitiveArray<Int8Type>),
    Int16(&'a PrimitiveArray<Int16Type>),
    Int32(&'a PrimitiveArray<Int32Type>),
    Int64(&'a PrimitiveArray<Int64Type>),
    UInt8(&'a PrimitiveArray<UInt8Type>),
    UInt16(&'a PrimitiveArray<UInt16Type>),
    UInt32(&'a PrimitiveArray<UInt32Type>),
    UInt64(&'a PrimitiveArray<UInt64Type>),
    Float32(&'a PrimitiveArray<Float32Type>),
    Float64(&'a PrimitiveArray<Float64Type>),
    Decimal(&'a PrimitiveArray<Decimal128Type>),
    Second(&'a PrimitiveArray<TimestampSecondType>),
    Millisecond(&'a PrimitiveArray<TimestampMillisecondType>),
    Microsecond(&'a PrimitiveArray<TimestampMicrosecondType>),
    Nanosecond(&'a PrimitiveArray<TimestampNanosecondType>),
    Date32(&'a PrimitiveArray<Date32Type>),
    Date64(&'a PrimitiveArray<Date64Type>),
    ClockMicrosecond(&'a PrimitiveArray<Time64MicrosecondType>),
    ClockNanosecond(&'a PrimitiveArray<Time64NanosecondType>),
    Text(&'a StringArray),
    LargeText(&'a arrow::array::LargeStringArray),
    TextView(&'a StringViewArray),
    Bytes(&'a BinaryArray),
    Struct { array: &'a StructArray, members: Vec<(Vec<u8>, Cells<'a>)> },
    List { array: &'a GenericListArray<i32>, elements: Box<Cells<'a>> },
    Map { array: &'a MapArray, keys: Box<Cells<'a>>, values: Box<Cells<'a>> },
}

impl<'a> Cells<'a> {
    pub(crate) fn new(array: &'a dyn Array, format: Format) -> Result<Cells<'a>, FormatError> {
        Ok(match array.data_type() {
            DataType::Null => Cells::Null,
            DataType::Boolean => Cells::Boolean(array.as_boolean()),
            DataType::Int8 => Cells::Int8(array.as_primitive()),
            DataType::Int16 => Cells::Int16(array.as_primitive()),
            DataType::Int32 => Cells::Int32(array.as_primitive()),
            DataType::Int64 => Cells::Int64(array.as_primitive()),
            DataType::UInt8 => Cells::UInt8(array.as_primitive()),
            DataType::UInt16 => Cells::UInt16(array.as_primitive()),
            DataType::UInt32 => Cells::UInt32(array.as_primitive()),
            DataType::UInt64 => Cells::UInt64(array.as_primitive()),
            DataType::Float32 => Cells::Float32(array.as_primitive()),
            DataType::Float64 => Cells::Float64(array.as_primitive()),
            DataType::Decimal128(..) => Cells::Decimal(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Second, _) => Cells::Second(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Millisecond, _) => Cells::Millisecond(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Cells::Microsecond(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => Cells::Nanosecond(array.as_primitive()),
            DataType::Date32 => Cells::Date32(array.as_primitive()),
            DataType::Date64 => Cells::Date64(array.as_primitive()),
            DataType::Time64(TimeUnit::Microsecond) => Cells::ClockMicrosecond(array.as_primitive()),
            DataType::Time64(TimeUnit::Nanosecond) => Cells::ClockNanosecond(array.as_primitive()),
            DataType::Utf8 => Cells::Text(array.as_string()),
            DataType::LargeUtf8 => Cells::LargeText(array.as_string()),
            DataType::Utf8View => Cells::TextView(array.as_string_view()),
            DataType::Binary => Cells::Bytes(array.as_binary()),
            DataType::Struct(fields) => Self::of_struct(array, fields, format)?,
            DataType::List(_) => {
                let array = array.as_list::<i32>();
                Cells::List { array, elements: Box::new(Cells::new(array.values().as_ref(), format)?) }
            }
            DataType::Map(_, _) => {
                let array = array.as_map();
                let keys = Box::new(Cells::new(array.keys().as_ref(), format)?);
                Cells::Map { array, keys, values: Box::new(Cells::new(array.values().as_ref(), format)?) }
            }
            other => {
                return Err(FormatError::ColumnType {
                    column: String::new(),
                    data_type: other.to_string(),
                    format: format.name(),
                });
            }
        })
    }

    fn of_struct(
        array: &'a dyn Array,
        fields: &arrow::datatypes::Fields,
        format: Format,
    ) -> Result<Cells<'a>, FormatError> {
        let array = array.as_struct();
        let members = array.columns().iter().zip(fields).map(|(column, field)| {
            let mut name = Vec::new();
            write_json_text(field.name().as_bytes(), &mut name);
            name.push(b':');
            Ok((name, Cells::new(column.as_ref(), format)?))
        });
        Ok(Cells::Struct { array, members: members.collect::<Result<_, FormatError>>()? })
    }

    #[inline]
    pub(crate) fn is_null(&self, row: usize) -> bool {
        match self {
            Cells::Null => true,
            Cells::Boolean(array) => array.is_null(row),
            Cells::Int8(array) => array.is_null(row),
            Cells::Int16(array) => array.is_null(row),
            Cells::Int32(array) => array.is_null(row),
            Cells::Int64(array) => array.is_null(row),
            Cells::UInt8(array) => array.is_null(row),
            Cells::UInt16(array) => array.is_null(row),
            Cells::UInt32(array) => array.is_null(row),
            Cells::UInt64(array) => array.is_null(row),
            Cells::Float32(array) => array.is_null(row) || !array.value(row).is_finite(),
            Cells::Float64(array) => array.is_null(row) || !array.value(row).is_finite(),
            Cells::Decimal(array) => array.is_null(row),
            Cells::Second(array) => array.is_null(row),
            Cells::Millisecond(array) => array.is_null(row),
            Cells::Microsecond(array) => array.is_null(row),
            Cells::Nanosecond(array) => array.is_null(row),
            Cells::Date32(array) => array.is_null(row),
            Cells::Date64(array) => array.is_null(row),
            Cells::ClockMicrosecond(array) => array.is_null(row),
            Cells::ClockNanosecond(array) => array.is_null(row),
            Cells::Text(array) => array.is_null(row),
            Cells::LargeText(array) => array.is_null(row),
            Cells::TextView(array) => array.is_null(row),
            Cells::Bytes(array) => array.is_null(row),
            Cells::Struct { array, .. } => array.is_null(row),
            Cells::List { array, .. } => array.is_null(row),
            Cells::Map { array, .. } => array.is_null(row),
        }
    }

    /// As JSON; NULL and what JSON has no number for (NaN, infinities) is `null`.
    #[inline]
    pub(crate) fn write_json(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
            return;
        }
        match self {
            Cells::Text(array) => write_json_text(array.value(row).as_bytes(), out),
            Cells::LargeText(array) => write_json_text(array.value(row).as_bytes(), out),
            Cells::TextView(array) => write_json_text(array.value(row).as_bytes(), out),
            Cells::Bytes(array) => write_json_text(String::from_utf8_lossy(array.value(row)).as_bytes(), out),
            Cells::Struct { .. } | Cells::List { .. } | Cells::Map { .. } => self.write_nested(row, out),
            Cells::Second(_)
            | Cells::Millisecond(_)
            | Cells::Microsecond(_)
            | Cells::Nanosecond(_)
            | Cells::Date32(_)
            | Cells::Date64(_)
            | Cells::ClockMicrosecond(_)
            | Cells::ClockNanosecond(_) => {
                out.push(b'"');
                self.write_plain(row, out);
                out.push(b'"');
            }
            _ => self.write_plain(row, out),
        }
    }

    /// As plain text without quotes: a key, a CSV field, a raw value. NULL is nothing.
    #[inline]
    pub(crate) fn write_plain(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            return;
        }
        match self {
            Cells::Null => {}
            Cells::Boolean(array) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
            Cells::Int8(array) => write_integer(array.value(row), out),
            Cells::Int16(array) => write_integer(array.value(row), out),
            Cells::Int32(array) => write_integer(array.value(row), out),
            Cells::Int64(array) => write_integer(array.value(row), out),
            Cells::UInt8(array) => write_integer(array.value(row), out),
            Cells::UInt16(array) => write_integer(array.value(row), out),
            Cells::UInt32(array) => write_integer(array.value(row), out),
            Cells::UInt64(array) => write_integer(array.value(row), out),
            Cells::Float32(array) => {
                out.extend_from_slice(zmij::Buffer::new().format_finite(array.value(row)).as_bytes());
            }
            Cells::Float64(array) => {
                out.extend_from_slice(zmij::Buffer::new().format_finite(array.value(row)).as_bytes());
            }
            Cells::Decimal(array) => out.extend_from_slice(array.value_as_string(row).as_bytes()),
            Cells::Second(array) => write_instant(instant(array.value(row), 1), out),
            Cells::Millisecond(array) => write_instant(instant(array.value(row), 1_000), out),
            Cells::Microsecond(array) => write_instant(instant(array.value(row), 1_000_000), out),
            Cells::Nanosecond(array) => write_instant(instant(array.value(row), 1_000_000_000), out),
            Cells::Date32(array) => write_date(array.value(row).into(), out),
            Cells::Date64(array) => write_date(array.value(row).div_euclid(86_400_000), out),
            Cells::ClockMicrosecond(array) => write_clock_of(instant(array.value(row), 1_000_000), out),
            Cells::ClockNanosecond(array) => write_clock_of(instant(array.value(row), 1_000_000_000), out),
            Cells::Text(array) => out.extend_from_slice(array.value(row).as_bytes()),
            Cells::LargeText(array) => out.extend_from_slice(array.value(row).as_bytes()),
            Cells::TextView(array) => out.extend_from_slice(array.value(row).as_bytes()),
            Cells::Bytes(array) => out.extend_from_slice(array.value(row)),
            Cells::Struct { .. } | Cells::List { .. } | Cells::Map { .. } => self.write_nested(row, out),
        }
    }

    fn write_csv(&self, row: usize, delimiter: u8, out: &mut Vec<u8>) {
        if self.is_null(row) {
            return;
        }
        match self {
            Cells::Text(array) => csv::write_field(array.value(row).as_bytes(), delimiter, out),
            Cells::LargeText(array) => csv::write_field(array.value(row).as_bytes(), delimiter, out),
            Cells::TextView(array) => csv::write_field(array.value(row).as_bytes(), delimiter, out),
            Cells::Bytes(array) => csv::write_field(array.value(row), delimiter, out),
            Cells::Struct { .. } | Cells::List { .. } | Cells::Map { .. } => {
                let mut text = Vec::new();
                self.write_nested(row, &mut text);
                csv::write_field(&text, delimiter, out);
            }
            _ => self.write_plain(row, out),
        }
    }

    fn write_nested(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Cells::Struct { members, .. } => {
                out.push(b'{');
                for (place, (name, cells)) in members.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(name);
                    cells.write_json(row, out);
                }
                out.push(b'}');
            }
            Cells::List { array, elements } => {
                out.push(b'[');
                for (place, element) in range(array.value_offsets(), row).enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    elements.write_json(element, out);
                }
                out.push(b']');
            }
            Cells::Map { array, keys, values } => {
                out.push(b'{');
                for (place, entry) in range(array.value_offsets(), row).enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    let mut key = Vec::new();
                    keys.write_plain(entry, &mut key);
                    write_json_text(&key, out);
                    out.push(b':');
                    values.write_json(entry, out);
                }
                out.push(b'}');
            }
            flat => flat.write_json(row, out),
        }
    }
}

fn range(offsets: &[i32], row: usize) -> std::ops::Range<usize> {
    let at = |index: usize| usize::try_from(offsets[index]).unwrap_or_default();
    at(row)..at(row + 1)
}

fn write_integer<I: itoa::Integer>(value: I, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn instant(value: i64, per_second: i64) -> Instant {
    let fraction = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    Instant {
        seconds: value.div_euclid(per_second),
        nanoseconds: u32::try_from(fraction).unwrap_or_default(),
    }
}

fn write_clock_of(instant: Instant, out: &mut Vec<u8>) {
    write_clock(instant.seconds.rem_euclid(86_400), instant.nanoseconds, out);
}
