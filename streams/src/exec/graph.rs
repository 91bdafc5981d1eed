//! A query's graph as it runs: rounds over all workers, level by level.
//!
//! A round is bulk-synchronous: every worker is through with a level before any begins the next, and mail is handed over in
//! the order of the sending workers. So what a round gives never depends on which worker is quicker.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::QueryError;
use super::encode::OutputRows;
use super::event_time::BEGINNING;
use super::exchange::owned;
use super::late;
use super::link::{Change, Piece};
use super::worker::{Gave, Job, Layout, Mail, Phase, Worker};
use crate::plan::{NodeId, QueryPlan, Step};
use crate::sql::catalog::OnError;
use crate::state::Persistent;
use crate::state::store::{ColdTable, QueryStore};

/// Rows that a table takes back at a time.
const RESTORED_ROWS: usize = 8_192;

/// Bytes of a state key before the step's own: node and table.
const STATE_PREFIX: usize = 3;

pub(crate) struct Dataflow {
    layout: Arc<Layout>,
    workers: Vec<Worker>,
    levels: usize,
    /// By node: how far its inputs' event time is behind the sources'.
    behind_us: Vec<i64>,
}

impl Dataflow {
    pub fn new(plan: Arc<QueryPlan>, workers: usize) -> Result<Dataflow, QueryError> {
        let layout = Arc::new(layout(plan, workers));
        let levels = layout.levels.iter().max().map_or(0, |most| most + 1);
        let workers = (0..workers).map(|index| Worker::new(layout.clone(), index));
        let mut dataflow =
            Dataflow { workers: workers.collect::<Result<_, _>>()?, levels, behind_us: Vec::new(), layout };
        dataflow.behind_us = dataflow.measure_behind();
        Ok(dataflow)
    }

    /// Takes back the committed state, and where the sources' event time was: per source, partitions and what was closed.
    pub fn restore(
        &mut self,
        store: &QueryStore,
        times: &[(NodeId, BTreeMap<i32, i64>, i64)],
    ) -> Result<(), QueryError> {
        let workers = self.workers.len();
        for node in 0..self.layout.levels.len() {
            let Some(number) = self.layout.plan.graph.state_number(node) else { continue };
            for (index, worker) in self.workers.iter_mut().enumerate() {
                for (table, state) in worker.tables(node) {
                    let owned = || store.table(number, table, owned(index, workers));
                    let is_attached = match store.budget() {
                        Some(budget) => state.attach(owned(), budget)?,
                        None => false,
                    };
                    if !is_attached {
                        restore(state, &owned())?;
                    }
                }
            }
        }
        for worker in &mut self.workers {
            for (source, partitions, _) in times {
                worker.start_at(*source, partitions.clone());
            }
        }
        let watermarks: Vec<(NodeId, i64)> = times.iter().map(|(node, _, closed)| (*node, *closed)).collect();
        let gave = self.watermark(&watermarks)?;
        if gave.written.is_empty() { Ok(()) } else { Err(unasked()) }
    }

    /// A new commit begins: `now()` is this time until the next.
    pub fn pin(&mut self, now_us: i64) {
        self.workers.iter_mut().for_each(|worker| worker.pin(now_us));
    }

    /// Rows that were read, through all steps.
    pub fn rows(&mut self, pieces: Vec<Piece>) -> Result<Gave, QueryError> {
        self.round(Phase::Rows, pieces)
    }

    /// The sources' event time has come so far.
    pub fn watermark(&mut self, sources: &[(NodeId, i64)]) -> Result<Gave, QueryError> {
        let mut total = Gave::default();
        if self.workers.len() > 1 {
            let furthest = sources.iter().map(|(_, watermark_us)| *watermark_us).max().unwrap_or(BEGINNING);
            let mut last = None;
            while let Some(due) = self.due_us().filter(|due| *due < furthest && Some(*due) != last) {
                let steps = sources.iter().map(|(source, target)| (*source, (*target).min(due)));
                let steps: Vec<(NodeId, i64)> = steps.collect();
                total.add(self.advance(&steps)?);
                last = Some(due);
            }
        }
        total.add(self.advance(sources)?);
        Ok(total)
    }

