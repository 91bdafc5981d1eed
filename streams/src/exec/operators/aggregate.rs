//! The grouped aggregate: finds each row's group, adds the row to it, and gives results as windows close (`EMIT FINAL`)
//! or as groups change (`EMIT CHANGES`, once per commit and group).
//!
//! Groups live in slots; every vector here is indexed by slot, and slots of closed windows are used again. Rows of windows
//! that are closed already are late: counted and dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch};
use datafusion::arrow::compute::{and, cast, interleave};
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::HashMap;

use super::accumulate::{Accumulator, accumulator};
use super::{batch_of, evaluate};
use crate::exec::QueryError;
use crate::exec::event_time::{BEGINNING, END};
use crate::exec::operator::{Operator, Output};
use crate::exec::rows::{RowKind, Rows};
use crate::plan::{AggregatePlan, AggregateWindow};
use crate::sql::parse::Emit;
use crate::state::encoding::{ColumnReader, Reader, StoredColumn, VERSION};
use crate::state::key::{HEADER_BYTES, virtual_nodes};
use crate::state::memory::MemoryBudget;
use crate::state::store::ColdTable;
use crate::state::{OnChange, Persistent};

mod spill;
mod windows;

use spill::{Spill, StoredKeys};

const GROUPS: &str = "the columns of GROUP BY";
const CALLS: &str = "the arguments of an aggregate";

/// The table of the groups' accumulators.
const GROUP_TABLE: u8 = 0;

/// End of a group that is in no window: it never closes.
const NEVER: i64 = i64::MAX;

pub(super) struct Aggregator {
    plan: Arc<AggregatePlan>,
    converter: RowConverter,
    /// Group columns, in the row format, to slot.
    slots: HashMap<Arc<[u8]>, u32>,
    groups: Vec<Group>,
    free: Vec<u32>,
    accumulators: Vec<Box<dyn Accumulator>>,
    /// Slots by the end of their window.
    windows: BTreeMap<i64, Vec<u32>>,
    /// Slots that changed since the last commit, each once.
    changed: Vec<u32>,
    /// Written groups that are gone since the last commit.
    gone: Vec<Arc<[u8]>>,
    /// Slots whose new results have not been given out, for `EMIT CHANGES`; each once.
    unreported: Vec<u32>,
    /// Results say what was before them: as it was when a group was first touched since the last commit.
    says_before: bool,
    before: Vec<RecordBatch>,
    /// Stored keys of groups that are gone and were not in memory.
    gone_stored: Vec<Vec<u8>>,
    /// Values of groups that are gone, with the group: key of the group, call, value.
    gone_values: Vec<(Arc<[u8]>, usize, Vec<u8>)>,
    /// The watermark that windows were last closed by.
    closed_us: i64,
    late_rows: u64,
    last_end_us: Option<i64>,
    /// Where groups are that memory has no room for.
    spill: Option<Spill>,
}

#[derive(Clone)]
struct Group {
    key: Arc<[u8]>,
    /// Of its window.
    end_us: i64,
    is_changed: bool,
    is_unreported: bool,
    /// Where the result before is: place in `before`, row.
    before: Option<(usize, usize)>,
    /// Rows that count; kept only where rows are taken back.
    rows: i64,
    /// Its result has been given.
    is_given: bool,
    /// The changelog has a value for it.
    is_written: bool,
    /// A row came for it since the hand of the spill last came by.
    is_used: bool,
    /// What it is counted with; 0 if its slot is free.
    bytes: usize,
}

impl Aggregator {
    pub fn new(plan: Arc<AggregatePlan>, says_before: bool) -> Result<Aggregator, QueryError> {
        let fields = plan.groups.iter().map(|(_, field)| SortField::new(field.data_type().clone())).collect();
        let converter = RowConverter::new(fields).map_err(QueryError::compute(GROUPS))?;
        let accumulators = plan.calls.iter().map(|call| accumulator(call, plan.retracts));
        let accumulators = accumulators.collect::<Result<_, _>>()?;
        Ok(Aggregator {
            plan,
            converter,
            slots: HashMap::new(),
            groups: Vec::new(),
            free: Vec::new(),
            accumulators,
            windows: BTreeMap::new(),
            changed: Vec::new(),
            gone: Vec::new(),
            unreported: Vec::new(),
            says_before,
            before: Vec::new(),
            gone_stored: Vec::new(),
            gone_values: Vec::new(),
            closed_us: BEGINNING,
            late_rows: 0,
            last_end_us: None,
            spill: None,
        })
    }

