//! The file source and the file sink.

mod parquet;
mod parquet_sink;
mod partitioned;
mod rotation;
mod sink;
mod source;
