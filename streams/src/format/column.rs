//! One Arrow column under construction, from JSON tokens or plain text. Unlike Arrow's builders it can take back the
//! last row, so a record that fails at its fifth column leaves nothing behind.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, BooleanBufferBuilder, Decimal128Array,
    PrimitiveArray, StringArray, StringViewArray, make_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Schema, Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::json::ReaderBuilder;

use super::nested;
use super::number;
use super::scan::{Token, unescape};
use super::time::{Instant, parse_clock, parse_date, parse_instant};

/// Why a value does not fit its column.
pub(crate) type Misfit = String;

pub(crate) struct Column {
    field: Field,
    values: Values,
    validity: BooleanBufferBuilder,
    scratch: Vec<u8>,
}

enum Values {
    Boolean(Vec<bool>),
    /// Signed integers up to 64 bits with the bounds of their type.
    Integer {
        rows: Vec<i64>,
        least: i64,
        greatest: i64,
    },
    Unsigned {
        rows: Vec<u64>,
        greatest: u64,
    },
    Float(Vec<f64>),
    Decimal {
        rows: Vec<i128>,
        precision: u8,
        scale: i8,
    },
    Instant {
        rows: Vec<i64>,
        unit: TimeUnit,
    },
    Date(Vec<i32>),
    Clock(Vec<i64>),
    Bytes(Strings),
    Text(Strings),
    /// JSON text of a struct, list or map, turned into Arrow at the end of the batch.
    Nested(Strings),
}

/// Concatenated bytes and where each row's end.
struct Strings {
    bytes: Vec<u8>,
    offsets: Vec<i32>,
}

impl Strings {
    fn new() -> Self {
        Strings { bytes: Vec::new(), offsets: vec![0] }
    }

    fn end_row(&mut self) -> Result<(), Misfit> {
        let end = i32::try_from(self.bytes.len())
            .map_err(|_| "the batch holds more than 2 GiB of text".to_owned())?;
        self.offsets.push(end);
        Ok(())
    }

    fn truncate(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        let end = self.offsets.last().copied().unwrap_or_default();
        self.bytes.truncate(usize::try_from(end).unwrap_or_default());
    }
}

impl Column {
    /// A column for `field`, or `None` where no text can be read as its type.
    pub(crate) fn new(field: &Field) -> Option<Column> {
        let integer = |least, greatest| Values::Integer { rows: Vec::new(), least, greatest };
        let unsigned = |greatest| Values::Unsigned { rows: Vec::new(), greatest };
        let values = match field.data_type() {
            DataType::Boolean => Values::Boolean(Vec::new()),
            DataType::Int8 => integer(i8::MIN.into(), i8::MAX.into()),
            DataType::Int16 => integer(i16::MIN.into(), i16::MAX.into()),
            DataType::Int32 => integer(i32::MIN.into(), i32::MAX.into()),
            DataType::Int64 => integer(i64::MIN, i64::MAX),
            DataType::UInt8 => unsigned(u8::MAX.into()),
            DataType::UInt16 => unsigned(u16::MAX.into()),
            DataType::UInt32 => unsigned(u32::MAX.into()),
            DataType::UInt64 => unsigned(u64::MAX),
            DataType::Float32 | DataType::Float64 => Values::Float(Vec::new()),
            DataType::Decimal128(precision, scale) => {
                Values::Decimal { rows: Vec::new(), precision: *precision, scale: *scale }
            }
            DataType::Timestamp(unit, _) => Values::Instant { rows: Vec::new(), unit: *unit },
            DataType::Date32 | DataType::Date64 => Values::Date(Vec::new()),
            DataType::Time64(TimeUnit::Nanosecond) => Values::Clock(Vec::new()),
            DataType::Utf8 | DataType::Utf8View => Values::Text(Strings::new()),
            DataType::Binary => Values::Bytes(Strings::new()),
            DataType::Struct(_) | DataType::List(_) | DataType::Map(_, _) => Values::Nested(Strings::new()),
            _ => return None,
        };
        Some(Column {
            field: field.clone().with_nullable(true),
            values,
            validity: BooleanBufferBuilder::new(0),
            scratch: Vec::new(),
        })
    }