    /// Adds the rows that are in time. A row is late by its partition's watermark before it, or by what is closed.
    fn take_in(&mut self, rows: Rows, out: &mut Output) -> Result<(), QueryError> {
        let Some(window) = self.plan.window else {
            return self.add(&rows, None);
        };
        let ends = self.window_ends(&rows.batch, window)?;
        let grace_us = window.size.grace_us;
        let closed_us = self.closed_us;
        let watermarks = rows.watermarks.as_ref();
        let in_time = |row: usize| {
            let watermark = watermarks.map_or(BEGINNING, |watermarks| watermarks.value(row)).max(closed_us);
            ends.is_valid(row) && ends.value(row).saturating_add(grace_us) > watermark
        };
        let kept: BooleanArray = (0..rows.len()).map(|row| Some(in_time(row))).collect();
        let late = rows.len() - kept.true_count();
        if late == 0 {
            return self.add(&rows, Some(&ends));
        }
        self.late_rows += late as u64;
        if rows.records.is_some() {
            let dropped: BooleanArray = kept.iter().map(|kept| kept.map(|kept| !kept)).collect();
            out.late.push(rows.filter(&dropped).map_err(QueryError::compute(GROUPS))?);
        }
        let rows = rows.filter(&kept).map_err(QueryError::compute(GROUPS))?;
        let ends: Int64Array =
            (0..ends.len()).filter(|row| kept.value(*row)).map(|row| Some(ends.value(row))).collect();
        self.add(&rows, Some(&ends))
    }

    fn window_ends(&self, batch: &RecordBatch, window: AggregateWindow) -> Result<Int64Array, QueryError> {
        let bound = self.group_column(batch, window.group)?;
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let bound = cast(&bound, &micros).and_then(|bound| cast(&bound, &DataType::Int64));
        let bound = bound.map_err(QueryError::compute(GROUPS))?;
        let bound = bound.as_primitive::<Int64Type>();
        if window.is_end {
            return Ok(bound.clone());
        }
        Ok(bound.unary(|start| start.saturating_add(window.size.size_us)))
    }

    fn group_column(&self, batch: &RecordBatch, group: usize) -> Result<ArrayRef, QueryError> {
        let Some((expression, _)) = self.plan.groups.get(group) else {
            return Err(QueryError::cluster("evaluate GROUP BY", "a group column is missing"));
        };
        evaluate(expression, batch, GROUPS)
    }

    fn add(&mut self, rows: &Rows, ends: Option<&Int64Array>) -> Result<(), QueryError> {
        if rows.is_empty() {
            return Ok(());
        }
        let batch = &rows.batch;
        let slots = self.find_slots(batch, ends)?;
        self.load_fresh()?;
        self.remember_before(&slots)?;
        let count = self.groups.len();
        let signs = self.plan.retracts.then(|| rows.signs()).flatten();
        for (call, accumulator) in self.plan.calls.iter().zip(&mut self.accumulators) {
            accumulator.resize(count);
            let values =
                call.argument.as_ref().map(|argument| evaluate(argument, batch, CALLS)).transpose()?;
            let filter = call.filter.as_ref().map(|filter| evaluate(filter, batch, CALLS)).transpose()?;
            let filter = filter.as_ref().map(|filter| filter.as_boolean());
            let Some((adds, takes)) = &signs else {
                accumulator.add(values.as_ref(), filter, &slots)?;
                continue;
            };
            let (adds, takes) = (both(adds, filter)?, both(takes, filter)?);
            accumulator.add(values.as_ref(), Some(&adds), &slots)?;
            accumulator.retract(values.as_ref(), Some(&takes), &slots)?;
        }
        if self.plan.retracts {
            for (row, slot) in slots.iter().enumerate() {
                self.groups[*slot as usize].rows += if rows.kind(row).adds() { 1 } else { -1 };
            }
        }
        for slot in slots {
            self.note_change(slot);
        }
        Ok(())
    }

