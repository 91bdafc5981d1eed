//! The headers of all rows of a batch: names and values in two columns, and where each row's headers end.

use bytes::Bytes;

use super::{BatchError, Column, ColumnBuilder};

/// Headers of a batch. Without any header in the batch it holds nothing at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Headers {
    names: Column,
    values: Column,
    /// Per row, the index after its last header; empty when no row has one.
    row_ends: Vec<u32>,
}

impl Headers {
    /// Takes parts that came from outside and checks them: names are text and never null, one value per name.
    pub fn from_parts(names: Column, values: Column, row_ends: Vec<u32>) -> Result<Headers, BatchError> {
        let column = "header names";
        for row in 0..names.len() {
            let name = names.get(row).ok_or(BatchError::UnexpectedNull { column, row })?;
            std::str::from_utf8(name).map_err(|_| BatchError::NotText { column, row })?;
        }
        if values.len() != names.len() {
            return Err(BatchError::RowsMismatch {
                column: "header values",
                found: values.len(),
                expected: names.len(),
            });
        }
        // The row ends obey the same rule as a column's ends, over entries instead of bytes.
        let mut previous = 0;
        for (row, end) in row_ends.iter().copied().enumerate() {
            if end < previous {
                return Err(BatchError::EndsDecrease { column: "headers", row, end });
            }
            previous = end;
        }
        if previous as usize != names.len() {
            let (end, bytes) = (previous as usize, names.len());
            return Err(BatchError::EndsMismatch { column: "headers", end, bytes });
        }
        Ok(Headers { names, values, row_ends })
    }

    /// Whether no row has a header.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub fn byte_len(&self) -> usize {
        self.names.byte_len() + self.values.byte_len()
    }

    /// Names, values, and per row the index after its last header.
    pub fn parts(&self) -> (&Column, &Column, &[u32]) {
        (&self.names, &self.values, &self.row_ends)
    }

    /// The headers of one row, in order.
    #[inline]
    pub fn row(&self, row: usize) -> RowHeaders<'_> {
        if self.row_ends.is_empty() {
            return RowHeaders { headers: self, next: 0, end: 0 };
        }
        let end = self.row_ends.get(row).map_or(0, |end| *end as usize);
        let next = if row == 0 { 0 } else { self.row_ends.get(row - 1).map_or(0, |end| *end as usize) };
        RowHeaders { headers: self, next, end }
    }

    /// How many rows it describes; `None` when it fits any number because there are no headers.
    pub(super) fn rows(&self) -> Option<usize> {
        (!self.row_ends.is_empty()).then_some(self.row_ends.len())
    }

    pub(super) fn slice(&self, from: usize, to: usize) -> Headers {
        if self.is_empty() || from >= to {
            return Headers::default();
        }
        let first = if from == 0 { 0 } else { self.row_ends[from - 1] };
        let last = self.row_ends[to - 1];
        Headers {
            names: self.names.slice(first as usize, last as usize),
            values: self.values.slice(first as usize, last as usize),
            row_ends: self.row_ends[from..to].iter().map(|end| end - first).collect(),
        }
    }
}

/// Iterates over one row's headers as (name, value).
#[derive(Debug, Clone, Copy)]
pub struct RowHeaders<'a> {
    headers: &'a Headers,
    next: usize,
    end: usize,
}

impl<'a> RowHeaders<'a> {
    /// The value of the last header of that name; `None` when there is none or it is null.
    pub fn find(self, name: &str) -> Option<&'a [u8]> {
        self.filter(|(found, _)| *found == name).last().and_then(|(_, value)| value)
    }
}

impl<'a> Iterator for RowHeaders<'a> {
    type Item = (&'a str, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let entry = self.next;
        self.next += 1;
        let name = std::str::from_utf8(self.headers.names.get(entry)?).ok()?;
        Some((name, self.headers.values.get(entry)))
    }
}

impl PartialEq for RowHeaders<'_> {
    fn eq(&self, other: &Self) -> bool {
        Iterator::eq(*self, *other)
    }
}

/// Builds the headers of a batch row by row.
#[derive(Debug, Default)]
pub struct HeadersBuilder {
    names: ColumnBuilder,
    values: ColumnBuilder,
    row_ends: Vec<u32>,
    rows: usize,
}

impl HeadersBuilder {
    /// Adds a header to the row that the next [`HeadersBuilder::end_row`] ends.
    pub fn push(&mut self, name: &str, value: Option<&[u8]>) {
        if self.row_ends.is_empty() {
            // The first header of the batch: rows before it have none.
            self.row_ends = vec![0; self.rows];
        }
        self.names.push_value(name.as_bytes());
        self.values.push(value);
    }

    #[inline]
    pub fn end_row(&mut self) {
        self.rows += 1;
        if !self.names.is_empty() {
            self.row_ends.push(self.names.len() as u32);
        }
    }

    /// Appends the headers of `rows` rows.
    pub fn append(&mut self, headers: &Headers, rows: usize) {
        if headers.is_empty() && self.names.is_empty() {
            self.rows += rows;
            return;
        }
        for row in 0..rows {
            for (name, value) in headers.row(row) {
                self.push(name, value);
            }
            self.end_row();
        }
    }

    pub fn finish(self) -> Headers {
        Headers { names: self.names.finish(), values: self.values.finish(), row_ends: self.row_ends }
    }
}

impl Headers {
    /// The name and shared value of every header of one row.
    pub fn row_shared(&self, row: usize) -> impl Iterator<Item = (&str, Option<Bytes>)> {
        self.row(row).map(|(name, value)| (name, value.map(|value| self.values.bytes().slice_ref(value))))
    }
}
