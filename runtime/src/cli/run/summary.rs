//! The last lines of a run: what was read, produced and written, how long it took, and how to look at it.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::cli::Failure;
use crate::cli::output::{Output, grouped};
use crate::config::pipeline::Checked;
use crate::connect::{Role, TaskStatus};
use crate::pipeline::PipelineRun;

pub fn tell(
    checked: &Checked,
    run: &PipelineRun,
    elapsed: Duration,
    data: Option<&Path>,
    output: Output,
) -> Result<(), Failure> {
    if output.json {
        return output.value(&json!({ "seconds": elapsed.as_secs_f64(), "pipeline": run.status() }));
    }
    let (sources, sinks): (Vec<TaskStatus>, _) =
        run.tasks().into_iter().partition(|task| task.role == Role::Source);
    let row = |action: &str, task: &TaskStatus| {
        [action.to_owned(), task.node.clone(), grouped(task.records), remarks(task)]
    };
    let mut rows: Vec<[String; 4]> = sources.iter().map(|task| row("read", task)).collect();
    for query in run.queries() {
        let late = if query.late_rows > 0 { format!(", {} late", query.late_rows) } else { String::new() };
        let bad = if query.bad_rows > 0 { format!(", {} unreadable", query.bad_rows) } else { String::new() };
        let remark = format!("rows from {}{late}{bad}", grouped(query.rows_in));
        rows.push(["computed".to_owned(), query.name, grouped(query.rows_out), remark]);
    }
    rows.extend(sinks.iter().map(|task| row("wrote", task)));
    let mut lines = vec![format!("{}: done in {:.2} s", checked.pipeline.name, elapsed.as_secs_f64())];
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (actions, names, counts) = (width(0), width(1), width(2));
    for [action, name, count, remark] in &rows {
        lines.push(format!("  {action:<actions$}  {name:<names$}  {count:>counts$} {remark}"));
    }
    lines.extend(hints(checked, data));
    // Where records go to standard output, nothing else does.
    if checked.pipeline.sinks.iter().any(|sink| sink.plugin.value == "stdout") {
        lines.iter().for_each(|line| output.complain(line));
        return Ok(());
    }
    lines.iter().try_for_each(|line| output.line(line))
}

fn remarks(task: &TaskStatus) -> String {
    let mut text = format!("records, {} bytes", grouped(task.bytes));
    for (count, what) in
        [(task.filtered, "filtered"), (task.skipped, "skipped"), (task.dead_letters, "dead letters")]
    {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    text
}

/// Commands to look at the results with.
fn hints(checked: &Checked, data: Option<&Path>) -> Vec<String> {
    let mut hints = Vec::new();
    for sink in checked.pipeline.sinks.iter().filter(|sink| sink.plugin.value == "file") {
        let text = |name: &str| match &sink.settings.get(name)?.data {
            crate::config::yaml::Data::Scalar(scalar) => Some(scalar.text.as_str()),
            _ => None,
        };
        let Some(path) = text("path") else { continue };
        // The folder of many files, and a file that is no text.
        let (tool, path) = match path.split_once('{') {
            Some((start, _)) => ("ls -R", start.rfind('/').map_or(".", |slash| &start[..slash])),
            None if text("format") == Some("parquet") => ("ls -l", path),
            None => ("head", path),
        };
        hints.push(format!("look:  {tool} {}", checked.pipeline.directory.join(path).display()));
    }
    let first_topic = checked.pipeline.sinks.iter().flat_map(|sink| &sink.from).next();
    let topic = first_topic.map(|name| checked.topic_of(&name.value).to_owned());
    let topic = topic
        .or_else(|| checked.pipeline.sources.iter().find_map(|source| source.topic().map(str::to_owned)));
    if let Some(topic) = topic {
        let consume = format!("millstream consume {topic} --from-beginning --until-end");
        hints.push(match data {
            Some(data) => format!("       millstream server --data {} &  {consume}", data.display()),
            None => format!("       {consume}"),
        });
    }
    hints
}