    /// Keeps the results of groups that are about to change for the first time since they were given.
    fn remember_before(&mut self, slots: &[u32]) -> Result<(), QueryError> {
        if !self.says_before {
            return Ok(());
        }
        let count = self.groups.len();
        self.accumulators.iter_mut().for_each(|accumulator| accumulator.resize(count));
        let mut touched: Vec<u32> = slots.to_vec();
        touched.sort_unstable();
        touched.dedup();
        touched.retain(|slot| {
            let group = &self.groups[*slot as usize];
            !group.is_unreported && group.is_given
        });
        if touched.is_empty() {
            return Ok(());
        }
        let results = self.results(&touched)?;
        for (row, slot) in touched.iter().enumerate() {
            self.groups[*slot as usize].before = Some((self.before.len(), row));
        }
        self.before.push(results);
        Ok(())
    }

    /// The slot of each row's group; new groups get one.
    fn find_slots(&mut self, batch: &RecordBatch, ends: Option<&Int64Array>) -> Result<Vec<u32>, QueryError> {
        if self.plan.groups.is_empty() {
            let slot = self.slot_of(&[], NEVER);
            return Ok(vec![slot; batch.num_rows()]);
        }
        let columns: Vec<ArrayRef> = (0..self.plan.groups.len())
            .map(|group| self.group_column(batch, group))
            .collect::<Result<_, _>>()?;
        let rows = self.converter.convert_columns(&columns).map_err(QueryError::compute(GROUPS))?;
        let mut slots = Vec::with_capacity(batch.num_rows());
        for (row, key) in rows.iter().enumerate() {
            let end_us = ends.map_or(NEVER, |ends| ends.value(row));
            slots.push(self.slot_of(key.as_ref(), end_us));
        }
        Ok(slots)
    }

