//! The coordinators at work: each partition of an internal topic has one task that owns its coordinator, feeds it
//! requests, time and the outcomes of appends, and carries out its effects.
//!
//! Requests wait for their answer in a one-shot channel; order comes from the task's queue. An internal partition is
//! loaded completely before the first request is served. Left out: authorisation and the wire (`api`).

mod groups;
mod load;
mod markers;
mod shard;
mod transactions;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use millstream_protocol::ErrorCode;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::group::{GroupConfig, GroupCoordinator, Topics};
use super::producer_ids::ProducerIds;
use super::transaction::{TransactionConfig, TransactionCoordinator};
use super::{GROUP_TOPIC, TRANSACTION_TOPIC, TopicPartition, partition_for};
use crate::log::Partition;
use markers::MarkerWriter;
use shard::{Core, Handle, Shard};

pub(crate) use markers::{MarkerError, MarkerToWrite};

/// Requests that may wait for one coordinator's task; beyond, senders wait.
const SHARD_QUEUE: usize = 1_024;
/// How long a request waits for its coordinator to load before the client is told to retry.
const LOAD_PATIENCE: Duration = Duration::from_secs(2);
/// How often transactional ids are looked through for expired ones (Kafka's default).
const TRANSACTIONAL_ID_SWEEP: Duration = Duration::from_secs(3_600);

/// What coordinators need of the node around them.
pub(crate) trait Surroundings: Send + Sync + 'static {
    /// `None` if there is no such topic.
    fn partition_count(&self, topic: &str) -> Option<i32>;
    fn find(&self, place: &TopicPartition) -> Place;
    /// The topics as they are now.
    fn topics(&self) -> Arc<dyn Topics>;
    /// First id and count of a block that nobody else gets; `None` if the metadata can't give one now.
    fn allocate_producer_ids(&self) -> BoxFuture<'static, Option<(i64, i32)>>;
}

/// Where a partition is.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// This node leads it, in this leader epoch.
    Here {
        partition: Arc<Partition>,
        leader_epoch: i32,
    },
    Elsewhere,
    /// There is no such partition (any more).
    Nowhere,
}

/// Why a coordinator can't be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unavailable {
    #[error("the coordinator is still loading its partition; retry")]
    Loading,
    #[error("this node does not lead the coordinator's partition; ask for the coordinator again")]
    Elsewhere,
    #[error("the coordinator's internal topic does not exist yet; retry")]
    NoTopic,
    #[error("the node is stopping")]
    Stopped,
}

impl Unavailable {
    pub(crate) fn code(self) -> ErrorCode {
        match self {
            Unavailable::Loading => ErrorCode::CoordinatorLoadInProgress,
            Unavailable::Elsewhere => ErrorCode::NotCoordinator,
            Unavailable::NoTopic | Unavailable::Stopped => ErrorCode::CoordinatorNotAvailable,
        }
    }
}

/// Settings of both kinds of coordinators.
#[derive(Debug, Clone, Default)]
pub(crate) struct CoordinatorConfig {
    pub(crate) group: GroupConfig,
    /// `offsets.retention.check.interval.ms`
    pub(crate) offsets_sweep_ms: u64,
    pub(crate) transaction: TransactionConfig,
}

/// All coordinators of this node.
pub(crate) struct Coordinators {
    surroundings: Arc<dyn Surroundings>,
    groups: Arc<Shards<GroupCoordinator>>,
    transactions: Shards<TransactionCoordinator>,
    producer_ids: Arc<Mutex<ProducerIds>>,
    /// Held while a block of producer ids is fetched, so that one fetch serves all who wait.
    allocation: tokio::sync::Mutex<()>,
    markers: Arc<MarkerWriter>,
}

impl std::fmt::Debug for Coordinators {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Coordinators").finish_non_exhaustive()
    }
}

