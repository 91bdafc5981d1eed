//! The relations a program has declared so far, each a typed view of one topic.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::sql::sqlparser::ast;

use super::parse::RelationKind;

/// Columns every relation has beside the declared ones; read only when a query names them.
pub(crate) const METADATA_COLUMNS: [&str; 6] =
    ["_key", "_topic", "_partition", "_offset", "_timestamp", HEADERS];

/// The column of a record's headers; a result's column of that name and type is written as headers.
pub(crate) const HEADERS: &str = "_headers";

/// A typed view of one topic.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    pub name: String,
    pub kind: RelationKind,
    pub topic: String,
    pub schema: SchemaRef,
    pub watermark: Option<RelationWatermark>,
    /// Columns whose text is the record key, in the key's order; empty if the key carries no column.
    pub key: Vec<String>,
    pub format: ValueFormat,
    pub key_format: KeyFormat,
    pub value_columns: ValueColumns,
    pub mode: ChangeMode,
    pub partitions: Option<i32>,
    pub settings: TopicSettings,
    /// What becomes of records that cannot be read; `None` leaves it to the engine.
    pub on_error: Option<OnError>,
}

/// What becomes of a record that cannot be read as its relation declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OnError {
    /// The query stops until it is mended.
    Fail,
    /// It is left out, and counted.
    Skip,
    /// It goes to this topic, and is counted.
    DeadLetter(String),
}

/// What a topic is created with, beside its partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TopicSettings {
    pub replicas: Option<i16>,
    /// −1: for ever.
    pub retention_ms: Option<i64>,
}

#[derive(Debug, Clone)]
pub(crate) struct RelationWatermark {
    pub column: String,
    /// Over the relation's columns; a timestamp that no later row is expected to be older than.
    pub expression: ast::Expr,
}

/// How a record value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueFormat {
    /// One JSON object per record.
    Json,
    /// One line of fields in the order of the columns, with this byte between them.
    Csv { delimiter: u8 },
    /// The whole value is the one column.
    Raw,
}

impl ValueFormat {
    /// As `WITH (format = '…')` has it.
    pub fn name(self) -> &'static str {
        match self {
            ValueFormat::Json => "json",
            ValueFormat::Csv { .. } => "csv",
            ValueFormat::Raw => "raw",
        }
    }
}

/// How the key columns become the record key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFormat {
    /// The text of one column; a JSON array for several. What any producer would write.
    Text,
    /// A JSON value for one column, a JSON array for several.
    Json,
}

/// Which columns the record value repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueColumns {
    All,
    NoKey,
}

/// What a record on an edge means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeMode {
    /// Each record is a new fact.
    Append,
    /// A record replaces the one of the same key; no value deletes it.
    Upsert,
}

impl ChangeMode {
    pub fn name(self) -> &'static str {
        match self {
            ChangeMode::Append => "append",
            ChangeMode::Upsert => "upsert",
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Catalog {
    relations: BTreeMap<String, Arc<Relation>>,
}

impl Catalog {
    pub fn get(&self, name: &str) -> Option<&Arc<Relation>> {
        self.relations.get(name)
    }

    pub fn insert(&mut self, relation: Relation) -> Arc<Relation> {
        let relation = Arc::new(relation);
        self.relations.insert(relation.name.clone(), relation.clone());
        relation
    }

    pub fn remove(&mut self, name: &str) {
        self.relations.remove(name);
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.relations.keys().map(String::as_str)
    }

    pub fn relations(&self) -> impl Iterator<Item = &Arc<Relation>> {
        self.relations.values()
    }
}

impl Relation {
    /// The place in the record key of a column that only the key carries.
    pub fn key_place(&self, column: &str) -> Option<usize> {
        match self.value_columns {
            ValueColumns::All => None,
            ValueColumns::NoKey => self.key.iter().position(|name| name == column),
        }
    }

    /// The place of a column among those of the value; 0 for a column that is not there.
    pub fn value_place(&self, column: &str) -> usize {
        let carried = self.schema.fields().iter().filter(|field| self.key_place(field.name()).is_none());
        carried.into_iter().position(|field| field.name() == column).unwrap_or(0)
    }

    /// The declared columns, and behind them the metadata columns among `wanted`.
    pub fn schema_with(&self, wanted: &[&'static str]) -> SchemaRef {
        let mut fields: Vec<Arc<Field>> = self.schema.fields().iter().cloned().collect();
        for name in wanted {
            if self.schema.field_with_name(name).is_err() {
                fields.push(Arc::new(Field::new(*name, metadata_type(name), true)));
            }
        }
        Arc::new(Schema::new(fields))
    }
}

/// A map from text to text, which may be NULL.
fn headers_type() -> DataType {
    let entry = [Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)];
    let entry = Field::new("entries", DataType::Struct(entry.to_vec().into()), false);
    DataType::Map(Arc::new(entry), false)
}

pub(crate) fn metadata_type(name: &str) -> DataType {
    match name {
        "_partition" => DataType::Int32,
        "_offset" => DataType::Int64,
        "_timestamp" => DataType::Timestamp(TimeUnit::Millisecond, None),
        HEADERS => headers_type(),
        _ => DataType::Utf8,
    }
}
