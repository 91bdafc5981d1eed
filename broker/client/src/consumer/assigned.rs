//! What a consumer and its fetching task share: assigned partitions, and pieces fetched but not yet polled.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{ConsumeError, Fetched, Isolation, Start};
use crate::topic::TopicPartition;

/// Pieces of one partition that may wait to be polled: one being worked on, one ready, one on its way.
pub(crate) const PIECES_PER_PARTITION_MAX: usize = 2;

pub(crate) struct Shared {
    state: Mutex<State>,
    /// Wakes the fetching task.
    pub(crate) work: Notify,
    /// Wakes whoever polls.
    pub(crate) news: Notify,
}

#[derive(Default)]
struct State {
    partitions: HashMap<TopicPartition, Assigned>,
    pieces: VecDeque<Piece>,
    buffered_bytes: usize,
    errors: VecDeque<ConsumeError>,
    next_epoch: u64,
}

struct Assigned {
    /// Changes with every seek, so that what was asked for before is recognised and dropped.
    epoch: u64,
    fetch_from: Position,
    /// The next offset to hand out.
    position: Option<i64>,
    /// Where the readable records ended, as last heard.
    known_end: Option<i64>,
    is_paused: bool,
    pieces: usize,
    retry_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Position {
    At(i64),
    Unresolved(Start),
    /// A failure was reported; only a seek goes on.
    Failed,
}

struct Piece {
    bytes: usize,
    fetched: Fetched,
}

/// A partition to fetch or look up, as of one moment.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) place: TopicPartition,
    pub(crate) epoch: u64,
    pub(crate) want: Want,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Want {
    Fetch {
        offset: i64,
    },
    Resolve(Start),
    /// Its buffer is full: nothing now, soon something.
    Later,
}

impl Shared {
    pub(crate) fn new() -> Shared {
        Shared { state: Mutex::new(State::default()), work: Notify::new(), news: Notify::new() }
    }

    pub(crate) fn add(&self, place: TopicPartition, start: Start) {
        let mut state = self.state.lock();
        state.drop_pieces(&place);
        let epoch = state.next_epoch;
        state.next_epoch += 1;
        let assigned = Assigned {
            epoch,
            fetch_from: from_start(start),
            position: at(from_start(start)),
            known_end: None,
            is_paused: false,
            pieces: 0,
            retry_at: None,
        };
        state.partitions.insert(place, assigned);
        drop(state);
        self.work.notify_one();
    }

    pub(crate) fn remove(&self, place: &TopicPartition) {
        let mut state = self.state.lock();
        state.partitions.remove(place);
        state.drop_pieces(place);
    }

    pub(crate) fn assignment(&self) -> Vec<TopicPartition> {
        let mut places: Vec<TopicPartition> = self.state.lock().partitions.keys().cloned().collect();
        places.sort();
        places
    }

    /// False when the partition is not assigned.
    pub(crate) fn seek(&self, place: &TopicPartition, start: Start) -> bool {
        let is_paused = match self.state.lock().partitions.get(place) {
            Some(assigned) => assigned.is_paused,
            None => return false,
        };
        self.add(place.clone(), start);
        self.set_paused(place, is_paused);
        true
    }

    pub(crate) fn position(&self, place: &TopicPartition) -> Option<i64> {
        self.state.lock().partitions.get(place)?.position
    }

    pub(crate) fn known_end(&self, place: &TopicPartition) -> Option<i64> {
        self.state.lock().partitions.get(place)?.known_end
    }

    pub(crate) fn set_paused(&self, place: &TopicPartition, is_paused: bool) {
        if let Some(assigned) = self.state.lock().partitions.get_mut(place) {
            assigned.is_paused = is_paused;
        }
        self.work.notify_one();
        self.news.notify_one();
    }

    /// The next piece or error, if there is one.
    pub(crate) fn take(&self) -> Option<Result<Fetched, ConsumeError>> {
        let mut state = self.state.lock();
        if let Some(error) = state.errors.pop_front() {
            return Some(Err(error));
        }
        let State { partitions, pieces, .. } = &*state;
        let is_ready =
            |piece: &Piece| partitions.get(&piece.fetched.place).is_some_and(|assigned| !assigned.is_paused);
        let position = pieces.iter().position(is_ready)?;
        let piece = state.pieces.remove(position)?;
        state.buffered_bytes = state.buffered_bytes.saturating_sub(piece.bytes);
        if let Some(assigned) = state.partitions.get_mut(&piece.fetched.place) {
            assigned.pieces = assigned.pieces.saturating_sub(1);
            assigned.position = Some(piece.fetched.next_offset);
        }
        drop(state);
        self.work.notify_one();
        Some(Ok(piece.fetched))
    }

