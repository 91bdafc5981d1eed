//! From result batches to record keys and values.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};

use super::QueryError;
use super::original::Header;
use super::rows::{RowKind, Rows};
use super::source::format_of;
use crate::format::{EncodedRows, Encoder, FormatError, KeyEncoder, write_json_value};
use crate::plan::SinkPlan;
use crate::sql::catalog::{ChangeMode, KeyFormat};

/// Results as records, not yet given to a partition.
#[derive(Debug, Default)]
pub(crate) struct OutputRows {
    keys: EncodedRows,
    has_key: Vec<bool>,
    values: EncodedRows,
    /// Rows without a value take their key back; absent if there are none.
    has_value: Option<Vec<bool>>,
    /// By row; empty if no row has any.
    headers: Vec<Vec<Header>>,
}

/// A record to write: its key, its value, its headers.
pub(crate) type OutputRow<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, &'a [Header]);

impl OutputRows {
    pub fn len(&self) -> usize {
        self.has_key.len()
    }

    /// Memory that the rows' bytes take, or would take again.
    pub fn capacity_bytes(&self) -> usize {
        self.keys.bytes.capacity() + self.values.bytes.capacity()
    }

    pub fn clear(&mut self) {
        self.keys.clear();
        self.has_key.clear();
        self.values.clear();
        self.has_value = None;
        self.headers.clear();
    }

    pub fn push(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, headers: Vec<Header>) {
        if !headers.is_empty() {
            self.headers.resize(self.has_key.len(), Vec::new());
            self.headers.push(headers);
        }
        self.has_key.push(key.is_some());
        self.keys.bytes.extend_from_slice(key.unwrap_or_default());
        self.keys.ends.push(self.keys.bytes.len());
        self.values.bytes.extend_from_slice(value.unwrap_or_default());
        self.values.ends.push(self.values.bytes.len());
        self.has_value.get_or_insert_default().push(value.is_some());
    }

    pub fn headers(&self, row: usize) -> &[Header] {
        self.headers.get(row).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn iter(&self) -> impl Iterator<Item = OutputRow<'_>> {
        (0..self.len()).map(|row| {
            let has_key = self.has_key.get(row).copied().unwrap_or(false);
            let has_value =
                self.has_value.as_ref().is_none_or(|flags| flags.get(row).copied().unwrap_or(false));
            let value = has_value.then(|| self.values.row(row));
            (has_key.then(|| self.keys.row(row)), value, self.headers(row))
        })
    }
}

pub(crate) struct RowEncoder {
    topic: String,
    key_format: KeyFormat,
    key: Vec<usize>,
    keys: KeyEncoder,
    values: Encoder,
    /// The column that becomes the record's headers.
    headers: Option<usize>,
    /// Rows replace the one of the same key.
    is_keyed: bool,
}

impl RowEncoder {
    pub fn new(plan: &SinkPlan) -> Result<RowEncoder, QueryError> {
        let fields = plan.relation.schema.fields();
        let columns: Vec<(usize, &str)> = plan
            .value
            .iter()
            .filter_map(|index| fields.get(*index).map(|field| (*index, field.name().as_str())))
            .collect();
        let topic = plan.relation.topic.clone();
        let values = Encoder::new(format_of(plan.relation.format), &columns)
            .map_err(|source| QueryError::Encode { topic: topic.clone(), source })?;
        // Of bytes, each may be a value, so that there is none left for NULL.
        let is_bytes = |index: &usize| fields.get(*index).is_some_and(|field| field.data_type().is_binary());
        let needs_key = plan.relation.mode == ChangeMode::Upsert && !plan.key.iter().any(is_bytes);
        Ok(RowEncoder {
            topic,
            key_format: plan.relation.key_format,
            key: plan.key.clone(),
            keys: KeyEncoder::new(plan.key.clone(), needs_key),
            values,
            headers: plan.headers,
            is_keyed: plan.relation.mode == ChangeMode::Upsert,
        })
    }

    /// Writes the rows into `out`, which is empty. For a table: what replaces a row is written under its key, a row that is
    /// gone leaves its key without a value.
    pub fn encode(&mut self, rows: &Rows, out: &mut OutputRows) -> Result<(), QueryError> {
        let failed = |source| QueryError::Encode { topic: self.topic.clone(), source };
        self.encode_batch(&rows.batch, out).map_err(failed)?;
        if let Some(column) = self.headers {
            out.headers = headers(rows.batch.column(column));
        }
        if self.is_keyed && rows.kinds.is_some() {
            self.take_back(rows, out);
        }
        Ok(())
    }

    fn encode_batch(&self, batch: &RecordBatch, out: &mut OutputRows) -> Result<(), FormatError> {
        self.values.encode(batch, &mut out.values)?;
        out.has_key = match (self.key_format, self.key.as_slice()) {
            (KeyFormat::Json, [only]) => json_keys(batch, *only, &mut out.keys)?,
            // A table of one row has a key all the same: compacted topics take no records without one.
            (_, []) if self.is_keyed => no_columns(batch.num_rows(), &mut out.keys),
            _ => self.keys.encode(batch, &mut out.keys)?,
        };
        Ok(())
    }

    /// Keeps of changes what a topic needs: the row before an update only if the update has another key.
    fn take_back(&self, rows: &Rows, out: &mut OutputRows) {
        let mut kept = OutputRows { has_value: Some(Vec::new()), ..OutputRows::default() };
        for (row, (key, value, headers)) in out.iter().enumerate() {
            let is_replaced = rows.kind(row) == RowKind::UpdateBefore
                && row + 1 < rows.len()
                && rows.kind(row + 1) == RowKind::UpdateAfter
                && out.has_key.get(row) == out.has_key.get(row + 1)
                && out.keys.row(row) == out.keys.row(row + 1);
            if !is_replaced {
                kept.push(key, value.filter(|_| rows.kind(row).adds()), headers.to_vec());
            }
        }
        *out = kept;
    }
}

/// The entries of a map from text to text, for each row.
fn headers(column: &ArrayRef) -> Vec<Vec<Header>> {
    let Some(maps) = column.as_map_opt() else { return Vec::new() };
    let of_row = |row: usize| -> Vec<Header> {
        if maps.is_null(row) {
            return Vec::new();
        }
        let entries = maps.value(row);
        let (Some(names), Some(values)) =
            (entries.column(0).as_string_opt::<i32>(), entries.column(1).as_string_opt::<i32>())
        else {
            return Vec::new();
        };
        let value = |place: usize| values.is_valid(place).then(|| values.value(place).as_bytes().to_vec());
        (0..entries.len()).map(|place| (names.value(place).to_owned(), value(place))).collect()
    };
    (0..maps.len()).map(of_row).collect()
}

fn no_columns(rows: usize, out: &mut EncodedRows) -> Vec<bool> {
    for _ in 0..rows {
        out.bytes.extend_from_slice(b"[]");
        out.ends.push(out.bytes.len());
    }
    vec![true; rows]
}

fn json_keys(batch: &RecordBatch, column: usize, out: &mut EncodedRows) -> Result<Vec<bool>, FormatError> {
    for row in 0..batch.num_rows() {
        write_json_value(batch.column(column).as_ref(), row, &mut out.bytes)?;
        out.ends.push(out.bytes.len());
    }
    Ok(vec![true; batch.num_rows()])
}
