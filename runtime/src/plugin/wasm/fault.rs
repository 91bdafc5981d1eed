//! Why an instance was stopped.

use std::time::Duration;

use millstream_sdk::error::{ConnectorError, ErrorClass};
use millstream_sdk::record::BatchError;

use super::bindings::millstream::connect::types;
use super::instance::Origin;

/// What a component did that ends its instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("trapped: {reason}")]
    Trap { reason: String },
    #[error(
        "wanted {wanted_mib} MiB of memory and has {granted_mib} MiB; allow: {{ memory: {wanted_mib}MiB }} gives it more"
    )]
    Memory { wanted_mib: usize, granted_mib: usize },
    #[error("wanted a table of {wanted} entries, the most is {most}")]
    Table { wanted: usize, most: usize },
    #[error(
        "used more than {granted_ms} ms of processor time in one call; allow: {{ cpu: … }} gives it more"
    )]
    Cpu { granted_ms: u128 },
    #[error("did not return within {waited:?}")]
    Wall { waited: Duration },
    #[error("dialled {address}, which it is not granted")]
    Denied { address: String },
    #[error("gave a bad answer: {reason}")]
    Answer { reason: String },
    #[error("broke a rule of the contract: {reason}")]
    Contract { reason: String },
    #[error("could not be started: {reason}")]
    Start { reason: String },
}

impl Fault {
    pub fn answer(reason: impl ToString) -> Fault {
        Fault::Answer { reason: reason.to_string() }
    }

    /// Whether other records might go well: a start that fails does not depend on them.
    pub fn may_be_the_records(&self) -> bool {
        !matches!(self, Fault::Start { .. })
    }
}

impl From<BatchError> for Fault {
    fn from(error: BatchError) -> Fault {
        Fault::answer(error)
    }
}

/// An error that the component returned by itself.
pub fn connector_error(error: types::Error) -> ConnectorError {
    let class = match error.class {
        types::ErrorClass::Retryable => ErrorClass::Retryable,
        types::ErrorClass::Throttled(delay_ms) => {
            ErrorClass::Throttled { delay: Duration::from_millis(u64::from(delay_ms)) }
        }
        types::ErrorClass::BadRecord => ErrorClass::Record,
        types::ErrorClass::Config => ErrorClass::Config,
        types::ErrorClass::Auth => ErrorClass::Auth,
        types::ErrorClass::Fatal => ErrorClass::Fatal,
    };
    ConnectorError::new(class, error.message)
}

/// Why a call gave no answer.
pub enum Failed {
    /// The instance is gone.
    Fault(Fault),
    /// The component said so.
    Error(ConnectorError),
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Failed {
        Failed::Fault(fault)
    }
}

impl Failed {
    pub fn into_error(self, origin: &Origin, during: &str) -> ConnectorError {
        match self {
            Failed::Fault(fault) => origin.error(during, &fault),
            Failed::Error(error) => error,
        }
    }
}
