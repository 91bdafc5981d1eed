//! The first rows of every partition, in an order: Top-N, and with a limit of one row, deduplication.
//!
//! State: the key is the partition, the row's place in the order, and the row; so rows that are alike in what they are
//! ordered by are in the order of their content, whatever the order they came in. The value is how often the row counts,
//! and where partition and row are in the key. In windows, their end stands before the partition.
//!
//! Where rows stay, those behind the limit can never come up: they are not kept. Where they are taken back, all are kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, UInt64Array,
};
use datafusion::arrow::compute::{cast, not};
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit};

use super::{batch_of, evaluate};
use crate::exec::QueryError;
use crate::exec::event_time::{BEGINNING, END};
use crate::exec::operator::{Operator, Output};
use crate::exec::rows::{RowKind, Rows};
use crate::plan::RankPlan;
use crate::sql::parse::Emit;
use crate::state::encoding::DecodeError;
use crate::state::key::{
    HEADER_BYTES, KeyCodec, VIRTUAL_NODES, number, ordered, state_prefix, successor, virtual_node,
};
use crate::state::row::RowCodec;
use crate::state::table::StateTable;
use crate::state::{Encoded, Persistent};

const STEP: &str = "ROW_NUMBER";

/// The table of the rows.
const ROW_TABLE: u8 = 0;

/// Partitions of which is known what their last row is.
const FULL_MAX: usize = 65_536;

/// Rows that are given in one batch, at the most one more.
const GIVEN_ROWS: usize = 8_192;

const TIME_BYTES: usize = 8;

pub(super) struct Rank {
    plan: Arc<RankPlan>,
    partition: KeyCodec,
    order: KeyCodec,
    rows: RowCodec,
    table: StateTable,
    /// By partition: its first rows as they were given last, of those that changed since.
    touched: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    /// Partitions that have all the rows that are wanted, with the key of the last: what is behind it changes nothing.
    full: HashMap<Vec<u8>, Vec<u8>>,
    /// Ends of windows that have rows; absent until it is known.
    ends: Option<BTreeSet<i64>>,
    closed_us: i64,
    late_rows: u64,
    last_end_us: Option<i64>,
}

/// The rows of a batch as they are in state.
struct Arrived {
    rows: Rows,
    /// Where a row's partition begins in state.
    prefixes: Vec<Vec<u8>>,
    order: Encoded,
    encoded: Encoded,
}

/// What is known of a stored row.
#[derive(Clone, Copy)]
struct Stored {
    weight: i32,
    /// Where in the key the partition ends, and where the row begins.
    partition_end: u32,
    row_start: u32,
}

/// Rows that are on their way out.
struct Given {
    rows: crate::state::row::RowReader,
    kinds: Vec<RowKind>,
    numbers: Vec<u64>,
}

impl Rank {
    pub fn new(plan: Arc<RankPlan>) -> Result<Rank, QueryError> {
        Ok(Rank {
            partition: KeyCodec::ascending(plan.partition.iter().map(|(_, data_type)| data_type))?,
            order: KeyCodec::new(plan.order.iter().map(|order| order.column.clone()).collect())?,
            rows: RowCodec::new(plan.input.clone())?,
            table: StateTable::default(),
            touched: BTreeMap::new(),
            full: HashMap::new(),
            ends: None,
            closed_us: BEGINNING,
            late_rows: 0,
            last_end_us: None,
            plan,
        })
    }

    fn grace_us(&self) -> i64 {
        self.plan.window.map_or(0, |window| window.size.grace_us)
    }

    /// Leaves out what is late, and finds each row's place in state.
    fn place(&mut self, rows: Rows, out: &mut Output) -> Result<Arrived, QueryError> {
        let (mut rows, mut ends) = (rows, None);
        if self.plan.window.is_some() {
            let all = self.window_ends(&rows.batch)?;
            let in_time = self.in_time(&rows, &all);
            if in_time.true_count() < rows.len() {
                let compute = QueryError::compute(STEP);
                let late = rows.filter(&not(&in_time).map_err(&compute)?).map_err(&compute)?;
                self.late_rows += late.len() as u64;
                out.late.push(late);
                rows = rows.filter(&in_time).map_err(&compute)?;
            }
            ends = Some(self.window_ends(&rows.batch)?);
        }
        let values =
            |expressions: &mut dyn Iterator<Item = &Arc<dyn datafusion::physical_expr::PhysicalExpr>>| {
                expressions
                    .map(|expression| evaluate(expression, &rows.batch, STEP))
                    .collect::<Result<Vec<ArrayRef>, _>>()
            };
        let partition = values(&mut self.plan.partition.iter().map(|(expression, _)| expression))?;
        let order = values(&mut self.plan.order.iter().map(|order| &order.expression))?;
        let partition = self.partition.encode(&partition, rows.len())?;
        let order = self.order.encode(&order, rows.len())?;
        let encoded = self.rows.encode(&rows.batch)?;
        let prefix = |row: usize| {
            let bare = partition.get(row);
            let mut prefix = state_prefix(virtual_node(bare)).to_vec();
            if let Some(ends) = &ends {
                prefix.extend_from_slice(&ordered(ends.value(row)));
            }
            prefix.extend_from_slice(bare);
            prefix
        };
        let prefixes = (0..rows.len()).map(prefix).collect();
        if let (Some(ends), Some(known)) = (&ends, &mut self.ends) {
            known.extend(ends.values());
        }
        Ok(Arrived { prefixes, order, encoded, rows })
    }

