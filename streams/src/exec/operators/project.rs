//! The columns of `SELECT`.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::physical_expr::PhysicalExpr;

use super::{batch_of, evaluate};
use crate::exec::QueryError;
use crate::exec::operator::{Operator, Output};
use crate::exec::rows::Rows;

const STEP: &str = "SELECT";

pub(super) struct Project {
    expressions: Vec<Arc<dyn PhysicalExpr>>,
    schema: SchemaRef,
}

impl Project {
    pub fn new(expressions: Vec<Arc<dyn PhysicalExpr>>, schema: SchemaRef) -> Project {
        Project { expressions, schema }
    }
}

impl Operator for Project {
    fn on_rows(&mut self, _input: usize, rows: Rows, out: &mut Output) -> Result<(), QueryError> {
        let columns = self.expressions.iter().map(|expression| evaluate(expression, &rows.batch, STEP));
        let batch = batch_of(&self.schema, columns.collect::<Result<_, _>>()?, rows.len(), STEP)?;
        out.push(rows.with_batch(batch));
        Ok(())
    }
}
