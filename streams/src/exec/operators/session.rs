//! The grouped aggregate over sessions: rows of a key that are at most the gap apart are one group. A row may join two
//! sessions, whose accumulators are added up then. Results leave when the watermark has passed a session's end (`EMIT
//! FINAL`), or as sessions change (`EMIT CHANGES`), which takes back what the sessions before have said.
//!
//! A row that is older than its partition's watermark, less the grace, is late, although a session that is open might reach
//! it: whether one is depends on how far the other partitions are read. What is in time touches no session that ended.
//!
//! Accumulators hold the sessions of one batch only; the others are in the state's table, as far as memory allows.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit};

use super::accumulate::{Accumulator, accumulator};
use super::{batch_of, evaluate};
use crate::exec::QueryError;
use crate::exec::event_time::{BEGINNING, END};
use crate::exec::operator::{Operator, Output};
use crate::exec::rows::Rows;
use crate::plan::{AggregatePlan, SessionGroups};
use crate::sql::parse::Emit;
use crate::state::Persistent;
use crate::state::key::{KeyCodec, virtual_nodes};

mod changes;
mod open;
mod sweep;

use changes::Changes;
use open::{OpenSession, OpenSessions, name_of, parts_of, value_of};
use sweep::sweep;

const STEP: &str = "the groups of a session";
const CALLS: &str = "the arguments of an aggregate";

/// Sessions whose results are one batch.
const RESULT_ROWS: usize = 8_192;

pub(super) struct Sessions {
    plan: Arc<AggregatePlan>,
    groups: SessionGroups,
    gap_us: i64,
    grace_us: i64,
    codec: KeyCodec,
    accumulators: Vec<Box<dyn Accumulator>>,
    open: OpenSessions,
    changes: Changes,
    closed_us: i64,
    late_rows: u64,
    last_end_us: Option<i64>,
}

/// A session that rows of a batch belong to, and the accumulators' slot for it.
struct Touched {
    key: Vec<u8>,
    start_us: i64,
    end_us: i64,
    slot: u32,
    /// The sessions it was made of; the first is in its slot.
    open: Vec<(OpenSession, u32)>,
}

/// A session in the accumulators.
struct Loaded<'a> {
    key: &'a [u8],
    start_us: i64,
    end_us: i64,
    slot: u32,
}

impl Sessions {
    pub fn new(plan: Arc<AggregatePlan>, groups: SessionGroups) -> Result<Sessions, QueryError> {
        let types = groups.keys.iter().map(|group| plan.groups[*group].1.data_type());
        let codec = KeyCodec::ascending(types)?;
        let accumulators =
            plan.calls.iter().map(|call| accumulator(call, false)).collect::<Result<_, _>>()?;
        let size = plan.window.map(|window| window.size);
        Ok(Sessions {
            gap_us: size.map_or(0, |size| size.size_us),
            grace_us: size.map_or(0, |size| size.grace_us),
            plan,
            groups,
            codec,
            accumulators,
            open: OpenSessions::default(),
            changes: Changes::default(),
            closed_us: BEGINNING,
            late_rows: 0,
            last_end_us: None,
        })
    }

    /// The times of rows: where the session of each alone begins.
    fn times(&self, batch: &RecordBatch) -> Result<Int64Array, QueryError> {
        let (group, back_us) = match (self.groups.start, self.groups.end) {
            (Some(start), _) => (start, 0),
            (None, end) => (end.unwrap_or(0), self.gap_us),
        };
        let bound = evaluate(&self.plan.groups[group].0, batch, STEP)?;
        let bound = cast(&bound, &DataType::Timestamp(TimeUnit::Microsecond, None))
            .and_then(|bound| cast(&bound, &DataType::Int64))
            .map_err(QueryError::compute(STEP))?;
        Ok(bound.as_primitive::<Int64Type>().unary(|bound| bound.saturating_sub(back_us)))
    }

