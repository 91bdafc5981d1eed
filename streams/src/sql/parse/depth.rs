//! How deeply expressions may be nested: planning, evaluating and even dropping one recurses over it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Visit, Visitor};

use crate::diagnostic::{Finding, Position};

/// Deepest nesting that fits the stack of an ordinary thread with room to spare.
const MAX_DEPTH: usize = 150;

#[derive(Default)]
struct Depth {
    now: usize,
}

impl Visitor for Depth {
    type Break = ();

    fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.now += 1;
        if self.now > MAX_DEPTH { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.now -= 1;
        ControlFlow::Continue(())
    }
}

pub(super) fn refuse_deep(written: &impl Visit, at: Position) -> Result<(), Finding> {
    match written.visit(&mut Depth::default()) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => {
            Err(Finding::new(at, format!("an expression is nested more than {MAX_DEPTH} levels deep"))
                .hint("write a long chain of OR as column IN (…), or split the query"))
        }
    }
}
