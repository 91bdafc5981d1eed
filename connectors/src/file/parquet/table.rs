//! One whole Parquet file, read in batches of rows from any row on.
//!
//! What the library does with a broken file is contained: an error of its names the file, and so does a panic.

use std::any::Any;
use std::error::Error;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use millstream_sdk::error::ConnectorError;
use millstream_sdk::record::ColumnBuilder;
use millstream_sdk::source::{BadRecord, PollLimits};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::schema::types::ColumnDescPtr;

use super::super::lines::MAX_RECORD_BYTES;
use super::super::source::file_error;
use super::pages::Pages;
use super::render::{Shape, lead, write};
use super::schema::TableSchema;

/// How much a batch should take unpacked, and the most rows it may have. The first batch of a file is a small one, which
/// says how large its rows are.
const BATCH_BYTES: usize = 4 << 20;
const BATCH_ROWS_MAX: usize = 2048;
const BATCH_ROWS_FIRST: usize = 32;

const CODECS: &str = "none, snappy, gzip, zstd, lz4 and lz4_raw";

/// A file of rows, and the next of them.
pub struct Table {
    path: PathBuf,
    pages: Pages,
    metadata: ArrowReaderMetadata,
    columns: Vec<Column>,
    mask: ProjectionMask,
    rows: u64,
    next: u64,
    reader: Option<ParquetRecordBatchReader>,
    batch_rows: usize,
    batch: Option<RecordBatch>,
    /// The next row of the batch.
    at: usize,
}

/// A column that is written into records.
struct Column {
    lead: Vec<u8>,
    name: String,
    shape: Shape,
    /// Which of those in a batch.
    index: usize,
}

impl Table {
    /// Opens a file that has its footer, of which `columns` are wanted, at a row.
    pub fn open(
        file: Arc<File>,
        path: &Path,
        columns: Option<&[String]>,
        row: u64,
    ) -> Result<Table, ConnectorError> {
        contain(path, || {
            let TableSchema { metadata, leaves } =
                TableSchema::load(&file).map_err(|error| corrupt(path, error))?;
            let groups = metadata.metadata().row_groups();
            let rows = groups.iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(0)).sum();
            let (columns, mask) = choose(&metadata, leaves, path, columns)?;
            check_chunks(metadata.metadata(), &mask, &file, path)?;
            if row > rows {
                let message = format!("{} has {rows} rows, of which {row} were read", path.display());
                return Err(ConnectorError::fatal(message));
            }
            Ok(Table {
                path: path.to_path_buf(),
                pages: Pages { file: Arc::clone(&file) },
                metadata,
                columns,
                mask,
                rows,
                next: row,
                reader: None,
                batch_rows: BATCH_ROWS_FIRST,
                batch: None,
                at: 0,
            })
        })
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The row that comes next.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Appends rows as JSON objects until the limits or the end.
    pub fn read(
        &mut self,
        limits: PollLimits,
        values: &mut ColumnBuilder,
        bad: &mut Vec<BadRecord>,
    ) -> Result<(), ConnectorError> {
        let path = self.path.clone();
        contain(&path, || {
            while self.next < self.rows
                && values.len() + bad.len() < limits.max_records
                && values.byte_len() < limits.max_bytes
            {
                if self.batch.as_ref().is_none_or(|batch| self.at >= batch.num_rows()) {
                    self.advance()?;
                }
                let Some(batch) = &self.batch else { break };
                if let Err(reason) = write_row(&self.columns, batch, self.at, values) {
                    values.abandon_value();
                    let origin = format!("{}: row {}", self.path.display(), self.next + 1);
                    bad.push(BadRecord { raw: Bytes::new(), origin, reason });
                }
                self.at += 1;
                self.next += 1;
            }
            Ok(())
        })
    }

    /// Takes the next batch, from a reader whose batches have the right size.
    fn advance(&mut self) -> Result<(), ConnectorError> {
        if let Some(batch) = self.batch.take() {
            let row_bytes = batch.get_array_memory_size() / batch.num_rows().max(1);
            let wanted = (BATCH_BYTES / row_bytes.max(1)).clamp(1, BATCH_ROWS_MAX);
            // To begin anew costs a look at the pages that are passed over.
            if wanted < self.batch_rows / 2 || wanted > self.batch_rows * 4 {
                self.batch_rows = wanted;
                self.reader = None;
            }
        }
        let reader = match self.reader.take() {
            Some(reader) => self.reader.insert(reader),
            None => {
                let reader = self.reader_from(self.next)?;
                self.reader.insert(reader)
            }
        };
        let batch = match reader.next() {
            Some(Ok(batch)) if batch.num_rows() > 0 => batch,
            Some(Err(error)) => return Err(corrupt(&self.path, ParquetError::from(error))),
            Some(Ok(_)) | None => {
                let message = format!(
                    "reading {}: the file is broken: it ends at row {} of {}",
                    self.path.display(),
                    self.next,
                    self.rows
                );
                return Err(ConnectorError::fatal(message));
            }
        };
        self.at = 0;
        self.batch = Some(batch);
        Ok(())
    }

