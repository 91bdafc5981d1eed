//! Planning of joins: what kind of inputs meet, by which keys, and what bounds the state. A join that nothing bounds is
//! refused with the reason.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{
    Column, DFSchema, DFSchemaRef, DataFusionError, JoinType, NullEquality, TableReference,
};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Join, LogicalPlan, Operator, Projection, SubqueryAlias,
};
use datafusion::physical_expr::PhysicalExpr;

use super::analyze::{Analysis, place};
use super::as_of::VersionNode;
use super::graph::{Edge, EdgeKey, EdgeMode, Exchange, Input, NodeId, Step, WindowColumn};
use super::join_edge::JoinedEdge;
use super::join_step::{
    JoinKind, JoinMethod, JoinPlan, JoinSide, Residual, TimeBounds, TimeColumn, VersionedPlan,
};
use super::join_time::{Span, span};
use crate::diagnostic::Finding;
use crate::state::{key, row};

/// What the join is made of, as it was written.
pub(super) struct Written {
    pub kind: JoinKind,
    pub schemas: [DFSchemaRef; 2],
    /// Of the left columns and then the right ones.
    pub pair: DFSchemaRef,
    pub nodes: [NodeId; 2],
    /// Equal values of the left and the right.
    pub keys: Vec<(Expr, Expr)>,
    /// What else must be true.
    pub rest: Vec<Expr>,
}

