//! What `EXPLAIN` prints: one line per step with what flows out of it (change mode, key, event time, which worker has a
//! row), what bounds its state, and which topics it needs.

use std::fmt::Write;

use super::explain_join::join;
use super::graph::{Edge, Node, NodeId, Step, WindowPlan};
use super::stage::{AggregatePlan, SinkPlan, SourcePlan};
use super::{QueryPlan, RankPlan, WindowShape, WindowSize};
use crate::sql::catalog::{OnError, Relation};
use crate::sql::parse::Emit;

pub(super) fn text(query: &QueryPlan) -> String {
    let mut text = format!("query {}\n", query.name);
    for (id, node) in query.graph.nodes.iter().enumerate() {
        // Writing to a string cannot fail.
        writeln!(text, "  {} {}{}", id + 1, step(query, node), after(id, node)).unwrap_or_default();
        if !matches!(node.step, Step::Sink(_)) {
            writeln!(text, "      gives {}", edge(&node.edge)).unwrap_or_default();
        }
    }
    if let Some(topic) = &query.late_topic {
        writeln!(text, "  late rows go to topic {topic}").unwrap_or_default();
    }
    for (_, source) in query.graph.sources() {
        if let Some(OnError::DeadLetter(topic)) = &source.on_error {
            let read = &source.relation.topic;
            writeln!(text, "  records of topic {read} that cannot be read go to topic {topic}")
                .unwrap_or_default();
        }
    }
    text
}

fn step(query: &QueryPlan, node: &Node) -> String {
    match &node.step {
        Step::Source(plan) => source(plan),
        Step::Filter(expression) => format!("filter {expression}"),
        Step::Project(expressions) => {
            let columns: Vec<String> = expressions
                .iter()
                .zip(node.edge.schema.fields())
                .map(|(expression, field)| format!("{expression} as {}", field.name()))
                .collect();
            format!("project {}", columns.join(", "))
        }
        Step::Window(WindowPlan { time, size, .. }) => format!("window {} over {time}", window(*size)),
        Step::Aggregate(plan) => aggregate(query, plan),
        Step::Union => "the rows of all of these".to_owned(),
        Step::Join(plan) => join(query, plan),
        Step::Rank(plan) => rank(query, plan),
        Step::Materialize => format!(
            "compare with the last row of each record key; state grows with the number of rows; changelog topic {}",
            query.changelog_topic()
        ),
        Step::Collapse(key) => {
            let names: Vec<&str> = key.iter().map(|column| node.edge.name(*column)).collect();
            format!("gather the changes of a commit by {}", names.join(", "))
        }
        Step::Sink(plan) => sink(plan),
    }
}

/// Where a step's rows come from, if not from the line above, and how.
fn after(id: NodeId, node: &Node) -> String {
    let inputs: Vec<String> = node
        .inputs
        .iter()
        .filter(|input| input.node + 1 != id || input.exchange.is_some() || node.inputs.len() > 1)
        .map(|input| match &input.exchange {
            None => format!("from {}", input.node + 1),
            Some(exchange) if exchange.keys.is_empty() => {
                format!("from {}, all rows on one worker", input.node + 1)
            }
            Some(exchange) => {
                let keys: Vec<String> = exchange.keys.iter().map(ToString::to_string).collect();
                format!("from {}, exchanged by {}", input.node + 1, keys.join(", "))
            }
        })
        .collect();
    if inputs.is_empty() { String::new() } else { format!("; {}", inputs.join("; ")) }
}

fn edge(edge: &Edge) -> String {
    let names =
        |columns: &[usize]| columns.iter().map(|column| edge.name(*column)).collect::<Vec<_>>().join(", ");
    let mut text = edge.mode.name().to_owned();
    if let Some((key, columns)) = edge.key.as_ref().and_then(|key| Some((key, key.columns()?))) {
        let kind = if key.is_unique { "unique key" } else { "key" };
        match columns.as_slice() {
            [] => text.push_str("; one row"),
            columns => write!(text, "; {kind} {}", names(columns)).unwrap_or_default(),
        }
    }
    if let Some(time) = &edge.time {
        write!(text, "; event time {}", edge.name(time.column)).unwrap_or_default();
    }
    match edge.distribution.as_deref() {
        None => text.push_str("; spread by input partition"),
        Some([]) => text.push_str("; on one worker"),
        Some(columns) => write!(text, "; spread by {}", names(columns)).unwrap_or_default(),
    }
    text
}

