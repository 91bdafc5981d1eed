//! Transactions: records of several partitions and a group's offsets become visible together, or never (KIP-98).
//!
//! Two versions exist, chosen by the cluster's finalized feature `transaction.version`. In version 1 partitions and groups
//! are enlisted at the coordinator before anything is sent to them. In version 2 (KIP-890) sending enlists, and each end of
//! a transaction bumps the producer's epoch, so that nothing late can reach the next transaction.

mod steps;

use std::sync::Arc;
use std::time::Duration;

use millstream_protocol::ErrorCode;

use crate::client::Client;
use crate::group::GroupMetadata;
use crate::producer::{Acks, ProduceError, Producer, ProducerConfig, TransactionCell};
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
    client: Client,
    producer: Producer,
    cell: Arc<TransactionCell>,
    transaction_timeout: Duration,
    phase: Phase,
}

#[derive(Debug, Clone)]
enum Phase {
    Ready,
    Open,
    /// A commit was attempted and nobody answered: only committing again tells what became of it.
    CommitUnknown,
    /// Only an abort goes on.
    MustAbort,
    Dead(TransactionError),
}

impl TransactionalProducer {
    pub(crate) async fn start(
        client: Client,
        transactional_id: &str,
        config: TransactionConfig,
    ) -> Result<TransactionalProducer, TransactionError> {
        let transaction_timeout = config.transaction_timeout;
        client.lease_held().await;
        let identity = steps::initialize(&client, transactional_id, transaction_timeout, None).await?;
        let is_version_2 = steps::is_version_2(&client, transactional_id).await?;
        let cell = Arc::new(TransactionCell::new(transactional_id.to_owned(), identity, is_version_2));
        let producer_config = ProducerConfig { acks: Acks::All, idempotence: true, ..config.producer };
        let producer = Producer::start(client.clone(), producer_config, Some(cell.clone()));
        Ok(TransactionalProducer { client, producer, cell, transaction_timeout, phase: Phase::Ready })
    }

    /// The producer to `send` and `append` with while a transaction is open.
    pub fn producer(&self) -> &Producer {
        &self.producer
    }

    pub fn transactional_id(&self) -> &str {
        self.cell.transactional_id()
    }

    /// Opens a transaction. Nothing is sent yet.
    pub fn begin(&mut self) -> Result<(), TransactionError> {
        const ATTEMPT: &str = "beginning a transaction";
        match &self.phase {
            Phase::Ready => {}
            Phase::Dead(error) => return Err(error.clone()),
            Phase::Open => return Err(misuse(ATTEMPT, "one is open already")),
            Phase::CommitUnknown => {
                return Err(misuse(ATTEMPT, "the last commit's outcome is unknown; commit again"));
            }
            Phase::MustAbort => return Err(misuse(ATTEMPT, "the last one must be aborted first")),
        }
        self.producer.accumulator().clear_failure();
        self.producer.accumulator().refuse(None);
        self.phase = Phase::Open;
        Ok(())
    }

    /// Makes `offsets` part of the transaction: the group has them once it commits. With the metadata of a live group
    /// member, a member that lost its partitions is refused (KIP-447); with [`GroupMetadata::simple`] nothing is checked.
    pub async fn send_offsets(
        &mut self,
        offsets: &[(TopicPartition, CommittedOffset)],
        group: &GroupMetadata,
    ) -> Result<(), TransactionError> {
        const ATTEMPT: &str = "committing offsets in a transaction";
        match &self.phase {
            Phase::Open => {}
            Phase::Dead(error) => return Err(error.clone()),
            Phase::MustAbort => return Err(misuse(ATTEMPT, "the transaction must be aborted")),
            Phase::Ready | Phase::CommitUnknown => return Err(misuse(ATTEMPT, "no transaction is open")),
        }
        if offsets.is_empty() {
            return Ok(());
        }
        let sent = steps::send_offsets(&self.client, &self.cell, offsets, group).await;
        if let Err(error) = &sent
            && error.is_abortable()
        {
            // Whether the coordinator opened a transaction is unknown; a new epoch settles that.
            self.cell.fail(&ProduceError::TransactionAborted { reason: error.to_string() }, true);
        }
        self.note(sent)
    }

