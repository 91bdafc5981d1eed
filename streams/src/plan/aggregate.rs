//! Planning of `GROUP BY` and of aggregate calls.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{DFSchemaRef, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction as AggregateExpression, AggregateFunctionParams};
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::sqlparser::ast;

use super::analyze::{Analysis, place};
use super::graph::{Edge, EdgeKey, EdgeMode, EdgeTime, Exchange, Input, KeyPart, NodeId, Step, WindowColumn};
use super::stage::{AggregateCall, AggregateFunction, AggregatePlan, AggregateWindow};
use super::window::WINDOW_START;
use super::window_size::{WindowShape, WindowSize};
use crate::diagnostic::Finding;
use crate::exec::Moment;
use crate::sql::catalog::RelationWatermark;
use crate::sql::parse::Emit;
use crate::state::encoding;

pub(super) type Groups = Vec<(Arc<dyn PhysicalExpr>, Arc<Field>)>;

impl Analysis<'_> {
    pub fn aggregate(&mut self, aggregate: &Aggregate) -> Result<NodeId, Finding> {
        let node = self.walk(&aggregate.input)?;
        let input = aggregate.input.schema();
        let (node, groups, places) = match aggregate.group_expr.as_slice() {
            [Expr::GroupingSet(sets)] => self.grouping_sets(aggregate, node, sets)?,
            _ => {
                let (groups, places) = self.groups(aggregate)?;
                (node, groups, places)
            }
        };
        let windows = self.group_windows(node, &places);
        let session = self.session_groups(node, &windows, &groups, &places)?;
        let last = windows.iter().find(|window| window.is_end).or(windows.first());
        if last.is_some_and(|window| !window.is_end && !window.size.is_told_by_start()) {
            return Err(self
                .refuse("cumulative windows of one start are told apart by their end")
                .hint("add window_end to GROUP BY"));
        }
        let window = last.map(|window| AggregateWindow {
            group: window.column,
            is_end: window.is_end,
            size: window.size,
        });
        let emit = self.emit(node, window.is_some())?;
        let mut calls = Vec::new();
        for (index, expression) in aggregate.aggr_expr.iter().enumerate() {
            let output = aggregate.schema.field(groups.len() + index).data_type().clone();
            calls.push(self.call(expression, input, output)?);
        }
        self.check_bounds_are_known(node, &aggregate.aggr_expr, input)?;
        let schema = aggregate.schema.inner().clone();
        let retracts = self.edge(node).mode != EdgeMode::Append;
        let mode = if emit == Emit::Final { EdgeMode::Append } else { EdgeMode::Changes };
        let time_of = match session {
            Some(_) => windows.iter().find(|window| window.is_end),
            None => windows.first(),
        };
        let time = time_of.filter(|_| emit == Emit::Final).map(|window| window_time(window, &schema));
        let (shared, told) = match &session {
            Some(session) => (session.keys.clone(), result_windows(&windows)),
            None => ((0..groups.len()).collect(), windows.clone()),
        };
        let edge = Edge {
            key: Some(group_key(&groups, &windows)),
            time,
            mode,
            windows: told,
            sessions: None,
            distribution: Some(shared.clone()),
            schema: schema.clone(),
        };
        let keys = shared.iter().map(|group| groups[*group].0.clone()).collect();
        let step = Step::Aggregate(Arc::new(AggregatePlan {
            groups,
            calls,
            window,
            session,
            emit,
            retracts,
            schema,
        }));
        Ok(self.graph.add(step, vec![Input { node, exchange: Some(Exchange { keys }) }], edge))
    }

    /// The groups, and which columns of the input they are.
    fn groups(&self, aggregate: &Aggregate) -> Result<(Groups, Vec<Option<usize>>), Finding> {
        let input = aggregate.input.schema();
        let mut groups = Vec::new();
        let mut places = Vec::new();
        for (index, expression) in aggregate.group_expr.iter().enumerate() {
            let field = self.group_field(aggregate, index, expression)?;
            groups.push((self.compile(expression, input)?, field));
            places.push(place(expression, input));
        }
        Ok((groups, places))
    }

    /// The column of a group in the result.
    pub fn group_field(
        &self,
        aggregate: &Aggregate,
        index: usize,
        expression: &Expr,
    ) -> Result<Arc<Field>, Finding> {
        let field = aggregate.schema.field(index).clone();
        if encoding::is_supported(field.data_type()) {
            return Ok(field);
        }
        Err(self
            .refuse(&format!("{expression} is {}: groups of that type are not supported", field.data_type()))
            .hint("cast it to TEXT, BIGINT, DECIMAL or TIMESTAMP"))
    }

    /// Which groups say what window a row is in, starts first; `places` are the input's columns of the groups.
    fn group_windows(&self, node: NodeId, places: &[Option<usize>]) -> Vec<WindowColumn> {
        let of_group = |(group, place): (usize, &Option<usize>)| {
            let window = self.edge(node).windows.iter().find(|window| Some(window.column) == *place)?;
            Some(WindowColumn { column: group, ..*window })
        };
        let mut windows: Vec<WindowColumn> = places.iter().enumerate().filter_map(of_group).collect();
        windows.sort_by_key(|window| window.is_end);
        windows
    }

    fn emit(&self, node: NodeId, windowed: bool) -> Result<Emit, Finding> {
        let has_windows = self.graph.any_before(node, &|step| matches!(step, Step::Window(_)))
            && !self.graph.any_before(node, &|step| matches!(step, Step::Aggregate(_)));
        match self.select.emit {
            _ if has_windows && !windowed => Err(self
                .refuse("the query reads windows but does not group by them, so no window would ever close")
                .hint("add window_start, window_end to GROUP BY")),
            Some(Emit::Final) if !windowed => Err(self
                .refuse("EMIT FINAL needs windows: without them no result is ever final")
                .hint("read FROM TUMBLE(…) and GROUP BY window_start, window_end, or write EMIT CHANGES")),
            Some(emit) => Ok(emit),
            None => Ok(Emit::Changes),
        }
    }

    fn call(
        &self,
        expression: &Expr,
        input: &DFSchemaRef,
        output: DataType,
    ) -> Result<AggregateCall, Finding> {
        let text = expression.to_string();
        let Expr::AggregateFunction(AggregateExpression { func, params }) = expression.clone().unalias()
        else {
            return Err(self.refuse(&format!("{text} is not an aggregate")));
        };
        let descending = self.order(&text, &params)?;
        let function = self.function(func.name(), &text, &params, descending)?;
        // Values that are there twice are the same to these.
        let distinct = (params.distinct || func.name() == "approx_distinct")
            && !matches!(function, AggregateFunction::Minimum | AggregateFunction::Maximum);
        let (argument, argument_type) = match params.args.as_slice() {
            [Expr::Literal(value, _)]
                if function == AggregateFunction::Count && !value.is_null() && !distinct =>
            {
                (None, DataType::Int64)
            }
            [argument] | [argument, Expr::Literal(..)] => {
                let data_type = argument.get_type(input).map_err(|error| self.trouble(&error))?;
                (Some(self.compile(argument, input)?), data_type)
            }
            _ => return Err(self.refuse(&format!("{text} takes one argument"))),
        };
        let filter = params.filter.as_ref().map(|filter| self.compile(filter, input)).transpose()?;
        if !function.accepts(&argument_type) {
            return Err(self
                .refuse(&format!("{text}: {argument_type} values are not supported yet"))
                .hint("cast the argument to BIGINT, DOUBLE, DECIMAL or TEXT"));
        }
        let keeps_values = distinct || self.keeps_values(&function);
        if keeps_values && !encoding::is_supported(&argument_type) {
            return Err(self.refuse(&format!("{text}: values of type {argument_type} cannot be remembered")));
        }
        Ok(AggregateCall { function, argument, argument_type, filter, output, distinct, text })
    }

    fn keeps_values(&self, function: &AggregateFunction) -> bool {
        use AggregateFunction::{Array, Joined, Median};
        matches!(function, Median | Array { .. } | Joined { .. })
    }

    /// Whether values are wanted in descending order. Rows have no order of their own: only that of the values is there.
    fn order(&self, text: &str, params: &AggregateFunctionParams) -> Result<bool, Finding> {
        match params.order_by.as_slice() {
            [] => Ok(false),
            [sort] if params.args.first() == Some(&sort.expr) => Ok(!sort.asc),
            _ => Err(self
                .refuse(&format!("{text}: ORDER BY another column than the argument is not supported"))
                .hint("order by the argument, or leave ORDER BY out: values come in their own order")),
        }
    }

    fn function(
        &self,
        name: &str,
        text: &str,
        params: &AggregateFunctionParams,
        descending: bool,
    ) -> Result<AggregateFunction, Finding> {
        let moment = |of_sample, root| AggregateFunction::Moment(Moment { of_sample, root });
        Ok(match name {
            "count" | "approx_distinct" => AggregateFunction::Count,
            "sum" => AggregateFunction::Sum,
            "avg" => AggregateFunction::Average,
            "min" => AggregateFunction::Minimum,
            "max" => AggregateFunction::Maximum,
            "var" | "var_samp" => moment(true, false),
            "var_pop" => moment(false, false),
            "stddev" | "stddev_samp" => moment(true, true),
            "stddev_pop" => moment(false, true),
            "bool_and" => AggregateFunction::All,
            "bool_or" => AggregateFunction::Any,
            "median" => AggregateFunction::Median,
            "array_agg" => AggregateFunction::Array { descending },
            "string_agg" => match params.args.get(1) {
                Some(Expr::Literal(ScalarValue::Utf8(Some(separator)), _)) => {
                    AggregateFunction::Joined { descending, separator: separator.clone() }
                }
                _ => return Err(self.refuse(&format!("{text}: the separator is a text in quotes"))),
            },
            other => {
                return Err(self
                    .refuse(&format!("the aggregate `{other}` is not supported yet"))
                    .hint(
                        "count, sum, avg, min, max, var_samp, var_pop, stddev, stddev_pop, bool_and, bool_or, median, \
                         array_agg, string_agg and approx_distinct are",
                    ));
            }
        })
    }
}

