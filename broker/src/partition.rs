//! What a partition decides, without doing it: append checks, producer epochs and sequences, transactions, leader
//! epochs, watermarks and fetch visibility.
//!
//! Pure: no I/O, clock, tasks or randomness. Time comes in as a parameter, decisions go out as values, and
//! `log::partition` carries them out. The same [`PartitionState::apply`] runs after an append and during recovery, so
//! state rebuilt from the log equals state kept while writing it.

pub mod append;
pub mod batch;
pub mod leader_epoch;
pub mod producer;
pub mod state;
#[cfg(test)]
mod tests;
pub mod transaction;

pub use state::{Decision, PartitionState};
