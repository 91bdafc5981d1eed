//! SQL expressions over the fields of JSON records without a declared schema: the `filter:`, `map:`, `key:` and
//! `timestamp:` options of connectors. What an expression gives for a record depends on that record alone, never on
//! which others happen to share its batch. Leaves out aggregates, subqueries and anything that keeps state.

pub mod clock;
mod compile;
mod evaluate;
mod fields;
mod programs;
#[cfg(test)]
mod tests;

pub use programs::{MappedRows, RowFilter, RowMap, RowScalar, Verdict};

/// A record as an expression sees it. Fields of the JSON value are named plainly (`amount`, `geo.lat`, `geo['lat']`);
/// beside them stand `_key` and `_topic` (text), `_timestamp` (timestamp), `_partition` and `_offset` (bigint), and
/// `_headers['name']` (text). A plain name that the value has no member for means the header of that name.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowView<'a> {
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// Milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    pub topic: &'a str,
    pub partition: Option<i32>,
    pub offset: Option<i64>,
    pub headers: &'a [Header<'a>],
}

/// Name and value of a record's header.
pub type Header<'a> = (&'a str, Option<&'a [u8]>);

/// An expression that can't be used: what, where in its text (from 1), and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    pub message: String,
    pub line: u64,
    pub column: u64,
}
