//! Group commit: one thread per log folder forces appended data to disk.
//!
//! A partition with something to flush stands in the queue once. The thread takes the whole queue, flushes, and
//! meanwhile everything that arrives waits for the next round; so an append is acknowledged by a flush that began after
//! its write, and one flush serves all who wrote before it. Rounds with several partitions flush them side by side, as
//! file systems merge the journal commits of concurrent flushes: two files one after the other take 7.5 ms here, side by
//! side 2 (ext4, virtual disk).

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::partition::Partition;

/// Most flushes in flight inside one round.
const PARALLEL_FLUSHES: usize = 8;

/// Partitions that wait for a flush, now or by a deadline.
#[derive(Debug, Default)]
pub struct FlushQueue {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    due: Vec<Arc<Partition>>,
    later: BTreeMap<(Instant, u64), Arc<Partition>>,
    next_ticket: u64,
    stopping: bool,
}

impl FlushQueue {
    /// Has the partition flushed in the next round.
    pub fn push(&self, partition: Arc<Partition>) {
        let mut state = self.state.lock();
        state.due.push(partition);
        self.wake.notify_one();
    }

    /// Has the partition flushed after `delay`.
    pub fn push_later(&self, partition: Arc<Partition>, delay: Duration) {
        let mut state = self.state.lock();
        state.next_ticket += 1;
        let key = (Instant::now() + delay, state.next_ticket);
        state.later.insert(key, partition);
        self.wake.notify_one();
    }

    pub fn stop(&self) {
        self.state.lock().stopping = true;
        self.wake.notify_all();
    }

    /// The flusher's loop, until stopped. What is still queued then is the closing code's business.
    pub fn run(&self) {
        while let Some(round) = self.next_round() {
            flush_all(&round);
        }
    }

    /// Flushes everything that waits, deadlines or not.
    pub fn flush_now(&self) {
        let round = {
            let mut state = self.state.lock();
            let mut round = mem::take(&mut state.due);
            round.extend(mem::take(&mut state.later).into_values());
            round
        };
        flush_all(&round);
    }

    /// Waits for the next partitions to flush; `None` once stopped.
    fn next_round(&self) -> Option<Vec<Arc<Partition>>> {
        let mut state = self.state.lock();
        loop {
            if state.stopping {
                state.due.clear();
                state.later.clear();
                return None;
            }
            let now = Instant::now();
            let still_later = state.later.split_off(&(now, u64::MAX));
            let ripe = mem::replace(&mut state.later, still_later);
            state.due.extend(ripe.into_values());
            if !state.due.is_empty() {
                return Some(mem::take(&mut state.due));
            }
            match state.later.first_key_value() {
                Some((&(deadline, _), _)) => {
                    self.wake.wait_until(&mut state, deadline);
                }
                None => self.wake.wait(&mut state),
            }
        }
    }
}

fn flush_all(round: &[Arc<Partition>]) {
    in_parallel(round, PARALLEL_FLUSHES, |partition| partition.flush());
}

/// Runs over all items on up to `threads` threads, the caller's among them, and returns when all are done.
pub(super) fn in_parallel<T: Sync>(items: &[T], threads: usize, run: impl Fn(&T) + Sync) {
    if threads <= 1 || items.len() <= 1 {
        return items.iter().for_each(run);
    }
    let share = items.len().div_ceil(threads);
    let (own, others) = items.split_at(share);
    thread::scope(|scope| {
        for part in others.chunks(share) {
            let run = &run;
            scope.spawn(move || part.iter().for_each(run));
        }
        own.iter().for_each(&run);
    });
}
