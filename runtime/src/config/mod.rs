//! What people write: the pipeline file and the server's properties.
//!
//! Everything is read in full before anything starts, and every mistake of one run is reported.
//! Left out: what the values do; that is for the node, the worker and the engines.

pub mod diagnostic;
pub mod pipeline;

pub mod reader;
pub mod resolve;
pub mod schema;

pub mod server;
pub mod suggest;
pub mod yaml;
