//! Seeded crashes: random appends, flushes, rolls, retention and stops over a disk that loses what it may.
//!
//! After every restart: each record acknowledged as durable is there, in order, once; the others are there or not, but
//! never in between; a producer's retry is answered as before. With an interval policy, acknowledged records outlive a
//! killed process, not a power cut. One seed run twice is identical.

use std::collections::BTreeMap;

use super::*;
use crate::log::{AppendError, Durability, FlushPolicy};
use crate::partition::append::Origin;
use crate::testing::disk::Random;

const SEEDS: u64 = 2_000;
const ROUNDS: usize = 5;
const PRODUCERS: i64 = 3;

#[test]
fn what_was_acknowledged_survives_every_crash() {
    each_seed("what_was_acknowledged_survives_every_crash", |seed| {
        World::new(seed).run();
    });
}

/// Runs one seed if the environment names it, otherwise as many as it asks for.
pub fn each_seed(test: &str, run: impl Fn(u64) + std::panic::RefUnwindSafe) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("MILLSTREAM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MILLSTREAM_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("replay: MILLSTREAM_SEED={seed} cargo test -p millstream-broker --lib {test}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn one_seed_run_twice_is_identical() {
    for seed in [3, 77] {
        assert_eq!(World::new(seed).run(), World::new(seed).run());
    }
}

/// What the test knows of one producer.
#[derive(Debug, Clone, Copy, Default)]
struct Sender {
    next_sequence: i32,
    /// The batch that may or may not have arrived: its sequence, and the offset if it was answered.
    last: Option<(i32, i64)>,
}

struct World {
    house: House,
    random: Random,
    senders: BTreeMap<i64, Sender>,
    /// Offset → value of what is surely there.
    acknowledged: BTreeMap<i64, String>,
    /// Appended and answered, not yet known to be durable.
    waiting: Vec<(i64, Vec<String>, Durability)>,
    log_start: i64,
    trace: u64,
    counter: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut house = House::new(seed);
        house.config.segment_bytes = 900;
        if seed % 4 == 3 {
            house.config.flush = FlushPolicy::Interval { messages: Some(5), every: None };
        }
        Self {
            house,
            random: Random(seed ^ 0x5eed),
            senders: (1..=PRODUCERS).map(|id| (id, Sender::default())).collect(),
            acknowledged: BTreeMap::new(),
            waiting: Vec::new(),
            log_start: 0,
            trace: 0,
            counter: 0,
        }
    }

    /// Several lives of one log; returns a digest of all that happened.
    fn run(mut self) -> u64 {
        for _ in 0..ROUNDS {
            let opened = self.house.try_open();
            let Ok(directory) = opened else {
                // The disk stopped during the start, as it was told to.
                self.house.disk.crash();
                continue;
            };
            let partition = self.house.partition(&directory);
            self.check(&partition);
            let steps = 20 + self.random.below(150);
            self.house.disk.stop_after(steps);
            while self.random.below(60) > 0 {
                if !self.step(&directory, &partition) {
                    break;
                }
            }
            self.stop(directory, partition);
        }
        let directory = self.house.open();
        let partition = self.house.partition(&directory);
        self.check(&partition);
        self.trace
    }

    /// One random thing; false once the disk has stopped.
    fn step(&mut self, directory: &LogDirectory, partition: &Arc<Partition>) -> bool {
        let going = match self.random.below(20) {
            0..12 => self.append(partition),
            12..17 => {
                directory.flush_now();
                directory.failure().is_none()
            }
            17 => {
                directory.keep_now();
                true
            }
            18 => self.delete_records(partition),
            // From here on the folder is poisoned: nothing more is taken in or acknowledged.
            _ if self.random.below(8) == 0 => {
                self.house.disk.fail_next_flush();
                true
            }
            _ => {
                self.house.pass_ms(self.random.below(1000) as i64);
                true
            }
        };
        self.collect_acknowledged();
        going
    }

    fn append(&mut self, partition: &Arc<Partition>) -> bool {
        let id = 1 + self.random.below(PRODUCERS as u64) as i64;
        let records = 1 + self.random.below(3);
        let values: Vec<String> = (0..records).map(|_| self.next_value()).collect();
        let sender = self.senders[&id];
        let from = Producer { id, epoch: 0, base_sequence: sender.next_sequence };
        let texts: Vec<_> = values.iter().map(String::as_str).collect();
        let time = self.house.clock.load(Ordering::Relaxed);
        match partition.append(batch_of(from, false, time, &texts), Origin::Client, None) {
            Ok(appended) => {
                assert!(!appended.duplicate);
                self.digest(appended.base_offset as u64);
                let next_sequence = sender.next_sequence + records as i32;
                let last = Some((sender.next_sequence, appended.base_offset));
                self.senders.insert(id, Sender { next_sequence, last });
                self.waiting.push((appended.base_offset, values, appended.durability));
                true
            }
            Err(AppendError::Storage { .. } | AppendError::FolderFailed { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }

    fn delete_records(&mut self, partition: &Arc<Partition>) -> bool {
        let high_watermark = partition.progress().high_watermark;
        let offset = self.log_start + self.random.below(4) as i64;
        if offset > high_watermark {
            return true;
        }
        // Whether an unanswered one took place is unknown: records between are no longer promised.
        self.acknowledged.retain(|known, _| *known >= offset);
        match partition.delete_records(offset) {
            Ok(start) => {
                self.log_start = start;
                true
            }
            Err(_) => false,
        }
    }

    fn stop(&mut self, directory: LogDirectory, partition: Arc<Partition>) {
        drop(partition);
        if self.random.below(4) == 0 && directory.close().is_ok() && directory.failure().is_none() {
            // Everything appended is promised by a clean stop.
            for (offset, values, _) in std::mem::take(&mut self.waiting) {
                self.promise(offset, values);
            }
        }
        drop(directory);
        if self.random.below(3) == 0 {
            self.house.disk.kill();
        } else {
            self.house.disk.crash();
            if self.house.config.flush != FlushPolicy::OnAcknowledge {
                // Acknowledged from the page cache, which is gone.
                self.acknowledged.clear();
            }
        }
        self.waiting.clear();
    }

    fn collect_acknowledged(&mut self) {
        let (durable, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(_, _, durability)| durability.is_reached());
        self.waiting = waiting;
        for (offset, values, _) in durable {
            self.promise(offset, values);
        }
    }

    fn promise(&mut self, offset: i64, values: Vec<String>) {
        for (at, value) in (offset..).zip(values) {
            if at >= self.log_start {
                self.acknowledged.insert(at, value);
            }
        }
    }

    /// Compares the log after a start with what was promised, then lets every producer retry its last batch.
    fn check(&mut self, partition: &Arc<Partition>) {
        let start = partition.progress().log_start_offset;
        assert!(start >= self.log_start, "deleted records came back: {start} < {}", self.log_start);
        let text = visible(partition);
        let mut found = BTreeMap::new();
        let mut expected = None;
        for record in text.split_terminator(' ') {
            let (offset, value) = record.split_once(':').unwrap();
            let offset: i64 = offset.parse().unwrap();
            assert!(expected.is_none_or(|expected| expected == offset), "a hole before {offset}");
            expected = Some(offset + 1);
            self.digest(offset as u64);
            assert!(found.insert(offset, value.to_owned()).is_none());
        }
        for (offset, value) in self.acknowledged.range(start..) {
            assert_eq!(found.get(offset), Some(value), "acknowledged record at {offset}");
        }
        let mut values: Vec<_> = found.values().collect();
        values.sort_unstable();
        values.dedup();
        assert_eq!(values.len(), found.len(), "a record is there twice");
        self.resume_senders(partition, &found);
        // What a consumer may have seen must not vanish either.
        self.acknowledged.extend(found);
    }

    /// A producer whose last answered batch is still there is known by it; one whose batch was lost starts over with a
    /// new id, as a client does after an out-of-order answer.
    fn resume_senders(&mut self, partition: &Arc<Partition>, found: &BTreeMap<i64, String>) {
        for (id, sender) in self.senders.clone() {
            let state = partition.with_state(|state| state.producers.get(id).cloned());
            if let (Some((sequence, offset)), Some(producer)) = (sender.last, &state)
                && found.contains_key(&offset)
            {
                let known = producer.batches.iter().find(|batch| batch.first_sequence() == sequence);
                assert_eq!(known.map(|batch| batch.first_offset()), Some(offset), "producer {id}");
            }
            let next_sequence =
                state.and_then(|producer| producer.last_sequence()).map_or(0, |last| last + 1);
            self.senders.insert(id, Sender { next_sequence, last: None });
        }
    }

    fn next_value(&mut self) -> String {
        self.counter += 1;
        format!("v{}", self.counter)
    }

    fn digest(&mut self, value: u64) {
        self.trace = (self.trace ^ value).wrapping_mul(0x0100_0000_01b3);
    }
}
