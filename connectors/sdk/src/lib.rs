//! What a source, a sink and a transform are: records, batches, positions, errors, config.
//!
//! The traits mirror the component contract for WASM plugins call by call: batches are flat columns, positions
//! are opaque bytes, errors say what the host should do about them. Left out: any runtime (no tokio, no files,
//! no sockets), so that the crate builds for `wasm32` guests as well as for the host.

pub mod record;

pub mod plugin;

pub mod source;

pub mod sink;

pub mod transform;

pub mod config;

pub mod error;

pub use async_trait::async_trait;
pub use bytes::Bytes;
