//! Integration tests of the codec, in one binary.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod codec;
mod codegen;
