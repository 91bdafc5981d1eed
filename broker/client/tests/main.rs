//! The client against a model of a cluster: a transport that checks sequence numbers as brokers do and fails by seed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod model_broker;
mod producer;
mod tcp;
