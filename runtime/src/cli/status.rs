//! `status [NAME]`: what runs on a node, how far it is, and what holds it up.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::Failure;
use super::cluster::block_on;
use super::node_api::{NodeArguments, escaped};
use super::output::{Output, grouped};

#[derive(clap::Args)]
pub struct Arguments {
    /// One pipeline; all without it.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    node: NodeArguments,
    /// As the node's HTTP interface gives it.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let output = Output::new(arguments.json);
    let answer = block_on(async {
        match &arguments.name {
            Some(name) => arguments
                .node
                .get(&format!("/v1/pipelines/{}", escaped(name)))
                .await
                .map(|one| Value::Array(vec![one])),
            None => arguments.node.get("/v1/pipelines").await,
        }
    })?;
    if arguments.json {
        return output.value(&answer);
    }
    let pipelines = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    if pipelines.is_empty() {
        return output.line("no pipelines");
    }
    let rows: Vec<Vec<String>> = pipelines.iter().flat_map(rows).collect();
    output.table(&["pipeline", "part", "kind", "state", "promise", "records", "lag"], &rows)?;
    for pipeline in pipelines {
        errors(pipeline).try_for_each(|line| output.line(&line))?;
    }
    Ok(())
}

fn rows(pipeline: &Value) -> Vec<Vec<String>> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let number = |value: &Value| value.as_u64().map_or_else(|| "-".to_owned(), grouped);
    let list = |name: &str| pipeline[name].as_array().cloned().unwrap_or_default();
    let name = text(&pipeline["name"]);
    let tasks = list("tasks").into_iter().map(|task| {
        let parts = task["parts"].as_object().cloned().unwrap_or_default();
        let lags: Vec<u64> = parts.values().filter_map(|part| part["lag"].as_u64()).collect();
        let unit = if task["role"] == "source" { " B" } else { "" };
        let lag =
            if lags.is_empty() { "-".to_owned() } else { format!("{}{unit}", grouped(lags.iter().sum())) };
        vec![
            name.clone(),
            text(&task["node"]),
            format!("{} {}", text(&task["role"]), text(&task["plugin"])),
            text(&task["state"]),
            text(&task["delivery"]),
            number(&task["records"]),
            lag,
        ]
    });
    let queries = list("queries").into_iter().map(|query| {
        let kind = "query".to_owned();
        let (state, promise) = (text(&query["state"]), "exactly-once".to_owned());
        vec![
            name.clone(),
            text(&query["name"]),
            kind,
            state,
            promise,
            number(&query["rows_in"]),
            number(&query["lag_records"]),
        ]
    });
    let rows: Vec<_> = tasks.chain(queries).collect();
    match rows.is_empty() {
        true => {
            let state = pipeline["state"].as_str().unwrap_or("failed");
            vec![[name.as_str(), "-", "-", state, "-", "-", "-"].map(str::to_owned).to_vec()]
        }
        false => rows,
    }
}

/// When a part is tried again.
fn again(at_ms: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = Duration::from_millis(at_ms).saturating_sub(now);
    format!(" (tried again in {:.1} s)", left.as_secs_f64())
}

/// One line per part that an error holds up, and about a pipeline that another process runs.
fn errors(pipeline: &Value) -> impl Iterator<Item = String> {
    let name = pipeline["name"].as_str().unwrap_or("-").to_owned();
    let line = |part: &str, error: &str| format!("{name} {part}: {}", error.trim_end());
    let mut lines: Vec<String> =
        pipeline["problem"].as_str().map(|problem| line("", problem)).into_iter().collect();
    if let Some(owner) = pipeline["owner"].as_str() {
        lines.push(format!("{name}: run by {owner}; this one stands by"));
    }
    for (list, key) in [("tasks", "node"), ("queries", "name")] {
        for part in pipeline[list].as_array().into_iter().flatten() {
            if let Some(error) = part["last_error"].as_str() {
                let again = part["next_attempt_ms"].as_u64().map(again).unwrap_or_default();
                lines.push(line(part[key].as_str().unwrap_or("-"), error) + again.as_str());
            }
        }
    }
    lines.into_iter()
}
