//! A checked pipeline at work on a cluster: its topics, its queries, its sources and sinks.
//!
//! Start order: topics → queries → sources and sinks; [`PipelineRun::stop`] goes the other way round. The same code
//! runs on the embedded node and on any Kafka cluster. Left out: what each task does, and telling people about it.

pub mod ownership;
pub mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream_client::admin::{AdminError, OffsetSpec};
use millstream_client::{Client, Isolation, TopicPartition};
use millstream_streams::{
    EngineConfig, FinishError, InputEnds, QueryHandle, QueryState, QueryStatus, Session, SessionError,
};
use parking_lot::RwLock;
use serde_json::{Value, json};

pub use ownership::{Ownership, OwnershipError};
pub use topics::TopicError;

use crate::config::pipeline::Checked;
use crate::connect::{
    Declaration, DeclarationError, NodeError, Progress, Target, TaskFailure, TaskStatus, Worker, WorkerConfig,
};
use crate::pipelines::{Change, ChangeKind, Section};

/// A query that failed so often in a row, without a commit in between, will not mend itself while people wait.
const QUERY_RESTARTS_MAX: u64 = 5;

/// How long queries that cannot commit any more have to end.
const ABANDON_PATIENCE: Duration = Duration::from_secs(10);

/// How often queries are looked at while they are waited for.
const QUERY_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Why a pipeline did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Topic(#[from] TopicError),
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
    #[error("starting the queries: {0}")]
    Queries(#[from] SessionError),
    #[error("starting {0}")]
    Task(#[from] TaskFailure),
}

/// Why a pipeline did not go over to another version.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error(transparent)]
    Topic(#[from] TopicError),
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
    #[error("starting the queries: {0}")]
    Queries(#[from] SessionError),
    #[error("starting {0}")]
    Node(#[from] NodeError),
}

/// Why a pipeline did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    #[error("source {0} never ends: run without --until-done, or give it a bound")]
    Unbounded(String),
    #[error("{0}")]
    Task(#[from] TaskFailure),
    #[error(transparent)]
    Query(#[from] FinishError),
    #[error("query {query} failed {restarts} times in a row: {reason}")]
    QueryFailing { query: String, restarts: u64, reason: String },
    #[error("asking where topic {topic} ends: {source}")]
    Ends { topic: String, source: AdminError },
}

/// A running pipeline.
pub struct PipelineRun {
    name: String,
    client: Client,
    /// Of the queries: also those that a change starts.
    engine: EngineConfig,
    session: RwLock<Arc<Session>>,
    worker: Worker,
}

impl PipelineRun {
    /// Creates missing topics and starts every task; `engine` says how queries run and where they keep their state. Warnings
    /// are about topics that differ from the file.
    pub async fn start(
        client: Client,
        checked: &Checked,
        until_done: bool,
        engine: EngineConfig,
    ) -> Result<(Self, Vec<String>), StartError> {
        Self::start_as(client, checked, Declaration::of(&checked.pipeline)?, until_done, engine).await
    }

    /// As [`PipelineRun::start`], with sources and sinks that stand still from the start.
    pub async fn start_with(
        client: Client,
        checked: &Checked,
        targets: BTreeMap<String, Target>,
        engine: EngineConfig,
    ) -> Result<(Self, Vec<String>), StartError> {
        let config = WorkerConfig { targets, ..WorkerConfig::default() };
        Self::start_all(client, checked, Declaration::of(&checked.pipeline)?, false, engine, config).await
    }

    /// As [`PipelineRun::start`], with other sources and sinks than the file's.
    pub async fn start_as(
        client: Client,
        checked: &Checked,
        declaration: Declaration,
        until_done: bool,
        engine: EngineConfig,
    ) -> Result<(Self, Vec<String>), StartError> {
        Self::start_all(client, checked, declaration, until_done, engine, WorkerConfig::default()).await
    }

    async fn start_all(
        client: Client,
        checked: &Checked,
        declaration: Declaration,
        until_done: bool,
        mut engine: EngineConfig,
        config: WorkerConfig,
    ) -> Result<(Self, Vec<String>), StartError> {
        let warnings = topics::prepare(&client, checked).await?;
        if until_done {
            // Nobody waits for a quiet partition: the end of the run closes what is open, and until then the
            // result must not depend on how fast anything went.
            engine.idle_timeout = None;
        }
        let session = Session::start(client.clone(), engine.clone(), checked.plan.clone()).await?;
        let declaration = declaration_of(checked, declaration);
        match Worker::start(client.clone(), declaration, config).await {
            Ok(worker) => {
                let session = RwLock::new(Arc::new(session));
                let name = checked.pipeline.name.clone();
                Ok((Self { name, client, engine, session, worker }, warnings))
            }
            Err(failure) => {
                session.stop().await;
                Err(failure.into())
            }
        }
    }

    /// Waits until everything that the bounded sources hold has gone through the queries and is in the sinks.
    pub async fn finish(&self) -> Result<(), EndError> {
        if let Some(source) = self.worker.unbounded_sources().into_iter().next() {
            return Err(EndError::Unbounded(source));
        }
        self.worker.sources_drained().await?;
        // In the order of the statements: a query reads only what earlier ones write.
        for query in self.session().started_with() {
            let mut ends = InputEnds::new();
            for topic in query.input_topics() {
                ends.insert(topic.to_owned(), self.ends_of(topic).await?);
            }
            tokio::select! {
                finished = query.finish(ends) => finished?,
                failing = keeps_failing(&query) => return Err(failing),
                failure = self.worker.failed() => return Err(failure.into()),
            }
        }
        self.worker.sinks_finished().await?;
        Ok(())
    }

    /// Stops sources and sinks, then the queries; all of them commit what they have done.
    pub async fn stop(&self) {
        self.worker.stop().await;
        self.session().stop().await;
    }

    /// Ends everything as it stands: another process runs the pipeline by now, and no commit of this one would count.
    pub async fn abandon(&self) {
        self.worker.abandon();
        if tokio::time::timeout(ABANDON_PATIENCE, self.session().stop()).await.is_err() {
            tracing::warn!(pipeline = self.name, "queries did not stop in time; their commits are fenced");
        }
    }

    /// Goes over to another version of the pipeline: `changes` says which parts differ, and only those are touched.
    /// `target` says what is wanted of a source or sink.
    pub async fn change(
        &self,
        checked: &Checked,
        changes: &[Change],
        target: impl Fn(&str) -> Target,
    ) -> Result<Vec<String>, ChangeError> {
        let warnings = topics::prepare(&self.client, checked).await?;
        let declaration = declaration_of(checked, Declaration::of(&checked.pipeline)?);
        let (removed, put): (Vec<_>, Vec<_>) =
            changes.iter().partition(|change| change.kind == ChangeKind::Removed);
        for change in removed.iter().filter(|change| change.is_of_worker()) {
            match self.worker.remove(&change.name).await {
                Ok(()) | Err(NodeError::Unknown(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if changes.iter().any(|change| change.section == Section::Sql) {
            self.session().stop().await;
            let new = Session::start(self.client.clone(), self.engine.clone(), checked.plan.clone()).await?;
            *self.session.write() = Arc::new(new);
        }
        for change in put {
            let name = &change.name;
            match change.section {
                Section::Source => {
                    if let Some(source) = declaration.sources.iter().find(|source| source.name == *name) {
                        self.worker.put_source(source.clone(), target(name)).await?;
                    }
                }
                Section::Sink => {
                    if let Some(sink) = declaration.sinks.iter().find(|sink| sink.name == *name) {
                        self.worker.put_sink(sink.clone(), target(name)).await?;
                    }
                }
                Section::Cluster | Section::Topic | Section::Sql => {}
            }
        }
        Ok(warnings)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn worker(&self) -> &Worker {
        &self.worker
    }

    /// What takes statements while the pipeline runs.
    pub fn session(&self) -> Arc<Session> {
        self.session.read().clone()
    }

    pub fn progress(&self) -> Progress {
        self.worker.progress()
    }

    pub fn tasks(&self) -> Vec<TaskStatus> {
        self.worker.status()
    }

    pub fn queries(&self) -> Vec<QueryStatus> {
        self.session().queries().into_iter().map(|query| query.status).collect()
    }

    /// As `/v1/pipelines` shows it.
    pub fn status(&self) -> Value {
        let queries: Vec<Value> = self.queries().iter().map(query_json).collect();
        json!({ "name": self.name, "tasks": self.tasks(), "queries": queries })
    }

    /// The end of each partition now. Records of transactions that are about to be committed count: the query
    /// gets to them once they are.
    async fn ends_of(&self, topic: &str) -> Result<BTreeMap<i32, i64>, EndError> {
        let failed = |source: AdminError| EndError::Ends { topic: topic.to_owned(), source };
        let layout = self.client.topic(topic).await.map_err(|error| failed(error.into()))?;
        let count = i32::try_from(layout.partitions.len()).unwrap_or(i32::MAX);
        let asked: Vec<(TopicPartition, OffsetSpec)> = (0..count)
            .map(|partition| (TopicPartition::new(layout.name.clone(), partition), OffsetSpec::Latest))
            .collect();
        let listed = self.client.admin().list_offsets(&asked, Isolation::ReadUncommitted).await;
        let mut ends = BTreeMap::new();
        for ((place, _), end) in asked.into_iter().zip(listed) {
            ends.insert(place.partition, end.map_err(failed)?.offset);
        }
        Ok(ends)
    }
}

/// Sinks read the topics behind the streams and tables that they name.
fn declaration_of(checked: &Checked, mut declaration: Declaration) -> Declaration {
    for topic in declaration.sinks.iter_mut().flat_map(|sink| &mut sink.from) {
        *topic = checked.topic_of(topic).to_owned();
    }
    declaration
}

/// Resolves once a query has failed too often without a commit in between.
async fn keeps_failing(query: &QueryHandle) -> EndError {
    let mut last = query.status();
    loop {
        tokio::time::sleep(QUERY_CHECK_INTERVAL).await;
        let now = query.status();
        if now.commits > last.commits {
            last = now;
        } else if now.restarts >= last.restarts + QUERY_RESTARTS_MAX {
            return EndError::QueryFailing {
                query: query.name().to_owned(),
                restarts: now.restarts - last.restarts,
                reason: now.last_error.unwrap_or_else(|| "no reason was given".to_owned()),
            };
        }
    }
}

pub(crate) fn query_json(status: &QueryStatus) -> Value {
    json!({
        "name": status.name,
        "state": status.state.name(),
        "rows_in": status.rows_in,
        "rows_out": status.rows_out,
        "late_rows": status.late_rows,
        "bad_rows": status.bad_rows,
        "commits": status.commits,
        "watermark_ms": status.watermark_ms,
        "lag_records": status.lag_records,
        "restarts": status.restarts,
        "last_error": if status.state == QueryState::Running { None } else { status.last_error.clone() },
    })
}
