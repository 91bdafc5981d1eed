//! What `EXPLAIN` prints: one line per step with what flows out of it, what bounds its state, and which topics it needs.

use std::fmt::Write;

use super::stage::{AggregatePlan, Stage};
use super::{QueryPlan, WindowSize};
use crate::sql::catalog::Relation;
use crate::sql::parse::Emit;

pub(super) fn text(query: &QueryPlan) -> String {
    let mut text = String::new();
    let mut line = |content: String| {
        // Writing to a string cannot fail.
        writeln!(text, "{content}").unwrap_or_default();
    };
    line(format!("query {}", query.name));
    line(format!("  read {}", source(query)));
    for stage in &query.stages {
        line(format!("  {}", stage_text(query, stage)));
    }
    line(format!("  write {}", sink(query)));
    text
}

fn source(query: &QueryPlan) -> String {
    let relation = &query.source.relation;
    let columns: Vec<&str> = query.source.schema.fields().iter().map(|field| field.name().as_str()).collect();
    let watermark = match &relation.watermark {
        Some(watermark) => format!("watermark {} per partition", watermark.expression),
        None => "no watermark".to_owned(),
    };
    format!("{}: {}; {}; {watermark}", endpoint(relation), columns.join(", "), relation.mode.name())
}

fn stage_text(query: &QueryPlan, stage: &Stage) -> String {
    match stage {
        Stage::Filter(expression) => format!("filter {expression}; append"),
        Stage::Project { expressions, schema } => {
            let columns: Vec<String> = expressions
                .iter()
                .zip(schema.fields())
                .map(|(expression, field)| format!("{expression} as {}", field.name()))
                .collect();
            format!("project {}", columns.join(", "))
        }
        Stage::Window { time, size, .. } => format!("window {} over {time}; append", window(*size)),
        Stage::Aggregate(plan) => aggregate(query, plan),
    }
}

fn aggregate(query: &QueryPlan, plan: &AggregatePlan) -> String {
    let groups: Vec<&str> = plan.groups.iter().map(|(_, field)| field.name().as_str()).collect();
    let calls: Vec<&str> = plan.calls.iter().map(|call| call.text.as_str()).collect();
    let by = if groups.is_empty() { "all rows".to_owned() } else { groups.join(", ") };
    let mode = match plan.emit {
        Emit::Final => "append, once per closed window",
        Emit::Changes => "upsert",
    };
    let bound = match plan.window {
        Some(_) => "state is bounded by open windows; late rows are counted and dropped",
        None => "state grows with the number of groups",
    };
    format!(
        "aggregate by {by}: {}; {mode}; {bound}; changelog topic {}",
        calls.join(", "),
        query.changelog_topic()
    )
}

fn sink(query: &QueryPlan) -> String {
    let relation = &query.sink.relation;
    let key = match relation.key.as_slice() {
        [] => "no key".to_owned(),
        columns => format!("key {}", columns.join(", ")),
    };
    let columns: Vec<&str> = query
        .sink
        .value
        .iter()
        .filter_map(|index| relation.schema.fields().get(*index))
        .map(|field| field.name().as_str())
        .collect();
    format!("{}: {}; {key}; {}", endpoint(relation), columns.join(", "), relation.mode.name())
}

fn endpoint(relation: &Relation) -> String {
    format!("topic {} as {}", relation.topic, format!("{:?}", relation.format).to_lowercase())
}

fn window(size: WindowSize) -> String {
    let mut text = if size.advance_us == size.size_us {
        format!("tumble {}", duration(size.size_us))
    } else {
        format!("hop {} every {}", duration(size.size_us), duration(size.advance_us))
    };
    if size.grace_us > 0 {
        text.push_str(&format!(", open {} longer", duration(size.grace_us)));
    }
    text
}

fn duration(length_us: i64) -> String {
    const UNITS: [(i64, &str); 5] =
        [(86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "min"), (1_000_000, "s"), (1_000, "ms")];
    UNITS
        .iter()
        .find(|(unit, _)| length_us % unit == 0)
        .map_or_else(|| format!("{length_us}us"), |(unit, name)| format!("{}{name}", length_us / unit))
}