impl Analysis<'_> {
    pub fn join(&mut self, join: &Join) -> Result<NodeId, Finding> {
        if let Some(right) = VersionedSide::of(&join.right).map_err(|error| self.trouble(&error))? {
            return self.join_versions(join, &right);
        }
        self.join_sides(join, Vec::new(), None)
    }

    fn join_sides(
        &mut self,
        join: &Join,
        asked: Vec<Expr>,
        version: Option<&VersionNode>,
    ) -> Result<NodeId, Finding> {
        let left = self.walk(&join.left)?;
        self.may_read_versions = version.is_some();
        let right = self.walk(&join.right)?;
        let mut written = self.read_join(join, [left, right])?;
        written.rest.extend(asked);
        if written.nodes.iter().any(|node| self.edge(*node).sessions.is_some()) {
            return Err(self
                .refuse("which session a row is in is not known before the session ends")
                .hint("join first and put SESSION around it: SESSION((SELECT … JOIN …), …)"));
        }
        let modes = written.nodes.map(|node| self.edge(node).mode);
        let method = match (version, modes) {
            (Some(version), _) => self.versioned(&mut written, version)?,
            (None, [EdgeMode::Append, EdgeMode::Append]) => self.timed(&mut written)?,
            (None, [EdgeMode::Append, _]) => self.lookup(&written, 1)?,
            (None, [_, EdgeMode::Append]) => self.lookup(&written, 0)?,
            (None, _) => self.changes(&written)?,
        };
        if written.keys.is_empty() && !matches!(&method, JoinMethod::Timed(bounds) if bounds.is_windows) {
            return Err(self.no_equality(&written));
        }
        self.add_join(written, method, join.schema.inner().clone())
    }

    /// Versions are told apart by all that the query selects or asks of them.
    fn join_versions(&mut self, join: &Join, right: &VersionedSide<'_>) -> Result<NodeId, Finding> {
        let trouble = |error| self.trouble(&error);
        let selected = join.right.schema().columns();
        let wanted = right.whole.schema().columns().into_iter().filter(|column| {
            selected.contains(column) || right.asked.iter().any(|asked| asked.column_refs().contains(column))
        });
        let kept = Projection::try_new(wanted.map(Expr::Column).collect(), Arc::new(right.whole.clone()));
        let kept = Arc::new(LogicalPlan::Projection(kept.map_err(trouble)?));
        let wide = Join::try_new(
            join.left.clone(),
            kept,
            join.on.clone(),
            join.filter.clone(),
            join.join_type,
            join.join_constraint,
            join.null_equality,
            join.null_aware,
        );
        let wide = wide.map_err(trouble)?;
        let node = self.join_sides(&wide, right.asked.clone(), Some(right.version))?;
        if wide.schema == join.schema {
            return Ok(node);
        }
        let columns = join.schema.columns().into_iter().map(Expr::Column);
        self.project_node(node, &columns.collect::<Vec<_>>(), &wide.schema, &join.schema)
    }

    /// The condition cut into equal keys and the rest; a semi or anti join's kept side is the left one.
    fn read_join(&self, join: &Join, mut nodes: [NodeId; 2]) -> Result<Written, Finding> {
        let (kind, swapped) = match join.join_type {
            JoinType::Inner => (JoinKind::Inner, false),
            JoinType::Left => (JoinKind::Left, false),
            JoinType::Right => (JoinKind::Right, false),
            JoinType::Full => (JoinKind::Full, false),
            JoinType::LeftSemi => (JoinKind::Semi, false),
            JoinType::LeftAnti => (JoinKind::Anti, false),
            JoinType::RightSemi => (JoinKind::Semi, true),
            JoinType::RightAnti => (JoinKind::Anti, true),
            JoinType::LeftMark | JoinType::RightMark => {
                return Err(self
                    .refuse("EXISTS and IN (SELECT …) inside OR or a column are not supported")
                    .hint("write them as conditions of their own, joined by AND"));
            }
        };
        if join.null_aware {
            return Err(self
                .refuse("NOT IN (SELECT …) gives nothing as soon as the subquery has one NULL")
                .hint("write NOT EXISTS (SELECT … WHERE a = b)"));
        }
        let mut rest = join.filter.clone().map(split_conjunction_owned).unwrap_or_default();
        let mut schemas = [join.left.schema().clone(), join.right.schema().clone()];
        let mut keys: Vec<(Expr, Expr)> = join.on.clone();
        if swapped {
            schemas.reverse();
            nodes.reverse();
            keys = keys.into_iter().map(|(left, right)| (right, left)).collect();
        }
        if join.null_equality == NullEquality::NullEqualsNull {
            // The keys are conditions that are true of NULL and NULL.
            let equal = |(left, right): (Expr, Expr)| {
                Expr::BinaryExpr(BinaryExpr::new(
                    Box::new(left),
                    Operator::IsNotDistinctFrom,
                    Box::new(right),
                ))
            };
            rest.extend(keys.drain(..).map(equal));
        }
        let pair = schemas[0].join(&schemas[1]).map_err(|error| self.trouble(&error))?;
        let mut written = Written { kind, schemas, pair: Arc::new(pair), nodes, keys, rest: Vec::new() };
        for condition in rest {
            match written.equality(&condition) {
                Some(key) => written.keys.push(key),
                None => written.rest.push(condition),
            }
        }
        Ok(written)
    }

    /// Facts with facts: windows, or times that are near each other.
    fn timed(&self, written: &mut Written) -> Result<JoinMethod, Finding> {
        if let Some(bounds) = self.window_bounds(written)? {
            return Ok(JoinMethod::Timed(bounds));
        }
        let [Some(left), Some(right)] = written.nodes.map(|node| self.edge(node).time.clone()) else {
            return Err(self.no_bound(written));
        };
        let times = [left.column, right.column];
        let mut found = Span::default();
        // Both are of one unit: what is taken from the condition is exactly what was written.
        let is_exact = written.are_micros(times);
        let mut rest = Vec::new();
        for condition in std::mem::take(&mut written.rest) {
            let bound = span(&condition, &written.pair, [times[0], times[1] + written.width(0)]);
            if let Some(bound) = &bound {
                found = found.narrowed(if is_exact { *bound } else { bound.widened() });
            }
            if bound.is_none() || !is_exact {
                rest.push(condition);
            }
        }
        written.rest = rest;
        let (schemas, mut is_equal) = (written.schemas.clone(), false);
        written.keys.retain(|(left, right)| {
            let is_time =
                place(left, &schemas[0]) == Some(times[0]) && place(right, &schemas[1]) == Some(times[1]);
            is_equal |= is_time;
            !is_time || !is_exact
        });
        if is_equal {
            found = found.narrowed(if is_exact { Span::EQUAL } else { Span::EQUAL.widened() });
        }
        let Span { least_us: Some(least_us), most_us: Some(most_us) } = found else {
            return Err(self.no_bound(written));
        };
        if least_us > most_us {
            return Err(
                self.refuse("no two times are within the bounds of the join: they exclude each other")
            );
        }
        let columns = [left, right].map(|time| time.column);
        let times = self.time_columns(written, columns, [0, 0])?;
        Ok(JoinMethod::Timed(TimeBounds { times, least_us, most_us, slack_us: 0, is_windows: false }))
    }

    /// Equal bounds of equal windows.
    fn window_bounds(&self, written: &mut Written) -> Result<Option<TimeBounds>, Finding> {
        let windows = written.nodes.map(|node| self.edge(node).windows.clone());
        let (schemas, mut found) = (written.schemas.clone(), None);
        let mut kept = Vec::new();
        for (left, right) in std::mem::take(&mut written.keys) {
            let columns = [place(&left, &schemas[0]), place(&right, &schemas[1])];
            let bound = |side: usize| {
                windows[side].iter().find(|window| {
                    let tells = window.is_end || window.size.is_told_by_start();
                    Some(window.column) == columns[side]
                        && tells
                        && self.edge(written.nodes[side]).sessions.is_none()
                })
            };
            match (bound(0), bound(1)) {
                (Some(one), Some(other)) if one.is_end == other.is_end && one.size == other.size => {
                    found = found.or(Some((*one, *other)));
                }
                (Some(one), Some(other)) if one.is_end == other.is_end => {
                    return Err(self
                        .refuse(
                            "the windows of the two sides are not alike, so they close at different times",
                        )
                        .hint("give both the same function, lengths and grace"));
                }
                _ => kept.push((left, right)),
            }
        }
        written.keys = kept;
        let Some((left, right)) = found else { return Ok(None) };
        let end = |window: WindowColumn| if window.is_end { 0 } else { window.size.size_us };
        let times = self.time_columns(written, [left.column, right.column], [end(left), end(right)])?;
        let slack_us = left.size.grace_us - 1;
        Ok(Some(TimeBounds { times, least_us: 0, most_us: 0, slack_us, is_windows: true }))
    }

    fn time_columns(
        &self,
        written: &Written,
        columns: [usize; 2],
        add_us: [i64; 2],
    ) -> Result<[TimeColumn; 2], Finding> {
        let column = |side: usize| -> Result<TimeColumn, Finding> {
            let column = Expr::Column(written.schemas[side].columns().swap_remove(columns[side]));
            let expression = self.compile(&column, &written.schemas[side])?;
            Ok(TimeColumn { expression, add_us: add_us[side] })
        };
        Ok([column(0)?, column(1)?])
    }

    fn lookup(&self, written: &Written, table: usize) -> Result<JoinMethod, Finding> {
        let [facts, rows] = [1 - table, table].map(|side| self.name_of(written.nodes[side]));
        let asks_table = written.kind.tracks(table);
        if asks_table {
            return Err(self
                .refuse(&format!(
                    "a {} join gives rows of the table {rows} by whether the stream {facts} has a match, and more of it \
                     always comes",
                    written.kind.name()
                ))
                .hint(format!("keep the rows of {facts}: LEFT JOIN with the stream on the left")));
        }
        self.check_not_windowed(written)?;
        Ok(JoinMethod::Lookup { table })
    }

    fn changes(&self, written: &Written) -> Result<JoinMethod, Finding> {
        self.check_not_windowed(written)?;
        Ok(JoinMethod::Changes)
    }

    /// Windows that change as rows arrive would be kept for ever by a join that knows nothing of their end.
    fn check_not_windowed(&self, written: &Written) -> Result<(), Finding> {
        let changing = |node: &NodeId| {
            let edge = self.edge(*node);
            edge.mode != EdgeMode::Append && !edge.windows.is_empty()
        };
        if written.nodes.iter().any(changing) {
            return Err(self
                .refuse("the join would keep the results of every window for ever, since they change as rows arrive")
                .hint("end the query in EMIT FINAL, and join on window_start and window_end"));
        }
        Ok(())
    }

    /// `FOR SYSTEM_TIME AS OF`.
    fn versioned(&self, written: &mut Written, version: &VersionNode) -> Result<JoinMethod, Finding> {
        let [facts, rows] = written.nodes.map(|node| self.edge(node));
        let name = self.name_of(written.nodes[1]);
        if facts.mode != EdgeMode::Append || rows.mode == EdgeMode::Append {
            return Err(self
                .refuse("FOR SYSTEM_TIME AS OF joins a stream with a table")
                .hint(format!("write FROM stream JOIN {name} FOR SYSTEM_TIME AS OF stream.time ON …")));
        }
        if !matches!(written.kind, JoinKind::Inner | JoinKind::Left) {
            return Err(self.refuse("FOR SYSTEM_TIME AS OF is for JOIN and LEFT JOIN"));
        }
        let Some(since) = &rows.time else {
            return Err(self
                .refuse(&format!("{name} has no event time, so nothing says since when its rows count"))
                .hint(format!("declare WATERMARK FOR a column of {name}")));
        };
        let asked = written.schemas[0].iter().position(|(relation, field)| {
            let of_relation = version
                .relation
                .as_ref()
                .is_none_or(|wanted| relation.is_some_and(|relation| relation.table() == wanted.as_str()));
            of_relation && field.name() == &version.column
        });
        let Some(column) =
            asked.filter(|column| facts.time.as_ref().is_some_and(|time| time.column == *column))
        else {
            return Err(self
                .refuse(&format!(
                    "FOR SYSTEM_TIME AS OF {} is not the event time of the stream it is joined with",
                    version.column
                ))
                .hint("name the column that the stream's WATERMARK is FOR"));
        };
        let since_column = since.column;
        let unique = rows.key.as_ref().filter(|key| key.is_unique).and_then(EdgeKey::columns);
        self.only_table_key(written, unique)?;
        let [as_of, since] = self.time_columns(written, [column, since_column], [0, 0])?;
        Ok(JoinMethod::Versioned(VersionedPlan { as_of: as_of.expression, since: since.expression }))
    }

    /// Versions are kept by the table's key: the join must be on all of it, and what else is equal is looked at afterwards.
    fn only_table_key(&self, written: &mut Written, unique: Option<Vec<usize>>) -> Result<(), Finding> {
        let unique = unique.unwrap_or_default();
        let schema = written.schemas[1].clone();
        let (keys, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut written.keys)
            .into_iter()
            .partition(|(_, right)| place(right, &schema).is_some_and(|column| unique.contains(&column)));
        let covered =
            unique.iter().all(|column| keys.iter().any(|(_, right)| place(right, &schema) == Some(*column)));
        if unique.is_empty() || !covered {
            return Err(self
                .refuse("FOR SYSTEM_TIME AS OF finds a row of a table by its whole key")
                .hint("join on every column of the table's key"));
        }
        written.keys = keys;
        written.rest.extend(rest.into_iter().map(|(left, right)| left.eq(right)));
        Ok(())
    }

    fn no_bound(&self, written: &Written) -> Finding {
        let [left, right] = written.nodes.map(|node| self.name_of(node));
        let columns = written.nodes.map(|node| self.event_time_of(node));
        let hint = match columns {
            [Some(one), Some(other)] => format!(
                "add {one} BETWEEN {other} - INTERVAL '1' HOUR AND {other} + INTERVAL '1' HOUR, or join windows of both: \
                 TUMBLE(…) ON window_start, window_end"
            ),
            [one, _] => format!(
                "declare a WATERMARK for {}, and bound the times: a.time BETWEEN b.time - INTERVAL '1' HOUR AND b.time",
                if one.is_none() { &left } else { &right }
            ),
        };
        self.refuse(&format!(
            "joining the streams {left} and {right} would keep every row of both for ever, since nothing bounds how far apart \
             two rows may be"
        ))
        .hint(hint)
    }

    /// The column of event time as the first relation below a node declares it.
    fn event_time_of(&self, node: NodeId) -> Option<String> {
        let relation = &self.graph.source_of(node)?.relation;
        Some(format!("{}.{}", relation.name, relation.watermark.as_ref()?.column))
    }

    fn no_equality(&self, written: &Written) -> Finding {
        let [left, right] = written.nodes.map(|node| self.name_of(node));
        self.refuse(&format!(
            "{left} and {right} are joined without an equality between them, so every row would be compared with every other"
        ))
        .hint("join ON at least one column of each side that are equal: a.id = b.id")
    }

    /// The relation that a node reads, for messages.
    fn name_of(&self, node: NodeId) -> String {
        let name = self.graph.source_of(node).map_or("?", |source| source.relation.name.as_str());
        format!("`{name}`")
    }

    fn add_join(
        &mut self,
        written: Written,
        method: JoinMethod,
        schema: SchemaRef,
    ) -> Result<NodeId, Finding> {
        let keys = self.join_keys(&written)?;
        for side in &written.schemas {
            if let Some(field) = side.fields().iter().find(|field| !row::is_supported(field.data_type())) {
                let message =
                    format!("column `{}` is {}, which a join cannot keep", field.name(), field.data_type());
                return Err(self.refuse(&message).hint("cast it, or leave it out of the query"));
            }
        }
        let residual = match conjunction(written.rest.clone()) {
            Some(rest) => {
                let expression = self.compile(&rest, &written.pair)?;
                Some(Residual { expression, schema: written.pair.inner().clone() })
            }
            None => None,
        };
        let edge = self.joined_edge(&written, &method, &schema);
        let [left, right] = keys;
        let exchanges = [&left, &right].map(|keys| Exchange { keys: keys.clone() });
        let side = |side: usize, keys: Vec<Arc<dyn PhysicalExpr>>| JoinSide {
            name: self.name_of(written.nodes[side]).replace('`', ""),
            schema: written.schemas[side].inner().clone(),
            keys,
        };
        let sides = [side(0, left), side(1, right)];
        let plan = JoinPlan { kind: written.kind, sides, residual, schema: edge.schema.clone(), method };
        let inputs = written.nodes.into_iter().zip(exchanges);
        let inputs = inputs.map(|(node, exchange)| Input { node, exchange: Some(exchange) }).collect();
        Ok(self.graph.add(Step::Join(Arc::new(plan)), inputs, edge))
    }

    /// The keys of both sides, brought to one type.
    fn join_keys(&self, written: &Written) -> Result<[Vec<Arc<dyn PhysicalExpr>>; 2], Finding> {
        let mut keys = [Vec::new(), Vec::new()];
        for (left, right) in &written.keys {
            let types = [left.get_type(&written.schemas[0]), right.get_type(&written.schemas[1])];
            let [one, other] = types.map(|found| found.map_err(|error| self.trouble(&error)));
            let (one, other) = (one?, other?);
            if !key::is_supported(&one) {
                return Err(self
                    .refuse(&format!("{left} is {one}: rows cannot be joined by that"))
                    .hint("cast it to TEXT, BIGINT, DECIMAL or TIMESTAMP"));
            }
            let right = if one == other {
                right.clone()
            } else {
                let cast = right.clone().cast_to(&one, &written.schemas[1]);
                cast.map_err(|error| self.trouble(&error))?
            };
            keys[0].push(self.compile(left, &written.schemas[0])?);
            keys[1].push(self.compile(&right, &written.schemas[1])?);
        }
        Ok(keys)
    }

    fn joined_edge(&self, written: &Written, method: &JoinMethod, schema: &SchemaRef) -> Edge {
        let edges = written.nodes.map(|node| self.edge(node));
        let joined = JoinedEdge { written, edges, method };
        Edge {
            schema: schema.clone(),
            mode: if matches!(method, JoinMethod::Changes) { EdgeMode::Changes } else { EdgeMode::Append },
            key: joined.key(),
            time: joined.time(),
            windows: joined.windows(),
            sessions: None,
            distribution: joined.distribution(),
        }
    }
}

