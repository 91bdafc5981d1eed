//! Latencies in buckets of at most 1.6 % width: percentiles without keeping every value.

/// Buckets per doubling.
const STEPS: u64 = 64;

/// Doublings covered, in microseconds: up to 2^40 µs, about twelve days.
const DOUBLINGS: usize = 40;

#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    largest_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; usize::try_from(STEPS).unwrap_or(0) * DOUBLINGS], count: 0, largest_us: 0 }
    }
}

impl Histogram {
    pub fn record(&mut self, value_us: u64) {
        if let Some(bucket) = self.buckets.get_mut(bucket_of(value_us)) {
            *bucket += 1;
        }
        self.count += 1;
        self.largest_us = self.largest_us.max(value_us);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// In milliseconds; 0 when nothing was recorded.
    pub fn percentile_ms(&self, percent: f64) -> f64 {
        let rank = ((self.count as f64) * percent / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_bound_us(bucket).min(self.largest_us) as f64 / 1000.0;
            }
        }
        self.largest_us as f64 / 1000.0
    }

    pub fn largest_ms(&self) -> f64 {
        self.largest_us as f64 / 1000.0
    }
}

/// Below `STEPS` one bucket a microsecond; above, `STEPS` buckets per doubling.
fn bucket_of(value_us: u64) -> usize {
    if value_us < STEPS {
        return usize::try_from(value_us).unwrap_or(0);
    }
    let doubling = u64::from(value_us.ilog2() - STEPS.ilog2());
    let within = (value_us >> doubling) - STEPS;
    usize::try_from((doubling + 1) * STEPS + within).unwrap_or(usize::MAX)
}

fn upper_bound_us(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let doubling = bucket / STEPS - 1;
    ((bucket % STEPS + STEPS + 1) << doubling) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_two_percent() {
        let mut histogram = Histogram::default();
        (1..=100_000).for_each(|value| histogram.record(value));
        for percent in [1.0, 50.0, 99.0, 99.9] {
            let exact = percent * 1000.0 / 1000.0;
            let found = histogram.percentile_ms(percent);
            assert!((found - exact).abs() / exact < 0.02, "{percent}: {found} against {exact}");
        }
        assert_eq!(histogram.percentile_ms(100.0), 100.0);
        assert_eq!(Histogram::default().percentile_ms(50.0), 0.0);
    }

    #[test]
    fn bounds_follow_buckets() {
        for value in [0, 1, 63, 64, 65, 127, 128, 1000, 123_456_789] {
            let upper = upper_bound_us(bucket_of(value));
            assert!(upper >= value && upper as f64 <= value as f64 * 1.02 + 1.0, "{value} {upper}");
        }
    }
}
