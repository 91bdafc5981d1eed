//! The parts of a pipeline, each beside the code that reads it from the tree.

use std::collections::BTreeMap;

use super::grants::Grants;
use crate::config::diagnostic::{Location, Report};
use crate::config::reader::{self, Fields, Text};
use crate::config::yaml::{Data, Entry, Node};
use crate::connect::{EditKind, edits};

/// Longest topic name Kafka allows.
const TOPIC_NAME_BYTES_MAX: usize = 249;

/// Most partitions one topic may be declared with.
const PARTITIONS_MAX: i64 = 100_000;

/// Most attempts `on_error.retries` may ask for.
const RETRIES_MAX: i64 = 1_000_000;

#[derive(Clone, Debug)]
pub enum Cluster {
    /// A node inside this process.
    Embedded,
    /// Any Kafka cluster, by `host:port` addresses.
    Bootstrap(Vec<String>),
}

impl Cluster {
    pub fn read(node: &Node, report: &mut Report) -> Option<Self> {
        if matches!(node.data, Data::Scalar(_)) {
            let found = reader::text(node, "cluster", report)?;
            if found.value == "embedded" {
                return Some(Self::Embedded);
            }
            let message =
                format!("\"cluster\" is embedded or {{ bootstrap: \"host:port\" }}, not \"{}\"", found.value);
            report.error(&found.location, message);
            return None;
        }
        let mut fields = Fields::open(node, "cluster", report)?;
        let addresses = fields
            .required("bootstrap", report)
            .map(|node| reader::texts(node, "bootstrap", report))
            .unwrap_or_default();
        if let Some(security) = fields.entry("security") {
            let message = "\"security\" is not supported by this version: only plain connections are";
            report.error(&security.key_location, message);
        }
        fields.finish(report);
        let mut listed = Vec::new();
        for text in &addresses {
            for address in text.value.split(',').map(str::trim).filter(|address| !address.is_empty()) {
                check_address(address, &text.location, report);
                listed.push(address.to_owned());
            }
        }
        (!listed.is_empty()).then_some(Self::Bootstrap(listed))
    }
}

fn check_address(address: &str, location: &Location, report: &mut Report) {
    let port = address.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
    if !matches!(port, Some((host, Ok(_))) if !host.is_empty()) {
        report.error(location, format!("\"{address}\" is not host:port"));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Csv,
    Raw,
}

impl Format {
    const WORDS: [(&'static str, Self); 3] = [("json", Self::Json), ("csv", Self::Csv), ("raw", Self::Raw)];

    pub fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Raw => "raw",
        }
    }
}

#[derive(Clone, Debug)]
pub struct TopicPart {
    pub name: String,
    pub location: Location,
    /// As it was written, resolved.
    pub tree: Node,
    /// The cluster's default when absent.
    pub partitions: Option<i32>,
    pub replicas: Option<i16>,
    /// Kafka's topic settings, by their own names.
    pub config: BTreeMap<String, Text>,
    pub format: Option<Format>,
}

impl TopicPart {
    pub fn read(entry: &Entry, report: &mut Report) -> Option<Self> {
        check_topic_name(&entry.key, &entry.key_location, report);
        let mut fields = Fields::open(&entry.value, "a topic", report)?;
        let partitions = fields.integer("partitions", 1, PARTITIONS_MAX, report);
        let replicas = fields.integer("replicas", 1, i64::from(i16::MAX), report);
        let format = fields.text("format", report);
        let config = fields.node("config").map(|node| read_settings(node, report)).unwrap_or_default();
        fields.finish(report);
        Some(Self {
            name: entry.key.clone(),
            location: entry.key_location.clone(),
            tree: entry.value.clone(),
            partitions: partitions.and_then(|count| i32::try_from(count).ok()),
            replicas: replicas.and_then(|count| i16::try_from(count).ok()),
            config,
            format: format.and_then(|text| reader::choice(&text, "format", &Format::WORDS, report)),
        })
    }
}

fn read_settings(node: &Node, report: &mut Report) -> BTreeMap<String, Text> {
    let Some(entries) = node.entries() else {
        report.error(&node.location, format!("\"config\" must be a mapping, not {}", node.kind()));
        return BTreeMap::new();
    };
    entries
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), reader::text(&entry.value, &entry.key, report)?)))
        .collect()
}

