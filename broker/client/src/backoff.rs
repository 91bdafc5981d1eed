//! Growing waits between attempts, with a little spread so that many clients do not return at the same moment.

use std::time::Duration;

/// Doubles from `first` to `most`, each wait spread by ±20 %.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    attempt: u32,
    spread: u64,
}

/// Doubling more often than this changes nothing that a duration can hold.
const DOUBLINGS_MAX: u32 = 20;

impl Backoff {
    /// `seed` only decides the spread: equal seeds wait equally.
    pub(crate) fn new(first: Duration, most: Duration, seed: u64) -> Self {
        Backoff { first, most, attempt: 0, spread: seed | 1 }
    }

    /// The next wait; each call counts as one more failed attempt.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.attempt.min(DOUBLINGS_MAX)).min(self.most);
        self.attempt = self.attempt.saturating_add(1);
        // xorshift: enough to spread clients, and no dependency on a source of randomness.
        self.spread ^= self.spread << 13;
        self.spread ^= self.spread >> 7;
        self.spread ^= self.spread << 17;
        let percent = 80 + (self.spread % 41) as u32;
        doubled * percent / 100
    }

    /// Success: the next failure waits the first time again.
    pub(crate) fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_within_a_fifth() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(1000), 7);
        for expected in [100, 200, 400, 800, 1000, 1000] {
            let wait = backoff.next_wait().as_millis();
            assert!((expected * 8 / 10..=expected * 12 / 10).contains(&wait), "{wait} for {expected}");
        }
        backoff.reset();
        assert!(backoff.next_wait().as_millis() <= 120);
    }
}
