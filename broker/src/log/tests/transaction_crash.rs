//! Seeded crashes with transactions: random batches in and outside of transactions, markers, flushes, rolls, retention
//! and stops over a disk that forgets, tears, fails a flush or stops at any step.
//!
//! After every restart and now and then between: what a read_committed consumer gets is what a scan of all batches and
//! markers says, the last stable offset is the first open transaction's start, and an acknowledged marker still decides.

use std::collections::{BTreeMap, BTreeSet};

use super::crash::each_seed;
use super::*;
use crate::log::{AppendError, Durability};
use crate::partition::append::Origin;
use crate::partition::batch::{Marker, marker};
use crate::testing::disk::Random;

const ROUNDS: usize = 4;
const PRODUCERS: i64 = 3;

#[test]
fn transactions_are_whole_after_every_crash() {
    each_seed("transactions_are_whole_after_every_crash", |seed| {
        World::new(seed).run();
    });
}

#[test]
fn one_seed_run_twice_is_identical() {
    for seed in [5, 80] {
        assert_eq!(World::new(seed).run(), World::new(seed).run());
    }
}

struct World {
    house: House,
    random: Random,
    /// Next sequence by producer id, of those that know it.
    sequences: BTreeMap<i64, i32>,
    /// Values of the transaction that each producer has open, as far as it knows.
    open: BTreeMap<i64, Vec<String>>,
    /// What acknowledged markers decided, by value: committed or not.
    decided: BTreeMap<String, bool>,
    waiting: Vec<(Vec<String>, bool, Durability)>,
    counter: u64,
    trace: String,
}

/// What a scan of the whole log finds.
#[derive(Default)]
struct Scanned {
    committed: Vec<String>,
    last_stable: Option<i64>,
    sequences: BTreeMap<i64, i32>,
    open: BTreeMap<i64, Vec<String>>,
    present: BTreeSet<String>,
}

impl World {
    fn new(seed: u64) -> World {
        let mut house = House::new(seed);
        house.config.segment_bytes = 700;
        World {
            house,
            random: Random(seed ^ 0x7a11),
            sequences: BTreeMap::new(),
            open: BTreeMap::new(),
            decided: BTreeMap::new(),
            waiting: Vec::new(),
            counter: 0,
            trace: String::new(),
        }
    }

    fn run(mut self) -> String {
        for _ in 0..ROUNDS {
            let Ok(directory) = self.house.try_open() else {
                self.house.disk.crash();
                continue;
            };
            let partition = self.house.partition(&directory);
            self.check_after_start(&partition);
            let steps = 15 + self.random.below(120);
            self.house.disk.stop_after(steps);
            while self.random.below(50) > 0 && self.step(&directory, &partition) {}
            self.stop(directory, partition);
        }
        let directory = self.house.open();
        let partition = self.house.partition(&directory);
        self.check_after_start(&partition);
        self.trace
    }

    /// One random thing; false once the disk has stopped or failed.
    fn step(&mut self, directory: &LogDirectory, partition: &Arc<Partition>) -> bool {
        let id = 1 + self.random.below(PRODUCERS as u64) as i64;
        let going = match self.random.below(20) {
            0..9 => self.append(partition, id),
            9..13 => self.end(partition, id),
            13..17 => {
                directory.flush_now();
                directory.failure().is_none()
            }
            17 => {
                directory.keep_now();
                true
            }
            18 if self.random.below(4) == 0 => {
                self.house.disk.fail_next_flush();
                true
            }
            _ => {
                self.house.pass_ms(self.random.below(1_000) as i64);
                true
            }
        };
        self.collect_acknowledged();
        going
    }

