//! A running engine that takes statements: queries are added, replaced, paused and dropped while others run.
//!
//! What is declared is kept in a compacted topic of the cluster, one record per relation or query, so that the next
//! session of the same pipeline finds it again. A session starts from a plan (a pipeline's file, or nothing), whose
//! relations and queries statements can read and pause, but not change.
//!
//! A `SELECT` alone is answered by a query that runs for it, and is kept nowhere.

mod store;
mod values;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use millstream_client::Client;
use tokio::sync::Semaphore;

use crate::diagnostic::{Diagnostic, Finding, Position};
use crate::exec::{
    Engine, EngineConfig, QueryHandle, QueryState, QueryStatus, SelectFrom, Selection, StartError,
};
use crate::plan::{Answer, Entry, EntryState, Plan, Planning, Program, QueryPlan, TopicShown, World, deeply};
use crate::sql::parse::{Body, Show, Statement};
use store::{Kept, Store, StoreError};

/// The name that statements' own text has in diagnostics.
const ORIGIN: &str = "sql";

/// Most `SELECT`s that are answered at the same time.
const SELECTIONS_MAX: usize = 32;

/// Why statements were not carried out.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Nothing was done at all.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Refused(Vec<Diagnostic>),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{attempt}: {reason}")]
    Cluster { attempt: String, reason: String },
}

impl SessionError {
    fn cluster(attempt: impl Into<String>, reason: impl ToString) -> SessionError {
        SessionError::Cluster { attempt: attempt.into(), reason: reason.to_string() }
    }
}

/// One query of a session as it is now.
#[derive(Debug, Clone)]
pub struct QueryShown {
    /// As it was written.
    pub statement: Arc<str>,
    pub reads: Vec<String>,
    pub writes: String,
    pub status: QueryStatus,
}

pub struct Session {
    inner: tokio::sync::Mutex<Inner>,
    /// What [`Session::queries`] shows without waiting for a statement under way.
    shown: Arc<Mutex<Vec<Running>>>,
    /// Selections that may still begin.
    selections: Arc<Semaphore>,
}

struct Inner {
    client: Client,
    config: EngineConfig,
    planning: Planning,
    store: Store,
    running: BTreeMap<String, Running>,
    /// Kept statements that could not be planned, and why.
    broken: Vec<(Kept, String)>,
}

/// A query and the task that runs it; a paused one has its last.
#[derive(Clone)]
struct Running {
    plan: Arc<QueryPlan>,
    statement: Arc<str>,
    handle: Option<QueryHandle>,
    is_paused: bool,
    /// It came with the plan that the session started from.
    is_fixed: bool,
}

impl Session {
    /// Starts the queries of `plan`, and those that an earlier session of the same pipeline has kept in the cluster.
    /// Must be called within a tokio runtime.
    pub async fn start(client: Client, config: EngineConfig, plan: Plan) -> Result<Session, SessionError> {
        let pipeline = plan.planning.pipeline().to_owned();
        let (store, kept) = Store::open(client.clone(), &pipeline, config.replication_factor).await?;
        let planning = plan.planning.fixed_and_running();
        let restored = tokio::task::spawn_blocking(move || restore(planning, kept));
        let (planning, broken) =
            restored.await.map_err(|error| SessionError::cluster("plan kept statements", error))?;
        for (kept, reason) in &broken {
            tracing::error!(name = kept.name, reason, "a kept statement could not be planned");
        }
        let mut inner =
            Inner { client, config, planning: Planning::default(), store, running: BTreeMap::new(), broken };
        for entry in planning.entries() {
            let Some(query) = entry.live_query() else { continue };
            match Engine::create_topics(&inner.client, &inner.config, query).await {
                // A query of the plan must start; a kept one tries again by itself.
                Err(error) if entry.fixed => return Err(error.into()),
                Err(error) => tracing::error!(query = query.name(), %error, "topics are missing"),
                Ok(()) => {}
            }
        }
        inner.run(&planning).await;
        inner.planning = planning;
        let shown = Arc::new(Mutex::new(inner.shown()));
        let selections = Arc::new(Semaphore::new(SELECTIONS_MAX));
        Ok(Session { inner: tokio::sync::Mutex::new(inner), shown, selections })
    }

