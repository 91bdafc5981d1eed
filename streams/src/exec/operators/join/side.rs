//! One input of a join: its keys, and how its rows are written into state.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::physical_expr::PhysicalExpr;
use std::sync::Arc;

use super::STEP;
use crate::exec::QueryError;
use crate::exec::operators::evaluate;
use crate::plan::JoinSide;
use crate::state::Encoded;
use crate::state::key::{KeyCodec, state_prefix, virtual_node};
use crate::state::row::RowCodec;

pub(super) struct Side {
    keys: Vec<Arc<dyn PhysicalExpr>>,
    codec: KeyCodec,
    pub rows: RowCodec,
}

/// The join keys of a batch.
pub(super) struct Keys {
    bare: Encoded,
    nodes: Vec<u8>,
    nulls: Vec<bool>,
}

impl Side {
    pub fn new(plan: &JoinSide) -> Result<Side, QueryError> {
        let types = plan
            .keys
            .iter()
            .map(|key| key.data_type(&plan.schema))
            .collect::<Result<Vec<DataType>, _>>()
            .map_err(QueryError::evaluate(STEP))?;
        Ok(Side {
            keys: plan.keys.clone(),
            codec: KeyCodec::ascending(&types)?,
            rows: RowCodec::new(plan.schema.clone())?,
        })
    }

    pub fn keys(&self, batch: &RecordBatch) -> Result<Keys, QueryError> {
        let rows = batch.num_rows();
        let columns = self
            .keys
            .iter()
            .map(|key| evaluate(key, batch, STEP))
            .collect::<Result<Vec<ArrayRef>, QueryError>>()?;
        let bare = self.codec.encode(&columns, rows)?;
        let nodes = (0..rows).map(|row| virtual_node(bare.get(row))).collect();
        let mut nulls = vec![false; rows];
        for column in &columns {
            if let Some(absent) = column.logical_nulls() {
                nulls.iter_mut().enumerate().for_each(|(row, null)| *null |= absent.is_null(row));
            }
        }
        Ok(Keys { bare, nodes, nulls })
    }
}

impl Keys {
    /// A NULL in the key meets nothing.
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.get(row).copied().unwrap_or(true)
    }

    pub fn bare(&self, row: usize) -> &[u8] {
        self.bare.get(row)
    }

    /// What keys of state of the row begin with, if they begin with its join key.
    pub fn whole(&self, row: usize) -> Vec<u8> {
        [&self.header(row)[..], self.bare(row)].concat()
    }

    /// What a key of state in the row's virtual node begins with.
    pub fn header(&self, row: usize) -> [u8; 2] {
        state_prefix(self.nodes.get(row).copied().unwrap_or(0))
    }
}

/// The values of a time as microseconds.
pub(super) fn microseconds(
    time: &Arc<dyn PhysicalExpr>,
    batch: &RecordBatch,
) -> Result<Int64Array, QueryError> {
    let times = evaluate(time, batch, STEP)?;
    let times = cast(&times, &DataType::Timestamp(TimeUnit::Microsecond, None))
        .and_then(|times| cast(&times, &DataType::Int64))
        .map_err(QueryError::compute(STEP))?;
    Ok(times.as_primitive::<Int64Type>().clone())
}
