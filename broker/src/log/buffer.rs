//! Read buffers that come back: a fetch reads into one, hands it out as `Bytes`, and the last holder's drop returns it.
//!
//! Recycling saves the page faults and the zeroing of a fresh megabyte per fetch. What is kept idle is bounded by
//! [`IDLE_BUFFER_LIMIT_BYTES`]; what is lent out is bounded by the callers' fetch limits.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// Most bytes that the pool keeps for later.
pub const IDLE_BUFFER_LIMIT_BYTES: usize = 8 * 1024 * 1024;
/// The smallest buffer; smaller wishes get this.
const SMALLEST_BUFFER_BYTES: usize = 4 * 1024;
/// Buffers above this are not kept: they come from oversized batches.
const LARGEST_KEPT_BYTES: usize = 4 * 1024 * 1024;

/// A cheap handle to one pool.
#[derive(Debug, Clone, Default)]
pub struct BufferPool {
    idle: Arc<Mutex<Idle>>,
}

/// Buffers by ascending size; every byte of each is initialised.
#[derive(Debug, Default)]
struct Idle {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl BufferPool {
    /// A buffer of at least `size` bytes with unspecified (old) content.
    pub fn take(&self, size: usize) -> PooledBuffer {
        let wanted = size.next_power_of_two().max(SMALLEST_BUFFER_BYTES);
        let bytes = {
            let mut idle = self.idle.lock();
            let at = idle.buffers.partition_point(|buffer| buffer.len() < wanted);
            // One up to four times too large is still better than a fresh one.
            if idle.buffers.get(at).is_some_and(|buffer| buffer.len() <= wanted * 4) {
                let buffer = idle.buffers.remove(at);
                idle.bytes -= buffer.len();
                Some(buffer)
            } else {
                None
            }
        };
        PooledBuffer { bytes: bytes.unwrap_or_else(|| vec![0; wanted]), pool: self.clone() }
    }

    fn give_back(&self, buffer: Vec<u8>) {
        if buffer.len() > LARGEST_KEPT_BYTES || buffer.is_empty() {
            return;
        }
        let mut idle = self.idle.lock();
        if idle.bytes + buffer.len() <= IDLE_BUFFER_LIMIT_BYTES {
            let at = idle.buffers.partition_point(|other| other.len() < buffer.len());
            idle.bytes += buffer.len();
            idle.buffers.insert(at, buffer);
        }
    }
}

/// A buffer on loan; dropping it, or the last `Bytes` made of it, returns it to its pool.
#[derive(Debug)]
pub struct PooledBuffer {
    bytes: Vec<u8>,
    pool: BufferPool,
}

impl PooledBuffer {
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The first `size` bytes as a shared slice.
    pub fn freeze(self, size: usize) -> Bytes {
        Bytes::from_owner(self).slice(..size)
    }
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_slice_returns_its_buffer() {
        let pool = BufferPool::default();
        let mut buffer = pool.take(5000);
        buffer.as_mut_slice()[..3].copy_from_slice(b"abc");
        let address = buffer.as_ref().as_ptr();
        let shared = buffer.freeze(3);
        let other = shared.clone();
        drop(shared);
        assert_eq!(&other[..], b"abc");
        drop(other);
        assert_eq!(pool.take(6000).as_ref().as_ptr(), address);
    }

    #[test]
    fn idle_bytes_stay_below_the_limit() {
        let pool = BufferPool::default();
        let lent: Vec<_> = (0..20).map(|_| pool.take(1 << 20)).collect();
        drop(lent);
        assert!(pool.idle.lock().bytes <= IDLE_BUFFER_LIMIT_BYTES);
    }
}
