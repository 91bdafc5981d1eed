//! Streaming SQL: plans, operators and state from topics to topics.
//!
//! [`Program`] reads statements, [`Plan`] says what they run, and the engine runs it over any Kafka cluster.

mod diagnostic;
mod exec;
pub mod format;
mod plan;
pub mod row;
mod session;
mod sql;
mod state;

pub use diagnostic::{Diagnostic, Position};
pub use exec::{
    BadRecords, Engine, EngineConfig, FinishError, InputEnds, PARALLELISM_MAX, QueryError, QueryHandle,
    QueryHandles, QueryState, QueryStatus, SelectFrom, SelectedRow, Selection, StartError,
};
pub use plan::{Answer, Plan, PlanContext, Program, QueryPlan, Table, TopicNeed};
pub use session::{QueryShown, Session, SessionError};
pub use state::store::{STATE_MEMORY_BYTES_MIN, StateDatabase, StoreError};
