//! `plan`, `apply` and `delete FILE…`: pipelines on a running node. The node checks what it is sent, says what would
//! change, and touches only that.

use std::path::PathBuf;

use hyper::Method;
use serde_json::{Value, json};

use super::cluster::block_on;
use super::node_api::{NodeArguments, escaped};
use super::output::{Output, person_watches};
use super::{Failure, parse_settings};
use crate::pipelines::Bundle;

#[derive(clap::Args)]
pub struct Arguments {
    /// Pipeline files; several merge by top-level key.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A value for ${NAME} and !env NAME in the files, sent along; other names are looked up where the node runs.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    #[command(flatten)]
    node: NodeArguments,
    /// The answer as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub struct DeleteArguments {
    /// Pipeline files, or the name of a pipeline.
    #[arg(required = true, value_name = "FILE or NAME")]
    pipelines: Vec<PathBuf>,
    #[command(flatten)]
    node: NodeArguments,
}

pub fn plan(arguments: &Arguments) -> Result<(), Failure> {
    send(arguments, "/v1/pipelines?plan=true")
}

pub fn apply(arguments: &Arguments) -> Result<(), Failure> {
    send(arguments, "/v1/pipelines")
}

fn send(arguments: &Arguments, path: &str) -> Result<(), Failure> {
    let output = Output::new(arguments.json);
    let bundle = gather(&arguments.files, &arguments.settings)?;
    let answer =
        block_on(async { arguments.node.call(Method::POST, path, Some(&json!(bundle))).await?.done() })?;
    if arguments.json {
        return output.value(&answer);
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let changes = text(&answer["text"]);
    match changes.is_empty() {
        true => output.line(&format!("{}: nothing changes", text(&answer["name"])))?,
        false => {
            output.line(&format!("{}:", text(&answer["name"])))?;
            changes.lines().try_for_each(|line| output.line(&format!("  {line}")))?;
        }
    }
    let warnings = answer["warnings"].as_array().into_iter().flatten();
    warnings.for_each(|warning| output.note(&format!("warning: {}", text(warning))));
    Ok(())
}

fn gather(files: &[PathBuf], settings: &[String]) -> Result<Bundle, Failure> {
    Bundle::gather(files, parse_settings(settings)?).map_err(|report| {
        Output::for_people().complain(&report.render(person_watches()));
        Failure::bad_input("nothing was sent")
    })
}

pub fn delete(arguments: &DeleteArguments) -> Result<(), Failure> {
    let output = Output::for_people();
    // A file that exists is one; anything else is a pipeline's name.
    let (files, names): (Vec<_>, Vec<_>) =
        arguments.pipelines.iter().cloned().partition(|path| path.exists());
    let mut names: Vec<String> = names.iter().map(|name| name.display().to_string()).collect();
    block_on(async {
        if !files.is_empty() {
            let bundle = gather(&files, &[])?;
            names.push(bundle.name().map_err(Failure::bad_input)?);
        }
        for name in names {
            let path = format!("/v1/pipelines/{}", escaped(&name));
            arguments.node.call(Method::DELETE, &path, None).await?.done()?;
            output.line(&format!("{name}: deleted; its topics and positions stay"))?;
        }
        Ok(())
    })
}
