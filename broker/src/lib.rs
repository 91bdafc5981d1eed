//! Kafka-compatible broker: log, partitions, coordinators, metadata.

pub mod coordinator;
pub mod log;
pub mod partition;
#[cfg(test)]
mod testing;
