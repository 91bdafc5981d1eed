//! Each row once for every window it is in, with the window's start and end as two more columns. A row of sessions has the
//! bounds of a session of its own: the aggregate joins those that touch.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, UInt32Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, SchemaRef, TimeUnit};
use std::sync::Arc;

use super::{batch_of, evaluate};
use crate::exec::QueryError;
use crate::exec::operator::{Operator, Output};
use crate::exec::rows::{RowKind, Rows};
use crate::plan::{WindowPlan, WindowShape, WindowSize};

const STEP: &str = "the windows";
const MICROSECONDS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

pub(super) struct AssignWindows {
    plan: WindowPlan,
    schema: SchemaRef,
}

impl AssignWindows {
    pub fn new(plan: WindowPlan, schema: SchemaRef) -> AssignWindows {
        AssignWindows { plan, schema }
    }
}

impl Operator for AssignWindows {
    fn on_rows(&mut self, _input: usize, rows: Rows, out: &mut Output) -> Result<(), QueryError> {
        let compute = QueryError::compute(STEP);
        let size = self.plan.size;
        let times = evaluate(&self.plan.time, &rows.batch, STEP)?;
        let times = cast(&times, &MICROSECONDS).and_then(|times| cast(&times, &DataType::Int64));
        let times = times.map_err(&compute)?;
        let times = times.as_primitive::<Int64Type>();
        let (rows, starts, ends): (Rows, Int64Array, Int64Array) = match size.shape {
            WindowShape::Session => {
                let ends = times.unary(|time| time.saturating_add(size.size_us));
                (rows, times.clone(), ends)
            }
            WindowShape::Fixed if size.advance_us == size.size_us => {
                let starts: Int64Array = times.unary(|time| size.last_start_us(time));
                let ends = starts.unary(|start| start.saturating_add(size.size_us));
                (rows, starts, ends)
            }
            WindowShape::Fixed | WindowShape::Cumulative => overlapping(times, size, rows)?,
        };
        let mut columns = rows.batch.columns().to_vec();
        for bound in [starts, ends] {
            let bound: ArrayRef = Arc::new(bound);
            columns.push(cast(&bound, &MICROSECONDS).map_err(&compute)?);
        }
        let batch = batch_of(&self.schema, columns, rows.len(), STEP)?;
        out.push(rows.with_batch(batch));
        Ok(())
    }

    fn output_watermark(&self, watermarks_us: &[i64]) -> i64 {
        let least = watermarks_us.iter().copied().min().unwrap_or(i64::MIN);
        if least == i64::MAX { least } else { least.saturating_sub(self.plan.behind_us) }
    }
}

/// Each row once for every window it is in, earliest window first.
fn overlapping(
    times: &Int64Array,
    size: WindowSize,
    rows: Rows,
) -> Result<(Rows, Int64Array, Int64Array), QueryError> {
    let (mut origins, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..times.len() {
        if times.is_null(row) {
            origins.push(row as u32);
            starts.push(None);
            ends.push(None);
            continue;
        }
        for (start, end) in windows_of(times.value(row), size) {
            origins.push(row as u32);
            starts.push(Some(start));
            ends.push(Some(end));
        }
    }
    let mut rows = rows.take(&UInt32Array::from(origins)).map_err(QueryError::compute(STEP))?;
    if rows.kinds.is_some() {
        // The two rows of an update are not side by side any more.
        let single = |row: usize| if rows.kind(row).adds() { RowKind::Insert } else { RowKind::Delete };
        let kinds: Vec<RowKind> = (0..rows.len()).map(single).collect();
        rows = rows.with_kinds(&kinds);
    }
    Ok((rows, Int64Array::from(starts), Int64Array::from(ends)))
}

/// Start and end of every window that a time is in.
fn windows_of(time: i64, size: WindowSize) -> impl Iterator<Item = (i64, i64)> {
    let last = size.last_start_us(time);
    let is_cumulative = size.shape == WindowShape::Cumulative;
    let (first, count) = if is_cumulative {
        let passed = (time - last).div_euclid(size.advance_us) + 1;
        (passed, size.size_us / size.advance_us - passed + 1)
    } else {
        let back = (size.size_us - 1 - (time - last)).div_euclid(size.advance_us);
        (-back, back + 1)
    };
    (first..first + count).map(move |step| {
        let distance = step.saturating_mul(size.advance_us);
        if is_cumulative {
            (last, last.saturating_add(distance))
        } else {
            let start = last.saturating_add(distance);
            (start, start.saturating_add(size.size_us))
        }
    })
}
