//! Which batches of a fetched piece a reader sees: no control batches, and no aborted ones when reading committed.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use millstream_protocol::messages::AbortedTransaction;
use millstream_protocol::record_batch::{Batch, BatchError, ControlMarker, batches};

use super::Isolation;

/// A marker is a few bytes; anything larger is no marker.
const MARKER_BYTES_MAX: usize = 4096;

/// The visible batches, and the offset behind all batches, visible or not.
#[derive(Debug)]
pub(crate) struct Visible {
    pub(crate) batches: Vec<Batch>,
    /// `None` when there was not one whole batch.
    pub(crate) next_offset: Option<i64>,
}

/// Walks the batches in order. `aborted` names transactions by producer and first offset, as the node sent them (KIP-98).
/// Batches that end before `start_offset` are passed over; one cut off at the end is left for the next fetch.
pub(crate) fn visible(
    records: Bytes,
    start_offset: i64,
    isolation: Isolation,
    mut aborted: Vec<AbortedTransaction>,
) -> Result<Visible, BatchError> {
    aborted.sort_by_key(|transaction| transaction.first_offset);
    let mut upcoming: VecDeque<AbortedTransaction> = aborted.into();
    let mut aborting: BTreeSet<i64> = BTreeSet::new();
    let mut found = Visible { batches: Vec::new(), next_offset: None };
    for batch in batches(records) {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) if error.is_truncated() => break,
            Err(error) => return Err(error),
        };
        let header = *batch.header();
        while upcoming.front().is_some_and(|transaction| transaction.first_offset <= header.last_offset()) {
            aborting.extend(upcoming.pop_front().map(|transaction| transaction.producer_id));
        }
        if header.next_offset() <= start_offset {
            continue;
        }
        found.next_offset = Some(header.next_offset());
        if header.is_control() {
            if is_abort(&batch)? {
                aborting.remove(&header.producer_id);
            }
            continue;
        }
        let is_aborted = isolation == Isolation::ReadCommitted
            && header.is_transactional()
            && aborting.contains(&header.producer_id);
        if !is_aborted {
            found.batches.push(batch);
        }
    }
    Ok(found)
}

fn is_abort(batch: &Batch) -> Result<bool, BatchError> {
    let records = batch.records(MARKER_BYTES_MAX)?;
    let Some(record) = records.iter().next() else { return Ok(false) };
    Ok(matches!(ControlMarker::parse(&record?), Some((ControlMarker::Abort, _))))
}

#[cfg(test)]
mod tests;
