//! From statements to the plan of each query: SQL planning, an allow-list of optimizer rules, the analysis that
//! decides what can run on streams, and what `EXPLAIN` prints.
//!
//! No broker is needed and nothing runs here.

mod analyze;
mod context;
mod explain;
mod logical;
mod origin;
mod program;
mod result;
mod stage;
mod trouble;
mod window;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use program::{PlanContext, Program};
pub(crate) use stage::{
    AggregateCall, AggregateFunction, AggregatePlan, AggregateWindow, SinkPlan, SourcePlan, Stage,
};
pub(crate) use window::WindowSize;

use crate::sql::catalog::{Catalog, ChangeMode};

/// What a program runs: every query, and every relation it declares.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) queries: Vec<Arc<QueryPlan>>,
    pub(crate) catalog: Catalog,
}

/// One query that runs until it is stopped: reads one topic, writes one topic.
#[derive(Debug)]
pub struct QueryPlan {
    pub(crate) pipeline: String,
    pub(crate) name: String,
    pub(crate) source: SourcePlan,
    pub(crate) stages: Vec<Stage>,
    pub(crate) sink: SinkPlan,
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

    pub fn input_topic(&self) -> &str {
        &self.source.relation.topic
    }

    pub fn output_topic(&self) -> &str {
        &self.sink.relation.topic
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
        self.stages.iter().any(|stage| matches!(stage, Stage::Aggregate(_)))
    }

    /// What `EXPLAIN` prints.
    pub fn explain(&self) -> &str {
        &self.explanation
    }
}
