//! Keys as bytes whose order is the order of the columns, in a form of our own, and the virtual node of a key.
//!
//! Version 1. A key of state is one byte for its virtual node, one byte for the version, and its columns one behind the
//! other. A column is a marker and, unless it is NULL, its value:
//!
//! | | bytes |
//! |---|---|
//! | marker | 0 for NULL where NULL comes first, 1 for a value, 2 for NULL where it comes last |
//! | boolean | 0 or 1 |
//! | integers, dates, times, timestamps | 8, big-endian, the sign bit turned over |
//! | unsigned integers of 64 bits | 8, big-endian |
//! | real, double | 4 or 8, big-endian; the sign bit turned over, or all bits if it was set (IEEE 754 `totalOrder`: -NaN, -∞, …, -0.0, 0.0, …, ∞, NaN) |
//! | decimal | 16, big-endian, the sign bit turned over; as many digits behind the point as the column's type has |
//! | text, bytes | each byte 0 as 0 and 255; then 0 and 0. Text is in the order of its code points |
//!
//! The bytes of a value, not its marker, are turned over where the column is descending. No column's bytes begin with
//! those of another value, so the first columns of a key are a prefix that exactly the keys with these columns have.
//!
//! The virtual node is the top 7 bits of the XXH3 hash (64 bits, seed 0) of the columns, ascending with NULL first,
//! without node and version.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use xxhash_rust::xxh3::xxh3_64;

use super::column::{Column, ColumnBuilder, Data, Encoded, Form, Values, unsupported};
use super::encoding::DecodeError;

/// The form that is written today.
const VERSION: u8 = 1;

/// How many virtual nodes there are: what a query's work is cut into. Never changes.
pub(crate) const VIRTUAL_NODES: u8 = 128;

/// Bytes of a key of state before its columns.
pub(crate) const HEADER_BYTES: usize = 2;

const NULL_FIRST: u8 = 0;
const VALUE: u8 = 1;
const NULL_LAST: u8 = 2;

const ESCAPED: u8 = 255;

/// A column of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyColumn {
    pub data_type: DataType,
    pub descending: bool,
    pub nulls_last: bool,
}

impl KeyColumn {
    /// Ascending, NULL first.
    pub fn new(data_type: DataType) -> KeyColumn {
        KeyColumn { data_type, descending: false, nulls_last: false }
    }

    fn null_marker(&self) -> u8 {
        if self.nulls_last { NULL_LAST } else { NULL_FIRST }
    }

    /// What the bytes of a value are turned over by.
    fn mask(&self) -> u8 {
        if self.descending { 0xFF } else { 0 }
    }
}

/// Whether key columns of this type can be written.
pub(crate) fn is_supported(data_type: &DataType) -> bool {
    Form::of(data_type).is_some()
}

/// Writes columns as keys and reads them back.
#[derive(Debug, Clone)]
pub(crate) struct KeyCodec {
    columns: Vec<KeyColumn>,
}

impl KeyCodec {
    pub fn new(columns: Vec<KeyColumn>) -> Result<KeyCodec, DecodeError> {
        match columns.iter().find(|column| !is_supported(&column.data_type)) {
            Some(column) => Err(unsupported(&column.data_type)),
            None => Ok(KeyCodec { columns }),
        }
    }

