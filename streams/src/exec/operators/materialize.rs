//! Reads a table: remembers the last row of each record key, and says of every record what it changes.
//!
//! The record key's bytes tell rows apart, as they do in the compacted topic, whatever columns are declared as the key.
//! A record that changes nothing gives nothing.

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::interleave;
use datafusion::arrow::datatypes::SchemaRef;

use super::batch_of;
use crate::exec::QueryError;
use crate::exec::operator::{Operator, Output};
use crate::exec::rows::{RowKind, Rows};
use crate::state::Persistent;
use crate::state::key::virtual_nodes;
use crate::state::row::{RowCodec, RowWriter};
use crate::state::table::StateTable;

const STEP: &str = "the rows of a table";

/// The table of the last rows.
const ROW_TABLE: u8 = 0;

pub(super) struct Materialize {
    /// Of the rows, without the record key that stands behind them.
    schema: SchemaRef,
    codec: RowCodec,
    /// Virtual node and record key to the row's columns.
    last: StateTable,
}

/// The rows that one batch gives: where each comes from, and what it does.
#[derive(Default)]
struct Changes {
    /// 0 and the place among the old rows, or 1 and the place in the batch.
    places: Vec<(usize, usize)>,
    kinds: Vec<RowKind>,
    olds: usize,
}

impl Materialize {
    pub fn new(schema: SchemaRef) -> Result<Materialize, QueryError> {
        let codec = RowCodec::new(schema.clone())?;
        Ok(Materialize { schema, codec, last: StateTable::default() })
    }

    fn compare(&mut self, rows: &Rows, new: &[ArrayRef], key: &ArrayRef) -> Result<Rows, QueryError> {
        let nodes = virtual_nodes(std::slice::from_ref(key), rows.len())?;
        let keys = key.as_binary::<i32>();
        let whole = batch_of(&self.schema, new.to_vec(), rows.len(), STEP)?;
        let writer = RowWriter::new(&whole)?;
        let mut olds = self.codec.reader()?;
        let mut changes = Changes::default();
        let (mut name, mut value) = (Vec::new(), Vec::new());
        for row in 0..rows.len() {
            name.clear();
            name.push(nodes.get(row).copied().unwrap_or(0));
            name.extend_from_slice(keys.value(row));
            value.clear();
            writer.write(row, &mut value);
            let adds = rows.kind(row).adds();
            let old = self.last.get(&name)?;
            if old.is_some_and(|old| adds && old == value) {
                continue;
            }
            if let Some(old) = old {
                olds.read(old)?;
                changes.places.push((0, changes.olds));
                changes.kinds.push(if adds { RowKind::UpdateBefore } else { RowKind::Delete });
                changes.olds += 1;
            }
            let was_there = old.is_some();
            if adds {
                changes.places.push((1, row));
                changes.kinds.push(if was_there { RowKind::UpdateAfter } else { RowKind::Insert });
                self.last.put(&name, value.clone())?;
            } else if was_there {
                self.last.remove(&name)?;
            }
        }
        self.changed(olds.finish()?.columns(), new, &changes)
    }

    fn changed(&self, olds: &[ArrayRef], new: &[ArrayRef], changes: &Changes) -> Result<Rows, QueryError> {
        let pick = |(old, new): (&ArrayRef, &ArrayRef)| {
            interleave(&[old.as_ref(), new.as_ref()], &changes.places).map_err(QueryError::compute(STEP))
        };
        let columns = olds.iter().zip(new).map(pick).collect::<Result<_, _>>()?;
        let batch: RecordBatch = batch_of(&self.schema, columns, changes.kinds.len(), STEP)?;
        Ok(Rows::changes(batch, &changes.kinds))
    }
}

impl Operator for Materialize {
    fn on_rows(&mut self, _input: usize, rows: Rows, out: &mut Output) -> Result<(), QueryError> {
        let columns = rows.batch.columns().to_vec();
        let Some((key, new)) = columns.split_last() else { return Ok(()) };
        out.push(self.compare(&rows, new, key)?);
        Ok(())
    }

    fn tables(&mut self) -> Vec<(u8, &mut dyn Persistent)> {
        vec![(ROW_TABLE, &mut self.last)]
    }
}