/// Kafka's rule for topic names.
pub fn check_topic_name(name: &str, location: &Location, report: &mut Report) {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let reason = if name.is_empty() {
        "is empty"
    } else if name == "." || name == ".." {
        "may not be . or .."
    } else if name.len() > TOPIC_NAME_BYTES_MAX {
        "is longer than 249 characters"
    } else if !name.bytes().all(legal) {
        "may hold only letters, digits, '.', '_' and '-'"
    } else {
        return;
    };
    report.error(location, format!("topic name \"{name}\" {reason}"));
}

#[derive(Clone, Debug)]
pub struct SourcePart {
    pub name: String,
    pub location: Location,
    /// As it was written, resolved.
    pub tree: Node,
    pub plugin: Text,
    /// The plugin's own settings.
    pub settings: Node,
    /// A topic, or a template per record such as `{schema}.{table}`.
    pub to: Text,
    pub key: Option<Text>,
    pub timestamp: Option<Text>,
    pub steps: Vec<Step>,
    pub errors: Errors,
    pub grants: Grants,
}

impl SourcePart {
    pub fn read(entry: &Entry, report: &mut Report) -> Option<Self> {
        check_part_name(entry, report);
        let mut fields = Fields::open(&entry.value, "a source", report)?;
        let plugin = fields.required_text("use", report);
        let settings = settings_or_none(fields.node("with"), &entry.value.location, report);
        let to = fields.required_text("to", report);
        let key = fields.text("key", report);
        let timestamp = fields.text("timestamp", report);
        let steps = fields.node("transforms").map(|node| Step::read_all(node, report)).unwrap_or_default();
        let errors = fields.node("on_error").map(|node| Errors::read(node, report)).unwrap_or_default();
        let grants = fields.node("allow").and_then(|node| Grants::read(node, report)).unwrap_or_default();
        fields.finish(report);
        let to = to?;
        if !to.value.contains('{') {
            check_topic_name(&to.value, &to.location, report);
        }
        Some(Self {
            name: entry.key.clone(),
            location: entry.key_location.clone(),
            tree: entry.value.clone(),
            plugin: plugin?,
            settings,
            to,
            key,
            timestamp,
            steps,
            errors,
            grants,
        })
    }

    /// The one topic this source writes to, unless it is a template.
    pub fn topic(&self) -> Option<&str> {
        (!self.to.value.contains('{')).then_some(self.to.value.as_str())
    }
}

#[derive(Clone, Debug)]
pub struct SinkPart {
    pub name: String,
    pub location: Location,
    /// As it was written, resolved.
    pub tree: Node,
    pub plugin: Text,
    pub settings: Node,
    /// Topics, or tables and streams of the SQL, which are topics too.
    pub from: Vec<Text>,
    pub steps: Vec<Step>,
    pub errors: Errors,
    pub grants: Grants,
}

impl SinkPart {
    pub fn read(entry: &Entry, report: &mut Report) -> Option<Self> {
        check_part_name(entry, report);
        let mut fields = Fields::open(&entry.value, "a sink", report)?;
        let plugin = fields.required_text("use", report);
        let settings = settings_or_none(fields.node("with"), &entry.value.location, report);
        let from = fields.required("from", report).map(|node| reader::texts(node, "from", report));
        let steps = fields.node("transforms").map(|node| Step::read_all(node, report)).unwrap_or_default();
        let errors = fields.node("on_error").map(|node| Errors::read(node, report)).unwrap_or_default();
        let grants = fields.node("allow").and_then(|node| Grants::read(node, report)).unwrap_or_default();
        fields.finish(report);
        Some(Self {
            name: entry.key.clone(),
            location: entry.key_location.clone(),
            tree: entry.value.clone(),
            plugin: plugin?,
            settings,
            from: from.filter(|topics| !topics.is_empty())?,
            steps,
            errors,
            grants,
        })
    }
}

fn settings_or_none(node: Option<&Node>, location: &Location, report: &mut Report) -> Node {
    let empty = || Node { location: location.clone(), data: Data::Mapping(Vec::new()) };
    match node {
        Some(node) if node.entries().is_some() => node.clone(),
        Some(node) if node.is_null() => empty(),
        Some(node) => {
            report.error(&node.location, format!("\"with\" must be a mapping, not {}", node.kind()));
            empty()
        }
        None => empty(),
    }
}

/// Names become parts of group names, transactional ids and metrics.
fn check_part_name(entry: &Entry, report: &mut Report) {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if entry.key.is_empty() || entry.key.len() > 64 || !entry.key.bytes().all(legal) {
        let message = format!("name \"{}\" must be 1 to 64 letters, digits, '_' or '-'", entry.key);
        report.error(&entry.key_location, message);
    }
}

