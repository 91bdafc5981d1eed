//! The client against a model of a cluster: a transport that checks sequence numbers as brokers do and fails by seed.

mod model_broker;
mod producer;
mod tcp;
