//! One Parquet file being written: row groups as they fill, and at its end the footer.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::datatypes::{Fields, SchemaRef};
use arrow::record_batch::RecordBatch;
use millstream_sdk::error::ConnectorError;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::super::options::TableCompression;
use super::super::source::file_error;

const CREATED_BY: &str = concat!("millstream version ", env!("CARGO_PKG_VERSION"));

pub struct Writing {
    writer: ArrowWriter<File>,
    schema: SchemaRef,
    at: PathBuf,
}

impl Writing {
    /// Makes the file at `at`, in place of what may lie there.
    pub fn create(
        at: PathBuf,
        schema: SchemaRef,
        compression: TableCompression,
        row_group_rows: usize,
    ) -> Result<Writing, ConnectorError> {
        let file = File::create(&at).map_err(|error| file_error("making", &at, error))?;
        let properties = WriterProperties::builder()
            .set_compression(codec(compression))
            .set_max_row_group_row_count(Some(row_group_rows))
            .set_created_by(CREATED_BY.to_owned())
            .build();
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(file, SchemaRef::clone(&schema), options)
            .map_err(|error| failed(&at, error))?;
        Ok(Writing { writer, schema, at })
    }

    pub fn fields(&self) -> &Fields {
        self.schema.fields()
    }

    /// Writes a row group.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), ConnectorError> {
        self.writer.write(rows).and_then(|()| self.writer.flush()).map_err(|error| failed(&self.at, error))
    }

    pub fn bytes(&self) -> u64 {
        self.writer.bytes_written() as u64
    }

    /// Writes the footer and makes the whole file durable.
    pub fn finish(self) -> Result<(), ConnectorError> {
        let file = self.writer.into_inner().map_err(|error| failed(&self.at, error))?;
        file.sync_all().map_err(|error| file_error("flushing", &self.at, error))
    }
}

fn codec(compression: TableCompression) -> Compression {
    match compression {
        TableCompression::None => Compression::UNCOMPRESSED,
        TableCompression::Snappy => Compression::SNAPPY,
        TableCompression::Zstd => Compression::ZSTD(ZstdLevel::default()),
        TableCompression::Gzip => Compression::GZIP(GzipLevel::default()),
        TableCompression::Lz4 => Compression::LZ4_RAW,
    }
}

/// Tells a disk that is full from rows that cannot be written.
fn failed(at: &Path, error: ParquetError) -> ConnectorError {
    match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(error) => file_error("writing", at, *error),
            Err(cause) => ConnectorError::fatal(format!("writing {}", at.display())).caused_by(cause),
        },
        error => ConnectorError::fatal(format!("writing {}", at.display())).caused_by(error),
    }
}
