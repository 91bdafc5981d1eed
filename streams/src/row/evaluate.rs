//! Evaluates expressions over a batch: records are grouped by the shape of the fields they have, and each group is
//! one vectorised evaluation with an expression planned for that shape.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int32Array, Int64Array, StringArray, TimestampMillisecondArray, new_null_array,
};
use arrow::datatypes::{DataType, Field as ArrowField, Schema, TimeUnit};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::physical_expr::PhysicalExpr;

use super::RowView;
use super::compile::Expression;
use super::fields::{Field, Fields, Kind, header};
use crate::format::column::Column;
use crate::format::scan::Token;

/// How many shapes of record keep their planned expressions.
const SHAPES_MAX: usize = 256;

/// Expressions over the same fields, with what has been planned so far.
#[derive(Debug)]
pub(super) struct Evaluator {
    pub(super) fields: Fields,
    expressions: Vec<Expression>,
    planned: HashMap<u128, Arc<Vec<Result<Planned, String>>>>,
}

#[derive(Debug)]
struct Planned {
    physical: Arc<dyn PhysicalExpr>,
    /// The types that fields without a value were taken for when this was planned.
    schema: Arc<Schema>,
}

/// The records of one shape: which they are, and what each expression gives for them (an array of as many rows), or
/// for each record why it gives nothing.
pub(super) struct Group {
    pub(super) rows: Vec<usize>,
    pub(super) results: Vec<Result<ArrayRef, Vec<Result<ArrayRef, String>>>>,
}

impl Evaluator {
    pub(super) fn new(fields: Fields, expressions: Vec<Expression>) -> Evaluator {
        Evaluator { fields, expressions, planned: HashMap::new() }
    }

