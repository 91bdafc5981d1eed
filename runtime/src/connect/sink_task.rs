//! One sink, from its topics to its connector: fetch → convert → transform → write → commit.
//!
//! A transactional sink says itself how far it has come; for the others the group `connect-<pipeline>-<node>` does, and
//! it shows everybody's progress. After any error the sink is opened anew and goes on from what is committed; the same
//! happens when a topic has got more partitions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_client::{
    Client, CommittedOffset, Consumer, ConsumerConfig, Fetched, Isolation, Producer, ProducerConfig, Start,
    StartAt, TopicPartition,
};
use millstream_sdk::sink::{self, Delivery, Sink, SinkBatch, SinkPosition};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::convert;
use super::dead_letter::{DeadLetters, Origin};
use super::declaration::SinkDeclaration;
use super::failure::TaskError;
use super::status::{Cell, Tally, TaskState};
use super::transform::{Chain, Whereabouts};
use super::worker::WorkerConfig;

/// Of one answer, and of all that a sink may have fetched and not yet taken.
const FETCH_BYTES: usize = 8 << 20;
const PREFETCH_BYTES: usize = 16 << 20;

/// How long a poll waits while nothing is written and not committed.
const IDLE_WAIT: Duration = Duration::from_millis(50);

/// What the status calls the one task of a sink.
const PART: &str = "";

/// Up to where a sink is asked to go before it counts as finished.
#[derive(Debug, Clone, Default)]
pub struct Finish {
    /// Counts requests, so that an answer is for the right one; 0 is none.
    pub request: u64,
    pub ends: Arc<HashMap<TopicPartition, i64>>,
}

/// A sink to be run, again and again until it is stopped.
pub struct SinkTask {
    pub client: Client,
    pub pipeline: String,
    pub declaration: Arc<SinkDeclaration>,
    pub cell: Cell,
    pub stop: CancellationToken,
    pub finish: watch::Receiver<Finish>,
    pub config: WorkerConfig,
}

/// The parts that live for one attempt.
struct Attempt {
    sink: Box<dyn Sink>,
    consumer: Consumer,
    chain: Chain,
    dead_letters: Option<Producer>,
    places: HashMap<TopicPartition, Place>,
    tally: Tally,
    /// When the oldest uncommitted piece was taken.
    opened: Option<Instant>,
    /// The finish request that was answered last.
    finished: u64,
    /// When the topics' partitions were counted last.
    counted: Instant,
}

/// Why an attempt ended in good order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Stopped,
    /// The topics have other partitions than when the sink was opened.
    Repartitioned,
}

/// What a commit is to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// What was taken, as far as the sink is ready to.
    Taken,
    /// All that was taken: nothing more will come for now.
    Finish,
    /// The same, and even if that was nothing, so that an output appears.
    Appear,
}

struct Place {
    partition: sink::TopicPartition,
    /// The next offset to take.
    next: i64,
    committed: i64,
}