    /// A reader from a row on: from its row group, without those before it.
    fn reader_from(&self, row: u64) -> Result<ParquetRecordBatchReader, ConnectorError> {
        let groups = self.metadata.metadata().row_groups();
        let (mut passed, mut first) = (0, 0);
        for group in groups {
            let end = passed + u64::try_from(group.num_rows()).unwrap_or(0);
            if end > row {
                break;
            }
            passed = end;
            first += 1;
        }
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.pages.clone(), self.metadata.clone());
        builder
            .with_row_groups((first..groups.len()).collect())
            .with_projection(self.mask.clone())
            .with_batch_size(self.batch_rows)
            .with_offset((row - passed) as usize)
            .build()
            .map_err(|error| corrupt(&self.path, error))
    }
}

fn write_row(
    columns: &[Column],
    batch: &RecordBatch,
    row: usize,
    values: &mut ColumnBuilder,
) -> Result<(), String> {
    let start = values.byte_len();
    let to = values.value_buffer();
    if columns.is_empty() {
        to.push(b'{');
    }
    for column in columns {
        to.extend_from_slice(&column.lead);
        write(batch.column(column.index), &column.shape, row, to)
            .map_err(|reason| format!("column `{}`: {reason}", column.name))?;
        if to.len() - start > MAX_RECORD_BYTES {
            return Err("longer than 16 MiB".to_owned());
        }
    }
    to.push(b'}');
    values.end_value();
    Ok(())
}

/// The wanted columns in their order, and the mask by which they are read.
fn choose(
    metadata: &ArrowReaderMetadata,
    leaves: Vec<ColumnDescPtr>,
    path: &Path,
    wanted: Option<&[String]>,
) -> Result<(Vec<Column>, ProjectionMask), ConnectorError> {
    let mut leaves = leaves.into_iter();
    let fields = metadata.schema().fields();
    let shapes: Vec<Shape> = fields.iter().map(|field| Shape::of(field, &mut leaves)).collect();
    let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    let roots: Vec<usize> = match wanted {
        None => (0..names.len()).collect(),
        Some(wanted) => {
            let find = |name: &String| {
                names.iter().position(|other| other == name).ok_or_else(|| {
                    let known = names.join(", ");
                    ConnectorError::config(format!(
                        "`columns` names `{name}`; the columns of {} are {known}",
                        path.display()
                    ))
                })
            };
            wanted.iter().map(find).collect::<Result<_, _>>()?
        }
    };
    let mut sorted = roots.clone();
    sorted.sort_unstable();
    let mut columns: Vec<Column> = Vec::with_capacity(roots.len());
    for root in roots {
        let (name, shape) = (names[root].to_owned(), shapes[root].clone());
        if columns.iter().any(|column| column.name == name) {
            let message = format!("two columns of {} are named `{name}`", path.display());
            return Err(ConnectorError::config(message));
        }
        let index = sorted.partition_point(|other| *other < root);
        columns.push(Column { lead: lead(columns.len(), &name), name, shape, index });
    }
    Ok((columns, ProjectionMask::roots(metadata.parquet_schema(), sorted)))
}

/// What the footer says of the wanted column chunks must be possible, and their codecs known.
fn check_chunks(
    metadata: &ParquetMetaData,
    mask: &ProjectionMask,
    file: &File,
    path: &Path,
) -> Result<(), ConnectorError> {
    let length = file.metadata().map_err(|error| file_error("looking at", path, error))?.len();
    let broken = |what: String| {
        ConnectorError::fatal(format!("reading {}: the file is broken: {what}", path.display()))
    };
    for group in metadata.row_groups() {
        if group.num_rows() < 0 {
            return Err(broken(format!("a row group of {} rows", group.num_rows())));
        }
        for (index, chunk) in group.columns().iter().enumerate() {
            if !mask.leaf_included(index) {
                continue;
            }
            let name = chunk.column_path().string();
            if matches!(chunk.compression(), Compression::BROTLI(_) | Compression::LZO) {
                let codec = chunk.compression().to_string();
                let codec = codec.split('(').next().unwrap_or_default().to_owned();
                return Err(ConnectorError::config(format!(
                    "column `{name}` of {} is compressed with {codec}, which is not built in; {CODECS} are",
                    path.display()
                )));
            }
            let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
            let end = start.checked_add(chunk.compressed_size());
            let is_inside = start >= 0 && end.is_some_and(|end| end >= start && end as u64 <= length);
            if !is_inside || chunk.num_values() < 0 {
                return Err(broken(format!("column `{name}` does not lie within it")));
            }
        }
    }
    Ok(())
}

/// Runs what decodes a file. The library may panic over one that is broken.
fn contain<Output>(
    path: &Path,
    work: impl FnOnce() -> Result<Output, ConnectorError>,
) -> Result<Output, ConnectorError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = said(panic.as_ref());
        Err(ConnectorError::fatal(format!("reading {}: the file is broken: {said}", path.display())))
    })
}

fn said(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it could not be decoded")
}

/// Tells a disk that failed from a file that is broken.
fn corrupt(path: &Path, error: ParquetError) -> ConnectorError {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) if error.kind() != io::ErrorKind::UnexpectedEof => file_error("reading", path, *error),
            Ok(error) => broken(path, *error),
            Err(cause) => broken(path, cause),
        },
        error => broken(path, error),
    }
}

fn broken(path: &Path, cause: impl Into<Box<dyn Error + Send + Sync>>) -> ConnectorError {
    ConnectorError::fatal(format!("reading {}: the file is broken", path.display())).caused_by(cause)
}
