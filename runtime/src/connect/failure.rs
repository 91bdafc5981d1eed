//! Why a task stopped, and for how long.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use millstream_client::{AdminError, ConsumeError, MetadataError, ProduceError, TransactionError};
use millstream_protocol::ErrorCode;
use millstream_sdk::error::{ConnectorError, ErrorClass};

use super::transform::StepError;

/// The pause after a first failure; it doubles with each further one up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The longest pause that another side may ask for.
const LONGEST_THROTTLE: Duration = Duration::from_secs(3600);

/// The shortest pause after an error that does not pass by itself.
const FAILED_PAUSE: Duration = Duration::from_secs(1);

/// Everything that can stop a task.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    #[error("{attempt}: {source}")]
    Connector { attempt: &'static str, source: ConnectorError },
    #[error("{origin}: {reason}")]
    Record { origin: String, reason: String },
    #[error("step {}: {}", .0.step + 1, .0.message)]
    Step(#[from] StepError),
    #[error("{option}: {reason}")]
    Option { option: &'static str, reason: String },
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    #[error(transparent)]
    Produce(#[from] ProduceError),
    #[error(transparent)]
    Consume(#[from] ConsumeError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error("records of {place} cannot be read: {reason}")]
    Corrupt { place: String, reason: String },
    #[error(
        "stored position of {key} did not become readable within {waited_s} s: an open transaction is ahead of it"
    )]
    PositionBlocked { key: String, waited_s: u64 },
    #[error(
        "{sink} holds a position {position} of {place}, which ends at {end}: it was written from another cluster"
    )]
    AheadOfTopic { sink: String, place: String, position: i64, end: i64 },
    #[error("task panicked; this is a bug")]
    Panicked,
}

/// A failed task, as it is told to people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{node}: {message}")]
pub struct TaskFailure {
    /// The source or sink.
    pub node: String,
    pub class: ErrorClass,
    pub message: String,
}

impl TaskError {
    pub fn connector(attempt: &'static str) -> impl Fn(ConnectorError) -> TaskError {
        move |source| TaskError::Connector { attempt, source }
    }

    pub fn class(&self) -> ErrorClass {
        match self {
            TaskError::Connector { source, .. } => source.class(),
            TaskError::Record { .. } => ErrorClass::Record,
            TaskError::Step(_) | TaskError::Option { .. } => ErrorClass::Config,
            TaskError::Produce(error) => class_of_produce(error),
            TaskError::Transaction(error) if error.is_fatal() => ErrorClass::Fatal,
            TaskError::Consume(ConsumeError::Refused { code, .. }) => class_of_code(*code),
            TaskError::Admin(error) => error.code().map_or(ErrorClass::Retryable, class_of_code),
            TaskError::Consume(ConsumeError::Corrupt { .. })
            | TaskError::Corrupt { .. }
            | TaskError::AheadOfTopic { .. }
            | TaskError::Panicked => ErrorClass::Fatal,
            TaskError::Transaction(_)
            | TaskError::Consume(_)
            | TaskError::Metadata(_)
            | TaskError::PositionBlocked { .. } => ErrorClass::Retryable,
        }
    }

    pub fn of(&self, node: &str) -> TaskFailure {
        TaskFailure { node: node.to_owned(), class: self.class(), message: self.to_string() }
    }

    /// How long to pause before attempt `attempt` (from 1). Half of it is random, so that tasks that failed together
    /// do not come back together.
    pub fn pause(&self, attempt: u32) -> Duration {
        let class = self.class();
        let doubled = FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
        let longest = match class {
            ErrorClass::Throttled { delay } => return delay.min(LONGEST_THROTTLE),
            class if class.passes_by_itself() => doubled,
            _ => doubled.max(FAILED_PAUSE),
        };
        let random = RandomState::new().hash_one(attempt) as f64 / u64::MAX as f64;
        longest.mul_f64(0.5 + random / 2.0)
    }
}

fn class_of_produce(error: &ProduceError) -> ErrorClass {
    match error {
        ProduceError::Refused { code, .. } => class_of_code(*code),
        ProduceError::TooLarge { .. } | ProduceError::Build { .. } | ProduceError::Fenced => {
            ErrorClass::Fatal
        }
        _ => ErrorClass::Retryable,
    }
}

fn class_of_code(code: ErrorCode) -> ErrorClass {
    match code {
        ErrorCode::TopicAuthorizationFailed
        | ErrorCode::GroupAuthorizationFailed
        | ErrorCode::ClusterAuthorizationFailed
        | ErrorCode::TransactionalIdAuthorizationFailed => ErrorClass::Auth,
        ErrorCode::MessageTooLarge
        | ErrorCode::RecordListTooLarge
        | ErrorCode::InvalidRecord
        | ErrorCode::InvalidTopicException
        | ErrorCode::InvalidTimestamp
        | ErrorCode::PolicyViolation
        | ErrorCode::InvalidConfig => ErrorClass::Fatal,
        _ => ErrorClass::Retryable,
    }
}