/// The bounds of sessions as a later step knows them: windows that close at their end, whatever their start is.
fn result_windows(windows: &[WindowColumn]) -> Vec<WindowColumn> {
    let ends = windows.iter().filter(|window| window.is_end);
    let closed = |window: &WindowColumn| WindowColumn {
        size: WindowSize { shape: WindowShape::Fixed, grace_us: 0, ..window.size },
        ..*window
    };
    ends.map(closed).collect()
}

/// The groups; a window's start and end are one part of the key, since one says the other.
fn group_key(groups: &[(Arc<dyn PhysicalExpr>, Arc<Field>)], windows: &[WindowColumn]) -> EdgeKey {
    let tells = |window: &&WindowColumn| window.is_end || window.size.is_told_by_start();
    let bounds: Vec<usize> = windows.iter().filter(tells).map(|window| window.column).collect();
    let is_bound = |group: usize| windows.iter().any(|window| window.column == group);
    let plain = groups.iter().enumerate().filter(|(group, _)| !is_bound(*group));
    let mut parts: Vec<KeyPart> = plain
        .map(|(group, (_, field))| KeyPart { columns: vec![group], name: field.name().clone() })
        .collect();
    if !bounds.is_empty() {
        parts.push(KeyPart { columns: bounds, name: WINDOW_START.to_owned() });
    }
    EdgeKey { parts, is_unique: true, by_place: true }
}

