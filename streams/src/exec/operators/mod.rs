//! The steps that rows pass: one file each.

mod accumulate;
mod aggregate;
mod collapse;
mod exact_sum;
mod filter;
mod join;
mod materialize;
mod project;
mod rank;
mod session;
mod union;
mod window;

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::physical_expr::PhysicalExpr;

use super::QueryError;
use super::operator::Operator;
use crate::plan::{EdgeMode, Node, Step};

pub(crate) use accumulate::Moment;

/// The operator of a node; `None` for what is not one: sources and sinks.
pub(crate) fn operator(node: &Node) -> Result<Option<Box<dyn Operator>>, QueryError> {
    let schema = node.edge.schema.clone();
    Ok(match &node.step {
        Step::Source(_) | Step::Sink(_) => None,
        Step::Filter(predicate) => Some(Box::new(filter::Filter::new(predicate.clone()))),
        Step::Project(expressions) => Some(Box::new(project::Project::new(expressions.clone(), schema))),
        Step::Window(plan) => Some(Box::new(window::AssignWindows::new(plan.clone(), schema))),
        Step::Union => Some(Box::new(union::Union::new(schema))),
        Step::Join(plan) => Some(join::operator(plan)?),
        Step::Aggregate(plan) if let Some(groups) = &plan.session => {
            Some(Box::new(session::Sessions::new(plan.clone(), groups.clone())?))
        }
        Step::Aggregate(plan) => {
            let says_before = node.edge.mode == EdgeMode::Changes;
            Some(Box::new(aggregate::Aggregator::new(plan.clone(), says_before)?))
        }
        Step::Rank(plan) => Some(Box::new(rank::Rank::new(plan.clone())?)),
        Step::Materialize => Some(Box::new(materialize::Materialize::new(schema)?)),
        Step::Collapse(key) => Some(Box::new(collapse::Collapse::new(schema, key.clone())?)),
    })
}

/// The values of an expression for every row.
pub(super) fn evaluate(
    expression: &Arc<dyn PhysicalExpr>,
    batch: &RecordBatch,
    step: &'static str,
) -> Result<ArrayRef, QueryError> {
    expression
        .evaluate(batch)
        .and_then(|value| value.into_array(batch.num_rows()))
        .map_err(QueryError::evaluate(step))
}

/// A batch of these columns; there may be none.
pub(super) fn batch_of(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
    step: &'static str,
) -> Result<RecordBatch, QueryError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(QueryError::compute(step))
}