    pub(crate) fn field(&self) -> &Field {
        &self.field
    }

    pub(crate) fn len(&self) -> usize {
        self.validity.len()
    }

    /// Takes back every row from `rows` on.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.validity.truncate(rows);
        match &mut self.values {
            Values::Boolean(values) => values.truncate(rows),
            Values::Integer { rows: values, .. }
            | Values::Instant { rows: values, .. }
            | Values::Clock(values) => {
                values.truncate(rows);
            }
            Values::Unsigned { rows: values, .. } => values.truncate(rows),
            Values::Float(values) => values.truncate(rows),
            Values::Decimal { rows: values, .. } => values.truncate(rows),
            Values::Date(values) => values.truncate(rows),
            Values::Bytes(strings) | Values::Text(strings) | Values::Nested(strings) => {
                strings.truncate(rows)
            }
        }
    }

    /// Bytes that are no text are values too.
    pub(crate) fn takes_any_bytes(&self) -> bool {
        matches!(self.values, Values::Bytes(_))
    }

    pub(crate) fn push_null(&mut self) -> Result<(), Misfit> {
        match &mut self.values {
            Values::Boolean(values) => values.push(false),
            Values::Integer { rows, .. } | Values::Instant { rows, .. } | Values::Clock(rows) => rows.push(0),
            Values::Unsigned { rows, .. } => rows.push(0),
            Values::Float(values) => values.push(0.0),
            Values::Decimal { rows, .. } => rows.push(0),
            Values::Date(values) => values.push(0),
            Values::Bytes(strings) | Values::Text(strings) => strings.end_row()?,
            Values::Nested(strings) => {
                strings.bytes.extend_from_slice(b"null");
                strings.end_row()?;
            }
        }
        self.validity.append(false);
        Ok(())
    }

    pub(crate) fn push_integer(&mut self, value: i64) -> Result<(), Misfit> {
        match &mut self.values {
            Values::Integer { rows, .. } => rows.push(value),
            Values::Instant { rows, unit } => rows.push(in_unit(instant_of_ms(value), *unit)?),
            _ => return self.push_token(Token::Number(value.to_string().as_bytes())),
        }
        self.validity.append(true);
        Ok(())
    }

    /// Appends a JSON value. A text that holds a number or an instant counts as one; a number, boolean or nested value
    /// counts as its JSON text where text is due.
    #[inline]
    pub(crate) fn push_token(&mut self, token: Token<'_>) -> Result<(), Misfit> {
        match token {
            Token::Null => return self.push_null(),
            Token::Text { raw, escaped: false } => self.push_text(raw)?,
            Token::Text { raw, escaped: true } => {
                let mut plain = std::mem::take(&mut self.scratch);
                plain.clear();
                let pushed = match unescape(raw, &mut plain) {
                    Ok(()) => self.push_text(&plain),
                    Err(error) => Err(error.to_string()),
                };
                self.scratch = plain;
                pushed?;
            }
            Token::Number(text) => self.push_number(text)?,
            Token::Boolean(value) => match &mut self.values {
                Values::Boolean(values) => values.push(value),
                Values::Text(_) => self.push_text(if value { b"true" } else { b"false" })?,
                _ => return Err(self.misfit(if value { b"true" } else { b"false" })),
            },
            Token::Nested(text) => self.push_nested(text)?,
        }
        self.validity.append(true);
        Ok(())
    }

    /// Appends a value given as plain text: a field of a CSV line, a record key.
    pub(crate) fn push_plain(&mut self, text: &[u8]) -> Result<(), Misfit> {
        if let Values::Nested(_) = self.values {
            self.push_nested(text)?;
        } else {
            self.push_text(text)?;
        }
        self.validity.append(true);
        Ok(())
    }

    #[inline]
    fn push_number(&mut self, text: &[u8]) -> Result<(), Misfit> {
        let fits = match &mut self.values {
            Values::Integer { rows, least, greatest } => number::integer(text)
                .filter(|value| (*least..=*greatest).contains(value))
                .map(|value| rows.push(value)),
            Values::Unsigned { rows, greatest } => {
                number::unsigned(text).filter(|value| value <= greatest).map(|value| rows.push(value))
            }
            Values::Float(values) => number::float(text).map(|value| values.push(value)),
            Values::Decimal { rows, precision, scale } => {
                number::decimal(text, *precision, *scale).map(|value| rows.push(value))
            }
            Values::Instant { rows, unit } => {
                let ms = number::integer(text);
                ms.and_then(|ms| in_unit(instant_of_ms(ms), *unit).ok()).map(|value| rows.push(value))
            }
            Values::Text(strings) | Values::Bytes(strings) => {
                strings.bytes.extend_from_slice(text);
                return strings.end_row();
            }
            Values::Boolean(_) | Values::Date(_) | Values::Clock(_) | Values::Nested(_) => None,
        };
        fits.ok_or_else(|| self.misfit(text))
    }

    #[inline]
    fn push_text(&mut self, text: &[u8]) -> Result<(), Misfit> {
        let fits = match &mut self.values {
            Values::Text(strings) => {
                if std::str::from_utf8(text).is_err() {
                    return Err(format!("column `{}` holds text that is not UTF-8", self.field.name()));
                }
                strings.bytes.extend_from_slice(text);
                return strings.end_row();
            }
            Values::Bytes(strings) => {
                strings.bytes.extend_from_slice(text);
                return strings.end_row();
            }
            Values::Boolean(values) => match text {
                b"true" | b"TRUE" | b"True" => Some(true),
                b"false" | b"FALSE" | b"False" => Some(false),
                _ => None,
            }
            .map(|value| values.push(value)),
            Values::Instant { rows, unit } => match parse_instant(text) {
                Some(instant) => in_unit(instant, *unit).ok().map(|value| rows.push(value)),
                None => return self.push_number(text),
            },
            Values::Date(values) => parse_date(text.get(..10).unwrap_or(text)).map(|days| values.push(days)),
            Values::Clock(values) => match parse_clock(text) {
                Some((seconds, nanoseconds, [])) => Some(seconds * 1_000_000_000 + i64::from(nanoseconds)),
                _ => None,
            }
            .map(|value| values.push(value)),
            Values::Integer { .. } | Values::Unsigned { .. } | Values::Float(_) | Values::Decimal { .. } => {
                return self.push_number(text);
            }
            Values::Nested(_) => None,
        };
        fits.ok_or_else(|| self.misfit(text))
    }

    fn push_nested(&mut self, text: &[u8]) -> Result<(), Misfit> {
        match &mut self.values {
            Values::Nested(strings) => {
                nested::check(text, self.field.data_type())
                    .map_err(|reason| format!("column `{}`: {reason}", self.field.name()))?;
                strings.bytes.extend_from_slice(text);
                strings.end_row()
            }
            Values::Text(strings) => {
                nested::well_formed(text)
                    .map_err(|reason| format!("column `{}`: {reason}", self.field.name()))?;
                strings.bytes.extend_from_slice(text);
                strings.end_row()
            }
            _ => Err(self.misfit(text)),
        }
    }

    fn misfit(&self, text: &[u8]) -> Misfit {
        let shown = String::from_utf8_lossy(text.get(..60).unwrap_or(text));
        format!("column `{}` wants {}, not `{shown}`", self.field.name(), sql_name(self.field.data_type()))
    }

    /// The rows so far as an Arrow array of the field's type; the column is empty afterwards.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef, Misfit> {
        let validity =
            NullBuffer::new(std::mem::replace(&mut self.validity, BooleanBufferBuilder::new(0)).finish());
        let nulls = (validity.null_count() > 0).then_some(validity);
        let data_type = self.field.data_type().clone();
        Ok(match &mut self.values {
            Values::Boolean(values) => Arc::new(BooleanArray::new(std::mem::take(values).into(), nulls)),
            Values::Integer { rows, .. } => integers(std::mem::take(rows), nulls, &data_type),
            Values::Unsigned { rows, .. } => unsigned(std::mem::take(rows), nulls, &data_type),
            Values::Float(values) => match data_type {
                DataType::Float32 => {
                    // Narrowing is what the column's type asks for.
                    #[expect(clippy::cast_possible_truncation, reason = "a REAL column holds 32-bit floats")]
                    let narrow: Vec<f32> =
                        std::mem::take(values).into_iter().map(|value| value as f32).collect();
                    primitive::<Float32Type>(narrow, nulls, &data_type)
                }
                _ => primitive::<Float64Type>(std::mem::take(values), nulls, &data_type),
            },
            Values::Decimal { rows, precision, scale } => Arc::new(
                Decimal128Array::new(std::mem::take(rows).into(), nulls)
                    .with_precision_and_scale(*precision, *scale)
                    .map_err(|error| error.to_string())?,
            ),
            Values::Instant { rows, unit } => {
                let rows = std::mem::take(rows);
                match unit {
                    TimeUnit::Second => primitive::<TimestampSecondType>(rows, nulls, &data_type),
                    TimeUnit::Millisecond => primitive::<TimestampMillisecondType>(rows, nulls, &data_type),
                    TimeUnit::Microsecond => primitive::<TimestampMicrosecondType>(rows, nulls, &data_type),
                    TimeUnit::Nanosecond => primitive::<TimestampNanosecondType>(rows, nulls, &data_type),
                }
            }
            Values::Date(values) => match data_type {
                DataType::Date64 => {
                    let rows =
                        std::mem::take(values).into_iter().map(|days| i64::from(days) * 86_400_000).collect();
                    primitive::<Date64Type>(rows, nulls, &data_type)
                }
                _ => primitive::<Date32Type>(std::mem::take(values), nulls, &data_type),
            },
            Values::Clock(values) => {
                primitive::<Time64NanosecondType>(std::mem::take(values), nulls, &data_type)
            }
            Values::Bytes(strings) => {
                let Strings { bytes, offsets } = std::mem::replace(strings, Strings::new());
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                Arc::new(BinaryArray::new(offsets, bytes.into(), nulls))
            }
            Values::Text(strings) => {
                let Strings { bytes, offsets } = std::mem::replace(strings, Strings::new());
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                let text =
                    StringArray::try_new(offsets, bytes.into(), nulls).map_err(|error| error.to_string())?;
                match data_type {
                    DataType::Utf8View => Arc::new(StringViewArray::from(&text)),
                    _ => Arc::new(text),
                }
            }
            Values::Nested(strings) => {
                let strings = std::mem::replace(strings, Strings::new());
                nested_array(&self.field, &strings)?
            }
        })
    }
}