    /// Evaluates the given rows. `tokens` holds as many tokens a row as there are fields, end to end.
    pub(super) fn evaluate(
        &mut self,
        rows: &[RowView<'_>],
        shapes: &[(usize, u128)],
        tokens: &[Token<'_>],
    ) -> Vec<Group> {
        let mut by_shape: Vec<(u128, Vec<usize>)> = Vec::new();
        let mut place_of: HashMap<u128, usize> = HashMap::new();
        for (row, shape) in shapes {
            match by_shape.last_mut() {
                Some((last, members)) if last == shape && by_shape_is_single(&place_of) => members.push(*row),
                _ => {
                    let place = *place_of.entry(*shape).or_insert_with(|| {
                        by_shape.push((*shape, Vec::new()));
                        by_shape.len() - 1
                    });
                    by_shape[place].1.push(*row);
                }
            }
        }
        by_shape.into_iter().map(|(shape, members)| self.group(shape, members, rows, tokens)).collect()
    }

    fn group(
        &mut self,
        shape: u128,
        members: Vec<usize>,
        rows: &[RowView<'_>],
        tokens: &[Token<'_>],
    ) -> Group {
        let planned = self.plan(shape);
        let results = planned
            .iter()
            .map(|planned| match planned {
                Err(reason) => Err(members.iter().map(|_| Err(reason.clone())).collect()),
                Ok(planned) => self.run(planned, &members, rows, tokens).map_err(|reason| {
                    // One record can fail a whole batch (a division by zero, say): find out which.
                    if members.len() == 1 {
                        return vec![Err(reason)];
                    }
                    members.iter().map(|row| self.run(planned, &[*row], rows, tokens)).collect()
                }),
            })
            .collect();
        Group { rows: members, results }
    }

    fn plan(&mut self, shape: u128) -> Arc<Vec<Result<Planned, String>>> {
        if let Some(planned) = self.planned.get(&shape) {
            return planned.clone();
        }
        if self.planned.len() >= SHAPES_MAX {
            self.planned.clear();
        }
        let planned = self.expressions.iter().map(|expression| self.plan_one(expression, shape)).collect();
        let planned = Arc::new(planned);
        self.planned.insert(shape, Arc::clone(&planned));
        planned
    }

    /// A field that has no value has no type either. NULL of no type fits nearly everywhere; where it doesn't, the
    /// types it may have had are tried.
    fn plan_one(&self, expression: &Expression, shape: u128) -> Result<Planned, String> {
        let mut first_reason = None;
        for missing in [DataType::Null, DataType::Utf8, DataType::Int64, DataType::Boolean] {
            let schema = Arc::new(self.schema(shape, &missing));
            match expression.plan(&schema) {
                Ok(physical) => return Ok(Planned { physical, schema }),
                Err(reason) => {
                    first_reason.get_or_insert(reason);
                }
            }
        }
        Err(first_reason.unwrap_or_default())
    }

    fn schema(&self, shape: u128, missing: &DataType) -> Schema {
        let milliseconds = DataType::Timestamp(TimeUnit::Millisecond, None);
        let fields = self.fields.all.iter().enumerate().map(|(place, field)| {
            let data_type = match field {
                Field::Header(_) | Field::Key | Field::Topic => DataType::Utf8,
                Field::Timestamp | Field::Now => milliseconds.clone(),
                Field::Partition => DataType::Int32,
                Field::Offset => DataType::Int64,
                Field::Value(_) => match Kind::from_bits(shape >> (3 * place)) {
                    Kind::Null => missing.clone(),
                    Kind::Boolean => DataType::Boolean,
                    Kind::Integer => DataType::Int64,
                    Kind::Float => DataType::Float64,
                    Kind::Text | Kind::Nested => DataType::Utf8,
                },
            };
            ArrowField::new(field.name(), data_type, true)
        });
        Schema::new(fields.collect::<Vec<_>>())
    }

    fn run(
        &self,
        planned: &Planned,
        members: &[usize],
        rows: &[RowView<'_>],
        tokens: &[Token<'_>],
    ) -> Result<ArrayRef, String> {
        let width = self.fields.all.len();
        let columns = self.fields.all.iter().enumerate().map(|(place, field)| match field {
            Field::Value(_) => {
                let tokens = members.iter().map(|row| tokens[row * width + place]);
                value_column(planned.schema.field(place), tokens)
            }
            outside => Ok(metadata_column(outside, members.iter().map(|row| &rows[*row]))),
        });
        let options = RecordBatchOptions::new().with_row_count(Some(members.len()));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let batch = RecordBatch::try_new_with_options(planned.schema.clone(), columns, &options)
            .map_err(|error| error.to_string())?;
        let value = planned.physical.evaluate(&batch).map_err(|error| error.strip_backtrace())?;
        value.into_array(members.len()).map_err(|error| error.strip_backtrace())
    }
}

fn by_shape_is_single(places: &HashMap<u128, usize>) -> bool {
    places.len() == 1
}

fn value_column<'a>(
    field: &ArrowField,
    tokens: impl ExactSizeIterator<Item = Token<'a>>,
) -> Result<ArrayRef, String> {
    if *field.data_type() == DataType::Null {
        return Ok(new_null_array(&DataType::Null, tokens.len()));
    }
    let mut column =
        Column::new(field).ok_or_else(|| format!("field `{}` has no column type", field.name()))?;
    for token in tokens {
        column.push_token(token)?;
    }
    column.finish()
}

fn metadata_column<'a>(field: &Field, rows: impl Iterator<Item = &'a RowView<'a>>) -> ArrayRef {
    let text = |bytes: &'a [u8]| String::from_utf8_lossy(bytes);
    match field {
        Field::Header(name) => {
            Arc::new(StringArray::from_iter(rows.map(|row| header(row.headers, name).map(text))))
        }
        Field::Key => Arc::new(StringArray::from_iter(rows.map(|row| row.key.map(text)))),
        Field::Timestamp => Arc::new(TimestampMillisecondArray::from_iter(rows.map(|row| row.timestamp_ms))),
        Field::Partition => Arc::new(Int32Array::from_iter(rows.map(|row| row.partition))),
        Field::Offset => Arc::new(Int64Array::from_iter(rows.map(|row| row.offset))),
        Field::Now => {
            let now_ms = super::clock::now_ms();
            Arc::new(TimestampMillisecondArray::from_iter_values(rows.map(|_| now_ms)))
        }
        Field::Topic | Field::Value(_) => Arc::new(StringArray::from_iter_values(rows.map(|row| row.topic))),
    }
}
