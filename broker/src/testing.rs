//! What tests need in place of the machine: a disk that fails on demand.

pub mod disk;
