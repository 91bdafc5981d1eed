//! The millstream binary: node assembly, pipelines, connect worker, HTTP, command line.

pub mod cli;

pub mod config;
