//! Starting, watching and ending the queries of a plan: one supervised task per query.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millstream_client::Client;
use millstream_client::admin::{Admin, AdminError, NewTopic};
use millstream_protocol::ErrorCode;
use tokio::sync::watch;

use super::link::{self, ClusterLink};
use super::status::{QueryState, QueryStatus, StatusCells};
use super::task::{self, Finish, Orders, PARALLELISM_MAX, TaskConfig};
use crate::plan::{Plan, QueryPlan};
use crate::sql::catalog::{ChangeMode, Relation};
use crate::state::store::StateDatabase;

/// Only whole segments are compacted.
const CHANGELOG_SEGMENT_BYTES: &str = "67108864";

/// What to do with a record that cannot be read as the relation declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRecords {
    /// Leave it out, count it, show the last one in the status.
    Skip,
    /// Stop the query until it is mended; the task tries again by itself.
    Fail,
}

/// Settings of all queries of a plan.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Outputs become visible at most this much later than they were computed.
    pub commit_interval: Duration,
    /// A partition that has nothing to read for so long does not hold back the watermark. `None`: it does, for ever; with
    /// that, results never depend on when records arrive.
    pub idle_timeout: Option<Duration>,
    pub bad_records: BadRecords,
    /// Workers of each query, 1 to 128. Another number takes effect at the next start; state is handed over.
    pub parallelism: usize,
    /// Pause before a failed task starts again; doubles up to `restart_backoff_max`.
    pub restart_backoff: Duration,
    pub restart_backoff_max: Duration,
    /// Of topics that the engine creates; −1 leaves it to the cluster.
    pub replication_factor: i16,
    /// Partitions of topics that the engine creates and that nothing else decides; −1 leaves it to the cluster.
    pub default_partitions: i32,
    /// Where state is kept that does not fit into memory, and from where a start goes on. `None`: memory alone, and a start
    /// reads the whole changelogs.
    pub state: Option<StateDatabase>,
}

impl Default for EngineConfig {
    fn default() -> EngineConfig {
        EngineConfig {
            commit_interval: Duration::from_millis(100),
            idle_timeout: Some(Duration::from_secs(60)),
            bad_records: BadRecords::Skip,
            parallelism: std::thread::available_parallelism().map_or(1, usize::from).min(PARALLELISM_MAX),
            restart_backoff: Duration::from_millis(200),
            restart_backoff_max: Duration::from_secs(10),
            replication_factor: -1,
            default_partitions: -1,
            state: None,
        }
    }
}

/// Why queries could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("create topic `{topic}` for query `{query}`: {source}")]
    Topic { topic: String, query: String, source: AdminError },
}

/// Why a query did not finish.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    #[error("finish query `{query}`: it was stopped{}", last(.last_error))]
    Stopped { query: String, last_error: Option<String> },
}

fn last(error: &Option<String>) -> String {
    error.as_ref().map(|error| format!("; its last error: {error}")).unwrap_or_default()
}

/// Runs plans. Holds nothing itself: a query lives as long as its handle's `stop` is not called.
pub struct Engine;

impl Engine {
    /// Creates the topics that are missing and starts every query. Must be called within a tokio runtime.
    pub async fn start(client: Client, config: EngineConfig, plan: Plan) -> Result<QueryHandles, StartError> {
        let mut handles = Vec::new();
        for query in plan.queries.iter().filter(|query| !plan.is_paused(query.name())) {
            create_topics(&client, &config, query).await?;
            handles.push(spawn(client.clone(), config.clone(), query.clone()));
        }
        Ok(QueryHandles { handles })
    }

    /// Starts one query, whose topics must be there.
    pub(crate) fn run(client: Client, config: EngineConfig, plan: Arc<QueryPlan>) -> QueryHandle {
        spawn(client, config, plan)
    }

    /// Creates the topics of a query that are missing.
    pub(crate) async fn create_topics(
        client: &Client,
        config: &EngineConfig,
        query: &QueryPlan,
    ) -> Result<(), StartError> {
        create_topics(client, config, query).await
    }

