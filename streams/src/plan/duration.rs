//! Times and intervals of fixed length: arithmetic of integers instead of calendars.
//!
//! SQL's `INTERVAL '1' HOUR` is months, days and nanoseconds, and adding it to a time goes through a calendar, which takes a
//! tenth of a whole windowed aggregate. Without months, and for times without a zone, it is a number of ticks.

use datafusion::arrow::datatypes::{DataType, IntervalMonthDayNano, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};

const NANOSECONDS_PER_DAY: i64 = 86_400_000_000_000;

/// The same expression with durations where it adds intervals of fixed length to times or takes them off.
pub(super) fn with_durations(expression: Expr, schema: &DFSchema) -> Result<Expr> {
    let replaced = expression.transform_up(|part| {
        let Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Plus | Operator::Minus), right }) = part
        else {
            return Ok(Transformed::no(part));
        };
        let duration = match right.as_ref() {
            Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) => {
                match left.get_type(schema)? {
                    DataType::Timestamp(unit, None) => duration(*interval, unit),
                    _ => None,
                }
            }
            _ => None,
        };
        let is_fixed = duration.is_some();
        let right = duration.map_or(right, |duration| Box::new(Expr::Literal(duration, None)));
        let part = Expr::BinaryExpr(BinaryExpr { left, op, right });
        Ok(if is_fixed { Transformed::yes(part) } else { Transformed::no(part) })
    })?;
    Ok(replaced.data)
}

/// `None` for what is no whole number of ticks.
fn duration(interval: IntervalMonthDayNano, unit: TimeUnit) -> Option<ScalarValue> {
    if interval.months != 0 {
        return None;
    }
    let nanoseconds =
        i64::from(interval.days).checked_mul(NANOSECONDS_PER_DAY)?.checked_add(interval.nanoseconds)?;
    let ticks = |tick: i64| (nanoseconds % tick == 0).then_some(Some(nanoseconds / tick));
    Some(match unit {
        TimeUnit::Second => ScalarValue::DurationSecond(ticks(1_000_000_000)?),
        TimeUnit::Millisecond => ScalarValue::DurationMillisecond(ticks(1_000_000)?),
        TimeUnit::Microsecond => ScalarValue::DurationMicrosecond(ticks(1_000)?),
        TimeUnit::Nanosecond => ScalarValue::DurationNanosecond(Some(nanoseconds)),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
    use datafusion::logical_expr::execution_props::ExecutionProps;
    use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
    use datafusion::logical_expr::{col, lit};
    use datafusion::physical_expr::create_physical_expr;

    use super::*;

    /// Years from -9999 to 9999, and no time.
    fn times() -> RecordBatch {
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![
            Some(1_704_067_200_123_456),
            Some(0),
            Some(-1),
            None,
            Some(-377_705_116_800_000_000),
            Some(253_402_300_799_999_999),
        ]));
        RecordBatch::try_from_iter_with_nullable([("at", times, true)]).expect("a batch")
    }

    fn values(expression: &Expr, rows: &RecordBatch) -> ArrayRef {
        let schema = DFSchema::try_from(rows.schema()).expect("a schema");
        let context = PhysicalPlanningContext::default();
        create_physical_expr(expression, &schema, &ExecutionProps::new(), &context)
            .and_then(|compiled| compiled.evaluate(rows)?.into_array(rows.num_rows()))
            .expect("an expression of these rows")
    }

    fn interval(months: i32, days: i32, nanoseconds: i64) -> Expr {
        lit(ScalarValue::new_interval_mdn(months, days, nanoseconds))
    }

    #[test]
    fn durations_give_what_intervals_give() {
        let rows = times();
        let schema = DFSchema::try_from(rows.schema()).expect("a schema");
        for (months, days, nanoseconds, is_fixed) in [
            (0, 0, 3_600_000_000_000, true),
            (0, 7, 0, true),
            (0, -1, 1_000, true),
            (0, 0, 0, true),
            (0, 0, 1, false),
            (1, 0, 0, false),
            (-1, 31, 0, false),
        ] {
            for asked in [
                col("at") - interval(months, days, nanoseconds),
                col("at") + interval(months, days, nanoseconds) - interval(months, days, nanoseconds),
            ] {
                let replaced = with_durations(asked.clone(), &schema).expect("an expression");
                assert_eq!(replaced != asked, is_fixed, "{asked}");
                assert_eq!(&values(&replaced, &rows), &values(&asked, &rows), "{asked}");
            }
        }
    }
}
