//! How often each value is there, per group: what `min` and `max` need where rows are taken back, and what `DISTINCT`,
//! `array_agg`, `string_agg` and `median` need anyway.
//!
//! Each value has a line of its own in the changelog, so a group of many values costs what changes and not what it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, ListArray, StringBuilder, UInt32Array, new_empty_array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::arrow::row::{OwnedRow, RowConverter, SortField};

use super::{Accumulator, COMPUTE, argument};
use crate::exec::QueryError;
use crate::state::encoding::{ColumnReader, Reader, StoredColumn, VERSION};

mod whole;

/// What becomes of a group's values.
pub(crate) enum Summary {
    Least,
    Greatest,
    /// Every value once, into another accumulator.
    Distinct(Box<dyn Accumulator>),
    /// The values in their order; `once` for each value once.
    Array {
        once: bool,
        descending: bool,
    },
    /// Their texts in order, with this between them.
    Joined {
        once: bool,
        descending: bool,
        separator: String,
    },
    Median,
}

pub(crate) struct Multiset {
    converter: RowConverter,
    data_type: DataType,
    output: DataType,
    summary: Summary,
    /// NULL is a value like any other.
    with_nulls: bool,
    /// By slot: values in the row format, which sorts as the values do.
    values: Vec<BTreeMap<Box<[u8]>, Held>>,
    /// What changed since the last commit.
    changed: BTreeSet<(u32, Box<[u8]>)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Held {
    count: i64,
    /// The changelog has a line for it.
    is_written: bool,
}

impl Multiset {
    pub fn new(summary: Summary, data_type: &DataType, output: DataType) -> Result<Multiset, QueryError> {
        let sorted = SortField::new(data_type.clone());
        let converter = RowConverter::new(vec![sorted]).map_err(QueryError::compute(COMPUTE))?;
        Ok(Multiset {
            converter,
            data_type: data_type.clone(),
            output,
            with_nulls: matches!(summary, Summary::Array { .. }),
            summary,
            values: Vec::new(),
            changed: BTreeSet::new(),
        })
    }

    /// Counts every row's value up or down. Gives which rows brought a value that was not there, or took its last one.
    fn count(
        &mut self,
        values: &ArrayRef,
        keep: Option<&BooleanArray>,
        slots: &[u32],
        step: i64,
    ) -> Result<BooleanArray, QueryError> {
        let rows = self
            .converter
            .convert_columns(std::slice::from_ref(values))
            .map_err(QueryError::compute(COMPUTE))?;
        let mut turned = vec![false; slots.len()];
        for (row, slot) in slots.iter().enumerate() {
            let counts = keep.is_none_or(|keep| keep.is_valid(row) && keep.value(row));
            if !counts || (values.is_null(row) && !self.with_nulls) {
                continue;
            }
            let value: Box<[u8]> = Box::from(rows.row(row).as_ref());
            let held = self.values[*slot as usize].entry(value.clone()).or_default();
            held.count += step;
            turned[row] = if step > 0 { held.count == 1 } else { held.count == 0 };
            self.changed.insert((*slot, value));
        }
        Ok(BooleanArray::from(turned))
    }

    /// The values of one slot that are there, each as often as it is there, or once.
    fn of_slot(&self, slot: u32, once: bool) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.values[slot as usize].iter().filter(|(_, held)| held.count > 0).flat_map(move |(value, held)| {
            let times = if once { 1 } else { usize::try_from(held.count).unwrap_or(0) };
            std::iter::repeat_n(value.as_ref(), times)
        })
    }

