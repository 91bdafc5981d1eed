//! Which offset a record of one partition has on the other side: runs of offsets that go in step.
//!
//! Offsets of a record and of its copy differ by what is no record (markers of transactions, what compaction took), so a
//! map is a list of runs. Every translation is safe: all records from the source's offset on, as far as they are mirrored,
//! lie at the offset it gives or behind it. It is exact where the run is known. Runs are kept for as long as there is
//! room; then the old ones are thinned, and a group that far behind reads a part of its records again.

use serde::{Deserialize, Serialize};

/// Runs that one partition keeps in memory: 96 KiB.
const RUNS_MAX: usize = 4096;

/// The newest runs, all of which are stored; of those before them, ever fewer: each a quarter older than the next.
const STORED_RUNS: usize = 32;

/// `count` records at offsets that follow one another on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub source: i64,
    pub target: i64,
    pub count: i64,
}

/// Rising on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OffsetMap {
    /// Nothing was mirrored before the first run.
    is_whole: bool,
    runs: Vec<Run>,
}

/// A map as it is stored, in numbers that stay small: each run counts from the end of the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMap {
    whole: bool,
    runs: Vec<[i64; 3]>,
}

impl OffsetMap {
    /// An empty map, of a partition that is mirrored from here on.
    pub fn whole() -> OffsetMap {
        OffsetMap { is_whole: true, runs: Vec::new() }
    }

    /// Takes the next run. One that goes back (the position was set by hand) begins a new map.
    pub fn push(&mut self, run: Run) {
        if run.count <= 0 {
            return;
        }
        match self.runs.last_mut() {
            Some(last) if run.source < last.source + last.count || run.target < last.target + last.count => {
                *self = OffsetMap { is_whole: false, runs: vec![run] };
            }
            Some(last)
                if run.source == last.source + last.count && run.target == last.target + last.count =>
            {
                last.count += run.count;
            }
            _ => self.runs.push(run),
        }
        if self.runs.len() > RUNS_MAX {
            self.thin();
        }
    }

    /// Drops every other run of the older half; the first stays.
    fn thin(&mut self) {
        let half = self.runs.len() / 2;
        let mut index = 0;
        self.runs.retain(|_| {
            index += 1;
            index > half || index % 2 == 1
        });
    }

    /// The offset over there that stands for `source` as the next to read. `None` when what was mirrored around it is not
    /// known.
    pub fn translate(&self, source: i64) -> Option<i64> {
        let behind = self.runs.partition_point(|run| run.source <= source);
        match behind.checked_sub(1).and_then(|index| self.runs.get(index)) {
            Some(run) => Some(run.target + (source - run.source).min(run.count)),
            // Whatever comes will lie behind the beginning.
            None if self.is_whole => Some(self.runs.first().map_or(0, |run| run.target)),
            None => None,
        }
    }

    pub fn stored(&self) -> StoredMap {
        let end = self.runs.last().map_or(0, |run| run.source + run.count);
        let mut kept: Vec<&Run> = Vec::new();
        let mut next_age = 0;
        for (index, run) in self.runs.iter().enumerate().rev() {
            let age = end - run.source;
            if kept.len() < STORED_RUNS || age >= next_age || index == 0 {
                kept.push(run);
                next_age = age.saturating_add(age / 4);
            }
        }
        let (mut source, mut target) = (0, 0);
        let runs = kept.into_iter().rev().map(|run| {
            let row = [run.source - source, run.target - target, run.count];
            (source, target) = (run.source + run.count, run.target + run.count);
            row
        });
        StoredMap { whole: self.is_whole, runs: runs.collect() }
    }
}

