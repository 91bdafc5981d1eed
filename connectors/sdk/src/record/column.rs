//! One column of byte strings, some perhaps null, in one buffer.

use bytes::Bytes;

use super::{BatchError, Bitmap, MAX_COLUMN_BYTES};

/// Byte strings end to end: row `n` lies between the ends of rows `n - 1` and `n`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Column {
    bytes: Bytes,
    ends: Vec<u32>,
    nulls: Option<Bitmap>,
}

impl Column {
    /// Takes parts that came from outside and checks them; `nulls` has a set bit per null row. `name` is what the
    /// error calls the column.
    pub fn from_parts(
        name: &'static str,
        bytes: Bytes,
        ends: Vec<u32>,
        nulls: Option<Vec<u8>>,
    ) -> Result<Column, BatchError> {
        let mut previous = 0;
        for (row, end) in ends.iter().copied().enumerate() {
            if end < previous {
                return Err(BatchError::EndsDecrease { column: name, row, end });
            }
            previous = end;
        }
        if previous as usize != bytes.len() {
            return Err(BatchError::EndsMismatch {
                column: name,
                end: previous as usize,
                bytes: bytes.len(),
            });
        }
        let rows = ends.len();
        let nulls = match nulls {
            None => None,
            Some(bits) => {
                let found = bits.len();
                let bitmap = Bitmap::from_bytes(bits, rows);
                Some(bitmap.ok_or(BatchError::BitmapMismatch { column: name, found, rows })?)
            }
        };
        Ok(Column { bytes, ends, nulls })
    }

    pub fn all_null(rows: usize) -> Column {
        Column { bytes: Bytes::new(), ends: vec![0; rows], nulls: Some(Bitmap::filled(rows, true)) }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// The rows end to end.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Where each row ends in [`Column::bytes`].
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    pub fn nulls(&self) -> Option<&Bitmap> {
        self.nulls.as_ref()
    }

    /// The row's bytes; `None` when it is null or past the end.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&[u8]> {
        let end = *self.ends.get(row)? as usize;
        if self.nulls.as_ref().is_some_and(|nulls| nulls.get(row)) {
            return None;
        }
        Some(&self.bytes[self.start(row)..end])
    }

    /// The row's bytes sharing the column's buffer; `None` when it is null or past the end.
    pub fn get_shared(&self, row: usize) -> Option<Bytes> {
        self.get(row).map(|value| self.bytes.slice_ref(value))
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> {
        (0..self.len()).map(|row| self.get(row))
    }

    /// The rows `from..to`, which must lie within the column, sharing the bytes.
    pub(super) fn slice(&self, from: usize, to: usize) -> Column {
        let start = self.start(from);
        let end = if to == 0 { 0 } else { self.ends[to - 1] as usize };
        Column {
            bytes: self.bytes.slice(start..end.max(start)),
            ends: self.ends[from..to].iter().map(|end| end - start as u32).collect(),
            nulls: self.nulls.as_ref().map(|nulls| nulls.slice(from, to)),
        }
    }

    fn start(&self, row: usize) -> usize {
        if row == 0 { 0 } else { self.ends[row - 1] as usize }
    }
}

/// Builds a column; copies each value once.
#[derive(Debug, Default)]
pub struct ColumnBuilder {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    nulls: Option<Bitmap>,
}

impl ColumnBuilder {
    pub fn with_capacity(rows: usize, bytes: usize) -> ColumnBuilder {
        ColumnBuilder { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(rows), nulls: None }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    #[inline]
    pub fn push(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => self.push_value(value),
            None => self.push_null(),
        }
    }

    #[inline]
    pub fn push_value(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.end_value();
    }

    pub fn push_null(&mut self) {
        let rows = self.ends.len();
        self.nulls.get_or_insert_with(|| Bitmap::filled(rows, false)).push(true);
        self.end_row();
    }

    /// Appends the rows of a column.
    pub fn append(&mut self, column: &Column) {
        let (rows, base) = (self.ends.len(), self.bytes.len() as u32);
        self.bytes.extend_from_slice(&column.bytes);
        assert!(self.bytes.len() <= MAX_COLUMN_BYTES, "a column holds at most 4 GiB");
        if self.nulls.is_some() || column.nulls.is_some() {
            let nulls = self.nulls.get_or_insert_with(|| Bitmap::filled(rows, false));
            let is_null = |row: usize| column.nulls.as_ref().is_some_and(|nulls| nulls.get(row));
            (0..column.len()).for_each(|row| nulls.push(is_null(row)));
        }
        self.ends.extend(column.ends.iter().map(|end| end + base));
    }

    /// The buffer to write the next value into; [`ColumnBuilder::end_value`] closes it. Only append to it.
    pub fn value_buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends the value that was written into [`ColumnBuilder::value_buffer`].
    #[inline]
    pub fn end_value(&mut self) {
        if let Some(nulls) = &mut self.nulls {
            nulls.push(false);
        }
        self.end_row();
    }

    /// Drops what was written into the buffer since the last row ended.
    pub fn abandon_value(&mut self) {
        self.bytes.truncate(self.ends.last().map_or(0, |end| *end as usize));
    }

    pub fn finish(self) -> Column {
        Column { bytes: Bytes::from(self.bytes), ends: self.ends, nulls: self.nulls }
    }

    #[inline]
    fn end_row(&mut self) {
        assert!(
            self.bytes.len() <= MAX_COLUMN_BYTES,
            "a column holds at most 4 GiB; callers bound their batches"
        );
        self.ends.push(self.bytes.len() as u32);
    }
}
