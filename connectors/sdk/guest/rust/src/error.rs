//! What went wrong, and what the host should do about it.

use std::fmt;

use crate::bindings::millstream::connect::types;

pub use types::ErrorClass;

/// An error with its class. Any standard error becomes a fatal one by `?`.
#[derive(Debug)]
pub struct Error {
    pub class: ErrorClass,
    pub message: String,
}

impl Error {
    pub fn new(class: ErrorClass, message: impl fmt::Display) -> Error {
        Error { class, message: message.to_string() }
    }

    /// Passes by itself: the host tries again with back-off.
    pub fn retryable(message: impl fmt::Display) -> Error {
        Error::new(ErrorClass::Retryable, message)
    }

    /// Try again after so many milliseconds.
    pub fn throttled(delay_ms: u32, message: impl fmt::Display) -> Error {
        Error::new(ErrorClass::Throttled(delay_ms), message)
    }

    /// The pipeline file is wrong.
    pub fn config(message: impl fmt::Display) -> Error {
        Error::new(ErrorClass::Config, message)
    }

    /// Refused for who we are.
    pub fn auth(message: impl fmt::Display) -> Error {
        Error::new(ErrorClass::Auth, message)
    }

    pub fn fatal(message: impl fmt::Display) -> Error {
        Error::new(ErrorClass::Fatal, message)
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Error {
        Error::fatal(error)
    }
}

impl From<Error> for types::Error {
    fn from(error: Error) -> types::Error {
        types::Error { class: error.class, message: error.message }
    }
}