fn source(plan: &SourcePlan) -> String {
    let relation = &plan.relation;
    let columns: Vec<&str> = plan.schema.fields().iter().map(|field| field.name().as_str()).collect();
    let watermark = match &relation.watermark {
        Some(watermark) => format!("watermark {} per partition", watermark.expression),
        None => "no watermark".to_owned(),
    };
    format!("read {}: {}; {watermark}", endpoint(relation), columns.join(", "))
}

fn aggregate(query: &QueryPlan, plan: &AggregatePlan) -> String {
    let groups: Vec<&str> = plan.groups.iter().map(|(_, field)| field.name().as_str()).collect();
    let calls: Vec<&str> = plan.calls.iter().map(|call| call.text.as_str()).collect();
    let by = if groups.is_empty() { "all rows".to_owned() } else { groups.join(", ") };
    let emit = match plan.emit {
        Emit::Final => "once per closed window",
        Emit::Changes => "as groups change, once per commit",
    };
    let bound = match plan.window {
        Some(window) if window.size.shape == WindowShape::Session => {
            "state is bounded by open sessions; rows older than the watermark are late, counted and dropped"
        }
        Some(_) => "state is bounded by open windows; late rows are counted and dropped",
        None => "state grows with the number of groups",
    };
    format!(
        "aggregate by {by}: {}; {emit}; {bound}; changelog topic {}",
        calls.join(", "),
        query.changelog_topic()
    )
}

fn rank(query: &QueryPlan, plan: &RankPlan) -> String {
    let when = match plan.emit {
        Emit::Final => "once per closed window",
        Emit::Changes => "as they change, once per commit",
    };
    let bound = match (plan.window, plan.retracts) {
        (Some(_), _) => "state is bounded by open windows; late rows are counted and dropped",
        (None, false) => "state is these rows of every partition",
        (None, true) => "state is all rows, since any may come up when others are taken back",
    };
    let rows = if plan.limit == 1 { "row" } else { "rows" };
    format!(
        "the first {} {rows} by {}; {when}; {bound}; changelog topic {}",
        plan.limit,
        plan.text,
        query.changelog_topic()
    )
}

fn sink(plan: &SinkPlan) -> String {
    let relation = &plan.relation;
    let key = match relation.key.as_slice() {
        [] => "no key".to_owned(),
        columns => format!("key {}", columns.join(", ")),
    };
    let columns: Vec<&str> = plan
        .value
        .iter()
        .filter_map(|index| relation.schema.fields().get(*index))
        .map(|field| field.name().as_str())
        .collect();
    format!("write {}: {}; {key}; {}", endpoint(relation), columns.join(", "), relation.mode.name())
}

fn endpoint(relation: &Relation) -> String {
    format!("topic {} as {}", relation.topic, relation.format.name())
}

fn window(size: WindowSize) -> String {
    let (length, step) = (duration(size.size_us), duration(size.advance_us));
    let mut text = match size.shape {
        WindowShape::Session => format!("sessions that end after {length} without a row"),
        WindowShape::Cumulative => format!("cumulate up to {length} by {step}"),
        WindowShape::Fixed if size.advance_us == size.size_us => format!("tumble {length}"),
        WindowShape::Fixed => format!("hop {length} every {step}"),
    };
    if size.offset_us > 0 {
        text.push_str(&format!(" from {}", duration(size.offset_us)));
    }
    if size.grace_us > 0 {
        text.push_str(&format!(", open {} longer", duration(size.grace_us)));
    }
    text
}

pub(super) fn duration(length_us: i64) -> String {
    const UNITS: [(i64, &str); 5] =
        [(86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "min"), (1_000_000, "s"), (1_000, "ms")];
    UNITS
        .iter()
        .find(|(unit, _)| length_us % unit == 0)
        .map_or_else(|| format!("{length_us}us"), |(unit, name)| format!("{}{name}", length_us / unit))
}
