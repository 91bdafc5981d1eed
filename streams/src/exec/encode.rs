//! From result batches to record keys and values.

use datafusion::arrow::array::RecordBatch;

use super::QueryError;
use super::source::format_of;
use crate::format::{EncodedRows, Encoder, FormatError, KeyEncoder, write_json_value};
use crate::plan::SinkPlan;
use crate::sql::catalog::KeyFormat;

/// Results as records, not yet given to a partition.
#[derive(Debug, Default)]
pub(crate) struct OutputRows {
    keys: EncodedRows,
    has_key: Vec<bool>,
    values: EncodedRows,
}

impl OutputRows {
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Key and value of each row.
    pub fn iter(&self) -> impl Iterator<Item = (Option<&[u8]>, &[u8])> {
        (0..self.len()).map(|row| {
            let has_key = self.has_key.get(row).copied().unwrap_or(false);
            (has_key.then(|| self.keys.row(row)), self.values.row(row))
        })
    }
}

pub(crate) struct RowEncoder {
    topic: String,
    key_format: KeyFormat,
    key: Vec<usize>,
    keys: KeyEncoder,
    values: Encoder,
    rows: OutputRows,
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
            rows: OutputRows::default(),
        })
    }

    pub fn encode(&mut self, batch: &RecordBatch) -> Result<&OutputRows, QueryError> {
        let rows = &mut self.rows;
        rows.keys.clear();
        rows.values.clear();
        let written = self.values.encode(batch, &mut rows.values).and_then(|()| {
            match (self.key_format, self.key.as_slice()) {
                (KeyFormat::Json, [only]) => json_keys(batch, *only, &mut rows.keys),
                _ => self.keys.encode(batch, &mut rows.keys),
            }
        });
        rows.has_key = written.map_err(|source| QueryError::Encode { topic: self.topic.clone(), source })?;
        Ok(rows)
    }
}

fn json_keys(batch: &RecordBatch, column: usize, out: &mut EncodedRows) -> Result<Vec<bool>, FormatError> {
    for row in 0..batch.num_rows() {
        write_json_value(batch.column(column).as_ref(), row, &mut out.bytes)?;
        out.ends.push(out.bytes.len());
    }
    Ok(vec![true; batch.num_rows()])
}
