//! The plan of a query: a graph of steps, and what flows on each edge between them.
//!
//! A node stands behind the nodes that feed it. One node is one step on every worker; an exchange in front of an input
//! sends each row to the worker that owns its key's virtual node.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::physical_expr::PhysicalExpr;

use super::join_step::JoinPlan;
use super::rank_step::RankPlan;
use super::stage::{AggregatePlan, SinkPlan, SourcePlan};
use super::window_size::WindowSize;
use crate::sql::catalog::RelationWatermark;

/// Number of a node: its place in the graph.
pub(crate) type NodeId = usize;

#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub nodes: Vec<Node>,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub step: Step,
    pub inputs: Vec<Input>,
    /// What flows out.
    pub edge: Edge,
}

/// How rows come to a node.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub node: NodeId,
    /// Over the edge's columns: rows of the same values meet on one worker. `None`: they stay where they are.
    pub exchange: Option<Exchange>,
}

/// What rows are sent by; without keys all go to one worker.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub keys: Vec<Arc<dyn PhysicalExpr>>,
}

#[derive(Debug)]
pub(crate) enum Step {
    Source(Arc<SourcePlan>),
    /// Keeps rows for which the expression is true.
    Filter(Arc<dyn PhysicalExpr>),
    Project(Vec<Arc<dyn PhysicalExpr>>),
    Window(WindowPlan),
    Aggregate(Arc<AggregatePlan>),
    Join(Arc<JoinPlan>),
    /// Gives the first rows of each partition.
    Rank(Arc<RankPlan>),
    /// Remembers a table's rows, and says of each record what it changes.
    Materialize,
    /// Gives what a commit changes, each key (these columns) once.
    Collapse(Vec<usize>),
    /// The rows of all inputs.
    Union,
    Sink(SinkPlan),
}

/// Gives each row its windows, as two more columns.
#[derive(Debug, Clone)]
pub(crate) struct WindowPlan {
    pub time: Arc<dyn PhysicalExpr>,
    pub size: WindowSize,
    /// How far behind the watermark the time column may be: the size of an inner window, whose start it is.
    pub behind_us: i64,
}

/// What flows from one node to the next.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    pub schema: SchemaRef,
    pub mode: EdgeMode,
    /// What the record key is made of; absent if nothing is known of it.
    pub key: Option<EdgeKey>,
    pub time: Option<EdgeTime>,
    /// Columns that say which window a row belongs to.
    pub windows: Vec<WindowColumn>,
    /// The windows are sessions of one row each, that are not joined yet: the columns their rows are told apart by, if it was
    /// said; `None` for one that is not there any more.
    pub sessions: Option<Vec<Option<usize>>>,
    /// Columns whose values decide which worker has the row; absent: the partition it was read from.
    pub distribution: Option<Vec<usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EdgeMode {
    /// Every row is a new fact.
    Append,
    /// Rows are taken back: every change says what was before it.
    Changes,
    /// A row replaces the one of the same key; what was before it is not said.
    Upsert,
}

impl EdgeMode {
    pub fn name(self) -> &'static str {
        match self {
            EdgeMode::Append => "append",
            EdgeMode::Changes => "changes",
            EdgeMode::Upsert => "upsert",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EdgeKey {
    pub parts: Vec<KeyPart>,
    /// No two rows that count have the same key.
    pub is_unique: bool,
    /// The parts stand in the order of the result's columns; otherwise as they were declared.
    pub by_place: bool,
}

/// A column of the key, by any of the names its value goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyPart {
    /// Places of columns that all tell this part; empty if none is left.
    pub columns: Vec<usize>,
    /// As it was called where it came from.
    pub name: String,
}

impl EdgeKey {
    /// The column of every part; `None` if one is not there any more.
    pub fn columns(&self) -> Option<Vec<usize>> {
        let columns = self.parts.iter().map(|part| part.columns.first().copied());
        let mut columns: Vec<usize> = columns.collect::<Option<_>>()?;
        if self.by_place {
            columns.sort_unstable();
        }
        Some(columns)
    }

    /// Names of the parts that no column is left of.
    pub fn missing(&self) -> Vec<String> {
        self.parts.iter().filter(|part| part.columns.is_empty()).map(|part| part.name.clone()).collect()
    }
}

/// Which column event time is, and its watermark.
#[derive(Debug, Clone)]
pub(crate) struct EdgeTime {
    pub column: usize,
    /// As it was declared, under the names it had there.
    pub watermark: RelationWatermark,
    /// No later row is older than the watermark less this.
    pub behind_us: i64,
    /// Rows are in its order in the output topic as far as in the inputs: who reads that goes by the same watermark.
    pub is_inherited: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WindowColumn {
    pub column: usize,
    /// The column is the window's end; otherwise its start.
    pub is_end: bool,
    pub size: WindowSize,
}

impl Edge {
    /// The edge behind a step that gives other columns: `places` says, for each new column, which of the old ones it is
    /// unchanged.
    pub fn projected(&self, schema: SchemaRef, places: &[Option<usize>]) -> Edge {
        let find = |old: usize| places.iter().position(|place| *place == Some(old));
        let all = |olds: &[usize]| -> Vec<usize> {
            let kept = olds.iter().flat_map(|old| {
                places.iter().enumerate().filter(|(_, place)| **place == Some(*old)).map(|(new, _)| new)
            });
            kept.collect()
        };
        let part = |part: &KeyPart| KeyPart { columns: all(&part.columns), name: part.name.clone() };
        let key =
            self.key.as_ref().map(|key| EdgeKey { parts: key.parts.iter().map(part).collect(), ..*key });
        let time = self
            .time
            .as_ref()
            .and_then(|time| find(time.column).map(|column| EdgeTime { column, ..time.clone() }));
        let windows = places.iter().enumerate().filter_map(|(new, place)| {
            let old = self.windows.iter().find(|window| Some(window.column) == *place)?;
            Some(WindowColumn { column: new, ..*old })
        });
        let distribution =
            self.distribution.as_ref().and_then(|columns| columns.iter().map(|old| find(*old)).collect());
        let sessions = self.sessions.as_ref();
        let sessions = sessions.map(|columns| columns.iter().map(|old| old.and_then(find)).collect());
        Edge { schema, mode: self.mode, key, time, windows: windows.collect(), sessions, distribution }
    }

