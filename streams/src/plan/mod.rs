//! From statements to the plan of each query: SQL planning, an allow-list of optimizer rules, the analysis that
//! decides what can run on streams, and what `EXPLAIN` prints.
//!
//! No broker is needed and nothing runs here.

mod aggregate;
mod analyze;
mod answer;
mod as_of;
mod compatible;
mod context;
mod duration;
mod explain;
mod explain_join;
mod graph;
mod grouping;
mod join;
mod join_edge;
mod join_step;
mod join_time;
mod logical;
mod modulo;
mod now;
mod planning;
mod program;
mod rank;
mod rank_step;
mod result;
mod select;
mod session;
mod stage;
mod trouble;
mod union;
mod wildcard;
mod window;
mod window_size;

#[cfg(test)]
mod join_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use answer::{Answer, Table};
pub(crate) use answer::{TopicShown, World};
pub(crate) use graph::{EdgeMode, Exchange, Graph, Node, NodeId, Step, WindowPlan};
pub(crate) use join_step::{JoinKind, JoinMethod, JoinPlan, JoinSide, TimeBounds, VersionedPlan};
#[cfg(test)]
pub(crate) use join_step::{Residual, TimeColumn};
pub(crate) use logical::constant;
pub(crate) use planning::{Entry, EntryState, Planning};
pub(crate) use program::deeply;
pub use program::{PlanContext, Program};
pub(crate) use rank_step::RankPlan;
pub(crate) use select::Selected;
pub(crate) use stage::{
    AggregateCall, AggregateFunction, AggregatePlan, AggregateWindow, SessionGroups, SinkPlan, SourcePlan,
};
pub(crate) use window_size::{WindowShape, WindowSize};

use crate::sql::catalog::{Catalog, ChangeMode, OnError};

/// What a program runs: every query, and every relation it declares.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) queries: Vec<Arc<QueryPlan>>,
    pub(crate) catalog: Catalog,
    /// What the statements left behind: a session goes on from there.
    pub(crate) planning: Planning,
    answers: Vec<Answer>,
}

/// One query that runs until it is stopped: reads topics, writes one.
#[derive(Debug)]
pub struct QueryPlan {
    pub(crate) pipeline: String,
    pub(crate) name: String,
    pub(crate) graph: Graph,
    /// Where rows go that are late.
    pub(crate) late_topic: Option<String>,
    pub(crate) explanation: String,
}

/// A topic that a plan needs, and what it should be created with if it does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicNeed {
    pub name: String,
    /// `None`: as many as the topic that feeds it, or the cluster's default.
    pub partitions: Option<i32>,
    /// The topic keeps the latest record of each key only.
    pub compacted: bool,
}

impl Plan {
    fn of(planning: Planning, answers: Vec<Answer>) -> Plan {
        let queries = planning.queries().cloned().collect();
        Plan { queries, catalog: planning.catalog().clone(), planning, answers }
    }

    /// What the statements that ask something (`SHOW`, `DESCRIBE`, `EXPLAIN`) are answered, in their order.
    pub fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.answers.iter().filter(|answer| answer.table.is_some())
    }

    /// Queries that `PAUSE` keeps from starting.
    pub fn is_paused(&self, query: &str) -> bool {
        self.planning.is_paused(query)
    }

    /// The queries in the order of their statements: a query only reads what the ones before it write.
    pub fn queries(&self) -> impl Iterator<Item = &QueryPlan> {
        self.queries.iter().map(Arc::as_ref)
    }

    /// The topic behind a stream or table.
    pub fn topic_of(&self, relation: &str) -> Option<&str> {
        self.catalog.get(relation).map(|relation| relation.topic.as_str())
    }

    /// Names of all streams and tables.
    pub fn relations(&self) -> impl Iterator<Item = &str> {
        self.catalog.names()
    }

    /// Topics that queries read or write, without internal ones; each once, in the order of the relations' names.
    pub fn topics(&self) -> Vec<TopicNeed> {
        let mut needs: Vec<TopicNeed> = Vec::new();
        for relation in self.catalog.relations() {
            let need = TopicNeed {
                name: relation.topic.clone(),
                partitions: relation.partitions,
                compacted: relation.mode == ChangeMode::Upsert,
            };
            match needs.iter_mut().find(|known| known.name == need.name) {
                Some(known) => known.partitions = known.partitions.or(need.partitions),
                None => needs.push(need),
            }
        }
        for topic in self.queries.iter().flat_map(|query| query.side_topics()) {
            if needs.iter().all(|known| known.name != topic) {
                needs.push(TopicNeed { name: topic.to_owned(), partitions: None, compacted: false });
            }
        }
        needs
    }

    /// What `EXPLAIN` prints, for every query.
    pub fn explain(&self) -> String {
        let texts: Vec<&str> = self.queries.iter().map(|query| query.explanation.as_str()).collect();
        texts.join("\n")
    }
}

