//! The cluster as last heard of: nodes, topics, partition leaders.
//!
//! A snapshot is replaced whole and shared; whoever meets a stale-leader error marks it stale and refreshes. A leader
//! epoch never goes backwards while the topic keeps its id (KIP-320), so a lagging node cannot undo a leader change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millstream_protocol::messages::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseTopic,
};
use millstream_protocol::{ErrorCode, Uuid};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::client::Client;
use crate::connection::CallError;

/// Why metadata could not be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MetadataError {
    #[error("fetching cluster metadata failed: {source}")]
    Call { source: CallError },
    #[error("topic \"{topic}\" does not exist")]
    UnknownTopic { topic: String },
    #[error("metadata of topic \"{topic}\" cannot be had: {code}")]
    Topic { topic: String, code: ErrorCode },
    #[error("topic \"{topic}\" has {partitions} partitions, so none numbered {partition}")]
    UnknownPartition { topic: String, partition: i32, partitions: usize },
}

impl MetadataError {
    /// True when trying again may succeed.
    pub fn is_retriable(&self) -> bool {
        match self {
            MetadataError::Call { source } => source.is_retriable(),
            MetadataError::UnknownTopic { .. } => false,
            MetadataError::Topic { code, .. } => code.is_retriable(),
            MetadataError::UnknownPartition { .. } => false,
        }
    }
}

/// One node and its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub node_id: i32,
    pub host: String,
    pub port: i32,
    pub rack: Option<String>,
}

/// Who leads a partition, and where its replicas are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionLeader {
    /// −1 while there is none.
    pub leader: i32,
    /// −1 when the cluster does not tell.
    pub leader_epoch: i32,
    pub replicas: Vec<i32>,
    pub in_sync_replicas: Vec<i32>,
}

/// One topic; `partitions[n]` is partition n.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicLayout {
    pub name: Arc<str>,
    /// [`Uuid::ZERO`] when the cluster has no topic ids.
    pub topic_id: Uuid,
    pub is_internal: bool,
    pub partitions: Arc<Vec<PartitionLeader>>,
}

/// A whole picture of the cluster, as of one or several metadata answers.
#[derive(Debug, Clone, Default)]
pub struct ClusterSnapshot {
    pub cluster_id: Option<String>,
    /// −1 when unknown.
    pub controller_id: i32,
    pub nodes: BTreeMap<i32, Node>,
    pub topics: HashMap<Arc<str>, TopicLayout>,
}

impl ClusterSnapshot {
    /// The node that leads a partition, if there is one and it is known.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        let layout = self.topics.get(topic)?;
        let entry = layout.partitions.get(usize::try_from(partition).ok()?)?;
        (entry.leader >= 0).then_some(entry.leader)
    }

    /// The leader epoch of a partition, −1 when unknown.
    pub fn leader_epoch(&self, topic: &str, partition: i32) -> i32 {
        let layout = self.topics.get(topic);
        let entry = layout.and_then(|layout| layout.partitions.get(usize::try_from(partition).ok()?));
        entry.map_or(-1, |entry| entry.leader_epoch)
    }
}

/// The cache; refreshed by the functions of [`Client`] below.
pub(crate) struct Metadata {
    state: Mutex<State>,
    /// Counts refreshes, so that a waiter knows whether one happened meanwhile.
    generation: AtomicU64,
    /// One refresh at a time; who waited for another's refresh uses its result.
    refreshing: tokio::sync::Mutex<()>,
}

struct State {
    snapshot: Arc<ClusterSnapshot>,
    /// Topics that somebody uses: a refresh asks for all of them.
    wanted: BTreeSet<Arc<str>>,
    refreshed_at: Option<Instant>,
}

impl Metadata {
    pub(crate) fn new() -> Metadata {
        let state = State {
            snapshot: Arc::new(ClusterSnapshot::default()),
            wanted: BTreeSet::new(),
            refreshed_at: None,
        };
        Metadata {
            state: Mutex::new(state),
            generation: AtomicU64::new(0),
            refreshing: tokio::sync::Mutex::new(()),
        }
    }

