//! Joins, by what bounds their state:
//!
//! | operator | left, right | a pair is given | state |
//! |---|---|---|---|
//! | `timed` | facts, facts near in time or of one window | when its second row arrives | until the other side's watermark has passed |
//! | `lookup` | facts, a table | when the fact arrives | the table |
//! | `versioned` | facts, a table as of a time | when the table's watermark has passed that time | versions younger than both watermarks, and the newest of each key |
//! | `changes` | tables | when one of its rows changes | both tables |
//!
//! Rows meet by their join key; a NULL in it meets nothing. In state, a key is written as bare columns (`state::key`), which
//! are never the beginning of another key's.

mod changes;
mod facts;
mod lookup;
mod multiset;
mod pairs;
mod places;
mod side;
mod timed;
mod versioned;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::exec::QueryError;
use crate::exec::operator::Operator;
use crate::plan::{JoinMethod, JoinPlan};

/// Candidates that are looked at in one go: what a join holds in memory beside its state.
const CANDIDATES_MAX: usize = 8_192;

const STEP: &str = "JOIN";

pub(super) fn operator(plan: &Arc<JoinPlan>) -> Result<Box<dyn Operator>, QueryError> {
    Ok(match &plan.method {
        JoinMethod::Timed(_) => Box::new(timed::TimedJoin::new(plan.clone())?),
        JoinMethod::Lookup { table } => Box::new(lookup::LookupJoin::new(plan.clone(), *table)?),
        JoinMethod::Versioned(_) => Box::new(versioned::VersionedJoin::new(plan.clone())?),
        JoinMethod::Changes => Box::new(changes::ChangesJoin::new(plan.clone())?),
    })
}
