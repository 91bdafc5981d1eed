//! From a parsed `SELECT` to an optimized logical plan: DataFusion's SQL planner and type coercion, and an allow-list of
//! its rules. Rules that assume a finite input (limits, constant folding of `now()`, join rewrites) are not on it.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, DataFusionError, TableReference};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Aggregate, Distinct, DistinctOn, Expr, ExprFunctionExt, ExprSchemable, LogicalPlan, LogicalPlanBuilder,
    lit,
};
use datafusion::optimizer::analyzer::resolve_grouping_function::ResolveGroupingFunction;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::{Analyzer, AnalyzerRule, Optimizer, OptimizerContext};
use datafusion::physical_expr::create_physical_expr;
use datafusion::sql::planner::PlannerContext;
use datafusion::sql::sqlparser::ast;

use super::context::{PlanningContext, RelationSource, functions};
use super::{as_of, trouble, wildcard, window};
use crate::diagnostic::{Finding, Position};
use crate::sql::catalog::{Catalog, METADATA_COLUMNS, Relation};
use crate::sql::parse::{Name, Select, WindowClause, WindowClauseKind};

/// Plans a query over the relations declared so far.
pub(super) fn plan(catalog: &Catalog, select: &Select) -> Result<LogicalPlan, Finding> {
    let planned = unoptimized(catalog, select)?;
    trouble::refuse_unsupported(&planned, select)?;
    optimize(planned).map_err(|error| trouble::finding(&error, catalog, select.at, &select.words))
}

/// Plans a query whose columns are cast, by position, to those of `relation`.
pub(super) fn plan_into(
    catalog: &Catalog,
    select: &Select,
    relation: &Relation,
) -> Result<LogicalPlan, Finding> {
    let planned = unoptimized(catalog, select)?;
    trouble::refuse_unsupported(&planned, select)?;
    let expected = relation.schema.fields();
    let found = planned.schema().columns();
    if found.len() != expected.len() {
        let message =
            format!("the query has {} columns, but `{}` has {}", found.len(), relation.name, expected.len());
        return Err(Finding::new(select.at, message).hint("columns are matched by position"));
    }
    let convert = |error: &DataFusionError| trouble::finding(error, catalog, select.at, &select.words);
    let mut cast = Vec::new();
    for (column, field) in found.into_iter().zip(expected) {
        let expression = Expr::Column(column)
            .cast_to(field.data_type(), planned.schema())
            .map_err(|error| convert(&error))?;
        cast.push(expression.alias(field.name()));
    }
    let plan = LogicalPlanBuilder::from(planned)
        .project(cast)
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| convert(&error))?;
    optimize(plan).map_err(|error| convert(&error))
}

fn unoptimized(catalog: &Catalog, select: &Select) -> Result<LogicalPlan, Finding> {
    let mut query = select.query.as_ref().clone();
    if let Some(window) = &select.window {
        rewrite_window(&mut query, window)?;
    }
    let metadata: Vec<&'static str> = METADATA_COLUMNS
        .into_iter()
        .filter(|name| select.words.iter().any(|word| word.text == *name))
        .collect();
    wildcard::leave_out(&metadata, catalog, &mut query);
    let grace_ms = select.window.as_ref().map_or(0, |window| window.grace_ms);
    let context = PlanningContext::new(catalog, metadata, grace_ms);
    context
        .planner()
        .sql_statement_to_plan(ast::Statement::Query(Box::new(query)))
        .and_then(distinct_as_groups)
        .and_then(as_of::compare_times)
        .map_err(|error| trouble::finding(&error, catalog, select.at, &select.words))
}

