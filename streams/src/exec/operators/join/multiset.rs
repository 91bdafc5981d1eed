//! The rows of a table by join key, each with how often it counts.
//!
//! State: the key is the join key and the whole row, the value how often the row counts and how many rows of the other
//! side match it (4 bytes each, little-endian, signed). A row is taken back by its content, so changes may come in any
//! order: one that is taken back before it came counts -1 in between.

use std::ops::{Bound, ControlFlow};

use crate::exec::QueryError;
use crate::state::encoding::DecodeError;
use crate::state::key::successor;
use crate::state::table::StateTable;

/// Takes a key, its row and its counts; breaks to end the walk.
pub(super) type OnCounts<'a> = dyn FnMut(&[u8], &[u8], Counts) -> ControlFlow<()> + 'a;

#[derive(Default)]
pub(super) struct Multiset {
    pub table: StateTable,
}

/// How often a row counts, and how many rows match it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub weight: i32,
    pub matches: i32,
}

impl Multiset {
    pub fn get(&mut self, key: &[u8]) -> Result<Counts, QueryError> {
        self.table.get(key)?.map_or(Ok(Counts::default()), Counts::read)
    }

    /// A row that neither counts nor is owed to anybody is forgotten.
    pub fn put(&mut self, key: &[u8], counts: Counts) -> Result<(), QueryError> {
        if counts.weight == 0 { self.table.remove(key) } else { self.table.put(key, counts.bytes()) }
    }

    /// Calls `each` with the key, the row and the counts of what has this join key; `after` is the key to go on behind.
    pub fn find(
        &mut self,
        join_key: &[u8],
        after: Option<&[u8]>,
        each: &mut OnCounts<'_>,
    ) -> Result<(), QueryError> {
        let from = after.map_or(Bound::Included(join_key), Bound::Excluded);
        let end = successor(join_key);
        let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.table.scan(from, end, &mut |key, value| {
            let row = key.get(join_key.len()..).unwrap_or_default();
            Ok(each(key, row, Counts::read(value)?))
        })
    }
}

impl Counts {
    fn read(value: &[u8]) -> Result<Counts, QueryError> {
        let number = |place: usize| -> Result<i32, QueryError> {
            let bytes = value.get(place..place + 4).and_then(|bytes| bytes.try_into().ok());
            Ok(i32::from_le_bytes(bytes.ok_or(DecodeError::Short { missing: 8 - value.len().min(8) })?))
        };
        Ok(Counts { weight: number(0)?, matches: number(4)? })
    }

    fn bytes(self) -> Vec<u8> {
        [self.weight.to_le_bytes(), self.matches.to_le_bytes()].concat()
    }
}
