//! What each source and sink is doing: states and counters, for people, scripts and the run that waits for its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use millstream_sdk::error::ErrorClass;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;

use super::failure::{TaskError, TaskFailure};
use crate::plugin::resting;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Source,
    Sink,
}

/// What a task is doing. `Running` is said only of tasks that are not held up by an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskState {
    Starting,
    Running,
    /// A component of it was stopped for what it did, and is started again.
    Restarting,
    /// Waiting after an error that may pass by itself.
    Retrying,
    /// Waiting after an error that will not, or that went on for too long. It is tried again all the same.
    Failed,
    /// A bounded source, or one of its splits, is at its end and committed.
    Drained,
    /// A sink has committed everything it was asked to finish with.
    Finished,
    Stopped,
    /// Told to stand still for a while.
    Paused,
}

/// One source or sink.
#[derive(Debug, Clone, Serialize)]
pub struct TaskStatus {
    pub pipeline: String,
    pub node: String,
    pub role: Role,
    pub plugin: String,
    pub state: TaskState,
    /// What it promises: `exactly-once` for sources that have positions and for transactional sinks.
    pub delivery: String,
    /// Committed since the start: read by a source, taken by a sink.
    pub records: u64,
    pub bytes: u64,
    /// Dropped by filters and scripts.
    pub filtered: u64,
    pub skipped: u64,
    pub dead_letters: u64,
    pub restarts: u64,
    pub last_error: Option<String>,
    /// When what an error holds up is tried again, in milliseconds since 1970; `None` while it is being tried.
    pub next_attempt_ms: Option<u64>,
    /// Splits of a source by id, partitions of a sink as `topic-partition`.
    pub parts: BTreeMap<String, PartStatus>,
}

/// One split of a source or one partition of a sink.
#[derive(Debug, Clone, Serialize)]
pub struct PartStatus {
    /// What people call it.
    pub label: String,
    pub state: TaskState,
    /// How far it is committed.
    pub position: Option<String>,
    /// How much lies ahead of it, where that is known: bytes for a source, records for a sink.
    pub lag: Option<u64>,
}

/// What one transaction or flush adds to the counters once it is committed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    pub records: u64,
    pub bytes: u64,
    pub filtered: u64,
    pub skipped: u64,
    pub dead_letters: u64,
}

/// The status of one source or sink, shared by its tasks and those who look. A part is a split; a sink's task is one
/// part of its own.
#[derive(Clone)]
pub struct Cell {
    inner: Arc<Mutex<Inner>>,
    changed: watch::Sender<u64>,
}

struct Inner {
    status: TaskStatus,
    /// The parts that an error holds up now.
    held: BTreeMap<String, Held>,
    commits: BTreeMap<String, u64>,
    /// The finish request that a sink answered last.
    finished: u64,
}

struct Held {
    state: TaskState,
    failure: TaskFailure,
    /// When its next attempt begins.
    until: Instant,
}

impl Cell {
    pub fn new(status: TaskStatus, changed: watch::Sender<u64>) -> Cell {
        let inner = Inner { status, held: BTreeMap::new(), commits: BTreeMap::new(), finished: 0 };
        Cell { inner: Arc::new(Mutex::new(inner)), changed }
    }

    pub fn status(&self) -> TaskStatus {
        let inner = self.inner.lock();
        let mut status = inner.status.clone();
        // The worst error says how it is with the whole.
        if let Some(held) = inner.held.values().max_by_key(|held| held.state) {
            status.state = held.state;
            status.last_error = Some(held.failure.message.clone());
            status.next_attempt_ms = unix_ms(held.until);
        } else if matches!(status.state, TaskState::Starting | TaskState::Running)
            && let Some(resting) = resting(&status.pipeline, &status.node)
        {
            status.state = TaskState::Restarting;
            status.last_error = Some(resting.error);
            status.next_attempt_ms = unix_ms(resting.until);
        }
        status
    }

