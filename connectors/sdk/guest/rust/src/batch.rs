//! Records as columns, and iterators over them.

use crate::bindings::millstream::connect::types;

/// What stands for "no timestamp" in a column.
const NO_TIMESTAMP: i64 = i64::MIN;

/// A batch of records. Iterate over it, or look at one row.
pub struct Batch {
    parts: types::Batch,
}

/// One record, borrowed from its batch.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// Milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    pub headers: Headers<'a>,
}

/// The headers of one record as (name, value), in order.
#[derive(Clone, Copy)]
pub struct Headers<'a> {
    parts: Option<&'a types::Headers>,
    next: usize,
    end: usize,
}

impl Batch {
    pub(crate) fn of(parts: types::Batch) -> Batch {
        Batch { parts }
    }

    pub(crate) fn into_parts(self) -> types::Batch {
        self.parts
    }

    pub fn len(&self) -> usize {
        self.parts.values.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all values together.
    pub fn value_bytes(&self) -> usize {
        self.parts.values.bytes.len()
    }

    #[inline]
    pub fn value(&self, row: usize) -> Option<&[u8]> {
        get(&self.parts.values, row)
    }

    #[inline]
    pub fn key(&self, row: usize) -> Option<&[u8]> {
        self.parts.keys.as_ref().and_then(|keys| get(keys, row))
    }

    #[inline]
    pub fn timestamp_ms(&self, row: usize) -> Option<i64> {
        let found = self.parts.timestamps.as_ref()?.get(row).copied()?;
        (found != NO_TIMESTAMP).then_some(found)
    }

    pub fn headers(&self, row: usize) -> Headers<'_> {
        let Some(parts) = &self.parts.headers else { return Headers { parts: None, next: 0, end: 0 } };
        let end = |row: usize| parts.row_ends.get(row).map_or(0, |end| *end as usize);
        Headers { parts: Some(parts), next: row.checked_sub(1).map_or(0, end), end: end(row) }
    }

    /// The record at `row`, which must be below [`Batch::len`]: past it everything is `None`.
    #[inline]
    pub fn record(&self, row: usize) -> Record<'_> {
        Record {
            key: self.key(row),
            value: self.value(row),
            timestamp_ms: self.timestamp_ms(row),
            headers: self.headers(row),
        }
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        (0..self.len()).map(|row| self.record(row))
    }
}

#[inline]
fn get(column: &types::Column, row: usize) -> Option<&[u8]> {
    let end = *column.ends.get(row)? as usize;
    let start = if row == 0 { 0 } else { column.ends[row - 1] as usize };
    if let Some(nulls) = &column.nulls
        && nulls[row / 8] & (1 << (row % 8)) != 0
    {
        return None;
    }
    column.bytes.get(start..end)
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let parts = self.parts.filter(|_| self.next < self.end)?;
        let entry = self.next;
        self.next += 1;
        let name = std::str::from_utf8(get(&parts.names, entry)?).ok()?;
        Some((name, get(&parts.values, entry)))
    }
}

/// Builds a batch record by record.
#[derive(Default)]
pub struct BatchBuilder {
    keys: ColumnBuilder,
    values: ColumnBuilder,
    names: ColumnBuilder,
    header_values: ColumnBuilder,
    row_ends: Vec<u32>,
    timestamps: Vec<i64>,
    has_key: bool,
    has_timestamp: bool,
}

impl BatchBuilder {
    pub fn new() -> BatchBuilder {
        BatchBuilder::default()
    }

    pub fn with_capacity(rows: usize, value_bytes: usize) -> BatchBuilder {
        let mut builder = BatchBuilder::default();
        builder.values.bytes.reserve(value_bytes);
        for ends in [&mut builder.values.ends, &mut builder.keys.ends, &mut builder.row_ends] {
            ends.reserve(rows);
        }
        builder.timestamps.reserve(rows);
        builder
    }

    pub fn len(&self) -> usize {
        self.timestamps.len()
    }

    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    /// Bytes of all values so far.
    pub fn value_bytes(&self) -> usize {
        self.values.bytes.len()
    }

    /// Gives the record that the next `push` appends a header.
    pub fn push_header(&mut self, name: &str, value: Option<&[u8]>) {
        self.names.push(Some(name.as_bytes()));
        self.header_values.push(value);
    }

    pub fn push(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, timestamp_ms: Option<i64>) {
        self.values.push(value);
        self.end_row(key, timestamp_ms);
    }

    /// Appends the value that `write` writes; what it writes into may only be appended to.
    pub fn push_with<E>(
        &mut self,
        key: Option<&[u8]>,
        timestamp_ms: Option<i64>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.values.bytes.len();
        if let Err(error) = write(&mut self.values.bytes) {
            self.values.bytes.truncate(start);
            return Err(error);
        }
        self.values.end_row(false);
        self.end_row(key, timestamp_ms);
        Ok(())
    }

    pub fn push_record(&mut self, record: Record<'_>) {
        for (name, value) in record.headers {
            self.push_header(name, value);
        }
        self.push(record.key, record.value, record.timestamp_ms);
    }

    fn end_row(&mut self, key: Option<&[u8]>, timestamp_ms: Option<i64>) {
        self.keys.push(key);
        self.has_key |= key.is_some();
        self.timestamps.push(timestamp_ms.unwrap_or(NO_TIMESTAMP));
        self.has_timestamp |= timestamp_ms.is_some();
        self.row_ends.push(self.names.ends.len() as u32);
    }

    pub fn finish(self) -> Batch {
        let has_headers = !self.names.ends.is_empty();
        Batch::of(types::Batch {
            keys: self.has_key.then(|| self.keys.finish()),
            values: self.values.finish(),
            headers: has_headers.then(|| types::Headers {
                names: self.names.finish(),
                values: self.header_values.finish(),
                row_ends: self.row_ends,
            }),
            timestamps: self.has_timestamp.then_some(self.timestamps),
        })
    }
}

#[derive(Default)]
struct ColumnBuilder {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    nulls: Option<Vec<u8>>,
}

impl ColumnBuilder {
    #[inline]
    fn push(&mut self, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.bytes.extend_from_slice(value);
        }
        self.end_row(value.is_none());
    }

    #[inline]
    fn end_row(&mut self, is_null: bool) {
        let row = self.ends.len();
        self.ends.push(self.bytes.len() as u32);
        if is_null && self.nulls.is_none() {
            self.nulls = Some(Vec::new());
        }
        if let Some(nulls) = &mut self.nulls {
            nulls.resize(row / 8 + 1, 0);
            nulls[row / 8] |= u8::from(is_null) << (row % 8);
        }
    }

    fn finish(self) -> types::Column {
        types::Column { bytes: self.bytes, ends: self.ends, nulls: self.nulls }
    }
}