    /// Flushes and commits. After `Ok`, all of the transaction is durable and will be seen: by read-committed readers and
    /// in their end offsets a moment later, once the markers are in the logs. After
    /// [`TransactionError::TimedOut`] the outcome is unknown: commit again to learn it.
    pub async fn commit(&mut self) -> Result<(), TransactionError> {
        const ATTEMPT: &str = "committing a transaction";
        match &self.phase {
            Phase::Open | Phase::CommitUnknown => {}
            Phase::Dead(error) => return Err(error.clone()),
            Phase::MustAbort => return Err(misuse(ATTEMPT, "it must be aborted")),
            Phase::Ready => return Err(misuse(ATTEMPT, "none is open")),
        }
        self.producer.accumulator().refuse(Some(ProduceError::NoTransaction));
        let flushed = self.producer.flush().await;
        let failure = self.cell.failure().or_else(|| flushed.err());
        if let Some(error) = failure {
            return self.note(Err(steps::failed(ATTEMPT, self.cell.transactional_id(), &error)));
        }
        self.phase = Phase::CommitUnknown;
        let ended = steps::end(&self.client, &self.cell, true).await;
        self.note(ended)?;
        self.phase = Phase::Ready;
        Ok(())
    }

    /// Drops what is unsent and aborts. Allowed while a transaction is open, whatever has failed in it.
    pub async fn abort(&mut self) -> Result<(), TransactionError> {
        const ATTEMPT: &str = "aborting a transaction";
        match &self.phase {
            Phase::Open | Phase::MustAbort => {}
            Phase::Dead(error) => return Err(error.clone()),
            Phase::CommitUnknown => {
                return Err(misuse(ATTEMPT, "its commit may have happened; commit again"));
            }
            Phase::Ready => return Err(misuse(ATTEMPT, "none is open")),
        }
        self.phase = Phase::MustAbort;
        self.producer.accumulator().refuse(Some(ProduceError::NoTransaction));
        self.cell
            .fail(&ProduceError::TransactionAborted { reason: "the caller aborted it".to_owned() }, false);
        // What is in flight must settle before the end is sent, or it could reach the next transaction. Its failures
        // no longer matter.
        drop(self.producer.flush().await);
        let ended = if self.cell.needs_new_epoch() && !self.cell.is_version_2() {
            self.abort_with_new_epoch().await
        } else {
            steps::end(&self.client, &self.cell, false).await
        };
        self.note(ended)?;
        self.phase = Phase::Ready;
        Ok(())
    }

    /// Initializing under the old epoch aborts what is open and gives the next epoch, in which numbers begin anew
    /// (KIP-360).
    async fn abort_with_new_epoch(&self) -> Result<(), TransactionError> {
        let id = self.cell.transactional_id();
        let identity =
            steps::initialize(&self.client, id, self.transaction_timeout, Some(self.cell.identity())).await?;
        self.cell.reset(identity);
        Ok(())
    }

    /// Remembers what a failure means for the steps to come.
    fn note(&mut self, result: Result<(), TransactionError>) -> Result<(), TransactionError> {
        if let Err(error) = &result {
            if error.is_fatal() {
                self.producer.accumulator().refuse(Some(match error {
                    TransactionError::Fenced { .. } => ProduceError::Fenced,
                    other => ProduceError::TransactionAborted { reason: other.to_string() },
                }));
                self.phase = Phase::Dead(error.clone());
            } else if error.is_abortable() {
                self.phase = Phase::MustAbort;
            }
        }
        result
    }
}

fn misuse(attempt: &'static str, reason: &'static str) -> TransactionError {
    TransactionError::Misuse { attempt, reason }
}
