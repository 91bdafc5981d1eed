//! Streaming SQL: plans, operators and state from topics to topics.

pub mod format;
pub mod row;
