//! What time it is for `now()`: the machine's, unless a test of a pipeline has stopped the clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Means that the clock runs.
const RUNNING: i64 = i64::MIN;

static VIRTUAL_MS: AtomicI64 = AtomicI64::new(RUNNING);

/// Stops the clock of this process at a time in milliseconds since 1970, or lets it run again.
pub fn set_virtual(now_ms: Option<i64>) {
    VIRTUAL_MS.store(now_ms.unwrap_or(RUNNING), Ordering::Relaxed);
}

pub(super) fn now_ms() -> i64 {
    match VIRTUAL_MS.load(Ordering::Relaxed) {
        RUNNING => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
            i64::try_from(since).unwrap_or(i64::MAX)
        }
        stopped => stopped,
    }
}
