//! `validate FILE…`: everything that can be known without starting anything.

use std::path::PathBuf;

use serde_json::json;

use super::output::{Output, person_watches};
use super::{Failure, answer, parse_settings};
use crate::config::diagnostic::{Report, Severity};
use crate::config::pipeline::{self, Checked};
use crate::config::resolve::Surroundings;

#[derive(clap::Args)]
pub struct Arguments {
    /// Pipeline files; several merge by top-level key.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A value for ${NAME} and !env NAME in the files; wins over the environment.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Findings as JSON, one a line.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let output = Output::new(arguments.json);
    let surroundings = Surroundings::of_process(parse_settings(&arguments.settings)?);
    let mut report = Report::default();
    let checked = pipeline::load_and_check(&arguments.files, &surroundings, &mut report);
    if arguments.json {
        print_findings(output, &report)?;
        return checked.map(|_| ()).ok_or(Failure::AlreadyTold);
    }
    let checked = accept(output, &report, checked)?;
    for answer in checked.plan.answers() {
        answer::show(answer, output)?;
    }
    output.line(&checked.summary())
}

/// Shows the findings; a checked pipeline comes through only when there was no error.
pub fn accept(output: Output, report: &Report, checked: Option<Checked>) -> Result<Checked, Failure> {
    let rendered = report.render(person_watches());
    if !rendered.is_empty() {
        output.complain(&rendered);
    }
    checked.ok_or_else(|| {
        let count = report.error_count();
        Failure::bad_input(format!("{count} error{}", if count == 1 { "" } else { "s" }))
    })
}

fn print_findings(output: Output, report: &Report) -> Result<(), Failure> {
    for finding in report.findings() {
        let place = finding.location.as_ref();
        output.value(&json!({
            "severity": match finding.severity { Severity::Error => "error", Severity::Warning => "warning" },
            "file": place.map(|place| place.file.to_string()),
            "line": place.map(|place| place.line),
            "column": place.map(|place| place.column),
            "message": finding.message,
        }))?;
    }
    Ok(())
}
