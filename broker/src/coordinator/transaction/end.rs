//! EndTxn, and the ends that nobody asked for: a new instance of the producer, or a timeout.

use super::metadata::LAST_EPOCH;
use super::{
    Context, Effect, EndError, InitProducerIdError, Pending, Reply, Requester, State, Transaction,
    TransactionCoordinator, TransactionMetadata, is_valid_id,
};
use crate::coordinator::producer_ids::ProducerIds;
use crate::coordinator::{AppendError, Outcome, Producer, RequestId};

/// The version of transactions that bumps the epoch at each end (KIP-890's second part).
pub(super) const BUMPS_EPOCH: i16 = 2;

/// One EndTxn request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndTransaction {
    pub transactional_id: String,
    pub producer: Producer,
    pub outcome: Outcome,
    /// 2 from request version 5 on, otherwise 0.
    pub client_version: i16,
}

impl TransactionCoordinator {
    /// Decides the open transaction. Answered once the decision is durable; markers follow.
    pub fn end(
        &mut self,
        now_ms: i64,
        request: RequestId,
        end: &EndTransaction,
        ids: &mut ProducerIds,
    ) -> Vec<Effect> {
        let result = if is_valid_id(&end.transactional_id) {
            match self.open(now_ms, &end.transactional_id) {
                Some((transaction, mut context)) => transaction.end(&mut context, request, end, ids),
                None => Err(EndError::UnknownProducer),
            }
        } else {
            Err(EndError::InvalidId)
        };
        if let Err(error) = result {
            self.outbox.reply(request, Reply::End(Err(error)));
        }
        self.outbox.drain()
    }
}

/// What an EndTxn request asks for, once it is known to be from the current producer.
enum Asked {
    /// Decide; `empty` if no transaction is open and there is nothing but an epoch to bump.
    Decide { empty: bool },
    /// It was done before and only the answer was lost.
    Done,
}

impl Transaction {
    fn end(
        &mut self,
        context: &mut Context<'_>,
        request: RequestId,
        end: &EndTransaction,
        ids: &mut ProducerIds,
    ) -> Result<(), EndError> {
        let metadata = self.metadata.as_ref().ok_or(EndError::UnknownProducer)?;
        let bumps_epoch = end.client_version >= BUMPS_EPOCH;
        let asked = if bumps_epoch {
            // First of all, because the producer may use what is still on its way.
            if self.pending.is_some() {
                return Err(EndError::Concurrent);
            }
            asked_with_bump(metadata, end)?
        } else {
            asked_without_bump(metadata, end, self.pending.is_some())?
        };
        let Asked::Decide { empty } = asked else {
            context.reply(request, Reply::End(Ok(metadata.producer())));
            return Ok(());
        };
        let mut next = TransactionMetadata {
            state: State::prepare(end.outcome),
            updated_ms: context.now_ms,
            client_version: end.client_version,
            ..metadata.clone()
        };
        if empty {
            next.started_ms = Some(context.now_ms);
            next.partitions.clear();
        }
        if bumps_epoch {
            if metadata.epochs_ran_out() {
                next.next_producer_id = Some(ids.take().ok_or(EndError::NoProducerId)?);
            }
            next.previous_epoch = Some(metadata.producer_epoch);
            next.producer_epoch = metadata.producer_epoch.saturating_add(1);
        }
        let continues_as = match next.next_producer_id {
            Some(id) => Producer { id, epoch: 0 },
            None => next.producer(),
        };
        let requester = Requester::Client { request, continues_as };
        self.append(context, Pending::Prepare { requester, next });
        Ok(())
    }

    /// Aborts the open transaction under an epoch that no producer has, so that its owner can't write any more.
    pub(super) fn abort_fenced(&mut self, context: &mut Context<'_>, requester: Requester) {
        let Some(metadata) = &self.metadata else { return };
        let next = TransactionMetadata {
            state: State::PrepareAbort,
            producer_epoch: metadata.producer_epoch.saturating_add(1),
            previous_epoch: None,
            updated_ms: context.now_ms,
            ..metadata.clone()
        };
        self.append(context, Pending::Prepare { requester, next });
    }

