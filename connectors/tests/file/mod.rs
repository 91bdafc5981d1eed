//! The file source and the file sink.

mod partitioned;
mod rotation;
mod sink;
mod source;
