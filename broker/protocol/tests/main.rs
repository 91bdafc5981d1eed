//! Integration tests of the codec, in one binary.

mod codegen;
