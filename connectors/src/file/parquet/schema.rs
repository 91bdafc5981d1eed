//! The columns of a file as they are read: by what the file itself says of them, but for two types that the library would cut.
//!
//! INT96 timestamps are read to the microsecond: nanoseconds in 64 bits end in 2262, and silently. Intervals are read as their
//! twelve bytes: Arrow's have months or days, not both.

use std::fs::File;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{ConvertedType, Type as Physical};
use parquet::errors::Result;
use parquet::file::metadata::PageIndexPolicy;
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor, Type, TypePtr};

pub struct TableSchema {
    pub metadata: ArrowReaderMetadata,
    /// The columns depth first, as the file has them.
    pub leaves: Vec<ColumnDescPtr>,
}

impl TableSchema {
    pub fn load(file: &File) -> Result<TableSchema> {
        let mut metadata = ArrowReaderMetadata::load(file, options())?;
        let leaves = metadata.parquet_schema().columns().to_vec();
        if leaves.iter().any(|leaf| leaf.converted_type() == ConvertedType::INTERVAL) {
            let plain = without_intervals(metadata.parquet_schema().root_schema())?;
            let plain = Arc::new(SchemaDescriptor::new(plain));
            metadata = ArrowReaderMetadata::load(file, options().with_parquet_schema(plain))?;
        }
        let mut rest = leaves.iter();
        let fields = metadata.schema().fields().iter().map(|field| hinted(field, &mut rest));
        let hinted = Arc::new(Schema::new(fields.collect::<Vec<FieldRef>>()));
        if hinted.fields() != metadata.schema().fields() {
            let found = Arc::clone(metadata.metadata());
            metadata = ArrowReaderMetadata::try_new(found, options().with_schema(hinted))?;
        }
        Ok(TableSchema { metadata, leaves })
    }
}

fn options() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_skip_arrow_metadata(true).with_page_index_policy(PageIndexPolicy::Skip)
}

/// The same columns, of which intervals are plain bytes. What is read here is as deep as a footer may be.
fn without_intervals(kind: &Type) -> Result<TypePtr> {
    let info = kind.get_basic_info();
    let built = match kind {
        Type::PrimitiveType { .. } if info.converted_type() != ConvertedType::INTERVAL => kind.clone(),
        Type::PrimitiveType { type_length, .. } => {
            Type::primitive_type_builder(info.name(), Physical::FIXED_LEN_BYTE_ARRAY)
                .with_repetition(info.repetition())
                .with_length(*type_length)
                .build()?
        }
        Type::GroupType { fields, .. } => {
            let fields = fields.iter().map(|field| without_intervals(field)).collect::<Result<_>>()?;
            let mut builder = Type::group_type_builder(info.name())
                .with_converted_type(info.converted_type())
                .with_logical_type(info.logical_type_ref().cloned())
                .with_fields(fields);
            if info.has_repetition() {
                builder = builder.with_repetition(info.repetition());
            }
            builder.build()?
        }
    };
    Ok(Arc::new(built))
}

fn hinted<'a>(field: &FieldRef, leaves: &mut impl Iterator<Item = &'a ColumnDescPtr>) -> FieldRef {
    let kind = match field.data_type() {
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| hinted(field, leaves)).collect())
        }
        DataType::List(item) => DataType::List(hinted(item, leaves)),
        DataType::LargeList(item) => DataType::LargeList(hinted(item, leaves)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(hinted(item, leaves), *size),
        DataType::Map(entries, sorted) => DataType::Map(hinted(entries, leaves), *sorted),
        kind => match leaves.next() {
            Some(leaf) if leaf.physical_type() == Physical::INT96 => {
                DataType::Timestamp(TimeUnit::Microsecond, None)
            }
            _ => kind.clone(),
        },
    };
    match kind == *field.data_type() {
        true => Arc::clone(field),
        false => Arc::new(Field::clone(field).with_data_type(kind)),
    }
}
