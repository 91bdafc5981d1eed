//! One coordinator and the task that owns it.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use millstream_protocol::compression::Compression;
use millstream_protocol::record_batch::{self, BatchBuilder, BuildError};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::markers::{MarkerError, MarkerToWrite, MarkerWriter};
use super::{LOAD_PATIENCE, SHARD_QUEUE, Unavailable, load};
use crate::coordinator::log_record::RecordError;
use crate::coordinator::transaction::Markers;
use crate::coordinator::{AppendError, AppendId, LogRecord, Outcome, Producer, RequestId, TopicPartition};
use crate::log::{AppendError as LogAppendError, Partition};
use crate::partition::append::{AppendRefusal, Origin};

/// The sequence of a batch that takes no part in the numbering: coordinators write those.
const NO_SEQUENCE: i32 = -1;

/// What the task needs of a coordinator, whichever kind it is.
pub(super) trait Core: Send + Sized + 'static {
    type Effect: Send;
    type Reply: Send + 'static;

    fn step(effect: Self::Effect) -> Step<Self::Reply>;
    fn replay(&mut self, record: Replayed) -> Result<(), RecordError>;
    fn loaded(&mut self, now_ms: i64) -> Vec<Self::Effect>;
    fn next_deadline_ms(&self) -> Option<i64>;
    fn tick(&mut self, now_ms: i64) -> Vec<Self::Effect>;
    /// The clean-up that runs now and then.
    fn sweep(&mut self, now_ms: i64) -> Vec<Self::Effect>;
    fn appended(
        &mut self,
        now_ms: i64,
        append: AppendId,
        outcome: Result<i64, AppendError>,
    ) -> Vec<Self::Effect>;
    /// A marker was appended to the coordinator's own partition.
    fn transaction_ended(&mut self, producer_id: i64, outcome: Outcome);
    /// A marker that the coordinator asked for is there (or not).
    fn marker_reported(
        &mut self,
        now_ms: i64,
        transactional_id: &str,
        producer: Producer,
        place: &TopicPartition,
        written: bool,
    ) -> Vec<Self::Effect>;
}

/// An effect of either kind of coordinator.
pub(super) enum Step<R> {
    Reply(RequestId, R),
    Append { append: AppendId, producer: Option<Producer>, records: Vec<LogRecord> },
    WriteMarkers(Markers),
}

/// One thing read from the coordinator's partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Replayed {
    Record { offset: i64, producer_id: Option<i64>, key: Bytes, value: Option<Bytes> },
    Marker { producer_id: i64, outcome: Outcome },
}

type Work<C> = Box<dyn FnOnce(&mut C, i64, RequestId) -> Vec<<C as Core>::Effect> + Send>;

pub(super) enum Command<C: Core> {
    Work {
        work: Work<C>,
        answer: Option<oneshot::Sender<C::Reply>>,
    },
    /// A marker for the coordinator's own partition, in order with its appends.
    Marker {
        marker: MarkerToWrite,
        written: oneshot::Sender<Result<(), MarkerError>>,
    },
}

/// The way to a coordinator.
pub(super) struct Handle<C: Core> {
    commands: mpsc::Sender<Command<C>>,
    loaded: watch::Receiver<bool>,
    /// Woken when the coordinator was told something.
    told: Arc<Notify>,
}

impl<C: Core> Clone for Handle<C> {
    fn clone(&self) -> Self {
        let told = Arc::clone(&self.told);
        Handle { commands: self.commands.clone(), loaded: self.loaded.clone(), told }
    }
}

impl<C: Core> Handle<C> {
    /// Hands a request in and waits for its reply.
    pub(super) async fn ask(
        &self,
        work: impl FnOnce(&mut C, i64, RequestId) -> Vec<C::Effect> + Send + 'static,
    ) -> Result<C::Reply, Unavailable> {
        let (answer, reply) = oneshot::channel();
        self.send(Command::Work { work: Box::new(work), answer: Some(answer) }).await?;
        reply.await.map_err(|_| Unavailable::Stopped)
    }

