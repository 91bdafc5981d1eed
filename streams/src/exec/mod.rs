//! Running queries: synchronous operators over Arrow batches, and the task that feeds them and commits what they give.

mod clock;
mod encode;
mod engine;
mod event_time;
mod exchange;
mod graph;
mod late;
mod link;
mod operator;
mod operators;
mod original;
mod positions;
mod rows;
mod selection;
mod source;
mod status;
mod task;
mod worker;

#[cfg(test)]
mod tests;

pub(crate) use clock::now_us;
pub(crate) use encode::{OutputRows, RowEncoder};
pub use engine::{
    BadRecords, Engine, EngineConfig, FinishError, InputEnds, QueryHandle, QueryHandles, StartError,
};
pub(crate) use operators::Moment;
pub(crate) use rows::Rows;
pub use selection::{SelectFrom, SelectedRow, Selection};
pub(crate) use source::SourceReader;
pub use status::{QueryState, QueryStatus};
pub use task::PARALLELISM_MAX;

use datafusion::arrow::error::ArrowError;
use datafusion::common::DataFusionError;

use crate::format::FormatError;
use crate::state::encoding::DecodeError;
use crate::state::store::StoreError;

/// Why a task stopped. It starts again from its last commit, unless it was fenced or stopped on purpose.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("evaluate {step}: {source}")]
    Evaluate { step: &'static str, source: DataFusionError },
    #[error("compute {step}: {source}")]
    Compute { step: &'static str, source: ArrowError },
    #[error("add up {aggregate}: the sum is out of the range of its type; cast the argument to a wider one")]
    Overflow { aggregate: String },
    #[error("read records of `{topic}`: {source}")]
    Decode { topic: String, source: FormatError },
    #[error("read records of `{topic}`: partition {partition}, offset {offset}: {reason}")]
    BadRecord { topic: String, partition: i32, offset: i64, reason: String },
    #[error("write records of `{topic}`: {source}")]
    Encode { topic: String, source: FormatError },
    #[error("restore state from `{topic}`: {reason}; delete the topic and the group's offsets to start over")]
    State { topic: String, reason: String },
    #[error("restore positions of group `{group}`: the text \"{found}\" was not written by this program")]
    Position { group: String, found: String },
    #[error(
        "query `{query}` has changed, and what it remembers is of the query that it was (its groups, aggregates, windows, \
         joins, columns or inputs were others): give the new one another name, or start over by deleting topic `{topic}` and \
         group `{group}`"
    )]
    Changed { query: String, topic: String, group: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{attempt}: {reason}")]
    Cluster { attempt: String, reason: String },
    /// Another task has taken over: this one must not go on.
    #[error("another task runs this query: {reason}")]
    Fenced { reason: String },
}

impl QueryError {
    pub(crate) fn evaluate(step: &'static str) -> impl Fn(DataFusionError) -> QueryError {
        move |source| QueryError::Evaluate { step, source }
    }

    pub(crate) fn compute(step: &'static str) -> impl Fn(ArrowError) -> QueryError {
        move |source| QueryError::Compute { step, source }
    }

    pub(crate) fn cluster(attempt: impl Into<String>, reason: impl ToString) -> QueryError {
        QueryError::Cluster { attempt: attempt.into(), reason: reason.to_string() }
    }
}

impl From<DecodeError> for QueryError {
    fn from(source: DecodeError) -> QueryError {
        QueryError::State { topic: "the changelog".to_owned(), reason: source.to_string() }
    }
}