    pub(crate) fn snapshot(&self) -> Arc<ClusterSnapshot> {
        self.state.lock().snapshot.clone()
    }

    /// Changes with every refresh.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn install(&self, response: MetadataResponse) -> Arc<ClusterSnapshot> {
        let mut state = self.state.lock();
        let mut next = ClusterSnapshot {
            cluster_id: response.cluster_id,
            controller_id: response.controller_id,
            nodes: response.brokers.into_iter().map(node).collect(),
            topics: state.snapshot.topics.clone(),
        };
        for topic in response.topics {
            merge_topic(&mut next.topics, topic);
        }
        state.snapshot = Arc::new(next);
        state.refreshed_at = Some(Instant::now());
        self.generation.fetch_add(1, Ordering::AcqRel);
        state.snapshot.clone()
    }
}

fn node(broker: millstream_protocol::messages::MetadataResponseBroker) -> (i32, Node) {
    let node = Node { node_id: broker.node_id, host: broker.host, port: broker.port, rack: broker.rack };
    (node.node_id, node)
}

fn merge_topic(topics: &mut HashMap<Arc<str>, TopicLayout>, topic: MetadataResponseTopic) {
    let Some(name) = topic.name else { return };
    let name: Arc<str> = name.into();
    let code = ErrorCode::from_code(topic.error_code);
    if code != ErrorCode::None {
        if code == ErrorCode::UnknownTopicOrPartition {
            topics.remove(&name);
        }
        return;
    }
    let known = topics.get(&name).filter(|known| known.topic_id == topic.topic_id);
    let mut partitions: Vec<PartitionLeader> = Vec::new();
    let mut answered = topic.partitions;
    answered.sort_by_key(|partition| partition.partition_index);
    for (position, partition) in answered.into_iter().enumerate() {
        let fresh = PartitionLeader {
            leader: partition.leader_id,
            leader_epoch: partition.leader_epoch,
            replicas: partition.replica_nodes,
            in_sync_replicas: partition.isr_nodes,
        };
        let older = known.and_then(|known| known.partitions.get(position));
        let newest = match older {
            Some(older) if older.leader_epoch > fresh.leader_epoch && fresh.leader_epoch >= 0 => {
                older.clone()
            }
            _ => fresh,
        };
        partitions.push(newest);
    }
    let layout = TopicLayout {
        name: name.clone(),
        topic_id: topic.topic_id,
        is_internal: topic.is_internal,
        partitions: Arc::new(partitions),
    };
    topics.insert(name, layout);
}

