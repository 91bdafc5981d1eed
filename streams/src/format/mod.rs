//! Between record bytes and Arrow: decoding straight into columns, never one message object a record, and encoding
//! straight from columns. Formats: `json`, `csv`, `raw`. Leaves out fetching and producing.

pub(crate) mod column;
mod csv;
mod decode;
mod encode;
mod nested;
mod number;
pub mod scan;
pub mod time;

#[cfg(test)]
mod tests;

pub use decode::{Decoded, Decoder};
pub(crate) use encode::Cells;
pub use encode::{EncodedRows, Encoder, KeyEncoder, NULL_KEY, write_json_text, write_json_value};

use arrow::datatypes::Field;

/// How a record's value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a record (RFC 8259).
    Json,
    /// One line a record, fields in the order of the declared columns (RFC 4180 quoting).
    Csv { delimiter: u8 },
    /// The value's bytes as one column, TEXT or BYTEA.
    Raw,
}

impl Format {
    /// The format of that name, as `WITH (format = '…')` and pipeline files have it.
    pub fn from_name(name: &str) -> Result<Format, FormatError> {
        match name.to_ascii_lowercase().as_str() {
            "json" => Ok(Format::Json),
            "csv" => Ok(Format::Csv { delimiter: b',' }),
            "raw" => Ok(Format::Raw),
            _ => Err(FormatError::Unknown(name.to_owned())),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Csv { .. } => "csv",
            Format::Raw => "raw",
        }
    }
}

/// A format that can't carry what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    #[error("unknown format `{0}`: use json, csv or raw")]
    Unknown(String),
    #[error("column `{column}` of type {data_type} cannot be read from {format} values")]
    ColumnType { column: String, data_type: String, format: &'static str },
    #[error("format raw carries exactly one column, TEXT or BYTEA, not {0}")]
    RawColumns(usize),
    #[error("finish a decoded batch: {0}")]
    Batch(String),
}

/// A record as the log hands it out; nothing is copied.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
    pub offset: i64,
    pub partition: i32,
    pub topic: &'a str,
    /// A JSON object of texts; empty where no column asks for it.
    pub headers: &'a [u8],
}

/// Where a column's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnSource {
    /// The record's value: by name in JSON, by place in CSV.
    Value,
    /// The record's key as plain text.
    Key,
    /// The n-th element of a key that is a JSON array.
    KeyElement(usize),
    /// `_key`: the key's bytes, TEXT or BYTEA.
    KeyBytes,
    Partition,
    Offset,
    /// `_topic`: the topic's name.
    Topic,
    /// `_headers`: a map from text to text.
    Headers,
    /// The record's timestamp, BIGINT milliseconds or TIMESTAMP.
    Timestamp,
}

/// A column to decode: its Arrow field and where it comes from.
#[derive(Clone, Debug)]
pub struct ColumnSpec {
    pub field: Field,
    pub source: ColumnSource,
    /// The field's place among the declared columns: what CSV goes by.
    pub place: usize,
}

/// A record that could not be decoded: the batch goes on without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    pub partition: i32,
    pub offset: i64,
    pub reason: String,
}
