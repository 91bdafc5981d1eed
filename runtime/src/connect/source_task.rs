//! One split of a source, from its connector into topics: poll → transform → convert → produce → commit.
//!
//! Records, dead letters and the position after them are one transaction. The transactional id belongs to the split:
//! taking it over ends whatever an older task of the same split still had open.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_client::{Client, TransactionConfig, TransactionalProducer};
use millstream_sdk::record::Batch;
use millstream_sdk::sink::Rejection;
use millstream_sdk::source::{BadRecord, PollLimits, Polled, Position, Source, SourceReader, Split};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::convert::{self, Outlet};
use super::dead_letter::{DeadLetters, Letter, Origin};
use super::declaration::SourceDeclaration;
use super::failure::TaskError;
use super::offsets::{self, PositionKey};
use super::places::Places;
use super::status::{Cell, Tally, TaskState};
use super::transform::{Chain, Whereabouts};
use super::worker::WorkerConfig;

/// How long a poll waits for a first record.
const IDLE_WAIT: Duration = Duration::from_millis(500);

/// A transaction that holds less is committed soon: records that come one by one are not to wait for others.
const SMALL_TRANSACTION_BYTES: usize = 128 << 10;

/// One split to be run, again and again until it ends or is stopped.
pub struct SourceTask {
    pub client: Client,
    pub pipeline: String,
    pub declaration: Arc<SourceDeclaration>,
    pub source: Arc<dyn Source>,
    pub split: Split,
    pub cell: Cell,
    pub stop: CancellationToken,
    pub config: WorkerConfig,
}

/// Why a task ended in good order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Drained,
    Stopped,
}

/// What the open transaction holds.
#[derive(Default)]
struct Round {
    opened: Option<Instant>,
    /// What was polled for it, filtered or not.
    polled_bytes: usize,
    tally: Tally,
    position: Option<Position>,
    /// The position that the transaction already has a record of.
    written: Option<Position>,
}

/// The parts that live for one attempt.
struct Attempt {
    producer: TransactionalProducer,
    reader: Box<dyn SourceReader>,
    outlet: Outlet,
    chain: Chain,
    round: Round,
    /// When the last commit began.
    commit_began: Option<Instant>,
}

