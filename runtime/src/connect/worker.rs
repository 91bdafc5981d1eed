//! Owns the tasks of one pipeline's sources and sinks: starts them, watches them, stops them.
//!
//! A task per split and per sink; each restarts itself. The worker's own task per source lists its splits and keeps a
//! bounded number of them open.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use millstream_client::{Client, TopicPartition};
use millstream_sdk::sink::Delivery;
use millstream_sdk::source::{Source, Split};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::declaration::{Declaration, SinkDeclaration, SourceDeclaration};
use super::failure::{TaskError, TaskFailure};
use super::offsets;
use super::sink_task::{Finish, SinkTask, high_watermarks};
use super::source_task::{Ended, SourceTask};
use super::status::{Cell, Role, TaskState, TaskStatus};
use super::transform::Chain;

/// Most splits of one source that are read at the same time.
const MAX_OPEN_SPLITS: usize = 16;

/// How often a source that has no end is asked for new splits.
const SPLIT_REFRESH: Duration = Duration::from_secs(2);

/// How long tasks have to commit and close when the worker stops.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// What the status calls the part of a source that lists its splits.
const LISTING: &str = "listing splits";

/// Limits and intervals of every task.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    pub source_commit_interval: Duration,
    pub sink_commit_interval: Duration,
    /// A source commits before the interval once a transaction has this many bytes.
    pub transaction_bytes: u64,
    pub poll_records: usize,
    pub poll_bytes: usize,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        WorkerConfig {
            source_commit_interval: Duration::from_millis(100),
            sink_commit_interval: Duration::from_millis(250),
            transaction_bytes: 32 << 20,
            poll_records: 16_384,
            poll_bytes: 1 << 20,
        }
    }
}

/// What all sources or sinks have done so far, for a progress display.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records that sources have committed to topics.
    pub produced: u64,
    pub produced_bytes: u64,
    /// Records that sinks have taken and committed.
    pub taken: u64,
    pub taken_bytes: u64,
    pub filtered: u64,
    pub skipped: u64,
    pub dead_letters: u64,
    /// Bytes that sources know they still have to read.
    pub bytes_ahead: u64,
    /// Records that sinks still have to read.
    pub records_ahead: u64,
}

/// The running sources and sinks of one pipeline. Dropping it stops them at once; [`Worker::stop`] lets them commit.
pub struct Worker {
    client: Client,
    declaration: Declaration,
    cells: Vec<Cell>,
    unbounded: Vec<String>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
    finish: watch::Sender<Finish>,
    changed: watch::Receiver<u64>,
}

impl Worker {
    /// Configures every source and sink and starts their tasks. The failure is a configuration that cannot work.
    /// Topics that are read or written must exist, or be created by the cluster on first use.
    pub async fn start(
        client: Client,
        declaration: Declaration,
        config: WorkerConfig,
    ) -> Result<Worker, TaskFailure> {
        let (announce, changed) = watch::channel(0);
        let (finish, _) = watch::channel(Finish::default());
        let mut worker = Worker {
            client,
            declaration: declaration.clone(),
            cells: Vec::new(),
            unbounded: Vec::new(),
            tasks: JoinSet::new(),
            stop: CancellationToken::new(),
            finish,
            changed,
        };
        if !declaration.sources.is_empty() {
            offsets::ensure_topic(&worker.client).await.map_err(|error| error.of("sources"))?;
        }
        for source in declaration.sources {
            worker.start_source(source, &config, &announce)?;
        }
        for sink in declaration.sinks {
            worker.start_sink(sink, &config, &announce)?;
        }
        Ok(worker)
    }

    pub fn status(&self) -> Vec<TaskStatus> {
        self.cells.iter().map(Cell::status).collect()
    }

    pub fn progress(&self) -> Progress {
        let mut progress = Progress::default();
        for status in self.status() {
            let ahead: u64 = status.parts.values().filter_map(|part| part.lag).sum();
            let (records, bytes, lag) = match status.role {
                Role::Source => {
                    (&mut progress.produced, &mut progress.produced_bytes, &mut progress.bytes_ahead)
                }
                Role::Sink => (&mut progress.taken, &mut progress.taken_bytes, &mut progress.records_ahead),
            };
            *records += status.records;
            *bytes += status.bytes;
            *lag += ahead;
            progress.filtered += status.filtered;
            progress.skipped += status.skipped;
            progress.dead_letters += status.dead_letters;
        }
        progress
    }