    /// Carries out the statements of `text` in order. They are all planned first: if one is refused, none is carried out.
    pub async fn execute(&self, text: &str) -> Result<Vec<Answer>, SessionError> {
        let mut inner = self.inner.lock().await;
        let program = Program::parse(text, ORIGIN).map_err(SessionError::Refused)?;
        let world = inner.world(&program).await?;
        let planning = inner.planning.clone();
        let broken: Vec<String> = inner.broken.iter().map(|(kept, _)| kept.name.clone()).collect();
        let planned = tokio::task::spawn_blocking(move || plan_all(planning, &program, &world, &broken));
        let steps = planned
            .await
            .map_err(|error| SessionError::cluster("plan the statements", error))?
            .map_err(SessionError::Refused)?;
        let mut answers = Vec::new();
        for step in steps {
            let done = inner.carry_out(&step).await;
            *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = inner.shown();
            done?;
            answers.push(step.answer);
        }
        Ok(answers)
    }

    /// Begins to answer `text` if it is a `SELECT` and nothing else: without `EMIT` over what there is now, with it for as
    /// long as somebody takes rows. `None` if it is anything else: that is for [`Session::execute`].
    pub async fn select(&self, text: &str, from: SelectFrom) -> Result<Option<Selection>, SessionError> {
        let program = Program::parse(text, ORIGIN).map_err(SessionError::Refused)?;
        let mut statements = program.statements();
        let (Some((_, statement)), None) = (statements.next(), statements.next()) else { return Ok(None) };
        let Body::Select(select) = &statement.body else { return Ok(None) };
        let (client, config, planning) = {
            let inner = self.inner.lock().await;
            (inner.client.clone(), inner.config.clone(), inner.planning.clone())
        };
        let select = select.clone();
        let planned = tokio::task::spawn_blocking(move || deeply(|| planning.selected(&select)));
        let selected = planned
            .await
            .map_err(|error| SessionError::cluster("plan the query", error))?
            .and_then(|planned| planned)
            .map_err(|finding| SessionError::Refused(vec![finding.within(ORIGIN)]))?;
        let Ok(permit) = self.selections.clone().try_acquire_owned() else {
            let reason = format!("{SELECTIONS_MAX} others run already: end one, or wait for it");
            return Err(SessionError::cluster("start the query", reason));
        };
        Ok(Some(Selection::start(client, &config, selected, from, permit)))
    }

    /// Every query in the order of planning: what one writes, only later ones read.
    pub fn queries(&self) -> Vec<QueryShown> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.iter().map(Running::show).collect()
    }

    /// The tasks of the queries that the session started with and that are not paused, in the order of planning.
    pub fn started_with(&self) -> Vec<QueryHandle> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let fixed = shown.iter().filter(|running| running.is_fixed && !running.is_paused);
        fixed.filter_map(|running| running.handle.clone()).collect()
    }

    /// Stops all queries: what they have done so far is committed. The next session of the pipeline starts them again.
    pub async fn stop(&self) {
        let inner = self.inner.lock().await;
        let handles: Vec<QueryHandle> =
            inner.running.values().filter_map(|running| running.handle.clone()).collect();
        let stops = handles.iter().map(QueryHandle::stop);
        futures_util::future::join_all(stops).await;
    }
}

/// One statement that is ready to be carried out.
struct Step {
    answer: Answer,
    /// What is declared behind it.
    planning: Planning,
    action: Action,
}

enum Action {
    Nothing,
    /// Entries differ from those before.
    Change,
    DeleteTopic(String),
    Produce(values::EncodedRows),
    /// A kept statement that could not be planned is dropped.
    DropBroken(String),
}

fn restore(mut planning: Planning, kept: Vec<Kept>) -> (Planning, Vec<(Kept, String)>) {
    let mut broken = Vec::new();
    for kept in kept {
        let planned = Program::parse(&kept.statement, &kept.name).and_then(|program| {
            let statement = program.statements().next().map(|(_, statement)| statement.clone());
            let planned = match statement {
                Some(statement) => deeply(|| planning.restore(&statement, &kept.name, kept.state))
                    .and_then(|planned| planned),
                None => Err(Finding::new(Position::START, "the statement is empty")),
            };
            planned.map_err(|finding| vec![finding.within(&kept.name)])
        });
        if let Err(findings) = planned {
            let reasons: Vec<String> = findings.iter().map(ToString::to_string).collect();
            broken.push((kept, reasons.join("; ")));
        }
    }
    (planning, broken)
}

