//! The pipelines of one node: applied, changed, paused and removed while it runs, and started again with it.
//!
//! Every change goes one way: a new version of the pipeline's bundle is checked, held against the one that runs, and only
//! what differs is touched; then the bundle is stored. Sources and sinks keep their positions by pipeline and name. Left
//! out: what each task does (the worker's), and how people ask (HTTP's).

mod bundle;
mod connector;
mod offsets;
mod outline;
mod statements;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_broker::Broker;
use millstream_client::{Client, ClientConfig, Cluster};
use millstream_streams::{EngineConfig, Session, StateDatabase};
use parking_lot::RwLock;
use serde_json::{Value, json};
use tokio::sync::Mutex;

pub use bundle::{BUNDLE_BYTES_MAX, Bundle, Override, Store, StoreError};
pub use connector::{Connector, ConnectorType, connector_name, plugin_config, plugins, validate};
pub use outline::{Change, ChangeKind, FieldChange, Outline, Section};

use crate::config::diagnostic::Report;
use crate::config::pipeline::{self, Checked, Pipeline};
use crate::connect::Target;
use crate::pipeline::PipelineRun;

/// Where queries keep their state, inside the node's directory.
const STATE_DIRECTORY: &str = "streams";

/// How the queries of a node run.
#[derive(Debug, Clone)]
pub struct QuerySettings {
    /// Without a place for state, which the node opens itself.
    pub engine: EngineConfig,
    /// What the state of all queries may use of memory together.
    pub state_memory_bytes: u64,
}

impl Default for QuerySettings {
    fn default() -> Self {
        Self { engine: EngineConfig::default(), state_memory_bytes: 256 << 20 }
    }
}

/// Most pipelines on one node.
const PIPELINES_MAX: usize = 1000;

/// Why something asked of the node's pipelines was not done.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The findings, as `validate` shows them.
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    BadRequest(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Failed(String),
}

impl Refusal {
    fn failed(reason: impl std::fmt::Display) -> Refusal {
        Refusal::Failed(reason.to_string())
    }

    fn unknown(name: &str) -> Refusal {
        Refusal::NotFound(format!("no pipeline \"{name}\" runs here"))
    }
}

/// A pipeline of this node.
struct Entry {
    bundle: Bundle,
    /// `None` while its stored bundle does not check any more.
    checked: Option<Arc<Checked>>,
    run: Option<Arc<PipelineRun>>,
    /// Why it does not run.
    problem: Option<String>,
    /// Who runs it, while this process stands by.
    owner: Option<String>,
}

/// All pipelines of this node. Cheap to clone.
#[derive(Clone)]
pub struct Pipelines {
    inner: Arc<Inner>,
}

struct Inner {
    /// Where pipelines without a cluster of their own run.
    home: Option<Cluster>,
    store: Option<Store>,
    /// Where queries keep state that does not fit into memory, opened by the first pipeline that starts.
    state_directory: Option<PathBuf>,
    queries: QuerySettings,
    state: parking_lot::Mutex<Option<StateDatabase>>,
    /// One change at a time.
    changing: Mutex<()>,
    entries: RwLock<BTreeMap<String, Entry>>,
    /// For statements sent to this node.
    session: RwLock<Option<Arc<Session>>>,
}

impl Default for Pipelines {
    /// No pipelines, and no place for any.
    fn default() -> Self {
        Self::with(None, None, None, QuerySettings::default())
    }
}

impl Pipelines {
    fn with(
        home: Option<Cluster>,
        store: Option<Store>,
        state_directory: Option<PathBuf>,
        queries: QuerySettings,
    ) -> Self {
        let (state, changing, entries, session) = Default::default();
        let inner = Inner { home, store, state_directory, queries, state, changing, entries, session };
        Self { inner: Arc::new(inner) }
    }

    /// The pipelines that are stored in the node's directory; [`Pipelines::start_stored`] starts them.
    pub fn on(broker: &Broker, directory: &Path, queries: QuerySettings) -> Result<Self, StoreError> {
        let store = Store::open(directory.join("pipelines"))?;
        Ok(Self::with(
            Some(Cluster::Local(broker.local())),
            Some(store),
            Some(directory.join(STATE_DIRECTORY)),
            queries,
        ))
    }

    /// Shows one run that somebody else started and will stop: its tasks can be paused and restarted, and what changes
    /// lasts as long as the run.
    pub fn adopt(&self, bundle: Bundle, checked: Arc<Checked>, run: Arc<PipelineRun>) {
        let entry =
            Entry { bundle, checked: Some(checked), run: Some(run.clone()), problem: None, owner: None };
        self.inner.entries.write().insert(run.name().to_owned(), entry);
    }

