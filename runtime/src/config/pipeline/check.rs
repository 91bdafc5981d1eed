//! Holds a loaded pipeline against what it names: plugins and their options, topics, SQL.
//!
//! Nothing is opened or started. Left out: whether the outside systems answer.

use std::path::PathBuf;

use millstream_sdk::config::{ConfigOption, Diagnostic, Kind, Step as PathStep};
use millstream_sdk::plugin::{Plugin, Role};
use millstream_streams::Plan;
use millstream_streams::row::{ExpressionError, RowFilter, RowMap, RowScalar};
use serde_json::Value;

use super::sql;
use super::{ErrorsThen, Grants, Pipeline, Step, StepKind};
use crate::config::diagnostic::{Location, Report};
use crate::config::reader::{self, Text};
use crate::config::resolve::Surroundings;
use crate::config::suggest::did_you_mean;
use crate::config::yaml::{Data, Form, Node, Typed};

/// A pipeline in which nothing wrong was found.
#[derive(Debug)]
pub struct Checked {
    pub pipeline: Pipeline,
    /// The SQL's queries.
    pub plan: Plan,
}

impl Checked {
    /// The topic behind what a sink names: a stream or table of the SQL, or a topic itself.
    pub fn topic_of<'a>(&'a self, name: &'a str) -> &'a str {
        topic_behind(&self.pipeline, &self.plan, name)
    }

    /// One line for people.
    pub fn summary(&self) -> String {
        let pipeline = &self.pipeline;
        let count =
            |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
        format!(
            "{}: {}, {}, {}, no errors",
            pipeline.name,
            count(pipeline.sources.len(), "source"),
            match self.plan.queries().count() {
                1 => "1 query".to_owned(),
                queries => format!("{queries} queries"),
            },
            count(pipeline.sinks.len(), "sink")
        )
    }
}

/// Loads the files and checks them; `None` when `report` holds an error.
pub fn load_and_check(
    paths: &[PathBuf],
    surroundings: &Surroundings,
    report: &mut Report,
) -> Option<Checked> {
    let pipeline = super::load(paths, surroundings, report)?;
    let plan = check(&pipeline, report)?;
    (!report.has_errors()).then_some(Checked { pipeline, plan })
}

/// Checks plugins, steps, SQL and references.
pub fn check(pipeline: &Pipeline, report: &mut Report) -> Option<Plan> {
    let plan = sql::plan(pipeline, report);
    check_parts(pipeline, plan.as_ref(), report);
    plan
}

/// A topic of that name wins over a stream or table.
fn topic_behind<'a>(pipeline: &Pipeline, plan: &'a Plan, name: &'a str) -> &'a str {
    match pipeline.topic(name) {
        Some(_) => name,
        None => plan.topic_of(name).unwrap_or(name),
    }
}

fn check_parts(pipeline: &Pipeline, plan: Option<&Plan>, report: &mut Report) {
    for source in &pipeline.sources {
        check_plugin(&source.plugin, Role::Source, &source.settings, report);
        check_steps(&source.steps, Role::Source, report);
        check_grants(&source.grants, report);
        for expression in source.key.iter().chain(&source.timestamp) {
            check_expression(expression, RowScalar::new(&expression.value).err(), report);
        }
    }
    let known = topics_known(pipeline, plan);
    // A template may create any topic, and SQL that did not plan names none: then no name can be called unknown.
    let open_ended = plan.is_none() || pipeline.sources.iter().any(|source| source.topic().is_none());
    for sink in &pipeline.sinks {
        check_plugin(&sink.plugin, Role::Sink, &sink.settings, report);
        check_steps(&sink.steps, Role::Sink, report);
        check_grants(&sink.grants, report);
        for topic in &sink.from {
            check_topic_known(topic, &known, open_ended, report);
        }
    }
    check_names(pipeline, report);
    check_dead_letters(pipeline, report);
    for case in &pipeline.cases {
        let sources = pipeline.sources.iter().map(|source| source.name.clone());
        let sinks = pipeline.sinks.iter().map(|sink| sink.name.clone());
        let given: Vec<String> = known.iter().cloned().chain(sources).collect();
        let expected: Vec<String> = known.iter().cloned().chain(sinks).collect();
        case.given.iter().for_each(|(place, _)| check_topic_known(place, &given, open_ended, report));
        case.expect.iter().for_each(|(place, _)| check_topic_known(place, &expected, open_ended, report));
    }
}

