//! For each key its newest offset, in a bounded table of fixed size.
//!
//! Keys are held as 128 bits of two keyed hashes (SipHash, keys new per map), so entries have one size and nobody can
//! prepare keys that meet; with a billion keys the chance of a meeting is below 10⁻²⁰. Open addressing, nothing is ever
//! removed.

use std::hash::{BuildHasher, RandomState};

const EMPTY: i64 = -1;

/// Bytes that one key takes.
pub const SLOT_BYTES: usize = std::mem::size_of::<Slot>();

#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: [u64; 2],
    offset: i64,
}

#[derive(Debug)]
pub struct KeyMap {
    slots: Vec<Slot>,
    used: usize,
    limit: usize,
    hashers: [RandomState; 2],
}

impl KeyMap {
    /// A table for up to `expected` keys that takes no more than `memory_bytes`, filled to `load_factor` at most.
    pub fn new(memory_bytes: usize, load_factor: f64, expected: u64) -> Self {
        let load_factor = load_factor.clamp(0.1, 0.95);
        let wanted = (expected as f64 / load_factor) as usize + 8;
        let count = wanted.min((memory_bytes / SLOT_BYTES).max(8));
        Self {
            slots: vec![Slot { hash: [0; 2], offset: EMPTY }; count],
            used: 0,
            limit: ((count as f64 * load_factor) as usize).max(1),
            hashers: [RandomState::new(), RandomState::new()],
        }
    }

    /// Notes that `key` occurs at `offset`, which is behind all before. False when a new key has no room any more.
    pub fn put(&mut self, key: &[u8], offset: i64) -> bool {
        let hash = self.hash(key);
        let at = self.find(hash);
        let Some(slot) = self.slots.get_mut(at) else { return false };
        if slot.offset == EMPTY {
            if self.used >= self.limit {
                return false;
            }
            self.used += 1;
        }
        *slot = Slot { hash, offset };
        true
    }

    /// The newest offset of `key` that was noted.
    pub fn get(&self, key: &[u8]) -> Option<i64> {
        let slot = self.slots.get(self.find(self.hash(key)))?;
        (slot.offset != EMPTY).then_some(slot.offset)
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        [self.hashers[0].hash_one(key), self.hashers[1].hash_one(key)]
    }

    /// The slot of a hash, or the empty one where it belongs. There is always an empty one: the limit is below the
    /// number of slots.
    fn find(&self, hash: [u64; 2]) -> usize {
        let count = self.slots.len();
        let mut at = ((u128::from(hash[0]) * count as u128) >> 64) as usize;
        for _ in 0..count {
            match self.slots.get(at) {
                Some(slot) if slot.offset != EMPTY && slot.hash != hash => at = (at + 1) % count,
                _ => break,
            }
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_offset_of_each_key_is_found_until_the_table_is_full() {
        let mut map = KeyMap::new(1000 * SLOT_BYTES, 0.9, u64::MAX / 2);
        for offset in 0..3000 {
            assert!(map.put(format!("key {}", offset % 900).as_bytes(), offset));
        }
        assert_eq!(map.used, 900);
        for key in 0..900 {
            let newest = (0..3000).rev().find(|offset| offset % 900 == key);
            assert_eq!(map.get(format!("key {key}").as_bytes()), newest);
        }
        assert_eq!(map.get(b"unknown"), None);
        assert!(!map.put(b"one more", 4000), "no room for another key");
        assert!(map.put(b"key 7", 4001), "but for one that is there");
        assert_eq!(map.get(b"key 7"), Some(4001));
    }

    #[test]
    fn a_small_range_takes_a_small_table() {
        assert!(KeyMap::new(128 << 20, 0.9, 10).slots.len() < 30);
        let mut tiny = KeyMap::new(0, 0.9, 1000);
        assert!(tiny.put(b"a", 1));
    }
}