    /// Shows a pipeline that another process runs, and that this one will run when that one is gone.
    pub fn stand_by(&self, bundle: Bundle, checked: Arc<Checked>, owner: &str) {
        let name = checked.pipeline.name.clone();
        let owner = Some(owner.to_owned());
        let entry = Entry { bundle, checked: Some(checked), run: None, problem: None, owner };
        self.inner.entries.write().insert(name, entry);
    }

    /// Starts what is stored. A pipeline that cannot start says so in its status; the others are not held up.
    pub async fn start_stored(&self) -> Result<(), StoreError> {
        let _changing = self.inner.changing.lock().await;
        let Some(store) = &self.inner.store else { return Ok(()) };
        for (name, bundle) in store.all()? {
            let bundle = match bundle {
                Ok(bundle) => bundle,
                Err(error) => {
                    tracing::error!(pipeline = name, %error, "a stored pipeline cannot be read");
                    continue;
                }
            };
            let mut report = Report::default();
            let checked = bundle.check(&mut report).map(Arc::new);
            let (run, problem) = match &checked {
                None => (None, Some(report.render(false))),
                Some(checked) => match self.start(checked, &bundle).await {
                    Ok((run, _)) => (Some(run), None),
                    Err(reason) => (None, Some(reason.to_string())),
                },
            };
            if let Some(problem) = &problem {
                tracing::error!(pipeline = name, problem, "a stored pipeline does not start");
            }
            self.inner.entries.write().insert(name, Entry { bundle, checked, run, problem, owner: None });
        }
        Ok(())
    }

    /// Stops all of them, committed.
    pub async fn stop(&self) {
        let _changing = self.inner.changing.lock().await;
        if self.inner.store.is_none() {
            // They belong to whoever started them.
            return;
        }
        self.stop_statements().await;
        let runs: Vec<_> =
            self.inner.entries.write().values_mut().filter_map(|entry| entry.run.take()).collect();
        futures_util::future::join_all(runs.iter().map(|run| run.stop())).await;
    }

    /// As `/v1/pipelines` shows them.
    pub fn status(&self) -> Value {
        let entries = self.inner.entries.read();
        entries.iter().map(|(name, entry)| entry.status(name)).collect()
    }

    pub fn status_of(&self, name: &str) -> Result<Value, Refusal> {
        let entries = self.inner.entries.read();
        entries.get(name).map(|entry| entry.status(name)).ok_or_else(|| Refusal::unknown(name))
    }

    /// What applying the bundle would change, and which pipeline it is.
    pub fn plan(&self, bundle: &Bundle) -> Result<(String, Vec<Change>), Refusal> {
        let checked = check(bundle)?;
        let name = checked.pipeline.name.clone();
        let changes = self.outline(&name).changes_to(&Outline::of(&checked.pipeline));
        Ok((name, changes))
    }

    /// Makes the pipeline as the bundle says. Sources and sinks that did not change go on untouched.
    pub async fn apply(&self, mut bundle: Bundle) -> Result<(String, Vec<Change>, Vec<String>), Refusal> {
        let _changing = self.inner.changing.lock().await;
        let name = check(&bundle)?.pipeline.name;
        if let Some(entry) = self.inner.entries.read().get(&name) {
            bundle.targets.clone_from(&entry.bundle.targets);
        }
        let (changes, warnings) = self.change(&name, bundle).await?;
        Ok((name, changes, warnings))
    }

    /// Stops a pipeline and forgets it. Its topics and positions stay.
    pub async fn delete(&self, name: &str) -> Result<(), Refusal> {
        let _changing = self.inner.changing.lock().await;
        self.forget(name).await
    }

    async fn forget(&self, name: &str) -> Result<(), Refusal> {
        self.own(name)?;
        let run = self.inner.entries.write().get_mut(name).and_then(|entry| entry.run.take());
        if let Some(run) = run {
            run.stop().await;
        }
        if let Some(store) = &self.inner.store {
            store.remove(name).map_err(Refusal::failed)?;
        }
        self.inner.entries.write().remove(name);
        Ok(())
    }

    /// Pauses, stops or runs sources and sinks: all of a pipeline, or one.
    pub async fn set_target(&self, name: &str, node: Option<&str>, target: Target) -> Result<(), Refusal> {
        let _changing = self.inner.changing.lock().await;
        let run = self.run(name)?;
        let nodes = match node {
            Some(node) => vec![node.to_owned()],
            None => run.tasks().into_iter().map(|task| task.node).collect(),
        };
        for node in &nodes {
            run.worker().set_target(node, target).await.map_err(node_refusal)?;
        }
        self.remember(name, |bundle| {
            for node in &nodes {
                match target {
                    Target::Running => drop(bundle.targets.remove(node)),
                    other => drop(bundle.targets.insert(node.clone(), other)),
                }
            }
        })
    }

