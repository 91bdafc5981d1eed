//! ListTransactions (key 66), versions 0–2: the transactional ids on this node, filtered by state and producer
//! (KIP-664), by how long they have been open from version 1 (KIP-994), by a pattern of the whole id from 2 (KIP-1152).

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    ListTransactionsRequest, ListTransactionsResponse, ListedTransactionState,
};

use regex::{Regex, RegexBuilder};

use super::Call;
use crate::coordinator::transaction::State;
use crate::limits;
use crate::node::Node;

const STATES: [State; 7] = [
    State::Empty,
    State::Ongoing,
    State::PrepareCommit,
    State::PrepareAbort,
    State::CompleteCommit,
    State::CompleteAbort,
    State::PrepareEpochFence,
];

pub(super) async fn handle(
    node: Arc<Node>,
    _call: Call,
    request: ListTransactionsRequest,
) -> ListTransactionsResponse {
    let pattern = match request.transactional_id_pattern.as_deref().filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => match whole(text) {
            Ok(pattern) => Some(pattern),
            Err(_) => {
                let error_code = ErrorCode::InvalidRegularExpression.code();
                return ListTransactionsResponse { error_code, ..Default::default() };
            }
        },
    };
    let transactions = match node.coordinators.list_transactions().await {
        Ok(transactions) => transactions,
        Err(unavailable) => {
            return ListTransactionsResponse { error_code: unavailable.code().code(), ..Default::default() };
        }
    };
    let is_known = |name: &String| STATES.iter().any(|state| state.name() == name);
    let (known, unknown_state_filters): (Vec<String>, Vec<String>) =
        request.state_filters.into_iter().partition(is_known);
    let any_state = known.is_empty() && unknown_state_filters.is_empty();
    let producers = request.producer_id_filters;
    let listed = transactions
        .into_iter()
        .filter(|listed| any_state || known.iter().any(|name| name == listed.state.name()))
        .filter(|listed| producers.is_empty() || producers.contains(&listed.producer_id))
        .filter(|listed| {
            request.duration_filter < 0
                || listed.open_ms.is_some_and(|open_ms| open_ms > request.duration_filter)
        })
        .filter(|listed| pattern.as_ref().is_none_or(|pattern| pattern.is_match(&listed.transactional_id)))
        .map(|listed| ListedTransactionState {
            transactional_id: listed.transactional_id,
            producer_id: listed.producer_id,
            transaction_state: listed.state.name().to_owned(),
        });
    ListTransactionsResponse {
        transaction_states: listed.collect(),
        unknown_state_filters,
        ..Default::default()
    }
}

/// A pattern that must match from beginning to end.
fn whole(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&format!("^(?:{text})$")).size_limit(limits::PATTERN_BYTES).build()
}
