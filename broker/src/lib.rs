//! Kafka-compatible broker: log, partitions, coordinators, metadata.

pub mod coordinator;
