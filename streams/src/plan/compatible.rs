//! Whether a query can go on as another one: with the state in its changelog and the positions it has committed.
//!
//! What has no state may change freely: new expressions hold for rows from now on. State must be what the new query
//! would have written: the same stateful steps in the same order, with the same groups of the same types, the same calls,
//! the same windows, over the same inputs.

use super::QueryPlan;
use super::graph::Step;
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

/// For each step with state, in the order that names it: what its state depends on.
fn memories(query: &QueryPlan) -> Vec<Vec<(&'static str, String)>> {
    let steps = query.graph.nodes.iter().map(|node| &node.step).filter(|step| step.is_stateful());
    let memory = |step: &Step| match step {
        Step::Aggregate(plan) => aggregate(plan),
        Step::Rank(plan) => vec![("the first rows", plan.memory())],
        other => vec![("a step", format!("{other:?}"))],
    };
    steps.map(memory).collect()
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
