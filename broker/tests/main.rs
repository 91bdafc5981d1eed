//! The broker from outside: raw protocol messages over both transports.

mod harness;

mod api_versions;
mod hostile;
mod produce_fetch;
mod topics;