impl Coordinators {
    /// Must be called inside a Tokio runtime. Tasks end when `stopping` is cancelled.
    pub(crate) fn new(
        surroundings: Arc<dyn Surroundings>,
        config: CoordinatorConfig,
        stopping: CancellationToken,
    ) -> Coordinators {
        let group_config = config.group;
        let groups = Arc::new(Shards {
            topic: GROUP_TOPIC,
            surroundings: surroundings.clone(),
            stopping: stopping.clone(),
            sweep: Duration::from_millis(config.offsets_sweep_ms.max(1)),
            markers: None,
            make: Box::new(move |_| GroupCoordinator::new(group_config.clone())),
            handles: Mutex::default(),
        });
        let markers = Arc::new(MarkerWriter::new(surroundings.clone(), groups.clone()));
        let transaction_config = config.transaction;
        let transactions = Shards {
            topic: TRANSACTION_TOPIC,
            surroundings: surroundings.clone(),
            stopping,
            sweep: TRANSACTIONAL_ID_SWEEP,
            markers: Some(markers.clone()),
            make: Box::new(move |leader_epoch| {
                TransactionCoordinator::new(transaction_config.clone(), leader_epoch)
            }),
            handles: Mutex::default(),
        };
        let producer_ids = Arc::default();
        Coordinators {
            surroundings,
            groups,
            transactions,
            producer_ids,
            allocation: tokio::sync::Mutex::default(),
            markers,
        }
    }

    /// Starts the coordinators of every partition that holds something: transactions that were decided are
    /// finished and open ones time out even if no client asks.
    pub(crate) fn resume(&self) {
        self.groups.resume();
        self.transactions.resume();
    }

    /// Writes one marker and waits until it is durable. What waits for it inside this node is told.
    pub(crate) async fn write_marker(&self, marker: MarkerToWrite) -> Result<(), MarkerError> {
        self.markers.write(marker).await
    }

    /// A fresh producer id, for a producer without transactions.
    pub(crate) async fn producer_id(&self) -> Option<i64> {
        self.refill_producer_ids().await;
        self.producer_ids.lock().take()
    }

    /// Makes sure that ids are at hand, as far as the metadata can give some.
    async fn refill_producer_ids(&self) {
        if !self.producer_ids.lock().wants_block() {
            return;
        }
        let _one_fetch = self.allocation.lock().await;
        if !self.producer_ids.lock().wants_block() {
            return;
        }
        if let Some((first, count)) = self.surroundings.allocate_producer_ids().await {
            self.producer_ids.lock().add_block(first, count);
        }
    }

    /// The partition of `__consumer_offsets` that holds a group, if the topic exists.
    pub(crate) fn group_partition(&self, group_id: &str) -> Option<TopicPartition> {
        let count = self.surroundings.partition_count(GROUP_TOPIC)?;
        Some(TopicPartition::new(GROUP_TOPIC, partition_for(group_id, count)))
    }
}

/// The coordinators of one internal topic, started when they are first asked.
struct Shards<C: Core> {
    topic: &'static str,
    surroundings: Arc<dyn Surroundings>,
    stopping: CancellationToken,
    sweep: Duration,
    markers: Option<Arc<MarkerWriter>>,
    make: Box<dyn Fn(i32) -> C + Send + Sync>,
    handles: Mutex<HashMap<i32, Handle<C>>>,
}

impl<C: Core> Shards<C> {
    /// The coordinator that owns a group or transactional id.
    fn owner_of(&self, id: &str) -> Result<Handle<C>, Unavailable> {
        let count = self.surroundings.partition_count(self.topic).ok_or(Unavailable::NoTopic)?;
        self.shard(partition_for(id, count))
    }

    fn shard(&self, index: i32) -> Result<Handle<C>, Unavailable> {
        if self.stopping.is_cancelled() {
            return Err(Unavailable::Stopped);
        }
        if let Some(handle) = self.handles.lock().get(&index) {
            return Ok(handle.clone());
        }
        match self.surroundings.find(&TopicPartition::new(self.topic, index)) {
            Place::Here { partition, leader_epoch } => {
                let mut handles = self.handles.lock();
                let handle = handles.entry(index).or_insert_with(|| {
                    let core = (self.make)(leader_epoch);
                    Shard::start(core, partition, self.markers.clone(), self.sweep, self.stopping.clone())
                });
                Ok(handle.clone())
            }
            Place::Elsewhere => Err(Unavailable::Elsewhere),
            Place::Nowhere => Err(Unavailable::NoTopic),
        }
    }

    /// Every coordinator whose partition holds something or is in use.
    fn all(&self) -> Vec<Handle<C>> {
        let count = self.surroundings.partition_count(self.topic).unwrap_or(0);
        (0..count).filter(|index| self.is_used(*index)).filter_map(|index| self.shard(index).ok()).collect()
    }

    fn is_used(&self, index: i32) -> bool {
        if self.handles.lock().contains_key(&index) {
            return true;
        }
        let place = self.surroundings.find(&TopicPartition::new(self.topic, index));
        matches!(place, Place::Here { partition, .. } if partition.log_end_offset() > 0)
    }

    fn resume(&self) {
        self.all();
    }
}
