//! Cells of Arrow arrays as JSON, without loss: decimals as numbers with all their digits, times as RFC 3339 with as many
//! digits as they need, bytes as `\x` and hexadecimal digits, what JSON has no number for as text (both as PostgreSQL does).

use std::fmt::Display;
use std::io::Write;

use arrow::array::{Array, AsArray, MapArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Decimal256Type, Field, Float16Type,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType,
    Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use parquet::basic::{ConvertedType, LogicalType};
use parquet::schema::types::ColumnDescPtr;

use crate::json;

/// What Arrow's type of a column does not say.
#[derive(Debug, Clone)]
pub enum Shape {
    Plain,
    /// 16 bytes, written with dashes.
    Uuid,
    /// Text that is JSON, which stays what it is.
    Json,
    /// Bytes that are a word.
    Enum,
    /// Months, days and milliseconds.
    Interval,
    List(Box<Shape>),
    Map(Box<Shape>, Box<Shape>),
    /// `{"name":` or `,"name":` ahead of each field.
    Struct(Vec<(Vec<u8>, Shape)>),
}

impl Shape {
    /// Takes the columns that the field is made of from `leaves`, which lists those of the file depth first.
    pub fn of(field: &Field, leaves: &mut impl Iterator<Item = ColumnDescPtr>) -> Shape {
        match field.data_type() {
            DataType::Struct(fields) => {
                let names = fields.iter().enumerate();
                Shape::Struct(
                    names
                        .map(|(index, field)| (lead(index, field.name()), Shape::of(field, leaves)))
                        .collect(),
                )
            }
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                Shape::List(Box::new(Shape::of(item, leaves)))
            }
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(fields) => {
                    let mut parts = fields.iter().map(|field| Shape::of(field, leaves));
                    let (key, value) = (parts.next(), parts.next());
                    let boxed = |shape: Option<Shape>| Box::new(shape.unwrap_or(Shape::Plain));
                    Shape::Map(boxed(key), boxed(value))
                }
                _ => Shape::Plain,
            },
            _ => leaves.next().map_or(Shape::Plain, |leaf| Shape::of_leaf(&leaf)),
        }
    }

    fn of_leaf(leaf: &ColumnDescPtr) -> Shape {
        match (leaf.logical_type_ref(), leaf.converted_type()) {
            (Some(LogicalType::Uuid), _) => Shape::Uuid,
            (Some(LogicalType::Json), _) | (None, ConvertedType::JSON) => Shape::Json,
            (Some(LogicalType::Enum), _) | (None, ConvertedType::ENUM) => Shape::Enum,
            (None, ConvertedType::INTERVAL) => Shape::Interval,
            _ => Shape::Plain,
        }
    }
}

/// What stands ahead of a field's value in an object.
pub fn lead(index: usize, name: &str) -> Vec<u8> {
    let mut lead = vec![if index == 0 { b'{' } else { b',' }];
    json::push_escaped(name.as_bytes(), &mut lead);
    lead.push(b':');
    lead
}

