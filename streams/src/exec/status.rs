//! What a running query says about itself.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::event_time::BEGINNING;

/// What a query is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryState {
    /// Taking over, finding positions, restoring state.
    Starting,
    Running,
    /// Failed; starts again by itself after a pause. `last_error` says why.
    Restarting,
    /// Waits for `RESUME`.
    Paused,
    Stopped,
}

impl QueryState {
    pub fn name(self) -> &'static str {
        match self {
            QueryState::Starting => "starting",
            QueryState::Running => "running",
            QueryState::Restarting => "restarting",
            QueryState::Paused => "paused",
            QueryState::Stopped => "stopped",
        }
    }
}

/// A query at one moment. Counts start at zero with the process; those of work that was not committed and is done again
/// are counted again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryStatus {
    pub name: String,
    pub state: QueryState,
    /// Rows read and understood.
    pub rows_in: u64,
    pub rows_out: u64,
    /// Rows dropped because their window was closed.
    pub late_rows: u64,
    /// Records that could not be read and were left out.
    pub bad_rows: u64,
    /// Transactions committed.
    pub commits: u64,
    /// The watermark that windows were last closed by, milliseconds since 1970; `None` before the first.
    pub watermark_ms: Option<i64>,
    /// Records of the input that are not read yet, over all partitions.
    pub lag_records: i64,
    /// Records of the changelog that are not read yet, while the query starts.
    pub restore_lag_records: i64,
    pub restarts: u64,
    pub last_error: Option<String>,
}

impl QueryStatus {
    /// Of a query that was never started here.
    pub(crate) fn not_started(name: &str) -> QueryStatus {
        StatusCells::new(name).snapshot()
    }
}

/// The shared cells behind [`QueryStatus`].
#[derive(Debug)]
pub(crate) struct StatusCells {
    name: String,
    state: AtomicU8,
    pub rows_in: AtomicU64,
    pub rows_out: AtomicU64,
    pub late_rows: AtomicU64,
    pub bad_rows: AtomicU64,
    pub commits: AtomicU64,
    pub watermark_us: AtomicI64,
    pub lag_records: AtomicI64,
    pub restore_lag_records: AtomicI64,
    pub restarts: AtomicU64,
    last_error: Mutex<Option<String>>,
}

const STATES: [QueryState; 5] = [
    QueryState::Starting,
    QueryState::Running,
    QueryState::Restarting,
    QueryState::Paused,
    QueryState::Stopped,
];

impl StatusCells {
    pub fn new(name: &str) -> StatusCells {
        StatusCells {
            name: name.to_owned(),
            state: AtomicU8::new(0),
            rows_in: AtomicU64::new(0),
            rows_out: AtomicU64::new(0),
            late_rows: AtomicU64::new(0),
            bad_rows: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            watermark_us: AtomicI64::new(BEGINNING),
            lag_records: AtomicI64::new(0),
            restore_lag_records: AtomicI64::new(0),
            restarts: AtomicU64::new(0),
            last_error: Mutex::new(None),
        }
    }

    pub fn set_state(&self, state: QueryState) {
        let index = STATES.iter().position(|known| *known == state).unwrap_or(0);
        self.state.store(index as u8, Ordering::Relaxed);
    }

    pub fn set_error(&self, error: String) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub fn snapshot(&self) -> QueryStatus {
        let watermark_us = self.watermark_us.load(Ordering::Relaxed);
        QueryStatus {
            name: self.name.clone(),
            state: STATES[usize::from(self.state.load(Ordering::Relaxed)) % STATES.len()],
            rows_in: self.rows_in.load(Ordering::Relaxed),
            rows_out: self.rows_out.load(Ordering::Relaxed),
            late_rows: self.late_rows.load(Ordering::Relaxed),
            bad_rows: self.bad_rows.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
            watermark_ms: (watermark_us != BEGINNING).then(|| watermark_us.div_euclid(1_000)),
            lag_records: self.lag_records.load(Ordering::Relaxed),
            restore_lag_records: self.restore_lag_records.load(Ordering::Relaxed),
            restarts: self.restarts.load(Ordering::Relaxed),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