    fn advance(&mut self, sources: &[(NodeId, i64)]) -> Result<Gave, QueryError> {
        for worker in &mut self.workers {
            for (source, watermark_us) in sources {
                worker.set_watermark(*source, *watermark_us);
            }
        }
        self.round(Phase::Watermark, Vec::new())
    }

    /// The least watermark of the sources that makes any step give something.
    fn due_us(&self) -> Option<i64> {
        let due = self.workers.iter().flat_map(|worker| {
            self.behind_us.iter().enumerate().filter_map(|(node, behind_us)| {
                worker.operator(node)?.due_us().map(|due| due.saturating_add(*behind_us))
            })
        });
        due.min()
    }

    /// A commit is due.
    pub fn barrier(&mut self) -> Result<Gave, QueryError> {
        self.round(Phase::Barrier, Vec::new())
    }

    fn round(&mut self, phase: Phase, pieces: Vec<Piece>) -> Result<Gave, QueryError> {
        let count = self.workers.len();
        let mut total = Gave::default();
        let mut jobs: Vec<Job> = (0..count).map(|_| Job::default()).collect();
        for piece in pieces {
            let worker = usize::try_from(piece.partition).unwrap_or(0) % count;
            jobs[worker].pieces.push(piece);
        }
        // Mail waits here until its node's level comes.
        let mut waiting: Vec<Mail> = Vec::new();
        for level in 0..self.levels {
            let (mut due, later): (Vec<Mail>, Vec<Mail>) =
                waiting.into_iter().partition(|mail| self.layout.levels[mail.node] == level);
            waiting = later;
            // Facts of this round see the table as this round leaves it.
            due.sort_by_key(|mail| self.layout.looked_up[mail.node] != Some(mail.input));
            for mail in due {
                jobs[mail.worker].mail.push(mail);
            }
            let level_jobs: Vec<Job> = jobs.iter_mut().map(std::mem::take).collect();
            for gave in work(&mut self.workers, level, phase, level_jobs) {
                let mut gave = gave?;
                waiting.append(&mut gave.mail);
                total.add(gave);
            }
        }
        if let Some(output) = self.layout.late_output {
            let found = std::mem::take(&mut total.late_records);
            total.written.extend(late::written(found, &self.layout.plan, output));
        }
        Ok(total)
    }

    /// What changed in the state since the last call.
    pub fn changes(&mut self) -> Result<Vec<Change>, QueryError> {
        let mut changes = Vec::new();
        for node in 0..self.layout.levels.len() {
            let Some(number) = self.layout.plan.graph.state_number(node) else { continue };
            for worker in &mut self.workers {
                for (table, state) in worker.tables(node) {
                    state.drain_changes(&mut |key, value| {
                        let mut full = Vec::with_capacity(STATE_PREFIX + key.len());
                        full.extend_from_slice(&number.to_be_bytes());
                        full.push(table);
                        full.extend_from_slice(key);
                        changes.push((full, value.map(<[u8]>::to_vec)));
                    })?;
                }
            }
        }
        Ok(changes)
    }

    /// What `changes` gave is committed, and in the store.
    pub fn committed(&mut self) -> Result<(), QueryError> {
        for worker in &mut self.workers {
            for node in 0..self.layout.levels.len() {
                worker.tables(node).into_iter().try_for_each(|(_, state)| state.committed())?;
            }
        }
        Ok(())
    }

    /// Buffers that were written and may be used again.
    pub fn recycle(&mut self, mut rows: OutputRows) {
        rows.clear();
        if let Some(worker) = self.workers.first_mut() {
            worker.recycle(rows);
        }
    }

    /// The least watermark of the sources that closes all that was closed so far.
    pub fn last_end_us(&self) -> Option<i64> {
        let ends = self.workers.iter().flat_map(|worker| {
            self.behind_us.iter().enumerate().filter_map(|(node, behind_us)| {
                worker.operator(node)?.last_end_us().map(|end| end.saturating_add(*behind_us))
            })
        });
        ends.max()
    }

