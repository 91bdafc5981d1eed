use super::*;
use crate::state::Persistent;
use crate::state::random::Random;
use crate::state::store::{QueryStore, StateDatabase};

const BUCKET_US: i64 = 10;

/// Key, time, content.
type Known = (u8, i64, Vec<u8>);

fn key(bare: &[u8; 3]) -> JoinKey<'_> {
    JoinKey { header: state_prefix(bare[0] % VIRTUAL_NODES), bare }
}

/// Times and contents of a key between the times, found `limit` at a time, in the order of the bytes.
fn found(facts: &mut Facts, bare: u8, times_us: (i64, i64), limit: usize) -> Vec<(i64, Vec<u8>)> {
    let (bare, mut all, mut after) = ([bare, 1, 0], Vec::new(), None);
    loop {
        let mut taken = 0;
        let mut stopped_at = None;
        facts
            .find(key(&bare), times_us, after, &mut |name, row| {
                all.push((name.time_us, row.to_vec()));
                taken += 1;
                stopped_at = (taken == limit).then_some(name);
                Ok(if taken == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })
            .expect("a walk");
        after = stopped_at;
        if after.is_none() {
            all.sort();
            return all;
        }
    }
}

fn commit(facts: &mut Facts, store: &mut QueryStore, step: i64) {
    let mut changes = Vec::new();
    facts
        .table
        .drain_changes(&mut |key, value| {
            changes.push(([&[0, 1, 0], key].concat(), value.map(<[u8]>::to_vec)));
        })
        .expect("changes");
    store.take(changes, step);
    facts.table.committed().expect("a commit");
}

/// With and without memory for the rows: what is kept is found once, by its time and by its name, also when a walk stops
/// after every row; buckets that are forgotten are gone with all their rows.
#[test]
fn rows_are_found_by_time_and_by_name_until_their_bucket_goes() {
    for seed in 0..60 {
        let folder = tempfile::tempdir().expect("a folder");
        let mut random = Random::new(seed);
        let mut facts = Facts::new(BUCKET_US);
        let mut store = StateDatabase::without_memory(folder.path()).query("c").expect("a store");
        if seed % 3 != 0 {
            let budget = store.budget().expect("a budget").clone();
            facts.table.attach(store.table(1, 0, 0..VIRTUAL_NODES), &budget).expect("a table");
        }
        let mut model: Vec<(Known, Vec<u8>)> = Vec::new();
        let mut first_kept = -2;
        for step in 0..300 {
            let bare = random.below(3) as u8;
            let time_us = (first_kept * BUCKET_US) + random.below(30) as i64;
            let row = vec![1, step as u8, (step >> 8) as u8];
            let name = facts.keep(key(&[bare, 1, 0]), time_us, &row).expect("a row");
            model.push(((bare, time_us, row), waiting_key(key(&[bare, 1, 0]), name)));
            if random.below(4) == 0 {
                commit(&mut facts, &mut store, step);
            }

            let asked = random.below(3) as u8;
            let from_us = (first_kept * BUCKET_US) + random.below(30) as i64;
            let times_us = (from_us, from_us + random.below(11) as i64);
            let mut expected: Vec<(i64, Vec<u8>)> = model
                .iter()
                .filter(|((bare, time_us, _), _)| {
                    *bare == asked && (times_us.0..=times_us.1).contains(time_us)
                })
                .map(|((_, time_us, row), _)| (*time_us, row.clone()))
                .collect();
            expected.sort();
            let limit = 1 + random.below(5);
            assert_eq!(found(&mut facts, asked, times_us, limit), expected, "seed {seed}, step {step}");

            let ((_, time_us, row), waiting) = &model[random.below(model.len())];
            let (of, name) = of_waiting_key(waiting).expect("a key of ours");
            assert_eq!(name.time_us, *time_us);
            let got = facts.get(of, name).expect("a look").map(<[u8]>::to_vec);
            assert_eq!(got.as_ref(), Some(row), "seed {seed}, step {step}");

            if random.below(20) == 0 {
                first_kept += 1;
                let mut gone = Vec::new();
                facts.forget(first_kept, &mut |time_us| gone.push(time_us)).expect("to forget");
                gone.sort_unstable();
                let is_old = |time_us: i64| time_us.div_euclid(BUCKET_US) < first_kept;
                let mut old: Vec<i64> =
                    model.iter().map(|((_, time_us, _), _)| *time_us).filter(|us| is_old(*us)).collect();
                old.sort_unstable();
                assert_eq!(gone, old, "seed {seed}, step {step}");
                model.retain(|((_, time_us, _), _)| !is_old(*time_us));
                if model.is_empty() {
                    let row = vec![1, 7];
                    let name = facts.keep(key(&[0, 1, 0]), first_kept * BUCKET_US, &row).expect("a row");
                    model.push(((0, first_kept * BUCKET_US, row), waiting_key(key(&[0, 1, 0]), name)));
                }
            }
        }
    }
}

#[test]
fn state_in_another_form_is_an_error() {
    let mut facts = Facts::new(BUCKET_US);
    let name = facts.keep(key(&[0, 1, 0]), 3, &[1, 2]).expect("a row");
    let place = facts.prefix(key(&[0, 1, 0]), 0);
    for bytes in [&[][..], &[1, 2, 3], &[FIRST_ALONE, 0, 0]] {
        facts.table.put(&place, bytes.to_vec()).expect("a row");
        facts.get(key(&[0, 1, 0]), name).unwrap_err();
        facts.keep(key(&[0, 1, 0]), 3, &[1, 2]).unwrap_err();
    }
}
