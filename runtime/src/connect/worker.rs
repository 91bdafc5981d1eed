//! Owns the sources and sinks of one pipeline: starts, watches, pauses, replaces and stops them, each by itself.
//!
//! A task per source and per sink; each restarts itself. What is paused or stopped has no task and goes on later from
//! what is committed. Operations on one node at a time are its caller's to order.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use millstream_client::{Client, TopicPartition};
use millstream_sdk::sink::Delivery;
use millstream_sdk::source::HostClient;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::declaration::{Declaration, SinkDeclaration, SourceDeclaration};
use super::failure::{TaskError, TaskFailure};
use super::offsets;
use super::sink_task::{Finish, SinkTask, high_watermarks};
use super::splits::Splits;
use super::status::{Cell, Role, TaskState, TaskStatus};
use super::transform::Chain;

/// How long a task has to commit and close before it is dropped.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Limits and intervals of every task.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The longest that a source's transaction stays open.
    pub source_commit_interval: Duration,
    /// The shortest time between two commits of a source whose transactions hold little.
    pub source_commit_least: Duration,
    pub sink_commit_interval: Duration,
    /// A source commits before the interval once a transaction has this many bytes.
    pub transaction_bytes: u64,
    pub poll_records: usize,
    pub poll_bytes: usize,
    /// How often a sink looks whether its topics have got more partitions.
    pub partition_refresh: Duration,
    /// What is wanted of sources and sinks that are not to run from the start.
    pub targets: BTreeMap<String, Target>,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        WorkerConfig {
            source_commit_interval: Duration::from_millis(100),
            source_commit_least: Duration::from_millis(10),
            sink_commit_interval: Duration::from_millis(250),
            transaction_bytes: 32 << 20,
            poll_records: 16_384,
            poll_bytes: 1 << 20,
            partition_refresh: Duration::from_secs(10),
            targets: BTreeMap::new(),
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

/// What a person wants of a source or sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    Running,
    /// Stands still, and is about to go on.
    Paused,
    /// Stands still; its positions may be changed.
    Stopped,
}

/// The running sources and sinks of one pipeline. Dropping it stops them at once; [`Worker::stop`] lets them commit.
pub struct Worker {
    client: Client,
    pipeline: String,
    config: WorkerConfig,
    nodes: Mutex<BTreeMap<String, Node>>,
    finish: watch::Sender<Finish>,
    announce: watch::Sender<u64>,
}

/// One source or sink.
struct Node {
    declaration: NodeDeclaration,
    cell: Cell,
    running: Option<Running>,
    /// Order of declaration.
    place: usize,
}

#[derive(Clone)]
enum NodeDeclaration {
    Source { declaration: Arc<SourceDeclaration>, is_bounded: bool },
    Sink(Arc<SinkDeclaration>),
}

struct Running {
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

/// There is no source or sink of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pipeline {pipeline} has no source or sink `{node}`")]
pub struct UnknownNode {
    pub pipeline: String,
    pub node: String,
}

impl Worker {
    /// Configures every source and sink and starts their tasks. The failure is a configuration that cannot work.
    /// Topics that are read or written must exist, or be created by the cluster on first use.
    pub async fn start(
        client: Client,
        declaration: Declaration,
        config: WorkerConfig,
    ) -> Result<Worker, TaskFailure> {
        let worker = Worker {
            client,
            pipeline: declaration.pipeline,
            config,
            nodes: Mutex::default(),
            finish: watch::channel(Finish::default()).0,
            announce: watch::channel(0).0,
        };
        // All are checked before any is started.
        let sources = declaration.sources.into_iter().map(|source| worker.source(source));
        let sinks = declaration.sinks.into_iter().map(|sink| worker.sink(sink));
        let nodes = sources.chain(sinks).collect::<Result<Vec<_>, _>>()?;
        for (place, (name, mut node)) in nodes.into_iter().enumerate() {
            node.place = place;
            worker.ensure_offsets(&name, &node).await?;
            worker.begin(&mut node, worker.config.targets.get(&name).copied().unwrap_or(Target::Running))?;
            worker.nodes.lock().insert(name, node);
        }
        Ok(worker)
    }

