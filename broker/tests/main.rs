//! The broker from outside: raw protocol messages over both transports.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod api;
mod client;
mod crash;
mod harness;
mod sim;