impl Written {
    pub fn width(&self, side: usize) -> usize {
        self.schemas[side].fields().len()
    }

    fn are_micros(&self, columns: [usize; 2]) -> bool {
        [0, 1].into_iter().all(|side| {
            let field: &Arc<Field> = &self.schemas[side].fields()[columns[side]];
            matches!(
                field.data_type(),
                DataType::Timestamp(datafusion::arrow::datatypes::TimeUnit::Microsecond, _)
            )
        })
    }

    /// The left and the right value that a condition says are equal.
    fn equality(&self, condition: &Expr) -> Option<(Expr, Expr)> {
        let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else { return None };
        let is_of = |expression: &Expr, schema: &DFSchema| {
            let columns = expression.column_refs();
            !columns.is_empty() && columns.iter().all(|column| schema.has_column(column))
        };
        if is_of(left, &self.schemas[0]) && is_of(right, &self.schemas[1]) {
            Some((left.as_ref().clone(), right.as_ref().clone()))
        } else if is_of(right, &self.schemas[0]) && is_of(left, &self.schemas[1]) {
            Some((right.as_ref().clone(), left.as_ref().clone()))
        } else {
            None
        }
    }
}

/// The right side of a join that asks for versions of a table, below what the query selects and asks of it: what is asked
/// of the version that is found is not asked of those that are looked through.
struct VersionedSide<'a> {
    version: &'a VersionNode,
    /// Every column of the table.
    whole: LogicalPlan,
    asked: Vec<Expr>,
}

