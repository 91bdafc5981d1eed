//! Transactions as their coordinators see them.

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{DescribeTransactionsRequest, ListTransactionsRequest};

use super::{Admin, AdminError, accepted};
use crate::coordinator::CoordinatorKind;
use crate::topic::TopicPartition;

/// One transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionListing {
    pub transactional_id: String,
    pub producer_id: i64,
    /// As the coordinator names it, such as `Ongoing` or `CompleteCommit`.
    pub state: String,
}

/// One transactional id in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionDescription {
    pub transactional_id: String,
    pub state: String,
    pub timeout_ms: i32,
    /// Milliseconds since 1970; −1 when none is open.
    pub started_ms: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub partitions: Vec<TopicPartition>,
}

impl Admin {
    /// Transactional ids of all coordinators, sorted. Empty `states` means any.
    pub async fn list_transactions(&self, states: &[&str]) -> Result<Vec<TransactionListing>, AdminError> {
        const ATTEMPT: &str = "listing transactions of node";
        let request = ListTransactionsRequest {
            state_filters: states.iter().map(|&state| state.to_owned()).collect(),
            ..Default::default()
        };
        let mut listings = Vec::new();
        for (node_id, answer) in self.call_all(request).await {
            let name = node_id.to_string();
            let response =
                answer.map_err(|source| AdminError::Call { attempt: ATTEMPT, name: name.clone(), source })?;
            accepted(ATTEMPT, &name, response.error_code, None)?;
            listings.extend(response.transaction_states.into_iter().map(|state| TransactionListing {
                transactional_id: state.transactional_id,
                producer_id: state.producer_id,
                state: state.transaction_state,
            }));
        }
        listings.sort_by(|left, right| left.transactional_id.cmp(&right.transactional_id));
        Ok(listings)
    }

    pub async fn describe_transaction(
        &self,
        transactional_id: &str,
    ) -> Result<TransactionDescription, AdminError> {
        const ATTEMPT: &str = "describing transactional id";
        let name = transactional_id.to_owned();
        let request = DescribeTransactionsRequest { transactional_ids: vec![name.clone()] };
        let response = self
            .client
            .call_coordinator(CoordinatorKind::Transaction, transactional_id, request, |response| {
                let code = response.transaction_states.first().map_or(0, |state| state.error_code);
                ErrorCode::from_code(code)
            })
            .await
            .map_err(|source| AdminError::Call { attempt: ATTEMPT, name: name.clone(), source })?;
        let state = response
            .transaction_states
            .into_iter()
            .next()
            .ok_or(AdminError::Unanswered { attempt: ATTEMPT, name: name.clone() })?;
        accepted(ATTEMPT, &name, state.error_code, None)?;
        let mut partitions = Vec::new();
        for topic in state.topics {
            let place = |&partition: &i32| TopicPartition::new(topic.topic.as_str(), partition);
            partitions.extend(topic.partitions.iter().map(place));
        }
        Ok(TransactionDescription {
            transactional_id: name,
            state: state.transaction_state,
            timeout_ms: state.transaction_timeout_ms,
            started_ms: state.transaction_start_time_ms,
            producer_id: state.producer_id,
            producer_epoch: state.producer_epoch,
            partitions,
        })
    }
}
