//! What `EXPLAIN` prints of a join.

use super::QueryPlan;
use super::explain::duration;
use super::join_step::{JoinMethod, JoinPlan, TimeBounds};

pub(super) fn join(query: &QueryPlan, plan: &JoinPlan) -> String {
    let [left, right] = &plan.sides;
    let keys = left.keys.iter().zip(&right.keys).map(|(left, right)| format!("{left} = {right}"));
    let mut conditions: Vec<String> = keys.collect();
    if let JoinMethod::Timed(bounds) = &plan.method {
        conditions.push(times(bounds));
    }
    if let Some(residual) = &plan.residual {
        conditions.push(residual.expression.to_string());
    }
    let on = conditions.join(" AND ");
    let (method, bound) = match &plan.method {
        JoinMethod::Timed(bounds) if bounds.is_windows => (
            "windows".to_owned(),
            "a pair is given when its second row arrives, a row without a match when its window closes; state is bounded by \
             open windows; late rows are counted and dropped"
                .to_owned(),
        ),
        JoinMethod::Timed(bounds) => (
            "interval".to_owned(),
            format!(
                "a pair is given when its second row arrives, a row without a match when none can come; state is bounded by {} \
                 behind the watermark; late rows are counted and dropped",
                duration(bounds.most_us.saturating_sub(bounds.least_us))
            ),
        ),
        JoinMethod::Lookup { table } => {
            let name = plan.sides.get(*table).map_or("", |side| side.name.as_str());
            ("lookup".to_owned(), format!("rows see {name} as it is when they come; state is the rows of {name}"))
        }
        JoinMethod::Versioned(plan_of) => (
            format!("lookup as of {}", plan_of.as_of),
            format!(
                "rows wait for the watermark of {}; state is its rows, their versions since the watermarks, and the rows that wait",
                right.name
            ),
        ),
        JoinMethod::Changes => (
            "changes".to_owned(),
            format!("rows are taken back; state is the rows of {} and of {}", left.name, right.name),
        ),
    };
    format!(
        "{} {method} join ON {on}; {bound}; changelog topic {}",
        plan.kind.name(),
        query.changelog_topic()
    )
}

fn times(bounds: &TimeBounds) -> String {
    let [left, right] = &bounds.times;
    if bounds.is_windows {
        return format!("{} = {}", left.expression, right.expression);
    }
    format!(
        "{} - {} BETWEEN {} AND {}",
        left.expression,
        right.expression,
        duration(bounds.least_us),
        duration(bounds.most_us)
    )
}
