//! What is said when a query cannot be planned: DataFusion's errors turned into findings with a place, and the shapes
//! that cannot run on endless input, each with its reason and what to write instead.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, SchemaError};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::context::{NoRelation, functions};
use crate::diagnostic::{Finding, Position, did_you_mean};
use crate::sql::catalog::Catalog;
use crate::sql::parse::{Name, Select};

/// Says what DataFusion could not plan, in our words where we know better; `words` are the query's, to find the place.
pub(super) fn finding(error: &DataFusionError, catalog: &Catalog, at: Position, words: &[Name]) -> Finding {
    let place = |name: &str| {
        let bare = name.rsplit('.').next().unwrap_or(name).trim_matches('"').to_lowercase();
        words.iter().find(|word| word.text.to_lowercase() == bare).map_or(at, |word| word.at)
    };
    match error.find_root() {
        DataFusionError::External(inner) => {
            if let Some(NoRelation(name)) = inner.downcast_ref::<NoRelation>() {
                return Finding::new(place(name), inner.to_string())
                    .maybe_hint(did_you_mean(name, catalog.names()));
            }
            Finding::new(at, inner.to_string())
        }
        DataFusionError::SchemaError(inner, _) => match inner.as_ref() {
            SchemaError::FieldNotFound { field, valid_fields } => {
                let known: Vec<&str> = valid_fields.iter().map(|field| field.name()).collect();
                let hint = did_you_mean(&field.name, known.iter().copied())
                    .or_else(|| (!known.is_empty()).then(|| format!("columns here: {}", known.join(", "))));
                Finding::new(place(&field.name), format!("no column `{}`", field.name)).maybe_hint(hint)
            }
            SchemaError::AmbiguousReference { field } => {
                Finding::new(place(&field.name), format!("column `{}` is ambiguous", field.name))
                    .hint("write relation.column")
            }
            other => Finding::new(at, lower_first(&other.to_string())),
        },
        other => planning(without_plea(&other.strip_backtrace()), at, &place, error),
    }
}

/// What DataFusion adds to errors that it did not expect, and asks people to do about them, is of no use to ours.
fn without_plea(text: &str) -> &str {
    let text = text.split("This issue was likely caused by a bug").next().unwrap_or(text);
    text.trim_start_matches("Internal error: ").trim_end_matches(['.', '\n', ' '])
}

fn planning(text: &str, at: Position, place: &dyn Fn(&str) -> Position, error: &DataFusionError) -> Finding {
    let text = text.trim_start_matches("Error during planning: ");
    let text = text.trim_start_matches("This feature is not implemented: ");
    if let Some(name) = text.strip_prefix("Invalid function '").and_then(|rest| rest.split('\'').next()) {
        let known = functions().scalar.keys().chain(functions().aggregate.keys()).map(String::as_str);
        return Finding::new(place(name), format!("no function `{name}`"))
            .maybe_hint(did_you_mean(name, known));
    }
    let span = error.diagnostic().and_then(|diagnostic| diagnostic.span).filter(|span| span.start.line > 0);
    let at = span
        .map_or(at, |span| Position { line: span.start.line as usize, column: span.start.column as usize });
    Finding::new(at, lower_first(text))
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        // A name in capitals stays as it is.
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            format!("{}{}", first.to_lowercase(), &text[first.len_utf8()..])
        }
        _ => text.to_owned(),
    }
}

/// Refuses what cannot run on an endless input within a bounded state, or not yet.
pub(super) fn refuse_unsupported(plan: &LogicalPlan, select: &Select) -> Result<(), Finding> {
    if let Some((keywords, message, hint)) = unsupported(plan) {
        let at = keywords
            .iter()
            .find_map(|keyword| select.words.iter().find(|word| word.text == *keyword))
            .map_or(select.at, |word| word.at);
        return Err(Finding::new(at, message).hint(hint));
    }
    refuse_subqueries(plan, select)?;
    plan.inputs().into_iter().try_for_each(|input| refuse_unsupported(input, select))
}

/// A subquery that is a condition becomes a join; any other is refused.
fn refuse_subqueries(plan: &LogicalPlan, select: &Select) -> Result<(), Finding> {
    let is_condition = matches!(plan, LogicalPlan::Filter(_));
    let place =
        |word: &str| select.words.iter().find(|found| found.text == word).map_or(select.at, |found| found.at);
    let column = |word: &str| {
        Finding::new(place(word), "EXISTS and IN (SELECT …) are conditions of WHERE, not values")
            .hint("write them in WHERE, joined to the others by AND")
    };
    let mut inner: Vec<Arc<LogicalPlan>> = Vec::new();
    let mut refused = None;
    for expression in plan.expressions() {
        let visited = expression.apply(|found| {
            match found {
                Expr::InSubquery(found) if is_condition => inner.push(found.subquery.subquery.clone()),
                Expr::Exists(found) if is_condition => inner.push(found.subquery.subquery.clone()),
                Expr::InSubquery(_) => refused = Some(column("in")),
                Expr::Exists(_) => refused = Some(column("exists")),
                Expr::ScalarSubquery(_) | Expr::SetComparison(_) => {
                    refused = Some(
                        Finding::new(
                            select.at,
                            "the value of a subquery changes with every row of what it reads",
                        )
                        .hint("write it as a table of its own and join it: FROM stream JOIN table ON …"),
                    );
                }
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        });
        visited.map_err(|error| Finding::new(select.at, error.to_string()))?;
    }
    match refused {
        Some(finding) => Err(finding),
        None => inner.iter().try_for_each(|plan| refuse_unsupported(plan, select)),
    }
}

fn is_row_number(expression: &Expr) -> bool {
    matches!(expression, Expr::WindowFunction(function) if function.fun.name() == "row_number")
}

type Reason = (&'static [&'static str], &'static str, &'static str);

fn unsupported(plan: &LogicalPlan) -> Option<Reason> {
    Some(match plan {
        LogicalPlan::Sort(_) => (
            &["order"],
            "ORDER BY would wait for the end of a stream that has none",
            "leave it out, or keep the first rows: ROW_NUMBER() OVER (ORDER BY …) AS rn, and WHERE rn <= 10",
        ),
        LogicalPlan::Limit(_) => (
            &["limit", "offset", "fetch"],
            "LIMIT would depend on when rows arrive",
            "leave it out, or filter with WHERE",
        ),
        LogicalPlan::Window(window) if !window.window_expr.iter().all(is_row_number) => (
            &["over"],
            "of the functions OVER rows only ROW_NUMBER() is supported yet",
            "aggregate within TUMBLE or HOP windows",
        ),
        LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => {
            (&["select"], "the query reads no stream or table", "name one in FROM")
        }
        LogicalPlan::RecursiveQuery(_) => {
            (&["recursive"], "recursive queries are not supported", "unroll the steps")
        }
        LogicalPlan::Unnest(_) => (&["unnest"], "UNNEST is not supported yet", "index the array: column[1]"),
        _ => return None,
    })
}
