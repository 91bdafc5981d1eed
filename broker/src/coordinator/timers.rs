//! Deadlines by key, earliest first: what a coordinator has to do later, as data.

use std::collections::{BTreeMap, BTreeSet};

/// One deadline per key; setting it again moves it.
#[derive(Debug, Clone)]
pub struct Timers<K: Ord + Clone> {
    deadline_ms: BTreeMap<K, i64>,
    queue: BTreeSet<(i64, K)>,
}

impl<K: Ord + Clone> Default for Timers<K> {
    fn default() -> Self {
        Timers { deadline_ms: BTreeMap::new(), queue: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Timers<K> {
    pub fn set(&mut self, key: K, at_ms: i64) {
        if let Some(before_ms) = self.deadline_ms.insert(key.clone(), at_ms) {
            self.queue.remove(&(before_ms, key.clone()));
        }
        self.queue.insert((at_ms, key));
    }

    pub fn cancel(&mut self, key: &K) {
        if let Some(at_ms) = self.deadline_ms.remove(key) {
            self.queue.remove(&(at_ms, key.clone()));
        }
    }

    /// When the earliest deadline falls due.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.queue.first().map(|(at_ms, _)| *at_ms)
    }

    /// Takes the earliest key whose deadline is not after `now_ms`.
    pub fn pop_due(&mut self, now_ms: i64) -> Option<K> {
        if self.next_deadline_ms()? > now_ms {
            return None;
        }
        let (_, key) = self.queue.pop_first()?;
        self.deadline_ms.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_setting_of_a_key_counts() {
        let mut timers = Timers::default();
        timers.set("a", 10);
        timers.set("b", 5);
        timers.set("a", 3);
        timers.cancel(&"b");
        assert_eq!(timers.next_deadline_ms(), Some(3));
        assert_eq!(timers.pop_due(2), None);
        assert_eq!(timers.pop_due(3), Some("a"));
        assert_eq!(timers.pop_due(100), None);
    }
}