/// `SELECT DISTINCT a, b` is a result grouped by a and b: each combination is told once. `DISTINCT ON (a)` is the first row
/// of each a.
fn distinct_as_groups(plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    let grouped = plan.transform_up_with_subqueries(|plan| match plan {
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let columns = input.schema().columns().into_iter().map(Expr::Column).collect();
            Ok(Transformed::yes(LogicalPlan::Aggregate(Aggregate::try_new(input, columns, Vec::new())?)))
        }
        LogicalPlan::Distinct(Distinct::On(on)) => first_of_each(on).map(Transformed::yes),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(grouped.data)
}

fn first_of_each(on: DistinctOn) -> Result<LogicalPlan, DataFusionError> {
    let row_number = functions().window.get("row_number").cloned();
    let row_number =
        row_number.ok_or_else(|| DataFusionError::Internal("row_number is not known".to_owned()))?;
    let order = on.sort_expr.unwrap_or_default();
    let number = Expr::from(WindowFunction::new(row_number, Vec::new()));
    let number = number.partition_by(on.on_expr).order_by(order).build()?;
    let numbered = LogicalPlanBuilder::from(on.input).window([number])?.build()?;
    let Some(column) = numbered.schema().columns().pop() else {
        return Err(DataFusionError::Internal("the row number is not there".to_owned()));
    };
    LogicalPlanBuilder::from(numbered)
        .filter(Expr::Column(column).eq(lit(1_u64)))?
        .project(on.select_expr)?
        .build()
}

/// `FROM orders WINDOW TUMBLING (SIZE …) GROUP BY country` becomes
/// `FROM TUMBLE(orders, INTERVAL …) GROUP BY country, window_start, window_end`, with both also selected.
fn rewrite_window(query: &mut ast::Query, clause: &WindowClause) -> Result<(), Finding> {
    let refuse =
        |message: &str| Finding::new(clause.at, message).hint("write FROM TUMBLE(…) or HOP(…) instead");
    let ast::SetExpr::Select(select) = query.body.as_mut() else {
        return Err(refuse("WINDOW belongs to a plain SELECT"));
    };
    let [from] = select.from.as_mut_slice() else {
        return Err(refuse("WINDOW needs exactly one relation in FROM"));
    };
    let ast::TableFactor::Table { name, args, .. } = &mut from.relation else {
        return Err(refuse("WINDOW needs the name of a relation in FROM"));
    };
    let relation = match name.0.as_slice() {
        [ast::ObjectNamePart::Identifier(ident)] if args.is_none() => ident.clone(),
        _ => return Err(refuse("WINDOW needs the name of a relation in FROM")),
    };
    let (function, lengths) = match clause.kind {
        WindowClauseKind::Tumbling { size_ms } => ("tumble", vec![size_ms]),
        WindowClauseKind::Hopping { size_ms, advance_ms } => ("hop", vec![advance_ms, size_ms]),
        WindowClauseKind::Session { gap_ms } => ("session", vec![gap_ms]),
    };
    let arguments = [ast::Expr::Identifier(relation)].into_iter().chain(lengths.into_iter().map(interval));
    *name = ast::ObjectName(vec![ast::ObjectNamePart::Identifier(ast::Ident::new(function))]);
    *args = Some(ast::TableFunctionArgs {
        args: arguments
            .map(|argument| ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(argument)))
            .collect(),
        settings: None,
    });
    let bounds =
        [window::WINDOW_START, window::WINDOW_END].map(|bound| ast::Expr::Identifier(ast::Ident::new(bound)));
    if let ast::GroupByExpr::Expressions(groups, _) = &mut select.group_by {
        groups.extend(bounds.iter().cloned());
        let written = select.projection.iter().map(ToString::to_string).collect::<Vec<_>>();
        for bound in bounds {
            if !written.iter().any(|item| item.eq_ignore_ascii_case(&bound.to_string())) {
                select.projection.push(ast::SelectItem::UnnamedExpr(bound));
            }
        }
    }
    Ok(())
}

fn interval(length_ms: i64) -> ast::Expr {
    let text = ast::Expr::Value(ast::Value::SingleQuotedString(length_ms.to_string()).into());
    ast::Expr::Interval(ast::Interval {
        value: Box::new(text),
        leading_field: Some(ast::DateTimeField::Millisecond),
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })
}

fn optimize(plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    let config = Arc::new(ConfigOptions::new());
    let rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> =
        vec![Arc::new(ResolveGroupingFunction::new()), Arc::new(TypeCoercion::new())];
    let plan = Analyzer::with_rules(rules).execute_and_check(plan, &config, |_, _| {})?;
    // Without a start time `now()` stays a function: a query that runs for years has no one "now".
    let context = OptimizerContext::new_with_config_options(config).without_query_execution_start_time();
    let rules = Optimizer::with_rules(vec![
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(SimplifyExpressions::new()),
        Arc::new(PushDownFilter::new()),
        Arc::new(OptimizeProjections::new()),
    ]);
    rules.optimize(plan, &context, |_, _| {})
}