impl Client {
    /// Asks the cluster anew about its nodes and every topic in use. Tries for `operation_timeout`.
    pub async fn refresh_metadata(&self) -> Result<Arc<ClusterSnapshot>, MetadataError> {
        let seen = self.shared.metadata.generation();
        let _turn = self.shared.metadata.refreshing.lock().await;
        if self.shared.metadata.generation() != seen {
            return Ok(self.cluster());
        }
        let deadline = Instant::now() + self.shared.config.operation_timeout;
        let mut backoff = self.retry_backoff();
        loop {
            let wanted: Vec<Arc<str>> = self.shared.metadata.state.lock().wanted.iter().cloned().collect();
            let error = match self.ask_metadata(&wanted, false).await {
                Ok((snapshot, _)) => return Ok(snapshot),
                Err(error) => error,
            };
            let wait = backoff.next_wait();
            if !error.is_retriable() || Instant::now() + wait >= deadline {
                return Err(MetadataError::Call { source: error });
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Changes with every refresh.
    pub(crate) fn metadata_generation(&self) -> u64 {
        self.shared.metadata.generation()
    }

    pub(crate) fn retry_backoff(&self) -> Backoff {
        let spread = Arc::as_ptr(&self.shared) as u64;
        Backoff::new(self.shared.config.retry_backoff, self.shared.config.retry_backoff_max, spread)
    }

    /// Refreshes when the snapshot is older than `metadata_max_age`.
    pub(crate) async fn refresh_if_old(&self) -> Result<(), MetadataError> {
        if self.is_metadata_old() {
            self.refresh_metadata().await?;
        }
        Ok(())
    }

    pub(crate) fn is_metadata_old(&self) -> bool {
        let refreshed_at = self.shared.metadata.state.lock().refreshed_at;
        refreshed_at.is_none_or(|at| at.elapsed() > self.shared.config.metadata_max_age)
    }

    pub(crate) async fn topic_layout(&self, topic: &str, create: bool) -> Result<TopicLayout, MetadataError> {
        if let Some(layout) = self.cluster().topics.get(topic) {
            return Ok(layout.clone());
        }
        let asked: [Arc<str>; 1] = [topic.into()];
        self.shared.metadata.state.lock().wanted.extend(asked.iter().cloned());
        let deadline = Instant::now() + self.shared.config.operation_timeout;
        let mut backoff = self.retry_backoff();
        loop {
            let error = match self.ask_metadata(&asked, create).await {
                Err(source) => MetadataError::Call { source },
                Ok((snapshot, errors)) => match (snapshot.topics.get(topic), errors.get(topic)) {
                    (Some(layout), _) => return Ok(layout.clone()),
                    (None, Some(&code)) => MetadataError::Topic { topic: topic.to_owned(), code },
                    (None, None) => MetadataError::UnknownTopic { topic: topic.to_owned() },
                },
            };
            let wait = backoff.next_wait();
            let is_unknown =
                matches!(error, MetadataError::Topic { code: ErrorCode::UnknownTopicOrPartition, .. });
            // A topic being created is unknown or leaderless for a moment; without creation, unknown is the answer.
            let gives_up = !error.is_retriable() || (is_unknown && !create);
            if gives_up || Instant::now() + wait >= deadline {
                self.forget_topic(topic);
                return Err(if is_unknown {
                    MetadataError::UnknownTopic { topic: topic.to_owned() }
                } else {
                    error
                });
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Drops what is known of a topic, for instance after deleting it.
    pub(crate) fn forget_topic(&self, topic: &str) {
        let mut state = self.shared.metadata.state.lock();
        state.wanted.remove(topic);
        if state.snapshot.topics.contains_key(topic) {
            let mut next = (*state.snapshot).clone();
            next.topics.remove(topic);
            state.snapshot = Arc::new(next);
        }
    }

    /// Every topic of the cluster, in no particular order.
    pub(crate) async fn all_topics(&self) -> Result<Vec<MetadataResponseTopic>, CallError> {
        let connection = self.shared.pool.any().await?;
        let request =
            MetadataRequest { topics: None, allow_auto_topic_creation: false, ..Default::default() };
        Ok(connection.call(request).await?.topics)
    }

    async fn ask_metadata(
        &self,
        topics: &[Arc<str>],
        create: bool,
    ) -> Result<(Arc<ClusterSnapshot>, HashMap<String, ErrorCode>), CallError> {
        let connection = self.shared.pool.any().await?;
        let request = MetadataRequest {
            topics: Some(topics.iter().map(|name| named_topic(name)).collect()),
            allow_auto_topic_creation: create,
            ..Default::default()
        };
        let response = connection.call(request).await?;
        let failed = response.topics.iter().filter(|topic| topic.error_code != ErrorCode::None.code());
        let errors = failed
            .filter_map(|topic| Some((topic.name.clone()?, ErrorCode::from_code(topic.error_code))))
            .collect();
        let snapshot = self.shared.metadata.install(response);
        let addresses =
            snapshot.nodes.values().map(|node| (node.node_id, format!("{}:{}", node.host, node.port)));
        self.shared.pool.learn(addresses);
        Ok((snapshot, errors))
    }
}

fn named_topic(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic { name: Some(name.to_owned()), ..Default::default() }
}
