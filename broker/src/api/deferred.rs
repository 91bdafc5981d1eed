//! Records of a fetch response that are read from their file while the response is sent.
//!
//! Responses are typed and hold records as bytes; what is to be read later is represented there by a stand-in of the
//! right length, a slice of one shared run of zeros that nobody looks at. Where the slice begins in the run tells which
//! range it stands for, whatever order the partitions end up in. Only the connection may ask for this: it puts the
//! ranges back in before a byte leaves.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::log::{FileRange, READ_LIMIT_BYTES};

/// Ranges of one response; partitions beyond are read at once.
const RANGES_LIMIT: usize = 4096;

/// Never written and never read, so it takes address space only.
static ZEROS: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![0; READ_LIMIT_BYTES + RANGES_LIMIT]));

/// The ranges of one response; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deferred {
    ranges: Arc<Mutex<Vec<FileRange>>>,
}

impl Deferred {
    /// Takes a range; the response carries the returned bytes in its place. `None` when there is no room for it.
    pub(crate) fn put(&self, range: FileRange) -> Option<Bytes> {
        let mut ranges = self.ranges.lock();
        let (number, len) = (ranges.len(), range.len());
        if number >= RANGES_LIMIT || len > READ_LIMIT_BYTES || len == 0 {
            return None;
        }
        ranges.push(range);
        Some(ZEROS.slice(number..number + len))
    }

    /// Forgets all ranges: the response is made anew.
    pub(crate) fn clear(&self) {
        self.ranges.lock().clear();
    }

    /// The range that these bytes of the response stand for.
    pub(crate) fn range_of(&self, bytes: &Bytes) -> Option<FileRange> {
        let ranges = self.ranges.lock();
        if ranges.is_empty() || bytes.is_empty() {
            return None;
        }
        let number = (bytes.as_ptr() as usize).checked_sub(ZEROS.as_ptr() as usize)?;
        ranges.get(number).filter(|range| range.len() == bytes.len()).cloned()
    }
}
