//! `WHERE` and `HAVING`.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, BooleanArray};
use datafusion::arrow::compute::prep_null_mask_filter;
use datafusion::physical_expr::PhysicalExpr;

use super::evaluate;
use crate::exec::QueryError;
use crate::exec::operator::{Operator, Output};
use crate::exec::rows::{RowKind, Rows};

const STEP: &str = "WHERE";

pub(super) struct Filter {
    predicate: Arc<dyn PhysicalExpr>,
}

impl Filter {
    pub fn new(predicate: Arc<dyn PhysicalExpr>) -> Filter {
        Filter { predicate }
    }
}

impl Operator for Filter {
    fn on_rows(&mut self, _input: usize, rows: Rows, out: &mut Output) -> Result<(), QueryError> {
        let verdicts = evaluate(&self.predicate, &rows.batch, STEP)?;
        let verdicts = verdicts.as_boolean();
        let kept = if verdicts.null_count() > 0 { prep_null_mask_filter(verdicts) } else { verdicts.clone() };
        if kept.true_count() == kept.len() {
            out.push(rows);
        } else if rows.kinds.is_some() {
            out.push(parted(rows, &kept).filter(&kept).map_err(QueryError::compute(STEP))?);
        } else {
            out.push(rows.filter(&kept).map_err(QueryError::compute(STEP))?);
        }
        Ok(())
    }
}

/// Of an update only one row may be kept: then a row goes, or one comes.
fn parted(rows: Rows, kept: &BooleanArray) -> Rows {
    let mut kinds: Vec<RowKind> = (0..rows.len()).map(|row| rows.kind(row)).collect();
    for row in 1..kinds.len() {
        let is_update = kinds[row - 1] == RowKind::UpdateBefore && kinds[row] == RowKind::UpdateAfter;
        if is_update && kept.value(row - 1) != kept.value(row) {
            kinds[row - 1] = RowKind::Delete;
            kinds[row] = RowKind::Insert;
        }
    }
    rows.with_kinds(&kinds)
}
