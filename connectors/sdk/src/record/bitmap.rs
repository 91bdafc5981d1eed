//! A packed list of booleans, least significant bit first, as the plugin contract carries it.

/// One bit per row. Bits past the end read as false.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bitmap {
    bytes: Vec<u8>,
    len: usize,
}

impl Bitmap {
    pub fn filled(len: usize, bit: bool) -> Bitmap {
        let fill = if bit { 0xff } else { 0 };
        Bitmap { bytes: vec![fill; len.div_ceil(8)], len }
    }

    /// Takes bits that came from outside; `None` when the bytes are not exactly those that `len` bits need.
    pub fn from_bytes(bytes: Vec<u8>, len: usize) -> Option<Bitmap> {
        (bytes.len() == len.div_ceil(8)).then_some(Bitmap { bytes, len })
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[inline]
    pub fn get(&self, index: usize) -> bool {
        index < self.len && self.bytes[index / 8] & (1 << (index % 8)) != 0
    }

    #[inline]
    pub fn push(&mut self, bit: bool) {
        if self.len.is_multiple_of(8) {
            self.bytes.push(0);
        }
        self.len += 1;
        if bit {
            self.set(self.len - 1, true);
        }
    }

    /// Sets one bit; an index past the end changes nothing.
    #[inline]
    pub fn set(&mut self, index: usize, bit: bool) {
        if index >= self.len {
            return;
        }
        let mask = 1 << (index % 8);
        match bit {
            true => self.bytes[index / 8] |= mask,
            false => self.bytes[index / 8] &= !mask,
        }
    }

    /// How many bits are set.
    pub fn count(&self) -> usize {
        let whole = self.len / 8;
        let bits: u32 = self.bytes[..whole].iter().map(|byte| byte.count_ones()).sum();
        bits as usize + (whole * 8..self.len).filter(|index| self.get(*index)).count()
    }

    /// The bits `from..to`, clamped.
    pub fn slice(&self, from: usize, to: usize) -> Bitmap {
        let mut slice = Bitmap::default();
        for index in from..to.min(self.len) {
            slice.push(self.get(index));
        }
        slice
    }
}
