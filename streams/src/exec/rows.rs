//! Rows on an edge of a query: an Arrow batch, what each row does to the result so far, and how far event time had come
//! in its partition when it was read.

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int64Array, RecordBatch, UInt8Array, UInt32Array,
};
use datafusion::arrow::compute::{filter, filter_record_batch, take, take_record_batch};
use datafusion::arrow::datatypes::{Int64Type, UInt8Type};
use datafusion::arrow::error::ArrowError;

/// What a row does to the result so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum RowKind {
    /// A row that was not there.
    Insert = 0,
    /// A row that is about to be replaced; the one that replaces it follows.
    UpdateBefore = 1,
    /// The row that replaces it.
    UpdateAfter = 2,
    /// A row that is gone.
    Delete = 3,
}

impl RowKind {
    /// Whether the row counts from now on; otherwise it counts no longer.
    pub fn adds(self) -> bool {
        matches!(self, RowKind::Insert | RowKind::UpdateAfter)
    }

    fn of(code: u8) -> RowKind {
        match code {
            1 => RowKind::UpdateBefore,
            2 => RowKind::UpdateAfter,
            3 => RowKind::Delete,
            _ => RowKind::Insert,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub batch: RecordBatch,
    /// One [`RowKind`] per row; absent on append-only edges, where every row is an insert.
    pub kinds: Option<UInt8Array>,
    /// The watermark of each row's own source partition before it, microseconds; absent where the rows have no event time, and
    /// behind steps after which no row can be late.
    pub watermarks: Option<Int64Array>,
    /// The record of each row as it came (`super::original`), where a topic is to have those that are late.
    pub records: Option<BinaryArray>,
}

impl Rows {
    pub fn inserts(batch: RecordBatch) -> Rows {
        Rows { batch, kinds: None, watermarks: None, records: None }
    }

    pub fn changes(batch: RecordBatch, kinds: &[RowKind]) -> Rows {
        debug_assert_eq!(batch.num_rows(), kinds.len());
        let kinds = kinds.iter().map(|kind| *kind as u8).collect::<Vec<u8>>();
        Rows { batch, kinds: Some(UInt8Array::from(kinds)), watermarks: None, records: None }
    }

    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    pub fn is_empty(&self) -> bool {
        self.batch.num_rows() == 0
    }

    pub fn kind(&self, row: usize) -> RowKind {
        self.kinds.as_ref().map_or(RowKind::Insert, |kinds| RowKind::of(kinds.value(row)))
    }

    /// Which rows count from now on, and which no longer; `None` if all do.
    pub fn signs(&self) -> Option<(BooleanArray, BooleanArray)> {
        self.kinds.as_ref()?;
        let adds: Vec<bool> = (0..self.len()).map(|row| self.kind(row).adds()).collect();
        let takes: Vec<bool> = adds.iter().map(|adds| !adds).collect();
        Some((adds.into(), takes.into()))
    }

    /// The same rows with other columns.
    pub fn with_batch(self, batch: RecordBatch) -> Rows {
        debug_assert_eq!(self.batch.num_rows(), batch.num_rows());
        Rows { batch, ..self }
    }

    /// The same rows, doing something else.
    pub fn with_kinds(self, kinds: &[RowKind]) -> Rows {
        debug_assert_eq!(self.batch.num_rows(), kinds.len());
        let kinds = kinds.iter().map(|kind| *kind as u8).collect::<Vec<u8>>();
        Rows { kinds: Some(UInt8Array::from(kinds)), ..self }
    }

    /// The rows that are kept; a mask's NULL keeps nothing.
    pub fn filter(&self, kept: &BooleanArray) -> Result<Rows, ArrowError> {
        let each = |array: &dyn Array| filter(array, kept);
        self.beside(filter_record_batch(&self.batch, kept)?, each)
    }

    /// The rows at these places, in this order; a place may come again.
    pub fn take(&self, places: &UInt32Array) -> Result<Rows, ArrowError> {
        let each = |array: &dyn Array| take(array, places, None);
        self.beside(take_record_batch(&self.batch, places)?, each)
    }

    fn beside(
        &self,
        batch: RecordBatch,
        each: impl Fn(&dyn Array) -> Result<ArrayRef, ArrowError>,
    ) -> Result<Rows, ArrowError> {
        let kinds = self.kinds.as_ref().map(|kinds| each(kinds)).transpose()?;
        let watermarks = self.watermarks.as_ref().map(|watermarks| each(watermarks)).transpose()?;
        let records = self.records.as_ref().map(|records| each(records)).transpose()?;
        Ok(Rows {
            batch,
            kinds: kinds.map(|kinds| kinds.as_primitive::<UInt8Type>().clone()),
            watermarks: watermarks.map(|watermarks| watermarks.as_primitive::<Int64Type>().clone()),
            records: records.map(|records| records.as_binary::<i32>().clone()),
        })
    }
}
