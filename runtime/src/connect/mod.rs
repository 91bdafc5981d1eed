//! The connect worker: sources into topics and topics into sinks, each record once.
//!
//! Walk in: [`worker`] → [`source_task`] (poll → transform → convert → produce → commit). Walk out: the mirror,
//! [`sink_task`]. A source's only way out is a topic and a sink's only way in is one: there is no other queue.
//! Left out: sharing tasks out between nodes.

mod worker;

mod splits;

mod tend;

mod source_task;

mod sink_task;

mod transform;

mod convert;

mod places;

mod dead_letter;

mod offsets;

/// Stored positions, for those who look at them or change them.
pub mod positions {
    pub use super::offsets::{list, put};
}

mod declaration;

mod failure;

mod status;

pub use declaration::{Declaration, DeclarationError, ErrorPolicy, SinkDeclaration, SourceDeclaration, Then};
pub use failure::TaskFailure;
pub use status::{Role, TaskState, TaskStatus};
pub use transform::edit::{EditKind, edits, find as find_edit};
pub use transform::{Chain, Step, StepError};
pub use worker::{NodeError, Progress, Target, UnknownNode, Worker, WorkerConfig};