    #[inline]
    fn slot_of(&mut self, key: &[u8], end_us: i64) -> u32 {
        if let Some(slot) = self.slots.get(key) {
            return *slot;
        }
        let key: Arc<[u8]> = Arc::from(key);
        let group = Group {
            key: key.clone(),
            end_us,
            is_changed: false,
            is_unreported: false,
            is_given: false,
            before: None,
            rows: 0,
            is_written: false,
            is_used: true,
            bytes: 0,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.groups[slot as usize] = group;
                slot
            }
            None => {
                self.groups.push(group);
                (self.groups.len() - 1) as u32
            }
        };
        self.slots.insert(key, slot);
        if let Some(spill) = &mut self.spill {
            spill.note_fresh(slot);
        }
        if end_us != NEVER {
            self.windows.entry(end_us).or_default().push(slot);
        }
        slot
    }

    #[inline]
    fn note_change(&mut self, slot: u32) {
        let group = &mut self.groups[slot as usize];
        group.is_used = true;
        if !group.is_changed {
            group.is_changed = true;
            self.changed.push(slot);
        }
        if self.plan.emit == Emit::Changes && !group.is_unreported {
            group.is_unreported = true;
            self.unreported.push(slot);
        }
    }

    /// For `EMIT CHANGES`: the results of every group that changed since the last call, in the order of their key.
    fn changes(&mut self) -> Result<Option<Rows>, QueryError> {
        let mut slots = std::mem::take(&mut self.unreported);
        if slots.is_empty() {
            return Ok(None);
        }
        for slot in &slots {
            self.groups[*slot as usize].is_unreported = false;
        }
        slots.sort_unstable_by(|left, right| {
            self.groups[*left as usize].key.cmp(&self.groups[*right as usize].key)
        });
        let results = self.results(&slots)?;
        let rows = if self.says_before || self.plan.retracts {
            self.compared(&slots, results)?
        } else {
            Rows::inserts(results)
        };
        slots.iter().for_each(|slot| self.groups[*slot as usize].is_given = true);
        let gone = |slot: &u32| self.is_gone(*slot);
        let gone: Vec<u32> = slots.iter().copied().filter(gone).collect();
        self.drop_groups(&gone)?;
        if !gone.is_empty() {
            self.windows.values_mut().for_each(|slots| slots.retain(|slot| !gone.contains(slot)));
        }
        Ok(Some(rows))
    }

    /// No row of the group is left; only the one group of a query without GROUP BY stays all the same.
    fn is_gone(&self, slot: u32) -> bool {
        self.plan.retracts && !self.plan.groups.is_empty() && self.groups[slot as usize].rows <= 0
    }

    /// What the new results change.
    fn compared(&mut self, slots: &[u32], results: RecordBatch) -> Result<Rows, QueryError> {
        const STEP: &str = "the changes of an aggregate";
        let before = std::mem::take(&mut self.before);
        let (mut places, mut kinds) = (Vec::new(), Vec::new());
        for (row, slot) in slots.iter().enumerate() {
            let old = self.groups[*slot as usize].before.take();
            let was_given = self.groups[*slot as usize].is_given;
            match (old, self.is_gone(*slot)) {
                (Some((batch, place)), true) => {
                    places.push((batch + 1, place));
                    kinds.push(RowKind::Delete);
                }
                (None, true) if was_given => {
                    places.push((0, row));
                    kinds.push(RowKind::Delete);
                }
                (None, true) => {}
                (Some((batch, place)), false) => {
                    if is_same(&before[batch], place, &results, row) {
                        continue;
                    }
                    places.extend([(batch + 1, place), (0, row)]);
                    kinds.extend([RowKind::UpdateBefore, RowKind::UpdateAfter]);
                }
                (None, false) => {
                    places.push((0, row));
                    kinds.push(if was_given { RowKind::UpdateAfter } else { RowKind::Insert });
                }
            }
        }
        let pick = |column: usize| {
            let mut arrays: Vec<&dyn Array> = vec![results.column(column).as_ref()];
            arrays.extend(before.iter().map(|batch| batch.column(column).as_ref()));
            interleave(&arrays, &places).map_err(QueryError::compute(STEP))
        };
        let columns = (0..results.num_columns()).map(pick).collect::<Result<_, _>>()?;
        Ok(Rows::changes(batch_of(&self.plan.schema, columns, kinds.len(), STEP)?, &kinds))
    }

    fn results(&self, slots: &[u32]) -> Result<RecordBatch, QueryError> {
        let mut columns = self.key_columns(slots.iter().map(|slot| &self.groups[*slot as usize].key))?;
        for accumulator in &self.accumulators {
            columns.push(accumulator.results(slots)?);
        }
        batch_of(&self.plan.schema, columns, slots.len(), "the results of an aggregate")
    }

    fn key_columns<'a>(
        &self,
        keys: impl Iterator<Item = &'a Arc<[u8]>>,
    ) -> Result<Vec<ArrayRef>, QueryError> {
        if self.plan.groups.is_empty() {
            return Ok(Vec::new());
        }
        let parser = self.converter.parser();
        self.converter.convert_rows(keys.map(|key| parser.parse(key))).map_err(QueryError::compute(GROUPS))
    }

    fn drop_groups(&mut self, slots: &[u32]) -> Result<(), QueryError> {
        for slot in slots {
            let group = &mut self.groups[*slot as usize];
            self.slots.remove(&group.key);
            if group.is_written {
                self.gone.push(group.key.clone());
            }
            group.is_changed = false;
            for (call, accumulator) in self.accumulators.iter_mut().enumerate() {
                if let Some(set) = accumulator.multiset() {
                    let values = set.forget(*slot)?.into_iter();
                    self.gone_values.extend(values.map(|value| (group.key.clone(), call, value)));
                }
                accumulator.clear(*slot);
            }
            self.forget_bytes(*slot);
        }
        let groups = &self.groups;
        self.changed.retain(|slot| groups[*slot as usize].is_changed);
        self.free.extend_from_slice(slots);
        Ok(())
    }

    /// What the changelog's keys begin with, and the columns behind.
    fn stored_keys(&self, keys: &[Arc<[u8]>]) -> Result<StoredKeys, QueryError> {
        let columns = self.key_columns(keys.iter())?;
        Ok(StoredKeys {
            nodes: virtual_nodes(&columns, keys.len())?,
            ends: self.ends_of(&columns)?,
            columns: columns.iter().map(StoredColumn::new).collect::<Result<_, _>>()?,
        })
    }

    /// The ends of the windows that groups of these columns are in; `None` without windows.
    fn ends_of(&self, columns: &[ArrayRef]) -> Result<Option<Int64Array>, QueryError> {
        let Some(window) = self.plan.window else { return Ok(None) };
        let bound = cast(&columns[window.group], &DataType::Timestamp(TimeUnit::Microsecond, None))
            .and_then(|bound| cast(&bound, &DataType::Int64))
            .map_err(QueryError::compute(GROUPS))?;
        let bound = bound.as_primitive::<Int64Type>();
        let length_us = if window.is_end { 0 } else { window.size.size_us };
        Ok(Some(bound.unary(|bound| bound.saturating_add(length_us))))
    }
}

