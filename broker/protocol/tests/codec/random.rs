//! A seeded source of test values; the same seed gives the same values everywhere.

/// Steps of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
pub struct Random {
    state: u64,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.state;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A number from 0 up to but without `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn chance(&mut self) -> bool {
        self.below(2) == 0
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }

    pub fn text(&mut self) -> String {
        const CHARACTERS: [char; 8] = ['a', 'Z', '0', '.', '-', 'é', '漢', '🦀'];
        let length = self.below(9);
        (0..length).map(|_| CHARACTERS[self.below(CHARACTERS.len())]).collect()
    }
}
