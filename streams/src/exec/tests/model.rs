//! A cluster that keeps what was committed and nothing else, and that can end a task at any step.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use millstream_protocol::compression::Compression;
use millstream_protocol::record_batch::{Batch, BatchBuilder};

use crate::exec::QueryError;
use crate::exec::encode::OutputRows;
use crate::exec::link::{Change, InputPartition, Link, Piece, Position, now_ms};
use crate::exec::original::Header;
use crate::plan::QueryPlan;
use crate::state::store::{Changelog, QueryStore, StateDatabase, Verdict};

/// Key, value and headers; without a value the key is taken back.
pub type Record = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<Header>);

/// How a run differs from the plain one.
#[derive(Debug, Clone)]
pub struct Disturbance {
    /// 0 for whole partitions at a time; otherwise the seed of how input is cut, and in which order it comes.
    seed: u64,
    crashes: Vec<usize>,
    /// Where the tasks of a query keep state that memory has no room for, one after the other, and again from the
    /// first: with several, a task takes over with a copy that stood still since its last turn.
    databases: Vec<StateDatabase>,
    /// How many workers the tasks of a query have, one after the other, and again from the first.
    workers: Vec<usize>,
}

impl Disturbance {
    pub fn none() -> Disturbance {
        Disturbance { seed: 0, crashes: Vec::new(), databases: Vec::new(), workers: vec![1] }
    }

    pub fn shaken(seed: u64) -> Disturbance {
        Disturbance { seed, crashes: Vec::new(), databases: Vec::new(), workers: vec![1] }
    }

    pub fn crashing_at(mut self, first: usize, second: Option<usize>) -> Disturbance {
        self.crashes = [Some(first), second].into_iter().flatten().collect();
        self
    }

    pub fn with_database(mut self, database: StateDatabase) -> Disturbance {
        self.databases.push(database);
        self
    }

    pub fn database(&self, opened: u64) -> Option<StateDatabase> {
        let place = (opened as usize).checked_rem(self.databases.len())?;
        self.databases.get(place).cloned()
    }

    /// Crashes again and again, `every` steps apart.
    pub fn crashing_every(mut self, first: usize, every: usize, steps: usize) -> Disturbance {
        self.crashes = (first..steps * 4).step_by(every.max(1)).collect();
        self
    }

    pub fn scaling(mut self, workers: &[usize]) -> Disturbance {
        self.workers = workers.to_vec();
        self
    }

    pub fn workers(&self, opened: u64) -> usize {
        self.workers[opened as usize % self.workers.len()]
    }

    /// Several workers give the results of one moment in no order.
    pub fn is_ordered(&self) -> bool {
        self.workers == [1]
    }

    pub fn commit_interval(&self) -> Duration {
        // Every step commits, or only the end does.
        if self.seed.is_multiple_of(2) { Duration::from_secs(3600) } else { Duration::ZERO }
    }
}

/// All topics by name and partition, and what is committed for each query.
#[derive(Default)]
pub struct Model {
    pub topics: BTreeMap<(String, i32), Vec<Record>>,
    queries: HashMap<String, Committed>,
    /// Calls so far: what a crash is counted by.
    pub steps: usize,
}

#[derive(Default, Clone)]
struct Committed {
    epoch: u64,
    positions: BTreeMap<(String, i32), Position>,
    changelog: Vec<Change>,
}

pub struct ModelLink {
    pub model: Arc<Mutex<Model>>,
    pub plan: Arc<QueryPlan>,
    pub disturbance: Disturbance,
    pub random: u64,
    epoch: u64,
    /// Topic and place among the inputs, partition, next offset.
    reading: Vec<(usize, String, i32, i64)>,
    held: Vec<usize>,
    written: Vec<(usize, Record)>,
}

impl ModelLink {
    pub fn new(model: Arc<Mutex<Model>>, plan: Arc<QueryPlan>, disturbance: Disturbance) -> ModelLink {
        let random = disturbance.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        ModelLink {
            model,
            plan,
            disturbance,
            random,
            epoch: 0,
            reading: Vec::new(),
            held: Vec::new(),
            written: Vec::new(),
        }
    }

    fn next_random(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % below.max(1) as u64) as usize
    }

    /// Counts a step; the task dies here if a crash is due.
    fn step(&self, what: &str) -> Result<(), QueryError> {
        let mut model = self.model.lock().expect("the model is not poisoned");
        let step = model.steps;
        model.steps += 1;
        if self.disturbance.crashes.contains(&step) {
            return Err(QueryError::cluster(what, format!("crash at step {step}")));
        }
        Ok(())
    }

    /// Cuts the next piece off a partition, if there is any.
    fn cut(&mut self, place: usize) -> Option<Piece> {
        let length = if self.disturbance.seed == 0 { usize::MAX } else { 1 + self.next_random(3) };
        let (input, topic, partition, offset) = self.reading[place].clone();
        if self.held.contains(&input) {
            return None;
        }
        let model = self.model.lock().expect("the model is not poisoned");
        let records = &model.topics[&(topic, partition)];
        let rest = &records[offset as usize..];
        let taken = &rest[..length.min(rest.len())];
        if taken.is_empty() {
            return None;
        }
        let mut builder = BatchBuilder::new(Compression::None);
        builder.set_base_offset(offset);
        for (key, value, headers) in taken {
            let headers: Vec<(&str, Option<&[u8]>)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
            builder.append(0, key.as_deref(), value.as_deref(), &headers).expect("the record fits");
        }
        let mut bytes: Bytes = builder.finish().expect("the batch is built");
        let batch = Batch::split_from(&mut bytes).expect("the batch is whole");
        let next_offset = offset + taken.len() as i64;
        let end_offset = records.len() as i64;
        drop(model);
        self.reading[place].3 = next_offset;
        Some(Piece { input, partition, batches: vec![batch], start_offset: offset, next_offset, end_offset })
    }
}

