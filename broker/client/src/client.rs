//! The client of one cluster: shared connections and metadata, and the clients' front doors.

use std::sync::Arc;
use std::time::Duration;

use crate::admin::Admin;
use crate::connection::{CallError, Pool};
use crate::consumer::{Consumer, ConsumerConfig};
use crate::coordinator::Coordinators;
use crate::group::{GroupConfig, GroupConsumer, Lease};
use crate::metadata::{ClusterSnapshot, Metadata, MetadataError, TopicLayout};
use crate::producer::{Producer, ProducerConfig};
use crate::transaction::{TransactionConfig, TransactionError, TransactionalProducer};
use crate::transport::Transport;

/// Where the cluster is.
#[derive(Clone)]
pub enum Cluster {
    /// `host:port` of some nodes; the others are learned from them.
    Bootstrap(Vec<String>),
    /// A broker in this process: every request is a direct call, with no socket and no encoding.
    Local(Arc<dyn Transport>),
}

/// Settings that all producers, consumers and admins of one client share.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Shown by the broker in logs, metrics and quotas.
    pub client_id: String,
    pub connect_timeout: Duration,
    /// How long one request may wait for its response, beyond what it asks the node itself to wait.
    pub request_timeout: Duration,
    /// How long an operation keeps trying through retriable errors before it gives up with the last of them.
    pub operation_timeout: Duration,
    /// Metadata older than this is fetched again before it is used.
    pub metadata_max_age: Duration,
    pub reconnect_backoff: Duration,
    pub reconnect_backoff_max: Duration,
    pub retry_backoff: Duration,
    pub retry_backoff_max: Duration,
    /// A longer response closes its connection.
    pub response_bytes_max: usize,
}

impl Default for ClientConfig {
    fn default() -> Self {
        ClientConfig {
            client_id: "millstream".to_owned(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            operation_timeout: Duration::from_secs(60),
            metadata_max_age: Duration::from_secs(300),
            reconnect_backoff: Duration::from_millis(50),
            reconnect_backoff_max: Duration::from_secs(1),
            retry_backoff: Duration::from_millis(50),
            retry_backoff_max: Duration::from_secs(1),
            response_bytes_max: 256 << 20,
        }
    }
}

/// Why a cluster could not be reached in the first place.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectError {
    #[error("no address to connect to: name at least one host:port")]
    NoAddress,
    #[error("cluster at {addresses} cannot be reached: {source}")]
    Unreachable { addresses: String, source: MetadataError },
}

/// One cluster. Cheap to clone; all clones share connections and metadata.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
    lease: Option<Lease>,
}

pub(crate) struct Shared {
    pub(crate) config: ClientConfig,
    pub(crate) pool: Pool,
    pub(crate) metadata: Metadata,
    pub(crate) coordinators: Coordinators,
}

impl Client {
    /// Reaches the cluster and reads its metadata once; tries for `operation_timeout`.
    pub async fn connect(cluster: Cluster, config: ClientConfig) -> Result<Client, ConnectError> {
        let addresses = match &cluster {
            Cluster::Bootstrap(addresses) if addresses.is_empty() => return Err(ConnectError::NoAddress),
            Cluster::Bootstrap(addresses) => addresses.join(","),
            Cluster::Local(_) => "this process".to_owned(),
        };
        let shared = Shared {
            pool: Pool::new(cluster, config.clone()),
            metadata: Metadata::new(),
            coordinators: Coordinators::new(),
            config,
        };
        let client = Client { shared: Arc::new(shared), lease: None };
        client.refresh_metadata().await.map_err(|source| ConnectError::Unreachable { addresses, source })?;
        Ok(client)
    }

    /// The same client for the holder of a seat: no transactional id is taken over while the lease is not held.
    pub fn under(&self, lease: Lease) -> Client {
        Client { shared: self.shared.clone(), lease: Some(lease) }
    }

    /// Ready while nobody else can hold the seat that this client works under; at once if it works under none.
    pub async fn lease_held(&self) {
        if let Some(lease) = &self.lease {
            lease.held().await;
        }
    }

    /// A producer; idempotent unless its settings say otherwise. Nothing is sent before the first record.
    pub fn producer(&self, config: ProducerConfig) -> Producer {
        Producer::new(self.clone(), config)
    }

    /// A transactional producer. Fences any older one of the same id and waits until that one's open transaction has
    /// ended, so that a read-committed read after this sees all that the older one will ever have committed.
    pub async fn transactional_producer(
        &self,
        transactional_id: &str,
        config: TransactionConfig,
    ) -> Result<TransactionalProducer, TransactionError> {
        TransactionalProducer::start(self.clone(), transactional_id, config).await
    }

    /// A consumer of explicitly assigned partitions.
    pub fn consumer(&self, config: ConsumerConfig) -> Consumer {
        Consumer::new(self.clone(), config)
    }

    /// A member of a consumer group. It joins at its first [`GroupConsumer::poll`].
    pub fn group_consumer(&self, config: GroupConfig) -> GroupConsumer {
        GroupConsumer::new(self.clone(), config)
    }

    /// Topics, configs, groups, offsets, transactions.
    pub fn admin(&self) -> Admin {
        Admin::new(self.clone())
    }

    /// The cluster as last heard of.
    pub fn cluster(&self) -> Arc<ClusterSnapshot> {
        self.shared.metadata.snapshot()
    }

    /// The partitions of `topic`, fetched when unknown. A missing topic is an error; it is never created here.
    pub async fn topic(&self, topic: &str) -> Result<TopicLayout, MetadataError> {
        self.topic_layout(topic, false).await
    }

    /// As [`Client::topic`], but lets the broker create the topic if its `auto.create.topics.enable` says so.
    pub async fn topic_or_create(&self, topic: &str) -> Result<TopicLayout, MetadataError> {
        self.topic_layout(topic, true).await
    }
}

impl From<CallError> for MetadataError {
    fn from(source: CallError) -> Self {
        MetadataError::Call { source }
    }
}