    /// The failure that holds a part up now, if it is one that waiting will hardly cure.
    pub fn failure(&self) -> Option<TaskFailure> {
        let inner = self.inner.lock();
        let failed = inner.held.values().find(|held| held.state == TaskState::Failed);
        failed.map(|held| held.failure.clone())
    }

    /// How often a part has committed: tells progress from a loop of errors.
    pub fn commits(&self, part: &str) -> u64 {
        self.inner.lock().commits.get(part).copied().unwrap_or(0)
    }

    pub fn set_state(&self, state: TaskState) {
        let before = std::mem::replace(&mut self.inner.lock().status.state, state);
        if before != state {
            self.announce();
        }
    }

    /// The task is gone on purpose: nothing holds it up any more.
    pub fn rest(&self, state: TaskState) {
        let mut inner = self.inner.lock();
        inner.held.clear();
        inner.status.state = state;
        for part in inner.status.parts.values_mut() {
            part.state = state;
            // Nobody looks how far it falls behind.
            part.lag = None;
        }
        drop(inner);
        self.announce();
    }

    /// The task begins anew; counters go on.
    pub fn reset(&self) {
        let mut inner = self.inner.lock();
        inner.status.parts.clear();
        inner.status.state = TaskState::Starting;
        drop(inner);
        self.announce();
    }

    pub fn update_part(&self, id: &str, update: impl FnOnce(&mut PartStatus)) {
        let mut inner = self.inner.lock();
        let part = inner.status.parts.entry(id.to_owned()).or_insert_with(|| PartStatus {
            label: id.to_owned(),
            state: TaskState::Starting,
            position: None,
            lag: None,
        });
        update(part);
    }

    /// A part has committed, and so nothing holds it up.
    pub fn committed(&self, part: &str, tally: Tally) {
        let mut inner = self.inner.lock();
        *inner.commits.entry(part.to_owned()).or_default() += 1;
        inner.held.remove(part);
        let status = &mut inner.status;
        status.records += tally.records;
        status.bytes += tally.bytes;
        status.filtered += tally.filtered;
        status.skipped += tally.skipped;
        status.dead_letters += tally.dead_letters;
    }

    /// Nothing holds the part up: it waits for more, or has ended.
    pub fn recovered(&self, part: &str) {
        self.inner.lock().held.remove(part);
    }

    /// A sink has committed everything up to what a request named.
    pub fn finished(&self, request: u64) {
        let mut inner = self.inner.lock();
        inner.finished = request;
        inner.status.state = TaskState::Finished;
        drop(inner);
        self.announce();
    }

    pub fn finished_request(&self) -> u64 {
        self.inner.lock().finished
    }

    /// Notes a failure and says in which state the part waits for its next attempt, which begins after `pause`.
    pub fn failed(
        &self,
        part: &str,
        error: &TaskError,
        attempt: u32,
        retries: u32,
        pause: Duration,
    ) -> TaskState {
        let mut inner = self.inner.lock();
        let passes = error.class().passes_by_itself() && attempt <= retries;
        let state = if passes { TaskState::Retrying } else { TaskState::Failed };
        let failure = error.of(&inner.status.node);
        inner.status.restarts += 1;
        inner.held.insert(part.to_owned(), Held { state, failure, until: Instant::now() + pause });
        drop(inner);
        self.announce();
        state
    }

    fn announce(&self) {
        self.changed.send_modify(|version| *version += 1);
    }
}

/// A moment to come, in milliseconds since 1970; `None` if it is over.
fn unix_ms(moment: Instant) -> Option<u64> {
    let left = moment.checked_duration_since(Instant::now())?;
    let since = (SystemTime::now() + left).duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

impl TaskFailure {
    /// Whether an edit or another right is needed.
    pub fn needs_a_person(&self) -> bool {
        matches!(self.class, ErrorClass::Config | ErrorClass::Auth)
    }
}
