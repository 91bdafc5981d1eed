//! `TUMBLE(relation, column, size)` and `HOP(relation, column, advance, size)` in `FROM`: a logical node that gives
//! each row its windows as the columns `window_start` and `window_end`.
//!
//! Left out: `CUMULATE` and `SESSION`, which are refused by name.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::{Column, DFSchema, DFSchemaRef, DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, ExprSchemable, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, ObjectName, ObjectNamePart, TableFactor,
};

use super::context::RelationSource;

pub(crate) const WINDOW_START: &str = "window_start";
pub(crate) const WINDOW_END: &str = "window_end";

/// Most windows one row may fall into.
const MAX_OVERLAP: i64 = 1_000;

/// The windows of a query, all in microseconds and aligned to the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct WindowSize {
    pub size_us: i64,
    /// Distance between starts; equals the size of tumbling windows.
    pub advance_us: i64,
    /// How long after its end a window still takes rows.
    pub grace_us: i64,
}

/// Adds `window_start` and `window_end` to each row; a row of overlapping windows appears once for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WindowNode {
    pub input: LogicalPlan,
    pub time: Expr,
    pub size: WindowSize,
    schema: DFSchemaRef,
}

impl WindowNode {
    fn new(input: LogicalPlan, time: Expr, size: WindowSize) -> Result<WindowNode> {
        let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
        let bounds = [WINDOW_START, WINDOW_END]
            .map(|name| (None, Arc::new(Field::new(name, timestamp.clone(), true))))
            .to_vec();
        let bounds = DFSchema::new_with_metadata(bounds, Default::default())?;
        let schema = Arc::new(input.schema().join(&bounds)?);
        Ok(WindowNode { input, time, size, schema })
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
        vec![self.time.clone()]
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        [WINDOW_START, WINDOW_END].map(str::to_owned).into()
    }

    fn fmt_for_explain(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Window: time={}, size={:?}", self.time, self.size)
    }

    fn with_exprs_and_inputs(&self, expressions: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<WindowNode> {
        let (Some(time), Some(input)) = (expressions.into_iter().next(), inputs.into_iter().next()) else {
            return Err(DataFusionError::Internal(
                "a window node has one expression and one input".to_owned(),
            ));
        };
        WindowNode::new(input, time, self.size)
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let input = self.input.schema();
        let width = input.fields().len();
        let mut needed: Vec<usize> = output_columns.iter().copied().filter(|index| *index < width).collect();
        for column in self.time.column_refs() {
            needed.push(input.index_of_column(column).ok()?);
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
        let function = name.to_string().to_lowercase();
        match function.as_str() {
            "tumble" | "hop" => {}
            "cumulate" | "session" => {
                return refuse(format!(
                    "{} windows are not supported yet: use TUMBLE or HOP",
                    function.to_uppercase()
                ));
            }
            _ => return refuse(format!("no table function `{function}`: TUMBLE and HOP are known")),
        }
        let arguments = Arguments::read(&function, &args.args)?;
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
        let mut lengths = Vec::new();
        for written in arguments.lengths {
            lengths.push(microseconds(&context.sql_to_expr(written, input.schema())?)?);
        }
        let size = self.size(&function, &lengths)?;
        let plan = LogicalPlan::Extension(Extension { node: Arc::new(WindowNode::new(input, time, size)?) });
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.clone()))))
    }
}

impl WindowPlanner {
    fn size(&self, function: &str, lengths: &[i64]) -> Result<WindowSize> {
        let grace_us = self.grace_ms.saturating_mul(1_000);
        match (function, lengths) {
            ("tumble", [size]) => Ok(WindowSize { size_us: *size, advance_us: *size, grace_us }),
            ("hop", [advance, size]) if advance > size => refuse(
                "windows that advance by more than their size leave gaps: write HOP(relation, column, advance, size)",
            ),
            ("hop", [advance, size]) if size / advance > MAX_OVERLAP => {
                refuse(format!("each row would be in more than {MAX_OVERLAP} windows: advance by more"))
            }
            ("hop", [advance, size]) => Ok(WindowSize { size_us: *size, advance_us: *advance, grace_us }),
            ("tumble", _) => refuse("expected TUMBLE(relation, column, INTERVAL 'size')"),
            _ => refuse("expected HOP(relation, column, INTERVAL 'advance', INTERVAL 'size')"),
        }
    }
}

struct Arguments {
    relation: TableFactor,
    time: Option<ast::Expr>,
    lengths: Vec<ast::Expr>,
}

impl Arguments {
    fn read(function: &str, written: &[FunctionArg]) -> Result<Arguments> {
        let mut expressions = Vec::new();
        for argument in written {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => {
                    expressions.push(expression.clone())
                }
                other => return refuse(format!("{function} does not take `{other}`")),
            }
        }
        let mut expressions = expressions.into_iter().peekable();
        let relation = match expressions.next() {
            Some(ast::Expr::Identifier(name)) => ObjectName(vec![ObjectNamePart::Identifier(name)]),
            _ => return refuse(format!("the first argument of {function} is the name of a stream or table")),
        };
        let time = expressions.next_if(|expression| !matches!(expression, ast::Expr::Interval(_)));
        Ok(Arguments { relation: table(relation), time, lengths: expressions.collect() })
    }
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

fn microseconds(length: &Expr) -> Result<i64> {
    let found = match length {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) if interval.months == 0 => {
            i64::from(interval.days)
                .checked_mul(86_400_000_000)
                .and_then(|days| days.checked_add(interval.nanoseconds / 1_000))
        }
        Expr::Literal(ScalarValue::IntervalDayTime(Some(interval)), _) => i64::from(interval.days)
            .checked_mul(86_400_000_000)
            .and_then(|days| days.checked_add(i64::from(interval.milliseconds) * 1_000)),
        Expr::Literal(
            ScalarValue::IntervalMonthDayNano(Some(_)) | ScalarValue::IntervalYearMonth(Some(_)),
            _,
        ) => {
            return refuse(
                "months and years have no fixed length: write the window in days, hours, minutes or seconds",
            );
        }
        _ => {
            return refuse(format!(
                "a window's length is an INTERVAL such as INTERVAL '1' MINUTE, not {length}"
            ));
        }
    };
    match found {
        Some(length) if length > 0 => Ok(length),
        _ => refuse("a window's length must be positive"),
    }
}

fn refuse<T>(reason: impl Into<String>) -> Result<T> {
    Err(DataFusionError::Plan(reason.into()))
}
