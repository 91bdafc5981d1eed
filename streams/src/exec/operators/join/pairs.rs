//! From pairs of rows to rows of the result.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array, new_null_array,
};
use datafusion::arrow::compute::{prep_null_mask_filter, take};

use super::STEP;
use crate::exec::QueryError;
use crate::exec::operator::Output;
use crate::exec::operators::{batch_of, evaluate};
use crate::exec::rows::{RowKind, Rows};
use crate::plan::JoinPlan;

/// Rows of the result that are about to be given: places among the arrived rows and among the stored ones.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    arrived: Vec<Option<u32>>,
    stored: Vec<Option<u32>>,
    kinds: Vec<RowKind>,
}

impl Pairs {
    pub fn push(&mut self, arrived: Option<u32>, stored: Option<u32>, kind: RowKind) {
        self.arrived.push(arrived);
        self.stored.push(stored);
        self.kinds.push(kind);
    }

    /// As many times as the weight says: taken back if it is negative.
    pub fn push_weighted(&mut self, arrived: Option<u32>, stored: Option<u32>, weight: i64) {
        let kind = if weight > 0 { RowKind::Insert } else { RowKind::Delete };
        for _ in 0..weight.unsigned_abs() {
            self.push(arrived, stored, kind);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    pub fn arrived(&self) -> UInt32Array {
        UInt32Array::from(self.arrived.clone())
    }
}

/// Where the rows of the two batches stand in the result.
pub(super) struct Shape<'a> {
    pub plan: &'a JoinPlan,
    /// Which input the arrived rows came from; the stored ones are of the other.
    pub input: usize,
}

impl Shape<'_> {
    /// For each candidate, whether what must be true of it beside equal keys is true.
    pub fn verdicts(
        &self,
        arrived: &RecordBatch,
        stored: &RecordBatch,
        places: &[u32],
    ) -> Result<Option<BooleanArray>, QueryError> {
        let Some(residual) = &self.plan.residual else { return Ok(None) };
        let rows = places.len();
        let places = UInt32Array::from(places.to_vec());
        let mut left = taken(arrived, &places)?;
        let mut right = stored.columns().to_vec();
        if self.input == 1 {
            std::mem::swap(&mut left, &mut right);
        }
        left.append(&mut right);
        let batch = batch_of(&residual.schema, left, rows, STEP)?;
        let verdicts = evaluate(&residual.expression, &batch, STEP)?;
        let verdicts = verdicts.as_boolean();
        Ok(Some(if verdicts.null_count() > 0 { prep_null_mask_filter(verdicts) } else { verdicts.clone() }))
    }

    /// The rows of the result for these pairs.
    pub fn rows(
        &self,
        arrived: &RecordBatch,
        stored: &RecordBatch,
        pairs: &Pairs,
    ) -> Result<RecordBatch, QueryError> {
        let (from_arrived, from_stored) = (pairs.arrived(), UInt32Array::from(pairs.stored.clone()));
        let sides = match self.input {
            0 => [(arrived, &from_arrived), (stored, &from_stored)],
            _ => [(stored, &from_stored), (arrived, &from_arrived)],
        };
        let [(left, from_left), (right, from_right)] = sides;
        let mut columns = taken(left, from_left)?;
        if self.plan.kind.gives_pairs() {
            columns.extend(taken(right, from_right)?);
        }
        batch_of(&self.plan.schema, columns, pairs.kinds.len(), STEP)
    }

    /// Gives the pairs, all of them inserts.
    pub fn give_inserts(
        &self,
        arrived: &RecordBatch,
        stored: &RecordBatch,
        pairs: &Pairs,
        out: &mut Output,
    ) -> Result<(), QueryError> {
        if !pairs.is_empty() {
            out.push(Rows::inserts(self.rows(arrived, stored, pairs)?));
        }
        Ok(())
    }

    /// Gives the pairs as changes.
    pub fn give_changes(
        &self,
        arrived: &RecordBatch,
        stored: &RecordBatch,
        pairs: &Pairs,
        out: &mut Output,
    ) -> Result<(), QueryError> {
        if !pairs.is_empty() {
            out.push(Rows::changes(self.rows(arrived, stored, pairs)?, &pairs.kinds));
        }
        Ok(())
    }
}

/// The columns at these places; NULL where there is none.
fn taken(batch: &RecordBatch, places: &UInt32Array) -> Result<Vec<ArrayRef>, QueryError> {
    let each = |column: &ArrayRef| {
        if places.null_count() == places.len() {
            return Ok(new_null_array(column.data_type(), places.len()));
        }
        take(column, places, None).map_err(QueryError::compute(STEP))
    };
    batch.columns().iter().map(each).collect()
}

/// A batch of no rows for the side that is not there.
pub(super) fn nothing(plan: &JoinPlan, input: usize) -> RecordBatch {
    let schema = plan
        .sides
        .get(input)
        .map(|side| side.schema.clone())
        .unwrap_or_else(|| Arc::new(datafusion::arrow::datatypes::Schema::empty()));
    RecordBatch::new_empty(schema)
}
