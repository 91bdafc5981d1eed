//! A step between a topic and a connector: records in, other records or a verdict per record out.

use async_trait::async_trait;

use crate::error::ConnectorError;
use crate::record::{Batch, Bitmap};
use crate::sink::Rejection;

/// What a transform made of a batch.
#[derive(Debug, Clone)]
pub enum Output {
    /// New records, and for each the row of the input that it came from (non-decreasing).
    Records { batch: Box<Batch>, origins: Vec<u32> },
    /// A pure filter: the rows whose bit is set stay as they are.
    Verdicts(Bitmap),
}

/// The output, and the input rows that failed (they are not part of the output).
#[derive(Debug, Clone)]
pub struct Transformed {
    pub output: Output,
    pub rejected: Vec<Rejection>,
}

/// A configured transform.
#[async_trait]
pub trait Transform: Send {
    async fn apply(&mut self, batch: &Batch) -> Result<Transformed, ConnectorError>;
}
