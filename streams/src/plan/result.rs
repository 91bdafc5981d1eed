//! What a query writes: the relation its result becomes, the record key, and the watermark the result inherits.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::sql::sqlparser::ast;

use super::analyze::{physical_column, stay};
use super::graph::{Edge, EdgeMode, Exchange, Graph, Input, NodeId, Step};
use super::program::names_in;
use super::stage::SinkPlan;
use crate::diagnostic::{Finding, did_you_mean};
use crate::sql::catalog::{
    ChangeMode, HEADERS, KeyFormat, Relation, RelationWatermark, TopicSettings, ValueColumns, ValueFormat,
    metadata_type,
};
use crate::sql::ddl::{self, Options};
use crate::sql::parse::{Emit, Name, RelationKind, Select};

/// Where a query writes.
pub(super) enum Target<'a> {
    New {
        kind: RelationKind,
        name: &'a Name,
        options: &'a Options,
    },
    Existing(Arc<Relation>),
    /// Whoever asked.
    Rows {
        name: &'a Name,
        options: &'a Options,
    },
}

/// Adds the sink of what node `last` gives.
pub(super) fn sink(
    select: &Select,
    graph: &mut Graph,
    last: NodeId,
    target: Target<'_>,
) -> Result<NodeId, Finding> {
    let (last, headers) =
        if matches!(target, Target::New { .. }) { headers(graph, last) } else { (last, None) };
    let is_aggregated = graph.any_before(last, &|step| matches!(step, Step::Aggregate(_) | Step::Rank(_)));
    let Some(edge) = graph.nodes.get(last).map(|node| node.edge.clone()) else {
        return Err(Finding::new(select.at, "the query gives nothing"));
    };
    let result = ResultShape { select, edge: &edge, is_aggregated, headers };
    let sink = match target {
        Target::New { kind, name, options } => result.new_relation(kind, name, options),
        Target::Existing(relation) => result.existing_relation(relation),
        Target::Rows { name, options } => {
            let is_append = result.mode() == ChangeMode::Append;
            let kind = if is_append { RelationKind::Stream } else { RelationKind::Table };
            result.new_relation(kind, name, options)
        }
    }?;
    let input = if gathers(graph, last) { gather(graph, last, &sink) } else { stay(last) };
    Ok(graph.add(Step::Sink(sink), vec![input], edge))
}

/// Changes that do not come from an aggregate, once per commit and key, are gathered in front of the topic.
fn gathers(graph: &Graph, node: NodeId) -> bool {
    let Some(found) = graph.nodes.get(node) else { return false };
    match &found.step {
        Step::Aggregate(_) => false,
        // One worker has all rows of a key, and gives what changed once per commit.
        Step::Rank(plan) => !plan.gives_number && plan.limit > 1,
        Step::Filter(_) | Step::Project(_) => found.inputs.iter().any(|input| gathers(graph, input.node)),
        _ => found.edge.mode == EdgeMode::Changes,
    }
}

fn gather(graph: &mut Graph, last: NodeId, sink: &SinkPlan) -> Input {
    let edge = graph.nodes[last].edge.clone();
    let keys = sink.key.iter().map(|column| physical_column(edge.name(*column), *column)).collect();
    let input = Input { node: last, exchange: Some(Exchange { keys }) };
    let edge = Edge { distribution: Some(sink.key.clone()), ..edge };
    stay(graph.add(Step::Collapse(sink.key.clone()), vec![input], edge))
}

/// Puts the column of headers, if the result has one, behind all others.
fn headers(graph: &mut Graph, last: NodeId) -> (NodeId, Option<usize>) {
    let Some(edge) = graph.nodes.get(last).map(|node| &node.edge) else { return (last, None) };
    let fields = edge.schema.fields();
    let is_headers =
        |field: &Arc<Field>| field.name() == HEADERS && *field.data_type() == metadata_type(HEADERS);
    let Some(place) = fields.iter().position(is_headers) else { return (last, None) };
    let end = fields.len() - 1;
    if place == end {
        return (last, Some(end));
    }
    let places: Vec<usize> = (0..fields.len()).filter(|other| *other != place).chain([place]).collect();
    let columns = places.iter().map(|column| physical_column(edge.name(*column), *column)).collect();
    let schema = Schema::new(places.iter().map(|column| fields[*column].clone()).collect::<Vec<_>>());
    let places: Vec<Option<usize>> = places.into_iter().map(Some).collect();
    let edge = edge.projected(Arc::new(schema), &places);
    (graph.add(Step::Project(columns), vec![stay(last)], edge), Some(end))
}

