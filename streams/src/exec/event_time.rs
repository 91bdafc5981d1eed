//! How far event time has come: a watermark per input partition, and the one windows are closed by.
//!
//! A row is late by the watermark of its own partition before it, in offset order: that never depends on how partitions
//! interleave or on restarts. Windows close when the least watermark of the partitions passes their end. A partition that
//! has nothing to read for the idle timeout does not hold the others back; its rows may then be late for windows that
//! closed without it. When all are idle, the one that came furthest decides, as in Flink: what is open by the others' leave
//! would stay so until the next row. Pure: the time of day comes in as a parameter.

/// No row has been seen.
pub(crate) const BEGINNING: i64 = i64::MIN;

/// The input has ended for now: everything that is open is given. More may follow, so nobody remembers it as a watermark.
pub(crate) const END: i64 = i64::MAX;

/// Microseconds since 1970, as all watermarks here.
#[derive(Debug, Clone)]
pub(crate) struct EventTime {
    partitions: Vec<Partition>,
    closed_us: i64,
    idle_timeout_ms: Option<u64>,
}

#[derive(Debug, Clone)]
struct Partition {
    watermark_us: i64,
    /// Since when there is nothing to read.
    quiet_since_ms: Option<u64>,
}

impl EventTime {
    /// Starts from the partitions' committed watermarks and the one that windows were last closed by.
    pub fn new(watermarks_us: Vec<i64>, closed_us: i64, idle_timeout_ms: Option<u64>) -> EventTime {
        let partitions =
            watermarks_us.into_iter().map(|watermark_us| Partition { watermark_us, quiet_since_ms: None });
        EventTime { partitions: partitions.collect(), closed_us, idle_timeout_ms }
    }

    pub fn partition_us(&self, partition: usize) -> i64 {
        self.partitions.get(partition).map_or(BEGINNING, |partition| partition.watermark_us)
    }

    /// The watermark that windows were last closed by.
    pub fn closed_us(&self) -> i64 {
        self.closed_us
    }

    /// Rows of a partition were read; `watermark_us` is its watermark behind them. `drained` says that none are left.
    pub fn advance(&mut self, partition: usize, watermark_us: i64, drained: bool, now_ms: u64) {
        if let Some(partition) = self.partitions.get_mut(partition) {
            partition.watermark_us = partition.watermark_us.max(watermark_us);
            partition.quiet_since_ms = drained.then_some(now_ms);
        }
    }

    /// The watermark to close windows by, if it went forward since the last call.
    pub fn close(&mut self, now_ms: u64) -> Option<i64> {
        let awake = self.partitions.iter().filter(|partition| !self.is_idle(partition, now_ms));
        let least = awake.map(|partition| partition.watermark_us).min();
        let furthest = || self.partitions.iter().map(|partition| partition.watermark_us).max();
        let closed_us = least.or_else(furthest)?;
        if closed_us <= self.closed_us {
            return None;
        }
        self.closed_us = closed_us;
        Some(closed_us)
    }

    /// The input has ended: windows were closed up to `last_end_us`, and what comes later for them is late.
    pub fn finish(&mut self, last_end_us: Option<i64>) {
        self.closed_us = self.closed_us.max(last_end_us.unwrap_or(BEGINNING));
    }

    fn is_idle(&self, partition: &Partition, now_ms: u64) -> bool {
        match (self.idle_timeout_ms, partition.quiet_since_ms) {
            (Some(timeout), Some(since)) => now_ms.saturating_sub(since) >= timeout,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_partition_decides() {
        let mut time = EventTime::new(vec![BEGINNING, BEGINNING], BEGINNING, None);
        time.advance(0, 100, true, 0);
        assert_eq!(time.close(1_000_000), None, "the other partition may still bring old rows");
        time.advance(1, 40, true, 0);
        assert_eq!(time.close(0), Some(40));
        assert_eq!(time.close(0), None, "no news");
        time.advance(1, 30, true, 0);
        assert_eq!((time.partition_us(1), time.close(0)), (40, None), "a watermark never goes back");
    }

    #[test]
    fn an_idle_partition_does_not_hold_the_others_back() {
        let mut time = EventTime::new(vec![BEGINNING, BEGINNING], BEGINNING, Some(500));
        time.advance(0, 100, false, 0);
        time.advance(1, BEGINNING, true, 1_000);
        assert_eq!(time.close(1_499), None);
        assert_eq!(time.close(1_500), Some(100));
        time.advance(1, 50, false, 1_600);
        assert_eq!((time.close(1_600), time.closed_us()), (None, 100), "what was closed stays closed");
    }

    #[test]
    fn when_all_partitions_are_idle_the_furthest_decides() {
        let mut time = EventTime::new(vec![BEGINNING, BEGINNING, BEGINNING], BEGINNING, Some(500));
        time.advance(0, 100, true, 0);
        time.advance(1, 70, true, 0);
        time.advance(2, BEGINNING, true, 0);
        assert_eq!(time.close(499), None);
        assert_eq!(time.close(500), Some(100));
        time.advance(1, 90, false, 600);
        assert_eq!((time.close(600), time.closed_us()), (None, 100), "what was closed stays closed");
        time.advance(1, 120, false, 700);
        assert_eq!(time.close(700), Some(120));
    }

    #[test]
    fn the_end_of_input_closes_up_to_the_last_window_and_no_further() {
        let mut time = EventTime::new(vec![70], 50, None);
        time.finish(Some(120));
        assert_eq!((time.closed_us(), time.partition_us(0)), (120, 70));
        time.finish(None);
        assert_eq!(time.closed_us(), 120);
    }
}
