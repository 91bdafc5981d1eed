//! Batch-level Kafka client over two transports: a TCP socket or a direct call.