impl QueryPlan {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Names of the relations it reads.
    pub(crate) fn reads(&self) -> impl Iterator<Item = &str> {
        self.graph.sources().map(|(_, source)| source.relation.name.as_str())
    }

    /// The name of the relation it writes.
    pub(crate) fn writes(&self) -> &str {
        self.sink().map_or("", |sink| sink.relation.name.as_str())
    }

    /// Stands for what the query's state depends on: another number, another state.
    pub(crate) fn memory_hash(&self) -> u64 {
        compatible::memory_hash(self)
    }

    /// Topics that are read, each once, in the order of the query.
    pub fn input_topics(&self) -> Vec<&str> {
        let mut topics = Vec::new();
        for (_, source) in self.graph.sources() {
            let topic = source.relation.topic.as_str();
            if !topics.contains(&topic) {
                topics.push(topic);
            }
        }
        topics
    }

    /// The topic of the result.
    pub fn output_topic(&self) -> &str {
        self.sink().map_or("", |sink| sink.relation.topic.as_str())
    }

    /// Topics that are written, each by its place here: those of the sinks, and behind them those of what does not become a
    /// result.
    pub fn output_topics(&self) -> Vec<&str> {
        let sinks = self.graph.nodes.iter().filter_map(|node| match &node.step {
            Step::Sink(sink) => Some(sink.relation.topic.as_str()),
            _ => None,
        });
        sinks.chain(self.side_topics()).collect()
    }

    /// Topics of late rows and of records that could not be read, each once.
    pub(crate) fn side_topics(&self) -> Vec<&str> {
        let mut topics: Vec<&str> = self.late_topic.as_deref().into_iter().collect();
        for (_, source) in self.graph.sources() {
            if let Some(OnError::DeadLetter(topic)) = &source.on_error
                && !topics.contains(&topic.as_str())
            {
                topics.push(topic);
            }
        }
        topics
    }

    /// What becomes of the result.
    pub(crate) fn sink(&self) -> Option<&SinkPlan> {
        self.graph.nodes.iter().find_map(|node| match &node.step {
            Step::Sink(sink) => Some(sink),
            _ => None,
        })
    }

    /// Topics that only this query writes and reads, for its state.
    pub fn internal_topics(&self) -> Vec<String> {
        if self.is_stateful() { vec![self.changelog_topic()] } else { Vec::new() }
    }

    /// The consumer group that carries the query's positions; it never has members.
    pub fn group(&self) -> String {
        format!("millstream-{}-{}", self.pipeline, self.name)
    }

    pub(crate) fn changelog_topic(&self) -> String {
        format!("__{}-{}-changelog", self.pipeline, self.name)
    }

    pub(crate) fn transactional_id(&self, task: usize) -> String {
        format!("millstream-{}-{}-{task}", self.pipeline, self.name)
    }

    pub(crate) fn is_stateful(&self) -> bool {
        self.graph.nodes.iter().any(|node| node.step.is_stateful())
    }

    /// What `EXPLAIN` prints.
    pub fn explain(&self) -> &str {
        &self.explanation
    }
}
