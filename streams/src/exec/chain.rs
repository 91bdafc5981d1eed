//! The stages of a query as one synchronous state machine: a batch or a watermark in, result batches out.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array,
};
use datafusion::arrow::compute::{
    cast, filter, filter_record_batch, prep_null_mask_filter, take, take_record_batch,
};
use datafusion::arrow::datatypes::{DataType, Int64Type, SchemaRef, TimeUnit};
use datafusion::physical_expr::PhysicalExpr;

use super::QueryError;
use super::aggregate::Aggregator;
use crate::plan::{QueryPlan, Stage, WindowSize};
use crate::state::Persistent;

pub(crate) struct Chain {
    plan: Arc<QueryPlan>,
    aggregator: Option<Aggregator>,
    /// Where the aggregate stands among the stages, or behind the last.
    aggregate_at: usize,
}

/// Rows on their way through the stages, and each row's partition's watermark before it.
struct Flow {
    batch: RecordBatch,
    watermarks: Option<Int64Array>,
}

impl Chain {
    pub fn new(plan: Arc<QueryPlan>) -> Result<Chain, QueryError> {
        let found = plan.stages.iter().enumerate().find_map(|(index, stage)| match stage {
            Stage::Aggregate(aggregate) => Some((index, aggregate.clone())),
            _ => None,
        });
        let (aggregate_at, aggregator) = match found {
            Some((index, aggregate)) => (index, Some(Aggregator::new(aggregate)?)),
            None => (plan.stages.len(), None),
        };
        Ok(Chain { plan, aggregator, aggregate_at })
    }

    /// Rows of one partition in offset order. Gives results at once if there is no aggregate.
    pub fn on_batch(
        &mut self,
        batch: RecordBatch,
        watermarks: Option<Int64Array>,
        closed_us: i64,
    ) -> Result<Option<RecordBatch>, QueryError> {
        let mut flow = Flow { batch, watermarks };
        for stage in &self.plan.stages[..self.aggregate_at] {
            flow = pass(stage, flow)?;
        }
        match &mut self.aggregator {
            Some(aggregator) => {
                aggregator.on_batch(&flow.batch, flow.watermarks.as_ref(), closed_us)?;
                Ok(None)
            }
            None => Ok(Some(flow.batch).filter(|batch| batch.num_rows() > 0)),
        }
    }

    /// Event time has come to `watermark_us`: closes windows.
    pub fn on_watermark(&mut self, watermark_us: i64) -> Result<Option<RecordBatch>, QueryError> {
        let Some(aggregator) = &mut self.aggregator else { return Ok(None) };
        let results = aggregator.close(watermark_us)?;
        self.after_aggregate(results)
    }

    /// A commit is due: gives the groups that changed, if results are updates.
    pub fn on_barrier(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        let Some(aggregator) = &mut self.aggregator else { return Ok(None) };
        let results = aggregator.changes()?;
        self.after_aggregate(results)
    }

    fn after_aggregate(&self, results: Option<RecordBatch>) -> Result<Option<RecordBatch>, QueryError> {
        let Some(batch) = results else { return Ok(None) };
        let mut flow = Flow { batch, watermarks: None };
        for stage in self.plan.stages.iter().skip(self.aggregate_at + 1) {
            flow = pass(stage, flow)?;
        }
        Ok(Some(flow.batch).filter(|batch| batch.num_rows() > 0))
    }

    pub fn late_rows(&self) -> u64 {
        self.aggregator.as_ref().map_or(0, Aggregator::late_rows)
    }

    pub fn last_end_us(&self) -> Option<i64> {
        self.aggregator.as_ref().and_then(Aggregator::last_end_us)
    }

    pub fn state(&mut self) -> Option<&mut dyn Persistent> {
        self.aggregator.as_mut().map(|aggregator| aggregator as &mut dyn Persistent)
    }
}

fn pass(stage: &Stage, flow: Flow) -> Result<Flow, QueryError> {
    match stage {
        Stage::Filter(predicate) => keep(predicate, flow),
        Stage::Project { expressions, schema } => project(expressions, schema, flow),
        Stage::Window { time, size, schema } => assign_windows(time, *size, schema, flow),
        Stage::Aggregate(_) => Ok(flow),
    }
}

