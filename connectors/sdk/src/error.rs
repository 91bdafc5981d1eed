//! What went wrong in a connector and what the host should do about it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What the host does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// Passes by itself (a connection dropped): try again with back-off.
    Retryable,
    /// The other side asked to slow down: try again after the delay.
    Throttled { delay: Duration },
    /// One record cannot be processed: what the pipeline's `on_error` says.
    Record,
    /// The configuration is wrong: nothing helps but an edit.
    Config,
    /// Refused for who we are: nothing helps but other credentials or rights.
    Auth,
    /// Anything else that trying again will not cure.
    Fatal,
}

impl ErrorClass {
    /// Whether the same call may succeed later without a change by a person.
    pub fn passes_by_itself(self) -> bool {
        matches!(self, ErrorClass::Retryable | ErrorClass::Throttled { .. })
    }

    pub fn name(self) -> &'static str {
        match self {
            ErrorClass::Retryable => "retryable",
            ErrorClass::Throttled { .. } => "throttled",
            ErrorClass::Record => "record",
            ErrorClass::Config => "config",
            ErrorClass::Auth => "auth",
            ErrorClass::Fatal => "fatal",
        }
    }
}

/// An error of a source, sink or transform: its class, and a lower-case fragment that says what was attempted,
/// where, and what to do.
#[derive(Debug)]
pub struct ConnectorError {
    class: ErrorClass,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ConnectorError {
    pub fn new(class: ErrorClass, message: impl Into<String>) -> ConnectorError {
        ConnectorError { class, message: message.into(), source: None }
    }

    pub fn retryable(message: impl Into<String>) -> ConnectorError {
        ConnectorError::new(ErrorClass::Retryable, message)
    }

    pub fn throttled(delay: Duration, message: impl Into<String>) -> ConnectorError {
        ConnectorError::new(ErrorClass::Throttled { delay }, message)
    }

    pub fn record(message: impl Into<String>) -> ConnectorError {
        ConnectorError::new(ErrorClass::Record, message)
    }

    pub fn config(message: impl Into<String>) -> ConnectorError {
        ConnectorError::new(ErrorClass::Config, message)
    }

    pub fn auth(message: impl Into<String>) -> ConnectorError {
        ConnectorError::new(ErrorClass::Auth, message)
    }

    pub fn fatal(message: impl Into<String>) -> ConnectorError {
        ConnectorError::new(ErrorClass::Fatal, message)
    }

    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> ConnectorError {
        self.source = Some(source.into());
        self
    }

    pub fn class(&self) -> ErrorClass {
        self.class
    }

    pub fn message(&self) -> &str {
        &self.message
    }
}

/// The message followed by its causes.
impl fmt::Display for ConnectorError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.message)?;
        match &self.source {
            Some(source) => write!(to, ": {source}"),
            None => Ok(()),
        }
    }
}

impl Error for ConnectorError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
