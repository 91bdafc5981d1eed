//! Planning of `ROW_NUMBER() OVER (PARTITION BY … ORDER BY …)` with a bound: the first rows of every partition, which is how
//! SQL writes Top-N (`rn <= 3`) and deduplication (`rn = 1`).

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::{Sort, WindowFunction};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Filter, LogicalPlan, Operator, Projection, Window,
};

use super::aggregate::window_time;
use super::analyze::{Analysis, place, stay};
use super::graph::{Edge, EdgeKey, EdgeMode, Exchange, Input, KeyPart, NodeId, Step, WindowColumn};
use super::rank_step::{RankOrder, RankPlan, RankWindow};
use super::window::WINDOW_START;
use super::window_size::WindowShape;
use crate::diagnostic::Finding;
use crate::sql::parse::Emit;
use crate::state::key::{self, KeyColumn};
use crate::state::row;

/// Most rows of a partition that are kept in order: every change looks through them.
const RANK_MAX: i64 = 10_000;

/// A filter over numbered rows.
pub(super) struct Numbered<'a> {
    filter: &'a Filter,
    /// Columns that nothing looks at are left out between the two.
    kept: Option<&'a Projection>,
    window: &'a Window,
}

/// What a condition says of the row number.
struct Bound {
    most: i64,
    /// The condition says no more than that.
    is_all: bool,
}

impl<'a> Numbered<'a> {
    pub fn of(plan: &'a LogicalPlan) -> Option<Numbered<'a>> {
        let LogicalPlan::Filter(filter) = plan else { return None };
        let (kept, numbers) = match filter.input.as_ref() {
            LogicalPlan::Projection(kept) => (Some(kept), kept.input.as_ref()),
            other => (None, other),
        };
        let is_plain = |expression: &Expr| matches!(expression, Expr::Column(_));
        match numbers {
            LogicalPlan::Window(window) if kept.is_none_or(|kept| kept.expr.iter().all(is_plain)) => {
                Some(Numbered { filter, kept, window })
            }
            _ => None,
        }
    }

    /// The column of the row number.
    fn column(&self) -> Column {
        let index = self.window.input.schema().fields().len();
        Column::from(self.window.schema.qualified_field(index))
    }

    /// Whether any of the expressions looks at the row number.
    pub fn is_in(&self, expressions: &[Expr]) -> bool {
        let column = self.column();
        expressions.iter().any(|expression| expression.column_refs().contains(&column))
    }
}

impl Analysis<'_> {
    /// Adds the step that gives the first rows of every partition; `is_wanted` if the row number is looked at above.
    pub fn rank(&mut self, numbered: &Numbered<'_>, is_wanted: bool) -> Result<NodeId, Finding> {
        let (window, column) = (numbered.window, numbered.column());
        let (limit, rest) = self.limit(numbered, &column)?;
        let gives_number =
            is_wanted || rest.as_ref().is_some_and(|rest| rest.column_refs().contains(&column));
        let node = self.walk(&window.input)?;
        if self.edge(node).sessions.is_some() {
            return Err(self
                .refuse("sessions are not known before their rows are grouped, so rows cannot be numbered within them")
                .hint("GROUP BY window_start, window_end first, and number the results"));
        }
        let plan = self.rank_plan(node, window, limit, gives_number)?;
        let edge = self.rank_edge(node, window, &plan);
        let keys = plan.partition.iter().map(|(expression, _)| expression.clone()).collect();
        let input = Input { node, exchange: Some(Exchange { keys }) };
        let mut last = self.graph.add(Step::Rank(Arc::new(plan)), vec![input], edge);
        if let Some(kept) = numbered.kept {
            last = self.project_node(last, &kept.expr, &window.schema, &kept.schema)?;
        }
        if let Some(rest) = rest {
            let predicate = self.compile(&rest, numbered.filter.input.schema())?;
            let edge = self.edge(last).clone();
            last = self.graph.add(Step::Filter(predicate), vec![stay(last)], edge);
        }
        Ok(last)
    }

    /// Numbered rows of which nothing bounds how many are wanted.
    pub fn unbounded_numbers(&self) -> Finding {
        self.refuse("ROW_NUMBER without a bound numbers every row anew whenever one comes before them").hint(
            "keep the first rows: SELECT … FROM (SELECT …, ROW_NUMBER() OVER (…) AS rn …) WHERE rn <= 10",
        )
    }

