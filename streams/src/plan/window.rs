//! `TUMBLE`, `HOP`, `CUMULATE` and `SESSION` in `FROM`: a logical node that gives each row its windows as the columns
//! `window_start` and `window_end`. What the arguments mean is in `window_size`.
//!
//! A session's bounds are known when it ends: until it is grouped, a row has the bounds of a session of its own.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::{Column, DFSchema, DFSchemaRef, DataFusionError, Result};
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, ExprSchemable, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, ObjectName, ObjectNamePart, TableFactor,
};

use super::context::RelationSource;
use super::window_size::{Lengths, WindowFunction, WindowShape, WindowSize, interval_us, refuse};
use crate::sql::parse::PARTITION_BY;

pub(crate) const WINDOW_START: &str = "window_start";
pub(crate) const WINDOW_END: &str = "window_end";

/// Adds `window_start` and `window_end` to each row; a row of overlapping windows appears once for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WindowNode {
    pub input: LogicalPlan,
    pub time: Expr,
    /// Columns of `PARTITION BY`.
    pub partition: Vec<Expr>,
    pub size: WindowSize,
    schema: DFSchemaRef,
}

impl WindowNode {
    fn new(input: LogicalPlan, time: Expr, partition: Vec<Expr>, size: WindowSize) -> Result<WindowNode> {
        let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
        let bounds = [WINDOW_START, WINDOW_END]
            .map(|name| (None, Arc::new(Field::new(name, timestamp.clone(), true))))
            .to_vec();
        let bounds = DFSchema::new_with_metadata(bounds, Default::default())?;
        let schema = Arc::new(input.schema().join(&bounds)?);
        Ok(WindowNode { input, time, partition, size, schema })
    }
}

impl Hash for WindowNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.time.hash(state);
        self.size.hash(state);
    }
}

impl PartialOrd for WindowNode {
    fn partial_cmp(&self, other: &WindowNode) -> Option<Ordering> {
        self.size.partial_cmp(&other.size)
    }
}

impl UserDefinedLogicalNodeCore for WindowNode {
    fn name(&self) -> &str {
        "Window"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        std::iter::once(&self.time).chain(&self.partition).cloned().collect()
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        [WINDOW_START, WINDOW_END].map(str::to_owned).into()
    }

    fn fmt_for_explain(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Window: time={}, size={:?}", self.time, self.size)
    }

    fn with_exprs_and_inputs(&self, expressions: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<WindowNode> {
        let mut expressions = expressions.into_iter();
        let (Some(time), Some(input)) = (expressions.next(), inputs.into_iter().next()) else {
            return Err(DataFusionError::Internal("a window node has a time and one input".to_owned()));
        };
        WindowNode::new(input, time, expressions.collect(), self.size)
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let input = self.input.schema();
        let width = input.fields().len();
        let mut needed: Vec<usize> = output_columns.iter().copied().filter(|index| *index < width).collect();
        for expression in self.expressions() {
            for column in expression.column_refs() {
                needed.push(input.index_of_column(column).ok()?);
            }
        }
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}

/// Plans the window functions; everything else in `FROM` is left to DataFusion.
#[derive(Debug)]
pub(crate) struct WindowPlanner {
    /// From ksqlDB's `GRACE PERIOD`.
    pub grace_ms: i64,
}

impl RelationPlanner for WindowPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let TableFactor::Table { name, alias, args: Some(args), .. } = &relation else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let written = name.to_string();
        let Some(function) = WindowFunction::of(&written) else {
            return refuse(format!(
                "no table function `{written}`: TUMBLE, HOP, CUMULATE and SESSION are known"
            ));
        };
        let arguments = Arguments::read(function, &args.args)?;
        let input = context.plan(arguments.relation)?;
        let time = match arguments.time {
            Some(written) => context.sql_to_expr(written, input.schema())?,
            None => watermark_column(&input)?,
        };
        if !matches!(time.get_type(input.schema())?, DataType::Timestamp(..)) {
            return refuse(format!(
                "{time} is not a TIMESTAMP: declare the column as TIMESTAMP (numbers in JSON are read as \
                                   milliseconds since 1970)"
            ));
        }
        let mut partition = Vec::new();
        for written in arguments.partition {
            partition.push(context.sql_to_expr(written, input.schema())?);
        }
        let mut lengths = Lengths::default();
        for (name, written) in arguments.lengths {
            let planned = context.sql_to_expr(written, input.schema())?;
            lengths.add(function, name.as_deref(), interval_us(&planned)?)?;
        }
        let size = lengths.size(function, self.grace_ms.saturating_mul(1_000))?;
        if !partition.is_empty() && size.shape != WindowShape::Session {
            return refuse(format!(
                "{} windows are the same for all rows: PARTITION BY is for SESSION",
                function.name()
            ));
        }
        let node = WindowNode::new(input, time, partition, size)?;
        let plan = LogicalPlan::Extension(Extension { node: Arc::new(node) });
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.clone()))))
    }
}

