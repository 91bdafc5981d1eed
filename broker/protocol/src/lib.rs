//! Kafka wire codec and record batches: bytes in, structs out, no I/O.
