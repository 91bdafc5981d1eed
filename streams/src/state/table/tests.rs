use std::ops::RangeBounds;

use super::*;
use crate::state::random::Random;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn key(random: &mut Random) -> Vec<u8> {
    let length = random.below(4);
    (0..length).map(|_| random.pick(&[0, 1, 7, 255])).collect()
}

fn bound(random: &mut Random, key: &[u8]) -> Bound<Vec<u8>> {
    match random.below(3) {
        0 => Bound::Included(key.to_vec()),
        1 => Bound::Excluded(key.to_vec()),
        _ => Bound::Unbounded,
    }
}

fn scanned(
    table: &mut StateTable,
    from: Bound<&[u8]>,
    to: Bound<&[u8]>,
    limit: usize,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    table
        .scan(from, to, &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            Ok(if found.len() >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
        .expect("a scan");
    found
}

fn changes(table: &mut StateTable) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut changes = Vec::new();
    table
        .drain_changes(&mut |key, value| changes.push((key.to_vec(), value.map(<[u8]>::to_vec))))
        .expect("changes");
    changes
}

/// Any order of calls leaves the same rows as an ordered map, and the changes alone rebuild them.
#[test]
fn a_table_is_an_ordered_map_and_its_changes_rebuild_it() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let (mut table, mut model, mut rebuilt) = (StateTable::default(), Rows::new(), Rows::new());
        for step in 0..200_u32 {
            let key = key(&mut random);
            match random.below(10) {
                0..4 => {
                    let value = step.to_be_bytes().to_vec();
                    table.put(&key, value.clone()).expect("a row");
                    model.insert(key, value);
                }
                4..6 => {
                    table.remove(&key).expect("a row");
                    model.remove(&key);
                }
                6 => assert_eq!(
                    table.get(&key).expect("a look"),
                    model.get(&key).map(Vec::as_slice),
                    "seed {seed}"
                ),
                7 => {
                    let limit = 1 + random.below(5);
                    let (from, to) = (bound(&mut random, &key), bound(&mut random, b"\x07"));
                    let from = from.as_ref().map(Vec::as_slice);
                    let to = to.as_ref().map(Vec::as_slice);
                    let inside = |key: &[u8]| RangeBounds::<[u8]>::contains(&(from, to), key);
                    let expected: Vec<_> = model
                        .iter()
                        .filter(|(key, _)| inside(key))
                        .take(limit)
                        .map(|(key, value)| (key.clone(), value.clone()))
                        .collect();
                    assert_eq!(scanned(&mut table, from, to, limit), expected, "seed {seed}, step {step}");
                }
                8 => {
                    let mut found = Vec::new();
                    table
                        .scan_prefix(&key, &mut |key, _| {
                            found.push(key.to_vec());
                            Ok(ControlFlow::Continue(()))
                        })
                        .expect("a scan");
                    let expected: Vec<_> =
                        model.keys().filter(|row| row.starts_with(&key)).cloned().collect();
                    assert_eq!(found, expected, "seed {seed}, step {step}");
                }
                _ => {
                    for (key, value) in changes(&mut table) {
                        match value {
                            Some(value) => rebuilt.insert(key, value),
                            None => rebuilt.remove(&key),
                        };
                    }
                    assert_eq!(rebuilt, model, "seed {seed}, step {step}");
                }
            }
        }
        let mut restored = StateTable::default();
        restored
            .restore(&mut rebuilt.iter().map(|(key, value)| (key.as_slice(), value.as_slice())))
            .expect("rows");
        let all = scanned(&mut restored, Bound::Unbounded, Bound::Unbounded, usize::MAX);
        assert_eq!(all, rebuilt.into_iter().collect::<Vec<_>>(), "seed {seed}");
        assert_eq!(changes(&mut restored), Vec::new(), "what was restored has not changed");
    }
}