fn instant_of_ms(ms: i64) -> Instant {
    let nanoseconds = u32::try_from(ms.rem_euclid(1_000)).unwrap_or_default() * 1_000_000;
    Instant { seconds: ms.div_euclid(1_000), nanoseconds }
}

fn in_unit(instant: Instant, unit: TimeUnit) -> Result<i64, Misfit> {
    let (per_second, divisor) = match unit {
        TimeUnit::Second => (1, 1_000_000_000),
        TimeUnit::Millisecond => (1_000, 1_000_000),
        TimeUnit::Microsecond => (1_000_000, 1_000),
        TimeUnit::Nanosecond => (1_000_000_000, 1),
    };
    let whole = instant.seconds.checked_mul(per_second);
    let value = whole.and_then(|whole| whole.checked_add(i64::from(instant.nanoseconds / divisor)));
    value.ok_or_else(|| "a timestamp outside the years 1677 to 2262".to_owned())
}

fn primitive<T: ArrowPrimitiveType>(
    rows: Vec<T::Native>,
    nulls: Option<NullBuffer>,
    data_type: &DataType,
) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(rows.into(), nulls).with_data_type(data_type.clone()))
}

fn integers(rows: Vec<i64>, nulls: Option<NullBuffer>, data_type: &DataType) -> ArrayRef {
    // The bounds were checked when each row came in.
    fn narrow<N: TryFrom<i64> + Default>(rows: Vec<i64>) -> Vec<N> {
        rows.into_iter().map(|value| N::try_from(value).unwrap_or_default()).collect()
    }
    match data_type {
        DataType::Int8 => primitive::<Int8Type>(narrow(rows), nulls, data_type),
        DataType::Int16 => primitive::<Int16Type>(narrow(rows), nulls, data_type),
        DataType::Int32 => primitive::<Int32Type>(narrow(rows), nulls, data_type),
        _ => primitive::<Int64Type>(rows, nulls, data_type),
    }
}

