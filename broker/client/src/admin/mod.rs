//! Administration: topics, configs, groups and their offsets, records, transactions, the cluster itself.
//!
//! Calls that name several things give one result per thing, in the order asked. Left out: ACLs, quotas, users,
//! reassignments.

mod cluster;
mod configs;
mod groups;
mod records;
mod topics;
mod transactions;

use millstream_protocol::{ErrorCode, Request};
use tokio::time::Instant;

pub use cluster::{ClusterDescription, LogDirectory, LogDirectoryPartition};
pub use configs::{ConfigChange, ConfigEntry, ConfigResource, ConfigSource};
pub use groups::{GroupDescription, GroupListing, GroupMember};
pub use records::OffsetSpec;
pub use topics::{CreatedTopic, NewTopic, TopicListing};
pub use transactions::{TransactionDescription, TransactionListing};

pub use crate::offsets::{ListOffsetsError, ListedOffset};

use crate::client::Client;
use crate::connection::{CallError, SHARED_LANE};
use crate::metadata::MetadataError;

/// Why something could not be administered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AdminError {
    #[error("{attempt} \"{name}\" was refused: {code}{}", message.as_ref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Refused { attempt: &'static str, name: String, code: ErrorCode, message: Option<String> },
    #[error("{attempt} \"{name}\" got no answer: {source}")]
    Call { attempt: &'static str, name: String, source: CallError },
    #[error("{attempt} \"{name}\" is missing in the node's answer")]
    Unanswered { attempt: &'static str, name: String },
    #[error(transparent)]
    Topic(#[from] MetadataError),
    #[error(transparent)]
    Offset(#[from] ListOffsetsError),
}

impl AdminError {
    /// The code that the cluster refused with, if it did.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            AdminError::Refused { code, .. } => Some(*code),
            AdminError::Topic(MetadataError::Topic { code, .. }) => Some(*code),
            AdminError::Topic(MetadataError::UnknownTopic { .. }) => Some(ErrorCode::UnknownTopicOrPartition),
            _ => None,
        }
    }
}

/// Administers one cluster. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    client: Client,
}

/// Turns a code and its message into a result.
fn accepted(attempt: &'static str, name: &str, code: i16, message: Option<String>) -> Result<(), AdminError> {
    match ErrorCode::from_code(code) {
        ErrorCode::None => Ok(()),
        code => Err(AdminError::Refused { attempt, name: name.to_owned(), code, message }),
    }
}

impl Admin {
    pub(crate) fn new(client: Client) -> Admin {
        Admin { client }
    }

    /// Calls the controller (any node where metadata names none), through transport failures and controller changes.
    async fn call_controller<R: Request + Clone>(
        &self,
        request: R,
        is_not_controller: impl Fn(&R::Response) -> bool,
    ) -> Result<R::Response, CallError> {
        let deadline = Instant::now() + self.client.shared.config.operation_timeout;
        let mut backoff = self.client.retry_backoff();
        loop {
            let result = self.call_controller_once(request.clone()).await;
            let wait = backoff.next_wait();
            let out_of_time = Instant::now() + wait >= deadline;
            match result {
                Ok(response) if out_of_time || !is_not_controller(&response) => return Ok(response),
                Err(error) if out_of_time || !error.is_retriable() => return Err(error),
                Ok(_) | Err(_) => {}
            }
            tokio::time::sleep(wait).await;
            if let Err(error) = self.client.refresh_metadata().await {
                tracing::debug!(%error, "metadata refresh failed");
            }
        }
    }

    async fn call_controller_once<R: Request>(&self, request: R) -> Result<R::Response, CallError> {
        let controller_id = self.client.cluster().controller_id;
        let connection = match controller_id {
            -1 => self.client.shared.pool.any().await?,
            node_id => self.client.shared.pool.node(node_id, SHARED_LANE).await?,
        };
        connection.call(request).await
    }

    /// Calls any node once.
    async fn call_any<R: Request>(&self, request: R) -> Result<R::Response, CallError> {
        self.client.shared.pool.any().await?.call(request).await
    }

    /// Calls every node of the cluster; the answers are in the order of node ids.
    async fn call_all<R: Request + Clone>(&self, request: R) -> Vec<(i32, Result<R::Response, CallError>)> {
        let nodes: Vec<i32> = self.client.cluster().nodes.keys().copied().collect();
        let calls = nodes.into_iter().map(|node_id| {
            let request = request.clone();
            async move {
                let answer = match self.client.shared.pool.node(node_id, SHARED_LANE).await {
                    Ok(connection) => connection.call(request).await,
                    Err(error) => Err(error),
                };
                (node_id, answer)
            }
        });
        futures_util::future::join_all(calls).await
    }

    fn timeout_ms(&self) -> i32 {
        i32::try_from(self.client.shared.config.request_timeout.as_millis()).unwrap_or(i32::MAX)
    }
}
