//! The rows of one side of a join of facts: by bucket of time and join key.
//!
//! Most join keys have one row in a bucket, so the first row of a key is found by bucket and key alone: a look that a filter
//! answers where there is none, which a search for all keys that begin with them has to go to disk for.
//!
//! | | key | value |
//! |---|---|---|
//! | first row | bucket (8), join key | 10, or 11 if the key has others in the bucket; time (8); the row |
//! | others | bucket (8), join key, time (8), place (4) | 12; the row |
//!
//! The key begins with its virtual node, as all do. Rows go by whole buckets, so a first row never goes before the others.

use std::ops::{Bound, ControlFlow};

use super::CANDIDATES_MAX;
use super::places::{PLACE_BYTES, push_free_place};
use crate::exec::QueryError;
use crate::state::encoding::DecodeError;
use crate::state::key::{HEADER_BYTES, VIRTUAL_NODES, number, ordered, state_prefix};
use crate::state::table::StateTable;

pub(super) const TIME_BYTES: usize = 8;

/// Not those of a row's version: state in another form must be seen to be that.
const FIRST_ALONE: u8 = 10;
const FIRST_OF_SOME: u8 = 11;
const OTHER: u8 = 12;

/// What a first row has for a place. Places of others do not get there.
const FIRST_PLACE: u32 = u32::MAX;

/// Takes a row and what names it; breaks to end the walk.
pub(super) type OnFact<'a> = dyn FnMut(Name, &[u8]) -> Result<ControlFlow<()>, QueryError> + 'a;

pub(super) struct Facts {
    pub table: StateTable,
    bucket_us: i64,
}

/// Tells a row from others of its join key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub time_us: i64,
    place: u32,
}

/// A virtual node's header and a join key.
#[derive(Debug, Clone, Copy)]
pub(super) struct JoinKey<'a> {
    pub header: [u8; HEADER_BYTES],
    pub bare: &'a [u8],
}

impl Facts {
    /// With buckets of `bucket_us` microseconds.
    pub fn new(bucket_us: i64) -> Facts {
        Facts { table: StateTable::default(), bucket_us }
    }

