//! How fast compaction may read and write, and whether it must stop.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::pass::PassError;

/// Bytes between two looks at the clock and at whether to stop.
const LOOK_EVERY_BYTES: u64 = 256 << 10;

/// Shared by all of a folder's cleaner threads.
#[derive(Debug)]
pub struct Pace {
    /// `log.cleaner.io.max.bytes.per.second`
    bytes_per_second: f64,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug)]
struct State {
    is_stopping: bool,
    since_look: u64,
    /// When all bytes spent so far may have been spent at the earliest.
    paid_until: Instant,
}

impl Pace {
    pub fn new(bytes_per_second: f64) -> Self {
        let state = State { is_stopping: false, since_look: 0, paid_until: Instant::now() };
        Self { bytes_per_second, state: Mutex::new(state), wake: Condvar::new() }
    }

    /// Counts bytes read or written; waits when they came too fast.
    pub fn spend(&self, bytes: u64) -> Result<(), PassError> {
        let mut state = self.state.lock();
        if state.is_stopping {
            return Err(PassError::GivenUp("the node stops"));
        }
        state.since_look += bytes;
        if state.since_look < LOOK_EVERY_BYTES {
            return Ok(());
        }
        let spent = std::mem::take(&mut state.since_look);
        if self.bytes_per_second >= f64::from(u32::MAX) * 1024.0 {
            return Ok(());
        }
        let cost = Duration::try_from_secs_f64(spent as f64 / self.bytes_per_second.max(1.0));
        let cost = cost.unwrap_or(Duration::from_secs(3600));
        let due = state.paid_until.max(Instant::now()) + cost;
        state.paid_until = due;
        while Instant::now() < due && !state.is_stopping {
            self.wake.wait_until(&mut state, due);
        }
        if state.is_stopping { Err(PassError::GivenUp("the node stops")) } else { Ok(()) }
    }

    /// Waits between two rounds; false when it is time to stop.
    pub fn rest(&self, pause: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.is_stopping {
            self.wake.wait_for(&mut state, pause);
        }
        !state.is_stopping
    }

    pub fn stop(&self) {
        self.state.lock().is_stopping = true;
        self.wake.notify_all();
    }
}
