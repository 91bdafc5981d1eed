//! Seeded crashes while a log is compacted: appends, transactions, flushes, rolls, passes and stops over a disk that
//! loses what it may, cut off at any operation.
//!
//! The model is the whole history. After every step that may change files, and after every start: what a read_committed
//! consumer folds into a table is what the history gives, record for record at its offset; nothing that compaction has
//! not reached is missing; tombstones outlive their time; producers are known by their last batch.

use std::collections::{BTreeMap, BTreeSet};

use super::compaction::keyed;
use super::*;
use crate::log::AppendError;
use crate::partition::append::Origin;
use crate::partition::batch::Marker;
use crate::testing::disk::Random;

const SEEDS: u64 = 120;
const ROUNDS: usize = 6;
const KEYS: u64 = 9;
const PLAIN: [i64; 2] = [1, 2];
const TRANSACTIONAL: [i64; 2] = [11, 12];
const RETENTION_MS: i64 = 400;

#[test]
fn the_newest_record_of_each_key_survives_every_crash() {
    let seeds = match std::env::var("MILLSTREAM_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => {
            0..std::env::var("MILLSTREAM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS)
        }
    };
    for seed in seeds {
        let run = std::panic::catch_unwind(|| World::new(seed).run());
        if let Err(panic) = run {
            eprintln!("replay with MILLSTREAM_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn one_seed_run_twice_is_identical() {
    for seed in [5, 78] {
        assert_eq!(World::new(seed).run(), World::new(seed).run());
    }
}

/// One offset of the history.
#[derive(Debug, Clone, PartialEq)]
enum Entry {
    Record { key: String, value: Option<String>, producer: i64, in_transaction: bool, time_ms: i64 },
    Marker { producer: i64, committed: bool },
}

/// A record as a consumer gets it.
type Seen = (String, Option<String>);

struct World {
    house: House,
    random: Random,
    history: BTreeMap<i64, Entry>,
    /// What the disk stopped in: it is there as a whole after the next start, or not at all.
    unsure: BTreeMap<i64, Entry>,
    /// No pass has had to do with anything from here on.
    compactable_to: i64,
    /// Everything before was acknowledged as durable.
    durable_to: i64,
    sequences: BTreeMap<i64, i32>,
    open: BTreeSet<i64>,
    counter: u64,
    trace: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed ^ 0xc1ea);
        let mut house = House::new(seed);
        house.config.compact = true;
        house.config.delete = false;
        house.config.segment_bytes = 500 + random.below(1500);
        house.config.min_cleanable_dirty_ratio = if seed.is_multiple_of(3) { 0.3 } else { 0.0 };
        house.config.min_compaction_lag_ms = if seed.is_multiple_of(5) { 200 } else { 0 };
        house.config.delete_retention_ms = RETENTION_MS;
        house.config.file_delete_delay_ms = 100;
        // Sometimes fewer keys than there are, so that passes end early.
        house.cleaner.memory_bytes = if seed.is_multiple_of(4) { 0 } else { 1 << 20 };
        Self {
            house,
            random,
            history: BTreeMap::new(),
            unsure: BTreeMap::new(),
            compactable_to: 0,
            durable_to: 0,
            sequences: PLAIN.into_iter().chain(TRANSACTIONAL).map(|id| (id, 0)).collect(),
            open: BTreeSet::new(),
            counter: 0,
            trace: 0,
        }
    }

    /// Several lives of one log; returns a digest of all that was read.
    fn run(mut self) -> u64 {
        for _ in 0..ROUNDS {
            let Ok(directory) = self.house.try_open() else {
                // The disk stopped during the start, as it was told to.
                self.house.disk.crash();
                continue;
            };
            self.house.disk.stop_after(u64::MAX);
            let partition = self.house.partition(&directory);
            self.resume(&partition);
            self.check(&partition);
            let steps = 50 + self.random.below(900);
            self.house.disk.stop_after(steps);
            while self.random.below(90) > 0 && directory.failure().is_none() {
                if !self.step(&directory, &partition) {
                    break;
                }
            }
            self.stop(directory, partition);
            if self.random.below(3) == 0 {
                // The next start is cut off as well, wherever it is.
                self.house.disk.stop_after(self.random.below(60));
            }
        }
        self.house.disk.crash();
        let directory = self.house.open();
        let partition = self.house.partition(&directory);
        self.resume(&partition);
        self.check(&partition);
        let left = self.house.disk.names(Path::new(FOLDER));
        assert!(!left.iter().any(|name| name.ends_with("swap") || name.ends_with("cleaned")), "{left:?}");
        self.trace
    }

    /// One random thing; false once the disk has stopped.
    fn step(&mut self, directory: &LogDirectory, partition: &Arc<Partition>) -> bool {
        match self.random.below(24) {
            0..9 => self.append(partition, None),
            9..13 => {
                let id = TRANSACTIONAL[self.random.below(2) as usize];
                self.append(partition, Some(id))
            }
            13..16 => self.end_transaction(partition),
            16..19 => {
                directory.flush_now();
                directory.failure().is_none()
            }
            19..22 => {
                let end = partition.log_end_offset();
                directory.flush_now();
                let active = partition.inner.lock().log.active().base_offset();
                self.compactable_to = self.compactable_to.max(active);
                directory.clean_now();
                if directory.failure().is_none() {
                    self.durable_to = self.durable_to.max(partition.progress().high_watermark.min(end));
                    self.check_if_running(partition);
                }
                directory.failure().is_none()
            }
            22 => {
                directory.keep_now();
                true
            }
            _ => {
                self.house.pass_ms(self.random.below(300) as i64);
                true
            }
        }
    }

    fn append(&mut self, partition: &Arc<Partition>, in_transaction: Option<i64>) -> bool {
        let id = in_transaction.unwrap_or_else(|| PLAIN[self.random.below(2) as usize]);
        let time_ms = self.house.clock.load(Ordering::Relaxed);
        let count = 1 + self.random.below(4);
        let records: Vec<Seen> = (0..count).map(|_| self.next_record()).collect();
        let text = |(key, value): &Seen| value.as_ref().map_or(key.clone(), |value| format!("{key}={value}"));
        let texts: Vec<String> = records.iter().map(text).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let compression = Compression::ALL[self.random.below(5) as usize];
        let from = Producer { id, epoch: 0, base_sequence: self.sequences[&id] };
        let batch = keyed(from, in_transaction.is_some(), compression, time_ms, &texts);
        let is_in = in_transaction.is_some();
        let entry = |(key, value)| Entry::Record { key, value, producer: id, in_transaction: is_in, time_ms };
        let entries = (partition.log_end_offset()..).zip(records.into_iter().map(entry));
        match partition.append(batch, Origin::Client, None) {
            Ok(appended) => {
                assert!(!appended.duplicate);
                self.sequences.insert(id, from.base_sequence + count as i32);
                self.history.extend(entries);
                if in_transaction.is_some() {
                    self.open.insert(id);
                }
                self.see_progress(partition);
                true
            }
            Err(AppendError::Storage { .. } | AppendError::FolderFailed { .. }) => {
                self.unsure = entries.collect();
                false
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn end_transaction(&mut self, partition: &Arc<Partition>) -> bool {
        let Some(producer) = self.open.iter().next().copied() else { return true };
        let committed = self.random.below(2) == 0;
        let at = partition.log_end_offset();
        match partition.append_marker(producer, 0, Marker { committed, coordinator_epoch: 1 }) {
            Ok(appended) => {
                self.history.insert(appended.base_offset, Entry::Marker { producer, committed });
                self.open.remove(&producer);
                self.see_progress(partition);
                true
            }
            Err(_) => {
                self.unsure = BTreeMap::from([(at, Entry::Marker { producer, committed })]);
                false
            }
        }
    }

    fn see_progress(&mut self, partition: &Partition) {
        self.durable_to = self.durable_to.max(partition.progress().high_watermark);
    }

    fn stop(&mut self, directory: LogDirectory, partition: Arc<Partition>) {
        self.see_progress(&partition);
        let end = partition.log_end_offset();
        drop(partition);
        if self.random.below(4) == 0 && directory.close().is_ok() && directory.failure().is_none() {
            self.durable_to = end;
        }
        drop(directory);
        if self.random.below(3) == 0 { self.house.disk.kill() } else { self.house.disk.crash() }
    }

    /// After a start: what was not durable may be gone, and is then no part of the history.
    fn resume(&mut self, partition: &Arc<Partition>) {
        let end = partition.log_end_offset();
        assert!(end >= self.durable_to, "the log ends at {end}, acknowledged was {}", self.durable_to);
        self.history.append(&mut self.unsure);
        self.history.split_off(&end);
        self.durable_to = end;
        for id in PLAIN.into_iter().chain(TRANSACTIONAL) {
            let known = partition.with_state(|state| state.producers.get(id).cloned());
            let last = self
                .history
                .iter()
                .rev()
                .find(|(_, entry)| matches!(entry, Entry::Record { producer, .. } if *producer == id));
            let remembered =
                known.as_ref().and_then(|known| known.batches.back().map(|batch| batch.last_offset));
            assert_eq!(remembered, last.map(|(offset, _)| *offset), "last batch of producer {id}");
            let sequence = known.as_ref().and_then(|known| known.last_sequence());
            self.sequences.insert(id, sequence.map_or(0, |last| last + 1));
            let is_open = known.is_some_and(|known| known.transaction_first_offset.is_some());
            assert_eq!(is_open, self.is_open(id), "transaction of producer {id}");
            if is_open {
                self.open.insert(id)
            } else {
                self.open.remove(&id)
            };
        }
    }

    fn is_open(&self, id: i64) -> bool {
        let last = self.history.values().rev().find_map(|entry| match entry {
            Entry::Record { producer, in_transaction, .. } if *producer == id => Some(*in_transaction),
            Entry::Marker { producer, .. } if *producer == id => Some(false),
            _ => None,
        });
        last.unwrap_or(false)
    }

    /// The check reads more than the disk may have operations left for.
    fn check_if_running(&mut self, partition: &Arc<Partition>) {
        if partition.read(0, 1, true, Isolation::ReadUncommitted).is_ok() {
            self.house.disk.stop_after(u64::MAX);
            self.check(partition);
            self.house.disk.stop_after(self.random.below(400));
        }
    }

    fn check(&mut self, partition: &Arc<Partition>) {
        let end = partition.progress().last_stable_offset;
        let decided = self.decided(end);
        let seen = self.read_committed(partition);
        let now_ms = self.house.clock.load(Ordering::Relaxed);
        for (offset, found) in &seen {
            assert_eq!(decided.get(offset).map(|(seen, _)| seen), Some(found), "record at {offset}");
        }
        let mut newest = BTreeMap::new();
        for (offset, ((key, value), time_ms)) in &decided {
            newest.insert(key, (*offset, value.is_some() || now_ms < time_ms + RETENTION_MS));
            if *offset >= self.compactable_to {
                assert!(seen.contains_key(offset), "record at {offset} was in the active segment");
            }
        }
        for (key, (offset, must_stay)) in &newest {
            let last = seen.iter().rev().find(|(_, (found, _))| found == *key);
            match last {
                Some((found, _)) => assert_eq!(found, offset, "newest record of {key}"),
                None => assert!(!must_stay, "newest record of {key} at {offset} is gone"),
            }
        }
        for offset in seen.keys() {
            self.trace = (self.trace ^ *offset as u64).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// What was not rolled back, below `end`, with its time.
    fn decided(&self, end: i64) -> BTreeMap<i64, (Seen, i64)> {
        let mut decided = BTreeMap::new();
        let mut pending: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for (offset, entry) in &self.history {
            match entry {
                Entry::Record { key, value, producer, in_transaction, time_ms } => {
                    decided.insert(*offset, ((key.clone(), value.clone()), *time_ms));
                    if *in_transaction {
                        pending.entry(*producer).or_default().push(*offset);
                    }
                }
                Entry::Marker { producer, committed } => {
                    let records = pending.remove(producer).unwrap_or_default();
                    if !committed {
                        records.iter().for_each(|offset| {
                            decided.remove(offset);
                        });
                    }
                }
            }
        }
        decided.split_off(&end);
        decided
    }

    /// As a consumer reads: by the aborted transactions that come with each response.
    fn read_committed(&mut self, partition: &Arc<Partition>) -> BTreeMap<i64, Seen> {
        let mut seen = BTreeMap::new();
        let mut next = 0;
        loop {
            let max_bytes = 1 + self.random.below(3000) as usize;
            let fetched = partition.read(next, max_bytes, true, Isolation::ReadCommitted).unwrap();
            if fetched.records.is_empty() {
                // Readers get to the end of what they may see, whatever was taken out before.
                assert_eq!(next, fetched.last_stable_offset);
                return seen;
            }
            let mut ahead = fetched.aborted.into_iter().peekable();
            let mut rolled_back = BTreeSet::new();
            for batch in batches(fetched.records) {
                let batch = batch.unwrap();
                batch.verify_crc().unwrap();
                let header = *batch.header();
                while let Some(aborted) = ahead.next_if(|next| next.first_offset <= header.last_offset()) {
                    rolled_back.insert(aborted.producer_id);
                }
                if header.is_control() {
                    if crate::partition::batch::marker(&batch).is_some_and(|marker| !marker.committed) {
                        rolled_back.remove(&header.producer_id);
                    }
                } else if !header.is_transactional() || !rolled_back.contains(&header.producer_id) {
                    take_in(&batch, next, &mut seen);
                }
            }
            next = fetched.next_offset;
        }
    }

    fn next_record(&mut self) -> Seen {
        self.counter += 1;
        let key = format!("k{}", self.random.below(KEYS));
        let value = (self.random.below(4) > 0).then(|| format!("v{}", self.counter));
        (key, value)
    }
}

fn take_in(batch: &millstream_protocol::record_batch::Batch, from: i64, seen: &mut BTreeMap<i64, Seen>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for record in &batch.records(1 << 20).unwrap() {
        let record = record.unwrap();
        if record.offset >= from {
            let earlier = seen.insert(record.offset, (text(record.key.unwrap()), record.value.map(text)));
            assert!(earlier.is_none(), "{} came twice", record.offset);
        }
    }
}
