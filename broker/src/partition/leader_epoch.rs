//! The leader epochs of one partition and the first offset of each (KIP-101, KIP-279).

/// Epochs with their first offsets, both ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaderEpochs {
    entries: Vec<(i32, i64)>,
}

impl LeaderEpochs {
    /// Takes (epoch, first offset) pairs; entries that do not ascend are dropped, as a torn checkpoint may hold them.
    pub fn from_entries(entries: impl IntoIterator<Item = (i32, i64)>) -> Self {
        let mut epochs = Self::default();
        for (epoch, offset) in entries {
            epochs.assign(epoch, offset);
        }
        epochs
    }

    pub fn entries(&self) -> &[(i32, i64)] {
        &self.entries
    }

    pub fn latest(&self) -> Option<i32> {
        self.entries.last().map(|entry| entry.0)
    }

    /// Notes that `epoch` begins at `offset`; true when that was news.
    pub fn assign(&mut self, epoch: i32, offset: i64) -> bool {
        if epoch < 0 || self.latest().is_some_and(|latest| latest >= epoch) {
            return false;
        }
        // An epoch that wrote nothing before its successor began has no range of its own.
        self.entries.retain(|entry| entry.1 < offset);
        self.entries.push((epoch, offset));
        true
    }

    /// The epoch that wrote `offset`.
    pub fn epoch_of(&self, offset: i64) -> Option<i32> {
        let after = self.entries.partition_point(|entry| entry.1 <= offset);
        after.checked_sub(1).map(|at| self.entries[at].0)
    }

    /// The largest epoch not above `epoch`, and where it ends: the next epoch's first offset, or the log's end.
    /// `None` when the epoch is above all known or older than everything kept.
    pub fn end_offset(&self, epoch: i32, log_end_offset: i64) -> Option<(i32, i64)> {
        let latest = self.latest()?;
        if epoch == latest {
            return Some((epoch, log_end_offset));
        }
        if epoch > latest {
            return None;
        }
        let after = self.entries.partition_point(|entry| entry.0 <= epoch);
        let end = self.entries[after].1;
        // Older than the first epoch kept: its own number, ending where the first one starts.
        let found = after.checked_sub(1).map_or(epoch, |at| self.entries[at].0);
        Some((found, end))
    }

    /// Forgets epochs that begin at or behind the log's new end.
    pub fn truncate_end(&mut self, log_end_offset: i64) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.1 < log_end_offset);
        self.entries.len() != before
    }

    /// Forgets epochs that end before the log's new start; the one that covers it now begins there.
    pub fn truncate_start(&mut self, log_start_offset: i64) -> bool {
        let covered = self.entries.partition_point(|entry| entry.1 <= log_start_offset);
        if covered == 0 {
            return false;
        }
        let before = self.entries.clone();
        self.entries.drain(..covered - 1);
        self.entries[0].1 = log_start_offset;
        self.entries != before
    }
}
