//! The file source and the file sink.

mod rotation;
mod sink;
mod source;