    /// Calls `each` with the rows of a key whose times are between `first_us` and `last_us`, both included. `after` is the
    /// row to go on behind.
    pub fn find(
        &mut self,
        key: JoinKey<'_>,
        (first_us, last_us): (i64, i64),
        after: Option<Name>,
        each: &mut OnFact<'_>,
    ) -> Result<(), QueryError> {
        let mut after = after;
        let from_bucket = after.map_or(first_us, |after| after.time_us).div_euclid(self.bucket_us);
        for bucket in from_bucket..=last_us.div_euclid(self.bucket_us) {
            let prefix = self.prefix(key, bucket);
            let behind = after.take();
            let Some(value) = self.table.get(&prefix)? else { continue };
            let first = First::read(value)?;
            // A first row comes before the others of its bucket, whatever its time.
            if behind.is_none()
                && (first_us..=last_us).contains(&first.time_us)
                && each(Name { time_us: first.time_us, place: FIRST_PLACE }, first.row)?.is_break()
            {
                return Ok(());
            }
            if !first.has_others {
                continue;
            }
            let from = match behind {
                Some(name) if name.place != FIRST_PLACE => {
                    Bound::Excluded(other_key(&prefix, name.time_us, name.place))
                }
                _ => Bound::Included(other_key(&prefix, first_us, 0)),
            };
            let end = other_key(&prefix, last_us, FIRST_PLACE);
            let mut is_over = false;
            let from = from.as_ref().map(Vec::as_slice);
            self.table.scan(from, Bound::Included(&end), &mut |key, value| {
                let flow = each(name_of_other(key), row_of_other(value)?)?;
                is_over = flow.is_break();
                Ok(flow)
            })?;
            if is_over {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Remembers a row.
    pub fn keep(&mut self, key: JoinKey<'_>, time_us: i64, row: &[u8]) -> Result<Name, QueryError> {
        let first_key = self.prefix(key, time_us.div_euclid(self.bucket_us));
        let Some(value) = self.table.get(&first_key)? else {
            let mut value = Vec::with_capacity(1 + TIME_BYTES + row.len());
            value.push(FIRST_ALONE);
            value.extend_from_slice(&ordered(time_us));
            value.extend_from_slice(row);
            self.table.put(&first_key, value)?;
            return Ok(Name { time_us, place: FIRST_PLACE });
        };
        if !First::read(value)?.has_others {
            let mut value = value.to_vec();
            value[0] = FIRST_OF_SOME;
            self.table.put(&first_key, value)?;
        }
        let mut other = first_key;
        other.extend_from_slice(&ordered(time_us));
        push_free_place(&mut self.table, &mut other)?;
        let mut value = Vec::with_capacity(1 + row.len());
        value.push(OTHER);
        value.extend_from_slice(row);
        self.table.put(&other, value)?;
        Ok(name_of_other(&other))
    }

    /// A row by its key and name.
    pub fn get(&mut self, key: JoinKey<'_>, name: Name) -> Result<Option<&[u8]>, QueryError> {
        let prefix = self.prefix(key, name.time_us.div_euclid(self.bucket_us));
        if name.place == FIRST_PLACE {
            return self.table.get(&prefix)?.map(|value| Ok(First::read(value)?.row)).transpose();
        }
        let key = other_key(&prefix, name.time_us, name.place);
        self.table.get(&key)?.map(row_of_other).transpose()
    }

    /// Forgets the buckets before `first_kept`, and gives the times of their rows.
    pub fn forget(&mut self, first_kept: i64, each_us: &mut dyn FnMut(i64)) -> Result<(), QueryError> {
        for node in 0..VIRTUAL_NODES {
            let first = state_prefix(node);
            let end = [&first[..], &ordered(first_kept)].concat();
            loop {
                let mut gone = Vec::new();
                let (from, to) = (Bound::Included(&first[..]), Bound::Excluded(&end[..]));
                self.table.scan(from, to, &mut |key, value| {
                    each_us(match value.first() {
                        Some(&OTHER) => name_of_other(key).time_us,
                        _ => First::read(value)?.time_us,
                    });
                    gone.push(key.to_vec());
                    Ok(match gone.len() {
                        CANDIDATES_MAX => ControlFlow::Break(()),
                        _ => ControlFlow::Continue(()),
                    })
                })?;
                if gone.is_empty() {
                    break;
                }
                for key in &gone {
                    self.table.remove(key)?;
                }
            }
        }
        Ok(())
    }

    fn prefix(&self, key: JoinKey<'_>, bucket: i64) -> Vec<u8> {
        let mut prefix = Vec::with_capacity(HEADER_BYTES + 2 * TIME_BYTES + key.bare.len() + PLACE_BYTES);
        prefix.extend_from_slice(&key.header);
        prefix.extend_from_slice(&ordered(bucket));
        prefix.extend_from_slice(key.bare);
        prefix
    }
}

/// What stands at bucket and join key.
struct First<'a> {
    has_others: bool,
    time_us: i64,
    row: &'a [u8],
}

impl<'a> First<'a> {
    fn read(value: &'a [u8]) -> Result<First<'a>, DecodeError> {
        let short = DecodeError::Short { missing: 1 };
        let (marker, rest) = value.split_first().ok_or(short)?;
        let has_others = match *marker {
            FIRST_ALONE => false,
            FIRST_OF_SOME => true,
            other => return Err(DecodeError::Marker(other)),
        };
        let missing = TIME_BYTES.saturating_sub(rest.len());
        let (time, row) = rest.split_at_checked(TIME_BYTES).ok_or(DecodeError::Short { missing })?;
        Ok(First { has_others, time_us: number(time), row })
    }
}

fn row_of_other(value: &[u8]) -> Result<&[u8], QueryError> {
    match value.split_first() {
        Some((&OTHER, row)) => Ok(row),
        Some((marker, _)) => Err(DecodeError::Marker(*marker).into()),
        None => Err(DecodeError::Short { missing: 1 }.into()),
    }
}

fn other_key(prefix: &[u8], time_us: i64, place: u32) -> Vec<u8> {
    [prefix, &ordered(time_us), &place.to_be_bytes()].concat()
}

fn name_of_other(key: &[u8]) -> Name {
    let (rest, place) = key.split_last_chunk::<PLACE_BYTES>().unwrap_or((&[], &[0; PLACE_BYTES]));
    let time = rest.last_chunk::<TIME_BYTES>().unwrap_or(&[0; TIME_BYTES]);
    Name { time_us: number(time), place: u32::from_be_bytes(*place) }
}

/// The key of a row that waits for a match: time, join key, place.
pub(super) fn waiting_key(key: JoinKey<'_>, name: Name) -> Vec<u8> {
    [&key.header[..], &ordered(name.time_us), key.bare, &name.place.to_be_bytes()].concat()
}

/// The reverse of [`waiting_key`].
pub(super) fn of_waiting_key(waiting: &[u8]) -> Option<(JoinKey<'_>, Name)> {
    let (header, rest) = waiting.split_first_chunk::<HEADER_BYTES>()?;
    let (time, rest) = rest.split_first_chunk::<TIME_BYTES>()?;
    let (bare, place) = rest.split_last_chunk::<PLACE_BYTES>()?;
    let name = Name { time_us: number(time), place: u32::from_be_bytes(*place) };
    Some((JoinKey { header: *header, bare }, name))
}

#[cfg(test)]
mod tests;
