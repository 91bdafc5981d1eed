//! `FROM orders JOIN rates FOR SYSTEM_TIME AS OF orders.time`: a logical node that says of which time the table's rows are
//! wanted. What it says is read by the join above it.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchemaRef, DataFusionError, Result, TableReference};
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, Extension, Join, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion::sql::sqlparser::ast::{self, FunctionArgExpr, TableFactor};

use super::context::RelationSource;
use super::window::table;
use crate::sql::parse::AS_OF;

/// The rows of a table as of the time in a column of another relation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct VersionNode {
    pub input: LogicalPlan,
    pub relation: Option<String>,
    pub column: String,
}

impl PartialOrd for VersionNode {
    fn partial_cmp(&self, other: &VersionNode) -> Option<Ordering> {
        (&self.relation, &self.column).partial_cmp(&(&other.relation, &other.column))
    }
}

/// Filters stay above this node: they are about the version that is found, not about which ones there are.
impl UserDefinedLogicalNodeCore for VersionNode {
    fn name(&self) -> &str {
        "Version"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Version: as of {}", self.column)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<VersionNode> {
        match inputs.into_iter().next() {
            Some(input) => Ok(VersionNode { input, ..self.clone() }),
            None => Err(DataFusionError::Internal("a version node has one input".to_owned())),
        }
    }
}

/// Plans relations that are followed by `FOR SYSTEM_TIME AS OF`.
#[derive(Debug)]
pub(super) struct VersionPlanner;

impl RelationPlanner for VersionPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let TableFactor::Table { name, alias, args: Some(arguments), .. } = &relation else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let [ast::FunctionArg::Named { name: argument, arg, .. }] = arguments.args.as_slice() else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        if argument.value != AS_OF {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        }
        let (relation, column) = match arg {
            FunctionArgExpr::Expr(ast::Expr::Identifier(column)) => (None, normal(column)),
            FunctionArgExpr::Expr(ast::Expr::CompoundIdentifier(names)) => match names.as_slice() {
                [relation, column] => (Some(normal(relation)), normal(column)),
                _ => return refuse(),
            },
            _ => return refuse(),
        };
        let input = context.plan(table(name.clone()))?;
        let node = Arc::new(VersionNode { input, relation, column });
        let plan = LogicalPlan::Extension(Extension { node });
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.clone()))))
    }
}

/// Says in the condition of every join with versions what is so anyway: a row does not count before its time. So both times
/// are read wherever they are needed, selected or not.
pub(super) fn compare_times(plan: LogicalPlan) -> Result<LogicalPlan> {
    let compared = plan.transform_up(|plan| {
        let LogicalPlan::Join(mut join) = plan else { return Ok(Transformed::no(plan)) };
        let Some((as_of, since)) = times(&join) else { return Ok(Transformed::no(LogicalPlan::Join(join))) };
        let condition = Expr::Column(as_of).gt_eq(Expr::Column(since));
        join.filter = Some(match join.filter.take() {
            Some(filter) => filter.and(condition),
            None => condition,
        });
        Ok(Transformed::yes(LogicalPlan::Join(join)))
    })?;
    Ok(compared.data)
}

/// The time of the left rows, and the column of the right ones that says since when they count.
fn times(join: &Join) -> Option<(Column, Column)> {
    let version = version_of(&join.right)?;
    let LogicalPlan::TableScan(scan) = &version.input else { return None };
    let relation = &scan.source.downcast_ref::<RelationSource>()?.relation;
    let since = relation.watermark.as_ref()?.column.as_str();
    let find = |schema: &DFSchemaRef, relation: Option<&str>, column: &str| {
        let of_relation = |found: &Column| {
            let name = found.relation.as_ref().map(TableReference::table);
            found.name == column && relation.is_none_or(|relation| name == Some(relation))
        };
        schema.columns().into_iter().find(of_relation)
    };
    Some((
        find(join.left.schema(), version.relation.as_deref(), &version.column)?,
        find(join.right.schema(), None, since)?,
    ))
}

fn version_of(plan: &LogicalPlan) -> Option<&VersionNode> {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref::<VersionNode>(),
        LogicalPlan::SubqueryAlias(alias) => version_of(&alias.input),
        _ => None,
    }
}

fn normal(name: &ast::Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

fn refuse<T>() -> Result<T> {
    let message =
        "expected FOR SYSTEM_TIME AS OF and the event time of the stream that is joined: stream.time";
    Err(DataFusionError::Plan(message.to_owned()))
}