/// One transform step.
#[derive(Clone, Debug)]
pub struct Step {
    pub location: Location,
    pub kind: StepKind,
    pub grants: Grants,
}

#[derive(Clone, Debug)]
pub enum StepKind {
    /// A SQL condition; other records are dropped.
    Filter(Text),
    /// Computed fields in the order they were written: name and SQL expression.
    Map(Vec<(String, Text)>),
    /// A script that edits one record.
    Rhai(Text),
    /// A component and its settings.
    Wasm { component: Text, settings: Node },
    /// A built-in step and its options.
    Edit { kind: &'static EditKind, settings: Node },
}

impl Step {
    pub fn read_all(node: &Node, report: &mut Report) -> Vec<Self> {
        match &node.data {
            Data::Sequence(items) => items.iter().filter_map(|item| Self::read(item, report)).collect(),
            _ if node.is_null() => Vec::new(),
            _ => {
                report.error(&node.location, format!("\"transforms\" must be a list, not {}", node.kind()));
                Vec::new()
            }
        }
    }

    fn read(node: &Node, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, "a transform", report)?;
        let filter = fields.text("filter", report).map(StepKind::Filter);
        let map = fields.node("map").and_then(|node| read_map(node, report)).map(StepKind::Map);
        let rhai = fields.text("rhai", report).map(StepKind::Rhai);
        let wasm = fields.text("wasm", report);
        let settings = wasm.as_ref().map(|_| settings_or_none(fields.node("with"), &node.location, report));
        let wasm = wasm.zip(settings).map(|(component, settings)| StepKind::Wasm { component, settings });
        let grants = fields.node("allow").and_then(|node| Grants::read(node, report)).unwrap_or_default();
        let mut edit = None;
        for kind in edits() {
            if let Some(settings) = fields.node(kind.name) {
                edit = Some(StepKind::Edit { kind, settings: settings.clone() });
            }
        }
        let names = ["filter", "map", "rhai", "wasm"].into_iter().chain(edits().iter().map(|edit| edit.name));
        let named = names.clone().filter(|key| node.get(key).is_some()).count();
        fields.finish(report);
        let mut kinds = [filter, map, rhai, wasm, edit].into_iter().flatten();
        match named {
            1 => Some(Self { location: node.location.clone(), kind: kinds.next()?, grants }),
            0 => {
                let names: Vec<&str> = names.collect();
                report.error(&node.location, format!("a transform is one of {}", names.join(", ")));
                None
            }
            _ => {
                report.error(&node.location, "a step does one thing; write each as its own list item");
                None
            }
        }
    }
}

fn read_map(node: &Node, report: &mut Report) -> Option<Vec<(String, Text)>> {
    let Some(entries) = node.entries() else {
        let message = format!("expected a mapping of names to text, found {}", node.kind());
        report.error(&node.location, message);
        return None;
    };
    let fields = entries.iter();
    Some(fields.filter_map(|e| Some((e.key.clone(), reader::text(&e.value, &e.key, report)?))).collect())
}

/// What happens to records and batches that fail.
#[derive(Clone, Debug, Default)]
pub struct Errors {
    /// Attempts after the first for errors that may pass; the task's default when absent.
    pub retries: Option<u32>,
    pub then: ErrorsThen,
    /// Where dead letters go; `<pipeline>.<name>.dlq` when absent.
    pub topic: Option<Text>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorsThen {
    #[default]
    Fail,
    Skip,
    DeadLetter,
}

impl Errors {
    /// The topic of dead letters, if there is one, of the node of that name.
    pub fn dead_letters(&self, pipeline: &str, node: &str) -> Option<String> {
        let default = || format!("{pipeline}.{node}.dlq");
        let topic = || self.topic.as_ref().map_or_else(default, |topic| topic.value.clone());
        (self.then == ErrorsThen::DeadLetter).then(topic)
    }