fn plan_all(
    mut planning: Planning,
    program: &Program,
    world: &World,
    broken: &[String],
) -> Result<Vec<Step>, Vec<Diagnostic>> {
    let mut steps = Vec::new();
    let mut findings = Vec::new();
    for (origin, statement) in program.statements() {
        match deeply(|| plan_one(&mut planning, statement, world, broken)).and_then(|planned| planned) {
            Ok((answer, action)) => steps.push(Step { answer, planning: planning.clone(), action }),
            Err(finding) => findings.push(finding.within(origin)),
        }
    }
    if findings.is_empty() { Ok(steps) } else { Err(findings) }
}

fn plan_one(
    planning: &mut Planning,
    statement: &Statement,
    world: &World,
    broken: &[String],
) -> Result<(Answer, Action), Finding> {
    let mut action = match &statement.body {
        Body::Show(_) | Body::Describe(_) | Body::Explain(_) | Body::Select(_) => Action::Nothing,
        _ => Action::Change,
    };
    if let Body::Drop(dropped) = &statement.body {
        if broken.contains(&dropped.name.text) {
            let message = format!("`{}`, which did not run, dropped", dropped.name.text);
            let answer = Answer { statement: statement.text.clone(), message, table: None };
            return Ok((answer, Action::DropBroken(dropped.name.text.clone())));
        }
        if dropped.delete_topic
            && let Some(relation) = planning.catalog().get(&dropped.name.text)
        {
            action = Action::DeleteTopic(relation.topic.clone());
        }
    }
    if let Body::InsertValues(insert) = &statement.body {
        let relation = planning.relation(&insert.into)?;
        action = Action::Produce(values::rows(planning.catalog(), &relation, insert)?);
    }
    Ok((planning.apply(statement, world)?, action))
}

impl Inner {
    async fn world(&self, program: &Program) -> Result<World, SessionError> {
        let mut world = World::default();
        for (name, running) in &self.running {
            world.states.insert(name.clone(), running.show().status.state.name());
        }
        world.broken = self
            .broken
            .iter()
            .map(|(kept, reason)| (kept.name.clone(), kept.statement.clone(), reason.clone()))
            .collect();
        if program.statements().any(|(_, statement)| matches!(statement.body, Body::Show(Show::Topics))) {
            let listed = self.client.admin().list_topics().await;
            let topics = listed.map_err(|error| SessionError::cluster("list topics", error))?.into_iter();
            let topics = topics.filter(|topic| !topic.is_internal && !topic.name.starts_with("__"));
            world.topics = Some(
                topics.map(|topic| TopicShown { name: topic.name, partitions: topic.partitions }).collect(),
            );
        }
        Ok(world)
    }

    async fn carry_out(&mut self, step: &Step) -> Result<(), SessionError> {
        match &step.action {
            Action::Nothing => {}
            Action::Change => self.change_to(&step.planning).await?,
            Action::DeleteTopic(topic) => {
                self.change_to(&step.planning).await?;
                self.delete_topics(&[topic.as_str()]).await?;
            }
            Action::Produce(rows) => {
                Engine::ensure_topic(&self.client, &self.config, rows.relation()).await?;
                rows.produce(&self.client).await?;
            }
            Action::DropBroken(name) => {
                self.store.write(&[(name.clone(), None)]).await?;
                self.broken.retain(|(kept, _)| kept.name != *name);
            }
        }
        Ok(())
    }