    /// How many rows of a partition are wanted, and what else is asked of them.
    fn limit(&self, numbered: &Numbered<'_>, column: &Column) -> Result<(usize, Option<Expr>), Finding> {
        let (mut limit, mut rest) = (None, Vec::new());
        for condition in split_conjunction(&numbered.filter.predicate) {
            let bound = bound(condition, column);
            if !bound.as_ref().is_some_and(|bound| bound.is_all) {
                rest.push(condition.clone());
            }
            if let Some(bound) = bound {
                limit = Some(limit.map_or(bound.most, |known: i64| known.min(bound.most)));
            }
        }
        let Some(limit) = limit else { return Err(self.unbounded_numbers()) };
        if limit < 1 {
            return Err(self.refuse("the first row has number 1, so no row is ever kept"));
        }
        if limit > RANK_MAX {
            return Err(self
                .refuse(&format!(
                    "{limit} rows of each partition are more than the {RANK_MAX} that can be kept in order"
                ))
                .hint("ask for fewer rows"));
        }
        Ok((usize::try_from(limit).unwrap_or(1), conjunction(rest)))
    }

    fn rank_plan(
        &self,
        node: NodeId,
        window: &Window,
        limit: usize,
        gives_number: bool,
    ) -> Result<RankPlan, Finding> {
        let input = window.input.schema();
        let function = self.row_number(window)?;
        let key_type = |expression: &Expr| -> Result<DataType, Finding> {
            let data_type = expression.get_type(input).map_err(|error| self.trouble(&error))?;
            if key::is_supported(&data_type) {
                return Ok(data_type);
            }
            Err(self
                .refuse(&format!("{expression} is {data_type}: rows cannot be ordered by that"))
                .hint("cast it to TEXT, BIGINT, DECIMAL or TIMESTAMP"))
        };
        if let Some(field) = input.fields().iter().find(|field| !row::is_supported(field.data_type())) {
            let message = format!("column `{}` is {}, which cannot be kept", field.name(), field.data_type());
            return Err(self.refuse(&message).hint("cast it, or leave it out of the query"));
        }
        let partition = function.params.partition_by.iter().map(|expression| {
            let data_type = key_type(expression)?;
            Ok((self.compile(expression, input)?, data_type))
        });
        let order = function.params.order_by.iter().map(|sort: &Sort| {
            let data_type = key_type(&sort.expr)?;
            let column = KeyColumn { data_type, descending: !sort.asc, nulls_last: !sort.nulls_first };
            Ok(RankOrder { expression: self.compile(&sort.expr, input)?, column })
        });
        let windows = self.partition_windows(node, function, window);
        let ends =
            |(_, found): &&(usize, WindowColumn)| found.is_end || found.size.shape == WindowShape::Fixed;
        let last = windows.iter().rev().find(ends);
        let closes = last.map(|(partition, found)| RankWindow {
            partition: *partition,
            is_end: found.is_end,
            size: found.size,
        });
        let emit = match self.select.emit {
            Some(Emit::Final) if closes.is_some() => Emit::Final,
            Some(Emit::Final) if !self.graph.any_before(node, &|step| matches!(step, Step::Aggregate(_))) => {
                return Err(self
                    .refuse("EMIT FINAL needs windows: without them no order is ever final")
                    .hint("PARTITION BY window_start, window_end, or write EMIT CHANGES"));
            }
            _ => Emit::Changes,
        };
        let retracts = self.edge(node).mode != EdgeMode::Append;
        if emit == Emit::Final && retracts {
            return Err(self.refuse("EMIT FINAL needs rows that stay, but the input of ROW_NUMBER changes"));
        }
        Ok(RankPlan {
            partition: partition.collect::<Result<_, Finding>>()?,
            order: order.collect::<Result<_, Finding>>()?,
            limit,
            window: closes,
            emit,
            retracts,
            gives_number,
            input: input.inner().clone(),
            schema: window.schema.inner().clone(),
            text: written(function),
        })
    }

