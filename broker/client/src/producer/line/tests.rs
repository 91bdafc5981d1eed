use std::collections::VecDeque;

use super::*;

const WAIT: Duration = Duration::from_millis(100);
const IN_FLIGHT_MAX: usize = 5;

fn identity(producer_id: i64) -> ProducerIdentity {
    ProducerIdentity { producer_id, epoch: 0 }
}

fn line_of(batches: &[&'static str], now: Instant) -> Line<&'static str> {
    let mut line = Line::new(true);
    for batch in batches {
        line.push(*batch, 10, now + Duration::from_secs(60));
    }
    line.identify(identity(1));
    line.established = Some(1);
    line
}

/// The next batch as `name@sequence`, or `-`.
fn next(line: &mut Line<&'static str>, now: Instant) -> String {
    line.send_next(now, IN_FLIGHT_MAX).map_or("-".to_owned(), |sent| {
        format!("{}@{}", sent.batch, sent.numbering.map_or(-1, |numbering| numbering.base_sequence))
    })
}

#[test]
fn a_retry_keeps_its_number_and_nothing_overtakes_it() {
    let now = Instant::now();
    let mut line = line_of(&["a", "b", "c"], now);
    assert_eq!(next(&mut line, now), "a@0");
    assert_eq!(next(&mut line, now), "b@10");
    assert_eq!(line.settle(0, Outcome::Retry { wait: WAIT }, now), None);
    assert_eq!(next(&mut line, now), "-", "c must wait for a");
    assert_eq!(line.settle(1, Outcome::OutOfOrder, now), None);
    let later = now + WAIT;
    assert_eq!(next(&mut line, later), "a@0");
    assert_eq!(next(&mut line, later), "b@10");
    assert_eq!(line.settle(0, Outcome::Written, later), Some("a"));
    assert_eq!(line.settle(1, Outcome::Written, later), Some("b"));
    assert_eq!(next(&mut line, later), "c@20");
}

#[test]
fn a_batch_that_overtook_waits_for_the_one_before_it() {
    let now = Instant::now();
    let mut line = line_of(&["a", "b", "c"], now);
    assert_eq!(next(&mut line, now), "a@0");
    assert_eq!(next(&mut line, now), "b@10");
    assert_eq!(line.settle(1, Outcome::OutOfOrder, now), None);
    assert_eq!(next(&mut line, now), "-", "a is still open");
    assert_eq!(line.settle(0, Outcome::Written, now), Some("a"));
    assert_eq!(next(&mut line, now), "b@10");
    assert_eq!(next(&mut line, now), "c@20");
}

#[test]
fn a_refused_last_batch_gives_its_number_back() {
    let now = Instant::now();
    let mut line = line_of(&["a", "b"], now);
    assert_eq!(next(&mut line, now), "a@0");
    assert_eq!(line.settle(0, Outcome::Refused, now), Some("a"));
    assert_eq!(next(&mut line, now), "b@0");
}

#[test]
fn a_gap_sends_the_rest_out_under_a_new_identity() {
    let now = Instant::now();
    let mut line = line_of(&["a", "b", "c"], now);
    assert_eq!(next(&mut line, now), "a@0");
    assert_eq!(next(&mut line, now), "b@10");
    assert_eq!(line.settle(0, Outcome::Refused, now), Some("a"));
    assert!(line.is_broken());
    assert_eq!(next(&mut line, now), "-");
    assert_eq!(line.settle(1, Outcome::OutOfOrder, now), None);
    assert!(line.needs_identity());
    line.identify(identity(2));
    assert_eq!(next(&mut line, now), "b@0");
    assert_eq!(next(&mut line, now), "-", "the first batch under a new id travels alone");
    assert_eq!(line.settle(1, Outcome::Written, now), Some("b"));
    assert_eq!(next(&mut line, now), "c@10");
}

#[test]
fn a_batch_of_unknown_fate_is_asked_about_before_the_identity_changes() {
    let now = Instant::now();
    let mut line = line_of(&["a", "b", "c"], now);
    assert_eq!(next(&mut line, now), "a@0");
    assert_eq!(next(&mut line, now), "b@10");
    assert_eq!(line.settle(0, Outcome::Refused, now), Some("a"));
    assert_eq!(line.settle(1, Outcome::Retry { wait: WAIT }, now), None);
    assert!(!line.needs_identity());
    assert_eq!(next(&mut line, now + WAIT), "b@10");
    assert_eq!(line.settle(1, Outcome::Written, now + WAIT), Some("b"));
    assert!(line.needs_identity());
}

#[test]
fn expiry_leaves_batches_in_flight_alone() {
    let now = Instant::now();
    let mut line = line_of(&["a", "b"], now);
    assert_eq!(next(&mut line, now), "a@0");
    assert_eq!(line.expire(now + Duration::from_secs(61)), ["b"]);
    assert_eq!(line.settle(0, Outcome::Retry { wait: WAIT }, now), None);
    assert_eq!(line.expire(now + Duration::from_secs(61)), ["a"]);
    assert!(line.is_broken(), "a may have been written: its number cannot be given out again");
}

#[test]
fn sequences_wrap_to_zero() {
    assert_eq!(sequence_after(i32::MAX, 1), 0);
    assert_eq!(sequence_after(i32::MAX - 2, 5), 2);
}

/// A broker that checks sequences as Kafka does, and remembers five batches.
#[derive(Default)]
struct ModelBroker {
    log: Vec<usize>,
    producer_id: i64,
    next_sequence: i32,
    remembered: VecDeque<i32>,
}

impl ModelBroker {
    fn append(&mut self, batch: usize, numbering: Numbering, records: i32) -> Outcome {
        if numbering.identity.producer_id != self.producer_id {
            self.producer_id = numbering.identity.producer_id;
            self.next_sequence = numbering.base_sequence;
            self.remembered.clear();
        }
        if self.remembered.contains(&numbering.base_sequence) {
            return Outcome::Written;
        }
        if numbering.base_sequence != self.next_sequence {
            return Outcome::OutOfOrder;
        }
        self.log.push(batch);
        self.next_sequence = sequence_after(numbering.base_sequence, records);
        self.remembered.push_back(numbering.base_sequence);
        if self.remembered.len() > IN_FLIGHT_MAX {
            self.remembered.pop_front();
        }
        Outcome::Written
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Requests get lost, responses get lost, nodes refuse for now or for good: what is reported written is in the log once
/// and in order, what was refused is not, and everything is settled in the end.
#[test]
fn faults_neither_double_nor_reorder_nor_lose() {
    for seed in 1..=500 {
        let (log, written, refused) = simulate(seed);
        let mut sorted = log.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted, log, "seed {seed}: doubled or reordered");
        assert!(written.iter().all(|batch| log.contains(batch)), "seed {seed}: lost");
        assert!(refused.iter().all(|batch| !log.contains(batch)), "seed {seed}: written though refused");
        assert_eq!(simulate(seed).0, log, "seed {seed} runs differently twice");
    }
}

fn simulate(seed: u64) -> (Vec<usize>, Vec<usize>, Vec<usize>) {
    const BATCHES: usize = 40;
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut broker = ModelBroker::default();
    let mut line: Line<usize> = Line::new(true);
    let mut now = Instant::now();
    let (mut pushed, mut identities) = (0, 0);
    let (mut written, mut refused) = (Vec::new(), Vec::new());
    // Requests in the order sent; a node answers in that order.
    let mut wire: VecDeque<(u64, usize, Numbering)> = VecDeque::new();
    while pushed < BATCHES || !line.is_empty() {
        now += Duration::from_millis(random.below(50));
        if pushed < BATCHES && random.below(2) == 0 {
            line.push(pushed, 3, now + Duration::from_secs(3600));
            pushed += 1;
        }
        if line.needs_identity() {
            identities += 1;
            line.identify(identity(identities));
        }
        if random.below(3) > 0
            && let Some(sent) = line.send_next(now, IN_FLIGHT_MAX)
        {
            wire.push_back((sent.ticket, *sent.batch, sent.numbering.unwrap()));
        }
        if random.below(3) == 0
            && let Some((ticket, batch, numbering)) = wire.pop_front()
        {
            let outcome = match random.below(20) {
                0 | 1 => Outcome::Retry { wait: WAIT },
                2 | 3 => {
                    broker.append(batch, numbering, 3);
                    Outcome::Retry { wait: WAIT }
                }
                // A definite refusal is only possible for a batch that was never appended.
                4 if !broker.log.contains(&batch) => Outcome::Refused,
                _ => broker.append(batch, numbering, 3),
            };
            if let Some(settled) = line.settle(ticket, outcome, now) {
                if outcome == Outcome::Written { written.push(settled) } else { refused.push(settled) }
            }
        }
    }
    assert_eq!(written.len() + refused.len(), BATCHES);
    (broker.log, written, refused)
}