fn keep(predicate: &Arc<dyn PhysicalExpr>, flow: Flow) -> Result<Flow, QueryError> {
    let verdicts = predicate
        .evaluate(&flow.batch)
        .and_then(|value| value.into_array(flow.batch.num_rows()))
        .map_err(QueryError::evaluate("WHERE"))?;
    let compute = QueryError::compute("WHERE");
    let verdicts = verdicts.as_boolean();
    let kept = if verdicts.null_count() > 0 { prep_null_mask_filter(verdicts) } else { verdicts.clone() };
    if kept.true_count() == kept.len() {
        return Ok(flow);
    }
    let batch = filter_record_batch(&flow.batch, &kept).map_err(&compute)?;
    let watermarks = match flow.watermarks {
        Some(watermarks) => {
            Some(filter(&watermarks, &kept).map_err(&compute)?.as_primitive::<Int64Type>().clone())
        }
        None => None,
    };
    Ok(Flow { batch, watermarks })
}

fn project(
    expressions: &[Arc<dyn PhysicalExpr>],
    schema: &SchemaRef,
    flow: Flow,
) -> Result<Flow, QueryError> {
    let rows = flow.batch.num_rows();
    let columns = expressions
        .iter()
        .map(|expression| expression.evaluate(&flow.batch).and_then(|value| value.into_array(rows)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(QueryError::evaluate("SELECT"))?;
    let batch = with_columns(schema, columns, rows, "SELECT")?;
    Ok(Flow { batch, watermarks: flow.watermarks })
}

fn assign_windows(
    time: &Arc<dyn PhysicalExpr>,
    size: WindowSize,
    schema: &SchemaRef,
    flow: Flow,
) -> Result<Flow, QueryError> {
    const STEP: &str = "the windows";
    let compute = QueryError::compute(STEP);
    let times = time
        .evaluate(&flow.batch)
        .and_then(|value| value.into_array(flow.batch.num_rows()))
        .map_err(QueryError::evaluate(STEP))?;
    let times =
        cast(&times, &microseconds()).and_then(|times| cast(&times, &DataType::Int64)).map_err(&compute)?;
    let times = times.as_primitive::<Int64Type>();
    let aligned = |time: i64| time.div_euclid(size.advance_us).saturating_mul(size.advance_us);
    let (flow, starts): (Flow, Int64Array) = if size.advance_us == size.size_us {
        (flow, times.unary(aligned))
    } else {
        overlapping(times, size, aligned, flow)?
    };
    let ends: Int64Array = starts.unary(|start| start.saturating_add(size.size_us));
    let mut columns = flow.batch.columns().to_vec();
    for bound in [starts, ends] {
        let bound: ArrayRef = Arc::new(bound);
        columns.push(cast(&bound, &microseconds()).map_err(&compute)?);
    }
    let batch = with_columns(schema, columns, flow.batch.num_rows(), STEP)?;
    Ok(Flow { batch, watermarks: flow.watermarks })
}

/// Each row once for every window it is in, earliest window first.
fn overlapping(
    times: &Int64Array,
    size: WindowSize,
    aligned: impl Fn(i64) -> i64,
    flow: Flow,
) -> Result<(Flow, Int64Array), QueryError> {
    let compute = QueryError::compute("the windows");
    let (mut origins, mut starts) = (Vec::new(), Vec::new());
    for row in 0..times.len() {
        if times.is_null(row) {
            origins.push(row as u32);
            starts.push(None);
            continue;
        }
        let time = times.value(row);
        let last = aligned(time);
        let count = (size.size_us - 1 - (time - last)).div_euclid(size.advance_us);
        for back in (0..=count).rev() {
            origins.push(row as u32);
            starts.push(Some(last.saturating_sub(back * size.advance_us)));
        }
    }
    let origins = UInt32Array::from(origins);
    let batch = take_record_batch(&flow.batch, &origins).map_err(&compute)?;
    let watermarks = match flow.watermarks {
        Some(watermarks) => {
            let taken = take(&watermarks, &origins, None).map_err(&compute)?;
            Some(taken.as_primitive::<Int64Type>().clone())
        }
        None => None,
    };
    Ok((Flow { batch, watermarks }, Int64Array::from(starts)))
}

fn with_columns(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
    step: &'static str,
) -> Result<RecordBatch, QueryError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(QueryError::compute(step))
}

fn microseconds() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}
