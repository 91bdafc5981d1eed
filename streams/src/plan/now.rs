//! `now()`, `current_date` and `current_time` of queries that run for years: DataFusion's are constants that are put in
//! when a query is planned. The time is that of the commit that a row is part of (`exec/clock.rs`), in UTC.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::exec::now_us;

const DAY_US: i64 = 86_400_000_000;

/// The functions, by every name they answer to.
pub(super) fn functions() -> Vec<(&'static str, Arc<ScalarUDF>)> {
    let function = |part| Arc::new(ScalarUDF::from(Now { part, signature: signature() }));
    let (whole, date, time) = (function(Part::Whole), function(Part::Date), function(Part::Time));
    vec![
        ("now", whole.clone()),
        ("current_timestamp", whole),
        ("current_date", date.clone()),
        ("today", date),
        ("current_time", time),
    ]
}

fn signature() -> Signature {
    // Not the same at every call: nothing may put a constant in its place.
    Signature::nullary(Volatility::Volatile)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Whole,
    Date,
    Time,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Now {
    part: Part,
    signature: Signature,
}

impl ScalarUDFImpl for Now {
    fn name(&self) -> &str {
        match self.part {
            Part::Whole => "now",
            Part::Date => "current_date",
            Part::Time => "current_time",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(match self.part {
            Part::Whole => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            Part::Date => DataType::Date32,
            Part::Time => DataType::Time64(TimeUnit::Nanosecond),
        })
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let now_us = now_us();
        Ok(ColumnarValue::Scalar(match self.part {
            Part::Whole => ScalarValue::TimestampMicrosecond(Some(now_us), Some("+00:00".into())),
            Part::Date => {
                let day = i32::try_from(now_us.div_euclid(DAY_US));
                let day =
                    day.map_err(|_| DataFusionError::Execution("the clock is out of range".to_owned()))?;
                ScalarValue::Date32(Some(day))
            }
            Part::Time => ScalarValue::Time64Nanosecond(Some(now_us.rem_euclid(DAY_US) * 1_000)),
        }))
    }
}
