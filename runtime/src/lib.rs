//! The millstream binary: node assembly, pipelines, connect worker, HTTP, command line.

pub mod cli;

pub mod pipeline;

pub mod pipelines;

pub mod node;

pub mod http;

pub mod config;

pub mod connect;

pub mod case;

pub mod plugin;
