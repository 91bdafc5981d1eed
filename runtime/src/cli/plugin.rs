//! `plugin new/list/describe/test`: for people who write plugins, and for those who look for one.

mod new;

use std::path::Path;

use millstream_sdk::config::{Presence, json_schema};
use millstream_sdk::plugin::{Description, RoleDescription};
use serde_json::{Value, json};

use super::Failure;
use super::cluster::block_on;
use super::output::Output;
use crate::plugin::{self, Inspected, contract};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Start a plugin: a folder with source, build script and a pipeline that uses it.
    New(new::Arguments),
    /// List the built-in plugins.
    List {
        /// One JSON value a line.
        #[arg(long)]
        json: bool,
    },
    /// Show what a plugin is, what it wants and what options it takes.
    Describe {
        /// A built-in plugin's name, a component's path, or its address.
        plugin: String,
        #[arg(long)]
        json: bool,
    },
    /// Hold a plugin against the contract: every role is tried with records that are good, odd and bad.
    Test {
        /// A component's path or address, or a built-in plugin's name.
        plugin: String,
        /// Its configuration, where it needs one: a JSON object. For one role: ROLE=JSON.
        #[arg(long = "with", value_name = "JSON")]
        settings: Vec<String>,
        #[arg(long)]
        json: bool,
    },
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::New(arguments) => new::run(&arguments),
        Command::List { json } => list(Output::new(json)),
        Command::Describe { plugin, json } => describe(&plugin, Output::new(json)),
        Command::Test { plugin, settings, json } => test(&plugin, &settings, Output::new(json)),
    }
}

fn list(output: Output) -> Result<(), Failure> {
    let described: Vec<Description> =
        millstream_connectors::plugins().iter().map(|plugin| plugin.describe()).collect();
    if output.json {
        return described.iter().try_for_each(|plugin| output.value(&as_json(plugin, &[])));
    }
    let row = |plugin: &Description| {
        let roles: Vec<&str> = plugin.roles.iter().map(|role| role.role.name()).collect();
        vec![plugin.name.to_owned(), roles.join(", "), plugin.doc.to_owned()]
    };
    output.table(&["plugin", "roles", "what it is"], &described.iter().map(row).collect::<Vec<_>>())
}

fn find(name: &str) -> Result<Inspected, Failure> {
    plugin::inspect(name, Path::new(".")).map_err(Failure::bad_input)
}

fn describe(name: &str, output: Output) -> Result<(), Failure> {
    let Inspected { plugin, wants } = find(name)?;
    let description = plugin.describe();
    let wants: Vec<String> = wants.iter().map(|grant| grant.remedy()).collect();
    if output.json {
        return output.value(&as_json(&description, &wants));
    }
    output.line(&format!("{} {}: {}", description.name, description.version, description.doc))?;
    for grant in wants {
        output.line(&format!("needs {grant}"))?;
    }
    for role in &description.roles {
        let delivery = role.delivery.map(|delivery| format!(" ({})", delivery.name())).unwrap_or_default();
        output.line(&format!("\n{}{delivery}: {}", role.role.name(), role.doc))?;
        if !role.options.is_empty() {
            output.table(&["option", "presence", "what it is"], &options(role))?;
        }
    }
    Ok(())
}

fn options(role: &RoleDescription) -> Vec<Vec<String>> {
    let row = |option: &millstream_sdk::config::ConfigOption| {
        let presence = match option.presence {
            Presence::Required => "required".to_owned(),
            Presence::Optional => "optional".to_owned(),
            Presence::Default(value) => format!("default {value}"),
        };
        vec![option.name.to_owned(), presence, option.doc.to_owned()]
    };
    role.options.iter().map(row).collect()
}

fn as_json(description: &Description, wants: &[String]) -> Value {
    let role = |role: &RoleDescription| {
        json!({
            "role": role.role.name(),
            "doc": role.doc,
            "delivery": role.delivery.map(|delivery| delivery.name()),
            "config_schema": json_schema(role.options),
        })
    };
    json!({
        "name": description.name,
        "version": description.version,
        "doc": description.doc,
        "wants": wants,
        "roles": description.roles.iter().map(role).collect::<Vec<_>>(),
    })
}

fn test(name: &str, settings: &[String], output: Output) -> Result<(), Failure> {
    let inspected = find(name)?;
    let settings = contract::Settings::parse(settings).map_err(Failure::bad_input)?;
    let findings = block_on(async { Ok(contract::check(&inspected.plugin, &settings).await) })?;
    for finding in &findings {
        let (role, what) = (finding.role.name(), finding.what);
        match (&finding.outcome, output.json) {
            (outcome, true) => output.value(&json!({
                "role": role, "check": what, "passed": outcome.is_ok(), "reason": outcome.as_ref().err(),
            }))?,
            (Ok(()), false) => output.line(&format!("ok      {role}: {what}"))?,
            (Err(reason), false) => output.line(&format!("FAILED  {role}: {what}: {reason}"))?,
        }
    }
    let failed = findings.iter().filter(|finding| finding.outcome.is_err()).count();
    match failed {
        0 => Ok(()),
        _ => Err(Failure::failed(format!("{failed} of {} checks failed", findings.len()))),
    }
}