impl SinkTask {
    /// Runs the sink; failures are noted in the status and tried again after a pause.
    pub async fn run(self) {
        let task = Arc::new(self);
        let mut attempt = 0;
        loop {
            let commits = task.cell.commits(PART);
            let run = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&task).attempt()));
            let error = match run.await {
                Ok(Ok(Ended::Stopped)) => return task.cell.set_state(TaskState::Stopped),
                Ok(Ok(Ended::Repartitioned)) => continue,
                Ok(Err(error)) => error,
                Err(_) => TaskError::Panicked,
            };
            attempt = if task.cell.commits(PART) > commits { 1 } else { attempt + 1 };
            let pause = error.pause(attempt);
            task.cell.failed(PART, &error, attempt, task.declaration.on_error.retries, pause);
            tracing::warn!(node = task.declaration.name, %error, attempt, "sink failed");
            tokio::select! {
                () = task.stop.cancelled() => return task.cell.set_state(TaskState::Stopped),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn attempt(self: Arc<Self>) -> Result<Ended, TaskError> {
        let mut attempt = self.open().await?;
        self.cell.set_state(TaskState::Running);
        let outcome = self.pump(&mut attempt).await;
        if let Err(error) = attempt.sink.close().await {
            tracing::debug!(node = self.declaration.name, %error, "closing the sink");
        }
        outcome
    }

    /// Opens the sink and reads on where it is.
    async fn open(&self) -> Result<Attempt, TaskError> {
        self.client.lease_held().await;
        let declaration = &self.declaration;
        let chain = Chain::compile(&declaration.steps)?;
        let made = declaration.plugin.sink(&declaration.settings, &declaration.surroundings);
        let mut sink = made.map_err(TaskError::connector("configuring"))?;
        let partitions = self.partitions().await?;
        let held = sink.open(&partitions).await.map_err(TaskError::connector("opening"))?;
        let mut positions: HashMap<TopicPartition, i64> = HashMap::new();
        if sink.delivery() == Delivery::Transactional {
            positions.extend(held.into_iter().map(|held| (client_place(&held.partition), held.next_offset)));
        } else {
            let places: Vec<_> = partitions.iter().map(client_place).collect();
            let stored = self.client.admin().group_offsets(&self.group(), Some(&places)).await?;
            positions.extend(stored.into_iter().map(|(place, offset)| (place, offset.offset)));
        }
        let (consumer, places) = self.assign(&partitions, &positions, sink.delivery()).await?;
        let (tally, opened, finished, counted) = (Tally::default(), None, 0, Instant::now());
        Ok(Attempt { sink, consumer, chain, dead_letters: None, places, tally, opened, finished, counted })
    }

    async fn partitions(&self) -> Result<Vec<sink::TopicPartition>, TaskError> {
        let mut partitions = Vec::new();
        let names: Vec<&str> = self.declaration.from.iter().map(String::as_str).collect();
        // Asked for anew: what the client knows may be minutes old.
        for layout in self.client.admin().describe_topics(&names).await {
            let layout = layout?;
            let count = i32::try_from(layout.partitions.len()).unwrap_or(i32::MAX);
            partitions.extend((0..count).map(|partition| sink::TopicPartition {
                topic: Arc::clone(&layout.name),
                topic_id: *layout.topic_id.as_bytes(),
                partition,
            }));
        }
        Ok(partitions)
    }

    async fn assign(
        &self,
        partitions: &[sink::TopicPartition],
        positions: &HashMap<TopicPartition, i64>,
        delivery: Delivery,
    ) -> Result<(Consumer, HashMap<TopicPartition, Place>), TaskError> {
        let config = ConsumerConfig {
            fetch_bytes_max: FETCH_BYTES,
            prefetch_bytes: PREFETCH_BYTES,
            ..ConsumerConfig::default()
        };
        let mut consumer = self.client.consumer(config);
        let places: Vec<_> = partitions.iter().map(client_place).collect();
        let ends = high_watermarks(&self.client, &places).await?;
        let begins = consumer.beginning_offsets(&places).await?;
        let mut starts = Vec::new();
        let mut known = HashMap::new();
        for (index, (place, partition)) in places.into_iter().zip(partitions).enumerate() {
            let end = ends.get(index).copied().unwrap_or(i64::MAX);
            let begin = begins.get(index).copied().unwrap_or(0);
            let next = positions.get(&place).copied().unwrap_or(begin);
            let next = match next > end {
                true if delivery == Delivery::Transactional => {
                    let (sink, place) = (self.declaration.name.clone(), place.to_string());
                    return Err(TaskError::AheadOfTopic { sink, place, position: next, end });
                }
                true => {
                    tracing::warn!(node = self.declaration.name, %place, next, end, "topic was made anew; starting over");
                    begin
                }
                false => next,
            };
            // What retention has taken meanwhile is gone for this sink too.
            let next = next.max(begin);
            starts.push(StartAt { place: place.clone(), start: Start::Offset(next) });
            self.show(&place, next, end);
            known.insert(place, Place { partition: partition.clone(), next, committed: next });
        }
        consumer.assign(starts).await?;
        Ok((consumer, known))
    }

    /// The loop of the whole thing.
    async fn pump(&self, attempt: &mut Attempt) -> Result<Ended, TaskError> {
        loop {
            if self.stop.is_cancelled() {
                self.commit(attempt, Extent::Finish).await?;
                return Ok(Ended::Stopped);
            }
            if self.has_other_partitions(attempt).await? {
                self.commit(attempt, Extent::Finish).await?;
                return Ok(Ended::Repartitioned);
            }
            let wait = match attempt.opened {
                Some(opened) => {
                    self.config.sink_commit_interval.saturating_sub(opened.elapsed()).min(IDLE_WAIT)
                }
                None => IDLE_WAIT,
            };
            match attempt.consumer.poll(wait).await? {
                Some(fetched) => self.take(&fetched, attempt).await?,
                None if attempt.opened.is_none() => self.cell.recovered(PART),
                None => {}
            }
            let finish = self.finish.borrow().clone();
            let finishes = finish.request > attempt.finished && attempt.has_reached(&finish.ends);
            if finishes {
                self.commit(attempt, Extent::Appear).await?;
            } else if attempt.is_due(&self.config) {
                self.commit(attempt, Extent::Taken).await?;
            }
            if finishes {
                attempt.finished = finish.request;
                self.cell.finished(finish.request);
            }
        }
    }

    /// Looks now and then whether a topic has got more partitions.
    async fn has_other_partitions(&self, attempt: &mut Attempt) -> Result<bool, TaskError> {
        if attempt.counted.elapsed() < self.config.partition_refresh {
            return Ok(false);
        }
        attempt.counted = Instant::now();
        let known = |place: &sink::TopicPartition| attempt.places.contains_key(&client_place(place));
        Ok(self.partitions().await?.iter().any(|place| !known(place)))
    }

    /// Converts, transforms and writes a fetched piece.
    async fn take(&self, fetched: &Fetched, attempt: &mut Attempt) -> Result<(), TaskError> {
        attempt.opened.get_or_insert_with(Instant::now);
        for batch in convert::sink_batches(fetched)? {
            self.write(batch, attempt).await?;
        }
        if let Some(place) = attempt.places.get_mut(&fetched.place) {
            place.next = fetched.next_offset;
        }
        self.show(&fetched.place, fetched.next_offset, fetched.high_watermark);
        Ok(())
    }

    async fn write(&self, original: SinkBatch, attempt: &mut Attempt) -> Result<(), TaskError> {
        attempt.tally.records += original.batch.len() as u64;
        attempt.tally.bytes += original.batch.byte_len() as u64;
        let mut rejected = Vec::new();
        let mut origins = None;
        let mut batch = original.clone();
        if !attempt.chain.is_empty() {
            let at = Whereabouts {
                topic: &original.topic,
                partition: Some(original.partition),
                offsets: Some(&original.offsets),
            };
            let applied =
                attempt.chain.apply(batch.batch, at).await.map_err(TaskError::connector("transforming"))?;
            attempt.tally.filtered += applied.dropped;
            rejected = applied.rejected;
            batch.batch = applied.batch;
            if let Some(rows) = &applied.origins {
                batch.offsets =
                    rows.iter().filter_map(|row| original.offsets.get(*row as usize)).copied().collect();
            }
            origins = applied.origins;
        }
        if !batch.batch.is_empty() {
            // The cluster fences what goes into topics; nothing but this keeps an owner that slept from the outside.
            self.client.lease_held().await;
            let written = attempt.sink.write(batch).await.map_err(TaskError::connector("writing"))?;
            rejected.extend(written.rejected.into_iter().map(|mut rejection| {
                if let Some(rows) = &origins {
                    rejection.row = rows.get(rejection.row).map_or(usize::MAX, |row| *row as usize);
                }
                rejection
            }));
        }
        for rejection in rejected {
            self.reject(&original, rejection, attempt).await?;
        }
        Ok(())
    }

    async fn reject(
        &self,
        batch: &SinkBatch,
        rejection: sink::Rejection,
        attempt: &mut Attempt,
    ) -> Result<(), TaskError> {
        let (Some(row), Some(offset)) = (batch.batch.row(rejection.row), batch.offsets.get(rejection.row))
        else {
            return Ok(());
        };
        let origin =
            Origin::Topic { topic: batch.topic.to_string(), partition: batch.partition, offset: *offset };
        let mut letter = convert::letter(row, rejection.reason, origin);
        let policy = DeadLetters {
            pipeline: self.pipeline.clone(),
            node: self.declaration.name.clone(),
            then: self.declaration.on_error.then.clone(),
        };
        if let Some(topic) = policy.judge(&mut letter, &mut attempt.tally)? {
            let make = || self.client.producer(ProducerConfig::default());
            let producer = attempt.dead_letters.get_or_insert_with(make);
            convert::post(producer, topic, &letter).await?;
        }
        Ok(())
    }

    /// Makes everything taken durable, unless the sink holds back some of it.
    async fn commit(&self, attempt: &mut Attempt, extent: Extent) -> Result<(), TaskError> {
        if attempt.opened.is_none() && extent != Extent::Appear {
            return Ok(());
        }
        if let Some(producer) = &attempt.dead_letters {
            producer.flush().await?;
        }
        let moved = attempt.places.values().filter(|place| place.next > place.committed);
        let positions: Vec<_> = moved
            .map(|place| SinkPosition { partition: place.partition.clone(), next_offset: place.next })
            .collect();
        self.client.lease_held().await;
        let committed = match extent {
            Extent::Taken => attempt.sink.commit(&positions).await,
            Extent::Finish | Extent::Appear => attempt.sink.finish(&positions).await,
        };
        committed.map_err(TaskError::connector("committing"))?;
        if extent == Extent::Taken && attempt.sink.is_holding() {
            attempt.opened = Some(Instant::now());
            return Ok(());
        }
        self.store(&positions, attempt.sink.delivery()).await?;
        for place in attempt.places.values_mut() {
            place.committed = place.next;
        }
        attempt.opened = None;
        self.cell.committed(PART, std::mem::take(&mut attempt.tally));
        self.cell.set_state(TaskState::Running);
        Ok(())
    }

    /// Commits the group's offsets: the truth for most sinks, a picture of it for transactional ones.
    async fn store(&self, positions: &[SinkPosition], delivery: Delivery) -> Result<(), TaskError> {
        if positions.is_empty() {
            return Ok(());
        }
        let offsets: Vec<_> = positions
            .iter()
            .map(|position| (client_place(&position.partition), CommittedOffset::at(position.next_offset)))
            .collect();
        match self.client.admin().alter_group_offsets(&self.group(), &offsets).await {
            Err(error) if delivery == Delivery::Transactional => {
                tracing::debug!(node = self.declaration.name, %error, "group offsets do not show the sink's progress");
                Ok(())
            }
            other => Ok(other?),
        }
    }

    fn show(&self, place: &TopicPartition, next: i64, end: i64) {
        self.cell.update_part(&place.to_string(), |part| {
            part.state = TaskState::Running;
            part.position = Some(next.to_string());
            part.lag = u64::try_from(end - next).ok();
        });
    }

    fn group(&self) -> String {
        format!("connect-{}-{}", self.pipeline, self.declaration.name)
    }
}

impl Attempt {
    fn has_reached(&self, ends: &HashMap<TopicPartition, i64>) -> bool {
        self.places.iter().all(|(place, state)| ends.get(place).is_none_or(|end| state.next >= *end))
    }

    fn is_due(&self, config: &WorkerConfig) -> bool {
        self.opened.is_some_and(|opened| opened.elapsed() >= config.sink_commit_interval)
    }
}

fn client_place(partition: &sink::TopicPartition) -> TopicPartition {
    TopicPartition { topic: Arc::clone(&partition.topic), partition: partition.partition }
}

/// The ends of partitions, records of open transactions included.
pub async fn high_watermarks(client: &Client, places: &[TopicPartition]) -> Result<Vec<i64>, TaskError> {
    let config = ConsumerConfig { isolation: Isolation::ReadUncommitted, ..ConsumerConfig::default() };
    Ok(client.consumer(config).end_offsets(places).await?)
}