    fn array<'a>(&self, values: impl Iterator<Item = &'a [u8]>) -> Result<ArrayRef, QueryError> {
        let parser = self.converter.parser();
        let columns = self
            .converter
            .convert_rows(values.map(|value| parser.parse(value)))
            .map_err(QueryError::compute(COMPUTE))?;
        Ok(columns.into_iter().next().unwrap_or_else(|| new_empty_array(&self.data_type)))
    }

    /// One value of each slot, or NULL.
    fn single<'a>(
        &'a self,
        slots: &[u32],
        find: impl Fn(&'a Multiset, u32) -> Option<&'a [u8]>,
    ) -> Result<ArrayRef, QueryError> {
        let found: Vec<Option<&[u8]>> = slots.iter().map(|slot| find(self, *slot)).collect();
        let array = self.array(found.iter().flatten().copied())?;
        let mut next = 0;
        let places: UInt32Array = found
            .iter()
            .map(|value| {
                value.map(|_| {
                    next += 1;
                    next - 1
                })
            })
            .collect();
        let array = take(&array, &places, None).map_err(QueryError::compute(COMPUTE))?;
        cast(&array, &self.output).map_err(QueryError::compute(COMPUTE))
    }

    fn lists(
        &self,
        slots: &[u32],
        once: bool,
        descending: bool,
    ) -> Result<(ArrayRef, Vec<usize>), QueryError> {
        let (mut all, mut lengths) = (Vec::new(), Vec::new());
        for slot in slots {
            let before = all.len();
            all.extend(self.of_slot(*slot, once));
            if descending {
                all[before..].reverse();
            }
            lengths.push(all.len() - before);
        }
        Ok((self.array(all.into_iter())?, lengths))
    }

    fn arrays(&self, slots: &[u32], once: bool, descending: bool) -> Result<ArrayRef, QueryError> {
        let (values, lengths) = self.lists(slots, once, descending)?;
        let field = match &self.output {
            DataType::List(field) => field.clone(),
            _ => Arc::new(Field::new_list_field(self.data_type.clone(), true)),
        };
        let values = cast(&values, field.data_type()).map_err(QueryError::compute(COMPUTE))?;
        let nulls = lengths.iter().map(|length| *length > 0).collect::<Vec<bool>>();
        let offsets = OffsetBuffer::from_lengths(lengths);
        let lists = ListArray::try_new(field, offsets, values, Some(nulls.into()));
        Ok(Arc::new(lists.map_err(QueryError::compute(COMPUTE))?))
    }

    fn texts(
        &self,
        slots: &[u32],
        once: bool,
        descending: bool,
        separator: &str,
    ) -> Result<ArrayRef, QueryError> {
        let (values, lengths) = self.lists(slots, once, descending)?;
        let values = cast(&values, &DataType::Utf8).map_err(QueryError::compute(COMPUTE))?;
        let values = values.as_string::<i32>();
        let mut texts = StringBuilder::new();
        let mut next = 0;
        for length in lengths {
            let parts: Vec<&str> = (next..next + length).map(|place| values.value(place)).collect();
            next += length;
            texts.append_option((length > 0).then(|| parts.join(separator)));
        }
        cast(&texts.finish(), &self.output).map_err(QueryError::compute(COMPUTE))
    }

    /// The middle value, or the mean of the two in the middle.
    fn medians(&self, slots: &[u32]) -> Result<ArrayRef, QueryError> {
        let (values, lengths) = self.lists(slots, false, false)?;
        let values = cast(&values, &DataType::Float64).map_err(QueryError::compute(COMPUTE))?;
        let values = values.as_primitive::<Float64Type>();
        let mut next = 0;
        let medians = lengths.into_iter().map(|length| {
            let (low, high) = (next + length.saturating_sub(1) / 2, next + length / 2);
            next += length;
            (length > 0).then(|| values.value(low) / 2.0 + values.value(high) / 2.0)
        });
        let medians: ArrayRef = Arc::new(medians.collect::<datafusion::arrow::array::Float64Array>());
        cast(&medians, &self.output).map_err(QueryError::compute(COMPUTE))
    }

    /// What changed since the last call: slot, value, and its line in the changelog or nothing if it is gone.
    pub fn drain(&mut self) -> Result<Vec<(u32, Vec<u8>, Option<Vec<u8>>)>, QueryError> {
        let changed: Vec<(u32, Box<[u8]>)> = std::mem::take(&mut self.changed).into_iter().collect();
        let stored = StoredColumn::new(&self.array(changed.iter().map(|(_, value)| value.as_ref()))?)?;
        let mut lines = Vec::new();
        for (row, (slot, value)) in changed.iter().enumerate() {
            let Some(held) = self.values[*slot as usize].get_mut(value) else { continue };
            let mut name = Vec::new();
            stored.write(row, &mut name);
            let is_there = held.count != 0;
            if is_there || held.is_written {
                let mut line = vec![VERSION];
                line.extend_from_slice(&held.count.to_le_bytes());
                lines.push((*slot, name, is_there.then_some(line)));
            }
            held.is_written = is_there;
            if !is_there {
                self.values[*slot as usize].remove(value);
            }
        }
        Ok(lines)
    }

    /// Forgets a slot; gives the values of it that the changelog has a line for.
    pub fn forget(&mut self, slot: u32) -> Result<Vec<Vec<u8>>, QueryError> {
        let values = std::mem::take(&mut self.values[slot as usize]);
        let written = values.iter().filter(|(_, held)| held.is_written);
        let stored = StoredColumn::new(&self.array(written.clone().map(|(value, _)| value.as_ref()))?)?;
        self.changed.retain(|(other, _)| *other != slot);
        let names = written.enumerate().map(|(row, _)| {
            let mut name = Vec::new();
            stored.write(row, &mut name);
            name
        });
        Ok(names.collect())
    }

    /// Takes back lines that `drain` gave: slot, value and line.
    pub fn restore(&mut self, lines: &[(u32, &[u8], &[u8])]) -> Result<(), QueryError> {
        let mut values = ColumnReader::new(&self.data_type)?;
        let mut counts = Vec::new();
        for (_, name, line) in lines {
            let mut from = Reader::behind_version(name);
            values.read(&mut from)?;
            from.end()?;
            let mut from = Reader::new(line)?;
            counts.push(from.integer()?);
            from.end()?;
        }
        let values = values.finish()?;
        let rows = self.converter.convert_columns(&[values]).map_err(QueryError::compute(COMPUTE))?;
        for ((row, count), (slot, _, _)) in rows.iter().zip(counts).zip(lines) {
            let value: OwnedRow = row.owned();
            let held = Held { count, is_written: true };
            self.values[*slot as usize].insert(Box::from(value.as_ref()), held);
        }
        Ok(())
    }
}