#[async_trait]
impl Link for ModelLink {
    async fn open(&mut self) -> Result<Vec<InputPartition>, QueryError> {
        self.step("open")?;
        let mut model = self.model.lock().expect("the model is not poisoned");
        let committed = model.queries.entry(self.plan.name().to_owned()).or_default();
        committed.epoch += 1;
        self.epoch = committed.epoch;
        let committed = committed.clone();
        let mut inputs = Vec::new();
        self.reading.clear();
        for (input, topic) in self.plan.input_topics().into_iter().enumerate() {
            let partitions = model.topics.iter().filter(|((name, _), _)| name == topic);
            for ((_, partition), records) in partitions {
                let position = committed.positions.get(&(topic.to_owned(), *partition));
                let offset = position.map_or(0, |position| position.offset);
                let note = position.map(|position| position.note.clone());
                let end_offset = records.len() as i64;
                inputs.push(InputPartition { input, partition: *partition, offset, note, end_offset });
                self.reading.push((input, topic.to_owned(), *partition, offset));
            }
        }
        Ok(inputs)
    }

    async fn changelog(
        &mut self,
        store: &mut QueryStore,
        _left: &(dyn Fn(i64) + Sync),
    ) -> Result<(), QueryError> {
        self.step("restore")?;
        let model = self.model.lock().expect("the model is not poisoned");
        let log = &model.queries[self.plan.name()].changelog;
        let end_offset = log.len() as i64;
        let changelog =
            Changelog { topic_id: [1; 16], first_offset: 0, end_offset, tombstones_kept_ms: 86_400_000 };
        let start = match store.begin(&changelog, now_ms())? {
            Verdict::Follow(offset) => offset,
            Verdict::StartOver(_) => 0,
        };
        store.take(log[start as usize..].iter().cloned(), end_offset);
        Ok(())
    }

    async fn poll(&mut self, _wait: Duration) -> Result<Option<Piece>, QueryError> {
        tokio::task::yield_now().await;
        let partitions = self.reading.len();
        let first = self.next_random(partitions);
        let order = (0..partitions).map(|place| (first + place) % partitions).collect::<Vec<_>>();
        for partition in order {
            if let Some(piece) = self.cut(partition) {
                self.step("poll")?;
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    fn hold(&mut self, held: &[usize]) {
        self.held = held.to_vec();
    }

    async fn write(&mut self, output: usize, rows: &OutputRows, _keyless: i32) -> Result<(), QueryError> {
        self.step("write")?;
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        let records =
            rows.iter().map(|(key, value, headers)| (output, (owned(key), owned(value), headers.to_vec())));
        self.written.extend(records);
        Ok(())
    }

    async fn commit(
        &mut self,
        changes: &[Change],
        positions: &[Position],
    ) -> Result<Option<i64>, QueryError> {
        let position;
        self.step("before the commit")?;
        {
            let mut model = self.model.lock().expect("the model is not poisoned");
            let model = &mut *model;
            let committed = model.queries.entry(self.plan.name().to_owned()).or_default();
            if committed.epoch != self.epoch {
                return Err(QueryError::Fenced { reason: "a newer task has opened".to_owned() });
            }
            committed.changelog.extend_from_slice(changes);
            position = committed.changelog.len() as i64;
            for position in positions {
                let topic = self.plan.input_topics()[position.input].to_owned();
                committed.positions.insert((topic, position.partition), position.clone());
            }
            for (output, record) in self.written.drain(..) {
                let topic = self.plan.output_topics()[output].to_owned();
                model.topics.entry((topic, 0)).or_default().push(record);
            }
        }
        self.step("after the commit")?;
        Ok(Some(position))
    }
}

impl Model {
    /// How many tasks a query has had.
    pub fn opened(&self, query: &str) -> u64 {
        self.queries.get(query).map_or(0, |committed| committed.epoch)
    }

    /// How many keys of state a query has committed.
    pub fn state_keys(&self, query: &str) -> usize {
        let mut live = BTreeSet::new();
        for (key, value) in self.queries.get(query).into_iter().flat_map(|committed| &committed.changelog) {
            if value.is_some() {
                live.insert(key)
            } else {
                live.remove(key)
            };
        }
        live.len()
    }
}
