//! Stream analysis: from an optimized logical plan to stages with compiled expressions, the change mode of each edge, and
//! the window that bounds the state. What has no bound is refused here.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{DFSchema, DFSchemaRef, DataFusionError, TableReference};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::expr::AggregateFunction as AggregateExpression;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, LogicalPlan, TableScan};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};

use super::context::RelationSource;
use super::origin::{Origin, origin};
use super::program::{PlanContext, names_in};
use super::result::{Target, sink};
use super::stage::{AggregateCall, AggregateFunction, AggregatePlan, AggregateWindow, SourcePlan, Stage};
use super::window::WindowNode;
use super::{QueryPlan, explain, logical, trouble};
use crate::diagnostic::{Finding, Position};
use crate::exec::{QueryError, RowEncoder, Source};
use crate::sql::catalog::{Catalog, ChangeMode, Relation};
use crate::sql::ddl;
use crate::sql::parse::{Emit, Select};
use crate::state::encoding;

pub(super) fn query(
    context: &PlanContext,
    name: &str,
    select: &Select,
    plan: &LogicalPlan,
    target: Target<'_>,
) -> Result<QueryPlan, Finding> {
    let mut analysis = Analysis { select, source: None, stages: Vec::new() };
    analysis.walk(plan)?;
    let Analysis { source: Some(source), stages, .. } = analysis else {
        return Err(Finding::new(select.at, "the query reads no stream or table").hint("name one in FROM"));
    };
    let sink = sink(select, plan, &source, &stages, target)?;
    let pipeline = context.pipeline.clone();
    let mut query =
        QueryPlan { pipeline, name: name.to_owned(), source, stages, sink, explanation: String::new() };
    query.explanation = explain::text(&query);
    check_topics(&query, select.at)?;
    check_formats(&query, plan).map_err(|error| Finding::new(select.at, error.to_string()))?;
    Ok(query)
}

fn check_topics(query: &QueryPlan, at: Position) -> Result<(), Finding> {
    if query.input_topic() == query.output_topic() {
        let message =
            format!("the query would read what it writes: topic `{}`, for ever", query.input_topic());
        return Err(Finding::new(at, message).hint("write into another topic: WITH (topic = '…')"));
    }
    match query.internal_topics().into_iter().find(|name| !ddl::is_topic_name(name)) {
        Some(name) => Err(Finding::new(at, format!("`{name}` cannot be a topic's name"))
            .hint("give pipeline and query short names of letters, digits, `.`, `_` and `-`")),
        None => Ok(()),
    }
}

/// Whether the input's format can carry what is read, and the output's what is written: tried with nothing.
fn check_formats(query: &QueryPlan, plan: &LogicalPlan) -> Result<(), QueryError> {
    Source::new(&query.source)?;
    let nothing = RecordBatch::new_empty(plan.schema().inner().clone());
    RowEncoder::new(&query.sink)?.encode(&nothing)?;
    Ok(())
}

struct Analysis<'a> {
    select: &'a Select,
    source: Option<SourcePlan>,
    stages: Vec<Stage>,
}

