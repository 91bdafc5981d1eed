//! What the sending task and the transaction's owner share: identity, enlisted partitions, the first failure.

use std::collections::HashSet;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnTopic};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::ProduceError;
use super::line::ProducerIdentity;
use crate::client::Client;
use crate::connection::CallError;
use crate::coordinator::{CoordinatorKind, is_coordinator_trouble};
use crate::group::by_topic;
use crate::topic::TopicPartition;

pub(crate) struct TransactionCell {
    transactional_id: String,
    state: Mutex<State>,
}

struct State {
    identity: ProducerIdentity,
    /// With transaction.version 2 (KIP-890) partitions are enlisted by producing to them.
    is_version_2: bool,
    enlisted: HashSet<TopicPartition>,
    /// Something of this transaction has reached, or may have reached, the cluster.
    is_started: bool,
    failure: Option<ProduceError>,
    /// Sequence numbers may be lost: the next transaction needs a new epoch.
    needs_new_epoch: bool,
}

impl TransactionCell {
    pub(crate) fn new(
        transactional_id: String,
        identity: ProducerIdentity,
        is_version_2: bool,
    ) -> TransactionCell {
        let state = State {
            identity,
            is_version_2,
            enlisted: HashSet::new(),
            is_started: false,
            failure: None,
            needs_new_epoch: false,
        };
        TransactionCell { transactional_id, state: Mutex::new(state) }
    }

    pub(crate) fn transactional_id(&self) -> &str {
        &self.transactional_id
    }

    pub(crate) fn identity(&self) -> ProducerIdentity {
        self.state.lock().identity
    }

    pub(crate) fn is_version_2(&self) -> bool {
        self.state.lock().is_version_2
    }

    pub(crate) fn is_enlisted(&self, place: &TopicPartition) -> bool {
        let state = self.state.lock();
        state.is_version_2 || state.enlisted.contains(place)
    }

    pub(crate) fn note_enlisted(&self, places: Vec<TopicPartition>) {
        let mut state = self.state.lock();
        state.enlisted.extend(places);
        state.is_started = true;
    }

    /// Something was sent to the cluster as part of the transaction.
    pub(crate) fn note_sent(&self) {
        self.state.lock().is_started = true;
    }

    pub(crate) fn is_started(&self) -> bool {
        self.state.lock().is_started
    }

    /// Why the transaction cannot commit, if so.
    pub(crate) fn failure(&self) -> Option<ProduceError> {
        self.state.lock().failure.clone()
    }

    pub(crate) fn needs_new_epoch(&self) -> bool {
        self.state.lock().needs_new_epoch
    }

    /// The first failure stays; being fenced outweighs everything.
    pub(crate) fn fail(&self, error: &ProduceError, loses_sequence: bool) {
        let mut state = self.state.lock();
        state.needs_new_epoch |= loses_sequence;
        let failure = match error {
            ProduceError::Fenced => ProduceError::Fenced,
            ProduceError::Refused { code: ErrorCode::ProducerFenced, .. } => ProduceError::Fenced,
            ProduceError::TransactionAborted { .. } => error.clone(),
            other => ProduceError::TransactionAborted { reason: other.to_string() },
        };
        if state.failure.is_none() || matches!(failure, ProduceError::Fenced) {
            state.failure = Some(failure);
        }
    }

    /// Ready for the next transaction, under this identity.
    pub(crate) fn reset(&self, identity: ProducerIdentity) {
        let mut state = self.state.lock();
        state.identity = identity;
        state.enlisted.clear();
        state.is_started = false;
        state.failure = None;
        state.needs_new_epoch = false;
    }
}

/// Tells the coordinator that these partitions take part (version 1 of transactions), before anything is produced to
/// them. Tries until `operation_timeout`.
pub(crate) async fn enlist(
    client: &Client,
    cell: &TransactionCell,
    places: &[TopicPartition],
) -> Result<(), ProduceError> {
    let identity = cell.identity();
    let topic = |(name, partitions)| AddPartitionsToTxnTopic { name, partitions };
    let request = AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: cell.transactional_id().to_owned(),
        v3_and_below_producer_id: identity.producer_id,
        v3_and_below_producer_epoch: identity.epoch,
        v3_and_below_topics: by_topic(places.iter()).into_iter().map(topic).collect(),
        ..Default::default()
    };
    let deadline = Instant::now() + client.shared.config.operation_timeout;
    let mut backoff = client.retry_backoff();
    loop {
        let (reason, is_retriable) = match enlist_once(client, cell, request.clone()).await {
            Ok(ErrorCode::None) => return Ok(()),
            Ok(ErrorCode::ProducerFenced | ErrorCode::InvalidProducerEpoch) => {
                return Err(ProduceError::Fenced);
            }
            Ok(code) => {
                if is_coordinator_trouble(code) {
                    client.forget_coordinator(CoordinatorKind::Transaction, cell.transactional_id());
                }
                (code.name().to_owned(), code.is_retriable() || code == ErrorCode::ConcurrentTransactions)
            }
            Err(error) => {
                client.forget_coordinator(CoordinatorKind::Transaction, cell.transactional_id());
                (error.to_string(), error.is_retriable())
            }
        };
        let wait = backoff.next_wait();
        if !is_retriable || Instant::now() + wait >= deadline {
            let reason = format!("adding partitions to the transaction failed: {reason}");
            return Err(ProduceError::TransactionAborted { reason });
        }
        tokio::time::sleep(wait).await;
    }
}

/// The first code of the answer that is not "none".
async fn enlist_once(
    client: &Client,
    cell: &TransactionCell,
    request: AddPartitionsToTxnRequest,
) -> Result<ErrorCode, CallError> {
    let connection = client.coordinator(CoordinatorKind::Transaction, cell.transactional_id()).await?;
    let response = connection.call(request).await?;
    let partitions =
        response.results_by_topic_v3_and_below.iter().flat_map(|topic| &topic.results_by_partition);
    let mut codes = partitions.map(|partition| ErrorCode::from_code(partition.partition_error_code));
    let is_cause = |code: &ErrorCode| !matches!(code, ErrorCode::None | ErrorCode::OperationNotAttempted);
    Ok(codes.find(is_cause).unwrap_or(ErrorCode::from_code(response.error_code)))
}
