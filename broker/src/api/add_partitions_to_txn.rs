//! AddPartitionsToTxn (key 24), versions 0–5: what an open transaction touches.
//!
//! Versions 0 to 3 are for clients, one transaction each; from 4 brokers ask about several at once, to add or only
//! to verify (KIP-890). All partitions of a transaction are added or none: one that does not exist refuses the
//! others with OPERATION_NOT_ATTEMPTED.

use std::collections::HashMap;
use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult, AddPartitionsToTxnTopic, AddPartitionsToTxnTopicResult,
    AddPartitionsToTxnTransaction,
};

use super::{Call, offset_commit};
use crate::coordinator::transaction::AddPartitions;
use crate::coordinator::{Producer, TopicPartition};
use crate::node::Node;

const BATCHED_FROM: i16 = 4;
const KNOWS_FENCED_FROM: i16 = 2;
/// Below, verifiers don't know TRANSACTION_ABORTABLE.
const KNOWS_ABORTABLE_FROM: i16 = 5;

pub(super) async fn handle(
    node: Arc<Node>,
    call: Call,
    request: AddPartitionsToTxnRequest,
) -> AddPartitionsToTxnResponse {
    if call.version < BATCHED_FROM {
        let transaction = AddPartitionsToTxnTransaction {
            transactional_id: request.v3_and_below_transactional_id,
            producer_id: request.v3_and_below_producer_id,
            producer_epoch: request.v3_and_below_producer_epoch,
            verify_only: false,
            topics: request.v3_and_below_topics,
        };
        let results_by_topic_v3_and_below = one(&node, call.version, transaction).await.topic_results;
        return AddPartitionsToTxnResponse { results_by_topic_v3_and_below, ..Default::default() };
    }
    let mut response = AddPartitionsToTxnResponse::default();
    for transaction in request.transactions {
        response.results_by_transaction.push(one(&node, call.version, transaction).await);
    }
    response
}

async fn one(
    node: &Node,
    version: i16,
    transaction: AddPartitionsToTxnTransaction,
) -> AddPartitionsToTxnResult {
    let places: Vec<TopicPartition> = transaction
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|index| TopicPartition::new(&topic.name, *index)))
        .collect();
    let image = node.cluster.image();
    let exists = |place: &TopicPartition| offset_commit::exists(&image, &place.topic, place.partition);
    let codes: HashMap<TopicPartition, ErrorCode> = if places.iter().all(exists) {
        ask(node, version, &transaction, places).await
    } else {
        let refuse = |place: TopicPartition| {
            let known = exists(&place);
            let code =
                if known { ErrorCode::OperationNotAttempted } else { ErrorCode::UnknownTopicOrPartition };
            (place, code)
        };
        places.into_iter().map(refuse).collect()
    };
    let topic_results = transaction.topics.into_iter().map(|topic| results(node, topic, &codes));
    AddPartitionsToTxnResult {
        topic_results: topic_results.collect(),
        transactional_id: transaction.transactional_id,
    }
}

async fn ask(
    node: &Node,
    version: i16,
    transaction: &AddPartitionsToTxnTransaction,
    places: Vec<TopicPartition>,
) -> HashMap<TopicPartition, ErrorCode> {
    let transactional_id = transaction.transactional_id.clone();
    let producer = Producer { id: transaction.producer_id, epoch: transaction.producer_epoch };
    let knows_fenced = version >= KNOWS_FENCED_FROM;
    if transaction.verify_only {
        let verified = node.coordinators.verify_partitions(transactional_id, producer, places.clone()).await;
        return match verified {
            Ok(Ok(results)) => results
                .into_iter()
                .map(|(place, result)| {
                    let code = result.map_or_else(|error| error.code(knows_fenced), |()| ErrorCode::None);
                    (place, known_to(version, code))
                })
                .collect(),
            Ok(Err(error)) => for_all(places, error.code(knows_fenced)),
            Err(unavailable) => for_all(places, unavailable.code()),
        };
    }
    // Only version 2 of transactions adds through the batched form.
    let client_version = if version >= BATCHED_FROM { 2 } else { 0 };
    let add = AddPartitions { transactional_id, producer, client_version, partitions: places.clone() };
    let code = match node.coordinators.add_partitions(add).await {
        Ok(Ok(())) => ErrorCode::None,
        Ok(Err(error)) => error.code(knows_fenced),
        Err(unavailable) => unavailable.code(),
    };
    for_all(places, code)
}

fn known_to(version: i16, code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::TransactionAbortable if version < KNOWS_ABORTABLE_FROM => ErrorCode::InvalidTxnState,
        other => other,
    }
}

fn for_all(places: Vec<TopicPartition>, code: ErrorCode) -> HashMap<TopicPartition, ErrorCode> {
    places.into_iter().map(|place| (place, code)).collect()
}

fn results(
    node: &Node,
    topic: AddPartitionsToTxnTopic,
    codes: &HashMap<TopicPartition, ErrorCode>,
) -> AddPartitionsToTxnTopicResult {
    let partition = |index: &i32| {
        let place = TopicPartition::new(&topic.name, *index);
        let code = codes.get(&place).copied().unwrap_or(ErrorCode::UnknownTopicOrPartition);
        node.metrics.count_error(code);
        AddPartitionsToTxnPartitionResult { partition_index: *index, partition_error_code: code.code() }
    };
    let results_by_partition = topic.partitions.iter().map(partition).collect();
    AddPartitionsToTxnTopicResult { name: topic.name, results_by_partition }
}
