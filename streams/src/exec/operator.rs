//! What every step of a query is: a synchronous state machine over rows. The task calls it; it never waits and knows no
//! clock, no cluster and no threads.
//!
//! One instance of each step runs per worker. A step that needs all rows of a key in one place has an exchange before it,
//! which sends each row to the worker that owns the key's virtual node.

use super::QueryError;
use super::rows::Rows;
use crate::state::Persistent;

/// What a step gave in one call.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// To the next step, in this order.
    pub rows: Vec<Rows>,
    /// Rows that came after their window or bound was closed, as they came in.
    pub late: Vec<Rows>,
}

impl Output {
    pub fn push(&mut self, rows: Rows) {
        if !rows.is_empty() {
            self.rows.push(rows);
        }
    }
}

pub(crate) trait Operator: Send {
    /// Rows at one of the inputs: those of one source partition in offset order, or what the step before gave.
    fn on_rows(&mut self, input: usize, rows: Rows, out: &mut Output) -> Result<(), QueryError>;

    /// Event time has come to `watermarks_us` (one per input, microseconds, none ever goes back): what it closes is given and
    /// forgotten. Called after a start with what was committed, before any rows, and must then give nothing.
    ///
    /// `END` is no time but the order to give everything that is open; what the watermark is from then on is told anew.
    fn on_watermark(&mut self, _watermarks_us: &[i64], _out: &mut Output) -> Result<(), QueryError> {
        Ok(())
    }

    /// How far event time has come behind this step: no later row of its output is older. A function of `watermarks_us` and
    /// the plan alone: the least of them, less a fixed length; `END` of `END`.
    fn output_watermark(&self, watermarks_us: &[i64]) -> i64 {
        watermarks_us.iter().copied().min().unwrap_or(i64::MIN)
    }

    /// The least watermark of its inputs that would make the step give something. With several workers event time goes forward
    /// from one of these to the next, so that what they give together is in its order.
    fn due_us(&self) -> Option<i64> {
        None
    }

    /// A commit is due: gives what was held back to be given once per commit.
    fn on_barrier(&mut self, _out: &mut Output) -> Result<(), QueryError> {
        Ok(())
    }

    /// The step's state, each table under a number of its own that never changes its meaning.
    fn tables(&mut self) -> Vec<(u8, &mut dyn Persistent)> {
        Vec::new()
    }

    /// Rows that were late since the start.
    fn late_rows(&self) -> u64 {
        0
    }

    /// The least watermark that would have closed all that was closed so far.
    fn last_end_us(&self) -> Option<i64> {
        None
    }
}
