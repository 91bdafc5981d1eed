//! The file source and the file sink.

mod sink;
mod source;
