//! The rows of a table by join key, each with how often it counts.
//!
//! Most join keys have one row, so the first row of a key is found by the key alone: a look that a filter answers where
//! there is none, which a search for all keys that begin with it has to go to disk for.
//!
//! | | key | value |
//! |---|---|---|
//! | first row | join key | 1 if the key has others, counts, the row |
//! | others | join key, the row | counts |
//!
//! Counts are how often the row counts and how many rows of the other side match it (4 bytes each, little-endian,
//! signed). A row is taken back by its content, so changes may come in any order: one that is taken back before it came
//! counts -1 in between. A first row that is gone while there are others stands there with a count of 0.

use std::ops::{Bound, ControlFlow};

use crate::exec::QueryError;
use crate::state::encoding::DecodeError;
use crate::state::key::successor;
use crate::state::table::StateTable;

/// Takes a row and its counts; breaks to end the walk.
pub(super) type OnCounts<'a> = dyn FnMut(&[u8], Counts) -> ControlFlow<()> + 'a;

const COUNTS_BYTES: usize = 8;

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

/// What stands at the join key.
#[derive(Debug, Clone)]
struct First {
    has_others: bool,
    counts: Counts,
    row: Vec<u8>,
}

impl Multiset {
    /// Changes the counts of a row; gives them as they were and as they are. A row that neither counts nor is owed to anybody
    /// is forgotten.
    pub fn update(
        &mut self,
        join_key: &[u8],
        row: &[u8],
        change: impl FnOnce(Counts) -> Counts,
    ) -> Result<(Counts, Counts), QueryError> {
        let Some(first) = self.first(join_key)? else {
            let counts = change(Counts::default());
            if counts.weight != 0 {
                self.put_first(join_key, false, counts, row)?;
            }
            return Ok((Counts::default(), counts));
        };
        if first.is_there() && first.row == row {
            let counts = change(first.counts);
            if counts.weight != 0 || first.has_others {
                let row = if counts.weight != 0 { row } else { &[] };
                self.put_first(join_key, first.has_others, counts, row)?;
            } else {
                self.table.remove(join_key)?;
            }
            return Ok((first.counts, counts));
        }
        let key = [join_key, row].concat();
        let known = match first.has_others {
            true => self.table.get(&key)?.map(Counts::read).transpose()?,
            false => None,
        };
        let before = known.unwrap_or_default();
        let counts = change(before);
        match (known, counts.weight) {
            (None, 0) => {}
            (Some(_), 0) => {
                self.table.remove(&key)?;
                self.note_one_less(join_key, &first)?;
            }
            (None, _) if !first.is_there() => self.put_first(join_key, first.has_others, counts, row)?,
            (_, _) => {
                if !first.has_others {
                    self.put_first(join_key, true, first.counts, &first.row)?;
                }
                self.table.put(&key, counts.bytes())?;
            }
        }
        Ok((before, counts))
    }

    /// Calls `each` with the rows that have this join key and their counts, in the order of the rows; `after` is the row to go
    /// on behind.
    pub fn find(
        &mut self,
        join_key: &[u8],
        after: Option<&[u8]>,
        each: &mut OnCounts<'_>,
    ) -> Result<(), QueryError> {
        let Some(first) = self.first(join_key)? else { return Ok(()) };
        let mut waiting =
            (first.is_there() && after.is_none_or(|after| first.row.as_slice() > after)).then_some(&first);
        if first.has_others {
            let from = [join_key, after.unwrap_or_default()].concat();
            let mut is_over = false;
            self.others(join_key, &from, &mut |row, counts| {
                if let Some(first) = waiting.take_if(|first| first.row.as_slice() < row)
                    && each(&first.row, first.counts).is_break()
                {
                    is_over = true;
                    return ControlFlow::Break(());
                }
                let flow = each(row, counts);
                is_over = flow.is_break();
                flow
            })?;
            if is_over {
                return Ok(());
            }
        }
        if let Some(first) = waiting {
            let _whether_it_broke = each(&first.row, first.counts);
        }
        Ok(())
    }

    /// One of the others went.
    fn note_one_less(&mut self, join_key: &[u8], first: &First) -> Result<(), QueryError> {
        let mut has_others = false;
        self.others(join_key, join_key, &mut |_, _| {
            has_others = true;
            ControlFlow::Break(())
        })?;
        match (has_others, first.is_there()) {
            (true, _) => Ok(()),
            (false, true) => self.put_first(join_key, false, first.counts, &first.row),
            (false, false) => self.table.remove(join_key),
        }
    }

    /// Rows of the join key behind this key, but the first.
    fn others(&mut self, join_key: &[u8], behind: &[u8], each: &mut OnCounts<'_>) -> Result<(), QueryError> {
        let end = successor(join_key);
        let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.table.scan(Bound::Excluded(behind), end, &mut |key, value| {
            let row = key.get(join_key.len()..).unwrap_or_default();
            Ok(each(row, Counts::read(value)?))
        })
    }

