//! Tests of the whole: the real binary in a temporary directory, and the rules of the house.

#![expect(clippy::unwrap_used, reason = "a failing step of a test is the test's failure")]

mod cli;
mod connect;
mod crash;
mod earthquakes;
mod examples;
mod hostile;
mod mysql;
mod orders;
mod plugins;
mod postgres;
mod process;
mod rotation;
mod takeover;
mod tidy;
