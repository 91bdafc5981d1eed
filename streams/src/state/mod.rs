//! What a query remembers, and how it is written down.
//!
//! The working set is in memory, inside the operators; a compacted changelog topic is the truth. Operators note which
//! keys changed since the last commit and hand out exactly those. Left out: state that does not fit into memory.

pub(crate) mod encoding;

mod column;
pub(crate) use column::Encoded;
#[cfg_attr(not(test), expect(dead_code, reason = "the steps move onto it one after the other"))]
pub(crate) mod key;
#[cfg(test)]
mod random;
#[expect(dead_code, reason = "the steps move onto it one after the other")]
pub(crate) mod row;
#[cfg_attr(not(test), expect(dead_code, reason = "the steps move onto it one after the other"))]
pub(crate) mod table;

use crate::exec::QueryError;

/// Takes a key and its new value, or `None` if it is gone.
pub(crate) type OnChange<'a> = dyn FnMut(&[u8], Option<&[u8]>) + 'a;

/// State that follows a changelog: what changed is handed out once per commit, and all of it is read back at a start.
pub(crate) trait Persistent: Send {
    /// Gives every key that changed since the last call: its new value, or `None` if it is gone.
    fn drain_changes(&mut self, each: &mut OnChange<'_>) -> Result<(), QueryError>;

    /// Takes back what `drain_changes` gave: the last value of every key that is not gone. Called before any row.
    fn restore(&mut self, entries: &mut dyn Iterator<Item = (&[u8], &[u8])>) -> Result<(), QueryError>;
}