    /// Ascending, NULL first.
    pub fn ascending<'a>(types: impl IntoIterator<Item = &'a DataType>) -> Result<KeyCodec, DecodeError> {
        KeyCodec::new(types.into_iter().cloned().map(KeyColumn::new).collect())
    }

    /// The bare columns of every row. Fewer columns than the codec has give a prefix of the whole key.
    pub fn encode(&self, columns: &[ArrayRef], rows: usize) -> Result<Encoded, DecodeError> {
        self.encode_behind(columns, rows, 0, |_, _| ())
    }

    /// Whole keys of state: the virtual node of each row, the version, the columns.
    pub fn encode_state(&self, nodes: &[u8], columns: &[ArrayRef]) -> Result<Encoded, DecodeError> {
        self.encode_behind(columns, nodes.len(), HEADER_BYTES, |row, header| {
            header.copy_from_slice(&[nodes[row], VERSION]);
        })
    }

    fn encode_behind(
        &self,
        columns: &[ArrayRef],
        rows: usize,
        header_bytes: usize,
        header: impl Fn(usize, &mut [u8]),
    ) -> Result<Encoded, DecodeError> {
        let columns = columns.iter().map(Column::new).collect::<Result<Vec<_>, _>>()?;
        let columns: Vec<(&KeyColumn, Column)> = self.columns.iter().zip(columns).collect();
        let mut lengths = vec![header_bytes; rows];
        for (_, column) in &columns {
            measure(column, &mut lengths);
        }
        let mut end = 0;
        let starts: Vec<usize> = lengths
            .iter()
            .map(|length| {
                let start = end;
                end += length;
                start
            })
            .collect();
        let mut encoded = Encoded { bytes: vec![0; end], ends: starts };
        for (row, cursor) in encoded.ends.iter_mut().enumerate() {
            header(row, &mut encoded.bytes[*cursor..*cursor + header_bytes]);
            *cursor += header_bytes;
        }
        for (order, column) in &columns {
            write(order, column, &mut encoded);
        }
        Ok(encoded)
    }

    /// The columns of bare keys.
    #[cfg(test)]
    pub fn decode<'a>(&self, keys: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>, DecodeError> {
        self.decode_behind(keys, Ok)
    }

    /// The columns of whole keys of state.
    pub fn decode_state<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Vec<ArrayRef>, DecodeError> {
        self.decode_behind(keys, |key| match key {
            [_, VERSION, columns @ ..] => Ok(columns),
            [_, version, ..] => Err(DecodeError::Version(*version)),
            short => Err(DecodeError::Short { missing: HEADER_BYTES - short.len() }),
        })
    }

    fn decode_behind<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a [u8]>,
        header: impl Fn(&'a [u8]) -> Result<&'a [u8], DecodeError>,
    ) -> Result<Vec<ArrayRef>, DecodeError> {
        let mut builders = self
            .columns
            .iter()
            .map(|column| ColumnBuilder::new(&column.data_type))
            .collect::<Result<Vec<_>, _>>()?;
        for key in keys {
            let mut rest = header(key)?;
            for (column, builder) in self.columns.iter().zip(&mut builders) {
                read(column, &mut rest, builder)?;
            }
            if !rest.is_empty() {
                return Err(DecodeError::Long { left: rest.len() });
            }
        }
        builders.into_iter().map(ColumnBuilder::finish).collect()
    }
}

/// The virtual node of a key's bare columns, as `KeyCodec::ascending` writes them.
#[inline]
pub(crate) fn virtual_node(columns: &[u8]) -> u8 {
    // 128 nodes are 7 bits.
    (xxh3_64(columns) >> 57) as u8
}

/// The virtual node of every row, by its key columns.
pub(crate) fn virtual_nodes(columns: &[ArrayRef], rows: usize) -> Result<Vec<u8>, DecodeError> {
    let codec = KeyCodec::ascending(columns.iter().map(|column| column.data_type()))?;
    Ok(codec.encode(columns, rows)?.iter().map(virtual_node).collect())
}

/// The first bytes of all keys of state of a virtual node, in this version's form.
pub(crate) fn state_prefix(node: u8) -> [u8; HEADER_BYTES] {
    [node, VERSION]
}

/// Bytes in the order of the numbers.
pub(crate) fn ordered(number: i64) -> [u8; 8] {
    (number ^ i64::MIN).to_be_bytes()
}

/// The reverse of [`ordered`]; 0 for what is not 8 bytes.
pub(crate) fn number(bytes: &[u8]) -> i64 {
    bytes.try_into().map_or(0, |bytes| i64::from_be_bytes(bytes) ^ i64::MIN)
}

/// The least bytes that are behind everything that begins with `prefix`; `None` if nothing is.
pub(crate) fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut next = prefix.get(..=kept)?.to_vec();
    *next.last_mut()? += 1;
    Some(next)
}

/// Adds how many bytes the column takes in each row.
fn measure(column: &Column, lengths: &mut [usize]) {
    let width = match &column.values {
        Values::Null => 0,
        Values::Boolean(_) => 1,
        Values::Single(_) => 4,
        Values::Integer(_) | Values::Unsigned(_) | Values::Double(_) => 8,
        Values::Decimal(_) => 16,
        Values::Bytes(values) => {
            for (row, length) in lengths.iter_mut().enumerate() {
                *length += 1;
                if !column.is_null(row) {
                    let value = values.value(row);
                    *length += value.len() + value.iter().filter(|byte| **byte == 0).count() + 2;
                }
            }
            return;
        }
    };
    for (row, length) in lengths.iter_mut().enumerate() {
        *length += if column.is_null(row) { 1 } else { 1 + width };
    }
}

/// Writes the column behind what each row has so far; `ends` are the places, and are moved on.
fn write(order: &KeyColumn, column: &Column, out: &mut Encoded) {
    match &column.values {
        Values::Null => fixed::<0>(order, column, out, |_| []),
        Values::Boolean(values) => fixed(order, column, out, |row| [u8::from(values.value(row))]),
        Values::Integer(values) => fixed(order, column, out, |row| ordered_integer(values.value(row))),
        Values::Unsigned(values) => fixed(order, column, out, |row| values.value(row).to_be_bytes()),
        Values::Single(values) => fixed(order, column, out, |row| ordered_single(values.value(row))),
        Values::Double(values) => fixed(order, column, out, |row| ordered_double(values.value(row))),
        Values::Decimal(values) => fixed(order, column, out, |row| ordered_decimal(values.value(row))),
        Values::Bytes(values) => {
            for row in 0..out.ends.len() {
                if column.is_null(row) {
                    fixed_row::<0>(order, true, out, row, || []);
                } else {
                    escape(values.value(row), order.mask(), out, row);
                }
            }
        }
    }
}

