//! Planning of `UNION ALL`: what is true of all branches flows on.

use datafusion::logical_expr::Union;

use super::analyze::{Analysis, stay};
use super::graph::{Edge, EdgeKey, EdgeMode, EdgeTime, NodeId, Step};
use crate::diagnostic::Finding;

impl Analysis<'_> {
    pub fn union(&mut self, union: &Union) -> Result<NodeId, Finding> {
        let mut nodes = Vec::new();
        for input in &union.inputs {
            nodes.push(self.walk(input)?);
        }
        let edges: Vec<&Edge> = nodes.iter().map(|node| self.edge(*node)).collect();
        if edges.iter().any(|edge| edge.sessions.is_some()) {
            return Err(self
                .refuse("which session a row is in is not known before the session ends")
                .hint("write UNION ALL inside, and SESSION around it: SESSION((SELECT … UNION ALL …), …)"));
        }
        if edges.iter().any(|edge| edge.mode == EdgeMode::Upsert) {
            return Err(self
                .refuse("a branch of UNION ALL changes, and what was before a change is not known")
                .hint("write the branch as a table of its own"));
        }
        let is_append = edges.iter().all(|edge| edge.mode == EdgeMode::Append);
        let edge = Edge {
            schema: union.schema.inner().clone(),
            mode: if is_append { EdgeMode::Append } else { EdgeMode::Changes },
            key: shared(&edges, |edge| edge.key.clone().map(|key| EdgeKey { is_unique: false, ..key })),
            time: time(&edges),
            windows: shared(&edges, |edge| Some(edge.windows.clone())).unwrap_or_default(),
            sessions: None,
            distribution: shared(&edges, |edge| edge.distribution.clone()),
        };
        let inputs = nodes.into_iter().map(stay).collect();
        Ok(self.graph.add(Step::Union, inputs, edge))
    }
}

/// What all edges say alike.
fn shared<T: PartialEq>(edges: &[&Edge], of: impl Fn(&Edge) -> Option<T>) -> Option<T> {
    let first = of(edges.first()?)?;
    edges.iter().all(|edge| of(edge).as_ref() == Some(&first)).then_some(first)
}

/// Event time goes by the branch that is least far. It says nothing of the order in an output topic, where one branch may be
/// far ahead of another: no query inherits it from there.
fn time(edges: &[&Edge]) -> Option<EdgeTime> {
    shared(edges, |edge| edge.time.as_ref().map(|time| time.column))?;
    let first = edges.first()?.time.clone()?;
    let behind_us = edges.iter().filter_map(|edge| edge.time.as_ref()).map(|time| time.behind_us).max()?;
    Some(EdgeTime { behind_us, is_inherited: false, ..first })
}
