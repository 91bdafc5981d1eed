//! TxnOffsetCommit (key 28), versions 0–5: a group's positions inside a transaction (KIP-98), fenced by member and
//! generation from version 3 (KIP-447).
//!
//! From version 5 the group's partition joins the transaction by this request; before, the coordinator is asked
//! whether it is part of it (KIP-890).

use std::collections::HashMap;
use std::sync::Arc;

use millstream_protocol::messages::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestTopic, TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use millstream_protocol::{ErrorCode, Uuid};

use super::{Call, create_topics, offset_commit};
use crate::coordinator::group::{Commit, CommitItem, TransactionalCommit};
use crate::coordinator::transaction::AddPartitions;
use crate::coordinator::{GROUP_TOPIC, Producer, TopicPartition};
use crate::limits;
use crate::node::Node;

/// First version that makes the group's partition part of the transaction.
const ADDS_FROM: i16 = 5;
/// First version whose clients know TRANSACTION_ABORTABLE.
const KNOWS_ABORTABLE_FROM: i16 = 4;

pub(super) async fn handle(
    node: Arc<Node>,
    call: Call,
    request: TxnOffsetCommitRequest,
) -> TxnOffsetCommitResponse {
    let topics = request.topics.clone();
    let codes = match enlist(&node, &call, &request).await {
        Ok(()) => commit(&node, request).await,
        Err(code) => Err(code),
    };
    let topics = topics.into_iter().map(|topic| response(&node, topic, &codes));
    TxnOffsetCommitResponse { topics: topics.collect(), ..Default::default() }
}

/// Makes sure that the group's partition is part of the producer's open transaction.
async fn enlist(node: &Node, call: &Call, request: &TxnOffsetCommitRequest) -> Result<(), ErrorCode> {
    create_topics::ensure_internal(node, GROUP_TOPIC).await?;
    let partition =
        node.coordinators.group_partition(&request.group_id).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let transactional_id = request.transactional_id.clone();
    let producer = Producer { id: request.producer_id, epoch: request.producer_epoch };
    if call.version >= ADDS_FROM {
        let add =
            AddPartitions { transactional_id, producer, client_version: 2, partitions: vec![partition] };
        let added = node
            .coordinators
            .add_partitions_patiently(add, limits::OFFSETS_PATIENCE, || {})
            .await
            .map_err(|unavailable| unavailable.code())?;
        return added.map_err(|error| error.code(false));
    }
    if !node.config.transaction_verification {
        return Ok(());
    }
    let verified = node.coordinators.verify_partitions(transactional_id, producer, vec![partition]).await;
    let results = verified.map_err(|unavailable| unavailable.code())?;
    let results = results.map_err(|error| error.code(false))?;
    match results.into_iter().find_map(|(_, result)| result.err()) {
        None => Ok(()),
        Some(error) => Err(match error.code(false) {
            ErrorCode::TransactionAbortable if call.version < KNOWS_ABORTABLE_FROM => {
                ErrorCode::InvalidTxnState
            }
            other => other,
        }),
    }
}

type Codes = Result<HashMap<TopicPartition, ErrorCode>, ErrorCode>;

async fn commit(node: &Node, request: TxnOffsetCommitRequest) -> Codes {
    let image = node.cluster.image();
    let items = request.topics.into_iter().flat_map(|topic| {
        let TxnOffsetCommitRequestTopic { name, partitions, .. } = topic;
        let topic_id = image.topic(&name).map_or(Uuid::ZERO, |topic| topic.id);
        partitions.into_iter().map(move |partition| CommitItem {
            partition: TopicPartition::new(name.clone(), partition.partition_index),
            topic_id,
            offset: partition.committed_offset,
            leader_epoch: partition.committed_leader_epoch,
            metadata: partition.committed_metadata.unwrap_or_default(),
            retention_ms: None,
        })
    });
    let exists =
        |item: &CommitItem| offset_commit::exists(&image, &item.partition.topic, item.partition.partition);
    let commit = Commit {
        group_id: request.group_id,
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        generation: request.generation_id_or_member_epoch,
        items: items.filter(exists).collect(),
    };
    let producer = Producer { id: request.producer_id, epoch: request.producer_epoch };
    let commit = TransactionalCommit { producer, commit };
    let committed = node.coordinators.commit_offsets_in_transaction(commit).await;
    let results = committed.map_err(|unavailable| unavailable.code())?;
    let code = |(place, result): (TopicPartition, Result<(), _>)| {
        let code = result
            .map_or_else(|error: crate::coordinator::group::CommitError| error.code(), |()| ErrorCode::None);
        (place, code)
    };
    Ok(results.into_iter().map(code).collect())
}

fn response(node: &Node, topic: TxnOffsetCommitRequestTopic, codes: &Codes) -> TxnOffsetCommitResponseTopic {
    let partitions = topic.partitions.iter().map(|partition| {
        let place = TopicPartition::new(&topic.name, partition.partition_index);
        let code = match codes {
            Ok(codes) => codes.get(&place).copied().unwrap_or(ErrorCode::UnknownTopicOrPartition),
            Err(code) => *code,
        };
        node.metrics.count_error(code);
        TxnOffsetCommitResponsePartition {
            partition_index: partition.partition_index,
            error_code: code.code(),
        }
    });
    let partitions = partitions.collect();
    TxnOffsetCommitResponseTopic { name: topic.name, topic_id: topic.topic_id, partitions }
}
