//! A plugin as a source, sink or step uses it: found, granted, and its settings held against its options.

use std::path::Path;

use millstream_sdk::config::{ConfigOption, Diagnostic, Kind, Step as PathStep};
use millstream_sdk::plugin::{Plugin, Role};
use serde_json::Value;

use super::Grants;
use crate::config::diagnostic::{Location, Report};
use crate::config::reader::{self, Text};
use crate::config::suggest::did_you_mean;
use crate::config::yaml::{Data, Form, Node, Typed};
use crate::plugin::{self, LoadError};

/// What a source, sink or step says of its plugin.
pub struct Use<'a> {
    pub name: &'a Text,
    pub settings: &'a Node,
    pub grants: &'a Grants,
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

/// Checks that the plugin is there, has what it wants, and takes its settings.
pub fn check(used: Use<'_>, role: Role, directory: &Path, report: &mut Report) {
    let Use { name, settings, grants } = used;
    if !plugin::is_component(&name.value) {
        warn_of_grants(grants, report);
    }
    let plugin = match plugin::find(&name.value, directory, &grants.given) {
        Ok(plugin) => plugin,
        Err(LoadError::Unknown(unknown)) => {
            report.error(&name.location, unknown_plugin(&unknown, role));
            return;
        }
        Err(error) => {
            report.error(&name.location, error.to_string());
            return;
        }
    };
    let description = plugin.describe();
    let Some(options) = description.role(role).map(|role| role.options) else {
        report.error(&name.location, plugin.refusal(role));
        return;
    };
    for mistake in plugin.validate(role, &settings_json(settings, &*plugin, role)) {
        let place = place_of(settings, &mistake, options);
        let hint = mistake.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        report.error(&place, without_secrets(settings, format!("{}{hint}", mistake.message)));
    }
}

/// Grants are for components; a built-in connector would ignore them, which must not look like a fence.
pub fn warn_of_grants(grants: &Grants, report: &mut Report) {
    for (name, location) in &grants.named {
        report.warning(location, format!("\"{name}\" has no effect: only components are sandboxed"));
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
pub fn place_of(settings: &Node, mistake: &Diagnostic, options: &[ConfigOption]) -> Location {
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
