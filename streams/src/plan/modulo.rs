//! `mod(a, b)`, the remainder with the sign of `a`: PostgreSQL's name for `a % b`, which DataFusion does not know.

use std::sync::Arc;

use datafusion::arrow::compute::kernels::numeric::rem;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

pub(super) fn function() -> (&'static str, Arc<ScalarUDF>) {
    let signature = Signature::numeric(2, Volatility::Immutable);
    ("mod", Arc::new(ScalarUDF::from(Modulo { signature })))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Modulo {
    signature: Signature,
}

impl ScalarUDFImpl for Modulo {
    fn name(&self) -> &str {
        "mod"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        arguments.first().cloned().ok_or_else(|| DataFusionError::Plan("mod takes two numbers".to_owned()))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match arguments.args.as_slice() {
            [left, right] => apply(left, right, rem),
            _ => Err(DataFusionError::Execution("mod takes two numbers".to_owned())),
        }
    }
}