/// Appends one cell. The error is what cannot be said in JSON.
pub fn write(array: &dyn Array, shape: &Shape, row: usize, to: &mut Vec<u8>) -> Result<(), String> {
    if array.is_null(row) {
        to.extend_from_slice(b"null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Null => to.extend_from_slice(b"null"),
        DataType::Boolean => push(array.as_boolean().value(row), to),
        DataType::Int8 => push(value::<Int8Type>(array, row), to),
        DataType::Int16 => push(value::<Int16Type>(array, row), to),
        DataType::Int32 => push(value::<Int32Type>(array, row), to),
        DataType::Int64 => push(value::<Int64Type>(array, row), to),
        DataType::UInt8 => push(value::<UInt8Type>(array, row), to),
        DataType::UInt16 => push(value::<UInt16Type>(array, row), to),
        DataType::UInt32 => push(value::<UInt32Type>(array, row), to),
        DataType::UInt64 => push(value::<UInt64Type>(array, row), to),
        DataType::Float16 => push_single(value::<Float16Type>(array, row).to_f32(), to),
        DataType::Float32 => push_single(value::<Float32Type>(array, row), to),
        DataType::Float64 => push_double(value::<Float64Type>(array, row), to),
        DataType::Decimal128(_, scale) => {
            push_decimal(&value::<Decimal128Type>(array, row).to_string(), *scale, to);
        }
        DataType::Decimal256(_, scale) => {
            push_decimal(&value::<Decimal256Type>(array, row).to_string(), *scale, to);
        }
        DataType::Utf8 => match shape {
            Shape::Json => push_json(array.as_string::<i32>().value(row), to),
            _ => json::push_escaped(array.as_string::<i32>().value(row).as_bytes(), to),
        },
        DataType::Binary => push_bytes(array.as_binary::<i32>().value(row), shape, to),
        DataType::FixedSizeBinary(_) => push_bytes(array.as_fixed_size_binary().value(row), shape, to),
        DataType::Date32 | DataType::Time32(_) | DataType::Time64(_) | DataType::Timestamp(_, _) => {
            to.push(b'"');
            write_time(array, row, to)?;
            to.push(b'"');
        }
        DataType::List(_) => write_list(&array.as_list::<i32>().value(row), shape, to)?,
        DataType::LargeList(_) => write_list(&array.as_list::<i64>().value(row), shape, to)?,
        DataType::FixedSizeList(_, _) => write_list(&array.as_fixed_size_list().value(row), shape, to)?,
        DataType::Struct(_) => write_struct(array, shape, row, to)?,
        DataType::Map(_, _) => write_map(array.as_map(), shape, row, to)?,
        other => return Err(format!("values of type {other} cannot be written as JSON")),
    }
    Ok(())
}

fn value<Type: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> Type::Native {
    array.as_primitive::<Type>().value(row)
}

fn push(value: impl Display, to: &mut Vec<u8>) {
    // A vector takes whatever is written to it.
    _ = write!(to, "{value}");
}

fn push_single(number: f32, to: &mut Vec<u8>) {
    match number.is_finite() {
        true => _ = write!(to, "{number:?}"),
        false => push_no_number(f64::from(number), to),
    }
}

fn push_double(number: f64, to: &mut Vec<u8>) {
    match number.is_finite() {
        true => _ = write!(to, "{number:?}"),
        false => push_no_number(number, to),
    }
}

fn push_no_number(number: f64, to: &mut Vec<u8>) {
    let word = match (number.is_nan(), number > 0.0) {
        (true, _) => "\"NaN\"",
        (false, true) => "\"Infinity\"",
        (false, false) => "\"-Infinity\"",
    };
    to.extend_from_slice(word.as_bytes());
}

/// Puts the point into the digits of an unscaled number.
fn push_decimal(unscaled: &str, scale: i8, to: &mut Vec<u8>) {
    let (sign, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", unscaled),
    };
    to.extend_from_slice(sign.as_bytes());
    let behind = usize::from(scale.unsigned_abs());
    if scale <= 0 {
        to.extend_from_slice(digits.as_bytes());
        if digits != "0" {
            to.resize(to.len() + behind, b'0');
        }
        return;
    }
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(behind));
    to.extend_from_slice(if whole.is_empty() { b"0" } else { whole.as_bytes() });
    to.push(b'.');
    to.resize(to.len() + behind - fraction.len(), b'0');
    to.extend_from_slice(fraction.as_bytes());
}

fn push_json(text: &str, to: &mut Vec<u8>) {
    match json::validate(text.as_bytes()) {
        Ok(()) => to.extend_from_slice(text.as_bytes()),
        Err(_) => json::push_escaped(text.as_bytes(), to),
    }
}

fn push_bytes(bytes: &[u8], shape: &Shape, to: &mut Vec<u8>) {
    let word = |number: &[u8]| number.try_into().map_or(0, u32::from_le_bytes);
    match (shape, bytes.len()) {
        (Shape::Uuid, 16) => {
            to.push(b'"');
            for (index, byte) in bytes.iter().enumerate() {
                if matches!(index, 4 | 6 | 8 | 10) {
                    to.push(b'-');
                }
                push_hexadecimal(*byte, to);
            }
            to.push(b'"');
        }
        (Shape::Enum, _) if std::str::from_utf8(bytes).is_ok() => json::push_escaped(bytes, to),
        (Shape::Interval, 12) => {
            let (months, days, millis) = (word(&bytes[..4]), word(&bytes[4..8]), word(&bytes[8..]));
            push(format_args!("\"P{months}M{days}DT{}.{:03}S\"", millis / 1000, millis % 1000), to);
        }
        _ => {
            to.extend_from_slice(b"\"\\\\x");
            bytes.iter().for_each(|byte| push_hexadecimal(*byte, to));
            to.push(b'"');
        }
    }
}

fn push_hexadecimal(byte: u8, to: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    to.push(DIGITS[usize::from(byte >> 4)]);
    to.push(DIGITS[usize::from(byte & 15)]);
}

