//! `a IS [NOT] DISTINCT FROM b AND c`: the parser takes all of `b AND c` for the right side, where SQL's ends before AND.
//!
//! What it reads of an expression without IS DISTINCT FROM already binds as it should, and parentheses are nodes of their
//! own, so an AND or OR that stands where it could not is one that was taken too early.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value, VisitMut, VisitorMut};

/// Puts it right in everything that was parsed.
pub(crate) fn settle(parsed: &mut impl VisitMut) {
    let _never_breaks = parsed.visit(&mut Settle);
}

struct Settle;

impl VisitorMut for Settle {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let taken = std::mem::replace(expr, Expr::value(Value::Null));
        *expr = settled(taken);
        ControlFlow::Continue(())
    }
}

/// Lifts AND and OR out of the right side, once all below is settled.
fn settled(expr: Expr) -> Expr {
    match expr {
        Expr::IsDistinctFrom(left, right) => {
            lift(*right, Strength::Above, &|right| Expr::IsDistinctFrom(left.clone(), Box::new(right)))
        }
        Expr::IsNotDistinctFrom(left, right) => {
            lift(*right, Strength::Above, &|right| Expr::IsNotDistinctFrom(left.clone(), Box::new(right)))
        }
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => lift(*expr, Strength::Above, &|expr| {
            Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expr) }
        }),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => lift(*right, Strength::And, &|right| {
            Expr::BinaryOp { left: left.clone(), op: BinaryOperator::And, right: Box::new(right) }
        }),
        other => other,
    }
}

/// How strongly what stands before an operand binds it.
#[derive(Clone, Copy)]
enum Strength {
    /// More than AND.
    Above,
    And,
}

/// `around` with the first operand of `operand` that it may bind, and the rest behind it.
fn lift(operand: Expr, strength: Strength, around: &dyn Fn(Expr) -> Expr) -> Expr {
    match operand {
        Expr::BinaryOp { left, op, right }
            if op == BinaryOperator::Or
                || (op == BinaryOperator::And && matches!(strength, Strength::Above)) =>
        {
            Expr::BinaryOp { left: Box::new(lift(*left, strength, around)), op, right }
        }
        operand => around(operand),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn and_and_or_stay_outside() {
        for (written, meant) in [
            ("a IS DISTINCT FROM b AND c", "(a IS DISTINCT FROM b) AND c"),
            ("a IS NOT DISTINCT FROM b + 1 OR c", "(a IS NOT DISTINCT FROM b + 1) OR c"),
            ("a IS DISTINCT FROM (b AND c)", "a IS DISTINCT FROM (b AND c)"),
            ("p AND a IS DISTINCT FROM b OR c AND d", "(p AND (a IS DISTINCT FROM b)) OR (c AND d)"),
            ("p OR a IS DISTINCT FROM b AND c", "p OR ((a IS DISTINCT FROM b) AND c)"),
            ("NOT a IS DISTINCT FROM b AND c OR d", "((NOT a IS DISTINCT FROM b) AND c) OR d"),
            (
                "a IS DISTINCT FROM b AND c IS NOT DISTINCT FROM d AND e OR f",
                "((a IS DISTINCT FROM b) AND ((c IS NOT DISTINCT FROM d) AND e)) OR f",
            ),
            ("NOT (a AND b) OR c", "NOT (a AND b) OR c"),
            (
                "CASE WHEN a IS DISTINCT FROM b AND c THEN 1 END",
                "CASE WHEN (a IS DISTINCT FROM b) AND c THEN 1 END",
            ),
        ] {
            let parse = |text: &str| Parser::new(&GenericDialect {}).try_with_sql(text).unwrap().parse_expr();
            let (mut ours, theirs) = (parse(written).unwrap(), parse(meant).unwrap());
            settle(&mut ours);
            assert_eq!(shape(ours), shape(theirs), "{written}");
        }
    }

    /// As text with every operation in parentheses, and none beside.
    fn shape(expr: Expr) -> String {
        match expr {
            Expr::Nested(inner) => shape(*inner),
            Expr::BinaryOp { left, op, right } => format!("({} {op} {})", shape(*left), shape(*right)),
            Expr::UnaryOp { op, expr } => format!("({op} {})", shape(*expr)),
            Expr::IsDistinctFrom(left, right) => format!("({} <> {})", shape(*left), shape(*right)),
            Expr::IsNotDistinctFrom(left, right) => format!("({} == {})", shape(*left), shape(*right)),
            Expr::Case { mut conditions, .. } => shape(conditions.remove(0).condition),
            other => other.to_string(),
        }
    }
}