    pub(super) fn prepared(
        &mut self,
        context: &mut Context<'_>,
        requester: Requester,
        next: TransactionMetadata,
        outcome: Result<(), AppendError>,
    ) {
        let decided = outcome.map(|()| self.metadata = Some(next));
        match requester {
            Requester::Client { request, continues_as } => {
                let reply = decided.map(|()| continues_as).map_err(EndError::from);
                context.reply(request, Reply::End(reply));
            }
            Requester::Init { request } => {
                let error = decided.err().map_or(InitProducerIdError::Concurrent, InitProducerIdError::from);
                context.reply(request, Reply::InitProducerId(Err(error)));
            }
            Requester::Timeout if decided.is_err() => context.retry_later(),
            Requester::Timeout => {}
        }
        if decided.is_ok() {
            self.write_markers(context);
        }
    }
}

/// Before KIP-890: the epoch stays, so a request that is repeated late can't be told from a new one.
fn asked_without_bump(
    metadata: &TransactionMetadata,
    end: &EndTransaction,
    pending: bool,
) -> Result<Asked, EndError> {
    if metadata.producer_id != end.producer.id {
        return Err(EndError::UnknownProducer);
    }
    if metadata.producer_epoch != end.producer.epoch {
        return Err(EndError::Fenced);
    }
    if pending {
        return Err(EndError::Concurrent);
    }
    match (metadata.state, end.outcome) {
        (State::Ongoing, _) => Ok(Asked::Decide { empty: false }),
        (State::CompleteCommit, Outcome::Commit) | (State::CompleteAbort, Outcome::Abort) => Ok(Asked::Done),
        (State::PrepareCommit, Outcome::Commit) | (State::PrepareAbort, Outcome::Abort) => {
            Err(EndError::Concurrent)
        }
        _ => Err(EndError::InvalidState),
    }
}

/// KIP-890: the epoch tells a repeated request (one below the current) from a new one.
fn asked_with_bump(metadata: &TransactionMetadata, end: &EndTransaction) -> Result<Asked, EndError> {
    let ran_out = metadata.previous_producer_id == Some(end.producer.id)
        && end.producer.epoch == LAST_EPOCH
        && metadata.producer_epoch == 0;
    if metadata.next_producer_id == Some(end.producer.id) {
        return Err(EndError::Concurrent);
    }
    if metadata.producer_id != end.producer.id && !ran_out {
        return Err(EndError::UnknownProducer);
    }
    let same = metadata.producer() == end.producer;
    let repeats = ran_out || end.producer.epoch.checked_add(1) == Some(metadata.producer_epoch);
    let valid = match metadata.state {
        State::Ongoing | State::Empty | State::Dead | State::PrepareEpochFence => same,
        State::PrepareCommit | State::PrepareAbort | State::CompleteCommit | State::CompleteAbort => {
            same || repeats
        }
    };
    if !valid {
        return Err(EndError::Fenced);
    }
    match (metadata.state, end.outcome) {
        (State::Ongoing, _) => Ok(Asked::Decide { empty: false }),
        (State::CompleteCommit, Outcome::Commit) | (State::CompleteAbort, Outcome::Abort) if repeats => {
            Ok(Asked::Done)
        }
        (State::Empty | State::CompleteCommit | State::CompleteAbort, Outcome::Abort) if !repeats => {
            Ok(Asked::Decide { empty: true })
        }
        // Markers are on their way. A producer that goes on under its new epoch comes back when they are there.
        (State::PrepareCommit | State::PrepareAbort, _) if same => Err(EndError::Concurrent),
        (State::PrepareCommit, Outcome::Commit) | (State::PrepareAbort, Outcome::Abort) => {
            Err(EndError::Concurrent)
        }
        _ => Err(EndError::InvalidState),
    }
}