impl From<&StoredMap> for OffsetMap {
    /// Numbers that make no sense end the map before them.
    fn from(stored: &StoredMap) -> OffsetMap {
        let mut map = OffsetMap { is_whole: stored.whole, runs: Vec::new() };
        let (mut source, mut target) = (0_i64, 0_i64);
        for [source_gap, target_gap, count] in &stored.runs {
            let start = source.checked_add(*source_gap).zip(target.checked_add(*target_gap));
            let end =
                start.and_then(|(source, target)| source.checked_add(*count).zip(target.checked_add(*count)));
            let (Some(start), Some(end)) = (start, end) else { break };
            if *source_gap < 0 || *target_gap < 0 || *count <= 0 {
                break;
            }
            map.runs.push(Run { source: start.0, target: start.1, count: *count });
            (source, target) = end;
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::{OffsetMap, RUNS_MAX, Run, StoredMap};

    fn map(runs: &[(i64, i64, i64)]) -> OffsetMap {
        let mut map = OffsetMap::whole();
        for &(source, target, count) in runs {
            map.push(Run { source, target, count });
        }
        map
    }

    #[test]
    fn offsets_go_in_step_within_a_run_and_stand_at_its_end_behind_it() {
        let map = map(&[(10, 0, 5), (15, 5, 5), (30, 11, 2)]);
        assert_eq!(map.runs.len(), 2, "runs that follow one another are one");
        let translated: Vec<_> = [0, 10, 14, 20, 25, 30, 31, 32, 90].map(|n| map.translate(n)).into();
        assert_eq!(translated, [0, 0, 4, 10, 10, 11, 12, 13, 13].map(Some));
        assert_eq!(OffsetMap::whole().translate(5), Some(0), "nothing is mirrored yet");
        assert_eq!(OffsetMap::default().translate(5), None);
    }

    #[test]
    fn a_map_that_began_late_says_nothing_of_what_came_before() {
        let mut map = map(&[(0, 0, 10)]);
        map.push(Run { source: 3, target: 20, count: 2 });
        assert_eq!((map.translate(2), map.translate(4)), (None, Some(21)));
    }

    /// Source and target of record `n` of a mirror in which both sides have a marker every few records.
    fn places(n: i64) -> (i64, i64) {
        (n + n / 3, n + n / 7)
    }

    #[test]
    fn whatever_is_thinned_or_stored_nothing_is_lost_and_the_newest_stays_exact() {
        let records = RUNS_MAX as i64 * 5;
        let mut map = OffsetMap::whole();
        for (source, target) in (0..records).map(places) {
            map.push(Run { source, target, count: 1 });
            assert!(map.runs.len() <= RUNS_MAX);
        }
        let stored = serde_json::to_string(&map.stored()).unwrap();
        assert!(stored.len() < 1200, "{} bytes", stored.len());
        let read: StoredMap = serde_json::from_str(&stored).unwrap();
        let restored = OffsetMap::from(&read);
        assert_eq!(restored.stored(), read, "what is stored again loses nothing more");
        for n in 0..records {
            let (source, target) = places(n);
            let (held, loaded) = (map.translate(source).unwrap(), restored.translate(source).unwrap());
            assert!(loaded <= held && held <= target, "{n}: {loaded} {held} {target}");
            if records - n < 1000 {
                assert_eq!(held, target, "{n} is new");
            }
            if records - n < 50 {
                assert_eq!(loaded, target, "{n} is new");
            }
            // The rest is read again, at most half as much as there is behind it.
            assert!(target - loaded <= (records - n) / 2 + 8, "{n}: {loaded} for {target}");
        }
    }

    #[test]
    fn numbers_that_make_no_sense_end_a_stored_map() {
        let stored: StoredMap =
            serde_json::from_str(r#"{"whole":true,"runs":[[1,1,2],[0,-1,5],[1,1,1]]}"#).unwrap();
        assert_eq!(OffsetMap::from(&stored).runs, [Run { source: 1, target: 1, count: 2 }]);
        let stored: StoredMap =
            serde_json::from_str(&format!(r#"{{"whole":true,"runs":[[1,1,{}]]}}"#, i64::MAX)).unwrap();
        assert_eq!(OffsetMap::from(&stored).runs, []);
    }
}
