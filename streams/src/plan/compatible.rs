//! Whether a query can go on as another one: with the state in its changelog and the positions it has committed.
//!
//! What has no state may change freely: new expressions hold for rows from now on. State must be what the new query
//! would have written: the same stateful steps in the same order, with the same groups of the same types, the same calls,
//! the same windows, over the same inputs.

use datafusion::arrow::datatypes::SchemaRef;
use xxhash_rust::xxh3::Xxh3;

use super::QueryPlan;
use super::graph::Step;
use super::join_step::{JoinMethod, JoinPlan};
use super::stage::AggregatePlan;
use crate::sql::parse::Emit;

pub(super) fn compatible(old: &QueryPlan, new: &QueryPlan) -> Result<(), String> {
    let listed = |query: &QueryPlan| query.input_topics().join("`, `");
    if listed(old) != listed(new) {
        return Err(format!("it has read topic `{}`, not `{}`", listed(old), listed(new)));
    }
    let (before, after) = (memories(old), memories(new));
    if before.len() != after.len() {
        return Err(match before.len() < after.len() {
            true => "rows from before are not in the new state".to_owned(),
            false => "a step that it remembers is gone".to_owned(),
        });
    }
    for (before, after) in before.iter().zip(&after) {
        for ((what, before), (_, after)) in before.iter().zip(after) {
            if before != after {
                return Err(format!("{what} before: {before}; now: {after}"));
            }
        }
    }
    Ok(())
}

/// A number that stands for all that the query's state depends on: committed with its positions, it tells a later start
/// whether the query is another one by now. 0 without state. Changing what goes into it makes people's queries start over.
pub(super) fn memory_hash(query: &QueryPlan) -> u64 {
    let memories = memories(query);
    if memories.is_empty() {
        return 0;
    }
    let mut hash = Xxh3::new();
    let mut add = |text: &str| {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    query.input_topics().iter().for_each(|topic| add(topic));
    for (what, memory) in memories.iter().flatten() {
        add(what);
        add(memory);
    }
    hash.digest().max(1)
}

/// For each step with state, in the order that names it: what its state depends on.
fn memories(query: &QueryPlan) -> Vec<Vec<(&'static str, String)>> {
    let steps = query.graph.nodes.iter().map(|node| &node.step).filter(|step| step.is_stateful());
    let memory = |step: &Step| match step {
        Step::Aggregate(plan) => aggregate(plan),
        Step::Rank(plan) => vec![("the first rows", plan.memory())],
        Step::Join(plan) => join(plan),
        _ => vec![("a table", "its rows".to_owned())],
    };
    steps.map(memory).collect()
}

fn join(plan: &JoinPlan) -> Vec<(&'static str, String)> {
    let method = match &plan.method {
        JoinMethod::Timed(bounds) => {
            let [left, right] =
                bounds.times.each_ref().map(|time| format!("{} + {} us", time.expression, time.add_us));
            let (least, most, slack) = (bounds.least_us, bounds.most_us, bounds.slack_us);
            format!("{left} less {right} from {least} to {most} us, {slack} us longer")
        }
        JoinMethod::Lookup { table } => format!("table {table}"),
        JoinMethod::Versioned(versions) => format!("as of {}, since {}", versions.as_of, versions.since),
        JoinMethod::Changes => "tables".to_owned(),
    };
    let residual = plan.residual.as_ref().map(|residual| residual.expression.to_string());
    let side = |side: &super::join_step::JoinSide| {
        let keys: Vec<String> = side.keys.iter().map(ToString::to_string).collect();
        format!("{} by {}", columns(&side.schema), keys.join(", "))
    };
    let [left, right] = plan.sides.each_ref().map(side);
    vec![
        ("the join", format!("{} of {method}", plan.kind.name())),
        ("its condition", residual.unwrap_or_default()),
        ("its left side", left),
        ("its right side", right),
    ]
}

fn columns(schema: &SchemaRef) -> String {
    let fields = schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type()));
    fields.collect::<Vec<_>>().join(", ")
}

fn aggregate(plan: &AggregatePlan) -> Vec<(&'static str, String)> {
    let groups: Vec<String> =
        plan.groups.iter().map(|(_, field)| format!("{} {}", field.name(), field.data_type())).collect();
    let calls: Vec<String> =
        plan.calls.iter().map(|call| format!("{} of {}", call.text, call.argument_type)).collect();
    let emit = match plan.emit {
        Emit::Final => "EMIT FINAL",
        Emit::Changes => "EMIT CHANGES",
    };
    vec![
        ("GROUP BY", groups.join(", ")),
        ("aggregates", calls.join(", ")),
        ("windows", format!("{:?}", plan.window)),
        ("results", emit.to_owned()),
    ]
}
