//! The task of a query: poll, decode, operate, write; and every commit interval one transaction with the outputs, the
//! state's changes and the positions.
//!
//! Nothing of a task outlives it but what was committed: a task that fails is dropped whole, and its successor starts
//! from the last commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::QueryError;
use super::chain::Chain;
use super::encode::RowEncoder;
use super::engine::BadRecords;
use super::event_time::{BEGINNING, EventTime};
use super::link::{Change, InputPartition, Link, Piece, Position};
use super::source::Source;
use super::status::{QueryState, StatusCells};
use crate::plan::QueryPlan;
use datafusion::arrow::array::RecordBatch;

/// A task looks up from its input at least this often: for stop, finish, and partitions gone idle.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Rows that one transaction may carry before it is committed early.
const TRANSACTION_ROWS_MAX: u64 = 1_000_000;

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
    pub ends: Arc<BTreeMap<i32, i64>>,
}

pub(crate) struct TaskConfig {
    pub commit_interval: Duration,
    pub idle_timeout: Option<Duration>,
    pub bad_records: BadRecords,
}

pub(crate) struct Task<'a> {
    plan: &'a Arc<QueryPlan>,
    config: &'a TaskConfig,
    status: &'a StatusCells,
    link: &'a mut dyn Link,
    chain: Chain,
    source: Source<'a>,
    encoder: RowEncoder,
    event_time: EventTime,
    /// By partition.
    inputs: Vec<Input>,
    started: Instant,
    /// When the transaction with what was done since the last commit is due; `None` if nothing was done.
    commit_due: Option<Instant>,
    rows_since_commit: u64,
    finished: u64,
}

