//! Keys of state that end in a place: rows that are alike in everything before it are told apart by it.

use std::ops::{Bound, ControlFlow};

use super::CANDIDATES_MAX;
use crate::exec::QueryError;
use crate::state::table::StateTable;

pub(super) const PLACE_BYTES: usize = 4;

/// Rows that are alike have the places from 0 on, without gaps, since they go together: the first free one is found in
/// steps that double and then halve.
pub(super) fn push_free_place(table: &mut StateTable, key: &mut Vec<u8>) -> Result<(), QueryError> {
    let length = key.len();
    let mut is_taken = |place: u32| -> Result<bool, QueryError> {
        key.truncate(length);
        key.extend_from_slice(&place.to_be_bytes());
        Ok(table.get(key)?.is_some())
    };
    // The places before `taken` are taken; `free` is not.
    let (mut taken, mut free) = (0, 0);
    while is_taken(free)? {
        taken = free + 1;
        free = free.saturating_mul(2).saturating_add(1);
    }
    while taken < free {
        let middle = taken + (free - taken) / 2;
        if is_taken(middle)? { taken = middle + 1 } else { free = middle }
    }
    key.truncate(length);
    key.extend_from_slice(&free.to_be_bytes());
    Ok(())
}

/// The first keys between the bounds, the second excluded: as many as are handled in one go.
pub(super) fn first_keys(
    table: &mut StateTable,
    from: &[u8],
    end: &[u8],
) -> Result<Vec<Vec<u8>>, QueryError> {
    let mut keys = Vec::new();
    table.scan(Bound::Included(from), Bound::Excluded(end), &mut |key, _| {
        keys.push(key.to_vec());
        Ok(if keys.len() < CANDIDATES_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(keys)
}
