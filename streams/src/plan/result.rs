//! What a query writes: the relation its result becomes, the record key, and the watermark the result inherits.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast;

use super::origin::{Origin, origin_of_output};
use super::program::names_in;
use super::stage::{AggregatePlan, SinkPlan, SourcePlan, Stage};
use crate::diagnostic::{Finding, did_you_mean};
use crate::sql::catalog::{ChangeMode, KeyFormat, Relation, RelationWatermark, ValueColumns, ValueFormat};
use crate::sql::ddl::{self, Options};
use crate::sql::parse::{Emit, Name, RelationKind, Select};

/// Where a query writes.
pub(super) enum Target<'a> {
    New { kind: RelationKind, name: &'a Name, options: &'a Options },
    Existing(Arc<Relation>),
}

pub(super) fn sink(
    select: &Select,
    plan: &LogicalPlan,
    source: &SourcePlan,
    stages: &[Stage],
    target: Target<'_>,
) -> Result<SinkPlan, Finding> {
    let result = ResultShape { select, plan, source, aggregate: aggregate_of(stages) };
    match target {
        Target::New { kind, name, options } => result.new_relation(kind, name, options),
        Target::Existing(relation) => result.existing_relation(relation),
    }
}

fn aggregate_of(stages: &[Stage]) -> Option<&AggregatePlan> {
    stages.iter().find_map(|stage| match stage {
        Stage::Aggregate(plan) => Some(plan.as_ref()),
        _ => None,
    })
}

struct ResultShape<'a> {
    select: &'a Select,
    plan: &'a LogicalPlan,
    source: &'a SourcePlan,
    aggregate: Option<&'a AggregatePlan>,
}

impl ResultShape<'_> {
    fn new_relation(&self, kind: RelationKind, name: &Name, options: &Options) -> Result<SinkPlan, Finding> {
        self.check_kind(kind, name)?;
        let fields = self.plan.schema().fields();
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
        };
        ddl::check_key_columns(&relation).map_err(|reason| Finding::new(name.at, reason))?;
        Ok(SinkPlan { relation: Arc::new(relation), key, value })
    }

    fn existing_relation(&self, relation: Arc<Relation>) -> Result<SinkPlan, Finding> {
        if self.mode() != ChangeMode::Append {
            return Err(Finding::new(
                self.select.at,
                format!("the result changes, but `{}` is a stream of facts", relation.name),
            )
            .hint("write CREATE TABLE … AS SELECT, or EMIT FINAL"));
        }
        let key = relation.key.iter().filter_map(|name| relation.schema.index_of(name).ok()).collect();
        let fields = relation.schema.fields().iter().enumerate();
        let carried = fields.filter(|(_, field)| relation.key_place(field.name()).is_none());
        let value = carried.map(|(index, _)| index).collect();
        Ok(SinkPlan { relation, key, value })
    }

    fn check_kind(&self, kind: RelationKind, name: &Name) -> Result<(), Finding> {
        match (kind, self.aggregate) {
            (RelationKind::Table, None) => Err(Finding::new(
                name.at,
                format!("table `{}` has no key: its rows would never replace each other", name.text),
            )
            .hint("write CREATE STREAM, or GROUP BY the columns that identify a row")),
            (RelationKind::Stream, Some(plan)) if plan.emit == Emit::Changes => Err(Finding::new(
                name.at,
                "the result changes as rows arrive, so it is not a stream of facts",
            )
            .hint("write CREATE TABLE, or end the query in EMIT FINAL over windows")),
            (_, None) if self.select.emit == Some(Emit::Final) => {
                Err(Finding::new(self.select.at, "EMIT FINAL needs windows: nothing here is ever open")
                    .hint("leave it out"))
            }
            _ => Ok(()),
        }
    }

    fn mode(&self) -> ChangeMode {
        match self.aggregate {
            Some(plan) if plan.emit == Emit::Changes => ChangeMode::Upsert,
            _ => ChangeMode::Append,
        }
    }

    /// The result's columns that make the record key: the groups of an aggregate, else what was asked for, else the key
    /// of the input if it is still there.
    fn key(&self, kind: RelationKind, name: &Name, options: &Options) -> Result<Vec<usize>, Finding> {
        let fields = self.plan.schema().fields();
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
        let origins: Vec<Origin> =
            (0..fields.len()).map(|index| origin_of_output(self.plan, index)).collect();
        match self.aggregate {
            Some(plan) => self.group_key(kind, name, plan, &origins),
            None => {
                let relation = &self.source.relation;
                let found = relation.key.iter().map(|column| {
                    origins.iter().position(|origin| *origin == Origin::Source(column.clone()))
                });
                Ok(found.collect::<Option<Vec<_>>>().unwrap_or_default())
            }
        }
    }

    /// Every group must be in the result; a window's end need not be if its start is.
    fn group_key(
        &self,
        kind: RelationKind,
        name: &Name,
        plan: &AggregatePlan,
        origins: &[Origin],
    ) -> Result<Vec<usize>, Finding> {
        let mut key = Vec::new();
        let mut missing = Vec::new();
        let mut has_bound = false;
        for (group, (_, field)) in plan.groups.iter().enumerate() {
            let place = origins.iter().position(|origin| *origin == Origin::Group(group));
            let is_bound = plan.window.is_some()
                && [super::window::WINDOW_START, super::window::WINDOW_END].contains(&field.name().as_str());
            match place {
                Some(_) if is_bound && has_bound => {}
                Some(index) => {
                    has_bound |= is_bound;
                    key.push(index);
                }
                None if is_bound => {}
                None => missing.push(field.name().clone()),
            }
        }
        if plan.window.is_some() && !has_bound {
            missing.push(super::window::WINDOW_START.to_owned());
        }
        if !missing.is_empty() {
            if kind == RelationKind::Stream {
                return Ok(Vec::new());
            }
            return Err(Finding::new(
                name.at,
                format!("the key of the result needs `{}`", missing.join("`, `")),
            )
            .hint("select every column of GROUP BY; a table's rows are told apart by them"));
        }
        key.sort_unstable();
        Ok(key)
    }

    /// Event time of the result: the input's if its column is still there, a window's start for windowed results.
    fn watermark(&self) -> Option<RelationWatermark> {
        let fields = self.plan.schema().fields();
        let origins = (0..fields.len()).map(|index| origin_of_output(self.plan, index));
        match self.aggregate {
            Some(plan) => {
                let group = plan.window.filter(|_| plan.emit == Emit::Final)?.group;
                let index = origins.into_iter().position(|origin| origin == Origin::Group(group))?;
                let column = fields.get(index)?.name().clone();
                let expression = ast::Expr::Identifier(ast::Ident::with_quote('"', column.clone()));
                Some(RelationWatermark { column, expression })
            }
            None => {
                let inherited = self.source.relation.watermark.as_ref()?;
                let wanted = Origin::Source(inherited.column.clone());
                let index = origins.into_iter().position(|origin| origin == wanted)?;
                let column = fields.get(index)?.name().clone();
                let expression = renamed(&inherited.expression, &inherited.column, &column)?;
                Some(RelationWatermark { column, expression })
            }
        }
    }
}

/// The column as another query reads it: the forms of text that expressions give are one in a record.
fn readable(field: &Arc<Field>) -> Arc<Field> {
    match field.data_type() {
        DataType::Utf8View | DataType::LargeUtf8 => {
            Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8))
        }
        _ => field.clone(),
    }
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
