//! InitProducerId: a producer instance starts, and every older instance of the same transactional id is fenced.

use super::metadata::LAST_EPOCH;
use super::{
    Context, Effect, InitProducerIdError, Pending, Reply, Requester, State, Transaction,
    TransactionCoordinator, TransactionMetadata, is_valid_id,
};
use crate::coordinator::producer_ids::ProducerIds;
use crate::coordinator::{Producer, RequestId};

/// One InitProducerId request with a transactional id. (Without one, [`ProducerIds::take`] is all there is to it.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitProducerId {
    pub transactional_id: String,
    pub timeout_ms: i32,
    /// The producer that asks for a newer epoch of its own (KIP-360); none at its start.
    pub producer: Option<Producer>,
}

impl TransactionCoordinator {
    /// Gives out a producer id and epoch. An open transaction is aborted first: the client is told to retry.
    pub fn init_producer_id(
        &mut self,
        now_ms: i64,
        request: RequestId,
        init: &InitProducerId,
        ids: &mut ProducerIds,
    ) -> Vec<Effect> {
        if let Err(error) = self.check_init(init) {
            self.outbox.reply(request, Reply::InitProducerId(Err(error)));
            return self.outbox.drain();
        }
        if !self.transactions.contains_key(&init.transactional_id) {
            self.transactions.insert(init.transactional_id.clone(), Transaction::default());
        }
        let mut unused = false;
        if let Some((transaction, mut context)) = self.open(now_ms, &init.transactional_id) {
            if let Err(error) = transaction.init(&mut context, request, init, ids) {
                context.reply(request, Reply::InitProducerId(Err(error)));
            }
            unused = transaction.metadata.is_none() && transaction.pending.is_none();
        }
        if unused {
            self.transactions.remove(&init.transactional_id);
        }
        self.outbox.drain()
    }

    fn check_init(&self, init: &InitProducerId) -> Result<(), InitProducerIdError> {
        if !is_valid_id(&init.transactional_id) {
            return Err(InitProducerIdError::InvalidId);
        }
        if init.timeout_ms <= 0 || init.timeout_ms > self.config.max_timeout_ms {
            return Err(InitProducerIdError::InvalidTimeout);
        }
        Ok(())
    }
}

impl Transaction {
    fn init(
        &mut self,
        context: &mut Context<'_>,
        request: RequestId,
        init: &InitProducerId,
        ids: &mut ProducerIds,
    ) -> Result<(), InitProducerIdError> {
        if self.pending.is_some() {
            return Err(InitProducerIdError::Concurrent);
        }
        let next = match &self.metadata {
            None => {
                let producer_id = ids.take().ok_or(InitProducerIdError::NoProducerId)?;
                TransactionMetadata::new(producer_id, init.timeout_ms, context.now_ms)
            }
            Some(metadata) => {
                if metadata.state.outcome().is_some() {
                    return Err(InitProducerIdError::Concurrent);
                }
                if init.producer.is_some_and(|producer| !may_be_current(metadata, producer)) {
                    return Err(InitProducerIdError::Fenced);
                }
                match metadata.state {
                    State::Ongoing | State::PrepareEpochFence => {
                        check_epoch(metadata, init.producer)?;
                        self.abort_fenced(context, Requester::Init { request });
                        return Ok(());
                    }
                    _ => bumped(metadata, init, context.now_ms, ids)?,
                }
            }
        };
        self.append(context, Pending::Init { request, next });
        Ok(())
    }
}

/// Whether a producer that names itself can be the current one: the same id, or the one before whose epochs ran out.
fn may_be_current(metadata: &TransactionMetadata, producer: Producer) -> bool {
    let is_previous = metadata.previous_producer_id == Some(producer.id) && producer.epoch >= LAST_EPOCH;
    metadata.producer_id == producer.id || is_previous
}

/// A producer that names an epoch which is not its latest was fenced, unless it repeats a request that succeeded.
fn check_epoch(
    metadata: &TransactionMetadata,
    producer: Option<Producer>,
) -> Result<(), InitProducerIdError> {
    let Some(producer) = producer else { return Ok(()) };
    let current = producer == metadata.producer();
    let repeats = Some(producer.epoch) == metadata.previous_epoch;
    if current || repeats { Ok(()) } else { Err(InitProducerIdError::Fenced) }
}

/// The next epoch, or the first epoch of a new id when epochs ran out.
fn bumped(
    metadata: &TransactionMetadata,
    init: &InitProducerId,
    now_ms: i64,
    ids: &mut ProducerIds,
) -> Result<TransactionMetadata, InitProducerIdError> {
    check_epoch(metadata, init.producer)?;
    let mut next = TransactionMetadata {
        timeout_ms: init.timeout_ms,
        state: State::Empty,
        updated_ms: now_ms,
        started_ms: None,
        next_producer_id: None,
        partitions: Default::default(),
        ..metadata.clone()
    };
    if init.producer.is_some_and(|producer| producer != metadata.producer()) {
        // The bump succeeded before and only its answer was lost.
        return Ok(next);
    }
    next.previous_epoch = init.producer.map(|producer| producer.epoch);
    if metadata.epochs_ran_out() {
        next.previous_producer_id = Some(metadata.producer_id);
        next.producer_id = ids.take().ok_or(InitProducerIdError::NoProducerId)?;
        next.producer_epoch = 0;
    } else {
        next.producer_epoch = metadata.producer_epoch + 1;
    }
    Ok(next)
}
