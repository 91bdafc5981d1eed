//! What statements are answered: a word that it is done, or a table.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use serde_json::{Value, json};

use super::context::functions;
use super::planning::{Entry, EntryState, Planning};
use crate::format::column::sql_name;
use crate::sql::catalog::{METADATA_COLUMNS, Relation, metadata_type};
use crate::sql::parse::{RelationKind, Show, Statement};

/// The answer to one statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// As it was written.
    pub statement: Arc<str>,
    /// What was done; empty for statements that only ask.
    pub message: String,
    pub table: Option<Table>,
}

/// Rows of JSON values under named columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<Value>>,
}

/// What is known outside the statements.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    /// What a query is doing, by name.
    pub states: BTreeMap<String, &'static str>,
    /// The cluster's topics; absent where no cluster is known.
    pub topics: Option<Vec<TopicShown>>,
    /// Statements that could not be planned again: name, text and reason.
    pub broken: Vec<(String, String, String)>,
}

#[derive(Debug, Clone)]
pub(crate) struct TopicShown {
    pub name: String,
    pub partitions: usize,
}

impl Answer {
    pub(super) fn done(statement: &Statement, message: String) -> Answer {
        Answer { statement: statement.text.clone(), message, table: None }
    }

    fn table(statement: &Statement, columns: Vec<&'static str>, rows: Vec<Vec<Value>>) -> Answer {
        let table = Some(Table { columns, rows });
        Answer { statement: statement.text.clone(), message: String::new(), table }
    }

    pub(super) fn plan(statement: &Statement, text: &str) -> Answer {
        let rows = text.lines().map(|line| vec![json!(line)]).collect();
        Answer::table(statement, vec!["plan"], rows)
    }
}

impl Planning {
    pub(super) fn show(&self, statement: &Statement, what: Show, world: &World) -> Answer {
        match what {
            Show::Streams => self.show_relations(statement, RelationKind::Stream),
            Show::Tables => self.show_relations(statement, RelationKind::Table),
            Show::Queries => self.show_queries(statement, world),
            Show::Topics => self.show_topics(statement, world),
            Show::Functions => show_functions(statement),
        }
    }

    fn show_relations(&self, statement: &Statement, kind: RelationKind) -> Answer {
        let rows = self.catalog().relations().filter(|relation| relation.kind == kind).map(|relation| {
            let columns =
                [json!(relation.name), json!(relation.topic), json!(relation.format.name())].into_iter();
            columns.chain([json!(relation.key), json!(relation.mode.name())]).collect()
        });
        Answer::table(statement, vec!["name", "topic", "format", "key", "changes"], rows.collect())
    }

    fn show_queries(&self, statement: &Statement, world: &World) -> Answer {
        let mut rows: Vec<Vec<Value>> = Vec::new();
        for entry in self.entries() {
            let Some(query) = entry.live_query() else { continue };
            let state = match entry.state {
                EntryState::Paused => "paused",
                _ => world.states.get(query.name()).copied().unwrap_or("planned"),
            };
            let reads: Vec<&str> = query.reads().collect();
            rows.push(vec![
                json!(query.name()),
                json!(state),
                json!(reads),
                json!(query.writes()),
                json!(entry.statement.text.as_ref()),
            ]);
        }
        for (name, text, _) in &world.broken {
            rows.push(vec![json!(name), json!("failed"), json!([]), Value::Null, json!(text)]);
        }
        Answer::table(statement, vec!["name", "state", "reads", "writes", "statement"], rows)
    }

    fn show_topics(&self, statement: &Statement, world: &World) -> Answer {
        let used = |topic: &str| {
            let relations = self.catalog().relations().filter(|relation| relation.topic == topic);
            relations.map(|relation| relation.name.clone()).collect::<Vec<_>>()
        };
        let rows = match &world.topics {
            Some(topics) => topics
                .iter()
                .map(|topic| vec![json!(topic.name), json!(topic.partitions), json!(used(&topic.name))])
                .collect(),
            None => {
                let mut names: Vec<&str> =
                    self.catalog().relations().map(|relation| relation.topic.as_str()).collect();
                names.sort_unstable();
                names.dedup();
                names.into_iter().map(|name| vec![json!(name), Value::Null, json!(used(name))]).collect()
            }
        };
        Answer::table(statement, vec!["name", "partitions", "relations"], rows)
    }

    pub(super) fn describe(&self, statement: &Statement, relation: &Relation) -> Answer {
        let mut rows: Vec<Vec<Value>> = Vec::new();
        for field in relation.schema.fields() {
            let role = match relation.key.iter().position(|name| name == field.name()) {
                Some(_) if relation.kind == RelationKind::Table => "primary key",
                Some(_) => "key",
                None => "",
            };
            let watermark = relation.watermark.as_ref().filter(|mark| mark.column == *field.name());
            let note = watermark.map_or(String::new(), |mark| format!("watermark {}", mark.expression));
            rows.push(described(field, role, note));
        }
        for name in METADATA_COLUMNS {
            let field = Field::new(name, metadata_type(name), true);
            rows.push(described(&field, "metadata", String::new()));
        }
        let written: Vec<String> = self
            .entries()
            .iter()
            .filter(|entry| entry.live_query().is_some_and(|query| query.writes() == relation.name))
            .map(|entry| entry.name.clone())
            .collect();
        let read: Vec<&str> =
            self.entries().iter().filter(|entry| reads(entry, relation)).map(Entry::label).collect();
        let message = format!(
            "{} `{}`: topic `{}` as {}; {}; written by {}; read by {}",
            relation.kind.name(),
            relation.name,
            relation.topic,
            relation.format.name(),
            relation.mode.name(),
            listed(written.iter().map(String::as_str)),
            listed(read.into_iter()),
        );
        Answer { message, ..Answer::table(statement, vec!["column", "type", "role", "note"], rows) }
    }
}

impl Entry {
    fn label(&self) -> &str {
        &self.name
    }
}

fn reads(entry: &Entry, relation: &Relation) -> bool {
    entry.live_query().is_some_and(|query| query.reads().any(|name| name == relation.name))
}

fn described(field: &Field, role: &str, note: String) -> Vec<Value> {
    vec![json!(field.name()), json!(type_name(field.data_type())), json!(role), json!(note)]
}

/// As `CREATE` would have it.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Timestamp(_, None) => "TIMESTAMP".to_owned(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP WITH TIME ZONE".to_owned(),
        other => sql_name(other),
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "no query".to_owned() } else { names.join(", ") }
}

fn show_functions(statement: &Statement) -> Answer {
    let known = functions();
    let mut rows: Vec<(&str, &str)> = known.scalar.keys().map(|name| (name.as_str(), "scalar")).collect();
    rows.extend(super::analyze::AGGREGATES.iter().map(|name| (*name, "aggregate")));
    rows.extend(["cumulate", "hop", "session", "tumble"].map(|name| (name, "window")));
    rows.sort_unstable();
    let rows = rows.into_iter().map(|(name, kind)| vec![json!(name), json!(kind)]).collect();
    Answer::table(statement, vec!["name", "kind"], rows)
}