    /// Adds the rows that are in time.
    fn take_in(&mut self, rows: Rows, out: &mut Output) -> Result<(), QueryError> {
        let times = self.times(&rows.batch)?;
        let in_time = |row: usize| {
            let own = rows.watermarks.as_ref().map_or(BEGINNING, |watermarks| watermarks.value(row));
            times.is_valid(row) && times.value(row).saturating_add(self.grace_us) >= own.max(self.closed_us)
        };
        let kept: BooleanArray = (0..rows.len()).map(|row| Some(in_time(row))).collect();
        let late = rows.len() - kept.true_count();
        if late == 0 {
            return self.add(&rows, &times);
        }
        self.late_rows += late as u64;
        let dropped: BooleanArray = kept.iter().map(|kept| kept.map(|kept| !kept)).collect();
        let compute = QueryError::compute(STEP);
        out.late.push(rows.filter(&dropped).map_err(&compute)?);
        let rows = rows.filter(&kept).map_err(&compute)?;
        let times = self.times(&rows.batch)?;
        self.add(&rows, &times)
    }

    fn add(&mut self, rows: &Rows, times: &Int64Array) -> Result<(), QueryError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut slots = vec![0; rows.len()];
        let (touched, count) = self.touch(&rows.batch, times, &mut slots)?;
        self.load(&touched, count)?;
        self.note_changes(&touched)?;
        for session in &touched {
            for (_, part) in session.open.iter().skip(1) {
                self.accumulators.iter_mut().try_for_each(|each| each.merge(*part, session.slot))?;
            }
        }
        for (call, accumulator) in self.plan.calls.iter().zip(&mut self.accumulators) {
            let value = |expression| evaluate(expression, &rows.batch, CALLS);
            let values = call.argument.as_ref().map(value).transpose()?;
            let filter = call.filter.as_ref().map(value).transpose()?;
            accumulator.add(values.as_ref(), filter.as_ref().map(|filter| filter.as_boolean()), &slots)?;
        }
        self.store(&touched)?;
        self.clear(count);
        Ok(())
    }

    /// The sessions that the rows are in now, and how many slots they need. Sets the slot of each row.
    fn touch(
        &mut self,
        batch: &RecordBatch,
        times: &Int64Array,
        slots: &mut [u32],
    ) -> Result<(Vec<Touched>, u32), QueryError> {
        let columns = self.groups.keys.iter().map(|key| evaluate(&self.plan.groups[*key].0, batch, STEP));
        let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
        let nodes = virtual_nodes(&columns, batch.num_rows())?;
        let keys = self.codec.encode_state(&nodes, &columns)?;
        let mut order: Vec<u32> = (0..batch.num_rows() as u32).collect();
        order.sort_by(|left, right| {
            let (left, right) = (*left as usize, *right as usize);
            (keys.get(left), times.value(left)).cmp(&(keys.get(right), times.value(right)))
        });
        let (mut touched, mut next) = (Vec::new(), 0);
        for run in order.chunk_by(|left, right| keys.get(*left as usize) == keys.get(*right as usize)) {
            let key = keys.get(run[0] as usize);
            let timed: Vec<(i64, u32)> = run.iter().map(|row| (times.value(*row as usize), *row)).collect();
            let (first_us, last_us) = (timed[0].0, timed[timed.len() - 1].0);
            let open = self.open.between(key, first_us, last_us.saturating_add(self.gap_us))?;
            let bounds: Vec<(i64, i64)> = open.iter().map(|open| (open.start_us, open.end_us)).collect();
            for joined in sweep(&timed, &bounds, self.gap_us) {
                let slot = next;
                joined.rows.iter().for_each(|row| slots[*row as usize] = slot);
                let parts = joined.open.iter().enumerate();
                let parts: Vec<(OpenSession, u32)> =
                    parts.map(|(part, place)| (open[*place].clone(), slot + part as u32)).collect();
                next += parts.len().max(1) as u32;
                let (start_us, end_us) = (joined.start_us, joined.end_us);
                touched.push(Touched { key: key.to_vec(), start_us, end_us, slot, open: parts });
            }
        }
        Ok((touched, next))
    }

    /// Reads the sessions as they were into the accumulators.
    fn load(&mut self, touched: &[Touched], count: u32) -> Result<(), QueryError> {
        self.accumulators.iter_mut().for_each(|accumulator| accumulator.resize(count as usize));
        for (open, slot) in touched.iter().flat_map(|session| &session.open) {
            self.read(open, *slot)?;
        }
        Ok(())
    }

    fn read(&mut self, open: &OpenSession, slot: u32) -> Result<(), QueryError> {
        let mut from = open.accumulators()?;
        for accumulator in &mut self.accumulators {
            accumulator.read(slot, &mut from)?;
            if let Some(values) = accumulator.multiset() {
                values.read_whole(slot, &mut from)?;
            }
        }
        from.end()?;
        Ok(())
    }

    /// For `EMIT CHANGES`: keeps what was said of the sessions that change now for the first time since.
    fn note_changes(&mut self, touched: &[Touched]) -> Result<(), QueryError> {
        if self.plan.emit != Emit::Changes {
            return Ok(());
        }
        let mut said = Vec::new();
        for session in touched {
            let parts =
                session.open.iter().map(|(open, slot)| (name_of(&session.key, open.start_us), open, slot));
            for (_, open, slot) in parts.filter(|(name, ..)| !self.changes.has(name)) {
                said.push(Loaded {
                    key: &session.key,
                    start_us: open.start_us,
                    end_us: open.end_us,
                    slot: *slot,
                });
            }
        }
        let results = if said.is_empty() { None } else { Some(self.results(&said)?) };
        let names = said.iter().map(|said| name_of(said.key, said.start_us)).collect();
        self.changes.keep(names, results);
        for session in touched {
            let parts = session.open.iter().map(|(open, _)| name_of(&session.key, open.start_us));
            self.changes.join(parts.collect(), name_of(&session.key, session.start_us));
        }
        Ok(())
    }

    fn store(&mut self, touched: &[Touched]) -> Result<(), QueryError> {
        for session in touched {
            let mut value = value_of(session.end_us);
            for accumulator in &mut self.accumulators {
                accumulator.write(session.slot, &mut value);
                if let Some(values) = accumulator.multiset() {
                    values.write_whole(session.slot, &mut value)?;
                }
            }
            for (part, _) in session.open.iter().filter(|(part, _)| part.start_us != session.start_us) {
                self.open.remove(&name_of(&session.key, part.start_us))?;
            }
            let is_new = session.open.iter().all(|(part, _)| part.start_us != session.start_us);
            let name = name_of(&session.key, session.start_us);
            self.open.put(&name, session.end_us, value, is_new)?;
        }
        Ok(())
    }

    fn clear(&mut self, count: u32) {
        for accumulator in &mut self.accumulators {
            (0..count).for_each(|slot| accumulator.clear(slot));
            if let Some(values) = accumulator.multiset() {
                values.forget_changes();
            }
        }
    }

    fn results(&self, sessions: &[Loaded<'_>]) -> Result<RecordBatch, QueryError> {
        let keys = self.codec.decode_state(sessions.iter().map(|session| session.key))?;
        let bound = |of: fn(&Loaded<'_>) -> i64| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from_iter_values(sessions.iter().map(of)))
        };
        let mut columns: Vec<ArrayRef> = Vec::new();
        for (group, (_, field)) in self.plan.groups.iter().enumerate() {
            let column = match self.groups.keys.iter().position(|key| *key == group) {
                Some(place) => keys[place].clone(),
                None if self.groups.start == Some(group) => bound(|session| session.start_us),
                None => bound(|session| session.end_us),
            };
            columns.push(cast(&column, field.data_type()).map_err(QueryError::compute(STEP))?);
        }
        let slots: Vec<u32> = sessions.iter().map(|session| session.slot).collect();
        for accumulator in &self.accumulators {
            columns.push(accumulator.results(&slots)?);
        }
        batch_of(&self.plan.schema, columns, sessions.len(), "the results of sessions")
    }

    /// Results of sessions that are not in the accumulators.
    fn results_of(&mut self, sessions: &[(Vec<u8>, OpenSession)]) -> Result<RecordBatch, QueryError> {
        let count = sessions.len() as u32;
        self.accumulators.iter_mut().for_each(|accumulator| accumulator.resize(count as usize));
        let mut loaded = Vec::with_capacity(sessions.len());
        for ((name, session), slot) in sessions.iter().zip(0..) {
            self.read(session, slot)?;
            let (key, start_us) = parts_of(name);
            loaded.push(Loaded { key, start_us, end_us: session.end_us, slot });
        }
        let results = self.results(&loaded)?;
        self.clear(count);
        Ok(results)
    }

    /// What has changed since the last call.
    fn give_changes(&mut self, out: &mut Output) -> Result<(), QueryError> {
        let changes = std::mem::take(&mut self.changes);
        let names: Vec<&Vec<u8>> = changes.names().collect();
        for names in names.chunks(RESULT_ROWS) {
            let mut sessions = Vec::with_capacity(names.len());
            for name in names {
                if let Some(session) = self.open.get(name)? {
                    sessions.push(((*name).clone(), session));
                }
            }
            let results = self.results_of(&sessions)?;
            out.push(changes.rows(&sessions, results, self.groups.start.is_some())?);
        }
        Ok(())
    }

    /// Gives and forgets the sessions that the watermark has passed.
    fn close(&mut self, watermark_us: i64, out: &mut Output) -> Result<(), QueryError> {
        let before_us = if watermark_us == END { END } else { watermark_us.saturating_sub(self.grace_us) };
        if self.plan.emit == Emit::Changes && self.open.next_us().is_none_or(|next_us| next_us < before_us) {
            // What changed last still has to be said.
            self.give_changes(out)?;
        }
        let mut ended = self.open.ended(before_us)?;
        let last = ended.iter().map(|(_, session)| session.end_us).max();
        let last = last.map(|end_us| end_us.saturating_add(self.grace_us).saturating_add(1));
        self.last_end_us = self.last_end_us.max(last);
        if self.plan.emit == Emit::Changes {
            return Ok(());
        }
        // Behind the virtual node.
        ended.sort_unstable_by(|(left, one), (right, other)| {
            (one.end_us, left.get(1..)).cmp(&(other.end_us, right.get(1..)))
        });
        for ended in ended.chunks(RESULT_ROWS) {
            out.push(Rows::inserts(self.results_of(ended)?));
        }
        Ok(())
    }
}

impl Operator for Sessions {
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

    /// A session that ends at the watermark is still open.
    fn output_watermark(&self, watermarks_us: &[i64]) -> i64 {
        match watermarks_us.first().copied().unwrap_or(BEGINNING) {
            END => END,
            watermark_us => watermark_us.saturating_sub(self.grace_us).saturating_sub(1),
        }
    }

    fn due_us(&self) -> Option<i64> {
        let next_us = self.open.next_us()?;
        Some(next_us.saturating_add(self.grace_us).saturating_add(1))
    }

    fn on_barrier(&mut self, out: &mut Output) -> Result<(), QueryError> {
        self.give_changes(out)
    }

    fn tables(&mut self) -> Vec<(u8, &mut dyn Persistent)> {
        self.open.tables()
    }

    fn late_rows(&self) -> u64 {
        self.late_rows
    }

    fn last_end_us(&self) -> Option<i64> {
        self.last_end_us
    }
}
