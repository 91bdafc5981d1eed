//! A task's way to the cluster: the input it polls, and the one transaction that carries its outputs, its state's
//! changes and its positions.
//!
//! A trait, so that tests can stop a task at any step and look at what the cluster would have kept.

mod cluster;
mod restore;

use std::time::Duration;

use async_trait::async_trait;
use millstream_protocol::record_batch::Batch;

pub(crate) use cluster::{ClusterLink, piece_of, reading, writing};
pub(crate) use restore::{now_ms, written};

use super::QueryError;
use super::encode::OutputRows;
pub(crate) use crate::state::Change;
use crate::state::store::QueryStore;

#[async_trait]
pub(crate) trait Link: Send {
    /// Takes the query over from any older task, whose open transaction is aborted, and finds where each input partition
    /// stands: topics in the order of the query's inputs, partitions numbered from 0 without gaps.
    async fn open(&mut self) -> Result<Vec<InputPartition>, QueryError>;

    /// Brings the store to the committed state: reads the changelog from where the store ends, or all of it. `left` is told
    /// how many records are not read yet. After `open`.
    async fn changelog(
        &mut self,
        store: &mut QueryStore,
        left: &(dyn Fn(i64) + Sync),
    ) -> Result<(), QueryError>;

    /// The next records of any partition, in offset order within each; `None` if there were none for `wait`.
    async fn poll(&mut self, wait: Duration) -> Result<Option<Piece>, QueryError>;

    /// From now on gives nothing of these inputs, and of the others what there is.
    fn hold(&mut self, held: &[usize]);

    /// Adds records to the transaction, for one of the query's output topics. Rows without a key go to the partition that
    /// `keyless` stands for.
    async fn write(&mut self, output: usize, rows: &OutputRows, keyless: i32) -> Result<(), QueryError>;

    /// Commits the transaction with the state's changes and the positions in it. Gives the changelog's offset behind the last
    /// change, if it is known.
    async fn commit(&mut self, changes: &[Change], positions: &[Position])
    -> Result<Option<i64>, QueryError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputPartition {
    /// Place of the topic among the query's inputs.
    pub input: usize,
    pub partition: i32,
    /// Where reading starts.
    pub offset: i64,
    /// The text committed with the position; `None` if nothing was.
    pub note: Option<String>,
    /// Offset behind the last record there is now.
    pub end_offset: i64,
}

/// Whole record batches of one partition.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    /// Place of the topic among the query's inputs.
    pub input: usize,
    pub partition: i32,
    pub batches: Vec<Batch>,
    /// Records before it were not asked for.
    pub start_offset: i64,
    /// Where reading goes on.
    pub next_offset: i64,
    /// Offset behind the last record that can be read now.
    pub end_offset: i64,
}

impl Piece {
    /// The first batches with so many records, and what is left.
    pub fn split(mut self, records: i64) -> (Piece, Option<Piece>) {
        let is_enough = |batch: &Batch| batch.header().next_offset() - self.start_offset >= records;
        let Some(place) =
            self.batches.iter().position(is_enough).filter(|last| last + 1 < self.batches.len())
        else {
            return (self, None);
        };
        let rest = self.batches.split_off(place + 1);
        let middle = self.batches.last().map_or(self.next_offset, |batch| batch.header().next_offset());
        let rest = Piece { batches: rest, start_offset: middle, ..self.clone_place() };
        self.next_offset = middle;
        (self, Some(rest))
    }

    fn clone_place(&self) -> Piece {
        Piece { batches: Vec::new(), ..*self }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// Place of the topic among the query's inputs.
    pub input: usize,
    pub partition: i32,
    /// Of the next record to read.
    pub offset: i64,
    pub note: String,
}