    pub fn name(&self, column: usize) -> &str {
        self.schema.fields().get(column).map_or("", |field| field.name().as_str())
    }
}

impl Graph {
    pub fn add(&mut self, step: Step, inputs: Vec<Input>, edge: Edge) -> NodeId {
        self.nodes.push(Node { step, inputs, edge });
        self.nodes.len() - 1
    }

    /// Sources in the order of their nodes.
    pub fn sources(&self) -> impl Iterator<Item = (NodeId, &Arc<SourcePlan>)> {
        self.nodes.iter().enumerate().filter_map(|(id, node)| match &node.step {
            Step::Source(source) => Some((id, source)),
            _ => None,
        })
    }

    /// The first source that feeds a node.
    pub fn source_of(&self, node: NodeId) -> Option<&Arc<SourcePlan>> {
        match &self.nodes.get(node)?.step {
            Step::Source(source) => Some(source),
            _ => self.source_of(self.nodes.get(node)?.inputs.first()?.node),
        }
    }

    /// Stateful nodes are numbered in plan order: that number names their state, so steps without state may come and go.
    pub fn state_number(&self, node: NodeId) -> Option<u16> {
        if !self.nodes.get(node)?.step.is_stateful() {
            return None;
        }
        let before = self.nodes[..node].iter().filter(|node| node.step.is_stateful()).count();
        u16::try_from(before).ok()
    }

    /// For each node, how many exchanges rows have passed before it.
    pub fn levels(&self) -> Vec<usize> {
        let mut levels: Vec<usize> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let level = node.inputs.iter().map(|input| {
                let before = levels.get(input.node).copied().unwrap_or(0);
                before + usize::from(input.exchange.is_some())
            });
            levels.push(level.max().unwrap_or(0));
        }
        levels
    }

    /// What was before a change need not be said where only a topic's key takes it.
    pub fn relax(&mut self) {
        for sink in 0..self.nodes.len() {
            if !matches!(self.nodes[sink].step, Step::Sink(_)) {
                continue;
            }
            let mut path = vec![sink];
            let mut at = self.nodes[sink].inputs.first().map(|input| input.node);
            while let Some(node) = at {
                path.push(node);
                match &self.nodes[node].step {
                    Step::Project(_) if self.takers(node) == 1 => {
                        at = self.nodes[node].inputs.first().map(|input| input.node);
                    }
                    Step::Aggregate(_)
                        if self.takers(node) == 1 && self.nodes[node].edge.mode == EdgeMode::Changes =>
                    {
                        path.iter().for_each(|node| self.nodes[*node].edge.mode = EdgeMode::Upsert);
                        at = None;
                    }
                    _ => at = None,
                }
            }
        }
    }

    fn takers(&self, node: NodeId) -> usize {
        self.nodes.iter().flat_map(|taker| &taker.inputs).filter(|input| input.node == node).count()
    }

    /// Sources of tables that rows are looked up in: what is there at a start is read before anything else.
    pub fn looked_up(&self) -> Vec<NodeId> {
        let tables = self.nodes.iter().filter_map(|node| match &node.step {
            Step::Join(plan) => {
                plan.looked_up().and_then(|input| node.inputs.get(input)).map(|input| input.node)
            }
            _ => None,
        });
        let tables: Vec<NodeId> = tables.collect();
        let feeds = |source: &NodeId| tables.iter().any(|table| self.feeds(*source, *table));
        self.sources().map(|(source, _)| source).filter(feeds).collect()
    }

    fn feeds(&self, source: NodeId, node: NodeId) -> bool {
        let inputs = self.nodes.get(node).map_or(&[][..], |node| &node.inputs);
        source == node || inputs.iter().any(|input| self.feeds(source, input.node))
    }

    /// Whether a node's inputs, or anything that feeds them, is such a step.
    pub fn any_before(&self, node: NodeId, found: &dyn Fn(&Step) -> bool) -> bool {
        self.nodes.get(node).is_some_and(|node| {
            found(&node.step) || node.inputs.iter().any(|input| self.any_before(input.node, found))
        })
    }
}

impl Step {
    pub fn is_stateful(&self) -> bool {
        match self {
            Step::Source(_)
            | Step::Filter(_)
            | Step::Project(_)
            | Step::Window(_)
            | Step::Union
            | Step::Collapse(_)
            | Step::Sink(_) => false,
            Step::Aggregate(_) | Step::Join(_) | Step::Rank(_) | Step::Materialize => true,
        }
    }
}