    /// Creates a relation's topic if it is missing.
    pub(crate) async fn ensure_topic(
        client: &Client,
        config: &EngineConfig,
        relation: &Relation,
    ) -> Result<(), StartError> {
        ensure(&client.admin(), &relation.name, relation_topic(config, relation, None)).await
    }
}

/// Every query of a plan, in the order of its statements: what one writes, only later ones read.
pub struct QueryHandles {
    handles: Vec<QueryHandle>,
}

impl QueryHandles {
    pub fn iter(&self) -> impl Iterator<Item = &QueryHandle> {
        self.handles.iter()
    }

    pub fn get(&self, name: &str) -> Option<&QueryHandle> {
        self.handles.iter().find(|handle| handle.name() == name)
    }

    pub fn status(&self) -> Vec<QueryStatus> {
        self.handles.iter().map(QueryHandle::status).collect()
    }

    /// Stops all queries: what they have done so far is committed.
    pub async fn stop(&self) {
        for handle in &self.handles {
            handle.orders.send_modify(|orders| orders.stop = true);
        }
        for handle in &self.handles {
            handle.ended().await;
        }
    }
}

/// Offsets behind the last record to read, by topic and partition.
pub type InputEnds = BTreeMap<String, BTreeMap<i32, i64>>;

/// One running query. Cheap to clone.
#[derive(Clone)]
pub struct QueryHandle {
    plan: Arc<QueryPlan>,
    status: Arc<StatusCells>,
    orders: Arc<watch::Sender<Orders>>,
    finished: watch::Receiver<u64>,
}

impl QueryHandle {
    pub fn name(&self) -> &str {
        self.plan.name()
    }

    pub fn input_topics(&self) -> Vec<&str> {
        self.plan.input_topics()
    }

    pub fn output_topic(&self) -> &str {
        self.plan.output_topic()
    }

    pub fn status(&self) -> QueryStatus {
        self.status.snapshot()
    }

    /// Waits until the query has read its input up to `ends` (offsets by topic and partition; what is left out is not
    /// waited for), then closes every open window and commits. The query goes on: what arrives later is read, but rows of
    /// windows that were closed are late.
    pub async fn finish(&self, ends: InputEnds) -> Result<(), FinishError> {
        let ends = Arc::new(ends);
        let mut number = 0;
        self.orders.send_modify(|orders| {
            number = orders.finish.as_ref().map_or(0, |finish| finish.number) + 1;
            orders.finish = Some(Finish { number, ends });
        });
        let mut finished = self.finished.clone();
        match finished.wait_for(|done| *done >= number).await {
            Ok(_) => Ok(()),
            Err(_) => Err(FinishError::Stopped {
                query: self.name().to_owned(),
                last_error: self.status().last_error,
            }),
        }
    }

    /// Stops the query: what it has done so far is committed.
    pub async fn stop(&self) {
        self.orders.send_modify(|orders| orders.stop = true);
        self.ended().await;
    }

    /// Waits until the task is gone.
    async fn ended(&self) {
        let mut finished = self.finished.clone();
        // The sender lives in the task; the channel closes with it.
        while finished.changed().await.is_ok() {}
    }
}

fn spawn(client: Client, config: EngineConfig, plan: Arc<QueryPlan>) -> QueryHandle {
    let status = Arc::new(StatusCells::new(plan.name()));
    let (orders, ordered) = watch::channel(Orders::default());
    let (finished_sender, finished) = watch::channel(0);
    let handle =
        QueryHandle { plan: plan.clone(), status: status.clone(), orders: Arc::new(orders), finished };
    tokio::spawn(supervise(client, config, plan, status, ordered, finished_sender));
    handle
}

