//! A worker: an instance of every step, and what one worker does with the rows of one level of a round.
//!
//! A level is what lies between two exchanges. Within it rows go from step to step at once; rows for another worker or a
//! later level become mail. Workers share nothing and never wait for each other here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::QueryError;
use super::clock;
use super::encode::{OutputRows, RowEncoder};
use super::event_time::BEGINNING;
use super::exchange::split;
use super::late::LateRecord;
use super::link::Piece;
use super::operator::{Operator, Output};
use super::operators::operator;
use super::original;
use super::rows::Rows;
use super::source::SourceReader;
use crate::format::RowError;
use crate::plan::{NodeId, QueryPlan, Step};
use crate::state::Persistent;

/// How the graph's nodes lie to each other: the same for all workers.
#[derive(Debug)]
pub(crate) struct Layout {
    pub plan: Arc<QueryPlan>,
    pub workers: usize,
    /// By node.
    pub levels: Vec<usize>,
    /// By node: who takes its rows, at which input.
    pub consumers: Vec<Vec<(NodeId, usize)>>,
    /// By node: the place of a sink's topic among the query's outputs.
    pub outputs: Vec<Option<usize>>,
    /// By node: the input whose rows are a table that the other's rows are looked up in.
    pub looked_up: Vec<Option<usize>>,
    /// Sources by the place of their topic among the query's inputs.
    pub readers: Vec<Vec<NodeId>>,
    /// Where late rows go.
    pub late_output: Option<usize>,
    /// By node: where records go that a source cannot read.
    pub dead_outputs: Vec<Option<usize>>,
}

/// What a level is run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Rows,
    /// Event time went forward.
    Watermark,
    /// A commit is due.
    Barrier,
}

/// Rows for a node of a later level.
#[derive(Debug)]
pub(crate) struct Mail {
    pub worker: usize,
    pub node: NodeId,
    pub input: usize,
    pub rows: Rows,
}

/// Encoded rows for one of the query's output topics.
#[derive(Debug)]
pub(crate) struct Written {
    pub output: usize,
    /// Stands for the partition of rows without a key.
    pub keyless: i32,
    pub rows: OutputRows,
}

/// How far a source has come in one partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    pub node: NodeId,
    pub partition: i32,
    pub watermark_us: i64,
}

/// What a worker gave in one level.
#[derive(Debug, Default)]
pub(crate) struct Gave {
    pub mail: Vec<Mail>,
    pub written: Vec<Written>,
    pub progress: Vec<Progress>,
    /// Rows read and understood.
    pub rows: u64,
    pub bad: Vec<(NodeId, RowError)>,
    pub late: u64,
    /// For the topic of late rows, if there is one.
    pub late_records: Vec<LateRecord>,
}

/// What a worker is to do in one level.
#[derive(Debug, Default)]
pub(crate) struct Job {
    pub mail: Vec<Mail>,
    /// Only for the first level.
    pub pieces: Vec<Piece>,
}

impl Gave {
    /// What was given later.
    pub fn add(&mut self, later: Gave) {
        self.mail.extend(later.mail);
        self.written.extend(later.written);
        self.progress.extend(later.progress);
        self.bad.extend(later.bad);
        self.rows += later.rows;
        self.late += later.late;
        self.late_records.extend(later.late_records);
    }
}

impl Job {
    /// Enough work for a thread of its own.
    pub fn is_heavy(&self) -> bool {
        const RECORDS: i64 = 512;
        const ROWS: usize = 512;
        let records: i64 = self.pieces.iter().map(|piece| piece.next_offset - piece.start_offset).sum();
        records >= RECORDS || self.mail.iter().map(|mail| mail.rows.len()).sum::<usize>() >= ROWS
    }
}

pub(crate) struct Worker {
    layout: Arc<Layout>,
    index: usize,
    /// By node, as everything below.
    sources: Vec<Option<SourceReader>>,
    operators: Vec<Option<Box<dyn Operator>>>,
    encoders: Vec<Option<RowEncoder>>,
    /// How far event time has come behind each node.
    watermarks_us: Vec<i64>,
    /// What each node's inputs were at when it was told last.
    told_us: Vec<Vec<i64>>,
    /// The partition that rows without a key belong to.
    keyless: i32,
    /// What `now()` says.
    now_us: i64,
    /// Buffers to use again.
    spare: Vec<OutputRows>,
    late: u64,
}