/// The settings of a source or sink as its plugin reads them: where an option wants text, a bare number
/// or a value from the environment stays as it was written.
pub fn settings_json(settings: &Node, plugin: &dyn Plugin, role: Role) -> Value {
    let description = plugin.describe();
    let options: &[ConfigOption] = description.role(role).map_or(&[], |role| role.options);
    let Some(entries) = settings.entries() else { return Value::Null };
    let option = |name: &str| options.iter().find(|option| option.name == name);
    let typed = entries.iter().map(|entry| {
        let value = match option(&entry.key) {
            Some(option) => json_as(&entry.value, &option.kind),
            None => reader::to_json(&entry.value),
        };
        (entry.key.clone(), value)
    });
    Value::Object(typed.collect())
}

fn json_as(node: &Node, kind: &Kind) -> Value {
    match (kind, &node.data) {
        (Kind::Text | Kind::Choice(_) | Kind::Character, Data::Scalar(scalar)) => match scalar.typed() {
            Typed::Null if scalar.form == Form::Plain => Value::Null,
            _ => Value::String(scalar.text.clone()),
        },
        // Asked for a number, a secret may be one.
        (Kind::Integer { .. } | Kind::Number, Data::Scalar(scalar)) if scalar.form == Form::Secret => {
            scalar.text.parse::<i64>().map_or_else(|_| Value::String(scalar.text.clone()), Value::from)
        }
        (Kind::List(item), Data::Sequence(items)) => {
            Value::Array(items.iter().map(|node| json_as(node, item)).collect())
        }
        (Kind::Map(item), Data::Mapping(entries)) => Value::Object(
            entries.iter().map(|entry| (entry.key.clone(), json_as(&entry.value, item))).collect(),
        ),
        _ => reader::to_json(node),
    }
}

fn check_plugin(name: &Text, role: Role, settings: &Node, report: &mut Report) {
    let Some(plugin) = millstream_connectors::find(&name.value) else {
        report.error(&name.location, unknown_plugin(&name.value, role));
        return;
    };
    let description = plugin.describe();
    let Some(options) = description.role(role).map(|role| role.options) else {
        report.error(&name.location, plugin.refusal(role));
        return;
    };
    for mistake in plugin.validate(role, &settings_json(settings, plugin, role)) {
        let place = place_of(settings, &mistake, options);
        let hint = mistake.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        report.error(&place, without_secrets(settings, format!("{}{hint}", mistake.message)));
    }
}

/// A plugin's message may quote the value it refuses; a secret must not show even then.
fn without_secrets(settings: &Node, message: String) -> String {
    match &settings.data {
        Data::Scalar(scalar) if scalar.form == Form::Secret && !scalar.text.is_empty() => {
            message.replace(&scalar.text, "(secret)")
        }
        Data::Scalar(_) => message,
        Data::Sequence(items) => items.iter().fold(message, |message, item| without_secrets(item, message)),
        Data::Mapping(entries) => {
            entries.iter().fold(message, |message, entry| without_secrets(&entry.value, message))
        }
    }
}

fn unknown_plugin(name: &str, role: Role) -> String {
    let is_component = name.contains('/') || name.ends_with(".wasm");
    if is_component {
        return format!("\"{name}\": components are not supported by this version, only built-in connectors");
    }
    let fitting: Vec<&'static str> = millstream_connectors::plugins()
        .iter()
        .map(|plugin| plugin.describe())
        .filter(|description| description.role(role).is_some())
        .map(|description| description.name)
        .collect();
    let hint = did_you_mean(name, fitting.iter().copied());
    let listed = if hint.is_empty() { format!("; there are {}", fitting.join(", ")) } else { hint };
    format!("unknown {} \"{name}\"{listed}", role.name())
}

/// Follows a mistake's path into the tree as far as it goes.
fn place_of(settings: &Node, mistake: &Diagnostic, options: &[ConfigOption]) -> Location {
    if let [PathStep::Key(key)] = mistake.path.as_slice()
        && !options.iter().any(|option| option.name == key)
        && let Some(entry) = settings.entries().and_then(|all| all.iter().find(|entry| entry.key == *key))
    {
        return entry.key_location.clone();
    }
    let mut node = settings;
    for step in &mistake.path {
        let next = match (step, &node.data) {
            (PathStep::Key(key), _) => node.get(key),
            (PathStep::Index(index), Data::Sequence(items)) => items.get(*index),
            _ => None,
        };
        match next {
            Some(next) => node = next,
            None => break,
        }
    }
    node.location.clone()
}