    fn first(&mut self, join_key: &[u8]) -> Result<Option<First>, QueryError> {
        let Some((has_others, rest)) = self.table.get(join_key)?.and_then(<[u8]>::split_first) else {
            return Ok(None);
        };
        let row = rest.get(COUNTS_BYTES..).unwrap_or_default().to_vec();
        Ok(Some(First { has_others: *has_others != 0, counts: Counts::read(rest)?, row }))
    }

    fn put_first(
        &mut self,
        join_key: &[u8],
        has_others: bool,
        counts: Counts,
        row: &[u8],
    ) -> Result<(), QueryError> {
        let mut value = Vec::with_capacity(1 + COUNTS_BYTES + row.len());
        value.push(u8::from(has_others));
        value.extend_from_slice(&counts.bytes());
        value.extend_from_slice(row);
        self.table.put(join_key, value)
    }
}

impl First {
    fn is_there(&self) -> bool {
        self.counts.weight != 0
    }
}

impl Counts {
    fn read(value: &[u8]) -> Result<Counts, QueryError> {
        let number = |place: usize| -> Result<i32, QueryError> {
            let bytes = value.get(place..place + 4).and_then(|bytes| bytes.try_into().ok());
            let missing = COUNTS_BYTES - value.len().min(COUNTS_BYTES);
            Ok(i32::from_le_bytes(bytes.ok_or(DecodeError::Short { missing })?))
        };
        Ok(Counts { weight: number(0)?, matches: number(4)? })
    }

    fn bytes(self) -> Vec<u8> {
        [self.weight.to_le_bytes(), self.matches.to_le_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::state::Persistent;
    use crate::state::random::Random;
    use crate::state::store::StateDatabase;

    /// What a walk gives that ends after `limit` rows.
    fn found(set: &mut Multiset, key: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<(Vec<u8>, i32)> {
        let mut found = Vec::new();
        set.find(key, after, &mut |row, counts| {
            found.push((row.to_vec(), counts.weight));
            if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .expect("a walk");
        found
    }

    /// In any order of changes, with and without memory for the rows, the rows and their order are those of a map, and
    /// nothing is left when all are taken back.
    #[test]
    fn rows_are_found_in_their_order_whatever_came_first() {
        for seed in 0..60 {
            let folder = tempfile::tempdir().expect("a folder");
            let mut random = Random::new(seed);
            let mut set = Multiset::default();
            let mut store = StateDatabase::without_memory(folder.path()).query("c").expect("a store");
            if seed % 3 == 0 {
                let budget = store.budget().expect("a budget").clone();
                set.table.attach(store.table(1, 0, 0..128), &budget).expect("a table");
            }
            let mut model: BTreeMap<(u8, Vec<u8>), i32> = BTreeMap::new();
            for step in 0..300 {
                let (key, row) = (random.below(4) as u8, vec![1, random.below(4) as u8]);
                let join_key = [key, 1, 0];
                let weight = if step < 200 { random.pick(&[-1, 1, 1]) } else { 0 };
                let (before, after) = set
                    .update(&join_key, &row, |counts| Counts {
                        weight: counts.weight * i32::from(step < 200) + weight,
                        ..counts
                    })
                    .expect("a change");
                let known = model.entry((key, row)).or_default();
                assert_eq!(before.weight, *known, "seed {seed}, step {step}");
                *known = after.weight;
                model.retain(|_, weight| *weight != 0);
                let rows: Vec<(Vec<u8>, i32)> = model
                    .iter()
                    .filter(|((of, _), _)| *of == key)
                    .map(|((_, row), weight)| (row.clone(), *weight))
                    .collect();
                let limit = 1 + random.below(4);
                let first = found(&mut set, &join_key, None, limit);
                assert_eq!(first, rows[..limit.min(rows.len())], "seed {seed}, step {step}");
                if let Some((last, _)) = first.last() {
                    let rest = found(&mut set, &join_key, Some(last), usize::MAX);
                    assert_eq!(rest, rows[first.len()..], "seed {seed}, step {step}");
                }
                if random.below(5) == 0 {
                    let mut changes = Vec::new();
                    set.table
                        .drain_changes(&mut |key, value| {
                            changes.push(([&[0, 1, 0], key].concat(), value.map(<[u8]>::to_vec)));
                        })
                        .expect("changes");
                    store.take(changes, step);
                    set.table.committed().expect("a commit");
                }
            }
            for key in 0..4 {
                for row in 0..4 {
                    set.update(&[key, 1, 0], &[1, row], |_| Counts::default()).expect("a change");
                }
            }
            let mut left = 0;
            set.table
                .scan(Bound::Unbounded, Bound::Unbounded, &mut |_, _| {
                    left += 1;
                    Ok(ControlFlow::Continue(()))
                })
                .expect("a scan");
            assert_eq!(left, 0, "seed {seed}");
        }
    }
}
