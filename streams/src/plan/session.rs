//! Planning of sessions: what their rows are told apart by, and what may be asked of bounds that are not known yet.

use std::sync::Arc;

use datafusion::arrow::datatypes::Field;
use datafusion::common::DFSchemaRef;
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;

use super::analyze::{Analysis, place};
use super::graph::{EdgeMode, NodeId, WindowColumn};
use super::stage::SessionGroups;
use super::window::WindowNode;
use super::window_size::WindowShape;
use crate::diagnostic::Finding;

impl Analysis<'_> {
    /// The columns of `PARTITION BY`, for sessions.
    pub fn partition(&self, input: NodeId, node: &WindowNode) -> Result<Option<Vec<Option<usize>>>, Finding> {
        if node.size.shape != WindowShape::Session {
            return Ok(None);
        }
        if self.edge(input).mode != EdgeMode::Append {
            return Err(self
                .refuse("sessions of a table that changes: a row that goes could part a session that was one")
                .hint("read a stream, or a table whose query ends in EMIT FINAL"));
        }
        let column = |expression: &Expr| match place(expression, node.input.schema()) {
            Some(column) => Ok(Some(column)),
            None => Err(self.refuse(&format!("PARTITION BY takes columns, and {expression} is none"))),
        };
        node.partition.iter().map(column).collect::<Result<_, _>>().map(Some)
    }

    /// Refuses expressions over the bounds of sessions before their rows are grouped.
    pub fn check_bounds_are_known<'e>(
        &self,
        node: NodeId,
        expressions: impl IntoIterator<Item = &'e Expr>,
        schema: &DFSchemaRef,
    ) -> Result<(), Finding> {
        let edge = self.edge(node);
        if edge.sessions.is_none() {
            return Ok(());
        }
        for expression in expressions {
            let bound = expression.column_refs().into_iter().find(|column| {
                let place = schema.index_of_column(column).ok();
                edge.windows.iter().any(|window| Some(window.column) == place)
            });
            if let Some(bound) = bound {
                return Err(self
                    .refuse(&format!("`{}` of a session is not known before the session ends", bound.name))
                    .hint("GROUP BY window_start, window_end first, and ask for it in HAVING or around that query"));
            }
        }
        Ok(())
    }

    /// Which groups are bounds of sessions; `None` if the windows are not sessions.
    pub fn session_groups(
        &self,
        node: NodeId,
        windows: &[WindowColumn],
        groups: &[(Arc<dyn PhysicalExpr>, Arc<Field>)],
        places: &[Option<usize>],
    ) -> Result<Option<SessionGroups>, Finding> {
        let Some(partition) = &self.edge(node).sessions else { return Ok(None) };
        let find = |is_end| windows.iter().find(|window| window.is_end == is_end).map(|window| window.column);
        let (start, end) = (find(false), find(true));
        if start.is_none() && end.is_none() {
            return Ok(None);
        }
        let keys: Vec<usize> =
            (0..groups.len()).filter(|group| windows.iter().all(|window| window.column != *group)).collect();
        let is_group =
            |column: &Option<usize>| column.is_some() && keys.iter().any(|key| places[*key] == *column);
        let is_partition = |key: &usize| partition.contains(&places[*key]);
        let is_said = !partition.is_empty();
        let is_same = partition.iter().all(is_group) && keys.iter().all(is_partition);
        if is_said && !is_same {
            return Err(self
                .refuse("sessions are told apart by the columns of PARTITION BY, and the groups are not the same")
                .hint("GROUP BY those columns, window_start and window_end; group the result again in a second query"));
        }
        Ok(Some(SessionGroups { keys, start, end }))
    }
}