    /// Starts a source or sink anew from what is committed, or all of them.
    pub async fn restart(&self, name: &str, node: Option<&str>) -> Result<(), Refusal> {
        let _changing = self.inner.changing.lock().await;
        let run = self.run(name)?;
        let rests = |node: &str| self.target(name, node) != Target::Running;
        let nodes = match node {
            Some(node) => vec![node.to_owned()],
            None => run.tasks().into_iter().map(|task| task.node).filter(|node| !rests(node)).collect(),
        };
        for node in nodes {
            run.worker().restart(&node).await.map_err(node_refusal)?;
        }
        Ok(())
    }

    fn target(&self, name: &str, node: &str) -> Target {
        self.inner.entries.read().get(name).map_or(Target::Running, |entry| entry.bundle.target(node))
    }

    /// Puts a new version of a pipeline in the place of the one that runs. Called by one at a time.
    async fn change(&self, name: &str, bundle: Bundle) -> Result<(Vec<Change>, Vec<String>), Refusal> {
        if self.inner.entries.read().contains_key(name) {
            self.own(name)?;
        } else if self.inner.entries.read().len() >= PIPELINES_MAX {
            return Err(Refusal::Conflict(format!(
                "this node has {PIPELINES_MAX} pipelines, which is the most"
            )));
        } else if self.inner.store.is_none() {
            return Err(Refusal::Conflict(
                "only a node started with `millstream server` takes pipelines".to_owned(),
            ));
        }
        let checked = check(&bundle)?;
        self.check_ids(&checked)?;
        let changes = self.outline(name).changes_to(&Outline::of(&checked.pipeline));
        let new_cluster = changes.iter().any(|change| change.section == Section::Cluster);
        let run = self.inner.entries.read().get(name).and_then(|entry| entry.run.clone());
        let (run, warnings) = match run.filter(|_| !new_cluster) {
            Some(run) => {
                let warnings = self.change_run(&run, name, &checked, &bundle, &changes).await?;
                (run, warnings)
            }
            None => {
                let old = self.inner.entries.write().get_mut(name).and_then(|entry| entry.run.take());
                if let Some(old) = old {
                    old.stop().await;
                }
                self.start(&checked, &bundle).await?
            }
        };
        if let Some(store) = &self.inner.store {
            store.put(name, &bundle).map_err(Refusal::failed)?;
        }
        let checked = Some(Arc::new(checked));
        let entry = Entry { bundle, checked, run: Some(run), problem: None, owner: None };
        self.inner.entries.write().insert(name.to_owned(), entry);
        Ok((changes, warnings))
    }

    /// Groups and transactions are called by pipeline and node with a `-` between, which names may hold too: two nodes that
    /// come to the same would take records from each other.
    fn check_ids(&self, checked: &Checked) -> Result<(), Refusal> {
        let new = &checked.pipeline;
        let entries = self.inner.entries.read();
        let others = entries.iter().filter(|(name, _)| **name != new.name);
        for other in others.filter_map(|(_, entry)| entry.checked.as_ref()) {
            let other = &other.pipeline;
            for ((section, ours), (_, theirs)) in names_of(new).into_iter().zip(names_of(other)) {
                for part in ours {
                    let id = format!("{}-{part}", new.name);
                    let same = theirs.iter().find(|theirs| format!("{}-{theirs}", other.name) == id);
                    if let Some(same) = same {
                        return Err(Refusal::Conflict(format!(
                            "{section} \"{part}\" of pipeline \"{}\" and {section} \"{same}\" of pipeline \"{}\" would both \
                             keep their positions as \"{id}\"; rename one of them",
                            new.name, other.name
                        )));
                    }
                }
            }
        }
        Ok(())
    }

    /// When a change fails half-way, what was changed goes back.
    async fn change_run(
        &self,
        run: &PipelineRun,
        name: &str,
        checked: &Checked,
        bundle: &Bundle,
        changes: &[Change],
    ) -> Result<Vec<String>, Refusal> {
        let error = match run.change(checked, changes, |node| bundle.target(node)).await {
            Ok(warnings) => return Ok(warnings),
            Err(error) => error,
        };
        let old = self
            .inner
            .entries
            .read()
            .get(name)
            .and_then(|entry| Some((entry.bundle.clone(), entry.bundle.check(&mut Report::default())?)));
        if let Some((old_bundle, old)) = old {
            let back: Vec<Change> = changes.iter().map(Change::inverse).collect();
            if let Err(error) = run.change(&old, &back, |node| old_bundle.target(node)).await {
                tracing::error!(pipeline = name, %error, "going back to the version before failed");
            }
        }
        Err(Refusal::failed(error))
    }

