//! What the step behind `ROW_NUMBER()` does in detail, with expressions ready to evaluate over Arrow batches.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;

use super::window_size::WindowSize;
use crate::sql::parse::Emit;
use crate::state::key::KeyColumn;

/// Gives the first `limit` rows of each partition.
#[derive(Debug)]
pub(crate) struct RankPlan {
    pub partition: Vec<(Arc<dyn PhysicalExpr>, DataType)>,
    pub order: Vec<RankOrder>,
    pub limit: usize,
    /// Absent if no window's bound is in the partition: then state lives as long as the query.
    pub window: Option<RankWindow>,
    /// `Final` only with windows.
    pub emit: Emit,
    /// The input takes rows back, so that all rows are kept: any may come up.
    pub retracts: bool,
    /// The row number is looked at; otherwise it is always 0, and a row that only moves changes nothing.
    pub gives_number: bool,
    pub input: SchemaRef,
    /// The input's columns, then the row number.
    pub schema: SchemaRef,
    /// As `EXPLAIN` prints it.
    pub text: String,
}

#[derive(Debug)]
pub(crate) struct RankOrder {
    pub expression: Arc<dyn PhysicalExpr>,
    pub column: KeyColumn,
}

/// Which column of the partition says what window a row is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RankWindow {
    pub partition: usize,
    /// The column is the window's end; otherwise its start.
    pub is_end: bool,
    pub size: WindowSize,
}

impl RankPlan {
    /// What its state depends on.
    pub fn memory(&self) -> String {
        format!("{}, first {}, window {:?}, of {:?}", self.text, self.limit, self.window, self.input)
    }
}
