//! The broker from outside: raw protocol messages over both transports.

mod api;
mod harness;
mod sim;