    /// In order of declaration, sources first.
    pub fn status(&self) -> Vec<TaskStatus> {
        self.cells().iter().map(Cell::status).collect()
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
    pub fn unbounded_sources(&self) -> Vec<String> {
        let unbounded =
            |node: &Node| matches!(node.declaration, NodeDeclaration::Source { is_bounded: false, .. });
        self.nodes.lock().iter().filter(|(_, node)| unbounded(node)).map(|(name, _)| name.clone()).collect()
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
    pub async fn stop(&self) {
        let mut running: Vec<_> = self
            .nodes
            .lock()
            .iter_mut()
            .filter_map(|(name, node)| Some((name.clone(), node.running.take()?)))
            .collect();
        running.iter().for_each(|(_, running)| running.stop.cancel());
        for (name, running) in running.drain(..) {
            self.wait_for_stop(&name, running).await;
        }
    }

    /// Ends every task as it stands, uncommitted: what they worked for belongs to somebody else.
    pub fn abandon(&self) {
        self.nodes.lock().values_mut().for_each(|node| drop(node.running.take()));
    }

    /// Lets a node's task commit and end, or starts it again: as its target says.
    pub async fn set_target(&self, name: &str, target: Target) -> Result<(), NodeError> {
        let known = |nodes: &mut BTreeMap<String, Node>| {
            nodes.get_mut(name).map(|node| node.running.take()).ok_or_else(|| self.unknown(name))
        };
        if target == Target::Running {
            let mut nodes = self.nodes.lock();
            let node = nodes.get_mut(name).ok_or_else(|| self.unknown(name))?;
            if node.running.is_none() {
                node.cell.reset();
                self.launch(node)?;
            }
            return Ok(());
        }
        let running = known(&mut self.nodes.lock())?;
        if let Some(running) = running {
            running.stop.cancel();
            self.wait_for_stop(name, running).await;
        }
        if let Some(node) = self.nodes.lock().get(name) {
            node.cell.rest(if target == Target::Paused { TaskState::Paused } else { TaskState::Stopped });
        }
        Ok(())
    }

    /// Stops a node's task and starts it anew from what is committed.
    pub async fn restart(&self, name: &str) -> Result<(), NodeError> {
        self.set_target(name, Target::Stopped).await?;
        self.set_target(name, Target::Running).await
    }

    /// Adds a source, or puts it in the place of the one of that name, which goes on at its positions.
    pub async fn put_source(&self, source: SourceDeclaration, target: Target) -> Result<(), NodeError> {
        let (name, node) = self.source(source)?;
        self.put(name, node, target).await
    }

    /// As [`Worker::put_source`].
    pub async fn put_sink(&self, sink: SinkDeclaration, target: Target) -> Result<(), NodeError> {
        let (name, node) = self.sink(sink)?;
        self.put(name, node, target).await
    }

    /// Stops a node and forgets it. Its positions stay.
    pub async fn remove(&self, name: &str) -> Result<(), NodeError> {
        self.set_target(name, Target::Stopped).await?;
        self.nodes.lock().remove(name);
        Ok(())
    }

    async fn put(&self, name: String, mut node: Node, target: Target) -> Result<(), NodeError> {
        self.ensure_offsets(&name, &node).await?;
        node.place = self.nodes.lock().values().map(|node| node.place + 1).max().unwrap_or(0);
        if self.nodes.lock().contains_key(&name) {
            self.set_target(&name, Target::Stopped).await?;
        }
        let mut nodes = self.nodes.lock();
        if let Some(before) = nodes.get(&name) {
            node.place = before.place;
        }
        self.begin(&mut node, target)?;
        nodes.insert(name, node);
        Ok(())
    }

    fn begin(&self, node: &mut Node, target: Target) -> Result<(), TaskFailure> {
        match target {
            Target::Running => return self.launch(node),
            Target::Paused => node.cell.rest(TaskState::Paused),
            Target::Stopped => node.cell.rest(TaskState::Stopped),
        }
        Ok(())
    }

    fn unknown(&self, name: &str) -> UnknownNode {
        UnknownNode { pipeline: self.pipeline.clone(), node: name.to_owned() }
    }

    fn cells(&self) -> Vec<Cell> {
        let nodes = self.nodes.lock();
        let mut cells: Vec<_> = nodes.values().map(|node| (node.place, node.cell.clone())).collect();
        cells.sort_by_key(|(place, _)| *place);
        cells.into_iter().map(|(_, cell)| cell).collect()
    }

    async fn wait_for_stop(&self, name: &str, mut running: Running) {
        if tokio::time::timeout(STOP_PATIENCE, &mut running.task).await.is_err() {
            tracing::warn!(pipeline = self.pipeline, node = name, "did not stop in time and was dropped");
        }
    }

    async fn wait(&self, done: impl Fn(&Cell, &TaskStatus) -> bool) -> Result<(), TaskFailure> {
        let mut changed = self.announce.subscribe();
        loop {
            changed.borrow_and_update();
            let cells = self.cells();
            if let Some(failure) = cells.iter().find_map(Cell::failure) {
                return Err(failure);
            }
            if cells.iter().all(|cell| done(cell, &cell.status())) || changed.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    async fn sink_ends(&self) -> Result<HashMap<TopicPartition, i64>, TaskError> {
        let topics: HashSet<String> = {
            let nodes = self.nodes.lock();
            let sinks = nodes.values().filter_map(|node| match &node.declaration {
                NodeDeclaration::Sink(sink) => Some(sink.from.iter().cloned()),
                NodeDeclaration::Source { .. } => None,
            });
            sinks.flatten().collect()
        };
        let mut places = Vec::new();
        for topic in &topics {
            let layout = self.client.topic(topic).await?;
            let count = i32::try_from(layout.partitions.len()).unwrap_or(i32::MAX);
            places
                .extend((0..count).map(|partition| TopicPartition::new(Arc::clone(&layout.name), partition)));
        }
        let ends = high_watermarks(&self.client, &places).await?;
        Ok(places.into_iter().zip(ends).collect())
    }

    async fn ensure_offsets(&self, name: &str, node: &Node) -> Result<(), TaskFailure> {
        match node.declaration {
            NodeDeclaration::Source { .. } => {
                offsets::ensure_topic(&self.client).await.map_err(|error| error.of(name))
            }
            NodeDeclaration::Sink(_) => Ok(()),
        }
    }

    /// Configures a source without starting it: what is wrong with it shows here.
    fn source(&self, source: SourceDeclaration) -> Result<(String, Node), TaskFailure> {
        let configuring = |error: TaskError| error.of(&source.name);
        Chain::compile(&source.steps).map_err(|error| configuring(error.into()))?;
        let made = source.plugin.source(&source.settings, &source.surroundings);
        let made = made.map_err(|error| configuring(TaskError::connector("configuring")(error)))?;
        let description = source.plugin.describe();
        let role = description.role(millstream_sdk::plugin::Role::Source);
        let delivery = role.and_then(|role| role.delivery).unwrap_or(Delivery::Transactional);
        let name = source.name.clone();
        let cell = self.cell(&name, Role::Source, description.name, delivery);
        let declaration =
            NodeDeclaration::Source { is_bounded: made.is_bounded(), declaration: Arc::new(source) };
        Ok((name, Node { declaration, cell, running: None, place: 0 }))
    }

    fn sink(&self, sink: SinkDeclaration) -> Result<(String, Node), TaskFailure> {
        let configuring = |error: TaskError| error.of(&sink.name);
        Chain::compile(&sink.steps).map_err(|error| configuring(error.into()))?;
        let made = sink.plugin.sink(&sink.settings, &sink.surroundings);
        let made = made.map_err(|error| configuring(TaskError::connector("configuring")(error)))?;
        let name = sink.name.clone();
        let cell = self.cell(&name, Role::Sink, sink.plugin.describe().name, made.delivery());
        let declaration = NodeDeclaration::Sink(Arc::new(sink));
        Ok((name, Node { declaration, cell, running: None, place: 0 }))
    }

    fn launch(&self, node: &mut Node) -> Result<(), TaskFailure> {
        let stop = CancellationToken::new();
        let (client, pipeline, config) = (self.client.clone(), self.pipeline.clone(), self.config.clone());
        let (cell, token) = (node.cell.clone(), stop.clone());
        let task = match &node.declaration {
            NodeDeclaration::Source { declaration, .. } => {
                // Made anew: a source may hold what belongs to its last run.
                let made = declaration.plugin.source(&declaration.settings, &declaration.surroundings);
                let mut made =
                    made.map_err(|error| TaskError::connector("configuring")(error).of(&declaration.name))?;
                made.attach(&HostClient::new(client.clone()));
                let declaration = Arc::clone(declaration);
                let source = Arc::from(made);
                tokio::spawn(
                    Splits { client, pipeline, declaration, source, cell, stop: token, config }.run(),
                )
            }
            NodeDeclaration::Sink(declaration) => {
                let (declaration, finish) = (Arc::clone(declaration), self.finish.subscribe());
                tokio::spawn(
                    SinkTask { client, pipeline, declaration, cell, stop: token, finish, config }.run(),
                )
            }
        };
        node.running = Some(Running { stop, task: AbortOnDropHandle::new(task) });
        Ok(())
    }

    fn cell(&self, node: &str, role: Role, plugin: &str, delivery: Delivery) -> Cell {
        let delivery = match delivery {
            Delivery::Transactional => "exactly-once",
            other => other.name(),
        };
        let status = TaskStatus {
            pipeline: self.pipeline.clone(),
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
            next_attempt_ms: None,
            parts: BTreeMap::new(),
        };
        Cell::new(status, self.announce.clone())
    }
}

/// Why a node could not be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    #[error(transparent)]
    Unknown(#[from] UnknownNode),
    #[error(transparent)]
    Failure(#[from] TaskFailure),
}