impl Operator for Aggregator {
    fn on_rows(&mut self, _input: usize, rows: Rows, out: &mut Output) -> Result<(), QueryError> {
        self.take_in(rows, out)
    }

    fn on_watermark(&mut self, watermarks_us: &[i64], out: &mut Output) -> Result<(), QueryError> {
        let watermark_us = watermarks_us.first().copied().unwrap_or(BEGINNING);
        if watermark_us != END {
            self.closed_us = watermark_us;
        }
        self.close(watermark_us, out)
    }

    fn output_watermark(&self, watermarks_us: &[i64]) -> i64 {
        let watermark_us = watermarks_us.first().copied().unwrap_or(BEGINNING);
        let grace_us = self.plan.window.map_or(0, |window| window.size.grace_us);
        if watermark_us == END { END } else { watermark_us.saturating_sub(grace_us) }
    }

    fn on_barrier(&mut self, out: &mut Output) -> Result<(), QueryError> {
        if let Some(rows) = self.changes()? {
            out.push(rows);
        }
        Ok(())
    }

    fn tables(&mut self) -> Vec<(u8, &mut dyn Persistent)> {
        vec![(GROUP_TABLE, self)]
    }

    fn due_us(&self) -> Option<i64> {
        let grace_us = self.plan.window.map_or(0, |window| window.size.grace_us);
        self.next_end().map(|end| end.saturating_add(grace_us))
    }

    fn late_rows(&self) -> u64 {
        self.late_rows
    }

    fn last_end_us(&self) -> Option<i64> {
        self.last_end_us
    }
}

/// Rows that both say.
fn both(left: &BooleanArray, right: Option<&BooleanArray>) -> Result<BooleanArray, QueryError> {
    right.map_or_else(|| Ok(left.clone()), |right| and(left, right).map_err(QueryError::compute(CALLS)))
}

/// Whether two rows are equal in every column; types that cannot be compared count as different.
fn is_same(left: &RecordBatch, left_row: usize, right: &RecordBatch, right_row: usize) -> bool {
    left.columns().iter().zip(right.columns()).all(|(left, right)| {
        let (left, right) = (left.slice(left_row, 1), right.slice(right_row, 1));
        left.to_data() == right.to_data()
    })
}

impl Persistent for Aggregator {
    fn attach(&mut self, table: ColdTable, budget: &Arc<MemoryBudget>) -> Result<bool, QueryError> {
        self.start_to_spill(table, budget)
    }

    fn committed(&mut self) -> Result<(), QueryError> {
        self.let_go();
        Ok(())
    }

    fn drain_changes(&mut self, each: &mut OnChange<'_>) -> Result<(), QueryError> {
        let gone = std::mem::take(&mut self.gone);
        let changed = std::mem::take(&mut self.changed);
        let mut keys: Vec<Arc<[u8]>> = gone.clone();
        keys.extend(changed.iter().map(|slot| self.groups[*slot as usize].key.clone()));
        let stored = self.stored_keys(&keys)?;
        std::mem::take(&mut self.gone_stored).iter().for_each(|key| each(key, None));
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for row in 0..keys.len() {
            stored.write(row, &mut key);
            // A group that went and came back within one commit is written after it is deleted.
            let Some(slot) = row.checked_sub(gone.len()).and_then(|place| changed.get(place)) else {
                each(&key, None);
                continue;
            };
            value.clear();
            value.push(VERSION);
            let group = &mut self.groups[*slot as usize];
            group.is_changed = false;
            group.is_written = true;
            if self.plan.retracts {
                value.extend_from_slice(&group.rows.to_le_bytes());
            }
            self.accumulators.iter().for_each(|accumulator| accumulator.write(*slot, &mut value));
            each(&key, Some(&value));
            self.count_bytes(*slot, value.len());
        }
        self.drain_values(each)
    }

