//! A batch of records as flat columns: what crosses between the host and a plugin.
//!
//! Keys, values and header parts each lie end to end in one buffer with the end offset of every row, so a batch
//! of a thousand records is a handful of allocations. Left out: topics, partitions and offsets, which belong to
//! the host (see [`crate::sink::SinkBatch`]) and schemas (values are bytes).

mod bitmap;
mod column;
mod headers;

pub use bitmap::Bitmap;
pub use column::{Column, ColumnBuilder};
pub use headers::{Headers, HeadersBuilder, RowHeaders};

use thiserror::Error;

/// A header by which a source or a step chooses the record's topic. The host takes it off.
pub const TOPIC_HEADER: &str = "__millstream.topic";

/// The same for the partition, a number.
pub const PARTITION_HEADER: &str = "__millstream.partition";

/// The timestamp of a record that has none.
pub const NO_TIMESTAMP: i64 = i64::MIN;

/// Most bytes one column may hold: row ends are 32-bit.
pub const MAX_COLUMN_BYTES: usize = u32::MAX as usize;

/// Why parts that came from outside do not form a batch.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum BatchError {
    #[error("{column}: row {row} ends at {end}, before the row ahead of it")]
    EndsDecrease { column: &'static str, row: usize, end: u32 },
    #[error("{column}: rows end at {end} of {bytes} bytes")]
    EndsMismatch { column: &'static str, end: usize, bytes: usize },
    #[error("{column}: {found} rows where the batch has {expected}")]
    RowsMismatch { column: &'static str, found: usize, expected: usize },
    #[error("{column}: a null bitmap of {found} bytes for {rows} rows")]
    BitmapMismatch { column: &'static str, found: usize, rows: usize },
    #[error("{column}: row {row} is null, which it cannot be")]
    UnexpectedNull { column: &'static str, row: usize },
    #[error("{column}: row {row} is not UTF-8")]
    NotText { column: &'static str, row: usize },
}

/// Records in columns; every column has the same number of rows. Cloning shares the bytes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    keys: Column,
    values: Column,
    headers: Headers,
    timestamps: Vec<i64>,
}

/// One record of a batch, borrowed. The timestamp is milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<'a> {
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: RowHeaders<'a>,
    pub timestamp_ms: Option<i64>,
}

impl Batch {
    /// Joins columns into a batch. `timestamps` are milliseconds since the epoch or [`NO_TIMESTAMP`].
    pub fn new(
        keys: Column,
        values: Column,
        headers: Headers,
        timestamps: Vec<i64>,
    ) -> Result<Batch, BatchError> {
        let expected = values.len();
        let rows = |column, found| match found == expected {
            true => Ok(()),
            false => Err(BatchError::RowsMismatch { column, found, expected }),
        };
        rows("keys", keys.len())?;
        rows("timestamps", timestamps.len())?;
        if let Some(found) = headers.rows() {
            rows("headers", found)?;
        }
        Ok(Batch { keys, values, headers, timestamps })
    }

    /// A batch of values alone: no keys, headers or timestamps.
    pub fn of_values(values: Column) -> Batch {
        let rows = values.len();
        Batch {
            keys: Column::all_null(rows),
            values,
            headers: Headers::default(),
            timestamps: vec![NO_TIMESTAMP; rows],
        }
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Bytes of keys, values and headers together.
    pub fn byte_len(&self) -> usize {
        self.keys.byte_len() + self.values.byte_len() + self.headers.byte_len()
    }

    pub fn keys(&self) -> &Column {
        &self.keys
    }

    pub fn values(&self) -> &Column {
        &self.values
    }

    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Milliseconds since the epoch per row, or [`NO_TIMESTAMP`].
    pub fn timestamps(&self) -> &[i64] {
        &self.timestamps
    }

    pub fn into_parts(self) -> (Column, Column, Headers, Vec<i64>) {
        (self.keys, self.values, self.headers, self.timestamps)
    }

    /// The record at `row`; `None` past the end.
    pub fn row(&self, row: usize) -> Option<Row<'_>> {
        (row < self.len()).then(|| self.row_within(row))
    }

    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        (0..self.len()).map(|row| self.row_within(row))
    }

    fn row_within(&self, row: usize) -> Row<'_> {
        let timestamp = self.timestamps[row];
        Row {
            key: self.keys.get(row),
            value: self.values.get(row),
            headers: self.headers.row(row),
            timestamp_ms: (timestamp != NO_TIMESTAMP).then_some(timestamp),
        }
    }

    /// The rows `from..to` (clamped to the batch), sharing the bytes.
    pub fn slice(&self, from: usize, to: usize) -> Batch {
        let to = to.min(self.len());
        let from = from.min(to);
        Batch {
            keys: self.keys.slice(from, to),
            values: self.values.slice(from, to),
            headers: self.headers.slice(from, to),
            timestamps: self.timestamps[from..to].to_vec(),
        }
    }

    /// The rows whose bit is set, in order.
    pub fn keep(&self, verdicts: &Bitmap) -> Batch {
        let mut kept = BatchBuilder::with_capacity(self.len(), self.values.byte_len());
        for (index, row) in self.rows().enumerate() {
            if verdicts.get(index) {
                kept.push_row(row);
            }
        }
        kept.finish()
    }

    /// The same records with other keys.
    pub fn with_keys(self, keys: Column) -> Result<Batch, BatchError> {
        Batch::new(keys, self.values, self.headers, self.timestamps)
    }

    /// The same records with other values.
    pub fn with_values(self, values: Column) -> Result<Batch, BatchError> {
        Batch::new(self.keys, values, self.headers, self.timestamps)
    }

    /// The same records with other timestamps.
    pub fn with_timestamps(self, timestamps: Vec<i64>) -> Result<Batch, BatchError> {
        Batch::new(self.keys, self.values, self.headers, timestamps)
    }
}

/// Builds a batch record by record.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    keys: ColumnBuilder,
    values: ColumnBuilder,
    headers: HeadersBuilder,
    timestamps: Vec<i64>,
}