    fn row_number<'a>(&self, window: &'a Window) -> Result<&'a WindowFunction, Finding> {
        let [expression] = window.window_expr.as_slice() else {
            return Err(self
                .refuse("more than one OVER in a query is not supported yet")
                .hint("number the rows in one query, and the result in another"));
        };
        match expression {
            Expr::WindowFunction(function) if function.fun.name() == "row_number" => Ok(function),
            other => Err(self
                .refuse(&format!(
                    "{other} is not supported yet: of the functions over rows only ROW_NUMBER() is"
                ))
                .hint("aggregate within TUMBLE or HOP windows, or write ROW_NUMBER() OVER (…) and a bound")),
        }
    }

    /// Places in the partition of the bounds of the input's windows, starts first.
    fn partition_windows(
        &self,
        node: NodeId,
        function: &WindowFunction,
        window: &Window,
    ) -> Vec<(usize, WindowColumn)> {
        let input = window.input.schema();
        let of = |(index, expression): (usize, &Expr)| {
            let column = place(expression, input)?;
            let found = self.edge(node).windows.iter().find(|window| window.column == column)?;
            Some((index, *found))
        };
        let mut found: Vec<(usize, WindowColumn)> =
            function.params.partition_by.iter().enumerate().filter_map(of).collect();
        found.sort_by_key(|(_, window)| window.is_end);
        found
    }

    fn rank_edge(&self, node: NodeId, window: &Window, plan: &RankPlan) -> Edge {
        let input = self.edge(node);
        let schema = window.schema.inner().clone();
        let partition_by = self.row_number(window).map(|function| function.params.partition_by.clone());
        let partition_by = partition_by.unwrap_or_default();
        let places = || partition_by.iter().map(|expression| place(expression, window.input.schema()));
        let bounds: Vec<usize> = input
            .windows
            .iter()
            .map(|window| window.column)
            .filter(|column| places().any(|place| place == Some(*column)))
            .collect();
        let mut parts: Vec<KeyPart> = places()
            .zip(&partition_by)
            .filter(|(place, _)| place.is_none_or(|place| !bounds.contains(&place)))
            .map(|(place, expression)| KeyPart {
                columns: place.into_iter().collect(),
                name: place.map_or(expression.to_string(), |place| schema.field(place).name().clone()),
            })
            .collect();
        if !bounds.is_empty() {
            parts.push(KeyPart { columns: bounds, name: WINDOW_START.to_owned() });
        }
        let number = schema.fields().len() - 1;
        let key = if plan.gives_number {
            parts.push(KeyPart { columns: vec![number], name: "the row number".to_owned() });
            Some(EdgeKey { parts, is_unique: true, by_place: true })
        } else if plan.limit == 1 {
            Some(EdgeKey { parts, is_unique: true, by_place: true })
        } else {
            input.key.clone()
        };
        let is_final = plan.emit == Emit::Final;
        let told = |window: &&WindowColumn| window.is_end || window.size.shape == WindowShape::Fixed;
        let time = match &input.time {
            _ if !is_final => None,
            Some(time) if input.windows.iter().any(|window| window.column == time.column) => {
                Some(time.clone())
            }
            _ => input.windows.iter().find(told).map(|window| window_time(window, &schema)),
        };
        Edge {
            mode: if is_final { EdgeMode::Append } else { EdgeMode::Changes },
            key,
            time,
            windows: input.windows.clone(),
            sessions: None,
            distribution: places().collect(),
            schema,
        }
    }
}

/// The function as it was written, without the frame that says nothing of row numbers.
fn written(function: &WindowFunction) -> String {
    let listed = |words: &str, items: Vec<String>| match items.as_slice() {
        [] => String::new(),
        items => format!("{words} {}", items.join(", ")),
    };
    let partition = function.params.partition_by.iter().map(ToString::to_string).collect();
    let order = function.params.order_by.iter().map(ToString::to_string).collect();
    let parts = [listed("PARTITION BY", partition), listed("ORDER BY", order)];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("row_number() OVER ({})", parts.join(" "))
}

fn bound(condition: &Expr, number: &Column) -> Option<Bound> {
    let is_number = |expression: &Expr| match expression {
        Expr::Cast(cast) => matches!(cast.expr.as_ref(), Expr::Column(column) if column == number),
        Expr::Column(column) => column == number,
        _ => false,
    };
    let (operator, value) = match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_number(left) => (*op, whole(right)?),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_number(right) => (op.swap()?, whole(left)?),
        Expr::Between(between) if !between.negated && is_number(&between.expr) => {
            return Some(Bound { most: whole(&between.high)?, is_all: whole(&between.low)? <= 1 });
        }
        _ => return None,
    };
    match operator {
        Operator::LtEq => Some(Bound { most: value, is_all: true }),
        Operator::Lt => Some(Bound { most: value.saturating_sub(1), is_all: true }),
        Operator::Eq => Some(Bound { most: value, is_all: value == 1 }),
        _ => None,
    }
}

/// The value of a literal that is a whole number.
fn whole(expression: &Expr) -> Option<i64> {
    let Expr::Literal(value, _) = expression else { return None };
    let is_whole = value.data_type().is_integer() || matches!(value.data_type(), DataType::Decimal128(_, 0));
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(Some(value))) if is_whole => Some(value),
        _ => None,
    }
}