struct Input {
    /// Of the next record to process.
    offset: i64,
    end_offset: i64,
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
            return task.commit().await;
        }
        task.step().await?;
        if let Some(finish) = order.finish
            && finish.number > task.finished
            && task.has_reached(&finish.ends)
        {
            task.finish().await?;
            task.finished = finish.number;
            finished.send_replace(finish.number);
        }
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
        let mut chain = Chain::new(plan.clone())?;
        if let Some(state) = chain.state() {
            let entries = link.changelog().await?;
            let mut entries = entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
            state.restore(&mut entries).map_err(|error| QueryError::State {
                topic: plan.changelog_topic(),
                reason: error.to_string(),
            })?;
        }
        let event_time = restored_time(plan, config, &inputs)?;
        status.watermark_us.store(event_time.closed_us(), Ordering::Relaxed);
        let inputs: Vec<Input> = inputs
            .into_iter()
            .map(|input| Input { offset: input.offset, end_offset: input.end_offset })
            .collect();
        let source = Source::new(&plan.source)?;
        let encoder = RowEncoder::new(&plan.sink)?;
        let mut task = Task {
            plan,
            config,
            status,
            link,
            chain,
            source,
            encoder,
            event_time,
            inputs,
            started,
            commit_due: None,
            rows_since_commit: 0,
            finished: 0,
        };
        task.note_drained_partitions();
        Ok(task)
    }

    /// Partitions without anything to read count as quiet from the start.
    fn note_drained_partitions(&mut self) {
        for (partition, input) in self.inputs.iter().enumerate() {
            let drained = input.offset >= input.end_offset;
            self.event_time.advance(partition, BEGINNING, drained, 0);
        }
        self.report_lag();
    }

    /// One piece of input, or a look at the clock.
    async fn step(&mut self) -> Result<(), QueryError> {
        let wait = match self.commit_due {
            Some(due) => due.saturating_duration_since(Instant::now()).min(LOOK_UP),
            None => LOOK_UP,
        };
        if let Some(piece) = self.link.poll(wait).await? {
            self.process(piece).await?;
        }
        let now_ms = self.now_ms();
        if let Some(watermark_us) = self.event_time.close(now_ms) {
            self.status.watermark_us.store(watermark_us, Ordering::Relaxed);
            let results = self.chain.on_watermark(watermark_us)?;
            self.write(results, 0).await?;
        }
        let due = self.commit_due.is_some_and(|due| due <= Instant::now());
        if due || self.rows_since_commit >= TRANSACTION_ROWS_MAX {
            self.commit().await?;
        }
        Ok(())
    }

    async fn process(&mut self, piece: Piece) -> Result<(), QueryError> {
        let Ok(partition) = usize::try_from(piece.partition) else { return Ok(()) };
        let before_us = self.event_time.partition_us(partition);
        let read = self.source.read(&piece, before_us)?;
        self.note_bad(&read.bad)?;
        if read.rows > 0 || !read.bad.is_empty() {
            self.note_work();
        }
        self.rows_since_commit += read.rows;
        self.status.rows_in.fetch_add(read.rows, Ordering::Relaxed);
        let late_before = self.chain.late_rows();
        for source in read.batches {
            let closed_us = self.event_time.closed_us();
            let results = self.chain.on_batch(source.batch, source.watermarks, closed_us)?;
            self.write(results, piece.partition).await?;
        }
        self.status.late_rows.fetch_add(self.chain.late_rows() - late_before, Ordering::Relaxed);
        if let Some(input) = self.inputs.get_mut(partition) {
            input.offset = piece.next_offset;
            input.end_offset = piece.end_offset.max(piece.next_offset);
        }
        let drained = piece.next_offset >= piece.end_offset;
        let now_ms = self.now_ms();
        self.event_time.advance(partition, read.watermark_us, drained, now_ms);
        self.report_lag();
        Ok(())
    }

    fn note_bad(&self, bad: &[crate::format::RowError]) -> Result<(), QueryError> {
        let Some(first) = bad.first() else { return Ok(()) };
        let error = QueryError::BadRecord {
            topic: self.plan.input_topic().to_owned(),
            partition: first.partition,
            offset: first.offset,
            reason: first.reason.clone(),
        };
        if self.config.bad_records == BadRecords::Fail {
            return Err(error);
        }
        self.status.bad_rows.fetch_add(bad.len() as u64, Ordering::Relaxed);
        self.status.set_error(format!("left out: {error}"));
        Ok(())
    }

    async fn write(&mut self, results: Option<RecordBatch>, keyless: i32) -> Result<(), QueryError> {
        let Some(results) = results else { return Ok(()) };
        self.note_work();
        let rows = self.encoder.encode(&results)?;
        self.link.write(rows, keyless).await?;
        self.status.rows_out.fetch_add(results.num_rows() as u64, Ordering::Relaxed);
        Ok(())
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
        let updates = self.chain.on_barrier()?;
        self.write(updates, 0).await?;
        let mut changes: Vec<Change> = Vec::new();
        if let Some(state) = self.chain.state() {
            state.drain_changes(&mut |key, value| changes.push((key.to_vec(), value.map(<[u8]>::to_vec))))?;
        }
        let positions: Vec<Position> = self
            .inputs
            .iter()
            .enumerate()
            .map(|(partition, input)| Position {
                partition: i32::try_from(partition).unwrap_or(i32::MAX),
                offset: input.offset,
                note: note(self.event_time.partition_us(partition), self.event_time.closed_us()),
            })
            .collect();
        self.link.commit(&changes, &positions).await?;
        self.status.commits.fetch_add(1, Ordering::Relaxed);
        self.commit_due = None;
        self.rows_since_commit = 0;
        Ok(())
    }

    fn has_reached(&self, ends: &BTreeMap<i32, i64>) -> bool {
        ends.iter().all(|(partition, end)| {
            let input = usize::try_from(*partition).ok().and_then(|partition| self.inputs.get(partition));
            input.is_some_and(|input| input.offset >= *end)
        })
    }

    /// The input has ended: closes every window and commits. More input may follow all the same; rows of the windows closed
    /// here are late then.
    async fn finish(&mut self) -> Result<(), QueryError> {
        let results = self.chain.on_watermark(i64::MAX)?;
        self.write(results, 0).await?;
        self.event_time.finish(self.chain.last_end_us());
        self.status.watermark_us.store(self.event_time.closed_us(), Ordering::Relaxed);
        // Positions are committed even if nothing was read: the next start must know what is closed.
        self.note_work();
        self.commit().await
    }

    fn report_lag(&self) {
        let lag: i64 = self.inputs.iter().map(|input| (input.end_offset - input.offset).max(0)).sum();
        self.status.lag_records.store(lag, Ordering::Relaxed);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// What is committed beside a partition's offset: version, the partition's watermark, and the watermark that windows were
/// last closed by, both in microseconds.
fn note(watermark_us: i64, closed_us: i64) -> String {
    format!("1 {watermark_us} {closed_us}")
}

fn restored_time(
    plan: &QueryPlan,
    config: &TaskConfig,
    inputs: &[InputPartition],
) -> Result<EventTime, QueryError> {
    let mut watermarks_us = Vec::new();
    let mut closed_us = BEGINNING;
    for input in inputs {
        let Some(note) = &input.note else {
            watermarks_us.push(BEGINNING);
            continue;
        };
        let strange = || QueryError::Position { group: plan.group(), found: note.clone() };
        let numbers: Vec<i64> =
            note.split(' ').map(str::parse).collect::<Result<_, _>>().map_err(|_| strange())?;
        let [1, watermark_us, closed] = numbers.as_slice() else { return Err(strange()) };
        watermarks_us.push(*watermark_us);
        closed_us = closed_us.max(*closed);
    }
    let idle_timeout_ms =
        config.idle_timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
    Ok(EventTime::new(watermarks_us, closed_us, idle_timeout_ms))
}
