//! AddPartitionsToTxn (and AddOffsetsToTxn, whose partition is the group's): what a transaction touches.

use super::{
    AddPartitionsError, Context, Effect, Pending, Reply, State, Transaction, TransactionCoordinator,
    TransactionMetadata, VerifyError, is_valid_id,
};
use crate::coordinator::{Producer, RequestId, TopicPartition};

/// One transactional id's part of an AddPartitionsToTxn request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddPartitions {
    pub transactional_id: String,
    pub producer: Producer,
    /// 2 when the producer speaks KIP-890's second part, otherwise 0.
    pub client_version: i16,
    pub partitions: Vec<TopicPartition>,
}

/// Per-partition results of a verification, or one reason for all.
pub type Verified = Result<Vec<(TopicPartition, Result<(), VerifyError>)>, VerifyError>;

impl TransactionCoordinator {
    /// Adds partitions to the open transaction, or opens one. Answered once durable.
    pub fn add_partitions(&mut self, now_ms: i64, request: RequestId, add: AddPartitions) -> Vec<Effect> {
        let result = if is_valid_id(&add.transactional_id) {
            match self.open(now_ms, &add.transactional_id) {
                Some((transaction, mut context)) => transaction.add(&mut context, request, &add),
                None => Err(AddPartitionsError::UnknownProducer),
            }
        } else {
            Err(AddPartitionsError::InvalidId)
        };
        if let Err(error) = result {
            self.outbox.reply(request, Reply::AddPartitions(Err(error)));
        }
        self.outbox.drain()
    }

    /// Whether each partition is part of the producer's open transaction (KIP-890's first part): a partition leader
    /// asks before the first append of a transaction. Changes nothing.
    pub fn verify_partitions(
        &self,
        transactional_id: &str,
        producer: Producer,
        partitions: &[TopicPartition],
    ) -> Verified {
        let transaction = self.transactions.get(transactional_id).ok_or(VerifyError::UnknownProducer)?;
        let metadata = transaction.metadata.as_ref().ok_or(VerifyError::UnknownProducer)?;
        if metadata.producer_id != producer.id {
            return Err(VerifyError::UnknownProducer);
        }
        if metadata.producer_epoch != producer.epoch {
            return Err(VerifyError::Fenced);
        }
        // A decision on its way to the log counts: what is appended now could miss its marker.
        let ending = matches!(transaction.pending, Some(Pending::Prepare { .. }));
        if ending || metadata.state.outcome().is_some() {
            return Err(VerifyError::Concurrent);
        }
        let open = metadata.state == State::Ongoing;
        let results = partitions.iter().map(|partition| {
            let added = open && metadata.partitions.contains(partition);
            (partition.clone(), if added { Ok(()) } else { Err(VerifyError::NotInTransaction) })
        });
        Ok(results.collect())
    }
}

impl Transaction {
    fn add(
        &mut self,
        context: &mut Context<'_>,
        request: RequestId,
        add: &AddPartitions,
    ) -> Result<(), AddPartitionsError> {
        let metadata = self.metadata.as_ref().ok_or(AddPartitionsError::UnknownProducer)?;
        // First of all: the producer may use an id or epoch that counts only once this is over.
        if self.pending.is_some() || metadata.state.outcome().is_some() {
            return Err(AddPartitionsError::Concurrent);
        }
        if metadata.producer_id != add.producer.id {
            return Err(AddPartitionsError::UnknownProducer);
        }
        if metadata.producer_epoch != add.producer.epoch {
            return Err(AddPartitionsError::Fenced);
        }
        let open = metadata.state == State::Ongoing;
        if open && add.partitions.iter().all(|partition| metadata.partitions.contains(partition)) {
            context.reply(request, Reply::AddPartitions(Ok(())));
            return Ok(());
        }
        let mut next = TransactionMetadata {
            state: State::Ongoing,
            updated_ms: context.now_ms,
            client_version: add.client_version,
            ..metadata.clone()
        };
        if !open {
            next.started_ms = Some(context.now_ms);
            next.partitions.clear();
        }
        next.partitions.extend(add.partitions.iter().cloned());
        self.append(context, Pending::Add { request, next });
        Ok(())
    }
}
