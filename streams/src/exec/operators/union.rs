//! `UNION ALL`: the rows of all inputs, under the names of the result.

use datafusion::arrow::datatypes::SchemaRef;

use super::batch_of;
use crate::exec::QueryError;
use crate::exec::operator::{Operator, Output};
use crate::exec::rows::Rows;

pub(super) struct Union {
    schema: SchemaRef,
}

impl Union {
    pub fn new(schema: SchemaRef) -> Union {
        Union { schema }
    }
}

impl Operator for Union {
    fn on_rows(&mut self, _input: usize, rows: Rows, out: &mut Output) -> Result<(), QueryError> {
        let columns = rows.batch.columns().to_vec();
        let batch = batch_of(&self.schema, columns, rows.len(), "UNION ALL")?;
        out.push(rows.with_batch(batch));
        Ok(())
    }
}