    fn append(&mut self, partition: &Arc<Partition>, id: i64) -> bool {
        self.counter += 1;
        let value = format!("v{}", self.counter);
        // The last producer has no transactions.
        let transactional = id < PRODUCERS;
        let base_sequence = self.sequences.get(&id).copied().unwrap_or(0);
        let from = Producer { id, epoch: 0, base_sequence };
        let time = self.house.clock.load(Ordering::Relaxed);
        let batch = batch_of(from, transactional, time, &[&value]);
        match partition.append(batch, Origin::Client, None) {
            Ok(appended) => {
                self.trace.push_str(&format!("a{} ", appended.base_offset));
                self.sequences.insert(id, base_sequence + 1);
                if transactional {
                    self.open.entry(id).or_default().push(value);
                } else {
                    self.waiting.push((vec![value], true, appended.durability));
                }
                true
            }
            Err(AppendError::Storage { .. } | AppendError::FolderFailed { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }

    fn end(&mut self, partition: &Arc<Partition>, id: i64) -> bool {
        let Some(values) = self.open.remove(&id) else { return true };
        let committed = self.random.below(2) == 0;
        match partition.append_marker(id, 0, Marker { committed, coordinator_epoch: 1 }) {
            Ok(appended) => {
                self.waiting.push((values, committed, appended.durability));
                true
            }
            Err(AppendError::Storage { .. } | AppendError::FolderFailed { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }

    fn collect_acknowledged(&mut self) {
        self.waiting.retain(|(values, committed, durability)| {
            let reached = durability.is_reached();
            if reached {
                self.decided.extend(values.iter().map(|value| (value.clone(), *committed)));
            }
            !reached
        });
    }

    fn stop(&mut self, directory: LogDirectory, partition: Arc<Partition>) {
        drop(partition);
        if self.random.below(4) == 0 && directory.close().is_ok() && directory.failure().is_none() {
            self.trace.push_str("closed ");
        }
        drop(directory);
        if self.random.below(3) == 0 {
            self.house.disk.kill()
        } else {
            self.house.disk.crash()
        }
        self.waiting.clear();
    }

    fn check_after_start(&mut self, partition: &Arc<Partition>) {
        let scanned = scan(partition);
        let consumed = read_committed(partition);
        assert_eq!(consumed, scanned.committed, "what a consumer gets, and what markers say");
        let progress = partition.progress();
        let stable = scanned.last_stable.unwrap_or(progress.high_watermark);
        assert_eq!(progress.last_stable_offset, stable, "the first open transaction's start");
        let consumed: BTreeSet<&String> = consumed.iter().collect();
        for (value, committed) in &self.decided {
            assert!(scanned.present.contains(value), "{value} was acknowledged and is gone");
            let is_open = scanned.open.values().flatten().any(|open| open == value);
            assert!(!is_open, "the marker behind {value} was acknowledged and is gone");
            let hidden = progress.last_stable_offset < progress.high_watermark;
            assert!(*committed || !consumed.contains(value), "{value} was rolled back");
            assert!(hidden || !*committed || consumed.contains(value), "{value} was committed");
        }
        self.trace.push_str(&format!("{:?} ", progress.high_watermark));
        // What the producers find out by asking.
        (self.sequences, self.open) = (scanned.sequences, scanned.open);
    }
}

/// Goes over all batches without any index, snapshot or state.
fn scan(partition: &Partition) -> Scanned {
    let mut scanned = Scanned::default();
    let mut began: BTreeMap<i64, i64> = BTreeMap::new();
    let mut outcomes: BTreeMap<String, bool> = BTreeMap::new();
    let mut order: Vec<(i64, String)> = Vec::new();
    for batch in all_batches(partition) {
        let header = *batch.header();
        if let Some(marker) = marker(&batch) {
            for value in scanned.open.remove(&header.producer_id).unwrap_or_default() {
                outcomes.insert(value, marker.committed);
            }
            began.remove(&header.producer_id);
            continue;
        }
        scanned.sequences.insert(header.producer_id, header.base_sequence + header.record_count);
        for record in &batch.records(1 << 20).unwrap() {
            let record = record.unwrap();
            let value = String::from_utf8_lossy(record.value.unwrap()).into_owned();
            scanned.present.insert(value.clone());
            if header.is_transactional() {
                scanned.open.entry(header.producer_id).or_default().push(value.clone());
                began.entry(header.producer_id).or_insert(header.base_offset);
            } else {
                outcomes.insert(value.clone(), true);
            }
            order.push((record.offset, value));
        }
    }
    scanned.last_stable = began.values().min().copied();
    let visible = |offset: i64| scanned.last_stable.is_none_or(|stable| offset < stable);
    scanned.committed = order
        .into_iter()
        .filter(|(offset, value)| visible(*offset) && outcomes.get(value) == Some(&true))
        .map(|(_, value)| value)
        .collect();
    scanned
}

fn all_batches(partition: &Partition) -> Vec<millstream_protocol::record_batch::Batch> {
    let mut all = Vec::new();
    let mut next = partition.progress().log_start_offset;
    loop {
        let fetched = partition.read(next, 1 << 20, true, Isolation::ReadUncommitted).unwrap();
        if fetched.records.is_empty() {
            return all;
        }
        all.extend(batches(fetched.records).map(Result::unwrap));
        next = fetched.next_offset;
    }
}

/// What a consumer keeps that skips the aborted transactions it is told of.
fn read_committed(partition: &Partition) -> Vec<String> {
    let mut values = Vec::new();
    let mut next = partition.progress().log_start_offset;
    loop {
        let fetched = partition.read(next, 300, true, Isolation::ReadCommitted).unwrap();
        if fetched.records.is_empty() {
            return values;
        }
        let mut aborted: Vec<(i64, i64)> =
            fetched.aborted.iter().map(|aborted| (aborted.first_offset, aborted.producer_id)).collect();
        assert!(aborted.is_sorted(), "{aborted:?}");
        let mut skipped: BTreeSet<i64> = BTreeSet::new();
        for batch in batches(fetched.records) {
            let batch = batch.unwrap();
            let header = *batch.header();
            while aborted.first().is_some_and(|(first, _)| *first <= header.last_offset()) {
                skipped.insert(aborted.remove(0).1);
            }
            if header.is_control() {
                skipped.remove(&header.producer_id);
                continue;
            }
            if header.is_transactional() && skipped.contains(&header.producer_id) {
                continue;
            }
            for record in &batch.records(1 << 20).unwrap() {
                let record = record.unwrap();
                if record.offset >= next {
                    values.push(String::from_utf8_lossy(record.value.unwrap()).into_owned());
                }
            }
        }
        next = fetched.next_offset;
    }
}
