//! Which node coordinates a group or a transactional id, and calls to it that survive its moving.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use millstream_protocol::messages::FindCoordinatorRequest;
use millstream_protocol::{ErrorCode, Request};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::client::Client;
use crate::connection::{CallError, Connection, SHARED_LANE};

/// What is coordinated; the number is FindCoordinator's key type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CoordinatorKind {
    Group = 0,
    Transaction = 1,
}

/// FindCoordinator answers a list from this version on (KIP-699).
const FIRST_BATCHED_VERSION: i16 = 4;

/// The last transaction's markers are usually written within a few of these.
pub(crate) const ENDING_WAIT: Duration = Duration::from_millis(5);

/// Coordinators found so far, as node ids.
pub(crate) struct Coordinators {
    known: Mutex<HashMap<(CoordinatorKind, String), i32>>,
}

impl Coordinators {
    pub(crate) fn new() -> Coordinators {
        Coordinators { known: Mutex::new(HashMap::new()) }
    }
}

impl Client {
    /// Calls the coordinator of `key`, looking it up when unknown or moved, through retriable errors until
    /// `operation_timeout`. The response is returned whatever other code it carries; `code_of` only tells whether the
    /// coordinator itself, or a transaction that is still ending, was the problem.
    pub(crate) async fn call_coordinator<R: Request + Clone>(
        &self,
        kind: CoordinatorKind,
        key: &str,
        request: R,
        code_of: impl Fn(&R::Response) -> ErrorCode,
    ) -> Result<R::Response, CallError> {
        self.call_coordinator_up_to(kind, key, i16::MAX, request, code_of).await
    }

    /// As [`Client::call_coordinator`], in no version above `version_max`.
    pub(crate) async fn call_coordinator_up_to<R: Request + Clone>(
        &self,
        kind: CoordinatorKind,
        key: &str,
        version_max: i16,
        request: R,
        code_of: impl Fn(&R::Response) -> ErrorCode,
    ) -> Result<R::Response, CallError> {
        let deadline = Instant::now() + self.shared.config.operation_timeout;
        let mut backoff = self.retry_backoff();
        loop {
            let result = match self.coordinator(kind, key).await {
                Ok(connection) => connection.call_up_to(request.clone(), version_max).await,
                Err(error) => Err(error),
            };
            let code = result.as_ref().map_or(ErrorCode::None, &code_of);
            let is_ending = code == ErrorCode::ConcurrentTransactions;
            let wait = if is_ending { ENDING_WAIT } else { backoff.next_wait() };
            let out_of_time = Instant::now() + wait >= deadline;
            match result {
                Ok(response) if out_of_time || !(is_ending || is_coordinator_trouble(code)) => {
                    return Ok(response);
                }
                Err(error) if out_of_time || !error.is_retriable() => {
                    self.forget_coordinator(kind, key);
                    return Err(error);
                }
                Ok(_) if is_ending || code == ErrorCode::CoordinatorLoadInProgress => {}
                Ok(_) | Err(_) => self.forget_coordinator(kind, key),
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// A connection to the coordinator of `key`: one look-up at most, no retries.
    pub(crate) async fn coordinator(
        &self,
        kind: CoordinatorKind,
        key: &str,
    ) -> Result<Arc<Connection>, CallError> {
        self.coordinator_on(SHARED_LANE, kind, key).await
    }

    /// As [`Client::coordinator`], over a connection of the given lane.
    pub(crate) async fn coordinator_on(
        &self,
        lane: u64,
        kind: CoordinatorKind,
        key: &str,
    ) -> Result<Arc<Connection>, CallError> {
        let cache_key = (kind, key.to_owned());
        let known = self.shared.coordinators.known.lock().get(&cache_key).copied();
        let node_id = match known {
            Some(node_id) => node_id,
            None => {
                let node_id = self.find_coordinator(kind, key).await?;
                self.shared.coordinators.known.lock().insert(cache_key, node_id);
                node_id
            }
        };
        self.shared.pool.node(node_id, lane).await
    }

    /// The next call looks the coordinator up again.
    pub(crate) fn forget_coordinator(&self, kind: CoordinatorKind, key: &str) {
        self.shared.coordinators.known.lock().remove(&(kind, key.to_owned()));
    }

    async fn find_coordinator(&self, kind: CoordinatorKind, key: &str) -> Result<i32, CallError> {
        let connection = self.shared.pool.any().await?;
        let version = connection.version::<FindCoordinatorRequest>()?;
        let mut request = FindCoordinatorRequest { key_type: kind as i8, ..Default::default() };
        if version >= FIRST_BATCHED_VERSION {
            request.coordinator_keys = vec![key.to_owned()];
        } else {
            request.key = key.to_owned();
        }
        let mut response = connection.call_version(request, version).await?;
        let (code, node_id, host, port) = match response.coordinators.pop() {
            Some(found) => (found.error_code, found.node_id, found.host, found.port),
            None => (response.error_code, response.node_id, response.host, response.port),
        };
        let code = ErrorCode::from_code(code);
        if code != ErrorCode::None {
            return Err(CallError::NoCoordinator { key: key.to_owned(), code });
        }
        self.shared.pool.learn(std::iter::once((node_id, format!("{host}:{port}"))));
        Ok(node_id)
    }
}

/// Codes that say "ask again, perhaps elsewhere" about the coordinator itself.
pub(crate) fn is_coordinator_trouble(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::CoordinatorNotAvailable
            | ErrorCode::NotCoordinator
            | ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::RequestTimedOut
    )
}
