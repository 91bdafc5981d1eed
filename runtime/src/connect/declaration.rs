//! What the worker is told to run: a pipeline's sources and sinks, detached from the file that declared them.

use std::path::PathBuf;

use millstream_sdk::plugin::{Role, Surroundings};
use serde_json::Value;

use super::transform::Step;
use crate::config::pipeline::{self, Errors, ErrorsThen, Pipeline, SinkPart, SourcePart, StepKind};
use crate::config::reader::Text;
use crate::plugin::{self, Handle, LoadError};

/// How often an error that may pass is retried before the task counts as failed, where the file does not say.
const DEFAULT_RETRIES: u32 = 10;

/// The sources and sinks of one pipeline.
#[derive(Clone)]
pub struct Declaration {
    /// Names groups, transactions and stored positions.
    pub pipeline: String,
    pub sources: Vec<SourceDeclaration>,
    pub sinks: Vec<SinkDeclaration>,
}

#[derive(Clone)]
pub struct SourceDeclaration {
    pub name: String,
    pub plugin: Handle,
    pub settings: Value,
    pub surroundings: Surroundings,
    /// A topic, or a template with fields of the value in braces.
    pub to: String,
    /// A field of the value, or a SQL expression.
    pub key: Option<String>,
    /// A field of the value, or a SQL expression.
    pub timestamp: Option<String>,
    pub steps: Vec<Step>,
    pub on_error: ErrorPolicy,
}

#[derive(Clone)]
pub struct SinkDeclaration {
    pub name: String,
    pub plugin: Handle,
    pub settings: Value,
    pub surroundings: Surroundings,
    pub from: Vec<String>,
    pub steps: Vec<Step>,
    pub on_error: ErrorPolicy,
}

/// What happens to records that cannot be processed, and how long a passing error is waited out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorPolicy {
    pub retries: u32,
    pub then: Then,
}

/// What becomes of a record that cannot be processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// The task fails; nothing behind the record is processed.
    Fail,
    Skip,
    DeadLetter {
        topic: String,
    },
}

/// Why a checked file cannot be run after all.
#[derive(Debug, thiserror::Error)]
pub enum DeclarationError {
    #[error("{node}: {source}")]
    Plugin { node: String, source: LoadError },
}

impl Declaration {
    pub fn of(pipeline: &Pipeline) -> Result<Declaration, DeclarationError> {
        let sources = pipeline.sources.iter().map(|part| source(pipeline, part));
        let sinks = pipeline.sinks.iter().map(|part| sink(pipeline, part));
        Ok(Declaration {
            pipeline: pipeline.name.clone(),
            sources: sources.collect::<Result<_, _>>()?,
            sinks: sinks.collect::<Result<_, _>>()?,
        })
    }
}

fn source(pipeline: &Pipeline, part: &SourcePart) -> Result<SourceDeclaration, DeclarationError> {
    let plugin = find(pipeline, &part.name, &part.plugin, &part.grants)?;
    Ok(SourceDeclaration {
        name: part.name.clone(),
        settings: pipeline::settings_json(&part.settings, &*plugin, Role::Source),
        plugin,
        surroundings: surroundings(pipeline, &part.name),
        to: part.to.value.clone(),
        key: part.key.as_ref().map(|text| text.value.clone()),
        timestamp: part.timestamp.as_ref().map(|text| text.value.clone()),
        steps: steps(pipeline, &part.name, &part.steps)?,
        on_error: policy(pipeline, &part.name, &part.errors),
    })
}

fn sink(pipeline: &Pipeline, part: &SinkPart) -> Result<SinkDeclaration, DeclarationError> {
    let plugin = find(pipeline, &part.name, &part.plugin, &part.grants)?;
    Ok(SinkDeclaration {
        name: part.name.clone(),
        settings: pipeline::settings_json(&part.settings, &*plugin, Role::Sink),
        plugin,
        surroundings: surroundings(pipeline, &part.name),
        from: part.from.iter().map(|topic| topic.value.clone()).collect(),
        steps: steps(pipeline, &part.name, &part.steps)?,
        on_error: policy(pipeline, &part.name, &part.errors),
    })
}

fn find(
    pipeline: &Pipeline,
    node: &str,
    plugin: &Text,
    grants: &pipeline::Grants,
) -> Result<Handle, DeclarationError> {
    let failed = |source| DeclarationError::Plugin { node: node.to_owned(), source };
    plugin::find(&plugin.value, &pipeline.directory, &grants.given).map_err(failed)
}

fn surroundings(pipeline: &Pipeline, node: &str) -> Surroundings {
    Surroundings {
        base_directory: PathBuf::from(&pipeline.directory),
        pipeline: pipeline.name.clone(),
        node: node.to_owned(),
    }
}

fn steps(pipeline: &Pipeline, node: &str, parts: &[pipeline::Step]) -> Result<Vec<Step>, DeclarationError> {
    let step = |part: &pipeline::Step| match &part.kind {
        StepKind::Filter(text) => Ok(Step::Filter(text.value.clone())),
        StepKind::Map(fields) => {
            Ok(Step::Map(fields.iter().map(|(name, text)| (name.clone(), text.value.clone())).collect()))
        }
        StepKind::Rhai(text) => Ok(Step::Script(text.value.clone())),
        StepKind::Edit { kind, settings } => Ok(Step::Edit {
            name: kind.name.to_owned(),
            settings: kind.settings(crate::config::reader::to_json(settings)),
        }),
        StepKind::Wasm { component, settings } => {
            let plugin = find(pipeline, node, component, &part.grants)?;
            let settings = pipeline::settings_json(settings, &*plugin, Role::Transform);
            Ok(Step::Component { plugin, settings, surroundings: surroundings(pipeline, node) })
        }
    };
    parts.iter().map(step).collect()
}

fn policy(pipeline: &Pipeline, node: &str, errors: &Errors) -> ErrorPolicy {
    let then = match (errors.then, errors.dead_letters(&pipeline.name, node)) {
        (_, Some(topic)) => Then::DeadLetter { topic },
        (ErrorsThen::Skip, None) => Then::Skip,
        (ErrorsThen::Fail | ErrorsThen::DeadLetter, None) => Then::Fail,
    };
    ErrorPolicy { retries: errors.retries.unwrap_or(DEFAULT_RETRIES), then }
}
