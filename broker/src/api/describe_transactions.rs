//! DescribeTransactions (key 65), version 0: what the coordinator knows about transactional ids (KIP-664).

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, DescribedTransactionState,
    DescribedTransactionTopic,
};

use super::Call;
use crate::coordinator::transaction::TransactionMetadata;
use crate::node::Node;

pub(super) async fn handle(
    node: Arc<Node>,
    _call: Call,
    request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let mut response = DescribeTransactionsResponse::default();
    for transactional_id in request.transactional_ids {
        let state = match node.coordinators.describe_transaction(transactional_id.clone()).await {
            Ok(Some(metadata)) => described(transactional_id, &metadata),
            Ok(None) => refused(transactional_id, ErrorCode::TransactionalIdNotFound),
            Err(unavailable) => refused(transactional_id, unavailable.code()),
        };
        response.transaction_states.push(state);
    }
    response
}

fn described(transactional_id: String, metadata: &TransactionMetadata) -> DescribedTransactionState {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for place in &metadata.partitions {
        topics.entry(&place.topic).or_default().push(place.partition);
    }
    let topic = |(topic, partitions): (&str, Vec<i32>)| DescribedTransactionTopic {
        topic: topic.to_owned(),
        partitions,
    };
    DescribedTransactionState {
        transactional_id,
        transaction_state: metadata.state.name().to_owned(),
        transaction_timeout_ms: metadata.timeout_ms,
        transaction_start_time_ms: metadata.started_ms.unwrap_or(-1),
        producer_id: metadata.producer_id,
        producer_epoch: metadata.producer_epoch,
        topics: topics.into_iter().map(topic).collect(),
        ..Default::default()
    }
}

fn refused(transactional_id: String, code: ErrorCode) -> DescribedTransactionState {
    DescribedTransactionState { error_code: code.code(), transactional_id, ..Default::default() }
}
