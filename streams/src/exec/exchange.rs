//! Exchange: rows to the workers that own their keys.

use std::ops::Range;

use datafusion::arrow::array::UInt32Array;

use super::QueryError;
use super::operators::evaluate;
use super::rows::{RowKind, Rows};
use crate::plan::Exchange;
use crate::state::key::{VIRTUAL_NODES, virtual_nodes};

const STEP: &str = "the columns of an exchange";

/// The worker that owns a virtual node.
fn owner(virtual_node: u8, workers: usize) -> usize {
    usize::from(virtual_node % VIRTUAL_NODES) * workers / usize::from(VIRTUAL_NODES)
}

/// The virtual nodes that a worker owns.
pub(crate) fn owned(worker: usize, workers: usize) -> Range<u8> {
    let nodes = usize::from(VIRTUAL_NODES);
    let first = |worker: usize| (worker * nodes).div_ceil(workers.max(1)).min(nodes) as u8;
    first(worker)..first(worker + 1)
}

/// The rows for each worker that gets any, each in the order they came in.
pub(crate) fn split(
    rows: &Rows,
    exchange: &Exchange,
    workers: usize,
) -> Result<Vec<(usize, Rows)>, QueryError> {
    let keys =
        exchange.keys.iter().map(|key| evaluate(key, &rows.batch, STEP)).collect::<Result<Vec<_>, _>>()?;
    let owners: Vec<usize> =
        virtual_nodes(&keys, rows.len())?.into_iter().map(|node| owner(node, workers)).collect();
    let first = owners.first().copied().unwrap_or(0);
    if owners.iter().all(|owner| *owner == first) {
        return Ok(vec![(first, rows.clone())]);
    }
    let parted = parted_kinds(rows, &owners);
    let rows = parted.as_ref().unwrap_or(rows);
    let mut places = vec![Vec::new(); workers];
    for (row, owner) in owners.iter().enumerate() {
        places[*owner].push(row as u32);
    }
    let mut split = Vec::new();
    for (worker, places) in places.into_iter().enumerate().filter(|(_, places)| !places.is_empty()) {
        let taken = rows.take(&UInt32Array::from(places)).map_err(QueryError::compute(STEP))?;
        split.push((worker, taken));
    }
    Ok(split)
}

/// An update whose two rows go different ways is a delete here and an insert there.
fn parted_kinds(rows: &Rows, owners: &[usize]) -> Option<Rows> {
    rows.kinds.as_ref()?;
    let mut kinds: Vec<RowKind> = (0..rows.len()).map(|row| rows.kind(row)).collect();
    for row in 1..kinds.len() {
        let is_update = kinds[row - 1] == RowKind::UpdateBefore && kinds[row] == RowKind::UpdateAfter;
        if is_update && owners[row - 1] != owners[row] {
            kinds[row - 1] = RowKind::Delete;
            kinds[row] = RowKind::Insert;
        }
    }
    Some(rows.clone().with_kinds(&kinds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_owns_the_virtual_nodes_that_are_sent_to_it() {
        for workers in 1..=128 {
            let receives = |node| (0..workers).find(|worker| owned(*worker, workers).contains(&node));
            assert!((0..VIRTUAL_NODES).all(|node| receives(node) == Some(owner(node, workers))), "{workers}");
        }
    }
}
