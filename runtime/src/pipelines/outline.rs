//! What a pipeline declares, part by part, so that two versions of it can be held against each other.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::config::pipeline::{Cluster, Pipeline};
use crate::config::reader;
use crate::config::yaml::{Data, Form, Node};

/// Marks a secret's fingerprint: it is compared and never shown.
const SECRET: &str = "\u{0}secret ";

/// Other in each process, so that a fingerprint says nothing outside it.
static FINGERPRINTS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The parts of a pipeline as JSON.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outline {
    pub cluster: String,
    pub topics: BTreeMap<String, Value>,
    pub sources: BTreeMap<String, Value>,
    pub sql: Vec<String>,
    pub sinks: BTreeMap<String, Value>,
}

impl Outline {
    pub fn of(pipeline: &Pipeline) -> Outline {
        let cluster = match &pipeline.cluster {
            Cluster::Embedded => "embedded".to_owned(),
            Cluster::Bootstrap(addresses) => addresses.join(","),
        };
        Outline {
            cluster,
            topics: pipeline.topics.iter().map(|part| (part.name.clone(), fingerprint(&part.tree))).collect(),
            sources: pipeline
                .sources
                .iter()
                .map(|part| (part.name.clone(), fingerprint(&part.tree)))
                .collect(),
            sql: pipeline.streams.iter().map(|part| part.text.value.trim().to_owned()).collect(),
            sinks: pipeline.sinks.iter().map(|part| (part.name.clone(), fingerprint(&part.tree))).collect(),
        }
    }

    /// What has to happen for `self` to become `new`.
    pub fn changes_to(&self, new: &Outline) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.cluster != new.cluster && !self.cluster.is_empty() {
            let fields =
                vec![FieldChange::new("cluster", Some(&json!(self.cluster)), Some(&json!(new.cluster)))];
            changes.push(Change {
                section: Section::Cluster,
                name: String::new(),
                kind: ChangeKind::Changed,
                fields,
            });
        }
        compare(Section::Topic, &self.topics, &new.topics, &mut changes);
        compare(Section::Source, &self.sources, &new.sources, &mut changes);
        let sql = |texts: &[String]| -> BTreeMap<String, Value> {
            match texts.is_empty() {
                true => BTreeMap::new(),
                false => BTreeMap::from([(String::new(), json!(texts.join("\n")))]),
            }
        };
        compare(Section::Sql, &sql(&self.sql), &sql(&new.sql), &mut changes);
        compare(Section::Sink, &self.sinks, &new.sinks, &mut changes);
        changes
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    Cluster,
    Topic,
    Source,
    /// All queries together: they start anew from their own positions and state.
    Sql,
    Sink,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    Added,
    Changed,
    Removed,
}

/// One part that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    pub section: Section,
    pub name: String,
    pub kind: ChangeKind,
    pub fields: Vec<FieldChange>,
}

impl Change {
    /// Whether it is about a source or sink.
    pub fn is_of_worker(&self) -> bool {
        matches!(self.section, Section::Source | Section::Sink)
    }

    /// What takes it back.
    pub fn inverse(&self) -> Change {
        let kind = match self.kind {
            ChangeKind::Added => ChangeKind::Removed,
            ChangeKind::Removed => ChangeKind::Added,
            ChangeKind::Changed => ChangeKind::Changed,
        };
        Change { kind, ..self.clone() }
    }
}

/// One value within a part that differs. Secrets show as such.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldChange {
    pub path: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

impl FieldChange {
    fn new(path: &str, before: Option<&Value>, after: Option<&Value>) -> FieldChange {
        FieldChange { path: path.to_owned(), before: before.map(shown), after: after.map(shown) }
    }
}

/// `+ source pg`, `~ sink files` and its fields below it, `- sink old`.
impl fmt::Display for Change {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.kind {
            ChangeKind::Added => '+',
            ChangeKind::Changed => '~',
            ChangeKind::Removed => '-',
        };
        let section = match self.section {
            Section::Cluster => "cluster (everything restarts)",
            Section::Topic => "topic",
            Section::Source => "source",
            Section::Sql => "sql (its queries restart)",
            Section::Sink => "sink",
        };
        writeln!(to, "{sign} {}", format!("{section} {}", self.name).trim_end())?;
        for FieldChange { path, before, after } in &self.fields {
            let text =
                |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
            writeln!(to, "    {path}: {} → {}", text(before), text(after))?;
        }
        Ok(())
    }
}

fn compare(
    section: Section,
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
    changes: &mut Vec<Change>,
) {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let (old, new) = (before.get(name), after.get(name));
        let kind = match (old, new) {
            (None, Some(_)) => ChangeKind::Added,
            (Some(_), None) => ChangeKind::Removed,
            (Some(old), Some(new)) if old != new => ChangeKind::Changed,
            _ => continue,
        };
        let mut fields = Vec::new();
        if kind == ChangeKind::Changed {
            field_changes("", old, new, &mut fields);
        }
        changes.push(Change { section, name: name.clone(), kind, fields });
    }
}

fn field_changes(path: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                field_changes(&path, old.get(name), new.get(name), changes);
            }
        }
        (Some(Value::String(old)), Some(Value::String(new))) if old.contains('\n') || new.contains('\n') => {
            changes.push(line_change(path, old, new));
        }
        _ => changes.push(FieldChange::new(if path.is_empty() { "value" } else { path }, before, after)),
    }
}

/// Of long texts, the first line that differs says enough.
fn line_change(path: &str, old: &str, new: &str) -> FieldChange {
    let (mut before, mut after) = (old.lines(), new.lines());
    let mut number = 1;
    loop {
        let (left, right) = (before.next(), after.next());
        if left != right || left.is_none() {
            let path = format!("{path}{}line {number}", if path.is_empty() { "" } else { ", " });
            let value = |line: Option<&str>| line.map(|line| json!(line));
            return FieldChange { path, before: value(left), after: value(right) };
        }
        number += 1;
    }
}

/// A part as JSON, secrets by their fingerprints.
pub fn fingerprint(node: &Node) -> Value {
    match &node.data {
        Data::Scalar(scalar) if scalar.form == Form::Secret => {
            json!(format!("{SECRET}{:x}", FINGERPRINTS.hash_one(&scalar.text)))
        }
        Data::Scalar(_) => reader::to_json(node),
        Data::Sequence(items) => Value::Array(items.iter().map(fingerprint).collect()),
        Data::Mapping(entries) => {
            let fields = entries.iter().map(|entry| (entry.key.clone(), fingerprint(&entry.value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
    }
}

/// A part as people may see it.
pub fn shown(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with(SECRET) => json!("(secret)"),
        Value::Array(items) => Value::Array(items.iter().map(shown).collect()),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), shown(value))).collect())
        }
        other => other.clone(),
    }
}
