//! Kafka-compatible broker: log, partitions, coordinators, metadata.