impl<'a> VersionedSide<'a> {
    fn of(plan: &'a LogicalPlan) -> Result<Option<VersionedSide<'a>>, DataFusionError> {
        let is_column = |expression: &Expr| matches!(expression, Expr::Column(_));
        match plan {
            LogicalPlan::Projection(projection) if projection.expr.iter().all(is_column) => {
                VersionedSide::of(&projection.input)
            }
            LogicalPlan::Filter(filter) => {
                let Some(mut found) = VersionedSide::of(&filter.input)? else { return Ok(None) };
                found.asked.extend(split_conjunction_owned(filter.predicate.clone()));
                Ok(Some(found))
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let Some(found) = VersionedSide::of(&alias.input)? else { return Ok(None) };
                found.renamed(&alias.alias).map(Some)
            }
            LogicalPlan::Extension(extension) => {
                let version = extension.node.as_any().downcast_ref::<VersionNode>();
                let found =
                    version.map(|version| VersionedSide { version, whole: plan.clone(), asked: Vec::new() });
                Ok(found)
            }
            _ => Ok(None),
        }
    }

    /// The same under another name.
    fn renamed(self, name: &TableReference) -> Result<VersionedSide<'a>, DataFusionError> {
        let renamed = |expression: Expr| match expression {
            Expr::Column(column) => {
                Ok(Transformed::yes(Expr::Column(Column::new(Some(name.clone()), column.name))))
            }
            other => Ok(Transformed::no(other)),
        };
        let asked = self.asked.into_iter().map(|asked| asked.transform(renamed).map(|found| found.data));
        let whole = SubqueryAlias::try_new(Arc::new(self.whole), name.clone())?;
        Ok(VersionedSide {
            version: self.version,
            asked: asked.collect::<Result<_, _>>()?,
            whole: LogicalPlan::SubqueryAlias(whole),
        })
    }
}