impl SourceTask {
    /// Runs the split; failures are noted in the status and tried again after a pause.
    pub async fn run(self) -> Ended {
        let task = Arc::new(self);
        let mut attempt = 0;
        loop {
            let commits = task.cell.commits(&task.split.id);
            let run = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&task).attempt()));
            let error = match run.await {
                Ok(Ok(ended)) => {
                    let state = if ended == Ended::Drained { TaskState::Drained } else { TaskState::Stopped };
                    task.cell.recovered(&task.split.id);
                    task.cell.update_part(&task.split.id, |part| part.state = state);
                    return ended;
                }
                Ok(Err(error)) => error,
                Err(_) => TaskError::Panicked,
            };
            attempt = if task.cell.commits(&task.split.id) > commits { 1 } else { attempt + 1 };
            let (retries, pause) = (task.declaration.on_error.retries, error.pause(attempt));
            let state = task.cell.failed(&task.split.id, &error, attempt, retries, pause);
            task.cell.update_part(&task.split.id, |part| part.state = state);
            tracing::warn!(node = task.declaration.name, split = task.split.label, %error, attempt, "source failed");
            tokio::select! {
                () = task.stop.cancelled() => return Ended::Stopped,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn attempt(self: Arc<Self>) -> Result<Ended, TaskError> {
        let chain = Chain::compile(&self.declaration.steps)?;
        let config = TransactionConfig::default();
        let id = format!("millstream-{}-{}-{}", self.pipeline, self.declaration.name, self.split.id);
        let producer = self.client.transactional_producer(&id, config).await?;
        let key = PositionKey::new(&self.pipeline, &self.declaration.name, &self.split.id);
        let position = offsets::read(&self.client, &key).await?;
        let reader =
            self.source.open(&self.split, position).await.map_err(TaskError::connector("opening"))?;
        let mut outlet = Outlet::new(producer.producer().clone(), &self.declaration)?;
        outlet.places = reader.wants_places().then(Places::default);
        self.cell.set_state(TaskState::Running);
        self.cell.update_part(&self.split.id, |part| {
            part.label.clone_from(&self.split.label);
            part.state = TaskState::Running;
        });
        let (round, commit_began) = (Round::default(), None);
        let mut attempt = Attempt { producer, reader, outlet, chain, round, commit_began };
        let outcome = self.pump(&mut attempt, &key).await;
        if outcome.is_err()
            && attempt.round.opened.is_some()
            && let Err(error) = attempt.producer.abort().await
        {
            // The next attempt's take-over aborts it as well; until then readers wait.
            tracing::debug!(id, %error, "transaction was left open");
        }
        if let Err(error) = attempt.reader.close().await {
            tracing::debug!(id, %error, "closing the reader");
        }
        outcome
    }

    /// The loop of the whole thing.
    async fn pump(&self, attempt: &mut Attempt, key: &PositionKey) -> Result<Ended, TaskError> {
        loop {
            let limits = attempt.limits(&self.config);
            let polled = tokio::select! {
                biased;
                () = self.stop.cancelled() => None,
                polled = attempt.reader.poll(limits) => Some(polled.map_err(TaskError::connector("polling"))?),
            };
            let ended = match &polled {
                None => Some(Ended::Stopped),
                Some(polled) => polled.end_of_split.then_some(Ended::Drained),
            };
            if let Some(polled) = polled {
                self.take(polled, attempt, key).await?;
            }
            if attempt.is_due(&self.config) || ended.is_some() {
                self.commit(attempt, key).await?;
            }
            if let Some(ended) = ended {
                return Ok(ended);
            }
        }
    }

    /// Transforms, converts and produces what a poll returned.
    async fn take(&self, polled: Polled, attempt: &mut Attempt, key: &PositionKey) -> Result<(), TaskError> {
        let Polled { batch, bad, position, lag_bytes, .. } = polled;
        self.cell.update_part(&self.split.id, |part| part.lag = lag_bytes);
        if batch.is_empty() && bad.is_empty() && position.is_none() {
            self.cell.recovered(&self.split.id);
            return Ok(());
        }
        attempt.round.open(&mut attempt.producer)?;
        for bad in bad {
            self.reject(bad_letter(bad), attempt).await?;
        }
        attempt.round.polled_bytes += batch.byte_len();
        self.take_batch(batch, attempt).await?;
        attempt.round.position = position.or(attempt.round.position.take());
        if attempt.round.written.is_none() {
            // Enlisted with the first records, the position costs the commit no flush of its own.
            attempt.write_position(key).await?;
            attempt.producer.producer().urge();
        }
        Ok(())
    }

    async fn take_batch(&self, batch: Batch, attempt: &mut Attempt) -> Result<(), TaskError> {
        if attempt.chain.is_empty() {
            attempt.outlet.begin(None);
            let produced = attempt.outlet.produce(&batch).await?;
            attempt.outlet.end(batch.len());
            attempt.round.add(produced.records, produced.bytes);
            return self.reject_all(&batch, produced.rejected, attempt).await;
        }
        let topic = Outlet::topic_name(&self.declaration);
        let at = Whereabouts { topic, partition: None, offsets: None };
        let applied =
            attempt.chain.apply(batch.clone(), at).await.map_err(TaskError::connector("transforming"))?;
        attempt.outlet.begin(applied.origins.as_deref());
        let mut produced = attempt.outlet.produce(&applied.batch).await?;
        attempt.outlet.end(batch.len());
        attempt.round.add(produced.records, produced.bytes);
        attempt.round.tally.filtered += applied.dropped;
        if let Some(origins) = &applied.origins {
            for rejection in &mut produced.rejected {
                rejection.row = origins.get(rejection.row).map_or(usize::MAX, |row| *row as usize);
            }
        }
        self.reject_all(&batch, applied.rejected, attempt).await?;
        self.reject_all(&batch, produced.rejected, attempt).await
    }

    async fn reject_all(
        &self,
        batch: &Batch,
        rejected: Vec<Rejection>,
        attempt: &mut Attempt,
    ) -> Result<(), TaskError> {
        for Rejection { row, reason } in rejected {
            let Some(row) = batch.row(row) else { continue };
            let origin = Origin::Source(self.split.label.clone());
            self.reject(convert::letter(row, reason, origin), attempt).await?;
        }
        Ok(())
    }

    async fn reject(&self, mut letter: Letter, attempt: &mut Attempt) -> Result<(), TaskError> {
        let policy = DeadLetters {
            pipeline: self.pipeline.clone(),
            node: self.declaration.name.clone(),
            then: self.declaration.on_error.then.clone(),
        };
        if let Some(topic) = policy.judge(&mut letter, &mut attempt.round.tally)? {
            convert::post(attempt.producer.producer(), topic, &letter).await?;
        }
        Ok(())
    }

    /// Tells the reader where its rows are; it may answer with a position that says so.
    async fn place(&self, attempt: &mut Attempt) -> Result<(), TaskError> {
        attempt.producer.producer().flush().await?;
        let Some(places) = &mut attempt.outlet.places else { return Ok(()) };
        let placed = places.settle().await?;
        let told = attempt.reader.placed(&placed).map_err(TaskError::connector("noting offsets"))?;
        attempt.round.position = told.or(attempt.round.position.take());
        Ok(())
    }

    async fn commit(&self, attempt: &mut Attempt, key: &PositionKey) -> Result<(), TaskError> {
        if attempt.round.opened.is_none() {
            return Ok(());
        }
        attempt.commit_began = Some(Instant::now());
        if attempt.outlet.places.is_some() {
            self.place(attempt).await?;
        }
        attempt.write_position(key).await?;
        attempt.producer.commit().await?;
        let Round { tally, position, .. } = std::mem::take(&mut attempt.round);
        self.cell.committed(&self.split.id, tally);
        self.cell.set_state(TaskState::Running);
        if let Some(position) = position {
            let shown = String::from_utf8_lossy(&position.0).into_owned();
            self.cell.update_part(&self.split.id, |part| part.position = Some(shown));
            attempt.reader.committed(&position).await.map_err(TaskError::connector("acknowledging"))?;
        }
        Ok(())
    }
}

