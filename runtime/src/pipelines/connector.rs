//! Sources and sinks as Kafka Connect sees them: a flat configuration of texts, a name, a state.
//!
//! A connector is a source or sink of a pipeline, called `pipeline.node`, or just `node` where both are the same. What is
//! made over HTTP becomes a part of a pipeline as if it stood in a file; what stands in a file is shown as a configuration.

use std::collections::BTreeMap;

use millstream_sdk::config::{ConfigOption, Kind, Presence};
use millstream_sdk::plugin::{Description, Plugin, Role};
use serde_json::{Map, Value, json};

use super::outline::{fingerprint, shown};
use super::{Bundle, Override, Pipelines, Refusal, check};
use crate::config::pipeline::{SinkPart, SourcePart};
use crate::config::suggest::did_you_mean;
use crate::connect::{Target, TaskState, TaskStatus};

/// Keys of a configuration that are not the plugin's own.
const SHARED_KEYS: [&str; 15] = [
    "name",
    "connector.class",
    "tasks.max",
    "topic",
    "topics",
    "key",
    "timestamp",
    "transforms",
    "errors.tolerance",
    "errors.deadletterqueue.topic.name",
    "errors.retries",
    "errors.retry.timeout",
    "key.converter",
    "value.converter",
    "header.converter",
];

/// Kafka's file connectors, by their options' names here.
const KAFKA_FILE_CLASSES: [(&str, Role); 4] = [
    ("FileStreamSource", Role::Source),
    ("FileStreamSink", Role::Sink),
    ("org.apache.kafka.connect.file.FileStreamSourceConnector", Role::Source),
    ("org.apache.kafka.connect.file.FileStreamSinkConnector", Role::Sink),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectorType {
    Source,
    Sink,
}

impl ConnectorType {
    pub fn name(self) -> &'static str {
        match self {
            ConnectorType::Source => "source",
            ConnectorType::Sink => "sink",
        }
    }
}

/// One connector of this node.
#[derive(Debug, Clone)]
pub struct Connector {
    pub name: String,
    pub pipeline: String,
    pub node: String,
    pub kind: ConnectorType,
    pub config: BTreeMap<String, String>,
    pub topics: Vec<String>,
    pub target: Target,
    /// `None` while its pipeline does not run.
    pub status: Option<TaskStatus>,
    pub problem: Option<String>,
}

impl Connector {
    /// As Kafka Connect calls it.
    pub fn state(&self) -> &'static str {
        match (self.target, &self.status) {
            (Target::Paused, _) => "PAUSED",
            (Target::Stopped, _) => "STOPPED",
            (Target::Running, None) => "FAILED",
            (Target::Running, Some(status)) => match status.state {
                TaskState::Failed => "FAILED",
                TaskState::Starting => "UNASSIGNED",
                // An error holds it up: it does not run, and it has not given up.
                TaskState::Restarting | TaskState::Retrying => "RESTARTING",
                TaskState::Paused => "PAUSED",
                TaskState::Stopped => "STOPPED",
                TaskState::Running | TaskState::Drained | TaskState::Finished => "RUNNING",
            },
        }
    }

    pub fn info(&self) -> Value {
        let tasks: Vec<Value> = match self.target {
            Target::Stopped => Vec::new(),
            _ => vec![json!({ "connector": self.name, "task": 0 })],
        };
        json!({ "name": self.name, "config": self.config, "tasks": tasks, "type": self.kind.name() })
    }

    pub fn status_json(&self, worker: &str) -> Value {
        let state = self.state();
        let error = self
            .status
            .as_ref()
            .and_then(|status| status.last_error.clone())
            .or_else(|| self.problem.clone());
        let mut task = json!({ "id": 0, "state": state, "worker_id": worker });
        if let Some(error) = error {
            task["trace"] = json!(error);
        }
        // A failing task is the task's state; the connector itself is as it is told to be.
        let own = match state {
            "FAILED" | "RESTARTING" if self.status.is_some() => "RUNNING",
            other => other,
        };
        let tasks = if self.target == Target::Stopped { json!([]) } else { json!([task]) };
        json!({
            "name": self.name,
            "connector": { "state": own, "worker_id": worker },
            "tasks": tasks,
            "type": self.kind.name(),
            "millstream": self.status,
        })
    }
}