impl Accumulator for Multiset {
    fn resize(&mut self, slots: usize) {
        self.values.resize_with(slots, BTreeMap::new);
        if let Summary::Distinct(inner) = &mut self.summary {
            inner.resize(slots);
        }
    }

    fn add(
        &mut self,
        values: Option<&ArrayRef>,
        keep: Option<&BooleanArray>,
        slots: &[u32],
    ) -> Result<(), QueryError> {
        let new = self.count(argument(values)?, keep, slots, 1)?;
        match &mut self.summary {
            Summary::Distinct(inner) => inner.add(values, Some(&new), slots),
            _ => Ok(()),
        }
    }

    fn retract(
        &mut self,
        values: Option<&ArrayRef>,
        keep: Option<&BooleanArray>,
        slots: &[u32],
    ) -> Result<(), QueryError> {
        let gone = self.count(argument(values)?, keep, slots, -1)?;
        match &mut self.summary {
            Summary::Distinct(inner) => inner.retract(values, Some(&gone), slots),
            _ => Ok(()),
        }
    }

    fn results(&self, slots: &[u32]) -> Result<ArrayRef, QueryError> {
        match &self.summary {
            Summary::Least => self.single(slots, |set, slot| set.of_slot(slot, true).next()),
            Summary::Greatest => self.single(slots, |set, slot| set.of_slot(slot, true).next_back()),
            Summary::Distinct(inner) => {
                cast(&inner.results(slots)?, &self.output).map_err(QueryError::compute(COMPUTE))
            }
            Summary::Array { once, descending } => self.arrays(slots, *once, *descending),
            Summary::Joined { once, descending, separator } => {
                self.texts(slots, *once, *descending, separator)
            }
            Summary::Median => self.medians(slots),
        }
    }

    fn write(&self, slot: u32, out: &mut Vec<u8>) {
        if let Summary::Distinct(inner) = &self.summary {
            inner.write(slot, out);
        }
    }

    fn read(&mut self, slot: u32, from: &mut Reader<'_>) -> Result<(), QueryError> {
        match &mut self.summary {
            Summary::Distinct(inner) => inner.read(slot, from),
            _ => Ok(()),
        }
    }

    fn clear(&mut self, slot: u32) {
        self.values[slot as usize].clear();
        if let Summary::Distinct(inner) = &mut self.summary {
            inner.clear(slot);
        }
    }

    fn merge(&mut self, from: u32, into: u32) -> Result<(), QueryError> {
        self.merge_values(from, into)
    }

    fn multiset(&mut self) -> Option<&mut Multiset> {
        Some(self)
    }
}