    /// The sources that never end.
    pub fn unbounded_sources(&self) -> &[String] {
        &self.unbounded
    }

    /// Resolves once every source is at its end and all it read is committed. Fails as soon as a task has failed in a
    /// way that waiting will hardly cure. Never resolves while there are [`Worker::unbounded_sources`].
    pub async fn sources_drained(&self) -> Result<(), TaskFailure> {
        self.wait(|_, status| status.role != Role::Source || status.state == TaskState::Drained).await
    }

    /// Resolves once every sink has committed all that its topics hold now. Fails as [`Worker::sources_drained`].
    pub async fn sinks_finished(&self) -> Result<(), TaskFailure> {
        let ends = self.sink_ends().await.map_err(|error| error.of("sinks"))?;
        let mut request = 0;
        self.finish.send_modify(|finish| {
            request = finish.request + 1;
            *finish = Finish { request, ends: Arc::new(ends) };
        });
        self.wait(|cell, status| status.role != Role::Sink || cell.finished_request() >= request).await
    }

    /// Resolves with the first failure that waiting will hardly cure; does not resolve while there is none.
    pub async fn failed(&self) -> TaskFailure {
        match self.wait(|_, _| false).await {
            Err(failure) => failure,
            Ok(()) => std::future::pending().await,
        }
    }

