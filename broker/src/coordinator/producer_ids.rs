//! Producer ids: each node hands out ids of blocks that the cluster's metadata gave it, so that no id is given twice.
//!
//! A block that a stopped node had not used up is lost; there are 2^63 ids.

/// Ids of the current block and of the one fetched ahead of need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProducerIds {
    next: i64,
    end: i64,
    following: Option<(i64, i64)>,
}

/// Ask for the next block when fewer ids than this are left, so that producers rarely wait for metadata.
const LOW_WATER: i64 = 100;

impl ProducerIds {
    /// Takes the next id; `None` until a block was added.
    pub fn take(&mut self) -> Option<i64> {
        if self.next == self.end {
            (self.next, self.end) = self.following.take()?;
        }
        let id = self.next;
        self.next += 1;
        Some(id)
    }

    /// Whether the owner should have metadata allocate a block now.
    pub fn wants_block(&self) -> bool {
        self.following.is_none() && self.end - self.next < LOW_WATER
    }

    /// Adds the block `first..first + count`, as metadata allocated it.
    pub fn add_block(&mut self, first: i64, count: i32) {
        let block = (first, first.saturating_add(i64::from(count.max(0))));
        if self.next == self.end && self.following.is_none() {
            (self.next, self.end) = block;
        } else if self.following.is_none() {
            self.following = Some(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_from_blocks_in_order_and_never_twice() {
        let mut ids = ProducerIds::default();
        assert!(ids.wants_block());
        assert_eq!(ids.take(), None);
        ids.add_block(1000, 2);
        assert!(ids.wants_block(), "two left is low");
        ids.add_block(5000, 1000);
        assert!(!ids.wants_block());
        let taken: Vec<_> = (0..3).filter_map(|_| ids.take()).collect();
        assert_eq!(taken, [1000, 1001, 5000]);
    }
}
