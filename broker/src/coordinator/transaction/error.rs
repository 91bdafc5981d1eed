//! Why the coordinator refuses: one enum per operation, each with its one map to Kafka's codes.
//!
//! `knows_fenced` tells whether the request's version is new enough for PRODUCER_FENCED (InitProducerId 4,
//! AddPartitionsToTxn, AddOffsetsToTxn and EndTxn 2); older clients get INVALID_PRODUCER_EPOCH.

use millstream_protocol::ErrorCode;
use thiserror::Error;

use crate::coordinator::AppendError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InitProducerIdError {
    #[error("transactional id is empty or too long")]
    InvalidId,
    #[error("transaction timeout is not positive or above transaction.max.timeout.ms")]
    InvalidTimeout,
    #[error("another change of this transactional id is on its way; retry")]
    Concurrent,
    #[error("a newer instance of this producer took over; stop this one")]
    Fenced,
    #[error("no producer id is at hand; retry")]
    NoProducerId,
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl InitProducerIdError {
    pub fn code(self, knows_fenced: bool) -> ErrorCode {
        match self {
            InitProducerIdError::InvalidId => ErrorCode::InvalidRequest,
            InitProducerIdError::InvalidTimeout => ErrorCode::InvalidTransactionTimeout,
            InitProducerIdError::Concurrent => ErrorCode::ConcurrentTransactions,
            InitProducerIdError::Fenced => fenced(knows_fenced),
            InitProducerIdError::NoProducerId => ErrorCode::CoordinatorLoadInProgress,
            InitProducerIdError::Append(error) => error.code(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AddPartitionsError {
    #[error("transactional id is empty or too long")]
    InvalidId,
    #[error("the transactional id does not belong to this producer id")]
    UnknownProducer,
    #[error("a newer instance of this producer took over; stop this one")]
    Fenced,
    #[error("the transaction before is not complete; retry")]
    Concurrent,
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl AddPartitionsError {
    pub fn code(self, knows_fenced: bool) -> ErrorCode {
        match self {
            AddPartitionsError::InvalidId => ErrorCode::InvalidRequest,
            AddPartitionsError::UnknownProducer => ErrorCode::InvalidProducerIdMapping,
            AddPartitionsError::Fenced => fenced(knows_fenced),
            AddPartitionsError::Concurrent => ErrorCode::ConcurrentTransactions,
            AddPartitionsError::Append(error) => error.code(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum VerifyError {
    #[error("the transactional id does not belong to this producer id")]
    UnknownProducer,
    #[error("a newer instance of this producer took over; stop this one")]
    Fenced,
    #[error("the transaction is being ended; retry")]
    Concurrent,
    #[error("the partition is not part of an open transaction; abort it")]
    NotInTransaction,
}

impl VerifyError {
    pub fn code(self, knows_fenced: bool) -> ErrorCode {
        match self {
            VerifyError::UnknownProducer => ErrorCode::InvalidProducerIdMapping,
            VerifyError::Fenced => fenced(knows_fenced),
            VerifyError::Concurrent => ErrorCode::ConcurrentTransactions,
            VerifyError::NotInTransaction => ErrorCode::TransactionAbortable,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EndError {
    #[error("transactional id is empty or too long")]
    InvalidId,
    #[error("the transactional id does not belong to this producer id")]
    UnknownProducer,
    #[error("a newer instance of this producer took over; stop this one")]
    Fenced,
    #[error("the transaction is being ended already; retry")]
    Concurrent,
    #[error("there is no open transaction, or it ended the other way")]
    InvalidState,
    #[error("no producer id is at hand; retry")]
    NoProducerId,
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl EndError {
    pub fn code(self, knows_fenced: bool) -> ErrorCode {
        match self {
            EndError::InvalidId => ErrorCode::InvalidRequest,
            EndError::UnknownProducer => ErrorCode::InvalidProducerIdMapping,
            EndError::Fenced => fenced(knows_fenced),
            EndError::Concurrent => ErrorCode::ConcurrentTransactions,
            EndError::InvalidState => ErrorCode::InvalidTxnState,
            EndError::NoProducerId => ErrorCode::CoordinatorLoadInProgress,
            EndError::Append(error) => error.code(),
        }
    }
}

fn fenced(knows_fenced: bool) -> ErrorCode {
    if knows_fenced { ErrorCode::ProducerFenced } else { ErrorCode::InvalidProducerEpoch }
}