fn check_steps(steps: &[Step], role: Role, report: &mut Report) {
    for step in steps {
        check_grants(&step.grants, report);
        match &step.kind {
            StepKind::Filter(expression) => {
                check_expression(expression, RowFilter::new(&expression.value).err(), report);
            }
            StepKind::Map(fields) => {
                for (name, expression) in fields {
                    let field = (name.clone(), expression.value.clone());
                    check_expression(expression, RowMap::new(&[field]).err(), report);
                }
            }
            StepKind::Rhai(script) => check_script(script, report),
            StepKind::Wasm(path) => {
                report.error(
                    &path.location,
                    "components are not supported by this version; use rhai, filter or map",
                );
            }
            StepKind::Edit { kind, settings } => {
                let written = kind.settings(reader::to_json(settings));
                for mistake in kind.check(&written) {
                    let place = place_of(settings, &mistake, kind.options);
                    let hint = mistake.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                    report.error(&place, format!("{}: {}{hint}", kind.name, mistake.message));
                }
                if kind.routes && role == Role::Sink {
                    let help = "it chooses a topic, which only records on their way into one have";
                    report.error(&step.location, format!("{} has no place on a sink: {help}", kind.name));
                }
            }
        }
    }
}

fn check_expression(expression: &Text, error: Option<ExpressionError>, report: &mut Report) {
    if let Some(error) = error {
        let number = |count: u64| u32::try_from(count).unwrap_or(1);
        report.error(&expression.locate(number(error.line), number(error.column)), error.message);
    }
}

/// Syntax only: what a script calls is known when it runs.
fn check_script(script: &Text, report: &mut Report) {
    if let Err(error) = rhai::Engine::new_raw().compile(&script.value) {
        let number = |count: Option<usize>| u32::try_from(count.unwrap_or(1)).unwrap_or(1);
        let position = error.position();
        let place = script.locate(number(position.line()), number(position.position()));
        report.error(&place, format!("not a valid script: {}", error.err_type()));
    }
}

/// Grants are for components; a built-in connector would ignore them, which must not look like a fence.
fn check_grants(grants: &Grants, report: &mut Report) {
    for (name, _, location) in &grants.entries {
        report.warning(location, format!("\"{name}\" has no effect: built-in connectors are not sandboxed"));
    }
}

fn topics_known(pipeline: &Pipeline, plan: Option<&Plan>) -> Vec<String> {
    let mut known: Vec<String> = pipeline.topics.iter().map(|topic| topic.name.clone()).collect();
    known.extend(pipeline.sources.iter().filter_map(|source| source.topic().map(str::to_owned)));
    if let Some(plan) = plan {
        known.extend(plan.relations().map(str::to_owned));
        known.extend(plan.topics().into_iter().map(|topic| topic.name));
    }
    let sources = pipeline.sources.iter().map(|source| (&source.name, &source.errors));
    let sinks = pipeline.sinks.iter().map(|sink| (&sink.name, &sink.errors));
    known.extend(sources.chain(sinks).filter_map(|(name, errors)| errors.dead_letters(&pipeline.name, name)));
    known.sort();
    known.dedup();
    known
}

fn check_topic_known(topic: &Text, known: &[String], open_ended: bool, report: &mut Report) {
    if open_ended || known.contains(&topic.value) {
        return;
    }
    let hint = did_you_mean(&topic.value, known.iter().map(String::as_str));
    let help = "nothing here writes it; declare it under \"topics\" if it exists already";
    report.error(&topic.location, format!("unknown topic \"{}\": {help}{hint}", topic.value));
}

/// Sources and sinks share the space of names: positions and status are kept by them.
fn check_names(pipeline: &Pipeline, report: &mut Report) {
    for sink in &pipeline.sinks {
        if let Some(source) = pipeline.sources.iter().find(|source| source.name == sink.name) {
            let message = format!("sink \"{}\" has the name of the source at {}", sink.name, source.location);
            report.error(&sink.location, message);
        }
    }
}

fn check_dead_letters(pipeline: &Pipeline, report: &mut Report) {
    for sink in pipeline.sinks.iter().filter(|sink| sink.errors.then == ErrorsThen::DeadLetter) {
        let Some(topic) = &sink.errors.topic else { continue };
        if sink.from.iter().any(|from| from.value == topic.value) {
            let message =
                format!("dead letters of \"{}\" would be read again: it is what the sink reads", sink.name);
            report.error(&topic.location, message);
        }
    }
}
