//! From result batches to record keys and values.

use datafusion::arrow::array::RecordBatch;

use super::QueryError;
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
}

impl OutputRows {
    pub fn len(&self) -> usize {
        self.has_key.len()
    }

    pub fn clear(&mut self) {
        self.keys.clear();
        self.has_key.clear();
        self.values.clear();
        self.has_value = None;
    }

    fn push(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) {
        self.has_key.push(key.is_some());
        self.keys.bytes.extend_from_slice(key.unwrap_or_default());
        self.keys.ends.push(self.keys.bytes.len());
        self.values.bytes.extend_from_slice(value.unwrap_or_default());
        self.values.ends.push(self.values.bytes.len());
        self.has_value.get_or_insert_default().push(value.is_some());
    }

    /// Key and value of each row.
    pub fn iter(&self) -> impl Iterator<Item = (Option<&[u8]>, Option<&[u8]>)> {
        (0..self.len()).map(|row| {
            let has_key = self.has_key.get(row).copied().unwrap_or(false);
            let has_value =
                self.has_value.as_ref().is_none_or(|flags| flags.get(row).copied().unwrap_or(false));
            (has_key.then(|| self.keys.row(row)), has_value.then(|| self.values.row(row)))
        })
    }
}

pub(crate) struct RowEncoder {
    topic: String,
    key_format: KeyFormat,
    key: Vec<usize>,
    keys: KeyEncoder,
    values: Encoder,
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
        Ok(RowEncoder {
            topic,
            key_format: plan.relation.key_format,
            key: plan.key.clone(),
            keys: KeyEncoder::new(plan.key.clone()),
            values,
            is_keyed: plan.relation.mode == ChangeMode::Upsert,
        })
    }

    /// Writes the rows into `out`, which is empty. For a table: what replaces a row is written under its key, a row that is
    /// gone leaves its key without a value.
    pub fn encode(&mut self, rows: &Rows, out: &mut OutputRows) -> Result<(), QueryError> {
        let failed = |source| QueryError::Encode { topic: self.topic.clone(), source };
        self.encode_batch(&rows.batch, out).map_err(failed)?;
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
        for (row, (key, value)) in out.iter().enumerate() {
            let is_replaced = rows.kind(row) == RowKind::UpdateBefore
                && row + 1 < rows.len()
                && rows.kind(row + 1) == RowKind::UpdateAfter
                && out.has_key.get(row) == out.has_key.get(row + 1)
                && out.keys.row(row) == out.keys.row(row + 1);
            if !is_replaced {
                kept.push(key, value.filter(|_| rows.kind(row).adds()));
            }
        }
        *out = kept;
    }
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