    fn in_time(&self, rows: &Rows, ends: &Int64Array) -> BooleanArray {
        let grace_us = self.grace_us();
        let is_in_time = |row: usize| {
            let watermarks = rows.watermarks.as_ref();
            let watermark_us = watermarks.map_or(BEGINNING, |watermarks| watermarks.value(row));
            ends.is_valid(row) && ends.value(row).saturating_add(grace_us) > watermark_us.max(self.closed_us)
        };
        (0..rows.len()).map(|row| Some(is_in_time(row))).collect()
    }

    fn window_ends(&self, batch: &RecordBatch) -> Result<Int64Array, QueryError> {
        let window =
            self.plan.window.and_then(|window| Some((window, self.plan.partition.get(window.partition)?)));
        let Some((window, (bound, _))) = window else { return Ok(Int64Array::new_null(batch.num_rows())) };
        let bound = evaluate(bound, batch, STEP)?;
        let bound = cast(&bound, &DataType::Timestamp(TimeUnit::Microsecond, None))
            .and_then(|bound| cast(&bound, &DataType::Int64))
            .map_err(QueryError::compute(STEP))?;
        let bound = bound.as_primitive::<Int64Type>();
        let add_us = if window.is_end { 0 } else { window.size.size_us };
        Ok(bound.unary(|time: i64| time.saturating_add(add_us)))
    }

    /// Keeps what a partition gave before it changes.
    fn touch(&mut self, prefix: &[u8]) -> Result<(), QueryError> {
        if self.plan.emit == Emit::Changes && !self.touched.contains_key(prefix) {
            let first = self.first(prefix)?;
            self.touched.insert(prefix.to_vec(), first);
        }
        Ok(())
    }