    /// Looks at the coordinator, in order with the requests.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&C, i64) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (answer, seen) = oneshot::channel();
        let work = move |core: &mut C, now_ms: i64, _: RequestId| {
            // Nobody to tell: the client went away.
            answer.send(look(core, now_ms)).ok();
            Vec::new()
        };
        self.send(Command::Work { work: Box::new(work), answer: None }).await?;
        seen.await.map_err(|_| Unavailable::Stopped)
    }

    /// Tells the coordinator something that nobody waits for.
    pub(super) async fn tell(
        &self,
        work: impl FnOnce(&mut C, i64) -> Vec<C::Effect> + Send + 'static,
    ) -> Result<(), Unavailable> {
        let work = move |core: &mut C, now_ms: i64, _: RequestId| work(core, now_ms);
        self.send(Command::Work { work: Box::new(work), answer: None }).await?;
        // Whoever asks now stands behind it in the queue.
        self.told.notify_waiters();
        Ok(())
    }

    /// Ready once the coordinator is told something after this call.
    pub(super) fn told(&self) -> Pin<Box<Notified<'_>>> {
        let mut told = Box::pin(self.told.notified());
        told.as_mut().enable();
        told
    }

    pub(super) async fn marker(&self, marker: MarkerToWrite) -> Result<(), MarkerError> {
        let (written, done) = oneshot::channel();
        let sent = self.send(Command::Marker { marker, written }).await;
        sent.map_err(MarkerError::Coordinator)?;
        done.await.map_err(|_| MarkerError::Coordinator(Unavailable::Stopped))?
    }

    async fn send(&self, command: Command<C>) -> Result<(), Unavailable> {
        let mut loaded = self.loaded.clone();
        match tokio::time::timeout(LOAD_PATIENCE, loaded.wait_for(|loaded| *loaded)).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Err(Unavailable::Stopped),
            Err(_) => return Err(Unavailable::Loading),
        }
        self.commands.send(command).await.map_err(|_| Unavailable::Stopped)
    }
}

/// The owner of one coordinator.
pub(super) struct Shard<C: Core> {
    core: C,
    partition: Arc<Partition>,
    markers: Option<Arc<MarkerWriter>>,
    handle: Handle<C>,
    clock: Clock,
    next_request: u64,
    waiting: HashMap<RequestId, oneshot::Sender<C::Reply>>,
    /// In the order of the log. The front is awaited: outcomes go back in this order.
    in_flight: VecDeque<InFlight>,
}

/// Something that this task appended to its partition.
struct InFlight {
    what: Appended,
    outcome: BoxFuture<'static, Result<i64, AppendError>>,
}

enum Appended {
    Records(AppendId),
    Marker { marker: MarkerToWrite, written: oneshot::Sender<Result<(), MarkerError>> },
}

impl<C: Core> Shard<C> {
    pub(super) fn start(
        core: C,
        partition: Arc<Partition>,
        markers: Option<Arc<MarkerWriter>>,
        sweep: Duration,
        stopping: CancellationToken,
    ) -> Handle<C> {
        let (sender, commands) = mpsc::channel(SHARD_QUEUE);
        let (set_loaded, loaded) = watch::channel(false);
        let handle = Handle { commands: sender, loaded, told: Arc::default() };
        let returned = handle.clone();
        tokio::spawn(async move {
            let name = partition.name().to_string();
            let run = async {
                let Some(core) = load::load(core, partition.clone()).await else { return };
                let shard = Shard {
                    core,
                    partition,
                    markers,
                    handle,
                    clock: Clock::start(),
                    next_request: 0,
                    waiting: HashMap::new(),
                    in_flight: VecDeque::new(),
                };
                shard.run(commands, set_loaded, sweep).await;
            };
            tokio::select! {
                () = stopping.cancelled() => tracing::debug!(partition = name, "coordinator stopped"),
                () = run => {}
            }
        });
        returned
    }

    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command<C>>,
        set_loaded: watch::Sender<bool>,
        sweep: Duration,
    ) {
        let effects = self.core.loaded(self.clock.now_ms());
        self.carry_out(effects);
        set_loaded.send_replace(true);
        let mut next_sweep = Instant::now() + sweep;
        loop {
            let deadline = self.next_deadline().map_or(next_sweep, |deadline| deadline.min(next_sweep));
            tokio::select! {
                biased;
                outcome = front_outcome(&mut self.in_flight) => self.appended(outcome),
                command = commands.recv() => match command {
                    Some(command) => self.handle(command),
                    None => return,
                },
                () = tokio::time::sleep_until(deadline) => {
                    let effects = self.core.tick(self.clock.now_ms());
                    self.carry_out(effects);
                    if Instant::now() >= next_sweep {
                        let effects = self.core.sweep(self.clock.now_ms());
                        self.carry_out(effects);
                        next_sweep = Instant::now() + sweep;
                    }
                }
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.core.next_deadline_ms().map(|at_ms| self.clock.instant(at_ms))
    }

    fn handle(&mut self, command: Command<C>) {
        match command {
            Command::Work { work, answer } => {
                self.next_request += 1;
                let request = RequestId(self.next_request);
                if let Some(answer) = answer {
                    self.waiting.insert(request, answer);
                }
                let effects = work(&mut self.core, self.clock.now_ms(), request);
                self.carry_out(effects);
            }
            Command::Marker { marker, written } => match marker.append_to(&self.partition) {
                Ok(outcome) => {
                    let what = Appended::Marker { marker, written };
                    self.in_flight.push_back(InFlight { what, outcome });
                }
                Err(error) => drop(written.send(Err(error))),
            },
        }
    }

    fn carry_out(&mut self, effects: Vec<C::Effect>) {
        for effect in effects {
            match C::step(effect) {
                Step::Reply(request, reply) => {
                    if let Some(answer) = self.waiting.remove(&request) {
                        // The client may have gone away meanwhile.
                        answer.send(reply).ok();
                    }
                }
                Step::Append { append, producer, records } => {
                    let outcome = self.append(producer, &records);
                    self.in_flight.push_back(InFlight { what: Appended::Records(append), outcome });
                }
                Step::WriteMarkers(markers) => self.write_markers(markers),
            }
        }
    }

    fn append(
        &self,
        producer: Option<Producer>,
        records: &[LogRecord],
    ) -> BoxFuture<'static, Result<i64, AppendError>> {
        let batch = match batch(self.clock.now_ms(), producer, records) {
            Ok(batch) => batch,
            Err(error) => {
                tracing::error!(partition = %self.partition.name(), %error, "cannot build a coordinator's batch");
                return Box::pin(std::future::ready(Err(AppendError::TooLarge)));
            }
        };
        match self.partition.append(batch, Origin::Coordinator, None) {
            Ok(appended) => Box::pin(async move {
                appended.durability.wait().await.map_err(|_| AppendError::Storage)?;
                Ok(appended.base_offset)
            }),
            Err(error) => {
                let outcome = append_error(&error);
                if outcome == AppendError::Storage {
                    tracing::error!(%error, "coordinator cannot append");
                }
                Box::pin(std::future::ready(Err(outcome)))
            }
        }
    }

    fn appended(&mut self, outcome: Result<i64, AppendError>) {
        let Some(front) = self.in_flight.pop_front() else { return };
        match front.what {
            Appended::Records(append) => {
                let effects = self.core.appended(self.clock.now_ms(), append, outcome);
                self.carry_out(effects);
            }
            Appended::Marker { marker, written } => {
                if outcome.is_ok() {
                    self.core.transaction_ended(marker.producer.id, marker.outcome);
                }
                let outcome = outcome.map(|_| ()).map_err(MarkerError::Append);
                // Whoever asked for the marker may have gone away.
                written.send(outcome).ok();
            }
        }
    }

    /// One task per partition: a slow one keeps no other waiting.
    fn write_markers(&self, markers: Markers) {
        let Some(writer) = self.markers.clone() else { return };
        for marker in MarkerToWrite::all_of(&markers) {
            let (writer, handle) = (writer.clone(), self.handle.clone());
            let transactional_id = markers.transactional_id.clone();
            tokio::spawn(async move {
                let (producer, place) = (marker.producer, marker.place.clone());
                let written = writer.write_or_give_up(marker).await;
                let report = move |core: &mut C, now_ms: i64| {
                    core.marker_reported(now_ms, &transactional_id, producer, &place, written)
                };
                // A coordinator that stopped asks for the markers again when it is loaded.
                handle.tell(report).await.ok();
            });
        }
    }
}

