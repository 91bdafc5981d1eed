//! Open and aborted transactions of one partition: the last stable offset, and what a read_committed consumer must skip.

use std::collections::BTreeMap;

/// An aborted transaction as a read_committed consumer and the transaction index see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    pub producer_id: i64,
    pub first_offset: i64,
    /// Offset of the abort marker.
    pub last_offset: i64,
    /// The last stable offset once this transaction was over: later aborts cannot start before it.
    pub last_stable_offset: i64,
}

/// Transactions that keep the last stable offset down, and the aborted ones still inside the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transactions {
    /// First offset → producer.
    open: BTreeMap<i64, i64>,
    /// First offset → marker offset, for those whose marker the high watermark has not passed.
    undecided: BTreeMap<i64, i64>,
    /// Ascending by marker offset.
    aborted: Vec<AbortedTransaction>,
}

impl Transactions {
    pub fn opened(&mut self, first_offset: i64, producer_id: i64) {
        self.open.insert(first_offset, producer_id);
    }

    /// Ends a transaction; the entry for the transaction index if it was aborted.
    pub fn ended(
        &mut self,
        producer_id: i64,
        first_offset: i64,
        marker_offset: i64,
        committed: bool,
    ) -> Option<AbortedTransaction> {
        self.open.remove(&first_offset);
        self.undecided.insert(first_offset, marker_offset);
        if committed {
            return None;
        }
        let last_stable_offset = self.open.keys().next().map_or(marker_offset + 1, |first| *first);
        let aborted =
            AbortedTransaction { producer_id, first_offset, last_offset: marker_offset, last_stable_offset };
        self.aborted.push(aborted);
        Some(aborted)
    }

    /// Adds an entry of a transaction index, in marker order.
    pub fn restore_aborted(&mut self, aborted: AbortedTransaction) {
        if self.aborted.last().is_none_or(|last| last.last_offset < aborted.last_offset) {
            self.aborted.push(aborted);
        }
    }

    /// First offset that is not decided yet, from the view of a consumer that sees up to the high watermark.
    pub fn first_unstable_offset(&self) -> Option<i64> {
        let open = self.open.keys().next();
        let undecided = self.undecided.keys().next();
        open.into_iter().chain(undecided).min().copied()
    }

    pub fn high_watermark_moved(&mut self, high_watermark: i64) {
        if !self.undecided.is_empty() {
            self.undecided.retain(|_, marker_offset| *marker_offset >= high_watermark);
        }
    }

    /// All aborted transactions that touch `[from, to)`, sorted by first offset. Complete: the list is in marker order,
    /// and each entry says before which offset no later abort can begin.
    pub fn aborted_between(&self, from: i64, to: i64) -> Vec<AbortedTransaction> {
        let begin = self.aborted.partition_point(|aborted| aborted.last_offset < from);
        let mut found = Vec::new();
        for aborted in &self.aborted[begin..] {
            if aborted.first_offset < to {
                found.push(*aborted);
            }
            if aborted.last_stable_offset >= to {
                break;
            }
        }
        found.sort_by_key(|aborted| aborted.first_offset);
        found
    }

    /// Every aborted transaction that began before `end`, by first offset.
    pub fn aborted_before(&self, end: i64) -> Vec<AbortedTransaction> {
        let mut found: Vec<_> =
            self.aborted.iter().filter(|aborted| aborted.first_offset < end).copied().collect();
        found.sort_by_key(|aborted| aborted.first_offset);
        found
    }

    /// Compaction has rewritten `[from, to)`: of the transactions whose marker lay there only these still have
    /// records. They come by ascending marker.
    pub fn compacted(&mut self, from: i64, to: i64, left: Vec<AbortedTransaction>) {
        let begin = self.aborted.partition_point(|aborted| aborted.last_offset < from);
        let end = self.aborted.partition_point(|aborted| aborted.last_offset < to);
        self.aborted.splice(begin..end.max(begin), left);
    }

    pub fn truncate_start(&mut self, log_start_offset: i64) {
        let gone = self.aborted.partition_point(|aborted| aborted.last_offset < log_start_offset);
        self.aborted.drain(..gone);
    }
}
