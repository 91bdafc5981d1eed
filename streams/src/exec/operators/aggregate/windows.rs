//! Closing windows: their results, and the end of their state, also of groups that memory had no room for.
//!
//! Keys of state begin with the end of the window, so the groups of one are side by side in each virtual node. A window of
//! more groups than are sorted at once leaves virtual node by virtual node: how it leaves never depends on where its groups
//! were.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use datafusion::common::HashSet;

use super::{Aggregator, GROUPS};
use crate::exec::QueryError;
use crate::exec::operator::Output;
use crate::exec::rows::Rows;
use crate::sql::parse::Emit;
use crate::state::Persistent;
use crate::state::encoding::VERSION;
use crate::state::key::{HEADER_BYTES, VIRTUAL_NODES, number, ordered, state_prefix, successor};
use crate::state::store::ColdTable;

/// Groups of one window that leave in the order of their key.
const SORTED_MAX: usize = if cfg!(test) { 64 } else { 65_536 };

/// Groups whose results are one batch, at the least; windows are not cut for it.
const RESULT_ROWS: usize = 8_192;

/// Rows of the store that are looked at in one go.
const SCANNED_ROWS: usize = 4_096;

/// A row of the store: its key and its value.
type Stored = (Vec<u8>, Vec<u8>);

/// The ends of windows that a table has groups of.
pub(super) fn ends(table: &ColdTable) -> Result<BTreeSet<i64>, QueryError> {
    let mut ends = BTreeSet::new();
    for node in 0..VIRTUAL_NODES {
        let last = successor(&state_prefix(node));
        let to = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut from = state_prefix(node).to_vec();
        while let Some((key, _)) = table.range(Bound::Included(&from), to, 1)?.into_iter().next() {
            let Some(end) = key.get(HEADER_BYTES..HEADER_BYTES + 8).map(number) else { break };
            ends.insert(end);
            from = window_prefix(node, end.saturating_add(1));
        }
    }
    Ok(ends)
}

fn window_prefix(node: u8, end_us: i64) -> Vec<u8> {
    [&[node, VERSION][..], &ordered(end_us)].concat()
}

impl Aggregator {
    /// The first window that is open.
    pub(super) fn next_end(&self) -> Option<i64> {
        let stored = self.spill.as_ref().and_then(|spill| spill.ends.first().copied());
        self.windows.keys().next().copied().into_iter().chain(stored).min()
    }

    /// Closes every window that ends at or before the watermark, less its grace: for `EMIT FINAL` their results, in the
    /// order of window end and key. Their state is dropped.
    pub(super) fn close(&mut self, watermark_us: i64, out: &mut Output) -> Result<(), QueryError> {
        let grace_us = self.plan.window.map_or(0, |window| window.size.grace_us);
        let is_due = |end: &i64| end.saturating_add(grace_us) <= watermark_us;
        if self.next_end().filter(is_due).is_none() {
            return Ok(());
        }
        if self.plan.emit == Emit::Changes
            && let Some(rows) = self.changes()?
        {
            // What changed last still has to be said.
            out.push(rows);
        }
        let mut closing = Vec::new();
        while let Some(end_us) = self.next_end().filter(is_due) {
            self.last_end_us = self.last_end_us.max(Some(end_us.saturating_add(grace_us)));
            let is_stored = self.spill.as_mut().is_some_and(|spill| spill.ends.remove(&end_us));
            if is_stored {
                self.give_closed(std::mem::take(&mut closing), out)?;
                self.close_stored(end_us, out)?;
                continue;
            }
            let slots = self.windows.remove(&end_us).unwrap_or_default();
            if slots.len() > SORTED_MAX && self.plan.emit == Emit::Final {
                self.give_closed(std::mem::take(&mut closing), out)?;
                self.close_large(end_us, slots, None, out)?;
                continue;
            }
            closing.extend(self.sorted(slots));
            if closing.len() >= RESULT_ROWS {
                self.give_closed(std::mem::take(&mut closing), out)?;
            }
        }
        self.give_closed(closing, out)
    }

    fn sorted(&self, mut slots: Vec<u32>) -> Vec<u32> {
        slots.sort_unstable_by(|left, right| {
            self.groups[*left as usize].key.cmp(&self.groups[*right as usize].key)
        });
        slots
    }

    /// Gives the results of groups whose window is closed, and drops them.
    fn give_closed(&mut self, mut closing: Vec<u32>, out: &mut Output) -> Result<(), QueryError> {
        if closing.is_empty() {
            return Ok(());
        }
        if self.plan.emit == Emit::Final {
            let left = closing.iter().copied().filter(|slot| !self.is_gone(*slot));
            out.push(Rows::inserts(self.results(&left.collect::<Vec<_>>())?));
        }
        // Groups without rows are gone with their change already.
        closing.retain(|slot| self.slots.get(&self.groups[*slot as usize].key) == Some(slot));
        self.drop_groups(&closing)
    }

