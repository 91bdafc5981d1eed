//! The requests of a transaction, and what their answers mean.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    AddOffsetsToTxnRequest, EndTxnRequest, InitProducerIdRequest, TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic, TxnOffsetCommitResponse,
};

use super::TransactionError;
use crate::client::Client;
use crate::connection::CallError;
use crate::coordinator::CoordinatorKind;
use crate::group::GroupMetadata;
use crate::producer::{ProduceError, ProducerIdentity, TransactionCell};
use crate::topic::{CommittedOffset, TopicPartition};

/// The finalized feature that says which transactions the cluster speaks.
const FEATURE: &str = "transaction.version";
/// The last versions that speak version 1 of transactions.
const LAST_V1_END: i16 = 4;
const LAST_V1_OFFSET_COMMIT: i16 = 4;

/// Gets an id and epoch for `transactional_id`, fencing older producers and ending what they had open. With the identity
/// in use, it is bumped, and a newer producer is not fenced but wins.
pub(super) async fn initialize(
    client: &Client,
    transactional_id: &str,
    transaction_timeout: Duration,
    current: Option<ProducerIdentity>,
) -> Result<ProducerIdentity, TransactionError> {
    const ATTEMPT: &str = "initializing the producer";
    let request = InitProducerIdRequest {
        transactional_id: Some(transactional_id.to_owned()),
        transaction_timeout_ms: i32::try_from(transaction_timeout.as_millis()).unwrap_or(i32::MAX),
        producer_id: current.map_or(-1, |identity| identity.producer_id),
        producer_epoch: current.map_or(-1, |identity| identity.epoch),
        ..Default::default()
    };
    let response = client
        .call_coordinator(CoordinatorKind::Transaction, transactional_id, request, |response| {
            ErrorCode::from_code(response.error_code)
        })
        .await
        .map_err(|error| unanswered(ATTEMPT, transactional_id, &error))?;
    judge(ATTEMPT, transactional_id, ErrorCode::from_code(response.error_code))?;
    Ok(ProducerIdentity { producer_id: response.producer_id, epoch: response.producer_epoch })
}

/// Whether the coordinator's cluster has finalized version 2.
pub(super) async fn is_version_2(client: &Client, transactional_id: &str) -> Result<bool, TransactionError> {
    let connection = client
        .coordinator(CoordinatorKind::Transaction, transactional_id)
        .await
        .map_err(|error| unanswered("finding the coordinator", transactional_id, &error))?;
    let ends_in_version_2 = connection.version::<EndTxnRequest>().is_ok_and(|version| version > LAST_V1_END);
    Ok(connection.feature(FEATURE) >= 2 && ends_in_version_2)
}

/// Ends the transaction and readies the cell for the next. One that never reached the cluster needs no request.
pub(super) async fn end(
    client: &Client,
    cell: &TransactionCell,
    is_commit: bool,
) -> Result<(), TransactionError> {
    let attempt = if is_commit { "committing a transaction" } else { "aborting a transaction" };
    let identity = cell.identity();
    if !cell.is_started() {
        cell.reset(identity);
        return Ok(());
    }
    let request = EndTxnRequest {
        transactional_id: cell.transactional_id().to_owned(),
        producer_id: identity.producer_id,
        producer_epoch: identity.epoch,
        committed: is_commit,
    };
    let version_max = if cell.is_version_2() { i16::MAX } else { LAST_V1_END };
    let response = client
        .call_coordinator_up_to(
            CoordinatorKind::Transaction,
            cell.transactional_id(),
            version_max,
            request,
            |response| ErrorCode::from_code(response.error_code),
        )
        .await
        .map_err(|error| unanswered(attempt, cell.transactional_id(), &error))?;
    judge(attempt, cell.transactional_id(), ErrorCode::from_code(response.error_code))?;
    let bumped = ProducerIdentity { producer_id: response.producer_id, epoch: response.producer_epoch };
    cell.reset(if response.producer_id >= 0 { bumped } else { identity });
    Ok(())
}

