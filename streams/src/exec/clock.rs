//! What `now()` says: one time for all rows of a commit, so that rows that leave together agree, and a commit that is done
//! again is done with a time of its own.

use std::cell::Cell;

thread_local! {
    static NOW_US: Cell<Option<i64>> = const { Cell::new(None) };
}

/// From here on that is the time, on this thread.
pub(crate) fn pin(now_us: i64) {
    NOW_US.set(Some(now_us));
}

/// Microseconds since 1970: what was pinned, or the system's time where nothing was.
pub(crate) fn now_us() -> i64 {
    NOW_US.get().unwrap_or_else(system_us)
}

pub(crate) fn system_us() -> i64 {
    chrono::Utc::now().timestamp_micros()
}