fn write_time(array: &dyn Array, row: usize, to: &mut Vec<u8>) -> Result<(), String> {
    match array.data_type() {
        DataType::Date32 => {
            let days = value::<Date32Type>(array, row);
            let date =
                NaiveDate::from_epoch_days(days).ok_or_else(|| format!("a date {days} days from 1970"))?;
            push_date(date, to);
            Ok(())
        }
        DataType::Time32(_) => push_time_of_day(value::<Time32MillisecondType>(array, row).into(), 1000, to),
        DataType::Time64(TimeUnit::Microsecond) => {
            push_time_of_day(value::<Time64MicrosecondType>(array, row), 1_000_000, to)
        }
        DataType::Time64(_) => push_time_of_day(value::<Time64NanosecondType>(array, row), 1_000_000_000, to),
        DataType::Timestamp(unit, zone) => {
            let (ticks, per_second) = match unit {
                TimeUnit::Second => (value::<TimestampSecondType>(array, row), 1),
                TimeUnit::Millisecond => (value::<TimestampMillisecondType>(array, row), 1000),
                TimeUnit::Microsecond => (value::<TimestampMicrosecondType>(array, row), 1_000_000),
                TimeUnit::Nanosecond => (value::<TimestampNanosecondType>(array, row), 1_000_000_000),
            };
            let nanos = (ticks.rem_euclid(per_second) * (1_000_000_000 / per_second)) as u32;
            let instant = DateTime::from_timestamp(ticks.div_euclid(per_second), nanos)
                .ok_or_else(|| format!("a time {ticks}/{per_second} seconds from 1970"))?;
            push_date(instant.date_naive(), to);
            to.push(b'T');
            push_clock(instant.num_seconds_from_midnight(), nanos, to);
            if zone.is_some() {
                to.push(b'Z');
            }
            Ok(())
        }
        other => Err(format!("values of type {other} are no times")),
    }
}

fn push_date(date: NaiveDate, to: &mut Vec<u8>) {
    let sign = if date.year() > 9999 { "+" } else { "" };
    let width = if date.year() < 0 { 5 } else { 4 };
    push(format_args!("{sign}{:0width$}-{:02}-{:02}", date.year(), date.month(), date.day()), to);
}

fn push_time_of_day(ticks: i64, per_second: i64, to: &mut Vec<u8>) -> Result<(), String> {
    let seconds = u32::try_from(ticks.div_euclid(per_second)).ok().filter(|seconds| *seconds < 86_400);
    let seconds = seconds.ok_or_else(|| format!("a time of day of {ticks}/{per_second} seconds"))?;
    push_clock(seconds, (ticks.rem_euclid(per_second) * (1_000_000_000 / per_second)) as u32, to);
    Ok(())
}

/// With no, 3, 6 or 9 digits of a second, as many as it needs.
fn push_clock(seconds: u32, nanos: u32, to: &mut Vec<u8>) {
    push(format_args!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60), to);
    match nanos {
        0 => {}
        nanos if nanos % 1_000_000 == 0 => push(format_args!(".{:03}", nanos / 1_000_000), to),
        nanos if nanos % 1000 == 0 => push(format_args!(".{:06}", nanos / 1000), to),
        nanos => push(format_args!(".{nanos:09}"), to),
    }
}

fn write_list(items: &dyn Array, shape: &Shape, to: &mut Vec<u8>) -> Result<(), String> {
    let Shape::List(item) = shape else { return Err("a list that the schema has not".to_owned()) };
    to.push(b'[');
    for index in 0..items.len() {
        if index > 0 {
            to.push(b',');
        }
        write(items, item, index, to)?;
    }
    to.push(b']');
    Ok(())
}

fn write_struct(array: &dyn Array, shape: &Shape, row: usize, to: &mut Vec<u8>) -> Result<(), String> {
    let Shape::Struct(fields) = shape else { return Err("a group that the schema has not".to_owned()) };
    if fields.is_empty() {
        to.push(b'{');
    }
    for ((lead, shape), column) in fields.iter().zip(array.as_struct().columns()) {
        to.extend_from_slice(lead);
        write(column, shape, row, to)?;
    }
    to.push(b'}');
    Ok(())
}

/// An object where keys are single values, else a list of pairs.
fn write_map(map: &MapArray, shape: &Shape, row: usize, to: &mut Vec<u8>) -> Result<(), String> {
    let Shape::Map(key_shape, value_shape) = shape else {
        return Err("a map that the schema has not".to_owned());
    };
    let entries = map.value(row);
    let [keys, values] = entries.columns() else { return Err("a map of no pairs".to_owned()) };
    let is_object = !keys.data_type().is_nested();
    to.push(if is_object { b'{' } else { b'[' });
    for index in 0..entries.len() {
        if index > 0 {
            to.push(b',');
        }
        if !is_object {
            to.extend_from_slice(b"{\"key\":");
            write(keys, key_shape, index, to)?;
            to.extend_from_slice(b",\"value\":");
            write(values, value_shape, index, to)?;
            to.push(b'}');
            continue;
        }
        let start = to.len();
        write(keys, key_shape, index, to)?;
        if to.get(start) != Some(&b'"') {
            to.insert(start, b'"');
            to.push(b'"');
        }
        to.push(b':');
        write(values, value_shape, index, to)?;
    }
    to.push(if is_object { b'}' } else { b']' });
    Ok(())
}
