//! The pipeline's SQL: parsed and planned as one program, with each finding placed in the file it came from.

use std::collections::{BTreeMap, HashMap};

use millstream_streams::{Diagnostic, Plan, PlanContext, Program, QueryPlan};

use super::Pipeline;
use crate::config::diagnostic::{Location, Report};

/// Plans every statement of the pipeline. `None` when one of them is wrong (reported).
pub fn plan(pipeline: &Pipeline, report: &mut Report) -> Option<Plan> {
    let mut program = Program::default();
    let mut parsed = true;
    for (index, part) in pipeline.streams.iter().enumerate() {
        // The origin only has to lead back to the part: the file's own places are put in below.
        if let Err(findings) = program.extend(&part.text.value, &index.to_string()) {
            parsed = false;
            findings.iter().for_each(|finding| place(pipeline, finding, report));
        }
    }
    if !parsed {
        return None;
    }
    let topics = topics_with_partitions(pipeline);
    match program.plan(&PlanContext { pipeline: pipeline.name.clone(), topics }) {
        Ok(plan) => {
            check_inputs(pipeline, &plan, report);
            check_cycles(pipeline, &plan, report);
            Some(plan)
        }
        Err(findings) => {
            findings.iter().for_each(|finding| place(pipeline, finding, report));
            None
        }
    }
}

fn place(pipeline: &Pipeline, finding: &Diagnostic, report: &mut Report) {
    let hint = finding.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
    let message = format!("{}{hint}", finding.message);
    let part = finding.origin.parse::<usize>().ok().and_then(|index| pipeline.streams.get(index));
    match part {
        Some(part) => {
            let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            report.error(&part.text.locate(number(finding.at.line), number(finding.at.column)), message);
        }
        None => report.error_without_place(message),
    }
}

/// Topics the file itself declares or writes. Those of templates are not known before they run.
fn topics_with_partitions(pipeline: &Pipeline) -> BTreeMap<String, Option<i32>> {
    let written =
        pipeline.sources.iter().filter_map(|source| source.topic()).map(|topic| (topic.to_owned(), None));
    let declared = pipeline.topics.iter().map(|topic| (topic.name.clone(), topic.partitions));
    written.chain(declared).collect()
}

/// A topic that nothing here writes may be written by other clients, so that is no error.
fn check_inputs(pipeline: &Pipeline, plan: &Plan, report: &mut Report) {
    let Some(first) = pipeline.streams.first() else { return };
    for (query, topic) in inputs(plan) {
        let written = pipeline.topic(topic).is_some()
            || pipeline.sources.iter().any(|source| source.topic().is_none_or(|to| to == topic))
            || plan.queries().any(|other| other.output_topic() == topic);
        if !written {
            let help = "declare it under \"topics\" if other clients write it";
            let message = format!(
                "query \"{}\" reads topic \"{topic}\", which nothing here writes; {help}",
                query.name()
            );
            report.warning(&first.text.location, message);
        }
    }
}

/// Queries that feed each other would run for ever on their own output.
fn check_cycles(pipeline: &Pipeline, plan: &Plan, report: &mut Report) {
    let mut next: HashMap<&str, Vec<&str>> = HashMap::new();
    for (query, topic) in inputs(plan) {
        next.entry(topic).or_default().push(query.output_topic());
    }
    for (query, start) in inputs(plan) {
        if reaches(&next, query.output_topic(), start) {
            let location = pipeline.streams.first().map(|part| part.text.location.clone());
            let message =
                format!("query \"{}\" reads topic \"{start}\", which its own output feeds", query.name());
            report.error(&location.unwrap_or_else(|| Location::start_of(&"streams".into())), message);
            return;
        }
    }
}

/// Every query with each topic that it reads.
fn inputs(plan: &Plan) -> impl Iterator<Item = (&QueryPlan, &str)> {
    plan.queries().flat_map(|query| query.input_topics().into_iter().map(move |topic| (query, topic)))
}

fn reaches(next: &HashMap<&str, Vec<&str>>, from: &str, to: &str) -> bool {
    let mut open = vec![from];
    let mut seen = Vec::new();
    while let Some(topic) = open.pop() {
        if topic == to {
            return true;
        }
        if !seen.contains(&topic) {
            seen.push(topic);
            open.extend(next.get(topic).into_iter().flatten());
        }
    }
    false
}