impl Analysis<'_> {
    /// Inputs first, so that stages stand in the order rows pass them.
    fn walk(&mut self, plan: &LogicalPlan) -> Result<(), Finding> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::SubqueryAlias(alias) => self.walk(&alias.input),
            LogicalPlan::Filter(filter) => {
                self.walk(&filter.input)?;
                if self.changes() {
                    return Err(self
                        .refuse("HAVING on a result that changes would need to take rows back, which is not supported yet")
                        .hint("write EMIT FINAL over windows, or filter in a second query"));
                }
                let expression = self.compile(&filter.predicate, filter.input.schema())?;
                self.stages.push(Stage::Filter(expression));
                Ok(())
            }
            LogicalPlan::Projection(projection) => {
                self.walk(&projection.input)?;
                let input = projection.input.schema();
                let expressions = projection.expr.iter().map(|expression| self.compile(expression, input));
                let expressions = expressions.collect::<Result<Vec<_>, _>>()?;
                let schema = projection.schema.inner().clone();
                self.stages.push(Stage::Project { expressions, schema });
                Ok(())
            }
            LogicalPlan::Extension(extension) => match extension.node.as_any().downcast_ref::<WindowNode>() {
                Some(node) => self.window(node),
                None => Err(self.refuse("the query has a step that cannot run on streams")),
            },
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            other => Err(self.refuse(&format!("{} cannot run on streams yet", node_name(other)))),
        }
    }

    fn scan(&mut self, scan: &TableScan) -> Result<(), Finding> {
        let Some(source) = scan.source.downcast_ref::<RelationSource>() else {
            return Err(self.refuse("the query reads something that is not a stream or table"));
        };
        let relation = source.relation.clone();
        if relation.mode == ChangeMode::Upsert {
            return Err(self
                .refuse(&format!(
                    "`{}` is a table that changes: queries over its changes are not supported yet",
                    relation.name
                ))
                .hint("read a stream, or a table whose query ends in EMIT FINAL"));
        }
        let mut fields: Vec<Arc<Field>> = scan.projected_schema.fields().iter().cloned().collect();
        let width = fields.len();
        let mut watermark = None;
        if let Some(declared) = &relation.watermark {
            for name in names_in(&declared.expression) {
                let known = fields.iter().any(|field| *field.name() == name);
                if let (false, Ok(field)) = (known, relation.schema.field_with_name(&name)) {
                    fields.push(Arc::new(field.clone()));
                }
            }
            watermark = Some(self.watermark(&relation, &fields)?);
        }
        self.source = Some(SourcePlan { relation, schema: Arc::new(Schema::new(fields)), width, watermark });
        Ok(())
    }

    fn watermark(
        &self,
        relation: &Arc<Relation>,
        fields: &[Arc<Field>],
    ) -> Result<Arc<dyn PhysicalExpr>, Finding> {
        let mut catalog = Catalog::default();
        catalog.insert(relation.as_ref().clone());
        let Some(declared) = &relation.watermark else { return Err(self.refuse("there is no watermark")) };
        let planned = logical::watermark(&catalog, relation, &declared.expression)
            .map_err(|error| self.trouble(&error))?;
        let schema = Schema::new(fields.to_vec());
        let schema =
            DFSchema::try_from_qualified_schema(TableReference::bare(relation.name.as_str()), &schema)
                .map_err(|error| self.trouble(&error))?;
        self.compile(&planned, &Arc::new(schema))
    }

    fn window(&mut self, node: &WindowNode) -> Result<(), Finding> {
        self.walk(&node.input)?;
        if self.stages.iter().any(|stage| matches!(stage, Stage::Window { .. } | Stage::Aggregate(_))) {
            return Err(self
                .refuse("windows over windows need a query each")
                .hint("write the inner one as a stream of its own"));
        }
        let time = self.compile(&node.time, node.input.schema())?;
        let relation = self.source.as_ref().map(|source| source.relation.clone());
        let declared = relation.as_ref().and_then(|relation| relation.watermark.as_ref());
        match (declared, &node.time) {
            (Some(declared), Expr::Column(column))
                if origin(&node.input, column) == Origin::Source(declared.column.clone()) => {}
            (Some(declared), time) => {
                return Err(self.refuse(&format!(
                    "windows are over `{}`, the column of the watermark, not over {time}",
                    declared.column
                )));
            }
            (None, time) => {
                let name = relation.map(|relation| relation.name.clone()).unwrap_or_default();
                return Err(self
                    .refuse(&format!("`{name}` has no watermark, so its windows would never close"))
                    .hint(format!("declare WATERMARK FOR {time} AS {time} - INTERVAL '5' SECOND")));
            }
        }
        use datafusion::logical_expr::UserDefinedLogicalNodeCore;
        let schema = UserDefinedLogicalNodeCore::schema(node).inner().clone();
        self.stages.push(Stage::Window { time, size: node.size, schema });
        Ok(())
    }

    fn aggregate(&mut self, aggregate: &Aggregate) -> Result<(), Finding> {
        self.walk(&aggregate.input)?;
        if self.stages.iter().any(|stage| matches!(stage, Stage::Aggregate(_))) {
            return Err(self
                .refuse("aggregates of aggregates need a query each")
                .hint("write the inner one as a table of its own with EMIT FINAL"));
        }
        let input = aggregate.input.schema();
        let mut groups = Vec::new();
        let mut window = None;
        for (index, expression) in aggregate.group_expr.iter().enumerate() {
            if matches!(expression, Expr::GroupingSet(_)) {
                return Err(self
                    .refuse("GROUPING SETS, ROLLUP and CUBE are not supported yet")
                    .hint("write one query per set"));
            }
            let field = aggregate.schema.field(index).clone();
            if !encoding::is_supported(field.data_type()) {
                return Err(self
                    .refuse(&format!(
                        "{expression} is {}: groups of that type are not supported",
                        field.data_type()
                    ))
                    .hint("cast it to TEXT, BIGINT, DECIMAL or TIMESTAMP"));
            }
            groups.push((self.compile(expression, input)?, field));
            if let Expr::Column(column) = expression {
                match origin(&aggregate.input, column) {
                    Origin::WindowStart(size) if window.is_none() => {
                        window = Some(AggregateWindow { group: index, is_end: false, size });
                    }
                    Origin::WindowEnd(size) => {
                        window = Some(AggregateWindow { group: index, is_end: true, size })
                    }
                    _ => {}
                }
            }
        }
        let emit = self.emit(window.is_some())?;
        let mut calls = Vec::new();
        for (index, expression) in aggregate.aggr_expr.iter().enumerate() {
            let output = aggregate.schema.field(groups.len() + index).data_type().clone();
            calls.push(self.call(expression, input, output)?);
        }
        let schema = aggregate.schema.inner().clone();
        self.stages.push(Stage::Aggregate(Arc::new(AggregatePlan { groups, calls, window, emit, schema })));
        Ok(())
    }

    fn emit(&self, windowed: bool) -> Result<Emit, Finding> {
        let has_windows = self.stages.iter().any(|stage| matches!(stage, Stage::Window { .. }));
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
        let function = match func.name() {
            "count" => AggregateFunction::Count,
            "sum" => AggregateFunction::Sum,
            "avg" => AggregateFunction::Average,
            "min" => AggregateFunction::Minimum,
            "max" => AggregateFunction::Maximum,
            other => {
                return Err(self
                    .refuse(&format!("the aggregate `{other}` is not supported yet"))
                    .hint("count, sum, avg, min and max are"));
            }
        };
        if params.distinct && !matches!(function, AggregateFunction::Minimum | AggregateFunction::Maximum) {
            return Err(self
                .refuse("DISTINCT in an aggregate is not supported yet")
                .hint("group by the column in a first query, then count its rows in a second"));
        }
        let (argument, argument_type) = match params.args.as_slice() {
            [Expr::Literal(value, _)] if function == AggregateFunction::Count && !value.is_null() => {
                (None, DataType::Int64)
            }
            [argument] => {
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
        Ok(AggregateCall { function, argument, argument_type, filter, output, text })
    }

    fn changes(&self) -> bool {
        self.stages.iter().any(|stage| matches!(stage, Stage::Aggregate(plan) if plan.emit == Emit::Changes))
    }

    fn compile(&self, expression: &Expr, schema: &DFSchemaRef) -> Result<Arc<dyn PhysicalExpr>, Finding> {
        create_physical_expr(expression, schema, &ExecutionProps::new(), &PhysicalPlanningContext::default())
            .map_err(|error| self.trouble(&error))
    }

    fn refuse(&self, message: &str) -> Finding {
        Finding::new(self.select.at, message)
    }

    fn trouble(&self, error: &DataFusionError) -> Finding {
        trouble::finding(error, &Catalog::default(), self.select.at, &self.select.words)
    }
}

impl AggregateFunction {
    fn accepts(self, argument: &DataType) -> bool {
        match self {
            AggregateFunction::Count => true,
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

fn node_name(plan: &LogicalPlan) -> String {
    plan.display().to_string().split([':', ' ']).next().unwrap_or("this step").to_owned()
}