/// What stands between the parentheses of a window function.
struct Arguments {
    relation: TableFactor,
    time: Option<ast::Expr>,
    partition: Vec<ast::Expr>,
    /// By name where they have one, in their order.
    lengths: Vec<(Option<String>, ast::Expr)>,
}

impl Arguments {
    fn read(function: WindowFunction, written: &[FunctionArg]) -> Result<Arguments> {
        let (mut relation, mut time, mut partition, mut lengths) = (None, None, Vec::new(), Vec::new());
        for (place, argument) in written.iter().enumerate() {
            let (name, expression) = match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => (None, expression),
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expression), .. } => {
                    (Some(name.value.to_lowercase()), expression)
                }
                other => return refuse(format!("{} does not take `{other}`", function.name())),
            };
            match (name.as_deref(), call(expression)) {
                (_, Some((PARTITION_BY, columns))) => partition = columns,
                (None | Some("timecol"), Some(("descriptor", columns))) => match columns.as_slice() {
                    [column] => time = Some(column.clone()),
                    _ => return refuse("DESCRIPTOR names one column: that of event time"),
                },
                (Some("timecol"), _) => time = Some(expression.clone()),
                (Some("data"), _) => relation = Some(expression.clone()),
                (None, _) if place == 0 => relation = Some(expression.clone()),
                (None, _) if time.is_none() && lengths.is_empty() && !is_interval(expression) => {
                    time = Some(expression.clone());
                }
                _ => lengths.push((name, expression.clone())),
            }
        }
        let relation = match relation {
            Some(ast::Expr::Identifier(name)) => table(ObjectName(vec![ObjectNamePart::Identifier(name)])),
            Some(ast::Expr::Subquery(subquery)) => {
                TableFactor::Derived { lateral: false, subquery, alias: None, sample: None }
            }
            _ => {
                return refuse(format!(
                    "the first argument of {} is the name of a stream or table, or a query in parentheses",
                    function.name()
                ));
            }
        };
        Ok(Arguments { relation, time, partition, lengths })
    }
}

fn is_interval(expression: &ast::Expr) -> bool {
    matches!(expression, ast::Expr::Interval(_))
}

/// Name and arguments of `descriptor(…)`, or of what `PARTITION BY` was made.
fn call(expression: &ast::Expr) -> Option<(&'static str, Vec<ast::Expr>)> {
    let ast::Expr::Function(function) = expression else { return None };
    let written = function.name.to_string();
    let name = ["descriptor", PARTITION_BY]
        .into_iter()
        .find(|name| written.trim_matches('"').eq_ignore_ascii_case(name))?;
    let ast::FunctionArguments::List(list) = &function.args else { return None };
    let columns = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(column)) => Some(column.clone()),
        _ => None,
    });
    Some((name, columns.collect::<Option<_>>()?))
}

pub(crate) fn table(name: ObjectName) -> TableFactor {
    TableFactor::Table {
        name,
        alias: None,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

fn watermark_column(input: &LogicalPlan) -> Result<Expr> {
    if let LogicalPlan::TableScan(scan) = input
        && let Some(source) = scan.source.downcast_ref::<RelationSource>()
    {
        return match &source.relation.watermark {
            Some(watermark) => {
                Ok(Expr::Column(Column::new(Some(scan.table_name.clone()), &watermark.column)))
            }
            None => refuse(format!(
                "`{}` has no watermark: declare WATERMARK FOR its event time",
                source.relation.name
            )),
        };
    }
    refuse("name the column of event time as the second argument")
}