    /// Makes what runs and what is kept the same as `planning`. Topics first, then the record of it, then the tasks: a
    /// crash in between leaves nothing running that is not kept.
    async fn change_to(&mut self, planning: &Planning) -> Result<(), SessionError> {
        for entry in planning.entries() {
            if let Some(query) = entry.live_query()
                && !self.runs(query)
            {
                Engine::create_topics(&self.client, &self.config, query).await?;
            }
        }
        self.store.keep(planning.entries()).await?;
        let names: Vec<&str> = planning.entries().iter().map(|entry| entry.name.as_str()).collect();
        self.broken.retain(|(kept, _)| !names.contains(&kept.name.as_str()));
        let dropped = self.run(planning).await;
        self.planning = planning.clone();
        for query in dropped {
            self.forget(&query).await?;
        }
        Ok(())
    }

    fn runs(&self, query: &Arc<QueryPlan>) -> bool {
        self.running.get(query.name()).is_some_and(|running| Arc::ptr_eq(&running.plan, query))
    }

    /// Stops and starts tasks until exactly the live queries run. Gives the plans of queries that are gone.
    async fn run(&mut self, planning: &Planning) -> Vec<Arc<QueryPlan>> {
        let mut before = std::mem::take(&mut self.running);
        let live: BTreeMap<&str, &Entry> = planning
            .entries()
            .iter()
            .filter_map(|entry| entry.live_query().map(|query| (query.name(), entry)))
            .collect();
        let mut dropped = Vec::new();
        for (name, running) in &before {
            let goes_on = live.get(name.as_str()).is_some_and(|entry| {
                entry.state == EntryState::Running
                    && entry.live_query().is_some_and(|query| Arc::ptr_eq(query, &running.plan))
            });
            if let (false, Some(handle)) = (goes_on, &running.handle) {
                handle.stop().await;
            }
            if !live.contains_key(name.as_str()) {
                dropped.push(running.plan.clone());
            }
        }
        for entry in planning.entries() {
            let Some(query) = entry.live_query() else { continue };
            let is_paused = entry.state == EntryState::Paused;
            let known = before.remove(query.name());
            let handle = match known {
                Some(known) if is_paused => known.handle,
                Some(known) if Arc::ptr_eq(&known.plan, query) && !known.is_paused => known.handle,
                _ if is_paused => None,
                _ => Some(Engine::run(self.client.clone(), self.config.clone(), query.clone())),
            };
            let running = Running {
                plan: query.clone(),
                statement: entry.statement.text.clone(),
                handle,
                is_paused,
                is_fixed: entry.fixed,
            };
            self.running.insert(query.name().to_owned(), running);
        }
        dropped
    }

    /// Deletes what a dropped query leaves behind: its positions and its state.
    async fn forget(&self, query: &QueryPlan) -> Result<(), SessionError> {
        let internal = query.internal_topics();
        let internal: Vec<&str> = internal.iter().map(String::as_str).collect();
        self.delete_topics(&internal).await?;
        let group = query.group();
        for deleted in self.client.admin().delete_groups(&[group.as_str()]).await {
            match deleted {
                // It may never have committed.
                Err(error) if error.code() == Some(millstream_protocol::ErrorCode::GroupIdNotFound) => {}
                other => {
                    other.map_err(|error| SessionError::cluster(format!("delete group `{group}`"), error))?;
                }
            }
        }
        Ok(())
    }

    async fn delete_topics(&self, names: &[&str]) -> Result<(), SessionError> {
        if names.is_empty() {
            return Ok(());
        }
        for (deleted, name) in self.client.admin().delete_topics(names).await.into_iter().zip(names) {
            match deleted {
                Err(error)
                    if error.code() == Some(millstream_protocol::ErrorCode::UnknownTopicOrPartition) => {}
                other => {
                    other.map_err(|error| SessionError::cluster(format!("delete topic `{name}`"), error))?
                }
            }
        }
        Ok(())
    }

    /// In the order of planning.
    fn shown(&self) -> Vec<Running> {
        self.planning.queries().filter_map(|query| self.running.get(query.name()).cloned()).collect()
    }
}

impl Running {
    fn show(&self) -> QueryShown {
        let mut status = match &self.handle {
            Some(handle) => handle.status(),
            None => QueryStatus::not_started(self.plan.name()),
        };
        if self.is_paused {
            status.state = QueryState::Paused;
        }
        QueryShown {
            statement: self.statement.clone(),
            reads: self.plan.reads().map(str::to_owned).collect(),
            writes: self.plan.writes().to_owned(),
            status,
        }
    }
}
