//! `INSERT INTO … VALUES`: rows computed once and written as a producer would write them.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use millstream_client::{Client, NewRecord, ProducerConfig};

use super::SessionError;
use crate::diagnostic::{Finding, did_you_mean};
use crate::exec::{OutputRows, RowEncoder, Rows};
use crate::plan::{SinkPlan, constant};
use crate::sql::catalog::{Catalog, Relation};
use crate::sql::parse::{InsertValues, RelationKind};

/// Rows of one relation, encoded.
pub(super) struct EncodedRows {
    relation: Arc<Relation>,
    records: Vec<(Option<Vec<u8>>, Option<Vec<u8>>)>,
}

pub(super) fn rows(
    catalog: &Catalog,
    relation: &Arc<Relation>,
    insert: &InsertValues,
) -> Result<EncodedRows, Finding> {
    let places = places(relation, insert)?;
    let fields = relation.schema.fields();
    let mut columns: Vec<Vec<ArrayRef>> = vec![Vec::new(); fields.len()];
    for row in &insert.rows {
        if row.len() != places.len() {
            let message = format!("a row has {} values for {} columns", row.len(), places.len());
            return Err(Finding::new(insert.into.at, message));
        }
        for (place, (field, column)) in fields.iter().zip(&mut columns).enumerate() {
            let value = match places.iter().position(|wanted| *wanted == place) {
                Some(index) => constant(catalog, &row[index], field.data_type(), insert.into.at)?,
                None => new_null_array(field.data_type(), 1),
            };
            check_null(relation, field, value.as_ref(), insert)?;
            column.push(value);
        }
    }
    let failed = |reason: &dyn ToString| Finding::new(insert.into.at, reason.to_string());
    let columns: Vec<ArrayRef> = columns
        .iter()
        .map(|parts| concat(&parts.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>()))
        .collect::<Result<_, _>>()
        .map_err(|error| failed(&error))?;
    let nullable: Vec<Field> =
        fields.iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(insert.rows.len()));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(nullable)), columns, &options);
    let batch = batch.map_err(|error| failed(&error))?;
    let mut encoder =
        RowEncoder::new(&SinkPlan::existing(relation.clone())).map_err(|error| failed(&error))?;
    let mut encoded = OutputRows::default();
    encoder.encode(&Rows::inserts(batch), &mut encoded).map_err(|error| failed(&error))?;
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let records = encoded.iter().map(|(key, value, _)| (owned(key), owned(value))).collect();
    Ok(EncodedRows { relation: relation.clone(), records })
}

/// The place in the relation of each value of a row.
fn places(relation: &Relation, insert: &InsertValues) -> Result<Vec<usize>, Finding> {
    let fields = relation.schema.fields();
    if insert.columns.is_empty() {
        return Ok((0..fields.len()).collect());
    }
    let mut places = Vec::new();
    for column in &insert.columns {
        let place = fields.iter().position(|field| *field.name() == column.text).ok_or_else(|| {
            let known = fields.iter().map(|field| field.name().as_str());
            Finding::new(column.at, format!("no column `{}`", column.text))
                .maybe_hint(did_you_mean(&column.text, known))
        })?;
        if places.contains(&place) {
            return Err(Finding::new(column.at, format!("column `{}` is named twice", column.text)));
        }
        places.push(place);
    }
    Ok(places)
}

fn check_null(
    relation: &Relation,
    field: &Field,
    value: &dyn Array,
    insert: &InsertValues,
) -> Result<(), Finding> {
    let is_key = relation.kind == RelationKind::Table && relation.key.contains(field.name());
    let is_null = value.is_null(0) && *value.data_type() != DataType::Null;
    if is_null && (is_key || !field.is_nullable()) {
        let why = if is_key { "it is part of the table's key" } else { "it is declared NOT NULL" };
        return Err(Finding::new(insert.into.at, format!("`{}` cannot be NULL: {why}", field.name())));
    }
    Ok(())
}

impl EncodedRows {
    pub fn relation(&self) -> &Relation {
        &self.relation
    }

    pub async fn produce(&self, client: &Client) -> Result<(), SessionError> {
        let topic = &self.relation.topic;
        let failed =
            |error: &dyn ToString| SessionError::cluster(format!("write topic `{topic}`"), error.to_string());
        let producer = client.producer(ProducerConfig::default());
        for (key, value) in &self.records {
            let record =
                NewRecord { key: key.as_deref(), value: value.as_deref(), headers: &[], timestamp_ms: None };
            producer.append(topic, None, record).await.map_err(|error| failed(&error))?;
        }
        producer.close().await.map_err(|error| failed(&error))
    }
}
