//! A table of bytes by bytes, in the order of the keys: what steps keep their rows, timers and flags in.
//!
//! Keys begin with the byte of their virtual node; the rest is the step's own, written so that its order is the order of
//! the bytes (`super::key`).
//!
//! Without a store, all rows are in memory. With one (`attach`), the rows that changed since the last commit and those that
//! were used last are in memory, as far as the budget allows, and every committed row is in the store. A table that has all
//! its rows in memory never asks the store.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use super::key::successor;
use super::memory::{MemoryBudget, Share};
use super::store::ColdTable;
use super::{OnChange, Persistent};
use crate::exec::QueryError;

/// Takes a key and its value; breaks to end the scan.
pub(crate) type OnRow<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, QueryError> + 'a;

/// What a row costs in memory beside its key and value: its place in the tree and two allocations.
const ROW_OVERHEAD_BYTES: usize = 112;

/// Rows that one look into the store brings, at the most; the first look of a scan brings few.
const COLD_ROWS: usize = 512;
const COLD_ROWS_FIRST: usize = 16;

/// Rows that are read back into memory with one commit, until all are there or the budget is used.
const WARM_ROWS: usize = 4_096;

#[derive(Default)]
pub(crate) struct StateTable {
    rows: BTreeMap<Vec<u8>, Row>,
    /// Keys that changed since the last commit, each once.
    changed: Vec<Vec<u8>>,
    /// Keys that were handed out as gone, until the commit is through.
    gone: Vec<Vec<u8>>,
    share: Share,
    cold: Option<Cold>,
}

struct Row {
    /// `None` if the row is gone and the store does not know it yet.
    value: Option<Vec<u8>>,
    is_changed: bool,
    /// Since the hand last came by.
    is_used: bool,
}

struct Cold {
    table: ColdTable,
    /// Every row of the store is in memory too.
    is_complete: bool,
    /// Up to where rows were read back, while nothing had to be let go.
    warmed: Option<Vec<u8>>,
    /// Where the search for rows to let go stopped.
    hand: Vec<u8>,
}

impl StateTable {
    pub fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, QueryError> {
        if let Some(cold) = &self.cold
            && !cold.is_complete
            && !self.rows.contains_key(key)
        {
            let Some(value) = cold.table.get(key)? else { return Ok(None) };
            self.keep(key.to_vec(), value);
        }
        Ok(self.rows.get_mut(key).and_then(|row| {
            row.is_used = true;
            row.value.as_deref()
        }))
    }

    pub fn put(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), QueryError> {
        if let Some(row) = self.rows.get_mut(key) {
            let before = row.value.as_ref().map_or(0, Vec::len);
            self.share.grow(value.len());
            self.share.shrink(before);
            row.value = Some(value);
            row.is_used = true;
            if !std::mem::replace(&mut row.is_changed, true) {
                self.changed.push(key.to_vec());
            }
            return Ok(());
        }
        self.share.grow(ROW_OVERHEAD_BYTES + key.len() + value.len());
        self.changed.push(key.to_vec());
        self.rows.insert(key.to_vec(), Row { value: Some(value), is_changed: true, is_used: true });
        Ok(())
    }

    pub fn remove(&mut self, key: &[u8]) -> Result<(), QueryError> {
        // Only a row that is there can go: a changelog that fills with keys that never were is no use.
        if self.get(key)?.is_none() {
            return Ok(());
        }
        if let Some(row) = self.rows.get_mut(key) {
            self.share.shrink(row.value.take().map_or(0, |value| value.len()));
            if !std::mem::replace(&mut row.is_changed, true) {
                self.changed.push(key.to_vec());
            }
        }
        Ok(())
    }

    /// Calls `each` with the rows between the bounds in the order of their keys, until it breaks.
    pub fn scan(
        &mut self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        each: &mut OnRow<'_>,
    ) -> Result<(), QueryError> {
        if is_empty(from, to) {
            return Ok(());
        }
        match &self.cold {
            Some(cold) if !cold.is_complete => self.scan_both(from, to, each),
            _ => {
                let _whether_it_broke = self.scan_memory(from, to, each)?;
                Ok(())
            }
        }
    }

    /// Calls `each` with the rows whose keys begin with `prefix` in the order of their keys, until it breaks.
    pub fn scan_prefix(&mut self, prefix: &[u8], each: &mut OnRow<'_>) -> Result<(), QueryError> {
        let end = successor(prefix);
        let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.scan(Bound::Included(prefix), to, each)
    }