/// The watermark of `relation` as a typed expression over its columns.
pub(super) fn watermark(
    catalog: &Catalog,
    relation: &Arc<Relation>,
    written: &ast::Expr,
) -> Result<Expr, DataFusionError> {
    let context = PlanningContext::new(catalog, Vec::new(), 0);
    let schema =
        DFSchema::try_from_qualified_schema(TableReference::bare(relation.name.as_str()), &relation.schema)?;
    let planned = context.planner().sql_to_expr(written.clone(), &schema, &mut PlannerContext::new())?;
    let source = Arc::new(RelationSource::new(relation.clone()));
    let plan =
        LogicalPlanBuilder::scan(relation.name.as_str(), source, None)?.project(vec![planned])?.build()?;
    let config = ConfigOptions::new();
    let plan = Analyzer::with_rules(vec![Arc::new(TypeCoercion::new())]).execute_and_check(
        plan,
        &config,
        |_, _| {},
    )?;
    match plan {
        LogicalPlan::Projection(projection) if projection.expr.len() == 1 => {
            Ok(projection.expr[0].clone().unalias())
        }
        _ => Err(DataFusionError::Plan("the watermark is not an expression of one row".to_owned())),
    }
}

pub(super) fn check_watermark(
    catalog: &Catalog,
    relation: &Arc<Relation>,
    written: &ast::Expr,
    name: &Name,
) -> Result<(), Finding> {
    let at = spanned(written).unwrap_or(name.at);
    let planned =
        watermark(catalog, relation, written).map_err(|error| trouble::finding(&error, catalog, at, &[]))?;
    let data_type = planned
        .get_type(
            &DFSchema::try_from_qualified_schema(
                TableReference::bare(relation.name.as_str()),
                &relation.schema,
            )
            .map_err(|error| trouble::finding(&error, catalog, at, &[]))?,
        )
        .map_err(|error| trouble::finding(&error, catalog, at, &[]))?;
    if matches!(data_type, DataType::Timestamp(..)) {
        return Ok(());
    }
    Err(Finding::new(at, format!("the watermark is {data_type}, not a TIMESTAMP"))
        .hint("for example: time - INTERVAL '5' SECOND"))
}

/// The one value of an expression that reads no columns, as `data_type`.
pub(crate) fn constant(
    catalog: &Catalog,
    written: &ast::Expr,
    data_type: &DataType,
    at: Position,
) -> Result<ArrayRef, Finding> {
    let at = spanned(written).unwrap_or(at);
    let evaluate = || {
        let context = PlanningContext::new(catalog, Vec::new(), 0);
        let schema = Arc::new(DFSchema::empty());
        let planned = context.planner().sql_to_expr(written.clone(), &schema, &mut PlannerContext::new())?;
        let plan =
            LogicalPlanBuilder::empty(true).project(vec![planned.cast_to(data_type, &schema)?])?.build()?;
        let config = ConfigOptions::new();
        let analyzer = Analyzer::with_rules(vec![Arc::new(TypeCoercion::new())]);
        let LogicalPlan::Projection(projection) = analyzer.execute_and_check(plan, &config, |_, _| {})?
        else {
            return Err(DataFusionError::Plan("the value is not an expression".to_owned()));
        };
        let Some(planned) = projection.expr.first() else {
            return Err(DataFusionError::Plan("the value is missing".to_owned()));
        };
        let compiled = create_physical_expr(
            &planned.clone().unalias(),
            &schema,
            &ExecutionProps::new(),
            &PhysicalPlanningContext::default(),
        )?;
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let one_row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?;
        compiled.evaluate(&one_row)?.into_array(1)
    };
    evaluate().map_err(|error: DataFusionError| trouble::finding(&error, catalog, at, &[]))
}

fn spanned(expression: &ast::Expr) -> Option<Position> {
    use ast::Spanned;
    let start = expression.span().start;
    (start.line > 0).then_some(Position { line: start.line as usize, column: start.column as usize })
}
