//! Holds a loaded pipeline against what it names: plugins and their options, topics, SQL.
//!
//! Nothing is opened or started. Left out: whether the outside systems answer.

use std::path::{Path, PathBuf};

use millstream_sdk::plugin::Role;
use millstream_streams::Plan;
use millstream_streams::row::{ExpressionError, RowFilter, RowMap, RowScalar};

use super::load::CONNECTOR_FILE;
use super::sql;
use super::uses::{self, Use};
use super::{ErrorsThen, Pipeline, Step, StepKind};
use crate::config::diagnostic::Report;
use crate::config::reader::{self, Text};
use crate::config::resolve::Surroundings;
use crate::config::suggest::did_you_mean;

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
        let used = Use { name: &source.plugin, settings: &source.settings, grants: &source.grants };
        uses::check(used, Role::Source, &pipeline.directory, report);
        check_steps(&source.steps, Role::Source, &pipeline.directory, report);
        for expression in source.key.iter().chain(&source.timestamp) {
            check_expression(expression, RowScalar::new(&expression.value).err(), report);
        }
    }
    let known = topics_known(pipeline, plan);
    // A template may create any topic, and SQL that did not plan names none: then no name can be called unknown.
    let open_ended = plan.is_none() || pipeline.sources.iter().any(|source| source.topic().is_none());
    for sink in &pipeline.sinks {
        let used = Use { name: &sink.plugin, settings: &sink.settings, grants: &sink.grants };
        uses::check(used, Role::Sink, &pipeline.directory, report);
        check_steps(&sink.steps, Role::Sink, &pipeline.directory, report);
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

fn check_steps(steps: &[Step], role: Role, directory: &Path, report: &mut Report) {
    for step in steps {
        if !matches!(step.kind, StepKind::Wasm { .. }) {
            uses::warn_of_grants(&step.grants, report);
        }
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
            StepKind::Wasm { component, settings } => {
                let used = Use { name: component, settings, grants: &step.grants };
                uses::check(used, Role::Transform, directory, report);
            }
            StepKind::Edit { kind, settings } => {
                let written = kind.settings(reader::to_json(settings));
                for mistake in kind.check(&written) {
                    let place = uses::place_of(settings, &mistake, kind.options);
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
    // A connector made over HTTP reads topics of other pipelines as a matter of course.
    let is_alone = topic.location.file.starts_with(CONNECTOR_FILE);
    if open_ended || is_alone || known.contains(&topic.value) {
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
