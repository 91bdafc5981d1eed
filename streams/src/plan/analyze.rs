//! Stream analysis: from an optimized logical plan to a graph of steps with compiled expressions, and what flows on each
//! edge: change mode, key, event time, distribution. What has no bound is refused here.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{DFSchema, DFSchemaRef, DataFusionError, TableReference};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Projection, TableScan};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};

use super::as_of::VersionNode;
use super::context::RelationSource;
use super::duration::with_durations;
use super::graph::{
    Edge, EdgeKey, EdgeMode, EdgeTime, Exchange, Graph, Input, KeyPart, NodeId, Step, WindowColumn,
    WindowPlan,
};
use super::program::{PlanContext, names_in};
use super::rank::Numbered;
use super::result::{Target, sink};
use super::stage::SourcePlan;
use super::window::WindowNode;
use super::{QueryPlan, explain, logical, trouble};
use crate::diagnostic::{Finding, Position};
use crate::exec::{OutputRows, QueryError, RowEncoder, Rows, SourceReader};
use crate::sql::catalog::{Catalog, ChangeMode, Relation};
use crate::sql::ddl::{self, Beside};
use crate::sql::parse::Select;
use crate::state::row;

/// Names of the aggregates that run.
pub(super) const AGGREGATES: [&str; 5] = ["avg", "count", "max", "min", "sum"];

/// A query as it was written.
pub(super) struct Analyzed<'a> {
    pub name: &'a str,
    pub select: &'a Select,
    pub beside: &'a Beside,
}

pub(super) fn query(
    context: &PlanContext,
    written: &Analyzed<'_>,
    plan: &LogicalPlan,
    target: Target<'_>,
) -> Result<QueryPlan, Finding> {
    let Analyzed { name, select, beside } = written;
    let mut analysis = Analysis { select, beside, graph: Graph::default(), may_read_versions: false };
    let last = analysis.walk(plan)?;
    let Analysis { mut graph, .. } = analysis;
    if graph.sources().next().is_none() {
        return Err(Finding::new(select.at, "the query reads no stream or table").hint("name one in FROM"));
    }
    sink(select, &mut graph, last, target)?;
    graph.relax();
    let pipeline = context.pipeline.clone();
    let late_topic = beside.late_topic.clone();
    let name = (*name).to_owned();
    let mut query = QueryPlan { pipeline, name, graph, late_topic, explanation: String::new() };
    query.explanation = explain::text(&query);
    check_topics(&query, select.at)?;
    check_formats(&query).map_err(|error| Finding::new(select.at, error.to_string()))?;
    Ok(query)
}

fn check_topics(query: &QueryPlan, at: Position) -> Result<(), Finding> {
    let written = query.output_topics();
    if let Some(topic) = query.input_topics().into_iter().find(|topic| written.contains(topic)) {
        let message = format!("the query would read what it writes: topic `{topic}`, for ever");
        return Err(Finding::new(at, message).hint("write into another topic: WITH (topic = '…')"));
    }
    match query.internal_topics().into_iter().find(|name| !ddl::is_topic_name(name)) {
        Some(name) => Err(Finding::new(at, format!("`{name}` cannot be a topic's name"))
            .hint("give pipeline and query short names of letters, digits, `.`, `_` and `-`")),
        None => Ok(()),
    }
}

