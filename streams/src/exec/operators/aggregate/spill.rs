//! Groups that memory has no room for: let go after a commit, read back from the committed state when a row comes for them.
//!
//! Those of windows are read back when their window closes, too (`windows`).

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::Int64Array;

use super::{Aggregator, NEVER, windows};
use crate::exec::QueryError;
use crate::state::encoding::{Reader, StoredColumn, VERSION};
use crate::state::key::ordered;
use crate::state::memory::{MemoryBudget, Share};
use crate::state::store::ColdTable;

/// What a group costs beside its key and what its accumulators write: places in the maps and vectors, an allocation.
const GROUP_OVERHEAD_BYTES: usize = 144;

pub(super) struct Spill {
    pub table: ColdTable,
    share: Share,
    /// Every group of the table is in memory too.
    is_complete: bool,
    /// Where the search for groups to let go stopped.
    hand: usize,
    /// Slots that were given since the last look into the table.
    fresh: Vec<u32>,
    /// Ends of windows that may have groups in the table alone.
    pub ends: BTreeSet<i64>,
}

/// Groups as the keys of state have them.
pub(super) struct StoredKeys {
    pub nodes: Vec<u8>,
    pub ends: Option<Int64Array>,
    pub columns: Vec<StoredColumn>,
}

impl StoredKeys {
    /// The virtual node, the version, the end of the window if there are windows, the columns.
    pub fn write(&self, row: usize, key: &mut Vec<u8>) {
        key.clear();
        key.push(self.nodes.get(row).copied().unwrap_or(0));
        key.push(VERSION);
        if let Some(ends) = &self.ends {
            key.extend_from_slice(&ordered(ends.value(row)));
        }
        self.columns.iter().for_each(|column| column.write(row, key));
    }
}

impl Spill {
    pub fn note_fresh(&mut self, slot: u32) {
        self.fresh.push(slot);
    }

    /// What has a slot now was not new.
    pub fn forget_fresh(&mut self) {
        self.fresh.clear();
    }

    /// Whether a group may be in the table and not in memory.
    fn may_have(&self, end_us: i64) -> bool {
        !self.is_complete && (end_us == NEVER || self.ends.contains(&end_us))
    }
}

impl Aggregator {
    pub(super) fn start_to_spill(
        &mut self,
        table: ColdTable,
        budget: &Arc<MemoryBudget>,
    ) -> Result<bool, QueryError> {
        // The lines of a group's values are not found by its key alone: they stay in memory.
        let keeps_values = self.accumulators.iter_mut().any(|accumulator| accumulator.multiset().is_some());
        if keeps_values || self.plan.groups.is_empty() {
            return Ok(false);
        }
        let is_complete = table.is_empty()?;
        let ends = if self.plan.window.is_some() { windows::ends(&table)? } else { BTreeSet::new() };
        let mut share = Share::default();
        share.join(budget);
        self.spill = Some(Spill { table, share, is_complete, hand: 0, fresh: Vec::new(), ends });
        Ok(true)
    }

    /// Reads back what is known of the groups that got a slot.
    pub(super) fn load_fresh(&mut self) -> Result<(), QueryError> {
        let Some(spill) = &mut self.spill else { return Ok(()) };
        let fresh = std::mem::take(&mut spill.fresh);
        if fresh.is_empty() {
            return Ok(());
        }
        for accumulator in &mut self.accumulators {
            accumulator.resize(self.groups.len());
        }
        let keys: Vec<Arc<[u8]>> = fresh.iter().map(|slot| self.groups[*slot as usize].key.clone()).collect();
        let stored = match &self.spill {
            Some(spill) if fresh.iter().any(|slot| spill.may_have(self.groups[*slot as usize].end_us)) => {
                Some(self.stored_keys(&keys)?)
            }
            _ => None,
        };
        let mut key = Vec::new();
        for (row, slot) in fresh.iter().enumerate() {
            let mut value_bytes = 0;
            // A group that went since the last commit is still in the table.
            let may_be_back = self.plan.window.is_none() || self.plan.retracts;
            if let (Some(stored), Some(spill)) = (&stored, &self.spill)
                && spill.may_have(self.groups[*slot as usize].end_us)
                && !(may_be_back && self.gone.contains(&keys[row]))
            {
                stored.write(row, &mut key);
                if let Some(value) = spill.table.get(&key)? {
                    let mut from = Reader::new(&value)?;
                    if self.plan.retracts {
                        self.groups[*slot as usize].rows = from.integer()?;
                    }
                    self.accumulators.iter_mut().try_for_each(|each| each.read(*slot, &mut from))?;
                    from.end()?;
                    self.groups[*slot as usize].is_written = true;
                    self.groups[*slot as usize].is_given = true;
                    value_bytes = value.len();
                }
            }
            self.count_bytes(*slot, value_bytes);
        }
        Ok(())
    }

    /// The group's accumulators wrote so many bytes.
    pub(super) fn count_bytes(&mut self, slot: u32, value_bytes: usize) {
        let Some(spill) = &mut self.spill else { return };
        let group = &mut self.groups[slot as usize];
        // Accumulators keep about what they write, and room to grow.
        let bytes = GROUP_OVERHEAD_BYTES + group.key.len() + 2 * value_bytes;
        spill.share.grow(bytes);
        spill.share.shrink(group.bytes);
        group.bytes = bytes;
    }

    /// The slot is free.
    pub(super) fn forget_bytes(&mut self, slot: u32) {
        let bytes = std::mem::take(&mut self.groups[slot as usize].bytes);
        if let Some(spill) = &mut self.spill {
            spill.share.shrink(bytes);
        }
    }

    /// Lets groups go until the budget is kept, those first that were not used lately. All are committed.
    pub(super) fn let_go(&mut self) {
        let over = self.spill.as_ref().map_or(0, |spill| spill.share.over());
        let count = self.groups.len();
        let (mut freed, mut parted) = (0, BTreeSet::new());
        // Twice around: the first time takes back the marks of use.
        for _ in 0..2 * count {
            if freed >= over {
                break;
            }
            let Some(spill) = &mut self.spill else { return };
            let slot = spill.hand % count;
            spill.hand = (slot + 1) % count;
            let group = &mut self.groups[slot];
            let is_free = group.bytes == 0;
            if is_free || group.is_changed || group.is_unreported || std::mem::take(&mut group.is_used) {
                continue;
            }
            freed += group.bytes;
            spill.is_complete = false;
            if group.end_us != NEVER {
                spill.ends.insert(group.end_us);
                parted.insert(group.end_us);
            }
            self.slots.remove(&group.key);
            for accumulator in &mut self.accumulators {
                accumulator.clear(slot as u32);
            }
            self.forget_bytes(slot as u32);
            self.free.push(slot as u32);
        }
        for end_us in parted {
            let groups = &self.groups;
            if let Some(slots) = self.windows.get_mut(&end_us) {
                slots.retain(|slot| groups[*slot as usize].bytes > 0);
            }
            if self.windows.get(&end_us).is_some_and(Vec::is_empty) {
                self.windows.remove(&end_us);
            }
        }
    }
}
