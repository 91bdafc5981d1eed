//! Where a task stands in its input: offsets by topic and partition, and each source's event time. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::QueryError;
use super::engine::InputEnds;
use super::event_time::{BEGINNING, EventTime};
use super::link::{InputPartition, Position};
use super::worker::Progress;
use crate::plan::{NodeId, QueryPlan};

pub(crate) struct Positions {
    /// By topic (its place among the query's inputs) and partition.
    inputs: Vec<Vec<InputPosition>>,
    /// In the order of the query.
    sources: Vec<SourceTime>,
    /// What the state at these positions depends on.
    memory: u64,
}

struct InputPosition {
    /// What was there when the task started.
    start_end_offset: i64,
    /// Of the next record to process.
    offset: i64,
    end_offset: i64,
}

struct SourceTime {
    node: NodeId,
    input: usize,
    time: EventTime,
}

impl Positions {
    pub fn restore(
        plan: &QueryPlan,
        idle_timeout: Option<Duration>,
        partitions: Vec<InputPartition>,
    ) -> Result<Positions, QueryError> {
        let topics = plan.input_topics();
        let idle_timeout_ms =
            idle_timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        let mut inputs: Vec<Vec<InputPosition>> = topics.iter().map(|_| Vec::new()).collect();
        let mut readers: Vec<Vec<NodeId>> = topics.iter().map(|_| Vec::new()).collect();
        let mut order = Vec::new();
        for (node, source) in plan.graph.sources() {
            let input = topics.iter().position(|topic| *topic == source.relation.topic).unwrap_or(0);
            readers[input].push(node);
            order.push((node, input));
        }
        let mut times: BTreeMap<NodeId, (Vec<i64>, i64)> = BTreeMap::new();
        for partition in &partitions {
            let Some(readers) = readers.get(partition.input) else { continue };
            let pairs = match &partition.note {
                Some(note) => {
                    let unread = || QueryError::Position { group: plan.group(), found: note.clone() };
                    check_memory(plan, note)?;
                    let (_, pairs) = read_note(note).ok_or_else(unread)?;
                    if pairs.len() != readers.len() {
                        return Err(unread());
                    }
                    pairs
                }
                None => vec![(BEGINNING, BEGINNING); readers.len()],
            };
            for (reader, (watermark_us, closed_us)) in readers.iter().zip(pairs) {
                let (watermarks, closed) = times.entry(*reader).or_insert((Vec::new(), BEGINNING));
                watermarks.push(watermark_us);
                *closed = (*closed).max(closed_us);
            }
            let position = InputPosition {
                start_end_offset: partition.end_offset,
                offset: partition.offset,
                end_offset: partition.end_offset,
            };
            inputs[partition.input].push(position);
        }
        let sources = order.into_iter().map(|(node, input)| {
            let (watermarks, closed) = times.remove(&node).unwrap_or((Vec::new(), BEGINNING));
            SourceTime { node, input, time: EventTime::new(watermarks, closed, idle_timeout_ms) }
        });
        let sources = sources.collect();
        Ok(Positions { inputs, sources, memory: plan.memory_hash() })
    }

    /// Partitions without anything to read count as quiet from the start.
    pub fn note_drained(&mut self) {
        for source in &mut self.sources {
            for (partition, position) in self.inputs[source.input].iter().enumerate() {
                let drained = position.offset >= position.end_offset;
                source.time.advance(partition, BEGINNING, drained, 0);
            }
        }
    }

    /// Per source: each partition's watermark, and what was closed.
    pub fn times(&self) -> Vec<(NodeId, BTreeMap<i32, i64>, i64)> {
        let partitions = |source: &SourceTime| {
            let partitions = 0..self.inputs[source.input].len();
            partitions.map(|place| (number(place), source.time.partition_us(place))).collect()
        };
        self.sources.iter().map(|source| (source.node, partitions(source), source.time.closed_us())).collect()
    }

    pub fn sources(&self) -> impl Iterator<Item = NodeId> {
        self.sources.iter().map(|source| source.node)
    }

    /// A partition was read up to `next_offset`.
    pub fn read(&mut self, input: usize, partition: i32, next_offset: i64, end_offset: i64) {
        let place = usize::try_from(partition).unwrap_or(usize::MAX);
        if let Some(position) = self.inputs.get_mut(input).and_then(|input| input.get_mut(place)) {
            position.offset = next_offset;
            position.end_offset = end_offset.max(next_offset);
        }
    }

    /// How far reading has brought event time.
    pub fn progress(&mut self, progress: &[Progress], now_ms: u64) {
        for progress in progress {
            let Some(source) = self.sources.iter_mut().find(|source| source.node == progress.node) else {
                continue;
            };
            let place = usize::try_from(progress.partition).unwrap_or(usize::MAX);
            let position = self.inputs.get(source.input).and_then(|input| input.get(place));
            let drained = position.is_some_and(|position| position.offset >= position.end_offset);
            source.time.advance(place, progress.watermark_us, drained, now_ms);
        }
    }

