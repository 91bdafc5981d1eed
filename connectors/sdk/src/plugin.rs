//! What a plugin says of itself, and how the host makes sources, sinks and transforms of it.

use std::path::PathBuf;

use serde_json::Value;

use crate::config::{self, ConfigOption, Diagnostic};
use crate::error::ConnectorError;
use crate::sink::{Delivery, Sink};
use crate::source::Source;
use crate::transform::Transform;

/// The parts a plugin can play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    Source,
    Sink,
    Transform,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Role::Source => "source",
            Role::Sink => "sink",
            Role::Transform => "transform",
        }
    }
}

/// One role of a plugin: its options and what it promises.
#[derive(Debug, Clone)]
pub struct RoleDescription {
    pub role: Role,
    /// One paragraph for people: what it does and what it promises.
    pub doc: &'static str,
    pub options: &'static [ConfigOption],
    /// Sinks say it; a source that says nothing has positions, and so each of its records arrives once.
    pub delivery: Option<Delivery>,
}

/// A plugin, for people and for `schema`.
#[derive(Debug, Clone)]
pub struct Description {
    /// What `use:` names.
    pub name: &'static str,
    pub version: &'static str,
    pub doc: &'static str,
    pub roles: Vec<RoleDescription>,
}

impl Description {
    pub fn role(&self, role: Role) -> Option<&RoleDescription> {
        self.roles.iter().find(|description| description.role == role)
    }
}

/// Where a plugin's instance lives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Relative paths in the configuration start here: the folder of the pipeline file.
    pub base_directory: PathBuf,
    pub pipeline: String,
    /// The name of the source or sink in the pipeline file.
    pub node: String,
}

/// A built-in or loaded plugin. `config` is the `with:` object of the pipeline file, with everything resolved.
pub trait Plugin: Send + Sync {
    fn describe(&self) -> Description;

    /// Checks a configuration without touching anything outside. The default checks it against the options.
    fn validate(&self, role: Role, config: &Value) -> Vec<Diagnostic> {
        match self.describe().role(role) {
            Some(description) => config::check(description.options, config),
            None => vec![Diagnostic::new(Vec::new(), self.refusal(role))],
        }
    }

    fn source(&self, config: &Value, at: &Surroundings) -> Result<Box<dyn Source>, ConnectorError> {
        let _ = (config, at);
        Err(ConnectorError::config(self.refusal(Role::Source)))
    }

    fn sink(&self, config: &Value, at: &Surroundings) -> Result<Box<dyn Sink>, ConnectorError> {
        let _ = (config, at);
        Err(ConnectorError::config(self.refusal(Role::Sink)))
    }

    fn transform(&self, config: &Value, at: &Surroundings) -> Result<Box<dyn Transform>, ConnectorError> {
        let _ = (config, at);
        Err(ConnectorError::config(self.refusal(Role::Transform)))
    }

    /// What is said when the plugin is asked for a role it does not have.
    fn refusal(&self, role: Role) -> String {
        let description = self.describe();
        let roles: Vec<_> = description.roles.iter().map(|known| known.role.name()).collect();
        format!("{} is not a {}, only a {}", description.name, role.name(), roles.join(" and a "))
    }
}
