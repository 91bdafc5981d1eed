//! Plugins: the built-in ones, and WebAssembly components that people bring.
//!
//! [`registry`] finds what `use:` and `wasm:` name. Only `wasm` knows wasmtime; everything else sees the SDK's traits.

mod registry;

pub mod metrics;

mod native;

mod download;

mod grants;

mod wasm;

pub mod contract;

pub use grants::{CPU_MAX, Folder, Grant, Grants, MEMORY_BYTES_MAX};
pub use registry::{Handle, Inspected, LoadError, find, inspect, is_component};
pub use wasm::resting;
