//! The coordinators under a seeded scheduler: random requests, delays, lost answers, failed appends and crashes, with
//! Kafka's promises as assertions. A failing seed prints how to run it alone; one seed run twice is identical.

mod consumer;
mod consumer_client;
mod group;
mod group_client;
mod random;
mod transaction;
mod transaction_client;

use std::fmt::{Debug, Write};
use std::hash::{DefaultHasher, Hasher};

use millstream_broker::coordinator::LogRecord;
use random::Random;

const SEEDS: u64 = 2_000;

#[test]
fn groups_keep_their_promises() {
    each_seed("groups_keep_their_promises", |seed| {
        group::run(seed);
    });
}

#[test]
fn next_generation_groups_keep_their_promises() {
    each_seed("next_generation_groups_keep_their_promises", |seed| {
        consumer::run(seed);
    });
}

#[test]
fn transactions_keep_their_promises() {
    each_seed("transactions_keep_their_promises", |seed| {
        transaction::run(seed);
    });
}

#[test]
fn one_seed_twice_is_identical() {
    for seed in 0..5 {
        assert_eq!(group::run(seed), group::run(seed), "groups, seed {seed}");
        assert_eq!(consumer::run(seed), consumer::run(seed), "next-generation groups, seed {seed}");
        assert_eq!(transaction::run(seed), transaction::run(seed), "transactions, seed {seed}");
    }
}

/// Runs one seed if the environment names it, otherwise as many as it asks for.
fn each_seed(test: &'static str, run: impl Fn(u64)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("MILLSTREAM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MILLSTREAM_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let told = TellOnPanic { test, seed };
        run(seed);
        drop(told);
    }
}

struct TellOnPanic {
    test: &'static str,
    seed: u64,
}

impl Drop for TellOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let TellOnPanic { test, seed } = self;
            eprintln!(
                "replay: MILLSTREAM_SEED={seed} cargo test -p millstream-broker --test main sim::{test}"
            );
        }
    }
}

/// A hash of everything that happened, in order.
#[derive(Debug, Clone)]
struct Trace(DefaultHasher);

impl Trace {
    fn new() -> Trace {
        Trace(DefaultHasher::new())
    }

    fn note(&mut self, event: &impl Debug) {
        write!(self, "{event:?}").expect("hashing does not fail");
    }

    fn note_records(&mut self, append: u64, records: &[LogRecord]) {
        self.0.write_u64(append);
        for record in records {
            self.0.write(&record.key);
            self.0.write(record.value.as_deref().unwrap_or_default());
        }
    }
}

impl Write for Trace {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

impl PartialEq for Trace {
    fn eq(&self, other: &Trace) -> bool {
        self.0.finish() == other.0.finish()
    }
}