    async fn start(
        &self,
        checked: &Checked,
        bundle: &Bundle,
    ) -> Result<(Arc<PipelineRun>, Vec<String>), Refusal> {
        let cluster = match (&checked.pipeline.cluster, &self.inner.home) {
            (pipeline::Cluster::Bootstrap(addresses), _) => Cluster::Bootstrap(addresses.clone()),
            (pipeline::Cluster::Embedded, Some(home)) => home.clone(),
            (pipeline::Cluster::Embedded, None) => {
                return Err(Refusal::Failed("there is no broker here".to_owned()));
            }
        };
        let client = Client::connect(cluster, ClientConfig::default()).await.map_err(Refusal::failed)?;
        let engine = self.engine().map_err(Refusal::failed)?;
        // What is paused must not run for a moment first.
        let started = PipelineRun::start_with(client, checked, bundle.targets.clone(), engine).await;
        let (run, warnings) = started.map_err(Refusal::failed)?;
        Ok((Arc::new(run), warnings))
    }

    /// How queries run here, over the node's one state database.
    fn engine(&self) -> Result<EngineConfig, millstream_streams::StoreError> {
        let queries = &self.inner.queries;
        let Some(directory) = &self.inner.state_directory else { return Ok(queries.engine.clone()) };
        let mut state = self.inner.state.lock();
        if state.is_none() {
            *state = Some(StateDatabase::open(directory, queries.state_memory_bytes)?);
        }
        Ok(EngineConfig { state: state.clone(), ..queries.engine.clone() })
    }

    fn run(&self, name: &str) -> Result<Arc<PipelineRun>, Refusal> {
        let entries = self.inner.entries.read();
        let entry = entries.get(name).ok_or_else(|| Refusal::unknown(name))?;
        let stands_by = || entry.owner.as_ref().map(|owner| format!("{owner} runs it, this one stands by"));
        let problem =
            || entry.problem.clone().or_else(stands_by).unwrap_or_else(|| "it is stopped".to_owned());
        entry
            .run
            .clone()
            .ok_or_else(|| Refusal::Conflict(format!("pipeline {name} does not run: {}", problem())))
    }

    /// Whether the pipeline is here, and this node's to change.
    fn own(&self, name: &str) -> Result<(), Refusal> {
        match self.inner.entries.read().contains_key(name) {
            false => Err(Refusal::unknown(name)),
            true if self.inner.store.is_none() => Err(Refusal::Conflict(format!(
                "pipeline {name} belongs to `millstream run`: edit its file and run it again"
            ))),
            true => Ok(()),
        }
    }

    fn outline(&self, name: &str) -> Outline {
        let entries = self.inner.entries.read();
        let checked =
            entries.get(name).filter(|entry| entry.run.is_some()).and_then(|entry| entry.checked.as_ref());
        checked.map_or_else(Outline::default, |checked| Outline::of(&checked.pipeline))
    }

    fn remember(&self, name: &str, edit: impl FnOnce(&mut Bundle)) -> Result<(), Refusal> {
        let mut entries = self.inner.entries.write();
        let entry = entries.get_mut(name).ok_or_else(|| Refusal::unknown(name))?;
        edit(&mut entry.bundle);
        match &self.inner.store {
            Some(store) => store.put(name, &entry.bundle).map_err(Refusal::failed),
            None => Ok(()),
        }
    }
}

impl Entry {
    fn status(&self, name: &str) -> Value {
        match &self.run {
            Some(run) => run.status(),
            None => {
                let state = if self.owner.is_some() { "standby" } else { "failed" };
                json!({
                    "name": name, "state": state, "owner": self.owner, "tasks": [], "queries": [],
                    "problem": self.problem,
                })
            }
        }
    }
}

fn check(bundle: &Bundle) -> Result<Checked, Refusal> {
    let mut report = Report::default();
    bundle.check(&mut report).ok_or_else(|| Refusal::Invalid(report.render(false)))
}

fn node_refusal(error: crate::connect::NodeError) -> Refusal {
    match error {
        crate::connect::NodeError::Unknown(unknown) => Refusal::NotFound(unknown.to_string()),
        crate::connect::NodeError::Failure(failure) => Refusal::Failed(failure.to_string()),
    }
}
/// Names of the sources, and of the sinks.
fn names_of(pipeline: &Pipeline) -> [(&'static str, Vec<&str>); 2] {
    let sources = pipeline.sources.iter().map(|part| part.name.as_str()).collect();
    let sinks = pipeline.sinks.iter().map(|part| part.name.as_str()).collect();
    [("source", sources), ("sink", sinks)]
}
