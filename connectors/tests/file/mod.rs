//! The file source and the file sink.

mod parquet;
mod partitioned;
mod rotation;
mod sink;
mod source;
