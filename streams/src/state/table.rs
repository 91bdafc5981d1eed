//! A table of bytes by bytes, in the order of the keys: what steps keep their rows, timers and flags in.
//!
//! Keys begin with the byte of their virtual node; the rest is the step's own, written so that its order is the order of
//! the bytes (`super::key`).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};

use super::key::successor;
use super::{OnChange, Persistent};
use crate::exec::QueryError;

/// Takes a key and its value; breaks to end the scan.
pub(crate) type OnRow<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, QueryError> + 'a;

#[derive(Debug, Default)]
pub(crate) struct StateTable {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Keys that changed since the last commit.
    changed: BTreeSet<Vec<u8>>,
}

impl StateTable {
    pub fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, QueryError> {
        Ok(self.rows.get(key).map(Vec::as_slice))
    }

    pub fn put(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), QueryError> {
        if !self.changed.contains(key) {
            self.changed.insert(key.to_vec());
        }
        self.rows.insert(key.to_vec(), value);
        Ok(())
    }

    pub fn remove(&mut self, key: &[u8]) -> Result<(), QueryError> {
        if self.rows.remove(key).is_some() {
            self.changed.insert(key.to_vec());
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
        for (key, value) in self.rows.range::<[u8], _>((from, to)) {
            if each(key, value)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Calls `each` with the rows whose keys begin with `prefix` in the order of their keys, until it breaks.
    pub fn scan_prefix(&mut self, prefix: &[u8], each: &mut OnRow<'_>) -> Result<(), QueryError> {
        let end = successor(prefix);
        let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.scan(Bound::Included(prefix), to, each)
    }
}

/// Whether no key can be between the bounds; a map's `range` panics where they cross.
fn is_empty(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
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
        for key in std::mem::take(&mut self.changed) {
            each(&key, self.rows.get(&key).map(Vec::as_slice));
        }
        Ok(())
    }

    fn restore(&mut self, entries: &mut dyn Iterator<Item = (&[u8], &[u8])>) -> Result<(), QueryError> {
        self.rows.extend(entries.map(|(key, value)| (key.to_vec(), value.to_vec())));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