    /// Lets every task commit what it has and close; tasks that take too long are dropped, which loses nothing.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_PATIENCE, all).await.is_err() {
            tracing::warn!(
                pipeline = self.declaration.pipeline,
                "tasks did not stop in time and were dropped"
            );
        }
    }

    async fn wait(&self, done: impl Fn(&Cell, &TaskStatus) -> bool) -> Result<(), TaskFailure> {
        let mut changed = self.changed.clone();
        loop {
            changed.borrow_and_update();
            if let Some(failure) = self.cells.iter().find_map(Cell::failure) {
                return Err(failure);
            }
            if !self.cells.is_empty() && self.cells.iter().all(|cell| done(cell, &cell.status())) {
                return Ok(());
            }
            if self.cells.is_empty() || changed.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    async fn sink_ends(&self) -> Result<HashMap<TopicPartition, i64>, TaskError> {
        let mut places = Vec::new();
        let topics: HashSet<&String> = self.declaration.sinks.iter().flat_map(|sink| &sink.from).collect();
        for topic in topics {
            let layout = self.client.topic(topic).await?;
            let count = i32::try_from(layout.partitions.len()).unwrap_or(i32::MAX);
            places
                .extend((0..count).map(|partition| TopicPartition::new(Arc::clone(&layout.name), partition)));
        }
        let ends = high_watermarks(&self.client, &places).await?;
        Ok(places.into_iter().zip(ends).collect())
    }

    fn start_source(
        &mut self,
        source: SourceDeclaration,
        config: &WorkerConfig,
        announce: &watch::Sender<u64>,
    ) -> Result<(), TaskFailure> {
        let configuring = |error: TaskError| error.of(&source.name);
        Chain::compile(&source.steps).map_err(|error| configuring(error.into()))?;
        let made = source.plugin.source(&source.settings, &source.surroundings);
        let made = made.map_err(|error| configuring(TaskError::connector("configuring")(error)))?;
        if !made.is_bounded() {
            self.unbounded.push(source.name.clone());
        }
        let plugin = source.plugin.describe().name;
        let cell = self.cell(&source.name, Role::Source, plugin, "exactly-once", announce);
        let splits = Splits {
            client: self.client.clone(),
            pipeline: self.declaration.pipeline.clone(),
            declaration: Arc::new(source),
            source: Arc::from(made),
            cell,
            stop: self.stop.clone(),
            config: config.clone(),
        };
        self.tasks.spawn(splits.run());
        Ok(())
    }

    fn start_sink(
        &mut self,
        sink: SinkDeclaration,
        config: &WorkerConfig,
        announce: &watch::Sender<u64>,
    ) -> Result<(), TaskFailure> {
        let configuring = |error: TaskError| error.of(&sink.name);
        Chain::compile(&sink.steps).map_err(|error| configuring(error.into()))?;
        let made = sink.plugin.sink(&sink.settings, &sink.surroundings);
        let made = made.map_err(|error| configuring(TaskError::connector("configuring")(error)))?;
        let delivery = match made.delivery() {
            Delivery::Transactional => "exactly-once",
            other => other.name(),
        };
        let plugin = sink.plugin.describe().name;
        let task = SinkTask {
            client: self.client.clone(),
            pipeline: self.declaration.pipeline.clone(),
            cell: self.cell(&sink.name, Role::Sink, plugin, delivery, announce),
            declaration: Arc::new(sink),
            stop: self.stop.clone(),
            finish: self.finish.subscribe(),
            config: config.clone(),
        };
        self.tasks.spawn(task.run());
        Ok(())
    }

    fn cell(
        &mut self,
        node: &str,
        role: Role,
        plugin: &str,
        delivery: &str,
        announce: &watch::Sender<u64>,
    ) -> Cell {
        let status = TaskStatus {
            pipeline: self.declaration.pipeline.clone(),
            node: node.to_owned(),
            role,
            plugin: plugin.to_owned(),
            state: TaskState::Starting,
            delivery: delivery.to_owned(),
            records: 0,
            bytes: 0,
            filtered: 0,
            skipped: 0,
            dead_letters: 0,
            restarts: 0,
            last_error: None,
            parts: BTreeMap::new(),
        };
        let cell = Cell::new(status, announce.clone());
        self.cells.push(cell.clone());
        cell
    }
}

/// Lists the splits of one source and runs a task for each.
struct Splits {
    client: Client,
    pipeline: String,
    declaration: Arc<SourceDeclaration>,
    source: Arc<dyn Source>,
    cell: Cell,
    stop: CancellationToken,
    config: WorkerConfig,
}

impl Splits {
    async fn run(self) {
        let mut known = HashSet::new();
        let mut waiting = Vec::new();
        let mut running: JoinSet<Ended> = JoinSet::new();
        let mut attempt = 0;
        loop {
            let pause = match self.list(&mut known, &mut waiting).await {
                Ok(()) => {
                    attempt = 0;
                    self.cell.recovered(LISTING);
                    SPLIT_REFRESH
                }
                Err(error) => {
                    attempt += 1;
                    self.cell.failed(LISTING, &error, attempt, self.declaration.on_error.retries);
                    tracing::warn!(node = self.declaration.name, %error, attempt, "listing splits failed");
                    error.pause(attempt)
                }
            };
            let is_listed = attempt == 0;
            while running.len() < MAX_OPEN_SPLITS
                && let Some(split) = waiting.pop()
            {
                running.spawn(self.task(split).run());
            }
            if is_listed && self.source.is_bounded() {
                return self.drain(running, waiting).await;
            }
            tokio::select! {
                () = self.stop.cancelled() => return self.finish(running).await,
                () = tokio::time::sleep(pause) => {}
            }
            while running.try_join_next().is_some() {}
        }
    }

    /// Adds the splits that are new, so that `waiting` gives them in their order from its end.
    async fn list(&self, known: &mut HashSet<String>, waiting: &mut Vec<Split>) -> Result<(), TaskError> {
        let listed = self.source.splits().await.map_err(TaskError::connector("listing splits"))?;
        for split in listed.into_iter().rev() {
            if known.insert(split.id.clone()) {
                self.cell.update_part(&split.id, |part| part.label.clone_from(&split.label));
                waiting.push(split);
            }
        }
        Ok(())
    }

    /// Runs all splits of a bounded source to their ends.
    async fn drain(&self, mut running: JoinSet<Ended>, mut waiting: Vec<Split>) {
        let mut all_drained = true;
        while let Some(ended) = running.join_next().await {
            all_drained &= matches!(ended, Ok(Ended::Drained));
            if !self.stop.is_cancelled()
                && let Some(split) = waiting.pop()
            {
                running.spawn(self.task(split).run());
            }
        }
        let is_done = all_drained && waiting.is_empty();
        self.cell.set_state(if is_done { TaskState::Drained } else { TaskState::Stopped });
    }

    async fn finish(&self, mut running: JoinSet<Ended>) {
        while running.join_next().await.is_some() {}
        self.cell.set_state(TaskState::Stopped);
    }

    fn task(&self, split: Split) -> SourceTask {
        SourceTask {
            client: self.client.clone(),
            pipeline: self.pipeline.clone(),
            declaration: Arc::clone(&self.declaration),
            source: Arc::clone(&self.source),
            split,
            cell: self.cell.clone(),
            stop: self.stop.clone(),
            config: self.config.clone(),
        }
    }
}