    fn scan_memory(
        &mut self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        each: &mut OnRow<'_>,
    ) -> Result<ControlFlow<()>, QueryError> {
        for (key, row) in self.rows.range_mut::<[u8], _>((from, to)) {
            row.is_used = true;
            if let Some(value) = &row.value
                && each(key, value)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Brings the rows of the store in between into memory, a few at a time, and gives what is there then.
    fn scan_both(
        &mut self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        each: &mut OnRow<'_>,
    ) -> Result<(), QueryError> {
        let mut from = from.map(<[u8]>::to_vec);
        let mut limit = COLD_ROWS_FIRST;
        loop {
            let start = from.as_ref().map(Vec::as_slice);
            let Some(cold) = &self.cold else { return Ok(()) };
            let found = cold.table.range(start, to, limit)?;
            let last = (found.len() == limit).then(|| found.last().map(|(key, _)| key.clone())).flatten();
            for (key, value) in found {
                if !self.rows.contains_key(&key) {
                    self.keep(key, value);
                }
            }
            let end = last.as_deref().map_or(to, Bound::Included);
            if self.scan_memory(start, end, each)?.is_break() {
                return Ok(());
            }
            let Some(last) = last else { return Ok(()) };
            from = Bound::Excluded(last);
            if is_empty(from.as_ref().map(Vec::as_slice), to) {
                return Ok(());
            }
            limit = COLD_ROWS;
        }
    }

    /// Takes a row of the store into memory.
    fn keep(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.share.grow(ROW_OVERHEAD_BYTES + key.len() + value.len());
        self.rows.insert(key, Row { value: Some(value), is_changed: false, is_used: false });
    }

    /// Lets rows go that have not changed, those first that were not used lately.
    fn let_go(&mut self, bytes: usize) {
        let Some(cold) = &mut self.cold else { return };
        let (mut freed, mut going) = (0, Vec::new());
        // Twice around: the first time takes back the marks of use.
        for _ in 0..3 {
            let behind: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Included(&cold.hand), Bound::Unbounded);
            let mut stopped = None;
            for (key, row) in self.rows.range_mut::<[u8], _>(behind) {
                if freed >= bytes {
                    stopped = Some(key.clone());
                    break;
                }
                if row.is_changed || std::mem::take(&mut row.is_used) {
                    continue;
                }
                freed += ROW_OVERHEAD_BYTES + key.len() + row.value.as_ref().map_or(0, Vec::len);
                going.push(key.clone());
            }
            for key in going.drain(..) {
                self.rows.remove(&key);
                cold.is_complete = false;
                cold.warmed = None;
            }
            cold.hand = stopped.unwrap_or_default();
            if freed >= bytes {
                break;
            }
        }
        self.share.shrink(freed);
    }

    /// Reads some more rows back into memory, as long as all of them may fit.
    fn warm(&mut self) -> Result<(), QueryError> {
        let Some(cold) = &self.cold else { return Ok(()) };
        let Some(warmed) = &cold.warmed else { return Ok(()) };
        if self.share.is_nearly_full() {
            return Ok(());
        }
        let from = if warmed.is_empty() { Bound::Unbounded } else { Bound::Excluded(warmed.as_slice()) };
        let found = cold.table.range(from, Bound::Unbounded, WARM_ROWS)?;
        let last = (found.len() == WARM_ROWS).then(|| found.last().map(|(key, _)| key.clone())).flatten();
        for (key, value) in found {
            if !self.rows.contains_key(&key) {
                self.keep(key, value);
            }
        }
        if let Some(cold) = &mut self.cold {
            cold.is_complete = last.is_none();
            cold.warmed = last;
        }
        Ok(())
    }
}

/// Whether no key can be between the bounds; a map's `range` panics where they cross.
pub(super) fn is_empty(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
            from >= to
        }
    }
}

impl Persistent for StateTable {
    fn drain_changes(&mut self, each: &mut OnChange<'_>) -> Result<(), QueryError> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        for key in changed {
            let Some(row) = self.rows.get_mut(&key) else { continue };
            row.is_changed = false;
            each(&key, row.value.as_deref());
            if row.value.is_none() {
                self.gone.push(key);
            }
        }
        if self.cold.is_none() {
            self.drop_gone();
        }
        Ok(())
    }

    fn restore(&mut self, entries: &mut dyn Iterator<Item = (&[u8], &[u8])>) -> Result<(), QueryError> {
        for (key, value) in entries {
            self.keep(key.to_vec(), value.to_vec());
        }
        Ok(())
    }

    fn attach(&mut self, table: ColdTable, budget: &Arc<MemoryBudget>) -> Result<bool, QueryError> {
        let is_complete = table.is_empty()?;
        self.share.join(budget);
        self.cold =
            Some(Cold { table, is_complete, warmed: (!is_complete).then(Vec::new), hand: Vec::new() });
        Ok(true)
    }

    fn committed(&mut self) -> Result<(), QueryError> {
        self.drop_gone();
        if self.cold.is_some() {
            let over = self.share.over();
            if over > 0 {
                self.let_go(over);
            } else {
                self.warm()?;
            }
        }
        Ok(())
    }
}

impl StateTable {
    fn drop_gone(&mut self) {
        for key in std::mem::take(&mut self.gone) {
            // It may have come back since.
            if self.rows.get(&key).is_some_and(|row| row.value.is_none() && !row.is_changed) {
                self.rows.remove(&key);
                self.share.shrink(ROW_OVERHEAD_BYTES + key.len());
            }
        }
    }
}

#[cfg(test)]
mod tests;
