//! Follows transactions through one pass over a log: which data was rolled back, and which markers have outlived the
//! data that they decide on.
//!
//! Pure. Batches come in log order; a marker may go only when the pass met no batch of its transaction any more, not
//! even an empty one, so that a reader never meets data whose outcome is gone.

use std::collections::{HashMap, HashSet, VecDeque};

use millstream_protocol::record_batch::BatchHeader;

use crate::partition::batch::Marker;
use crate::partition::transaction::AbortedTransaction;

#[derive(Debug)]
pub struct TransactionWalk {
    /// Not reached yet, by first offset.
    ahead: VecDeque<AbortedTransaction>,
    /// By producer; whether a batch of it was met.
    aborted: HashMap<i64, (AbortedTransaction, bool)>,
    /// Producers of which a batch was met since their last marker.
    committed: HashSet<i64>,
}

/// What becomes of a control batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkerFate {
    /// No batch of its transaction is left.
    pub is_spent: bool,
    /// The entry that the transaction index still needs.
    pub aborted: Option<AbortedTransaction>,
}

impl TransactionWalk {
    /// A walk that begins at `from`, with all aborted transactions up to its end, by first offset.
    pub fn new(aborted: &[AbortedTransaction], from: i64) -> Self {
        let ahead = aborted.iter().filter(|aborted| aborted.last_offset >= from).copied().collect();
        Self { ahead, aborted: HashMap::new(), committed: HashSet::new() }
    }

    /// Meets a batch of data; true when it was rolled back.
    pub fn data(&mut self, batch: &BatchHeader) -> bool {
        self.reach(batch);
        if !batch.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&batch.producer_id) {
            Some((aborted, met)) if aborted.last_offset >= batch.base_offset => {
                *met = true;
                true
            }
            _ => {
                self.committed.insert(batch.producer_id);
                false
            }
        }
    }

    /// Meets a control batch.
    pub fn control(&mut self, batch: &BatchHeader, marker: Option<Marker>) -> MarkerFate {
        self.reach(batch);
        let Some(marker) = marker else {
            // Emptied before: its transaction is long gone. Control records of other kinds stay.
            return MarkerFate { is_spent: batch.record_count == 0, aborted: None };
        };
        if marker.committed {
            return MarkerFate { is_spent: !self.committed.remove(&batch.producer_id), aborted: None };
        }
        let met = self.aborted.remove(&batch.producer_id).filter(|(_, met)| *met);
        // Data of a transaction that the index does not know as aborted would be shown: its marker stays in any case.
        let unknown = self.committed.remove(&batch.producer_id);
        MarkerFate { is_spent: met.is_none() && !unknown, aborted: met.map(|(aborted, _)| aborted) }
    }

    fn reach(&mut self, batch: &BatchHeader) {
        while let Some(next) = self.ahead.pop_front_if(|next| next.first_offset <= batch.last_offset()) {
            self.aborted.insert(next.producer_id, (next, false));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSACTIONAL: i16 = 1 << 4;

    fn batch(offset: i64, producer_id: i64) -> BatchHeader {
        BatchHeader {
            base_offset: offset,
            producer_id,
            attributes: TRANSACTIONAL,
            record_count: 1,
            ..BatchHeader::default()
        }
    }

    #[test]
    fn markers_are_spent_when_no_batch_of_theirs_is_met() {
        let aborted = |producer_id, first_offset, last_offset| AbortedTransaction {
            producer_id,
            first_offset,
            last_offset,
            last_stable_offset: last_offset + 1,
        };
        let index = [aborted(1, 0, 4), aborted(2, 5, 6), aborted(1, 7, 9)];
        let mut walk = TransactionWalk::new(&index, 0);
        let committed = Some(Marker { committed: true, coordinator_epoch: 0 });
        let rolled_back = Some(Marker { committed: false, coordinator_epoch: 0 });
        assert!(walk.data(&batch(0, 1)));
        assert!(!walk.data(&batch(2, 3)));
        let fate = walk.control(&batch(4, 1), rolled_back);
        assert_eq!((fate.is_spent, fate.aborted), (false, Some(index[0])));
        // Nothing of producer 2's transaction is left.
        let fate = walk.control(&batch(6, 2), rolled_back);
        assert_eq!((fate.is_spent, fate.aborted), (true, None));
        assert!(walk.data(&batch(7, 1)));
        assert!(!walk.control(&batch(8, 3), committed).is_spent);
        assert!(!walk.control(&batch(9, 1), rolled_back).is_spent);
        assert!(walk.control(&batch(10, 3), committed).is_spent);
        assert!(!walk.data(&batch(11, 1)), "its next transaction is another one");
    }
}
