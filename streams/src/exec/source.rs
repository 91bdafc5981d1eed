//! From fetched record batches to Arrow batches of the needed columns, with each row's watermark.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, Int64Array, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit};
use millstream_protocol::record_batch::Batch;

use super::QueryError;
use super::event_time::BEGINNING;
use super::link::Piece;
use super::rows::{RowKind, Rows};
use crate::format::{ColumnSource, ColumnSpec, Decoder, Format, Row, RowError};
use crate::plan::SourcePlan;
use crate::sql::catalog::ValueFormat;

/// Rows of one Arrow batch: enough to spread the cost of a batch, few enough to stay in the cache.
const BATCH_ROWS: usize = 8_192;

/// One compressed record batch may become at most this large.
const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;

pub(crate) struct SourceReader {
    plan: Arc<SourcePlan>,
    decoder: Decoder,
    /// What the rows in the decoder do, for a table.
    kinds: Vec<RowKind>,
    /// By partition: the watermark behind what was read.
    watermarks_us: BTreeMap<i32, i64>,
}

/// What a piece brought.
pub(crate) struct Read {
    /// In offset order.
    pub batches: Vec<Rows>,
    pub rows: u64,
    /// Of the partition, behind the last row.
    pub watermark_us: i64,
    pub bad: Vec<crate::format::RowError>,
}

impl SourceReader {
    pub fn new(plan: Arc<SourcePlan>) -> Result<SourceReader, QueryError> {
        let specs: Vec<ColumnSpec> = plan
            .schema
            .fields()
            .iter()
            .map(|field| ColumnSpec {
                field: field.as_ref().clone(),
                source: column_source(&plan, field.name()),
                place: plan.relation.value_place(field.name()),
            })
            .collect();
        let decoder = Decoder::new(format_of(plan.relation.format), &specs)
            .map_err(|source| QueryError::Decode { topic: plan.relation.topic.clone(), source })?;
        Ok(SourceReader { plan, decoder, kinds: Vec::new(), watermarks_us: BTreeMap::new() })
    }

    /// The watermark of each partition before the next piece.
    pub fn start_at(&mut self, watermarks_us: BTreeMap<i32, i64>) {
        self.watermarks_us = watermarks_us;
    }

    /// Decodes a piece.
    pub fn read(&mut self, piece: &Piece) -> Result<Read, QueryError> {
        let watermark_us = self.watermarks_us.get(&piece.partition).copied().unwrap_or(BEGINNING);
        let mut read = Read { batches: Vec::new(), rows: 0, watermark_us, bad: Vec::new() };
        for batch in &piece.batches {
            self.read_batch(piece, batch, &mut read)?;
        }
        self.finish_batch(&mut read)?;
        self.watermarks_us.insert(piece.partition, read.watermark_us);
        Ok(read)
    }

    fn read_batch(&mut self, piece: &Piece, batch: &Batch, read: &mut Read) -> Result<(), QueryError> {
        let plan = self.plan.clone();
        let damaged = |source: &dyn ToString| QueryError::BadRecord {
            topic: plan.relation.topic.clone(),
            partition: piece.partition,
            offset: piece.start_offset,
            reason: source.to_string(),
        };
        let records = batch.records(DECOMPRESSED_BYTES_MAX).map_err(|error| damaged(&error))?;
        for record in &records {
            let record = record.map_err(|error| damaged(&error))?;
            // A record without a value is no row of a stream: streams hold facts, and nothing is none.
            if record.offset < piece.start_offset || (record.value.is_none() && !self.plan.is_table) {
                continue;
            }
            if self.plan.is_table && record.key.is_none() {
                read.bad.push(RowError {
                    partition: piece.partition,
                    offset: record.offset,
                    reason: "a record of a table has a key".to_owned(),
                });
                continue;
            }
            let understood = self.decoder.push(&Row {
                key: record.key,
                value: record.value,
                timestamp_ms: record.timestamp_ms,
                offset: record.offset,
                partition: piece.partition,
            });
            if self.plan.is_table && understood {
                self.kinds.push(if record.value.is_some() { RowKind::Insert } else { RowKind::Delete });
            }
            if self.decoder.rows() >= BATCH_ROWS {
                self.finish_batch(read)?;
            }
        }
        Ok(())
    }

    fn finish_batch(&mut self, read: &mut Read) -> Result<(), QueryError> {
        let kinds = std::mem::take(&mut self.kinds);
        finish_batch(&self.plan, &mut self.decoder, &kinds, read)
    }
}

fn finish_batch(
    plan: &SourcePlan,
    decoder: &mut Decoder,
    kinds: &[RowKind],
    read: &mut Read,
) -> Result<(), QueryError> {
    let decoded = decoder
        .finish()
        .map_err(|source| QueryError::Decode { topic: plan.relation.topic.clone(), source })?;
    read.bad.extend(decoded.errors);
    let batch = decoded.batch;
    if batch.num_rows() == 0 {
        return Ok(());
    }
    read.rows += batch.num_rows() as u64;
    let watermarks = watermarks(plan, &batch, &mut read.watermark_us)?;
    let seen: Vec<usize> = (0..plan.width).collect();
    let batch = if plan.width == batch.num_columns() {
        batch
    } else {
        batch.project(&seen).map_err(QueryError::compute("the columns that are read"))?
    };
    let rows = if plan.is_table { Rows::changes(batch, kinds) } else { Rows::inserts(batch) };
    // Tables change at any time: none of their rows is late.
    read.batches.push(Rows { watermarks: watermarks.filter(|_| !plan.is_table), ..rows });
    Ok(())
}

/// The running maximum of the watermark before each row; `watermark_us` becomes the one behind the last.
fn watermarks(
    plan: &SourcePlan,
    batch: &RecordBatch,
    watermark_us: &mut i64,
) -> Result<Option<Int64Array>, QueryError> {
    const STEP: &str = "the watermark";
    let Some(expression) = &plan.watermark else { return Ok(None) };
    let marks = expression
        .evaluate(batch)
        .and_then(|value| value.into_array(batch.num_rows()))
        .map_err(QueryError::evaluate(STEP))?;
    let marks = cast(&marks, &DataType::Timestamp(TimeUnit::Microsecond, None))
        .and_then(|marks| cast(&marks, &DataType::Int64))
        .map_err(QueryError::compute(STEP))?;
    let marks = marks.as_primitive::<Int64Type>();
    let mut before = Vec::with_capacity(marks.len());
    for row in 0..marks.len() {
        before.push(*watermark_us);
        if marks.is_valid(row) {
            *watermark_us = (*watermark_us).max(marks.value(row));
        }
    }
    Ok(Some(Int64Array::from(before)))
}

fn column_source(plan: &SourcePlan, name: &str) -> ColumnSource {
    if let Some(place) = plan.relation.key_place(name) {
        return match plan.relation.key.len() {
            1 => ColumnSource::Key,
            _ => ColumnSource::KeyElement(place),
        };
    }
    if plan.relation.schema.field_with_name(name).is_ok() {
        return ColumnSource::Value;
    }
    match name {
        "_partition" => ColumnSource::Partition,
        "_offset" => ColumnSource::Offset,
        "_timestamp" => ColumnSource::Timestamp,
        _ => ColumnSource::KeyBytes,
    }
}

pub(crate) fn format_of(format: ValueFormat) -> Format {
    match format {
        ValueFormat::Json => Format::Json,
        ValueFormat::Csv { delimiter } => Format::Csv { delimiter },
        ValueFormat::Raw => Format::Raw,
    }
}
