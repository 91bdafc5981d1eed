//! What a commit changes in a table, each key once: in front of a table's topic.
//!
//! Within a round workers are not ordered, so one may bring the row that replaces another before that one is taken back.
//! Only the balance of the rows of a key counts: what is left of them is written.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::row::{RowConverter, SortField};

use super::batch_of;
use crate::exec::QueryError;
use crate::exec::operator::{Operator, Output};
use crate::exec::rows::{RowKind, Rows};

const STEP: &str = "the changes of a commit";

pub(super) struct Collapse {
    schema: SchemaRef,
    key: Vec<usize>,
    keys: RowConverter,
    rows: RowConverter,
    /// By key: rows and how much more often they came than they were taken back.
    pending: BTreeMap<Box<[u8]>, BTreeMap<Box<[u8]>, i64>>,
}

impl Collapse {
    pub fn new(schema: SchemaRef, key: Vec<usize>) -> Result<Collapse, QueryError> {
        let sort = |column: usize| SortField::new(schema.field(column).data_type().clone());
        let keys = RowConverter::new(key.iter().map(|column| sort(*column)).collect());
        let rows = RowConverter::new((0..schema.fields().len()).map(sort).collect());
        Ok(Collapse {
            key,
            keys: keys.map_err(QueryError::compute(STEP))?,
            rows: rows.map_err(QueryError::compute(STEP))?,
            pending: BTreeMap::new(),
            schema,
        })
    }
}

impl Operator for Collapse {
    fn on_rows(&mut self, _input: usize, rows: Rows, _out: &mut Output) -> Result<(), QueryError> {
        let compute = QueryError::compute(STEP);
        let columns = rows.batch.columns();
        let key: Vec<_> = self.key.iter().map(|column| columns[*column].clone()).collect();
        let keys =
            if key.is_empty() { None } else { Some(self.keys.convert_columns(&key).map_err(&compute)?) };
        let whole = self.rows.convert_columns(columns).map_err(&compute)?;
        for row in 0..rows.len() {
            let key = keys.as_ref().map_or_else(Box::default, |keys| Box::from(keys.row(row).as_ref()));
            let balances = self.pending.entry(key).or_default();
            let step = if rows.kind(row).adds() { 1 } else { -1 };
            *balances.entry(Box::from(whole.row(row).as_ref())).or_default() += step;
        }
        Ok(())
    }

    fn on_barrier(&mut self, out: &mut Output) -> Result<(), QueryError> {
        let pending = std::mem::take(&mut self.pending);
        let (mut picked, mut kinds) = (Vec::new(), Vec::new());
        for balances in pending.values() {
            let gone = balances.iter().find(|(_, balance)| **balance < 0);
            let come = balances.iter().rev().find(|(_, balance)| **balance > 0);
            let (before, after) = match (gone, come) {
                (Some(_), Some(_)) => (RowKind::UpdateBefore, RowKind::UpdateAfter),
                _ => (RowKind::Delete, RowKind::Insert),
            };
            for (found, kind) in [(gone, before), (come, after)] {
                if let Some((row, _)) = found {
                    picked.push(row.as_ref());
                    kinds.push(kind);
                }
            }
        }
        if kinds.is_empty() {
            return Ok(());
        }
        let parser = self.rows.parser();
        let columns = self.rows.convert_rows(picked.iter().map(|row: &&[u8]| parser.parse(row)));
        let columns = columns.map_err(QueryError::compute(STEP))?;
        out.push(Rows::changes(batch_of(&self.schema, columns, kinds.len(), STEP)?, &kinds));
        Ok(())
    }
}