impl Attempt {
    /// When the open transaction is to be committed. One that holds little is kept only from following the last commit
    /// too closely; what comes while a commit lasts makes up the next.
    fn due_at(&self, config: &WorkerConfig) -> Option<Instant> {
        let opened = self.round.opened?;
        let latest = opened + config.source_commit_interval;
        if self.round.polled_bytes >= SMALL_TRANSACTION_BYTES {
            return Some(latest);
        }
        Some(self.commit_began.map_or(opened, |began| began + config.source_commit_least).min(latest))
    }

    fn is_due(&self, config: &WorkerConfig) -> bool {
        let is_old = self.due_at(config).is_some_and(|due_at| due_at <= Instant::now());
        is_old || self.round.tally.bytes >= config.transaction_bytes
    }

    fn limits(&self, config: &WorkerConfig) -> PollLimits {
        let wait =
            self.due_at(config).map_or(IDLE_WAIT, |due_at| due_at.saturating_duration_since(Instant::now()));
        PollLimits { max_records: config.poll_records, max_bytes: config.poll_bytes, wait }
    }

    /// Makes the position part of the transaction, unless it is already.
    async fn write_position(&mut self, key: &PositionKey) -> Result<(), TaskError> {
        if self.round.position != self.round.written
            && let Some(position) = &self.round.position
        {
            offsets::append(self.producer.producer(), key, position).await?;
            self.round.written = Some(position.clone());
        }
        Ok(())
    }
}

impl Round {
    fn open(&mut self, producer: &mut TransactionalProducer) -> Result<(), TaskError> {
        if self.opened.is_none() {
            producer.begin()?;
            self.opened = Some(Instant::now());
        }
        Ok(())
    }

    fn add(&mut self, records: u64, bytes: u64) {
        self.tally.records += records;
        self.tally.bytes += bytes;
    }
}

fn bad_letter(bad: BadRecord) -> Letter {
    Letter {
        key: None,
        value: Some(bad.raw),
        headers: Vec::new(),
        timestamp_ms: None,
        reason: bad.reason,
        origin: Origin::Source(bad.origin),
    }
}