impl BatchBuilder {
    pub fn new() -> BatchBuilder {
        BatchBuilder::default()
    }

    pub fn with_capacity(rows: usize, value_bytes: usize) -> BatchBuilder {
        BatchBuilder {
            keys: ColumnBuilder::with_capacity(rows, 0),
            values: ColumnBuilder::with_capacity(rows, value_bytes),
            headers: HeadersBuilder::default(),
            timestamps: Vec::with_capacity(rows),
        }
    }

    pub fn len(&self) -> usize {
        self.timestamps.len()
    }

    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    /// Bytes of keys and values so far.
    pub fn byte_len(&self) -> usize {
        self.keys.byte_len() + self.values.byte_len()
    }

    /// Appends a record without headers. `timestamp_ms` is milliseconds since the epoch.
    pub fn push(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, timestamp_ms: Option<i64>) {
        self.keys.push(key);
        self.values.push(value);
        self.headers.end_row();
        self.timestamps.push(timestamp_ms.unwrap_or(NO_TIMESTAMP));
    }

    /// Gives the record that the next `push` appends a header.
    pub fn push_header(&mut self, name: &str, value: Option<&[u8]>) {
        self.headers.push(name, value);
    }

    pub fn push_row(&mut self, row: Row<'_>) {
        for (name, value) in row.headers {
            self.push_header(name, value);
        }
        self.push(row.key, row.value, row.timestamp_ms);
    }

    /// Appends the records of a batch.
    pub fn append(&mut self, batch: &Batch) {
        self.keys.append(&batch.keys);
        self.values.append(&batch.values);
        self.headers.append(&batch.headers, batch.len());
        self.timestamps.extend_from_slice(&batch.timestamps);
    }

    pub fn finish(self) -> Batch {
        Batch {
            keys: self.keys.finish(),
            values: self.values.finish(),
            headers: self.headers.finish(),
            timestamps: self.timestamps,
        }
    }
}

#[cfg(test)]
mod tests;
