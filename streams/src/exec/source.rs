//! From fetched record batches to Arrow batches of the needed columns, with each row's watermark.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, BinaryArray, BinaryBuilder, Int64Array, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit};
use millstream_protocol::record_batch::{Batch, Headers, Record};

use super::QueryError;
use super::event_time::BEGINNING;
use super::link::Piece;
use super::original::{self, Place};
use super::rows::{RowKind, Rows};
use crate::format::{ColumnSource, ColumnSpec, Decoder, Format, Row, RowError, write_json_text};
use crate::plan::SourcePlan;
use crate::sql::catalog::{OnError, ValueFormat};

/// Rows of one Arrow batch: enough to spread the cost of a batch, few enough to stay in the cache.
const BATCH_ROWS: usize = 8_192;

/// One compressed record batch may become at most this large.
const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;

pub(crate) struct SourceReader {
    plan: Arc<SourcePlan>,
    decoder: Decoder,
    reads_headers: bool,
    /// What the rows in the decoder do, for a table.
    kinds: Vec<RowKind>,
    /// The records of the rows in the decoder, where they are kept.
    records: BinaryBuilder,
    scratch: Vec<u8>,
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
    /// Records that could not be read, as they came, and why; where a topic is to have them.
    pub dead: Vec<(Vec<u8>, String)>,
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
        let reads_headers = specs.iter().any(|spec| spec.source == ColumnSource::Headers);
        Ok(SourceReader {
            plan,
            decoder,
            reads_headers,
            kinds: Vec::new(),
            records: BinaryBuilder::new(),
            scratch: Vec::new(),
            watermarks_us: BTreeMap::new(),
        })
    }

    /// The watermark of each partition before the next piece.
    pub fn start_at(&mut self, watermarks_us: BTreeMap<i32, i64>) {
        self.watermarks_us = watermarks_us;
    }

    /// Decodes a piece.
    pub fn read(&mut self, piece: &Piece) -> Result<Read, QueryError> {
        let watermark_us = self.watermarks_us.get(&piece.partition).copied().unwrap_or(BEGINNING);
        let mut read = Read { batches: Vec::new(), rows: 0, watermark_us, bad: Vec::new(), dead: Vec::new() };
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
                let reason = "a record of a table has a key".to_owned();
                self.bury(piece, &record, &reason, read);
                read.bad.push(RowError { partition: piece.partition, offset: record.offset, reason });
                continue;
            }
            self.scratch.clear();
            if self.reads_headers {
                headers_json(record.headers, &mut self.scratch);
            }
            let understood = self.decoder.push(&Row {
                topic: &plan.relation.topic,
                headers: &self.scratch,
                key: record.key,
                value: record.value,
                timestamp_ms: record.timestamp_ms,
                offset: record.offset,
                partition: piece.partition,
            });
            if self.plan.is_table && understood {
                self.kinds.push(if record.value.is_some() { RowKind::Insert } else { RowKind::Delete });
            }
            if !understood {
                let reason = self.decoder.last_reason().unwrap_or_default().to_owned();
                self.bury(piece, &record, &reason, read);
            } else if self.plan.keeps_records {
                self.scratch.clear();
                let place = Place { topic: &plan.relation.topic, partition: piece.partition };
                original::write(place, &record, &mut self.scratch);
                self.records.append_value(&self.scratch);
            }
            if self.decoder.rows() >= BATCH_ROWS {
                self.finish_batch(read)?;
            }
        }
        Ok(())
    }

    fn place<'p>(&'p self, piece: &Piece) -> Place<'p> {
        Place { topic: &self.plan.relation.topic, partition: piece.partition }
    }

    /// Keeps a record that could not be read, if anybody wants it.
    fn bury(&self, piece: &Piece, record: &Record<'_>, reason: &str, read: &mut Read) {
        if matches!(self.plan.on_error, Some(OnError::DeadLetter(_))) {
            let mut bytes = Vec::new();
            original::write(self.place(piece), record, &mut bytes);
            read.dead.push((bytes, reason.to_owned()));
        }
    }

    fn finish_batch(&mut self, read: &mut Read) -> Result<(), QueryError> {
        let kinds = std::mem::take(&mut self.kinds);
        let records = self.plan.keeps_records.then(|| self.records.finish());
        finish_batch(&self.plan, &mut self.decoder, &kinds, records, read)
    }
}

fn finish_batch(
    plan: &SourcePlan,
    decoder: &mut Decoder,
    kinds: &[RowKind],
    records: Option<BinaryArray>,
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
    read.batches.push(Rows { watermarks: watermarks.filter(|_| !plan.is_table), records, ..rows });
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
        "_topic" => ColumnSource::Topic,
        "_headers" => ColumnSource::Headers,
        "_partition" => ColumnSource::Partition,
        "_offset" => ColumnSource::Offset,
        "_timestamp" => ColumnSource::Timestamp,
        _ => ColumnSource::KeyBytes,
    }
}

/// A JSON object of a record's headers: the last of several of one name counts, a value that is no text is null.
fn headers_json(headers: Headers<'_>, out: &mut Vec<u8>) {
    let mut found: Vec<(String, Option<&[u8]>)> = Vec::new();
    for header in headers.map_while(Result::ok) {
        match found.iter_mut().find(|(name, _)| *name == header.key) {
            Some((_, value)) => *value = header.value,
            None => found.push((header.key.into_owned(), header.value)),
        }
    }
    out.push(b'{');
    for (place, (name, value)) in found.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_json_text(name.as_bytes(), out);
        out.push(b':');
        match value.and_then(|value| std::str::from_utf8(value).ok()) {
            Some(text) => write_json_text(text.as_bytes(), out),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
}

pub(crate) fn format_of(format: ValueFormat) -> Format {
    match format {
        ValueFormat::Json => Format::Json,
        ValueFormat::Csv { delimiter } => Format::Csv { delimiter },
        ValueFormat::Raw => Format::Raw,
    }
}