fn unsigned(rows: Vec<u64>, nulls: Option<NullBuffer>, data_type: &DataType) -> ArrayRef {
    fn narrow<N: TryFrom<u64> + Default>(rows: Vec<u64>) -> Vec<N> {
        rows.into_iter().map(|value| N::try_from(value).unwrap_or_default()).collect()
    }
    match data_type {
        DataType::UInt8 => primitive::<UInt8Type>(narrow(rows), nulls, data_type),
        DataType::UInt16 => primitive::<UInt16Type>(narrow(rows), nulls, data_type),
        DataType::UInt32 => primitive::<UInt32Type>(narrow(rows), nulls, data_type),
        _ => primitive::<UInt64Type>(rows, nulls, data_type),
    }
}

/// Reads a batch of nested JSON values with Arrow's own reader: slower than the flat columns, and complete.
fn nested_array(field: &Field, strings: &Strings) -> Result<ArrayRef, Misfit> {
    let schema = Arc::new(Schema::new(vec![field.clone().with_name("v")]));
    let rows = strings.offsets.len() - 1;
    let mut reader = ReaderBuilder::new(schema)
        .with_batch_size(rows.max(1))
        .build_decoder()
        .map_err(|error| format!("column `{}`: {error}", field.name()))?;
    let mut text = Vec::with_capacity(strings.bytes.len() + rows * 8);
    for ends in strings.offsets.windows(2) {
        let (start, end) = (usize::try_from(ends[0]), usize::try_from(ends[1]));
        let range = start.unwrap_or_default()..end.unwrap_or_default();
        text.extend_from_slice(br#"{"v":"#);
        text.extend_from_slice(&strings.bytes[range]);
        text.extend_from_slice(b"}\n");
    }
    reader.decode(&text).map_err(|error| format!("column `{}`: {error}", field.name()))?;
    let batch = reader.flush().map_err(|error| format!("column `{}`: {error}", field.name()))?;
    Ok(match batch {
        Some(batch) => batch.column(0).clone(),
        None => make_array(arrow::array::ArrayData::new_empty(field.data_type())),
    })
}

/// A type as a person would write it in SQL.
pub(crate) fn sql_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::UInt8 => "TINYINT UNSIGNED".to_owned(),
        DataType::UInt16 => "SMALLINT UNSIGNED".to_owned(),
        DataType::UInt32 => "INT UNSIGNED".to_owned(),
        DataType::UInt64 => "BIGINT UNSIGNED".to_owned(),
        DataType::Float32 => "REAL".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::Timestamp(..) => "TIMESTAMP (RFC 3339 text or epoch milliseconds)".to_owned(),
        DataType::Date32 | DataType::Date64 => "DATE".to_owned(),
        DataType::Time64(_) => "TIME".to_owned(),
        DataType::Utf8 | DataType::Utf8View => "TEXT".to_owned(),
        DataType::Binary => "BYTEA".to_owned(),
        DataType::Struct(_) => "STRUCT".to_owned(),
        DataType::List(_) => "ARRAY".to_owned(),
        DataType::Map(_, _) => "MAP".to_owned(),
        other => other.to_string(),
    }
}