impl Worker {
    pub fn new(layout: Arc<Layout>, index: usize) -> Result<Worker, QueryError> {
        let nodes = &layout.plan.graph.nodes;
        let mut worker = Worker {
            index,
            sources: Vec::new(),
            operators: Vec::new(),
            encoders: Vec::new(),
            watermarks_us: vec![BEGINNING; nodes.len()],
            told_us: nodes.iter().map(|node| vec![BEGINNING; node.inputs.len()]).collect(),
            keyless: 0,
            now_us: clock::system_us(),
            spare: Vec::new(),
            late: 0,
            layout: layout.clone(),
        };
        for node in nodes {
            let (mut source, mut encoder) = (None, None);
            match &node.step {
                Step::Source(plan) => source = Some(SourceReader::new(plan.clone())?),
                Step::Sink(plan) => encoder = Some(RowEncoder::new(plan)?),
                _ => {}
            }
            worker.sources.push(source);
            worker.encoders.push(encoder);
            worker.operators.push(operator(node)?);
        }
        Ok(worker)
    }

    /// Where a source's partitions were when the task starts.
    pub fn start_at(&mut self, source: NodeId, watermarks_us: BTreeMap<i32, i64>) {
        if let Some(Some(source)) = self.sources.get_mut(source) {
            source.start_at(watermarks_us);
        }
    }

    /// What `now()` says from here on.
    pub fn pin(&mut self, now_us: i64) {
        self.now_us = now_us;
    }

    /// Sets how far a source's event time has come; the steps are told in the next [`Phase::Watermark`].
    pub fn set_watermark(&mut self, source: NodeId, watermark_us: i64) {
        self.watermarks_us[source] = watermark_us;
    }

    /// Everything of one level: what came by mail, what was read, then what the phase is about, inputs before those they
    /// feed.
    pub fn work(&mut self, level: usize, phase: Phase, job: Job) -> Result<Gave, QueryError> {
        clock::pin(self.now_us);
        let mut gave = Gave::default();
        for mail in job.mail {
            self.give(mail.node, mail.input, mail.rows, &mut gave)?;
        }
        for piece in job.pieces {
            self.read(&piece, &mut gave)?;
        }
        if phase != Phase::Rows {
            for node in 0..self.layout.levels.len() {
                if self.layout.levels[node] == level {
                    self.turn(node, phase, &mut gave)?;
                }
            }
        }
        let late = self.operators.iter().flatten().map(|operator| operator.late_rows()).sum();
        gave.late = late - self.late;
        self.late = late;
        Ok(gave)
    }

    fn read(&mut self, piece: &Piece, gave: &mut Gave) -> Result<(), QueryError> {
        self.keyless = piece.partition;
        let layout = self.layout.clone();
        for node in layout.readers.get(piece.input).into_iter().flatten().copied() {
            let Some(source) = &mut self.sources[node] else { continue };
            let read = source.read(piece)?;
            gave.rows += read.rows;
            self.write_dead(node, &read.dead, gave);
            gave.bad.extend(read.bad.into_iter().map(|bad| (node, bad)));
            gave.progress.push(Progress {
                node,
                partition: piece.partition,
                watermark_us: read.watermark_us,
            });
            for rows in read.batches {
                self.pass(node, rows, gave)?;
            }
        }
        self.keyless = 0;
        Ok(())
    }

    /// Tells one node of the watermark or the barrier.
    fn turn(&mut self, node: NodeId, phase: Phase, gave: &mut Gave) -> Result<(), QueryError> {
        let Some(operator) = &mut self.operators[node] else { return Ok(()) };
        let mut out = Output::default();
        if phase == Phase::Barrier {
            operator.on_barrier(&mut out)?;
        } else {
            let inputs = &self.layout.plan.graph.nodes[node].inputs;
            let watermarks_us: Vec<i64> = inputs.iter().map(|input| self.watermarks_us[input.node]).collect();
            if self.told_us[node] != watermarks_us {
                operator.on_watermark(&watermarks_us, &mut out)?;
                self.watermarks_us[node] = operator.output_watermark(&watermarks_us);
                self.told_us[node] = watermarks_us;
            }
        }
        self.pass_all(node, out, gave)
    }