/// What a source or sink of a pipeline is called as a connector.
pub fn connector_name(pipeline: &str, node: &str) -> String {
    if pipeline == node { node.to_owned() } else { format!("{pipeline}.{node}") }
}

fn split_name(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or((name, name))
}

impl Pipelines {
    /// Every source and sink, by the name of its connector.
    pub fn connectors(&self) -> BTreeMap<String, Connector> {
        let entries = self.inner.entries.read();
        let mut found = BTreeMap::new();
        for (pipeline, entry) in entries.iter() {
            let Some(checked) = &entry.checked else { continue };
            let tasks = entry.run.as_ref().map(|run| run.tasks()).unwrap_or_default();
            let mut add = |node: &str, kind, config, topics| {
                let name = connector_name(pipeline, node);
                let status = tasks.iter().find(|task| task.node == node).cloned();
                let (pipeline, node) = (pipeline.clone(), node.to_owned());
                let (target, problem) = (entry.bundle.target(&node), entry.problem.clone());
                let mut config: BTreeMap<String, String> = config;
                config.insert("name".to_owned(), name.clone());
                found.insert(
                    name.clone(),
                    Connector { name, pipeline, node, kind, config, topics, target, status, problem },
                );
            };
            for source in &checked.pipeline.sources {
                let topics = source.topic().map(str::to_owned).into_iter().collect();
                add(&source.name, ConnectorType::Source, source_config(source), topics);
            }
            for sink in &checked.pipeline.sinks {
                let topics = sink.from.iter().map(|from| checked.topic_of(&from.value).to_owned()).collect();
                add(&sink.name, ConnectorType::Sink, sink_config(sink), topics);
            }
        }
        found
    }

    pub fn connector(&self, name: &str) -> Result<Connector, Refusal> {
        self.connectors().remove(name).ok_or_else(|| Refusal::NotFound(format!("Connector {name} not found")))
    }

    /// Makes a connector, or gives it another configuration; true when it is new.
    pub async fn put_connector(
        &self,
        name: &str,
        config: &BTreeMap<String, String>,
        initial: Option<Target>,
        must_be_new: bool,
    ) -> Result<bool, Refusal> {
        let _changing = self.inner.changing.lock().await;
        let (pipeline, node) = split_name(name);
        if !is_name(pipeline) || !is_name(node) {
            let rule =
                "1 to 64 letters, digits, '_' or '-', or two of those with a point between (pipeline.node)";
            return Err(Refusal::BadRequest(format!("connector name \"{name}\" must be {rule}")));
        }
        let is_new = !self.connectors().contains_key(name);
        if must_be_new && !is_new {
            return Err(Refusal::Conflict(format!("Connector {name} already exists")));
        }
        let part = part_of(config).map_err(|mistakes| {
            let listed: Vec<String> =
                mistakes.into_iter().map(|(key, message)| format!("{key}: {message}")).collect();
            Refusal::BadRequest(format!(
                "Connector configuration is invalid and contains the following {} error(s):\n{}",
                listed.len(),
                listed.join("\n")
            ))
        })?;
        let known = self.inner.entries.read().get(pipeline).map(|entry| entry.bundle.clone());
        let mut bundle = known.unwrap_or_else(|| Bundle::of_part(pipeline));
        bundle.overrides.insert(node.to_owned(), Some(part));
        if let (true, Some(target)) = (is_new, initial) {
            match target {
                Target::Running => drop(bundle.targets.remove(node)),
                other => drop(bundle.targets.insert(node.to_owned(), other)),
            }
        }
        match self.change(pipeline, bundle).await {
            Err(Refusal::Invalid(findings)) => Err(Refusal::BadRequest(findings)),
            Err(other) => Err(other),
            Ok(_) => Ok(is_new),
        }
    }