    /// The first rows of a partition; a row that counts twice is there twice.
    fn first(&mut self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, QueryError> {
        let (limit, mut found) = (self.plan.limit, Vec::new());
        self.table.scan_prefix(prefix, &mut |key, value| {
            let stored = Stored::read(value)?;
            let row = stored.row(key);
            let times = usize::try_from(stored.weight).unwrap_or(0).min(limit - found.len());
            found.extend(std::iter::repeat_n(row.to_vec(), times));
            Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(found)
    }

    /// Adds a row that stays, if it is one of the first.
    fn add(&mut self, prefix: &[u8], key: &[u8], new: Stored) -> Result<(), QueryError> {
        if self.full.get(prefix).is_some_and(|last| key >= last.as_slice()) {
            return Ok(());
        }
        self.touch(prefix)?;
        let weight = self.weight(key)?.saturating_add(1);
        self.put(key, Stored { weight, ..new })?;
        let (limit, mut total, mut last, mut over) = (self.plan.limit, 0, None, None);
        self.table.scan_prefix(prefix, &mut |key, value| {
            let stored = Stored::read(value)?;
            total += usize::try_from(stored.weight).unwrap_or(0);
            if total > limit {
                over = Some((key.to_vec(), stored));
            } else {
                last = Some(key.to_vec());
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if let Some((key, stored)) = over {
            let left = stored.weight - 1;
            self.put(&key, Stored { weight: left, ..stored })?;
            if left > 0 {
                last = Some(key);
            }
        }
        if let (true, Some(last)) = (total >= limit, last) {
            if self.full.len() >= FULL_MAX {
                self.full.clear();
            }
            self.full.insert(prefix.to_vec(), last);
        }
        Ok(())
    }

    fn weight(&mut self, key: &[u8]) -> Result<i32, QueryError> {
        Ok(self.table.get(key)?.map(Stored::read).transpose()?.map_or(0, |stored| stored.weight))
    }

    fn put(&mut self, key: &[u8], stored: Stored) -> Result<(), QueryError> {
        if stored.weight == 0 { self.table.remove(key) } else { self.table.put(key, stored.bytes()) }
    }

    /// Gives what changed since it was given last.
    fn give_changes(&mut self, out: &mut Output) -> Result<(), QueryError> {
        let mut given = Given::new(&self.rows)?;
        for (prefix, before) in std::mem::take(&mut self.touched) {
            let after = self.first(&prefix)?;
            if self.plan.gives_number || self.plan.limit == 1 {
                given.moved(&before, &after, self.plan.gives_number)?;
            } else {
                given.exchanged(&before, &after)?;
            }
            if given.kinds.len() >= GIVEN_ROWS {
                let full = std::mem::replace(&mut given, Given::new(&self.rows)?);
                out.push(full.finish(&self.plan)?);
            }
        }
        out.push(given.finish(&self.plan)?);
        Ok(())
    }

    /// Ends of windows that have rows, as the state says.
    fn find_ends(&mut self) -> Result<BTreeSet<i64>, QueryError> {
        let mut ends = BTreeSet::new();
        for node in 0..VIRTUAL_NODES {
            let prefix = state_prefix(node).to_vec();
            let stop = successor(&prefix);
            let mut from = prefix;
            loop {
                let mut found = None;
                let to = stop.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
                self.table.scan(Bound::Included(&from), to, &mut |key, _| {
                    found = Some(key.get(..HEADER_BYTES + TIME_BYTES).unwrap_or(key).to_vec());
                    Ok(ControlFlow::Break(()))
                })?;
                let Some(window) = found else { break };
                ends.insert(number(window.get(HEADER_BYTES..).unwrap_or_default()));
                let Some(next) = successor(&window) else { break };
                from = next;
            }
        }
        Ok(ends)
    }

    /// Closes the windows that end there: gives their rows if they are wanted once, and forgets them.
    fn close(&mut self, end_us: i64, out: &mut Output) -> Result<(), QueryError> {
        /// A partition's first rows, by the partition without its virtual node.
        type First = BTreeMap<Vec<u8>, Vec<Vec<u8>>>;
        let (limit, is_final) = (self.plan.limit, self.plan.emit == Emit::Final);
        let (mut first, mut keys): (First, Vec<Vec<u8>>) = (BTreeMap::new(), Vec::new());
        for node in 0..VIRTUAL_NODES {
            let prefix = [&state_prefix(node)[..], &ordered(end_us)].concat();
            self.table.scan_prefix(&prefix, &mut |key, value| {
                keys.push(key.to_vec());
                if is_final {
                    let stored = Stored::read(value)?;
                    let rows = first.entry(stored.partition(key).to_vec()).or_default();
                    let times = usize::try_from(stored.weight).unwrap_or(0).min(limit - rows.len());
                    rows.extend(std::iter::repeat_n(stored.row(key).to_vec(), times));
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        keys.iter().try_for_each(|key| self.table.remove(key))?;
        let mut given = Given::new(&self.rows)?;
        for rows in first.values() {
            given.moved(&[], rows, self.plan.gives_number)?;
        }
        if !given.kinds.is_empty() {
            let rows = given.finish(&self.plan)?;
            out.push(Rows::inserts(rows.batch));
        }
        let closed_us = end_us.saturating_add(self.grace_us());
        self.last_end_us = self.last_end_us.max(Some(closed_us));
        Ok(())
    }
}

impl Operator for Rank {
    fn on_rows(&mut self, _input: usize, rows: Rows, out: &mut Output) -> Result<(), QueryError> {
        let arrived = self.place(rows, out)?;
        let mut key = Vec::new();
        for (row, prefix) in arrived.prefixes.iter().enumerate() {
            key.clear();
            key.extend_from_slice(prefix);
            key.extend_from_slice(arrived.order.get(row));
            let row_start = key.len();
            key.extend_from_slice(arrived.encoded.get(row));
            let new = Stored { weight: 0, partition_end: prefix.len() as u32, row_start: row_start as u32 };
            if self.plan.retracts {
                self.touch(prefix)?;
                let step = if arrived.rows.kind(row).adds() { 1 } else { -1 };
                let weight = self.weight(&key)?.saturating_add(step);
                self.put(&key, Stored { weight, ..new })?;
            } else {
                self.add(prefix, &key, new)?;
            }
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermarks_us: &[i64], out: &mut Output) -> Result<(), QueryError> {
        let watermark_us = watermarks_us.first().copied().unwrap_or(BEGINNING);
        if self.plan.window.is_none() {
            return Ok(());
        }
        if watermark_us != END {
            self.closed_us = watermark_us;
        }
        let mut ends = match self.ends.take() {
            Some(ends) => ends,
            None => self.find_ends()?,
        };
        let grace_us = self.grace_us();
        let mut is_said = self.plan.emit == Emit::Final;
        while let Some(end_us) =
            ends.first().copied().filter(|end| end.saturating_add(grace_us) <= watermark_us)
        {
            ends.pop_first();
            if !std::mem::replace(&mut is_said, true) {
                // What changed last still has to be said.
                self.give_changes(out)?;
            }
            self.close(end_us, out)?;
        }
        self.ends = Some(ends);
        self.full.clear();
        Ok(())
    }

    fn output_watermark(&self, watermarks_us: &[i64]) -> i64 {
        let watermark_us = watermarks_us.first().copied().unwrap_or(BEGINNING);
        if watermark_us == END { END } else { watermark_us.saturating_sub(self.grace_us()) }
    }

    fn on_barrier(&mut self, out: &mut Output) -> Result<(), QueryError> {
        self.give_changes(out)
    }

    fn due_us(&self) -> Option<i64> {
        let first = self.ends.as_ref()?.first()?;
        Some(first.saturating_add(self.grace_us()))
    }

    fn tables(&mut self) -> Vec<(u8, &mut dyn Persistent)> {
        vec![(ROW_TABLE, &mut self.table)]
    }

    fn late_rows(&self) -> u64 {
        self.late_rows
    }

    fn last_end_us(&self) -> Option<i64> {
        self.last_end_us
    }
}

impl Stored {
    fn read(value: &[u8]) -> Result<Stored, QueryError> {
        let word = |place: usize| -> Result<[u8; 4], QueryError> {
            let bytes = value.get(place..place + 4).and_then(|bytes| bytes.try_into().ok());
            Ok(bytes.ok_or(DecodeError::Short { missing: 12 - value.len().min(12) })?)
        };
        Ok(Stored {
            weight: i32::from_le_bytes(word(0)?),
            partition_end: u32::from_le_bytes(word(4)?),
            row_start: u32::from_le_bytes(word(8)?),
        })
    }

    fn bytes(self) -> Vec<u8> {
        [self.weight.to_le_bytes(), self.partition_end.to_le_bytes(), self.row_start.to_le_bytes()].concat()
    }

    fn row(self, key: &[u8]) -> &[u8] {
        key.get(self.row_start as usize..).unwrap_or_default()
    }

    /// The partition's own columns.
    fn partition(self, key: &[u8]) -> &[u8] {
        key.get(HEADER_BYTES..self.partition_end as usize).unwrap_or_default()
    }
}

impl Given {
    fn new(rows: &RowCodec) -> Result<Given, QueryError> {
        Ok(Given { rows: rows.reader()?, kinds: Vec::new(), numbers: Vec::new() })
    }

    fn push(&mut self, row: &[u8], kind: RowKind, number: usize) -> Result<(), QueryError> {
        self.rows.read(row)?;
        self.kinds.push(kind);
        self.numbers.push(number as u64);
        Ok(())
    }

    /// What changes in each place.
    fn moved(&mut self, before: &[Vec<u8>], after: &[Vec<u8>], is_numbered: bool) -> Result<(), QueryError> {
        for place in 0..before.len().max(after.len()) {
            let number = if is_numbered { place + 1 } else { 0 };
            match (before.get(place), after.get(place)) {
                (Some(old), Some(new)) if old == new => {}
                (Some(old), Some(new)) => {
                    self.push(old, RowKind::UpdateBefore, number)?;
                    self.push(new, RowKind::UpdateAfter, number)?;
                }
                (Some(old), None) => self.push(old, RowKind::Delete, number)?,
                (None, Some(new)) => self.push(new, RowKind::Insert, number)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// What goes and what comes, whatever the places.
    fn exchanged(&mut self, before: &[Vec<u8>], after: &[Vec<u8>]) -> Result<(), QueryError> {
        let mut balance: BTreeMap<&[u8], i64> = BTreeMap::new();
        before.iter().for_each(|row| *balance.entry(row).or_default() -= 1);
        after.iter().for_each(|row| *balance.entry(row).or_default() += 1);
        for (kind, sign) in [(RowKind::Delete, -1), (RowKind::Insert, 1)] {
            for (row, count) in &balance {
                for _ in 0..(count * sign).max(0) {
                    self.push(row, kind, 0)?;
                }
            }
        }
        Ok(())
    }

    fn finish(self, plan: &RankPlan) -> Result<Rows, QueryError> {
        let mut columns = self.rows.finish()?.columns().to_vec();
        columns.push(Arc::new(UInt64Array::from(self.numbers)));
        let batch = batch_of(&plan.schema, columns, self.kinds.len(), STEP)?;
        Ok(Rows::changes(batch, &self.kinds))
    }
}