#[inline]
fn fixed<const N: usize>(
    order: &KeyColumn,
    column: &Column,
    out: &mut Encoded,
    value: impl Fn(usize) -> [u8; N],
) {
    let all_null = matches!(column.values, Values::Null);
    for row in 0..out.ends.len() {
        fixed_row(order, all_null || column.is_null(row), out, row, || value(row));
    }
}

#[inline]
fn fixed_row<const N: usize>(
    order: &KeyColumn,
    is_null: bool,
    out: &mut Encoded,
    row: usize,
    value: impl Fn() -> [u8; N],
) {
    let cursor = &mut out.ends[row];
    if is_null {
        out.bytes[*cursor] = order.null_marker();
        *cursor += 1;
        return;
    }
    let mask = order.mask();
    let place = &mut out.bytes[*cursor..*cursor + 1 + N];
    place[0] = VALUE;
    place[1..].copy_from_slice(&value().map(|byte| byte ^ mask));
    *cursor += 1 + N;
}

fn escape(value: &[u8], mask: u8, out: &mut Encoded, row: usize) {
    let cursor = &mut out.ends[row];
    let mut put = |byte: u8| {
        out.bytes[*cursor] = byte;
        *cursor += 1;
    };
    put(VALUE);
    for byte in value {
        put(*byte ^ mask);
        if *byte == 0 {
            put(ESCAPED ^ mask);
        }
    }
    put(mask);
    put(mask);
}

fn ordered_integer(value: i64) -> [u8; 8] {
    (value ^ i64::MIN).to_be_bytes()
}

fn ordered_decimal(value: i128) -> [u8; 16] {
    (value ^ i128::MIN).to_be_bytes()
}

fn ordered_single(value: f32) -> [u8; 4] {
    let bits = value.to_bits();
    let turned = if value.is_sign_negative() { !bits } else { bits ^ (1 << 31) };
    turned.to_be_bytes()
}

fn ordered_double(value: f64) -> [u8; 8] {
    let bits = value.to_bits();
    let turned = if value.is_sign_negative() { !bits } else { bits ^ (1 << 63) };
    turned.to_be_bytes()
}

fn single(bytes: [u8; 4]) -> f32 {
    let turned = u32::from_be_bytes(bytes);
    f32::from_bits(if turned >> 31 == 0 { !turned } else { turned ^ (1 << 31) })
}

fn double(bytes: [u8; 8]) -> f64 {
    let turned = u64::from_be_bytes(bytes);
    f64::from_bits(if turned >> 63 == 0 { !turned } else { turned ^ (1 << 63) })
}

fn read(order: &KeyColumn, rest: &mut &[u8], builder: &mut ColumnBuilder) -> Result<(), DecodeError> {
    let [marker] = take::<1>(rest)?;
    match marker {
        VALUE => {}
        NULL_FIRST | NULL_LAST if marker == order.null_marker() => {
            builder.push_null();
            return Ok(());
        }
        other => return Err(DecodeError::Marker(other)),
    }
    let mask = order.mask();
    match &mut builder.data {
        Data::Null => return Err(DecodeError::Marker(VALUE)),
        Data::Boolean(values) => values.append(masked::<1>(rest, mask)? != [0]),
        Data::Integer(values) => values.push(i64::from_be_bytes(masked(rest, mask)?) ^ i64::MIN),
        Data::Unsigned(values) => values.push(u64::from_be_bytes(masked(rest, mask)?)),
        Data::Single(values) => values.push(single(masked(rest, mask)?)),
        Data::Double(values) => values.push(double(masked(rest, mask)?)),
        Data::Decimal(values) => values.push(i128::from_be_bytes(masked(rest, mask)?) ^ i128::MIN),
        Data::Bytes { bytes, ends } => {
            unescape(rest, mask, bytes)?;
            ends.push(bytes.len());
        }
    }
    builder.note_value();
    Ok(())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], DecodeError> {
    let missing = N.saturating_sub(rest.len());
    let (taken, behind) = rest.split_first_chunk::<N>().ok_or(DecodeError::Short { missing })?;
    *rest = behind;
    Ok(*taken)
}

fn masked<const N: usize>(rest: &mut &[u8], mask: u8) -> Result<[u8; N], DecodeError> {
    Ok(take::<N>(rest)?.map(|byte| byte ^ mask))
}

fn unescape(rest: &mut &[u8], mask: u8, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    loop {
        match masked::<1>(rest, mask)? {
            [0] => match masked::<1>(rest, mask)? {
                [0] => return Ok(()),
                [ESCAPED] => out.push(0),
                [other] => return Err(DecodeError::Marker(other)),
            },
            [byte] => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests;
