//! What administrators ask of transactions (KIP-664), and the clean-up of ids nobody uses.

use super::{Effect, Pending, State, TransactionCoordinator, TransactionMetadata};
use crate::coordinator::{Producer, TopicPartition};

/// One row of ListTransactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionListing {
    pub transactional_id: String,
    pub producer_id: i64,
    pub state: State,
    /// How long the transaction has been open; `None` if none is.
    pub open_ms: Option<i64>,
}

impl TransactionCoordinator {
    /// Every transactional id of this partition, by id.
    pub fn list(&self, now_ms: i64) -> impl Iterator<Item = TransactionListing> + '_ {
        self.transactions.iter().filter_map(move |(transactional_id, transaction)| {
            let metadata = transaction.metadata.as_ref()?;
            let open = matches!(metadata.state, State::Ongoing | State::PrepareCommit | State::PrepareAbort);
            Some(TransactionListing {
                transactional_id: transactional_id.clone(),
                producer_id: metadata.producer_id,
                state: metadata.state,
                open_ms: metadata.started_ms.filter(|_| open).map(|started_ms| now_ms - started_ms),
            })
        })
    }

    /// What the log holds about a transactional id; `None` if nothing.
    pub fn describe(&self, transactional_id: &str) -> Option<&TransactionMetadata> {
        self.transactions.get(transactional_id)?.metadata.as_ref()
    }

    /// Whether a producer's transaction touches a partition and still waits for its end there.
    pub fn is_open(&self, transactional_id: &str, producer: Producer, partition: &TopicPartition) -> bool {
        self.describe(transactional_id).is_some_and(|metadata| {
            let open = metadata.state == State::Ongoing || metadata.state.outcome().is_some();
            open && metadata.producer() == producer && metadata.partitions.contains(partition)
        })
    }

    /// Forgets ids that have had no transaction for `transactional.id.expiration.ms`.
    pub fn expire_ids(&mut self, now_ms: i64) -> Vec<Effect> {
        let kept_ms = self.config.id_expiration_ms;
        let expired: Vec<String> = self
            .transactions
            .iter()
            .filter(|(_, transaction)| transaction.pending.is_none())
            .filter(|(_, transaction)| {
                transaction.metadata.as_ref().is_some_and(|metadata| {
                    let idle =
                        matches!(metadata.state, State::Empty | State::CompleteCommit | State::CompleteAbort);
                    idle && now_ms.saturating_sub(metadata.updated_ms) >= kept_ms
                })
            })
            .map(|(transactional_id, _)| transactional_id.clone())
            .collect();
        for transactional_id in expired {
            if let Some((transaction, mut context)) = self.open(now_ms, &transactional_id) {
                transaction.append(&mut context, Pending::Expire);
            }
        }
        self.outbox.drain()
    }
}
