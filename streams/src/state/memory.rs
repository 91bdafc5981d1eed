//! How much memory the rows of all tables may use together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What all tables of a node share. Rows that changed since the last commit cannot be let go, so the limit may be passed
/// until the next one; a task commits early for that (`is_pressing`).
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    limit: usize,
    used: AtomicUsize,
    /// Tables.
    members: AtomicUsize,
}

impl MemoryBudget {
    pub fn new(limit: usize) -> Arc<MemoryBudget> {
        Arc::new(MemoryBudget { limit, used: AtomicUsize::new(0), members: AtomicUsize::new(0) })
    }

    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// What a table keeps whatever others use: half of an equal part. A small table that is whole in memory never asks the
    /// disk.
    fn floor(&self) -> usize {
        self.limit / 2 / self.members.load(Ordering::Relaxed).max(1)
    }

    /// So much more than the limit is used that a commit should not wait for its time.
    pub fn is_pressing(&self) -> bool {
        self.used() > self.limit.saturating_add(self.limit / 4)
    }
}

/// What one table uses of it. Counts by itself until it joins a budget; gives everything back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Share {
    bytes: usize,
    budget: Option<Arc<MemoryBudget>>,
    /// Counted among those that share the memory; otherwise what it uses is taken from them.
    is_member: bool,
}

impl Share {
    pub fn join(&mut self, budget: &Arc<MemoryBudget>) {
        self.charge(budget);
        budget.members.fetch_add(1, Ordering::Relaxed);
        self.is_member = true;
    }

    /// For what cannot be let go, only waited for.
    pub fn charge(&mut self, budget: &Arc<MemoryBudget>) {
        self.leave();
        budget.used.fetch_add(self.bytes, Ordering::Relaxed);
        self.budget = Some(budget.clone());
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    #[inline]
    pub fn grow(&mut self, bytes: usize) {
        self.bytes += bytes;
        if let Some(budget) = &self.budget {
            budget.used.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    #[inline]
    pub fn shrink(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.bytes, "{bytes} of {} bytes are given back", self.bytes);
        self.bytes = self.bytes.saturating_sub(bytes);
        if let Some(budget) = &self.budget {
            budget.used.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Bytes to let go for the whole to come back to nine tenths of the limit: every table its part, but small ones nothing.
    pub fn over(&self) -> usize {
        let Some(budget) = &self.budget else { return 0 };
        let used = budget.used();
        if used <= budget.limit || used == 0 {
            return 0;
        }
        let kept = (self.bytes as u128 * (budget.limit / 10 * 9) as u128 / used as u128) as usize;
        self.bytes - kept.max(budget.floor()).min(self.bytes)
    }

    /// No more rows should be read back before they are asked for.
    pub fn is_nearly_full(&self) -> bool {
        self.budget.as_ref().is_some_and(|budget| budget.used() > budget.limit / 10 * 8)
    }

    fn leave(&mut self) {
        if let Some(budget) = self.budget.take() {
            budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
            if std::mem::take(&mut self.is_member) {
                budget.members.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.leave();
    }
}
