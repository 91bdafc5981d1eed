//! The task of a query: poll, decode, operate, write; and every commit interval one transaction with the outputs, the
//! state's changes and the positions.
//!
//! Nothing of a task outlives it but what was committed: a task that fails is dropped whole, and its successor starts
//! from the last commit.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::QueryError;
use super::clock;
use super::engine::{BadRecords, InputEnds};
use super::event_time::END;
use super::graph::Dataflow;
use super::link::{self, Change, Link, Piece};
use super::positions::Positions;
use super::status::{QueryState, StatusCells};
use super::worker::Gave;
use crate::format::RowError;
use crate::plan::{NodeId, QueryPlan};
use crate::sql::catalog::OnError;
use crate::state::store::{QueryStore, StateDatabase, StoreError};

/// A task looks up from its input at least this often: for stop, finish, and partitions gone idle.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Most workers of a query: a virtual node is not cut.
pub const PARALLELISM_MAX: usize = 128;

/// Records that several workers take in one round; a piece may bring it beyond.
const ROUND_RECORDS_MAX: i64 = 65_536;

/// Records of a partition in one round; the batch that reaches it goes along whole. What one round gives and changes is
/// in memory beside the state.
const PIECE_RECORDS: i64 = 16_384;

/// Rows that one transaction may carry before it is committed early.
pub(crate) const TRANSACTION_ROWS_MAX: u64 = 1_000_000;

/// What is committed goes to the copy on disk at most this much later: so much of the changelog a start reads.
const STORE_INTERVAL: Duration = Duration::from_secs(1);

/// What the task is told to do. The newest word counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orders {
    pub stop: bool,
    pub finish: Option<Finish>,
}

/// Read up to these offsets (by partition), close all windows, commit.
#[derive(Debug, Clone)]
pub(crate) struct Finish {
    pub number: u64,
    pub ends: Arc<InputEnds>,
}

pub(crate) struct TaskConfig {
    pub commit_interval: Duration,
    /// Rows that bring a commit before its time.
    pub commit_rows_max: u64,
    pub idle_timeout: Option<Duration>,
    pub bad_records: BadRecords,
    /// Where state is kept that does not fit into memory.
    pub state: Option<StateDatabase>,
    /// Workers.
    pub parallelism: usize,
}

pub(crate) struct Task<'a> {
    plan: &'a Arc<QueryPlan>,
    config: &'a TaskConfig,
    status: &'a StatusCells,
    link: &'a mut dyn Link,
    dataflow: Dataflow,
    positions: Positions,
    /// The copy of the changelog on disk; without one, state is in memory alone.
    store: Option<QueryStore>,
    /// When what waits for the copy is written; `None` if nothing does.
    store_due: Option<Instant>,
    flush: Option<JoinHandle<Result<(), StoreError>>>,
    started: Instant,
    /// When the transaction with what was done since the last commit is due; `None` if nothing was done.
    commit_due: Option<Instant>,
    rows_since_commit: u64,
    finished: u64,
    /// Tables that rows are looked up in.
    looked_up: Vec<NodeId>,
    /// Inputs that wait for them.
    held: Vec<usize>,
    /// What was polled and is for later rounds; of one partition in order.
    polled: VecDeque<Piece>,
    /// How many of the outputs are results.
    results: usize,
}

/// Runs until told to stop. `finished` takes the number of the last [`Finish`] that is committed.
pub(crate) async fn run(
    plan: &Arc<QueryPlan>,
    config: &TaskConfig,
    status: &StatusCells,
    link: &mut dyn Link,
    orders: &watch::Receiver<Orders>,
    finished: &watch::Sender<u64>,
) -> Result<(), QueryError> {
    let mut stopped = orders.clone();
    // Nothing is done before the task is open, so it may be dropped while it waits for a cluster that is away.
    let mut task = tokio::select! {
        opened = Task::open(plan, config, status, link) => opened?,
        _ = stopped.wait_for(|orders| orders.stop) => return Ok(()),
    };
    task.finished = *finished.borrow();
    status.set_state(QueryState::Running);
    loop {
        let order = orders.borrow().clone();
        if order.stop {
            return task.close().await;
        }
        task.step().await?;
        if let Some(finish) = order.finish
            && finish.number > task.finished
            && task.positions.have_reached(plan, &finish.ends)
        {
            task.finish().await?;
            task.finished = finish.number;
            finished.send_replace(finish.number);
        }
    }
}

fn open_store(plan: &QueryPlan, config: &TaskConfig) -> Result<QueryStore, QueryError> {
    match &config.state {
        Some(database) if plan.is_stateful() => Ok(database.query(&plan.changelog_topic())?),
        _ => Ok(QueryStore::in_memory()),
    }
}