    const WORDS: [(&'static str, ErrorsThen); 3] =
        [("fail", ErrorsThen::Fail), ("skip", ErrorsThen::Skip), ("dead-letter", ErrorsThen::DeadLetter)];

    pub fn read(node: &Node, report: &mut Report) -> Self {
        if matches!(node.data, Data::Scalar(_)) && !node.is_null() {
            let then = reader::text(node, "on_error", report)
                .and_then(|text| reader::choice(&text, "on_error", &Self::WORDS, report));
            return Self { then: then.unwrap_or_default(), ..Self::default() };
        }
        let Some(mut fields) = Fields::open(node, "on_error", report) else { return Self::default() };
        let retries = fields.integer("retries", 0, RETRIES_MAX, report);
        let then = fields.text("then", report);
        let topic = fields.text("topic", report);
        fields.finish(report);
        let then =
            then.and_then(|text| reader::choice(&text, "then", &Self::WORDS, report)).unwrap_or_default();
        if let Some(topic) = &topic {
            check_topic_name(&topic.value, &topic.location, report);
            if then != ErrorsThen::DeadLetter {
                report.error(&topic.location, "\"topic\" is for dead letters; add \"then: dead-letter\"");
            }
        }
        Self { retries: retries.and_then(|count| u32::try_from(count).ok()), then, topic }
    }
}

/// One block of SQL statements.
#[derive(Clone, Debug)]
pub struct SqlPart {
    pub text: Text,
}

/// A case of `tests:`.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub location: Location,
    /// The virtual clock's start, RFC 3339.
    pub at: Option<Text>,
    /// Expected objects name all fields.
    pub exact: bool,
    /// Records are expected in this order.
    pub ordered: bool,
    pub given: Vec<(Text, Vec<CaseRecord>)>,
    pub expect: Vec<(Text, Vec<CaseRecord>)>,
}

#[derive(Clone, Debug)]
pub struct CaseRecord {
    pub key: Option<serde_json::Value>,
    pub value: serde_json::Value,
    pub timestamp: Option<Text>,
    /// Names and texts.
    pub headers: Vec<(String, String)>,
}

impl CaseRecord {
    pub fn timestamp_ms(&self) -> Option<i64> {
        self.timestamp.as_ref().and_then(instant_ms)
    }
}

fn instant_ms(text: &Text) -> Option<i64> {
    let instant = chrono::DateTime::parse_from_rfc3339(&text.value).ok();
    instant.map(|instant| instant.timestamp_millis()).or_else(|| text.value.parse().ok())
}

fn check_instant(text: &Text, what: &str, report: &mut Report) {
    if instant_ms(text).is_none() {
        let message =
            format!("\"{what}\" must be a time such as 2026-01-01T00:00:00Z, not \"{}\"", text.value);
        report.error(&text.location, message);
    }
}

impl Case {
    /// Where the clock stands, in milliseconds since 1970.
    pub fn at_ms(&self) -> Option<i64> {
        self.at.as_ref().and_then(instant_ms)
    }

    pub fn read(node: &Node, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, "a test", report)?;
        let name = fields.required_text("name", report);
        let at = fields.text("at", report);
        let exact = fields.boolean("exact", report).unwrap_or(false);
        let ordered = fields.boolean("ordered", report).unwrap_or(false);
        let given = fields.node("given").map(|node| read_records(node, "given", report)).unwrap_or_default();
        let expect = fields
            .required("expect", report)
            .map(|node| read_records(node, "expect", report))
            .unwrap_or_default();
        fields.finish(report);
        if let Some(at) = &at {
            check_instant(at, "at", report);
        }
        let name = name?;
        Some(Self { name: name.value, location: name.location, at, exact, ordered, given, expect })
    }
}

fn read_records(node: &Node, what: &str, report: &mut Report) -> Vec<(Text, Vec<CaseRecord>)> {
    let Some(entries) = node.entries() else {
        report.error(
            &node.location,
            format!("\"{what}\" must map topics to lists of records, not be {}", node.kind()),
        );
        return Vec::new();
    };
    let mut topics = Vec::new();
    for entry in entries {
        let Data::Sequence(items) = &entry.value.data else {
            let message = format!("\"{}\" must be a list of records, not {}", entry.key, entry.value.kind());
            report.error(&entry.value.location, message);
            continue;
        };
        let records = items.iter().filter_map(|item| read_record(item, report)).collect();
        let location = entry.key_location.clone();
        let origin = crate::config::yaml::TextOrigin::Inline(location.clone());
        topics.push((Text { value: entry.key.clone(), location, origin }, records));
    }
    topics
}

fn read_record(node: &Node, report: &mut Report) -> Option<CaseRecord> {
    let mut fields = Fields::open(node, "a record", report)?;
    let key = fields.node("key").map(reader::to_json);
    let value = fields.required("value", report).map(reader::to_json);
    let timestamp = fields.text("timestamp", report);
    let headers = fields.node("headers").map(|node| read_map(node, report).unwrap_or_default());
    fields.finish(report);
    if let Some(timestamp) = &timestamp {
        check_instant(timestamp, "timestamp", report);
    }
    let headers = headers.into_iter().flatten().map(|(name, text)| (name, text.value)).collect();
    Some(CaseRecord { key, value: value?, timestamp, headers })
}