    fn restore(&mut self, entries: &mut dyn Iterator<Item = (&[u8], &[u8])>) -> Result<(), QueryError> {
        let mut readers = Vec::new();
        for (_, field) in &self.plan.groups {
            readers.push(ColumnReader::new(field.data_type())?);
        }
        // Behind the group: nothing for its accumulators, the call and the value for a line of a multiset.
        let mut lines: Vec<(&[u8], &[u8])> = Vec::new();
        for (key, value) in entries {
            let mut from = self.columns_of(key)?;
            for reader in &mut readers {
                reader.read(&mut from)?;
            }
            lines.push((from.rest(), value));
        }
        let columns = readers.into_iter().map(ColumnReader::finish).collect::<Result<Vec<_>, _>>()?;
        let slots = self.restored_slots(&columns, lines.len())?;
        for accumulator in &mut self.accumulators {
            accumulator.resize(self.groups.len());
        }
        let mut values: Vec<Vec<(u32, &[u8], &[u8])>> = vec![Vec::new(); self.accumulators.len()];
        for (slot, (name, value)) in slots.into_iter().zip(lines) {
            if let Some((call, name)) = name.split_first() {
                if let Some(values) = values.get_mut(usize::from(*call)) {
                    values.push((slot, name, value));
                }
                continue;
            }
            let mut from = Reader::new(value)?;
            if self.plan.retracts {
                self.groups[slot as usize].rows = from.integer()?;
            }
            for accumulator in &mut self.accumulators {
                accumulator.read(slot, &mut from)?;
            }
            from.end()?;
            self.groups[slot as usize].is_written = true;
            self.groups[slot as usize].is_given = true;
        }
        for (accumulator, values) in self.accumulators.iter_mut().zip(values) {
            if let Some(set) = accumulator.multiset() {
                set.restore(&values)?;
            }
        }
        Ok(())
    }
}

impl Aggregator {
    /// The lines of values whose count changed: the group's key, the call, the value.
    fn drain_values(&mut self, each: &mut OnChange<'_>) -> Result<(), QueryError> {
        let mut lines: Vec<(Arc<[u8]>, usize, Vec<u8>, Option<Vec<u8>>)> =
            std::mem::take(&mut self.gone_values)
                .into_iter()
                .map(|(key, call, value)| (key, call, value, None))
                .collect();
        for (call, accumulator) in self.accumulators.iter_mut().enumerate() {
            let Some(set) = accumulator.multiset() else { continue };
            for (slot, value, line) in set.drain()? {
                lines.push((self.groups[slot as usize].key.clone(), call, value, line));
            }
        }
        if lines.is_empty() {
            return Ok(());
        }
        let keys: Vec<Arc<[u8]>> = lines.iter().map(|(key, ..)| key.clone()).collect();
        let stored = self.stored_keys(&keys)?;
        let mut full = Vec::new();
        for (row, (_, call, value, line)) in lines.iter().enumerate() {
            stored.write(row, &mut full);
            full.push(u8::try_from(*call).unwrap_or(u8::MAX));
            full.extend_from_slice(value);
            each(&full, line.as_deref());
        }
        Ok(())
    }
}

impl Aggregator {
    /// The columns in a stored key: what is in front of them they say again.
    fn columns_of<'k>(&self, key: &'k [u8]) -> Result<Reader<'k>, QueryError> {
        const END_BYTES: usize = 8;
        let behind_node = Reader::new(key.get(1..).unwrap_or_default())?;
        if self.plan.window.is_none() {
            return Ok(behind_node);
        }
        Ok(Reader::behind_version(key.get(HEADER_BYTES + END_BYTES..).unwrap_or_default()))
    }

    fn restored_slots(&mut self, columns: &[ArrayRef], count: usize) -> Result<Vec<u32>, QueryError> {
        if columns.is_empty() {
            return Ok((0..count).map(|_| self.slot_of(&[], NEVER)).collect());
        }
        let ends = self.ends_of(columns)?;
        let rows = self.converter.convert_columns(columns).map_err(QueryError::compute(GROUPS))?;
        let mut slots = Vec::with_capacity(count);
        for (row, key) in rows.iter().enumerate() {
            let end_us = ends.as_ref().map_or(NEVER, |ends| ends.value(row));
            slots.push(self.slot_of(key.as_ref(), end_us));
        }
        Ok(slots)
    }
}