    /// What every source is closed by, if one went forward since the last call.
    pub fn advance_sources(&mut self, now_ms: u64) -> Option<Vec<(NodeId, i64)>> {
        let mut any = false;
        for source in &mut self.sources {
            any |= source.time.close(now_ms).is_some();
        }
        any.then(|| self.closed())
    }

    pub fn closed(&self) -> Vec<(NodeId, i64)> {
        self.sources.iter().map(|source| (source.node, source.time.closed_us())).collect()
    }

    /// The least of what the sources are closed by.
    pub fn closed_us(&self) -> i64 {
        self.sources.iter().map(|source| source.time.closed_us()).min().unwrap_or(BEGINNING)
    }

    /// The input has ended: what was closed up to `last_end_us` stays closed.
    pub fn finish(&mut self, last_end_us: Option<i64>) {
        for source in &mut self.sources {
            source.time.finish(last_end_us);
        }
    }

    /// Inputs that wait until tables that rows are looked up in have been read as far as they went at the start.
    pub fn held(&self, looked_up: &[NodeId]) -> Vec<usize> {
        let is_table = |input: usize| {
            let mut readers = self.sources.iter().filter(|source| source.input == input).peekable();
            readers.peek().is_some() && readers.all(|source| looked_up.contains(&source.node))
        };
        let is_behind = |input: &usize| {
            let partitions = self.inputs.get(*input).into_iter().flatten();
            partitions.into_iter().any(|position| position.offset < position.start_end_offset)
        };
        let (tables, facts): (Vec<usize>, Vec<usize>) =
            (0..self.inputs.len()).partition(|input| is_table(*input));
        if tables.iter().any(is_behind) { facts } else { Vec::new() }
    }

    pub fn lag_records(&self) -> i64 {
        self.inputs.iter().flatten().map(|position| (position.end_offset - position.offset).max(0)).sum()
    }

    pub fn have_reached(&self, plan: &QueryPlan, ends: &InputEnds) -> bool {
        let topics = plan.input_topics();
        ends.iter().all(|(topic, ends)| {
            let input = topics.iter().position(|name| name == topic).and_then(|place| self.inputs.get(place));
            ends.iter().all(|(partition, end)| {
                let place = usize::try_from(*partition).unwrap_or(usize::MAX);
                input.and_then(|input| input.get(place)).is_some_and(|position| position.offset >= *end)
            })
        })
    }

    /// What a commit says.
    pub fn committed(&self) -> Vec<Position> {
        let mut positions = Vec::new();
        for (input, partitions) in self.inputs.iter().enumerate() {
            for (place, position) in partitions.iter().enumerate() {
                let readers = self.sources.iter().filter(|source| source.input == input);
                let pairs = readers.map(|source| (source.time.partition_us(place), source.time.closed_us()));
                positions.push(Position {
                    input,
                    partition: number(place),
                    offset: position.offset,
                    note: write_note(self.memory, pairs),
                });
            }
        }
        positions
    }
}

/// Whether the state that belongs to a committed position is the query's own.
///
/// # Errors
/// [`QueryError::Changed`] if what the state depends on has changed since.
pub(crate) fn check_memory(plan: &QueryPlan, note: &str) -> Result<(), QueryError> {
    match read_note(note) {
        Some((Some(made_by), _)) if made_by != plan.memory_hash() => {
            let (query, group) = (plan.name().to_owned(), plan.group());
            Err(QueryError::Changed { query, group, topic: plan.changelog_topic() })
        }
        _ => Ok(()),
    }
}

fn number(place: usize) -> i32 {
    i32::try_from(place).unwrap_or(i32::MAX)
}

/// What is committed beside a partition's offset: the version, what the query's state depends on, and for each source that
/// reads the topic the partition's watermark and what windows were last closed by, in microseconds.
fn write_note(memory: u64, pairs: impl Iterator<Item = (i64, i64)>) -> String {
    pairs.fold(format!("2 {memory}"), |note, (watermark_us, closed_us)| {
        format!("{note} {watermark_us} {closed_us}")
    })
}

/// The reverse of [`write_note`]; version 1 did not say what the state depends on.
fn read_note(note: &str) -> Option<(Option<u64>, Vec<(i64, i64)>)> {
    let mut words = note.split(' ');
    let memory = match words.next()? {
        "1" => None,
        "2" => Some(words.next()?.parse().ok()?),
        _ => return None,
    };
    let numbers: Vec<i64> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
    let pairs = numbers.chunks_exact(2);
    let is_whole = pairs.remainder().is_empty();
    is_whole.then(|| (memory, pairs.map(|pair| (pair[0], pair[1])).collect()))
}