struct ResultShape<'a> {
    select: &'a Select,
    edge: &'a Edge,
    is_aggregated: bool,
    /// The last column of the edge, which is not one of the result: it becomes the record's headers.
    headers: Option<usize>,
}

impl ResultShape<'_> {
    fn new_relation(&self, kind: RelationKind, name: &Name, options: &Options) -> Result<SinkPlan, Finding> {
        self.check_kind(kind, name)?;
        self.check_sessions()?;
        let fields = &self.edge.schema.fields()[..self.headers.unwrap_or(self.edge.schema.fields().len())];
        if fields.is_empty() {
            return Err(
                Finding::new(name.at, "the result has headers only").hint("select a column beside them")
            );
        }
        self.check_names(fields)?;
        let schema = Arc::new(Schema::new(fields.iter().map(readable).collect::<Vec<_>>()));
        let key = self.key(kind, name, options)?;
        let value_columns = options.value_columns.unwrap_or(ValueColumns::All);
        let value: Vec<usize> = (0..fields.len())
            .filter(|index| value_columns == ValueColumns::All || !key.contains(index))
            .collect();
        if value.is_empty() {
            return Err(Finding::new(
                name.at,
                "every column is part of the key, so the value would be empty",
            )
            .hint("leave `value_columns` out"));
        }
        let format = options.format.unwrap_or(ValueFormat::Json);
        if format == ValueFormat::Raw && value.len() != 1 {
            return Err(Finding::new(
                name.at,
                format!("format `raw` writes one column, but the query has {}", value.len()),
            ));
        }
        let relation = Relation {
            name: name.text.clone(),
            kind,
            topic: ddl::topic(options, name)?,
            watermark: self.watermark(),
            key: key
                .iter()
                .filter_map(|index| fields.get(*index))
                .map(|field| field.name().clone())
                .collect(),
            schema,
            format,
            key_format: options.key_format.unwrap_or(KeyFormat::Text),
            value_columns,
            mode: self.mode(),
            partitions: options.partitions,
            settings: self.settings(options),
            on_error: None,
        };
        ddl::check_key_columns(&relation).map_err(|reason| Finding::new(name.at, reason))?;
        Ok(SinkPlan { relation: Arc::new(relation), key, value, headers: self.headers })
    }

    /// `SELECT *` from a join may bring a name twice, and whoever reads the result by names gets one of the two.
    fn check_names(&self, fields: &[FieldRef]) -> Result<(), Finding> {
        let is_double = |(at, field): (usize, &FieldRef)| {
            fields.iter().take(at).any(|earlier| earlier.name() == field.name()).then(|| field.name().clone())
        };
        match fields.iter().enumerate().find_map(is_double) {
            None => Ok(()),
            Some(name) => {
                Err(Finding::new(self.select.at, format!("two columns of the result are called `{name}`"))
                    .hint(format!(
                        "name the columns instead of `*`, and one of these otherwise: … AS other_{name}"
                    )))
            }
        }
    }

    fn existing_relation(&self, relation: Arc<Relation>) -> Result<SinkPlan, Finding> {
        self.check_sessions()?;
        if self.mode() != ChangeMode::Append {
            return Err(Finding::new(
                self.select.at,
                format!("the result changes, but `{}` is a stream of facts", relation.name),
            )
            .hint("write CREATE TABLE … AS SELECT, or EMIT FINAL"));
        }
        Ok(SinkPlan::existing(relation))
    }

    fn check_sessions(&self) -> Result<(), Finding> {
        if self.edge.sessions.is_none() {
            return Ok(());
        }
        Err(Finding::new(self.select.at, "which session a row is in is not known before the session ends")
            .hint("GROUP BY the key, window_start and window_end; array_agg keeps the rows' values"))
    }

    /// What the topic is created with: `RETENTION` of a window is that of its results.
    fn settings(&self, options: &Options) -> TopicSettings {
        let of_window = self.select.window.as_ref().and_then(|window| window.retention_ms);
        let retention_ms = options.settings.retention_ms.or(of_window);
        TopicSettings { retention_ms, ..options.settings.clone() }
    }

    fn check_kind(&self, kind: RelationKind, name: &Name) -> Result<(), Finding> {
        let is_unique = self.edge.key.as_ref().is_some_and(|key| key.is_unique);
        match kind {
            RelationKind::Table if !is_unique => Err(Finding::new(
                name.at,
                format!("table `{}` has no key: its rows would never replace each other", name.text),
            )
            .hint(
                "write CREATE STREAM, or GROUP BY the columns that identify a row; of a Top-N, select the row number too",
            )),
            RelationKind::Stream if self.mode() == ChangeMode::Upsert => Err(Finding::new(
                name.at,
                "the result changes as rows arrive, so it is not a stream of facts",
            )
            .hint("write CREATE TABLE, or end the query in EMIT FINAL over windows")),
            _ if !self.is_aggregated && self.select.emit == Some(Emit::Final) => {
                Err(Finding::new(self.select.at, "EMIT FINAL needs windows: nothing here is ever open")
                    .hint("leave it out"))
            }
            _ => Ok(()),
        }
    }

    fn mode(&self) -> ChangeMode {
        match self.edge.mode {
            EdgeMode::Append => ChangeMode::Append,
            EdgeMode::Changes | EdgeMode::Upsert => ChangeMode::Upsert,
        }
    }

    /// The result's columns that make the record key: the groups of an aggregate, else what was asked for, else the key
    /// of the input if it is still there.
    fn key(&self, kind: RelationKind, name: &Name, options: &Options) -> Result<Vec<usize>, Finding> {
        let fields = self.edge.schema.fields();
        if let Some((wanted, at)) = &options.key {
            if self.mode() == ChangeMode::Upsert {
                return Err(
                    Finding::new(*at, "the key of a table is what it is grouped by").hint("leave `key` out")
                );
            }
            return wanted
                .iter()
                .map(|column| {
                    fields.iter().position(|field| field.name() == column).ok_or_else(|| {
                        let known = fields.iter().map(|field| field.name().as_str());
                        Finding::new(*at, format!("no column `{column}` in the result"))
                            .maybe_hint(did_you_mean(column, known))
                    })
                })
                .collect();
        }
        let Some(key) = &self.edge.key else { return Ok(Vec::new()) };
        match key.columns() {
            Some(columns) => Ok(columns),
            None if kind == RelationKind::Table => Err(Finding::new(
                name.at,
                format!("the key of the result needs `{}`", key.missing().join("`, `")),
            )
            .hint("select every column of GROUP BY; a table's rows are told apart by them")),
            None => Ok(Vec::new()),
        }
    }

    /// Event time of the result: the input's if its column is still there, a window's start for windowed results.
    fn watermark(&self) -> Option<RelationWatermark> {
        let time = self.edge.time.as_ref().filter(|time| time.is_inherited)?;
        let column = self.edge.name(time.column).to_owned();
        let expression = renamed(&time.watermark.expression, &time.watermark.column, &column)?;
        Some(RelationWatermark { column, expression })
    }
}

/// The column as another query reads it: the forms of text that expressions give are one in a record, and a record may
/// lack any member, as those that say a row is gone lack all.
fn readable(field: &Arc<Field>) -> Arc<Field> {
    let field = field.as_ref().clone().with_nullable(true);
    Arc::new(match field.data_type() {
        DataType::Utf8View | DataType::LargeUtf8 => field.with_data_type(DataType::Utf8),
        _ => field,
    })
}

/// The expression with its only column renamed; `None` if it reads other columns too.
fn renamed(expression: &ast::Expr, from: &str, to: &str) -> Option<ast::Expr> {
    if names_in(expression).iter().any(|name| name != from) {
        return None;
    }
    let mut expression = expression.clone();
    let _: std::ops::ControlFlow<()> = ast::visit_expressions_mut(&mut expression, |inner| {
        if let ast::Expr::Identifier(ident) = inner {
            *ident = ast::Ident::with_quote('"', to);
        }
        std::ops::ControlFlow::Continue(())
    });
    Some(expression)
}
