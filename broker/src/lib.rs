//! Kafka-compatible broker: log, partitions, coordinators, metadata.
//!
//! [`Broker::start`] runs a node; clients reach it by TCP at [`Broker::addr`] or directly by [`Broker::local`].
//! `DESIGN.md` walks through a produce, a fetch and a group, and says who owns what. Left out: replication between
//! nodes, security.

mod api;
mod broker;
mod cluster;
pub mod config;
mod connection;
pub mod coordinator;
mod hosting;
mod limits;
mod local;
pub mod log;
mod metrics;
mod node;
pub mod partition;
mod server;
mod surroundings;
#[cfg(test)]
mod testing;

pub use broker::{Broker, ShutdownError, StartError};
pub use config::{Config, ConfigError};
pub use server::BindError;