    /// What a node's inputs show while the sources are at zero.
    fn measure_behind(&self) -> Vec<i64> {
        let nodes = &self.layout.plan.graph.nodes;
        let mut shown = vec![0; nodes.len()];
        let mut behind = vec![0; nodes.len()];
        for (id, node) in nodes.iter().enumerate() {
            let inputs: Vec<i64> = node.inputs.iter().map(|input| shown[input.node]).collect();
            behind[id] = -inputs.iter().copied().min().unwrap_or(0);
            let operator = self.workers.first().and_then(|worker| worker.operator(id));
            shown[id] = operator.map_or(0, |operator| operator.output_watermark(&inputs));
        }
        behind
    }
}

/// Gives a table that is in memory alone all its rows, some at a time.
fn restore(state: &mut dyn Persistent, table: &ColdTable) -> Result<(), QueryError> {
    let mut behind: Option<Vec<u8>> = None;
    loop {
        let from = behind.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let rows = table.range(from, Bound::Unbounded, RESTORED_ROWS)?;
        state.restore(&mut rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice())))?;
        match rows.into_iter().nth(RESTORED_ROWS - 1) {
            Some((last, _)) => behind = Some(last),
            None => return Ok(()),
        }
    }
}

/// One level on every worker, side by side if that pays; what they gave, in their order.
fn work(workers: &mut [Worker], level: usize, phase: Phase, jobs: Vec<Job>) -> Vec<Result<Gave, QueryError>> {
    let busy = jobs.iter().filter(|job| job.is_heavy()).count();
    let each = workers.iter_mut().zip(jobs);
    if busy < 2 {
        return each.map(|(worker, job)| worker.work(level, phase, job)).collect();
    }
    std::thread::scope(|scope| {
        let running: Vec<_> =
            each.map(|(worker, job)| scope.spawn(move || worker.work(level, phase, job))).collect();
        let ended = running.into_iter().map(|thread| match thread.join() {
            Ok(gave) => gave,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        ended.collect()
    })
}

fn layout(plan: Arc<QueryPlan>, workers: usize) -> Layout {
    let nodes = &plan.graph.nodes;
    let mut consumers = vec![Vec::new(); nodes.len()];
    let mut outputs = vec![None; nodes.len()];
    let inputs = plan.input_topics();
    let mut readers = vec![Vec::new(); inputs.len()];
    let mut sinks = 0;
    for (id, node) in nodes.iter().enumerate() {
        for (place, input) in node.inputs.iter().enumerate() {
            consumers[input.node].push((id, place));
        }
        match &node.step {
            Step::Sink(_) => {
                outputs[id] = Some(sinks);
                sinks += 1;
            }
            Step::Source(source) => {
                let topic = source.relation.topic.as_str();
                if let Some(place) = inputs.iter().position(|input| *input == topic) {
                    readers[place].push(id);
                }
            }
            _ => {}
        }
    }
    let looked_up = nodes.iter().map(|node| match &node.step {
        Step::Join(join) => join.looked_up(),
        _ => None,
    });
    let looked_up = looked_up.collect();
    let output = |topic: &str| plan.output_topics().iter().skip(sinks).position(|known| *known == topic);
    let dead_output = |step: &Step| match step {
        Step::Source(source) => match &source.on_error {
            Some(OnError::DeadLetter(topic)) => output(topic).map(|place| place + sinks),
            _ => None,
        },
        _ => None,
    };
    let dead_outputs = nodes.iter().map(|node| dead_output(&node.step)).collect();
    let late_output = plan.late_topic.as_deref().and_then(output).map(|place| place + sinks);
    Layout {
        late_output,
        dead_outputs,
        levels: plan.graph.levels(),
        consumers,
        outputs,
        readers,
        looked_up,
        workers,
        plan: plan.clone(),
    }
}

/// A step gave rows for a watermark that it had before the start.
fn unasked() -> QueryError {
    QueryError::cluster("restore event time", "a step gives results that were given before the last commit")
}
