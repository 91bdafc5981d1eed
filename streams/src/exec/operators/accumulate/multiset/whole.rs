//! A group's values as one piece of bytes, and two groups made one: for groups that are joined, as sessions are.

use super::{Held, Multiset, Summary};
use crate::exec::QueryError;
use crate::exec::operators::accumulate::COMPUTE;
use crate::state::encoding::{ColumnReader, Reader, StoredColumn};

impl Multiset {
    /// Writes how many values a slot has, and each with its count.
    pub fn write_whole(&self, slot: u32, out: &mut Vec<u8>) -> Result<(), QueryError> {
        let values = &self.values[slot as usize];
        let stored = StoredColumn::new(&self.array(values.keys().map(AsRef::as_ref))?)?;
        out.extend_from_slice(&(values.len() as i64).to_le_bytes());
        for (row, held) in values.values().enumerate() {
            stored.write(row, out);
            out.extend_from_slice(&held.count.to_le_bytes());
        }
        Ok(())
    }

    /// Takes back what `write_whole` wrote.
    pub fn read_whole(&mut self, slot: u32, from: &mut Reader<'_>) -> Result<(), QueryError> {
        let mut values = ColumnReader::new(&self.data_type)?;
        let mut counts = Vec::new();
        for _ in 0..from.integer()? {
            values.read(from)?;
            counts.push(from.integer()?);
        }
        let rows =
            self.converter.convert_columns(&[values.finish()?]).map_err(QueryError::compute(COMPUTE))?;
        let held = rows.iter().zip(counts).map(|(value, count)| {
            let value: Box<[u8]> = Box::from(value.as_ref());
            (value, Held { count, is_written: false })
        });
        self.values[slot as usize] = held.collect();
        Ok(())
    }

    /// Nothing of what changed is asked for.
    pub fn forget_changes(&mut self) {
        self.changed.clear();
    }

    pub(super) fn merge_values(&mut self, from: u32, into: u32) -> Result<(), QueryError> {
        let mut new = Vec::new();
        for (value, held) in std::mem::take(&mut self.values[from as usize]) {
            let whole = self.values[into as usize].entry(value.clone()).or_default();
            if whole.count == 0 {
                new.push(value);
            }
            whole.count += held.count;
        }
        let added = self.array(new.iter().map(AsRef::as_ref))?;
        if let Summary::Distinct(inner) = &mut self.summary {
            inner.clear(from);
            inner.add(Some(&added), None, &vec![into; new.len()])?;
        }
        Ok(())
    }
}
