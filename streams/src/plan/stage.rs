//! What the steps of a query do in detail, with expressions ready to evaluate over Arrow batches.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;

use super::window_size::WindowSize;
use crate::exec::Moment;
use crate::sql::catalog::{OnError, Relation};
use crate::sql::parse::Emit;

/// What is read from the input topic.
#[derive(Debug)]
pub(crate) struct SourcePlan {
    pub relation: Arc<Relation>,
    /// The decoded columns: first those the query's first stage sees, then those only the watermark needs.
    pub schema: SchemaRef,
    /// How many of the decoded columns the first stage sees.
    pub width: usize,
    /// Behind the columns the first stage sees comes the record key, and records without a value are rows that go.
    pub is_table: bool,
    /// Over the decoded columns: how far event time has come, as a timestamp.
    pub watermark: Option<Arc<dyn PhysicalExpr>>,
    /// Rows keep the record they came in: a topic is to have those that are late.
    pub keeps_records: bool,
    /// What becomes of records that cannot be read; `None` leaves it to the engine.
    pub on_error: Option<OnError>,
}

#[derive(Debug)]
pub(crate) struct AggregatePlan {
    pub groups: Vec<(Arc<dyn PhysicalExpr>, Arc<Field>)>,
    pub calls: Vec<AggregateCall>,
    /// Absent if the groups are not windows: then state lives as long as the query.
    pub window: Option<AggregateWindow>,
    /// The windows are sessions.
    pub session: Option<SessionGroups>,
    pub emit: Emit,
    /// The input takes rows back.
    pub retracts: bool,
    /// Group columns, then one column per call.
    pub schema: SchemaRef,
}

/// The groups of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionGroups {
    /// Groups that are not the bounds: rows of one session have the same values.
    pub keys: Vec<usize>,
    /// The groups that are the bounds; there is one of them at least.
    pub start: Option<usize>,
    pub end: Option<usize>,
}

/// Which group column says what window a row is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AggregateWindow {
    pub group: usize,
    /// The column is the window's end; otherwise its start.
    pub is_end: bool,
    pub size: WindowSize,
}

#[derive(Debug)]
pub(crate) struct AggregateCall {
    pub function: AggregateFunction,
    /// Absent for `count(*)`.
    pub argument: Option<Arc<dyn PhysicalExpr>>,
    pub argument_type: DataType,
    /// `FILTER (WHERE …)`.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    pub output: DataType,
    /// Every value once.
    pub distinct: bool,
    /// As `EXPLAIN` prints it.
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AggregateFunction {
    Count,
    Sum,
    Average,
    Minimum,
    Maximum,
    /// Variance or standard deviation.
    Moment(Moment),
    /// `bool_and`, `bool_or`.
    All,
    Any,
    Median,
    /// `array_agg`, `string_agg`: in the order of the values, since rows have none.
    Array {
        descending: bool,
    },
    Joined {
        descending: bool,
        separator: String,
    },
}

/// What is written to the output topic.
#[derive(Debug)]
pub(crate) struct SinkPlan {
    pub relation: Arc<Relation>,
    /// The result's columns that become the record key, in the key's order.
    pub key: Vec<usize>,
    /// The result's columns that the value carries.
    pub value: Vec<usize>,
    /// The result's column, behind those of the relation, that becomes the record's headers.
    pub headers: Option<usize>,
}

impl SinkPlan {
    /// Rows whose columns are those of the relation.
    pub fn existing(relation: Arc<Relation>) -> SinkPlan {
        let key = relation.key.iter().filter_map(|name| relation.schema.index_of(name).ok()).collect();
        let fields = relation.schema.fields().iter().enumerate();
        let carried = fields.filter(|(_, field)| relation.key_place(field.name()).is_none());
        let value = carried.map(|(index, _)| index).collect();
        SinkPlan { relation, key, value, headers: None }
    }
}
