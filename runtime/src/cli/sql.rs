//! `sql`: statements to a running node, from the command line, a file, a pipe or typed in.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Failure;
use super::answer::{Shown, print};
use super::cluster::block_on;
use super::node_api::NodeArguments;
use super::output::Output;

#[derive(clap::Args)]
pub struct Arguments {
    /// A file with statements; - or nothing reads them from the standard input.
    #[arg(value_name = "FILE", conflicts_with = "execute")]
    file: Option<PathBuf>,
    /// Statements to carry out.
    #[arg(short = 'e', long = "execute", value_name = "TEXT")]
    execute: Vec<String>,
    #[command(flatten)]
    node: NodeArguments,
    /// Where a SELECT begins to read.
    #[arg(long, value_name = "WHERE", default_value = "earliest", value_parser = ["earliest", "latest"])]
    from: String,
    /// Answers as JSON, one object a line.
    #[arg(long)]
    json: bool,
}

/// What every text is sent with.
#[derive(Clone, Copy)]
struct Asking<'a> {
    node: &'a NodeArguments,
    from: &'a str,
    output: Output,
}

/// What the node answers.
#[derive(Debug, Deserialize)]
struct Results {
    results: Vec<ResultJson>,
}

#[derive(Debug, Deserialize)]
struct ResultJson {
    statement: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    rows: Vec<Vec<Value>>,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let output = Output::new(arguments.json);
    let asking = Asking { node: &arguments.node, from: &arguments.from, output };
    if !arguments.execute.is_empty() {
        return execute(asking, &arguments.execute.join(";\n"), "-e");
    }
    match arguments.file.as_deref() {
        Some(path) if path.as_os_str() != "-" => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::bad_input(format!("reading {}: {error}", path.display())))?;
            execute(asking, &text, &path.display().to_string())
        }
        None if std::io::stdin().is_terminal() => converse(asking),
        _ => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Failure::failed(format!("reading the standard input: {error}")))?;
            execute(asking, &text, "-")
        }
    }
}

/// Carries out whole statements, which may stand on several lines; what is refused does not end the conversation.
fn converse(asking: Asking<'_>) -> Result<(), Failure> {
    let output = asking.output;
    output.note("statements end with a semicolon; Ctrl-D ends");
    let mut pending = String::new();
    loop {
        prompt(if pending.is_empty() { "sql> " } else { "...> " })?;
        let start = pending.len();
        let read = std::io::stdin().lock().read_line(&mut pending);
        if read.map_err(|error| Failure::failed(format!("reading the terminal: {error}")))? == 0 {
            return Ok(());
        }
        if matches!(pending[start..].trim(), "quit" | "exit") && pending[..start].trim().is_empty() {
            return Ok(());
        }
        if pending.trim_end().ends_with(';') {
            match execute(asking, &std::mem::take(&mut pending), "sql") {
                Err(Failure::Failed(reason) | Failure::BadInput(reason)) => output.complain(&reason),
                other => other?,
            }
        }
    }
}

fn prompt(text: &str) -> Result<(), Failure> {
    let mut stderr = std::io::stderr().lock();
    let written = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    written.map_err(|error| Failure::failed(format!("writing to the terminal: {error}")))
}

fn execute(asking: Asking<'_>, text: &str, origin: &str) -> Result<(), Failure> {
    let Asking { node, from, output } = asking;
    let body = json!({ "sql": text, "from": from });
    let show = |line: &[u8]| {
        output.raw(line, true)?;
        output.flush()
    };
    let Some(answer) = block_on(async move { node.lines("/v1/sql", &body, show).await })? else {
        return Ok(());
    };
    if answer.status.is_success() {
        let results: Results = serde_json::from_value(answer.body)
            .map_err(|error| Failure::failed(format!("reading the node's answer: {error}")))?;
        return results.results.into_iter().try_for_each(|result| {
            let ResultJson { statement, message, columns, rows } = result;
            print(&Shown { statement, message, columns, rows }, output)
        });
    }
    let errors = answer.body["errors"].as_array().cloned().unwrap_or_default();
    if errors.is_empty() {
        return answer.done().map(drop);
    }
    let lines: Vec<String> = errors.iter().map(|error| finding(origin, error)).collect();
    Err(Failure::bad_input(lines.join("\n")))
}

fn finding(origin: &str, error: &Value) -> String {
    let hint = error["hint"].as_str().map(|hint| format!(" ({hint})")).unwrap_or_default();
    let message = error["message"].as_str().unwrap_or_default();
    format!("{origin}:{}:{}: {message}{hint}", error["line"], error["column"])
}
