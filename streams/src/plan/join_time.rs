//! How far apart the times of two joined rows may be: read from conditions such as
//! `a.time BETWEEN b.time - INTERVAL '5' MINUTE AND b.time`, in any form and direction.

use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};

/// The least and the most that the left time is behind the right one's, microseconds; as far as something is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub least_us: Option<i64>,
    pub most_us: Option<i64>,
}

impl Span {
    pub const EQUAL: Span = Span { least_us: Some(0), most_us: Some(0) };

    /// What is true of both.
    pub fn narrowed(self, other: Span) -> Span {
        let both = |one: Option<i64>, other: Option<i64>, pick: fn(i64, i64) -> i64| match (one, other) {
            (Some(one), Some(other)) => Some(pick(one, other)),
            (one, other) => one.or(other),
        };
        Span {
            least_us: both(self.least_us, other.least_us, i64::max),
            most_us: both(self.most_us, other.most_us, i64::min),
        }
    }

    /// For times that are finer than microseconds: whoever is outside of this is outside of what was written.
    pub fn widened(self) -> Span {
        Span {
            least_us: self.least_us.map(|least| least.saturating_sub(1)),
            most_us: self.most_us.map(|most| most.saturating_add(1)),
        }
    }

    /// The left time less the right one stands so to a length.
    fn of(op: Operator, length_us: i64) -> Option<Span> {
        Some(match op {
            Operator::Lt => Span { most_us: Some(length_us.checked_sub(1)?), least_us: None },
            Operator::LtEq => Span { most_us: Some(length_us), least_us: None },
            Operator::Gt => Span { least_us: Some(length_us.checked_add(1)?), most_us: None },
            Operator::GtEq => Span { least_us: Some(length_us), most_us: None },
            Operator::Eq => Span { least_us: Some(length_us), most_us: Some(length_us) },
            _ => return None,
        })
    }
}

/// What a condition says of the two times, whose places in `schema` are given; `None` if it says anything else, too.
pub(super) fn span(condition: &Expr, schema: &DFSchema, times: [usize; 2]) -> Option<Span> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            Some(span(left, schema, times)?.narrowed(span(right, schema, times)?))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => compared(left, *op, right, schema, times),
        Expr::Between(Between { expr, negated: false, low, high }) => {
            let above = compared(expr, Operator::GtEq, low, schema, times)?;
            Some(above.narrowed(compared(expr, Operator::LtEq, high, schema, times)?))
        }
        _ => None,
    }
}

fn compared(one: &Expr, op: Operator, other: &Expr, schema: &DFSchema, times: [usize; 2]) -> Option<Span> {
    let (one, other) = (Sum::read(one, schema, times)?, Sum::read(other, schema, times)?);
    let difference = one.minus(other)?;
    match difference {
        Sum { left: 1, right: -1, length_us } => Span::of(op, length_us.checked_neg()?),
        Sum { left: -1, right: 1, length_us } => Span::of(op.swap()?, length_us),
        _ => None,
    }
}

/// So many times the left time and the right one, and a length.
#[derive(Debug, Clone, Copy)]
struct Sum {
    left: i8,
    right: i8,
    length_us: i64,
}

impl Sum {
    fn read(expression: &Expr, schema: &DFSchema, times: [usize; 2]) -> Option<Sum> {
        match expression {
            Expr::Alias(alias) => Sum::read(&alias.expr, schema, times),
            Expr::Cast(cast) => Sum::read(&cast.expr, schema, times),
            Expr::Column(column) => {
                let place = schema.index_of_column(column).ok()?;
                match times.iter().position(|time| *time == place)? {
                    0 => Some(Sum { left: 1, right: 0, length_us: 0 }),
                    _ => Some(Sum { left: 0, right: 1, length_us: 0 }),
                }
            }
            Expr::Literal(value, _) => Some(Sum { left: 0, right: 0, length_us: microseconds(value)? }),
            Expr::Negative(inner) => ZERO.minus(Sum::read(inner, schema, times)?),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Plus, right }) => {
                let (left, right) = (Sum::read(left, schema, times)?, Sum::read(right, schema, times)?);
                left.minus(ZERO.minus(right)?)
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Minus, right }) => {
                Sum::read(left, schema, times)?.minus(Sum::read(right, schema, times)?)
            }
            _ => None,
        }
    }

    fn minus(self, other: Sum) -> Option<Sum> {
        Some(Sum {
            left: self.left.checked_sub(other.left)?,
            right: self.right.checked_sub(other.right)?,
            length_us: self.length_us.checked_sub(other.length_us)?,
        })
    }
}

const ZERO: Sum = Sum { left: 0, right: 0, length_us: 0 };

/// A length of time that has one; months have none.
fn microseconds(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::IntervalMonthDayNano(Some(interval)) if interval.months == 0 => {
            i64::from(interval.days).checked_mul(86_400_000_000)?.checked_add(interval.nanoseconds / 1_000)
        }
        ScalarValue::IntervalDayTime(Some(interval)) => i64::from(interval.days)
            .checked_mul(86_400_000_000)?
            .checked_add(i64::from(interval.milliseconds) * 1_000),
        ScalarValue::DurationSecond(Some(length)) => length.checked_mul(1_000_000),
        ScalarValue::DurationMillisecond(Some(length)) => length.checked_mul(1_000),
        ScalarValue::DurationMicrosecond(Some(length)) => Some(*length),
        ScalarValue::DurationNanosecond(Some(length)) => Some(length / 1_000),
        _ => None,
    }
}