    /// What is to be done now, and when the next partition that waits after a failure may be tried.
    pub(crate) fn tasks(&self, now: Instant, prefetch_bytes: usize) -> (Vec<Task>, Option<Instant>) {
        let state = self.state.lock();
        let mut tasks = Vec::with_capacity(state.partitions.len());
        let mut next_retry: Option<Instant> = None;
        let is_full = state.buffered_bytes >= prefetch_bytes;
        for (place, assigned) in &state.partitions {
            if assigned.is_paused {
                continue;
            }
            if let Some(retry_at) = assigned.retry_at.filter(|at| *at > now) {
                next_retry = Some(next_retry.map_or(retry_at, |known| known.min(retry_at)));
                continue;
            }
            let has_room = assigned.pieces < PIECES_PER_PARTITION_MAX && !is_full;
            let want = match assigned.fetch_from {
                Position::Failed => continue,
                Position::Unresolved(start) => Want::Resolve(start),
                Position::At(offset) if has_room => Want::Fetch { offset },
                Position::At(_) => Want::Later,
            };
            tasks.push(Task { place: place.clone(), epoch: assigned.epoch, want });
        }
        (tasks, next_retry)
    }

    /// A start was looked up.
    pub(crate) fn resolve(&self, place: &TopicPartition, epoch: u64, offset: i64) {
        if let Some(assigned) = self.state.lock().current(place, epoch) {
            assigned.fetch_from = Position::At(offset);
            assigned.position = Some(offset);
            assigned.retry_at = None;
        }
    }

    /// Starts over from a place that must be looked up.
    pub(crate) fn unresolve(&self, place: &TopicPartition, epoch: u64, start: Start) {
        if let Some(assigned) = self.state.lock().current(place, epoch) {
            assigned.fetch_from = Position::Unresolved(start);
        }
    }

    /// Leaves the partition alone for a while.
    pub(crate) fn retry_later(&self, place: &TopicPartition, epoch: u64, wait: Duration) {
        if let Some(assigned) = self.state.lock().current(place, epoch) {
            assigned.retry_at = Some(Instant::now() + wait);
        }
    }

    /// Reports a failure that only the caller can deal with.
    pub(crate) fn fail(&self, place: &TopicPartition, epoch: u64, error: ConsumeError) {
        let mut state = self.state.lock();
        let Some(assigned) = state.current(place, epoch) else { return };
        assigned.fetch_from = Position::Failed;
        state.errors.push_back(error);
        drop(state);
        self.news.notify_one();
    }

    /// Takes a fetched piece in, unless the partition was sought or removed meanwhile.
    pub(crate) fn deliver(&self, epoch: u64, asked_offset: i64, isolation: Isolation, fetched: Fetched) {
        let mut state = self.state.lock();
        let Some(assigned) = state.current(&fetched.place, epoch) else { return };
        assigned.retry_at = None;
        assigned.known_end = Some(match isolation {
            Isolation::ReadCommitted if fetched.last_stable_offset >= 0 => fetched.last_stable_offset,
            _ => fetched.high_watermark,
        });
        if assigned.fetch_from != Position::At(asked_offset) || fetched.next_offset <= asked_offset {
            return;
        }
        assigned.fetch_from = Position::At(fetched.next_offset);
        assigned.pieces += 1;
        let bytes = fetched.batches.iter().map(|batch| batch.bytes().len()).sum();
        state.buffered_bytes += bytes;
        state.pieces.push_back(Piece { bytes, fetched });
        drop(state);
        self.news.notify_one();
    }
}

impl State {
    fn current(&mut self, place: &TopicPartition, epoch: u64) -> Option<&mut Assigned> {
        self.partitions.get_mut(place).filter(|assigned| assigned.epoch == epoch)
    }

    fn drop_pieces(&mut self, place: &TopicPartition) {
        let mut freed = 0;
        self.pieces.retain(|piece| {
            let is_kept = piece.fetched.place != *place;
            freed += if is_kept { 0 } else { piece.bytes };
            is_kept
        });
        self.buffered_bytes = self.buffered_bytes.saturating_sub(freed);
        if let Some(assigned) = self.partitions.get_mut(place) {
            assigned.pieces = 0;
        }
    }
}

fn from_start(start: Start) -> Position {
    match start {
        Start::Offset(offset) => Position::At(offset),
        other => Position::Unresolved(other),
    }
}

fn at(position: Position) -> Option<i64> {
    match position {
        Position::At(offset) => Some(offset),
        Position::Unresolved(_) | Position::Failed => None,
    }
}
