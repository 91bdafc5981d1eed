//! What a query remembers, and how it is written down.
//!
//! The working set is in memory, inside the operators; a compacted changelog topic is the truth. Operators note which
//! keys changed since the last commit and hand out exactly those. Where there is a directory for it, a copy of the changelog
//! on disk holds what does not fit into memory, and makes starts short.

pub(crate) mod encoding;

mod column;
pub(crate) use column::Encoded;
pub(crate) mod key;
pub(crate) mod memory;
#[cfg(test)]
pub(crate) mod random;
pub(crate) mod row;
pub(crate) mod store;
pub(crate) mod table;

use std::sync::Arc;

use crate::exec::QueryError;
use memory::MemoryBudget;
use store::ColdTable;

/// A key of the state and its new value; `None` if it is gone.
pub(crate) type Change = (Vec<u8>, Option<Vec<u8>>);

/// Takes a key and its new value, or `None` if it is gone.
pub(crate) type OnChange<'a> = dyn FnMut(&[u8], Option<&[u8]>) + 'a;

/// State that follows a changelog: what changed is handed out once per commit, and all of it is read back at a start.
pub(crate) trait Persistent: Send {
    /// Gives every key that changed since the last call: its new value, or `None` if it is gone.
    fn drain_changes(&mut self, each: &mut OnChange<'_>) -> Result<(), QueryError>;

    /// Takes back what `drain_changes` gave: the last value of every key that is not gone. Called before any row.
    /// May be called several times, each with other keys.
    fn restore(&mut self, entries: &mut dyn Iterator<Item = (&[u8], &[u8])>) -> Result<(), QueryError>;

    /// Leaves rows to a table on disk from now on, instead of being restored: `table` has all that is committed. `false` if
    /// this state can only be in memory. Called before any row.
    fn attach(&mut self, _table: ColdTable, _budget: &Arc<MemoryBudget>) -> Result<bool, QueryError> {
        Ok(false)
    }

    /// What was handed out last is committed, and the table on disk has it: rows may be let go.
    fn committed(&mut self) -> Result<(), QueryError> {
        Ok(())
    }
}
