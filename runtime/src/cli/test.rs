//! `test FILE…`: the cases under `tests:`, each on a node of its own in memory's reach: no ports, no other systems.

use std::path::PathBuf;

use serde_json::json;

use super::cluster::block_on;
use super::output::Output;
use super::validate::accept;
use super::{Failure, parse_settings};
use crate::case::{self, Outcome};
use crate::config::diagnostic::Report;
use crate::config::pipeline::{self, Checked};
use crate::config::resolve::Surroundings;

#[derive(clap::Args)]
pub struct Arguments {
    /// Pipeline files; several merge by top-level key.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Run only the cases whose name contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Also write the outcome as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// A value for ${NAME} and !env NAME in the files; wins over the environment.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// One JSON object per case.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let output = Output::new(arguments.json);
    let surroundings = Surroundings::of_process(parse_settings(&arguments.settings)?);
    let mut report = Report::default();
    let checked = pipeline::load_and_check(&arguments.files, &surroundings, &mut report);
    let checked = accept(output, &report, checked)?;
    let outcomes = block_on(run_cases(arguments, &checked, output))?;
    if let Some(path) = &arguments.junit {
        std::fs::write(path, case::junit_report(&checked.pipeline.name, &outcomes))
            .map_err(|error| Failure::failed(format!("writing {}: {error}", path.display())))?;
    }
    conclude(&checked, &outcomes, output)
}

async fn run_cases(
    arguments: &Arguments,
    checked: &Checked,
    output: Output,
) -> Result<Vec<Outcome>, Failure> {
    let wanted = |name: &str| arguments.only.as_deref().is_none_or(|part| name.contains(part));
    let mut outcomes = Vec::new();
    for case in checked.pipeline.cases.iter().filter(|case| wanted(&case.name)) {
        let outcome = case::run(checked, case).await;
        tell(&outcome, output)?;
        outcomes.push(outcome);
    }
    match outcomes.is_empty() {
        true => Err(Failure::bad_input(match &arguments.only {
            Some(part) => format!("no case's name contains \"{part}\""),
            None => "there are no cases under \"tests\"".to_owned(),
        })),
        false => Ok(outcomes),
    }
}

fn tell(outcome: &Outcome, output: Output) -> Result<(), Failure> {
    let told = outcome.failure.as_ref().map(ToString::to_string);
    if output.json {
        return output.value(&json!({
            "name": outcome.name,
            "file": outcome.location.file.to_string(),
            "line": outcome.location.line,
            "passed": told.is_none(),
            "seconds": outcome.elapsed.as_secs_f64(),
            "failure": told,
        }));
    }
    let Some(told) = told else {
        return output.line(&format!("ok      {} ({:.2} s)", outcome.name, outcome.elapsed.as_secs_f64()));
    };
    output.line(&format!("FAILED  {} at {}", outcome.name, outcome.location))?;
    told.lines().try_for_each(|line| output.line(&format!("  {line}")))
}

fn conclude(checked: &Checked, outcomes: &[Outcome], output: Output) -> Result<(), Failure> {
    let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    let cases = if outcomes.len() == 1 { "case" } else { "cases" };
    match failed {
        0 => {
            output.note(&format!("{}: {} {cases} passed", checked.pipeline.name, outcomes.len()));
            Ok(())
        }
        failed => Err(Failure::failed(format!(
            "{}: {failed} of {} {cases} failed",
            checked.pipeline.name,
            outcomes.len()
        ))),
    }
}