/// Whether the inputs' formats can carry what is read, and the output's what is written: tried with nothing.
fn check_formats(query: &QueryPlan) -> Result<(), QueryError> {
    for node in &query.graph.nodes {
        match &node.step {
            Step::Source(source) => drop(SourceReader::new(source.clone())?),
            Step::Sink(sink) => {
                let nothing = Rows::inserts(RecordBatch::new_empty(node.edge.schema.clone()));
                RowEncoder::new(sink)?.encode(&nothing, &mut OutputRows::default())?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The graph as far as it is built; each part of the logical plan adds its nodes behind those of its inputs.
pub(super) struct Analysis<'a> {
    pub select: &'a Select,
    pub beside: &'a Beside,
    pub graph: Graph,
    /// What is walked next is the right side of a join that asks for versions of it.
    pub may_read_versions: bool,
}

impl Analysis<'_> {
    /// Plans the inputs first, and gives the node that stands for the whole.
    pub fn walk(&mut self, plan: &LogicalPlan) -> Result<NodeId, Finding> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::SubqueryAlias(alias) => self.walk(&alias.input),
            LogicalPlan::Filter(filter) => match Numbered::of(plan) {
                Some(numbered) => self.rank(&numbered, true),
                None => self.filter(filter),
            },
            LogicalPlan::Projection(projection) => self.project(projection),
            LogicalPlan::Window(_) => Err(self.unbounded_numbers()),
            LogicalPlan::Extension(extension) => match extension.node.as_any().downcast_ref::<WindowNode>() {
                Some(node) => self.window(node),
                None => match extension.node.as_any().downcast_ref::<VersionNode>() {
                    Some(node) if std::mem::take(&mut self.may_read_versions) => self.walk(&node.input),
                    Some(_) => Err(self
                        .refuse("FOR SYSTEM_TIME AS OF belongs to the table on the right of a JOIN")
                        .hint("write FROM stream JOIN table FOR SYSTEM_TIME AS OF stream.time ON …")),
                    None => Err(self.refuse("the query has a step that cannot run on streams")),
                },
            },
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Union(union) => self.union(union),
            other => Err(self.refuse(&format!("{} cannot run on streams yet", node_name(other)))),
        }
    }

    /// What flows out of a node.
    pub fn edge(&self, node: NodeId) -> &Edge {
        &self.graph.nodes[node].edge
    }

    fn filter(&mut self, filter: &Filter) -> Result<NodeId, Finding> {
        let input = self.walk(&filter.input)?;
        self.check_bounds_are_known(input, [&filter.predicate], filter.input.schema())?;
        let expression = self.compile(&filter.predicate, filter.input.schema())?;
        let edge = self.edge(input).clone();
        Ok(self.graph.add(Step::Filter(expression), vec![stay(input)], edge))
    }

    fn project(&mut self, projection: &Projection) -> Result<NodeId, Finding> {
        let input = match Numbered::of(&projection.input) {
            Some(numbered) => self.rank(&numbered, numbered.is_in(&projection.expr))?,
            None => self.walk(&projection.input)?,
        };
        self.project_node(input, &projection.expr, projection.input.schema(), &projection.schema)
    }

    /// Adds the step that gives these expressions over what a node gives.
    pub fn project_node(
        &mut self,
        input: NodeId,
        expressions: &[Expr],
        schema: &DFSchemaRef,
        result: &DFSchemaRef,
    ) -> Result<NodeId, Finding> {
        let computed = expressions.iter().filter(|expression| place(expression, schema).is_none());
        self.check_bounds_are_known(input, computed, schema)?;
        let compiled = expressions.iter().map(|expression| self.compile(expression, schema));
        let compiled = compiled.collect::<Result<Vec<_>, _>>()?;
        let places: Vec<Option<usize>> =
            expressions.iter().map(|expression| place(expression, schema)).collect();
        let edge = self.edge(input).projected(result.inner().clone(), &places);
        Ok(self.graph.add(Step::Project(compiled), vec![stay(input)], edge))
    }

    fn scan(&mut self, scan: &TableScan) -> Result<NodeId, Finding> {
        let Some(source) = scan.source.downcast_ref::<RelationSource>() else {
            return Err(self.refuse("the query reads something that is not a stream or table"));
        };
        let relation = source.relation.clone();
        let is_table = relation.mode == ChangeMode::Upsert;
        let seen = scan.projected_schema.inner().clone();
        let mut fields: Vec<Arc<Field>> = seen.fields().iter().cloned().collect();
        if is_table {
            self.check_table(&relation, &fields)?;
            fields.push(Arc::new(Field::new(RECORD_KEY, DataType::Binary, true)));
        }
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
        let find = |name: &String| seen.index_of(name).ok();
        let part = |name: &String| KeyPart { columns: find(name).into_iter().collect(), name: name.clone() };
        let key = (!relation.key.is_empty()).then(|| EdgeKey {
            parts: relation.key.iter().map(part).collect(),
            is_unique: is_table,
            by_place: false,
        });
        let time = relation.watermark.as_ref().and_then(|watermark| {
            let column = find(&watermark.column)?;
            Some(EdgeTime { column, watermark: watermark.clone(), behind_us: 0, is_inherited: true })
        });
        let edge = Edge {
            schema: Arc::new(Schema::new(fields[..width].to_vec())),
            mode: if is_table { EdgeMode::Upsert } else { EdgeMode::Append },
            key,
            time,
            windows: Vec::new(),
            sessions: None,
            distribution: None,
        };
        let schema = Arc::new(Schema::new(fields));
        let on_error = self.beside.on_error.clone().or(relation.on_error.clone());
        let keeps_records = self.beside.late_topic.is_some() && !is_table;
        let plan = SourcePlan { relation, schema, width, is_table, watermark, keeps_records, on_error };
        let plan = Arc::new(plan);
        let source = self.graph.add(Step::Source(plan), Vec::new(), edge.clone());
        if !is_table {
            return Ok(source);
        }
        let key = physical_column(RECORD_KEY, width - 1);
        let edge = Edge { schema: seen, mode: EdgeMode::Changes, ..edge };
        let input = Input { node: source, exchange: Some(Exchange { keys: vec![key] }) };
        Ok(self.graph.add(Step::Materialize, vec![input], edge))
    }

    /// Whether a table's rows can be remembered.
    fn check_table(&self, relation: &Relation, fields: &[Arc<Field>]) -> Result<(), Finding> {
        match fields.iter().find(|field| !row::is_supported(field.data_type())) {
            Some(field) => Err(self.refuse(&format!(
                "`{}.{}` is {}: rows of a table with such a column cannot be remembered",
                relation.name,
                field.name(),
                field.data_type()
            ))),
            None => Ok(()),
        }
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

    fn window(&mut self, node: &WindowNode) -> Result<NodeId, Finding> {
        use datafusion::logical_expr::UserDefinedLogicalNodeCore;
        let input = self.walk(&node.input)?;
        let expression = self.compile(&node.time, node.input.schema())?;
        let edge = self.edge(input).clone();
        let column = place(&node.time, node.input.schema());
        let time = match &edge.time {
            Some(time) if Some(time.column) == column => time.clone(),
            Some(time) => {
                return Err(self.refuse(&format!(
                    "windows are over `{}`, the column of the watermark, not over {}",
                    edge.name(time.column),
                    node.time
                )));
            }
            None => return Err(self.no_event_time(input, &node.time)),
        };
        let schema = UserDefinedLogicalNodeCore::schema(node).inner().clone();
        let width = edge.schema.fields().len();
        let windows = [false, true].into_iter().enumerate().map(|(place, is_end)| WindowColumn {
            column: width + place,
            is_end,
            size: node.size,
        });
        let windows = windows.collect();
        let sessions = self.partition(input, node)?;
        let plan = WindowPlan { time: expression, size: node.size, behind_us: time.behind_us };
        let edge = Edge { schema, windows, sessions, ..edge };
        Ok(self.graph.add(Step::Window(plan), vec![stay(input)], edge))
    }

    /// The time of a window is not the column that the watermark is of.
    fn no_event_time(&self, input: NodeId, time: &Expr) -> Finding {
        if self.graph.any_before(input, &|step| matches!(step, Step::Union)) {
            return self
                .refuse(&format!("{time} is not the column of the watermark in every branch of UNION ALL"))
                .hint("select the columns of event time at the same place in each branch");
        }
        let relation = self.graph.source_of(input).map(|source| source.relation.clone());
        let name = relation.as_ref().map(|relation| relation.name.clone()).unwrap_or_default();
        match relation.as_ref().and_then(|relation| relation.watermark.as_ref()) {
            Some(declared) => self.refuse(&format!(
                "windows are over `{}`, the column of the watermark, not over {time}",
                declared.column
            )),
            None => self
                .refuse(&format!("`{name}` has no watermark, so its windows would never close"))
                .hint(format!("declare WATERMARK FOR {time} AS {time} - INTERVAL '5' SECOND")),
        }
    }

    pub fn compile(&self, expression: &Expr, schema: &DFSchemaRef) -> Result<Arc<dyn PhysicalExpr>, Finding> {
        with_durations(expression.clone(), schema)
            .and_then(|expression| {
                let context = PhysicalPlanningContext::default();
                create_physical_expr(&expression, schema, &ExecutionProps::new(), &context)
            })
            .map_err(|error| self.trouble(&error))
    }

    pub fn refuse(&self, message: &str) -> Finding {
        Finding::new(self.select.at, message)
    }

    pub fn trouble(&self, error: &DataFusionError) -> Finding {
        trouble::finding(error, &Catalog::default(), self.select.at, &self.select.words)
    }
}

/// The column behind those of a table's rows that carries the record key.
const RECORD_KEY: &str = "record key";

/// A column of an edge by its place.
pub(super) fn physical_column(name: &str, place: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(name, place))
}

/// Rows of that node, on the worker where they are.
pub(super) fn stay(node: NodeId) -> Input {
    Input { node, exchange: None }
}

/// The input's column that an expression gives unchanged.
pub(super) fn place(expression: &Expr, input: &DFSchema) -> Option<usize> {
    match expression {
        Expr::Alias(alias) => place(&alias.expr, input),
        Expr::Column(column) => input.index_of_column(column).ok(),
        _ => None,
    }
}

fn node_name(plan: &LogicalPlan) -> String {
    plan.display().to_string().split([':', ' ']).next().unwrap_or("this step").to_owned()
}