/// Hands a group's offsets to its coordinator as part of the transaction.
pub(super) async fn send_offsets(
    client: &Client,
    cell: &TransactionCell,
    offsets: &[(TopicPartition, CommittedOffset)],
    group: &GroupMetadata,
) -> Result<(), TransactionError> {
    const ATTEMPT: &str = "committing offsets in a transaction";
    let transactional_id = cell.transactional_id();
    let identity = cell.identity();
    // From here on the cluster may hold something of this transaction.
    cell.note_sent();
    if !cell.is_version_2() {
        enlist_group(client, cell, &group.group_id).await?;
    }
    let request = TxnOffsetCommitRequest {
        transactional_id: transactional_id.to_owned(),
        group_id: group.group_id.clone(),
        producer_id: identity.producer_id,
        producer_epoch: identity.epoch,
        generation_id_or_member_epoch: group.generation,
        member_id: group.member_id.clone(),
        group_instance_id: group.instance_id.clone(),
        topics: offset_topics(offsets),
    };
    let version_max = if cell.is_version_2() { i16::MAX } else { LAST_V1_OFFSET_COMMIT };
    let response = client
        .call_coordinator_up_to(CoordinatorKind::Group, &group.group_id, version_max, request, first_code)
        .await
        .map_err(|error| unanswered(ATTEMPT, transactional_id, &error))?;
    judge(ATTEMPT, transactional_id, first_code(&response))
}

async fn enlist_group(
    client: &Client,
    cell: &TransactionCell,
    group_id: &str,
) -> Result<(), TransactionError> {
    const ATTEMPT: &str = "adding a group to a transaction";
    let transactional_id = cell.transactional_id();
    let identity = cell.identity();
    let request = AddOffsetsToTxnRequest {
        transactional_id: transactional_id.to_owned(),
        producer_id: identity.producer_id,
        producer_epoch: identity.epoch,
        group_id: group_id.to_owned(),
    };
    let response = client
        .call_coordinator(CoordinatorKind::Transaction, transactional_id, request, |response| {
            ErrorCode::from_code(response.error_code)
        })
        .await
        .map_err(|error| unanswered(ATTEMPT, transactional_id, &error))?;
    judge(ATTEMPT, transactional_id, ErrorCode::from_code(response.error_code))
}

fn offset_topics(offsets: &[(TopicPartition, CommittedOffset)]) -> Vec<TxnOffsetCommitRequestTopic> {
    let mut topics: BTreeMap<&str, Vec<TxnOffsetCommitRequestPartition>> = BTreeMap::new();
    for (place, committed) in offsets {
        topics.entry(&place.topic).or_default().push(TxnOffsetCommitRequestPartition {
            partition_index: place.partition,
            committed_offset: committed.offset,
            committed_leader_epoch: committed.leader_epoch,
            committed_metadata: Some(committed.metadata.clone()),
        });
    }
    let topic = |(name, partitions): (&str, _)| TxnOffsetCommitRequestTopic {
        name: name.to_owned(),
        partitions,
        ..Default::default()
    };
    topics.into_iter().map(topic).collect()
}

fn first_code(response: &TxnOffsetCommitResponse) -> ErrorCode {
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    let mut codes = partitions.map(|partition| ErrorCode::from_code(partition.error_code));
    codes.find(|code| *code != ErrorCode::None).unwrap_or(ErrorCode::None)
}

/// Which kind of failure a code is. Retriable ones come here only after trying for long enough.
fn judge(attempt: &'static str, transactional_id: &str, code: ErrorCode) -> Result<(), TransactionError> {
    let transactional_id = transactional_id.to_owned();
    match code {
        ErrorCode::None => Ok(()),
        ErrorCode::ProducerFenced
        | ErrorCode::InvalidProducerEpoch
        | ErrorCode::TransactionCoordinatorFenced => Err(TransactionError::Fenced { transactional_id }),
        ErrorCode::TransactionAbortable
        | ErrorCode::UnknownProducerId
        | ErrorCode::IllegalGeneration
        | ErrorCode::UnknownMemberId
        | ErrorCode::FencedInstanceId
        | ErrorCode::RebalanceInProgress
        | ErrorCode::GroupAuthorizationFailed
        | ErrorCode::TopicAuthorizationFailed
        | ErrorCode::OffsetMetadataTooLarge => {
            Err(TransactionError::Abortable { attempt, transactional_id, reason: code.name().to_owned() })
        }
        code if code.is_retriable() => {
            Err(TransactionError::TimedOut { attempt, transactional_id, reason: code.name().to_owned() })
        }
        code => Err(TransactionError::Fatal { attempt, transactional_id, code }),
    }
}

fn unanswered(attempt: &'static str, transactional_id: &str, error: &CallError) -> TransactionError {
    let transactional_id = transactional_id.to_owned();
    TransactionError::TimedOut { attempt, transactional_id, reason: error.to_string() }
}

/// A failure to produce, as a failure of the transaction.
pub(super) fn failed(
    attempt: &'static str,
    transactional_id: &str,
    error: &ProduceError,
) -> TransactionError {
    let transactional_id = transactional_id.to_owned();
    match error {
        ProduceError::Fenced => TransactionError::Fenced { transactional_id },
        other => TransactionError::Abortable { attempt, transactional_id, reason: other.to_string() },
    }
}