    /// Rows at an input of a node.
    fn give(&mut self, node: NodeId, input: usize, rows: Rows, gave: &mut Gave) -> Result<(), QueryError> {
        if let Some(encoder) = &mut self.encoders[node] {
            let mut encoded = self.spare.pop().unwrap_or_default();
            encoder.encode(&rows, &mut encoded)?;
            let output = self.layout.outputs[node].unwrap_or(0);
            gave.written.push(Written { output, keyless: self.keyless, rows: encoded });
            return Ok(());
        }
        let Some(operator) = &mut self.operators[node] else { return Ok(()) };
        let mut out = Output::default();
        operator.on_rows(input, rows, &mut out)?;
        self.pass_all(node, out, gave)
    }

    fn pass_all(&mut self, node: NodeId, out: Output, gave: &mut Gave) -> Result<(), QueryError> {
        self.note_late(&out.late, gave);
        out.rows.into_iter().try_for_each(|rows| self.pass(node, rows, gave))
    }

    /// Records that a source could not read, with the reason.
    fn write_dead(&mut self, node: NodeId, dead: &[(Vec<u8>, String)], gave: &mut Gave) {
        let Some(output) = self.layout.dead_outputs[node].filter(|_| !dead.is_empty()) else { return };
        let plan = &self.layout.plan;
        let mut rows = self.spare.pop().unwrap_or_default();
        for (record, reason) in dead {
            let context = [
                ("pipeline", plan.pipeline.clone()),
                ("node", plan.name.clone()),
                ("reason", reason.clone()),
            ];
            original::push(record, original::ERROR, context, &mut rows);
        }
        gave.written.push(Written { output, keyless: self.keyless, rows });
    }

    /// Keeps the records of rows that were late.
    fn note_late(&mut self, late: &[Rows], gave: &mut Gave) {
        if self.layout.late_output.is_none() {
            return;
        }
        for late in late {
            let Some(records) = &late.records else { continue };
            let mut last = None;
            for (row, record) in records.iter().enumerate() {
                let Some(record) = record.filter(|record| last != Some(*record)) else { continue };
                last = Some(record);
                let watermark = late.watermarks.as_ref().map(|watermarks| watermarks.value(row));
                let watermark_us = watermark.filter(|watermark_us| *watermark_us != BEGINNING);
                gave.late_records.push(LateRecord { record: record.to_vec(), watermark_us });
            }
        }
    }

    /// Rows that a node gave, to all that take them.
    fn pass(&mut self, node: NodeId, rows: Rows, gave: &mut Gave) -> Result<(), QueryError> {
        let layout = self.layout.clone();
        for (consumer, input) in layout.consumers[node].iter().copied() {
            if layout.levels[consumer] == layout.levels[node] {
                self.give(consumer, input, rows.clone(), gave)?;
                continue;
            }
            let exchange = layout.plan.graph.nodes[consumer].inputs[input].exchange.as_ref();
            match exchange.filter(|_| layout.workers > 1) {
                None => {
                    gave.mail.push(Mail { worker: self.index, node: consumer, input, rows: rows.clone() })
                }
                Some(exchange) => {
                    for (worker, rows) in split(&rows, exchange, layout.workers)? {
                        gave.mail.push(Mail { worker, node: consumer, input, rows });
                    }
                }
            }
        }
        Ok(())
    }

    /// A buffer that was written and may be used again; a large one is not kept for it, since most results are small.
    pub fn recycle(&mut self, rows: OutputRows) {
        const SPARE_MAX: usize = 16;
        const SPARE_BYTES_MAX: usize = 1 << 20;
        if self.spare.len() < SPARE_MAX && rows.capacity_bytes() <= SPARE_BYTES_MAX {
            self.spare.push(rows);
        }
    }

    /// The state of one node, each table under its number.
    pub fn tables(&mut self, node: NodeId) -> Vec<(u8, &mut dyn Persistent)> {
        self.operators[node].as_mut().map(|operator| operator.tables()).unwrap_or_default()
    }

    pub fn operator(&self, node: NodeId) -> Option<&dyn Operator> {
        self.operators.get(node)?.as_deref()
    }
}
