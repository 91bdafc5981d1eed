//! Where a column's values come from: traced down the logical plan through what only renames or forwards.

use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};

use super::window::{WINDOW_START, WindowNode, WindowSize};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Origin {
    /// A column of the relation that is read.
    Source(String),
    WindowStart(WindowSize),
    WindowEnd(WindowSize),
    /// A group column of the aggregate, by index.
    Group(usize),
    Computed,
}

pub(super) fn origin(plan: &LogicalPlan, column: &Column) -> Origin {
    traced(plan, column).unwrap_or(Origin::Computed)
}

/// The origin of the plan's output column `index`.
pub(super) fn origin_of_output(plan: &LogicalPlan, index: usize) -> Origin {
    plan.schema().columns().get(index).map_or(Origin::Computed, |column| origin(plan, column))
}

fn traced(plan: &LogicalPlan, column: &Column) -> Option<Origin> {
    let index = plan.schema().index_of_column(column).ok()?;
    match plan {
        LogicalPlan::TableScan(_) => Some(Origin::Source(column.name.clone())),
        LogicalPlan::SubqueryAlias(alias) => Some(origin_of_output(&alias.input, index)),
        LogicalPlan::Filter(filter) => traced(&filter.input, column),
        LogicalPlan::Projection(projection) => match unaliased(projection.expr.get(index)?) {
            Expr::Column(inner) => traced(&projection.input, inner),
            _ => None,
        },
        LogicalPlan::Extension(extension) => {
            let node = extension.node.as_any().downcast_ref::<WindowNode>()?;
            let inputs = UserDefinedLogicalNodeCore::inputs(node);
            let input = inputs.first()?;
            if index < input.schema().fields().len() {
                traced(input, column)
            } else if column.name == WINDOW_START {
                Some(Origin::WindowStart(node.size))
            } else {
                Some(Origin::WindowEnd(node.size))
            }
        }
        LogicalPlan::Aggregate(aggregate) => {
            (index < aggregate.group_expr.len()).then_some(Origin::Group(index))
        }
        _ => None,
    }
}

fn unaliased(expression: &Expr) -> &Expr {
    match expression {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}