    /// Closes a window some of whose groups are in the store alone.
    fn close_stored(&mut self, end_us: i64, out: &mut Output) -> Result<(), QueryError> {
        let slots = self.windows.remove(&end_us).unwrap_or_default();
        let known = self.known(&slots)?;
        if self.plan.emit == Emit::Changes {
            for node in 0..VIRTUAL_NODES {
                let stored = self.stored(node, end_us, &known, usize::MAX)?;
                self.gone_stored.extend(stored.into_iter().map(|(key, _)| key));
            }
            return self.give_closed(slots, out);
        }
        let mut stored = Vec::new();
        for node in 0..VIRTUAL_NODES {
            let room = SORTED_MAX.saturating_sub(slots.len() + stored.len()) + 1;
            stored.extend(self.stored(node, end_us, &known, room)?);
            if slots.len() + stored.len() > SORTED_MAX {
                return self.close_large(end_us, slots, Some(&known), out);
            }
        }
        let mut all = slots;
        all.extend(self.load(end_us, &stored)?);
        let all = self.sorted(all);
        self.give_closed(all, out)
    }

    /// Closes a window virtual node by virtual node; `known` says which stored groups are in memory too, `None` that no
    /// others are stored.
    fn close_large(
        &mut self,
        end_us: i64,
        slots: Vec<u32>,
        known: Option<&HashSet<Vec<u8>>>,
        out: &mut Output,
    ) -> Result<(), QueryError> {
        let keys: Vec<Arc<[u8]>> = slots.iter().map(|slot| self.groups[*slot as usize].key.clone()).collect();
        let nodes = self.stored_keys(&keys)?.nodes;
        let mut by_node: BTreeMap<u8, Vec<u32>> = BTreeMap::new();
        for (slot, node) in slots.iter().zip(nodes) {
            by_node.entry(node).or_default().push(*slot);
        }
        for node in 0..VIRTUAL_NODES {
            let mut slots = by_node.remove(&node).unwrap_or_default();
            if let Some(known) = known {
                let stored = self.stored(node, end_us, known, usize::MAX)?;
                slots.extend(self.load(end_us, &stored)?);
            }
            let slots = self.sorted(slots);
            self.give_closed(slots, out)?;
        }
        Ok(())
    }

    /// Stored keys of groups that are in memory, or that are gone and still stored.
    fn known(&self, slots: &[u32]) -> Result<HashSet<Vec<u8>>, QueryError> {
        let in_memory = slots.iter().map(|slot| &self.groups[*slot as usize].key);
        let keys: Vec<Arc<[u8]>> = in_memory.chain(&self.gone).cloned().collect();
        let stored = self.stored_keys(&keys)?;
        let key = |row| {
            let mut key = Vec::new();
            stored.write(row, &mut key);
            key
        };
        Ok((0..keys.len()).map(key).collect())
    }

    /// Groups of a window that are in the store alone, at most about `limit` of them.
    fn stored(
        &self,
        node: u8,
        end_us: i64,
        known: &HashSet<Vec<u8>>,
        limit: usize,
    ) -> Result<Vec<Stored>, QueryError> {
        let Some(spill) = &self.spill else { return Ok(Vec::new()) };
        let prefix = window_prefix(node, end_us);
        let last = successor(&prefix);
        let to = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let (mut found, mut from) = (Vec::new(), Bound::Included(prefix.clone()));
        while found.len() < limit {
            let start = from.as_ref().map(Vec::as_slice);
            let rows = spill.table.range(start, to, SCANNED_ROWS)?;
            let behind =
                (rows.len() == SCANNED_ROWS).then(|| rows.last().map(|(key, _)| key.clone())).flatten();
            found.extend(rows.into_iter().filter(|(key, _)| !known.contains(key)));
            match behind {
                Some(key) => from = Bound::Excluded(key),
                None => break,
            }
        }
        Ok(found)
    }

    /// Takes groups of a window out of the store; gives their slots.
    fn load(&mut self, end_us: i64, stored: &[Stored]) -> Result<Vec<u32>, QueryError> {
        if stored.is_empty() {
            return Ok(Vec::new());
        }
        let mut entries = stored.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        self.restore(&mut entries)?;
        if let Some(spill) = &mut self.spill {
            spill.forget_fresh();
        }
        self.windows
            .remove(&end_us)
            .ok_or_else(|| QueryError::cluster(GROUPS, "a stored group has no window"))
    }
}