/// A window's start, or its end where there is no start, is the event time of its result.
pub(super) fn window_time(window: &WindowColumn, schema: &Schema) -> EdgeTime {
    let column = schema.field(window.column).name().clone();
    let expression = ast::Expr::Identifier(ast::Ident::with_quote('"', column.clone()));
    let behind_us = if window.is_end { 0 } else { window.size.size_us };
    let watermark = RelationWatermark { column, expression };
    EdgeTime { column: window.column, watermark, behind_us, is_inherited: true }
}

impl AggregateFunction {
    fn accepts(&self, argument: &DataType) -> bool {
        match self {
            AggregateFunction::Count | AggregateFunction::Array { .. } => true,
            AggregateFunction::Moment(_) => *argument == DataType::Float64,
            AggregateFunction::All | AggregateFunction::Any => *argument == DataType::Boolean,
            AggregateFunction::Median => argument.is_numeric(),
            AggregateFunction::Joined { .. } => matches!(argument, DataType::Utf8 | DataType::Utf8View),
            AggregateFunction::Sum | AggregateFunction::Average => {
                matches!(
                    argument,
                    DataType::Int64 | DataType::UInt64 | DataType::Float64 | DataType::Decimal128(..)
                )
            }
            AggregateFunction::Minimum | AggregateFunction::Maximum => {
                argument.is_integer()
                    || matches!(
                        argument,
                        DataType::Float64
                            | DataType::Float32
                            | DataType::Boolean
                            | DataType::Utf8
                            | DataType::Utf8View
                            | DataType::Decimal128(..)
                            | DataType::Timestamp(..)
                            | DataType::Date32
                    )
            }
        }
    }
}
