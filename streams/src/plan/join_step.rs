//! What a join does in detail, with expressions ready to evaluate over Arrow batches.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::physical_expr::PhysicalExpr;

#[derive(Debug)]
pub(crate) struct JoinPlan {
    pub kind: JoinKind,
    /// Left and right.
    pub sides: [JoinSide; 2],
    /// What must be true of a pair beside equal keys, over the left columns and then the right ones.
    pub residual: Option<Residual>,
    /// The left columns and then the right ones; of a semi or anti join the left ones alone.
    pub schema: SchemaRef,
    pub method: JoinMethod,
}

#[derive(Debug)]
pub(crate) struct JoinSide {
    /// As it is called in the query.
    pub name: String,
    pub schema: SchemaRef,
    /// Rows meet where these are equal, none of them NULL; both sides' have the same types.
    pub keys: Vec<Arc<dyn PhysicalExpr>>,
}

#[derive(Debug)]
pub(crate) struct Residual {
    pub expression: Arc<dyn PhysicalExpr>,
    pub schema: SchemaRef,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    /// The left rows that have a match, each once.
    Semi,
    /// The left rows that have none.
    Anti,
}

impl JoinPlan {
    /// The input that is a table whose rows are looked up as they are.
    pub fn looked_up(&self) -> Option<usize> {
        match self.method {
            JoinMethod::Lookup { table } => Some(table),
            _ => None,
        }
    }
}

impl JoinKind {
    pub fn gives_pairs(self) -> bool {
        !matches!(self, JoinKind::Semi | JoinKind::Anti)
    }

    /// Whether rows of this input (0 is the left one) are given when they have no match.
    pub fn keeps_unmatched(self, input: usize) -> bool {
        match self {
            JoinKind::Inner | JoinKind::Semi => false,
            JoinKind::Left | JoinKind::Anti => input == 0,
            JoinKind::Right => input == 1,
            JoinKind::Full => true,
        }
    }

    /// Whether rows of this input are given alone when they have a match.
    pub fn keeps_matched(self, input: usize) -> bool {
        self == JoinKind::Semi && input == 0
    }

    /// Whether it must be known for rows of this input if they have a match.
    pub fn tracks(self, input: usize) -> bool {
        self.keeps_unmatched(input) || self.keeps_matched(input)
    }

    pub fn name(self) -> &'static str {
        match self {
            JoinKind::Inner => "inner",
            JoinKind::Left => "left",
            JoinKind::Right => "right",
            JoinKind::Full => "full",
            JoinKind::Semi => "semi",
            JoinKind::Anti => "anti",
        }
    }
}

#[derive(Debug)]
pub(crate) enum JoinMethod {
    /// Facts with facts whose times are near each other.
    Timed(TimeBounds),
    /// Facts with the rows that a table has when they are processed.
    Lookup {
        /// Which input is the table.
        table: usize,
    },
    /// Facts with the rows that a table had at a time.
    Versioned(VersionedPlan),
    /// Tables with tables.
    Changes,
}

/// Which pairs of times are joined, all in microseconds.
#[derive(Debug)]
pub(crate) struct TimeBounds {
    pub times: [TimeColumn; 2],
    /// The least and the most that the left time may be behind the right one's; both may be negative.
    pub least_us: i64,
    pub most_us: i64,
    /// A row counts until the watermark is further than this past its time. Negative for windows, which are closed at
    /// their end and not behind it.
    pub slack_us: i64,
    /// The times are the ends of windows.
    pub is_windows: bool,
}

#[derive(Debug)]
pub(crate) struct TimeColumn {
    pub expression: Arc<dyn PhysicalExpr>,
    /// Added to every value: the length of a window whose start the column is.
    pub add_us: i64,
}

#[derive(Debug)]
pub(crate) struct VersionedPlan {
    /// Over the left columns: which version of the table's row is wanted.
    pub as_of: Arc<dyn PhysicalExpr>,
    /// Over the right columns: since when a row counts.
    pub since: Arc<dyn PhysicalExpr>,
}