impl<'a> Task<'a> {
    async fn open(
        plan: &'a Arc<QueryPlan>,
        config: &'a TaskConfig,
        status: &'a StatusCells,
        link: &'a mut dyn Link,
    ) -> Result<Task<'a>, QueryError> {
        let started = Instant::now();
        let inputs = link.open().await?;
        let mut dataflow = Dataflow::new(plan.clone(), config.parallelism.clamp(1, PARALLELISM_MAX))?;
        let mut store = open_store(plan, config)?;
        if plan.is_stateful() {
            let left = |records| status.restore_lag_records.store(records, Ordering::Relaxed);
            link.changelog(&mut store, &left).await?;
        }
        let mut positions = Positions::restore(plan, config.idle_timeout, inputs)?;
        dataflow.restore(&store, &positions.times()).map_err(|error| QueryError::State {
            topic: plan.changelog_topic(),
            reason: error.to_string(),
        })?;
        positions.note_drained();
        let store = store.is_on_disk().then_some(store);
        let task = Task {
            plan,
            config,
            status,
            link,
            dataflow,
            positions,
            store,
            store_due: None,
            flush: None,
            started,
            commit_due: None,
            rows_since_commit: 0,
            finished: 0,
            looked_up: plan.graph.looked_up(),
            held: Vec::new(),
            polled: VecDeque::new(),
            results: plan.output_topics().len() - plan.side_topics().len(),
        };
        task.report();
        Ok(task)
    }

    /// One piece of input, or a look at the clock.
    async fn step(&mut self) -> Result<(), QueryError> {
        let wait = match self.commit_due {
            Some(due) => due.saturating_duration_since(Instant::now()).min(LOOK_UP),
            None => LOOK_UP,
        };
        let held = self.positions.held(&self.looked_up);
        if held != self.held {
            self.link.hold(&held);
            self.held = held;
        }
        if let Some(piece) = self.poll(wait).await? {
            let pieces = self.gather(piece).await?;
            self.process(pieces).await?;
        }
        let now_ms = self.now_ms();
        if let Some(watermarks) = self.positions.advance_sources(now_ms) {
            self.begin();
            let gave = self.dataflow.watermark(&watermarks)?;
            self.take(gave).await?;
            self.report();
        }
        let due = self.commit_due.is_some_and(|due| due <= Instant::now());
        if self.store_due.is_some_and(|due| due <= Instant::now()) {
            self.keep(Vec::new(), None).await?;
        }
        let presses =
            self.store.as_ref().and_then(QueryStore::budget).is_some_and(|memory| memory.is_pressing());
        if due || presses || self.rows_since_commit >= self.config.commit_rows_max {
            self.commit().await?;
        }
        Ok(())
    }

    /// The next records of a partition that need not wait, not too many.
    async fn poll(&mut self, wait: Duration) -> Result<Option<Piece>, QueryError> {
        let known = self.polled.iter().position(|piece| !self.held.contains(&piece.input));
        let found = match known.and_then(|place| self.polled.remove(place)) {
            Some(piece) => Some(piece),
            None => self.link.poll(wait).await?,
        };
        let Some((piece, rest)) = found.map(|piece| piece.split(PIECE_RECORDS)) else { return Ok(None) };
        if let Some(rest) = rest {
            self.polled.push_front(rest);
        }
        Ok(Some(piece))
    }

    /// What else is there already, so that every worker has something to do.
    async fn gather(&mut self, first: Piece) -> Result<Vec<Piece>, QueryError> {
        let mut records = first.next_offset - first.start_offset;
        let mut pieces = vec![first];
        while self.config.parallelism > 1 && records < ROUND_RECORDS_MAX {
            let Some(piece) = self.poll(Duration::ZERO).await? else { break };
            records += piece.next_offset - piece.start_offset;
            pieces.push(piece);
        }
        Ok(pieces)
    }

    async fn process(&mut self, pieces: Vec<Piece>) -> Result<(), QueryError> {
        let read: Vec<_> = pieces
            .iter()
            .map(|piece| (piece.input, piece.partition, piece.next_offset, piece.end_offset))
            .collect();
        self.begin();
        let gave = self.dataflow.rows(pieces)?;
        self.note_bad(&gave.bad)?;
        if gave.rows > 0 || !gave.bad.is_empty() {
            self.note_work();
        }
        self.rows_since_commit += gave.rows;
        self.status.rows_in.fetch_add(gave.rows, Ordering::Relaxed);
        let now_ms = self.now_ms();
        for (input, partition, next_offset, end_offset) in read {
            self.positions.read(input, partition, next_offset, end_offset);
        }
        self.positions.progress(&gave.progress, now_ms);
        self.take(gave).await?;
        self.report();
        Ok(())
    }

    fn note_bad(&self, bad: &[(NodeId, RowError)]) -> Result<(), QueryError> {
        let Some((node, first)) = bad.first() else { return Ok(()) };
        let source = self.plan.graph.source_of(*node);
        let error = QueryError::BadRecord {
            topic: source.map(|source| source.relation.topic.clone()).unwrap_or_default(),
            partition: first.partition,
            offset: first.offset,
            reason: first.reason.clone(),
        };
        let stops =
            |node: NodeId| match self.plan.graph.source_of(node).and_then(|source| source.on_error.clone()) {
                Some(policy) => policy == OnError::Fail,
                None => self.config.bad_records == BadRecords::Fail,
            };
        if bad.iter().any(|(node, _)| stops(*node)) {
            return Err(error);
        }
        self.status.bad_rows.fetch_add(bad.len() as u64, Ordering::Relaxed);
        self.status.set_error(format!("left out: {error}"));
        Ok(())
    }

    /// Writes what the steps gave, and counts it.
    async fn take(&mut self, gave: Gave) -> Result<(), QueryError> {
        self.status.late_rows.fetch_add(gave.late, Ordering::Relaxed);
        for written in gave.written {
            self.note_work();
            self.link.write(written.output, &written.rows, written.keyless).await?;
            if written.output < self.results {
                self.status.rows_out.fetch_add(written.rows.len() as u64, Ordering::Relaxed);
            }
            self.dataflow.recycle(written.rows);
        }
        Ok(())
    }

    /// The first work since a commit begins the next.
    fn begin(&mut self) {
        if self.commit_due.is_none() {
            self.dataflow.pin(clock::system_us());
        }
    }

    fn note_work(&mut self) {
        if self.commit_due.is_none() {
            self.commit_due = Some(Instant::now() + self.config.commit_interval);
        }
    }

    /// One transaction with everything since the last; nothing if nothing was done.
    async fn commit(&mut self) -> Result<(), QueryError> {
        if self.commit_due.is_none() {
            return Ok(());
        }
        let updates = self.dataflow.barrier()?;
        self.take(updates).await?;
        let changes = self.dataflow.changes()?;
        let position = self.link.commit(&changes, &self.positions.committed()).await?;
        self.keep(changes, position).await?;
        self.status.commits.fetch_add(1, Ordering::Relaxed);
        self.commit_due = None;
        self.rows_since_commit = 0;
        Ok(())
    }

    /// Hands what was just committed to the copy on disk, which is written now and then, beside the task's work.
    async fn keep(&mut self, changes: Vec<Change>, position: Option<i64>) -> Result<(), QueryError> {
        let Some(store) = &mut self.store else { return Ok(()) };
        let now = Instant::now();
        if !changes.is_empty() {
            self.store_due = self.store_due.or(Some(now + STORE_INTERVAL));
        }
        store.take(changes, position.unwrap_or(0));
        self.dataflow.committed()?;
        let is_full = store.is_full();
        if !is_full && self.store_due.is_none_or(|due| due > now) {
            return Ok(());
        }
        if let Some(flush) = &mut self.flush {
            if !is_full && !flush.is_finished() {
                return Ok(());
            }
            let outcome = flush.await;
            self.flush = None;
            link::written(outcome)?;
        }
        if let Some(flush) = store.flush(link::now_ms()) {
            self.flush = Some(tokio::task::spawn_blocking(|| flush.run()));
        }
        self.store_due = None;
        Ok(())
    }

    /// A clean end leaves nothing to be read again.
    async fn close(&mut self) -> Result<(), QueryError> {
        self.commit().await?;
        let Some(store) = &mut self.store else { return Ok(()) };
        if let Some(flush) = self.flush.take() {
            link::written(flush.await)?;
        }
        if let Some(flush) = store.flush(link::now_ms()) {
            link::written(tokio::task::spawn_blocking(|| flush.run()).await)?;
        }
        Ok(())
    }

    /// The input has ended: closes every window and commits. More input may follow all the same; rows of the windows closed
    /// here are late then.
    async fn finish(&mut self) -> Result<(), QueryError> {
        self.begin();
        let ends = self.positions.sources().map(|source| (source, END)).collect::<Vec<_>>();
        let gave = self.dataflow.watermark(&ends)?;
        self.take(gave).await?;
        self.positions.finish(self.dataflow.last_end_us());
        let gave = self.dataflow.watermark(&self.positions.closed())?;
        self.take(gave).await?;
        self.report();
        // Positions are committed even if nothing was read: the next start must know what is closed.
        self.note_work();
        self.commit().await
    }

    fn report(&self) {
        self.status.lag_records.store(self.positions.lag_records(), Ordering::Relaxed);
        self.status.watermark_us.store(self.positions.closed_us(), Ordering::Relaxed);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