/// The outcome of the oldest append; never, if there is none.
async fn front_outcome(in_flight: &mut VecDeque<InFlight>) -> Result<i64, AppendError> {
    match in_flight.front_mut() {
        Some(front) => (&mut front.outcome).await,
        None => std::future::pending().await,
    }
}

fn batch(now_ms: i64, producer: Option<Producer>, records: &[LogRecord]) -> Result<Bytes, BuildError> {
    let mut builder = BatchBuilder::new(Compression::None);
    if let Some(producer) = producer {
        builder.set_producer(record_batch::Producer {
            id: producer.id,
            epoch: producer.epoch,
            base_sequence: NO_SEQUENCE,
        });
        builder.set_transactional(true);
    }
    for record in records {
        builder.append(now_ms, Some(&record.key), record.value.as_deref(), &[])?;
    }
    builder.finish()
}

/// What a failed append means for the coordinator's clients.
pub(super) fn append_error(error: &LogAppendError) -> AppendError {
    match error {
        LogAppendError::Refused { refusal: AppendRefusal::InvalidProducerEpoch { .. }, .. } => {
            AppendError::Fenced
        }
        LogAppendError::Refused { .. } => AppendError::TooLarge,
        LogAppendError::Closed { .. } => AppendError::NotLeader,
        _ => AppendError::Storage,
    }
}

/// Wall-clock milliseconds that never jump: sessions and timeouts must not end because somebody set the clock.
#[derive(Debug, Clone, Copy)]
struct Clock {
    wall_ms: i64,
    since: Instant,
}

impl Clock {
    fn start() -> Clock {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { wall_ms: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX), since: Instant::now() }
    }

    fn now_ms(&self) -> i64 {
        self.wall_ms.saturating_add(i64::try_from(self.since.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    fn instant(&self, at_ms: i64) -> Instant {
        let after_ms = u64::try_from(at_ms.saturating_sub(self.wall_ms)).unwrap_or(0);
        self.since + Duration::from_millis(after_ms)
    }
}