/// Runs the task, again and again while it fails, until it is told to stop or nobody holds a handle any more.
async fn supervise(
    client: Client,
    config: EngineConfig,
    plan: Arc<QueryPlan>,
    status: Arc<StatusCells>,
    mut orders: watch::Receiver<Orders>,
    finished: watch::Sender<u64>,
) {
    let task_config = TaskConfig {
        commit_interval: config.commit_interval,
        commit_rows_max: task::TRANSACTION_ROWS_MAX,
        idle_timeout: config.idle_timeout,
        bad_records: config.bad_records,
        state: config.state.clone(),
        parallelism: config.parallelism,
    };
    let mut backoff = config.restart_backoff;
    loop {
        status.set_state(QueryState::Starting);
        let mut link = ClusterLink::new(client.clone(), plan.clone(), link::writing());
        let commits = status.commits.load(Ordering::Relaxed);
        match task::run(&plan, &task_config, &status, &mut link, &orders, &finished).await {
            Ok(()) => break,
            Err(error) => {
                tracing::warn!(query = plan.name(), %error, "query failed and starts again");
                status.set_error(error.to_string());
            }
        }
        status.restarts.fetch_add(1, Ordering::Relaxed);
        status.set_state(QueryState::Restarting);
        if status.commits.load(Ordering::Relaxed) > commits {
            backoff = config.restart_backoff;
        }
        let stopped = tokio::time::timeout(backoff, orders.wait_for(|orders| orders.stop)).await;
        if stopped.is_ok() {
            break;
        }
        backoff = (backoff * 2).min(config.restart_backoff_max);
    }
    status.set_state(QueryState::Stopped);
}

async fn create_topics(client: &Client, config: &EngineConfig, query: &QueryPlan) -> Result<(), StartError> {
    let admin = client.admin();
    let mut first = None;
    for (_, source) in query.graph.sources() {
        let relation = &source.relation;
        ensure(&admin, query.name(), relation_topic(config, relation, None)).await?;
        if first.is_none() {
            let count = client.topic(&relation.topic).await.map(|layout| layout.partitions.len());
            first = count.ok().and_then(|count| i32::try_from(count).ok());
        }
    }
    if let Some(sink) = query.sink() {
        ensure(&admin, query.name(), relation_topic(config, &sink.relation, first)).await?;
    }
    for topic in query.side_topics() {
        ensure(&admin, query.name(), new_topic(config, topic, first)).await?;
    }
    for topic in query.internal_topics() {
        let changelog = new_topic(config, &topic, Some(1)).config("cleanup.policy", "compact");
        // Compaction should keep up with state that changes often: a start reads what it has left.
        let changelog = changelog
            .config("min.cleanable.dirty.ratio", "0.1")
            .config("segment.bytes", CHANGELOG_SEGMENT_BYTES);
        ensure(&admin, query.name(), changelog).await?;
    }
    Ok(())
}

/// A relation's topic; `partitions` if nothing is declared.
fn relation_topic(config: &EngineConfig, relation: &Relation, partitions: Option<i32>) -> NewTopic {
    let mut topic = new_topic(config, &relation.topic, relation.partitions.or(partitions));
    topic.replication_factor = relation.settings.replicas.unwrap_or(topic.replication_factor);
    if let Some(retention_ms) = relation.settings.retention_ms {
        topic = topic.config("retention.ms", retention_ms.to_string());
    }
    match relation.mode {
        // Rows that are to go some day, like those of old windows, go by their age too.
        ChangeMode::Upsert if relation.settings.retention_ms.is_some_and(|length_ms| length_ms >= 0) => {
            topic.config("cleanup.policy", "compact,delete")
        }
        ChangeMode::Upsert => topic.config("cleanup.policy", "compact"),
        ChangeMode::Append => topic,
    }
}

fn new_topic(config: &EngineConfig, name: &str, partitions: Option<i32>) -> NewTopic {
    let mut topic = NewTopic::new(name, partitions.unwrap_or(config.default_partitions));
    topic.replication_factor = config.replication_factor;
    topic
}

/// Creates the topic unless there is one of that name.
async fn ensure(admin: &Admin, query: &str, topic: NewTopic) -> Result<(), StartError> {
    let name = topic.name.clone();
    let failed = |source| StartError::Topic { topic: name.clone(), query: query.to_owned(), source };
    for created in admin.create_topics(std::slice::from_ref(&topic), false).await {
        match created {
            Err(error) if error.code() == Some(ErrorCode::TopicAlreadyExists) => {}
            other => drop(other.map_err(failed)?),
        }
    }
    admin.wait_for_topic(&name).await.map_err(failed)?;
    Ok(())
}