    /// Takes a connector out of its pipeline; a pipeline that was made for it goes too.
    pub async fn delete_connector(&self, name: &str) -> Result<(), Refusal> {
        let _changing = self.inner.changing.lock().await;
        let connector = self.connector(name)?;
        let known = self.inner.entries.read().get(&connector.pipeline).map(|entry| entry.bundle.clone());
        let mut bundle = known.ok_or_else(|| Refusal::unknown(&connector.pipeline))?;
        bundle.overrides.insert(connector.node.clone(), None);
        bundle.targets.remove(&connector.node);
        let left = check(&bundle)?.pipeline;
        if left.sources.is_empty() && left.sinks.is_empty() && left.streams.is_empty() {
            return self.forget(&connector.pipeline).await;
        }
        self.change(&connector.pipeline, bundle).await.map(|_| ())
    }
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn source_config(part: &SourcePart) -> BTreeMap<String, String> {
    let mut config = part_config(&part.plugin.value, Role::Source, &shown(&fingerprint(&part.tree)));
    config.insert("topic".to_owned(), part.to.value.clone());
    config
}

fn sink_config(part: &SinkPart) -> BTreeMap<String, String> {
    let mut config = part_config(&part.plugin.value, Role::Sink, &shown(&fingerprint(&part.tree)));
    let topics: Vec<&str> = part.from.iter().map(|topic| topic.value.as_str()).collect();
    config.insert("topics".to_owned(), topics.join(","));
    config
}

/// A part's tree as a flat configuration.
fn part_config(plugin: &str, role: Role, tree: &Value) -> BTreeMap<String, String> {
    let mut config = BTreeMap::from([
        ("connector.class".to_owned(), format!("{plugin}-{}", role.name())),
        ("tasks.max".to_owned(), "1".to_owned()),
    ]);
    if let Some(settings) = tree["with"].as_object() {
        config.extend(settings.iter().map(|(name, value)| (name.clone(), flat(value))));
    }
    for key in ["key", "timestamp", "transforms"] {
        if !tree[key].is_null() {
            config.insert(key.to_owned(), flat(&tree[key]));
        }
    }
    let errors = &tree["on_error"];
    let then = errors.as_str().or_else(|| errors["then"].as_str()).unwrap_or("fail");
    if then != "fail" {
        config.insert("errors.tolerance".to_owned(), "all".to_owned());
    }
    if then == "dead-letter" {
        let topic = errors["topic"].as_str().unwrap_or_default();
        config.insert("errors.deadletterqueue.topic.name".to_owned(), topic.to_owned());
    }
    if let Some(retries) = errors["retries"].as_i64() {
        config.insert("errors.retries".to_owned(), retries.to_string());
    }
    config
}

fn flat(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Key and message of every mistake.
pub type Mistakes = Vec<(String, String)>;

/// A flat configuration as a part of a pipeline.
fn part_of(config: &BTreeMap<String, String>) -> Result<Override, Mistakes> {
    let (plugin, role, config) = plugin_of(config)?;
    let description = plugin.describe();
    let options = description.role(role).map_or(&[][..], |role| role.options);
    let mut mistakes = Vec::new();
    let mut settings = Map::new();
    for (key, text) in &config {
        if let Some(option) = options.iter().find(|option| option.name == key) {
            settings.insert(key.clone(), value_of(&option.kind, text));
        } else if !SHARED_KEYS.contains(&key.as_str()) {
            let known = options.iter().map(|option| option.name).chain(SHARED_KEYS);
            mistakes.push((key.clone(), format!("unknown option{}", did_you_mean(key, known))));
        }
    }
    for mistake in plugin.validate(role, &Value::Object(settings.clone())) {
        let key = match mistake.path.first() {
            Some(millstream_sdk::config::Step::Key(key)) => key.clone(),
            // What is missing has no place but a name in its message.
            _ => options
                .iter()
                .find(|option| mistake.message.contains(&format!("`{}`", option.name)))
                .map_or("connector.class", |option| option.name)
                .to_owned(),
        };
        mistakes.push((key, mistake.to_string()));
    }
    let mut part = json!({ "use": description.name, "with": settings });
    shared_part(role, &config, &mut part, &mut mistakes);
    let section = if role == Role::Source { "sources" } else { "sinks" };
    match mistakes.is_empty() {
        true => Ok(Override { section: section.to_owned(), part }),
        false => Err(mistakes),
    }
}

/// The keys that are not the plugin's.
fn shared_part(role: Role, config: &BTreeMap<String, String>, part: &mut Value, mistakes: &mut Mistakes) {
    let text = |key: &str| config.get(key).map(|text| text.trim()).filter(|text| !text.is_empty());
    match role {
        Role::Source => match text("topic") {
            Some(topic) => part["to"] = json!(topic),
            None => mistakes.push(("topic".to_owned(), "missing: the topic to write to".to_owned())),
        },
        _ => match text("topics") {
            Some(topics) => part["from"] = topics.split(',').map(str::trim).collect::<Vec<_>>().into(),
            None => mistakes.push(("topics".to_owned(), "missing: the topics to read, by commas".to_owned())),
        },
    }
    for key in ["key", "timestamp"] {
        if let Some(expression) = text(key) {
            part[key] = json!(expression);
        }
    }
    if let Some(steps) = text("transforms") {
        match serde_json::from_str::<Value>(steps) {
            Ok(steps @ Value::Array(_)) => part["transforms"] = steps,
            _ => mistakes.push((
                "transforms".to_owned(),
                "expected a JSON list such as [{\"filter\": \"a > 1\"}]".to_owned(),
            )),
        }
    }
    let mut errors = Map::new();
    match (text("errors.tolerance"), text("errors.deadletterqueue.topic.name")) {
        (_, Some(topic)) => {
            errors.insert("then".to_owned(), json!("dead-letter"));
            errors.insert("topic".to_owned(), json!(topic));
        }
        (Some("all"), None) => drop(errors.insert("then".to_owned(), json!("skip"))),
        (None | Some("none"), None) => {}
        (Some(other), None) => {
            mistakes.push(("errors.tolerance".to_owned(), format!("expected none or all, found {other}")))
        }
    }
    if let Some(retries) = text("errors.retries") {
        match retries.parse::<u32>() {
            Ok(retries) => drop(errors.insert("retries".to_owned(), json!(retries))),
            Err(_) => {
                mistakes.push(("errors.retries".to_owned(), format!("expected a number, found {retries}")))
            }
        }
    }
    if !errors.is_empty() {
        part["on_error"] = Value::Object(errors);
    }
}

type Chosen = (&'static dyn Plugin, Role, BTreeMap<String, String>);

/// The plugin that `connector.class` means, and the configuration in its options' names.
fn plugin_of(config: &BTreeMap<String, String>) -> Result<Chosen, Mistakes> {
    let mistake = |message: String| vec![("connector.class".to_owned(), message)];
    let Some(class) = config.get("connector.class") else {
        return Err(mistake("missing: which connector, such as file-source".to_owned()));
    };
    let mut config = config.clone();
    let kafka = KAFKA_FILE_CLASSES.iter().find(|(name, _)| name == class);
    if let Some((_, role)) = kafka {
        if let Some(path) = config.remove("file") {
            config.insert("path".to_owned(), path);
        }
        config.remove("batch.size");
        config.entry("format".to_owned()).or_insert_with(|| "lines".to_owned());
        let option = if *role == Role::Source { ("follow", "true") } else { ("existing", "append") };
        config.entry(option.0.to_owned()).or_insert_with(|| option.1.to_owned());
        let file = millstream_connectors::find("file")
            .ok_or_else(|| mistake("there is no file connector".to_owned()))?;
        return Ok((file, *role, config));
    }
    let named = class.strip_suffix("-source").map(|name| (name, Some(Role::Source)));
    let (name, role) = named
        .or_else(|| class.strip_suffix("-sink").map(|name| (name, Some(Role::Sink))))
        .unwrap_or((class, None));
    // `postgres-sink`-like plugin names may end so themselves.
    let exact = millstream_connectors::find(class);
    let plugin = exact.or_else(|| millstream_connectors::find(name));
    let Some(plugin) = plugin else {
        let classes: Vec<String> = plugins().into_iter().map(|(class, _, _)| class).collect();
        let hint = did_you_mean(class, classes.iter().map(String::as_str));
        return Err(mistake(format!(
            "unknown connector \"{class}\"{hint}; there are {}",
            classes.join(", ")
        )));
    };
    let description = plugin.describe();
    let guessed = if config.contains_key("topics") { Role::Sink } else { Role::Source };
    let only = |role| {
        description.role(role).is_some()
            && [Role::Source, Role::Sink].iter().filter(|other| description.role(**other).is_some()).count()
                == 1
    };
    let role = role.unwrap_or_else(|| {
        [Role::Source, Role::Sink].into_iter().find(|role| only(*role)).unwrap_or(guessed)
    });
    match description.role(role) {
        Some(_) => Ok((plugin, role, config)),
        None => Err(mistake(plugin.refusal(role))),
    }
}

/// Text as the kind of value that an option takes. What does not fit stays text, and the check says so.
fn value_of(kind: &Kind, text: &str) -> Value {
    let json = || serde_json::from_str::<Value>(text.trim()).ok();
    let as_text = || Value::String(text.to_owned());
    match kind {
        Kind::Text | Kind::Character | Kind::Choice(_) => as_text(),
        Kind::Boolean => json().filter(Value::is_boolean).unwrap_or_else(as_text),
        Kind::Integer { .. } | Kind::Number => json().filter(Value::is_number).unwrap_or_else(as_text),
        Kind::Map(_) => json().filter(Value::is_object).unwrap_or_else(as_text),
        Kind::Any => json().unwrap_or_else(as_text),
        Kind::List(item) => match json() {
            Some(list @ Value::Array(_)) => list,
            _ => text.split(',').map(|part| value_of(item, part.trim())).collect(),
        },
        Kind::AnyOf(kinds) => {
            let structured = json().filter(|value| value.is_object() || value.is_array());
            structured.unwrap_or_else(|| {
                let fitting = kinds.iter().map(|kind| value_of(kind, text)).find(|value| !value.is_string());
                fitting.unwrap_or_else(as_text)
            })
        }
    }
}

/// Class, role and version of every connector there is.
pub fn plugins() -> Vec<(String, Role, &'static str)> {
    let mut found = Vec::new();
    for plugin in millstream_connectors::plugins() {
        let description = plugin.describe();
        for role in [Role::Source, Role::Sink] {
            if description.role(role).is_some() {
                found.push((format!("{}-{}", description.name, role.name()), role, description.version));
            }
        }
    }
    found
}

/// The options of a class as Kafka Connect describes them.
pub fn plugin_config(class: &str) -> Result<Vec<Value>, Refusal> {
    let config = BTreeMap::from([("connector.class".to_owned(), class.to_owned())]);
    let (plugin, role, _) = plugin_of(&config).map_err(|mistakes| not_found(class, &mistakes))?;
    Ok(definitions(&plugin.describe(), role))
}

fn not_found(class: &str, mistakes: &Mistakes) -> Refusal {
    let reason = mistakes.first().map_or("", |(_, message)| message.as_str());
    Refusal::NotFound(format!("Unknown plugin {class}: {reason}"))
}

fn definitions(description: &Description, role: Role) -> Vec<Value> {
    let options = description.role(role).map_or(&[][..], |role| role.options);
    let topic = match role {
        Role::Source => ("topic", "The topic to write to, or a template such as {schema}.{table}."),
        _ => ("topics", "The topics to read, by commas."),
    };
    let shared = [
        definition("name", "STRING", true, Value::Null, "The connector's name.", "Common", 1),
        definition("connector.class", "STRING", true, Value::Null, "Which connector it is.", "Common", 2),
        definition(
            topic.0,
            if role == Role::Source { "STRING" } else { "LIST" },
            true,
            Value::Null,
            topic.1,
            "Common",
            3,
        ),
        definition("transforms", "STRING", false, Value::Null, "Steps, as a JSON list.", "Common", 4),
    ];
    let own = options.iter().enumerate().map(|(index, option)| own_definition(option, index + 1));
    shared.into_iter().chain(own).collect()
}

fn own_definition(option: &ConfigOption, order: usize) -> Value {
    let kind = match option.kind {
        Kind::Boolean => "BOOLEAN",
        Kind::Integer { .. } => "LONG",
        Kind::Number => "DOUBLE",
        Kind::List(_) => "LIST",
        _ => "STRING",
    };
    let default = match option.presence {
        Presence::Default(json) => {
            serde_json::from_str::<Value>(json).map_or(Value::Null, |value| json!(flat(&value)))
        }
        _ => Value::Null,
    };
    definition(
        option.name,
        kind,
        matches!(option.presence, Presence::Required),
        default,
        option.doc,
        "Connector",
        order,
    )
}

fn definition(
    name: &str,
    kind: &str,
    required: bool,
    default: Value,
    documentation: &str,
    group: &str,
    order: usize,
) -> Value {
    json!({
        "name": name, "type": kind, "required": required, "default_value": default,
        "importance": if required { "HIGH" } else { "MEDIUM" }, "documentation": documentation,
        "group": group, "width": "MEDIUM", "display_name": name, "dependents": [], "order": order,
    })
}

/// Checks a configuration without keeping it.
pub fn validate(class: &str, config: &BTreeMap<String, String>) -> Result<Value, Refusal> {
    let mut config = config.clone();
    config.entry("connector.class".to_owned()).or_insert_with(|| class.to_owned());
    let (plugin, role, _) = plugin_of(&config).map_err(|mistakes| not_found(class, &mistakes))?;
    let mut mistakes = part_of(&config).err().unwrap_or_default();
    if !config.contains_key("name") {
        mistakes.push(("name".to_owned(), "missing: the connector's name".to_owned()));
    }
    let definitions = definitions(&plugin.describe(), role);
    let mut configs: Vec<Value> = definitions
        .into_iter()
        .map(|definition| {
            let name = definition["name"].as_str().unwrap_or_default().to_owned();
            let errors: Vec<&String> = mistakes.iter().filter(|(key, _)| *key == name).map(|(_, text)| text).collect();
            let value = config.get(&name).map_or_else(|| definition["default_value"].clone(), |text| json!(text));
            json!({
                "definition": definition,
                "value": { "name": name, "value": value, "recommended_values": [], "errors": errors, "visible": true },
            })
        })
        .collect();
    // Mistakes about keys that nobody defines show under their own names.
    for (key, text) in mistakes
        .iter()
        .filter(|(key, _)| configs.iter().all(|config| config["value"]["name"] != **key))
        .cloned()
        .collect::<Vec<_>>()
    {
        configs.push(json!({
            "definition": definition(&key, "STRING", false, Value::Null, "", "Unknown", 0),
            "value": { "name": key, "value": config.get(&key), "recommended_values": [], "errors": [text], "visible": true },
        }));
    }
    Ok(
        json!({ "name": class, "error_count": mistakes.len(), "groups": ["Common", "Connector"], "configs": configs }),
    )
}
