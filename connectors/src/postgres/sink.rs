//! Topics into tables: rows and the positions behind them in one transaction of the target, so that each record takes effect
//! once whatever is cut off when.
//!
//! The positions are in table `millstream_positions` of the target, and move from the value that was read to the next:
//! a sink that was overtaken by its successor finds another value and stops. A record that the server refuses is found by
//! halving its batch, each half under a savepoint.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use millstream_sdk::error::{ConnectorError, ErrorClass};
use millstream_sdk::plugin::Surroundings;
use millstream_sdk::sink::{Delivery, Rejection, Sink, SinkBatch, SinkPosition, TopicPartition, Written};
use tokio_postgres::Client;

use super::address::Address;
use super::catalog::{self, text};
use super::input::{Field, Text, Wanted, key_parts, wanted};
use super::session::{self, classed, quoted_text};
use super::sink_options::{Mode, SinkOptions};
use super::target::{Target, TargetRow};

/// Rows whose fields decide what columns a new table gets.
const SAMPLE_ROWS: usize = 1_000;

pub(super) struct Tables {
    options: SinkOptions,
    address: Address,
    pipeline: String,
    node: String,
    session: Option<Client>,
    in_transaction: bool,
    targets: HashMap<String, Target>,
    /// What the target holds, by partition.
    held: HashMap<TopicPartition, i64>,
}

/// One record that is a row, or asks for one to go.
struct Step {
    row: usize,
    action: Action,
}

enum Action {
    Put(TargetRow),
    Delete(Vec<Text>),
    Truncate,
}

/// What a run of steps comes to for one key.
enum Fate<'a> {
    Put(TargetRow),
    Delete(&'a [Text]),
}

impl Tables {
    pub fn new(options: SinkOptions, at: &Surroundings) -> Result<Tables, ConnectorError> {
        let address = Address::parse(&options.url)
            .map_err(|reason| ConnectorError::config(format!("reading `url`: {reason}")))?;
        let (pipeline, node) = (at.pipeline.clone(), at.node.clone());
        Ok(Tables {
            options,
            address,
            pipeline,
            node,
            session: None,
            in_transaction: false,
            targets: HashMap::new(),
            held: HashMap::new(),
        })
    }

    async fn begin(&mut self) -> Result<(), ConnectorError> {
        if !self.in_transaction {
            self.session()?.batch_execute("BEGIN").await.map_err(classed("beginning a transaction"))?;
            self.in_transaction = true;
        }
        Ok(())
    }

    fn session(&self) -> Result<&Client, ConnectorError> {
        self.session.as_ref().ok_or_else(|| ConnectorError::fatal("writing before the sink is open"))
    }

    /// Reads the batch's records, and makes or widens the table for them.
    async fn steps(
        &mut self,
        name: &str,
        batch: &SinkBatch,
    ) -> Result<(Vec<Step>, Vec<Rejection>), ConnectorError> {
        let mut read: Vec<(usize, Wanted)> = Vec::new();
        let mut rejected = Vec::new();
        for (row, record) in batch.batch.rows().enumerate() {
            match wanted(record) {
                Ok(wanted) => read.push((row, wanted)),
                Err(reason) => rejected.push(Rejection { row, reason }),
            }
        }
        if !self.targets.contains_key(name) {
            let fields = |(_, wanted): &'_ (usize, Wanted)| match wanted {
                Wanted::Put(fields) => Some(fields.clone()),
                _ => None,
            };
            let sample: Vec<Vec<Field>> = read.iter().filter_map(fields).take(SAMPLE_ROWS).collect();
            let sample: Vec<&[Field]> = sample.iter().map(Vec::as_slice).collect();
            let target = Target::open(self.session()?, &self.options, name, &sample).await?;
            self.targets.insert(name.to_owned(), target);
        }
        let sql =
            self.session.as_ref().ok_or_else(|| ConnectorError::fatal("writing before the sink is open"))?;
        let Some(target) = self.targets.get_mut(name) else { return Ok((Vec::new(), rejected)) };
        let mut steps = Vec::with_capacity(read.len());
        for (row, wanted) in read {
            let record_key = batch.batch.row(row).and_then(|record| record.key);
            let columns = target.key.len();
            let key = || key_parts(record_key, columns);
            let action = match wanted {
                Wanted::Truncate if self.options.mode == Mode::Upsert => Ok(Action::Truncate),
                Wanted::Delete if self.options.mode == Mode::Upsert => key().map(Action::Delete),
                Wanted::Delete | Wanted::Truncate => {
                    Err("a record without a value deletes a row, which only `mode: upsert` does".to_owned())
                }
                Wanted::Put(fields) => match target.widen(sql, &self.options, &fields).await {
                    Ok(()) => target.row(fields, &key).map(Action::Put),
                    Err(reason) => Err(reason),
                },
            };
            match action {
                Ok(action) => steps.push(Step { row, action }),
                Err(reason) => rejected.push(Rejection { row, reason }),
            }
        }
        Ok((steps, rejected))
    }

    /// Carries out steps; those that the server refuses are rejected alone.
    async fn carry_out(
        &mut self,
        name: &str,
        steps: &[Step],
        rejected: &mut Vec<Rejection>,
    ) -> Result<(), ConnectorError> {
        let mut waiting: Vec<&[Step]> = vec![steps];
        while let Some(part) = waiting.pop() {
            if part.is_empty() {
                continue;
            }
            self.control("SAVEPOINT part").await?;
            match self.attempt(name, part).await {
                Ok(()) => self.control("RELEASE SAVEPOINT part").await?,
                Err(error) if error.class() == ErrorClass::Record => {
                    self.control("ROLLBACK TO SAVEPOINT part").await?;
                    match part {
                        [only] => rejected.push(Rejection { row: only.row, reason: error.to_string() }),
                        several => {
                            let (first, second) = several.split_at(several.len() / 2);
                            waiting.push(second);
                            waiting.push(first);
                        }
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn control(&self, command: &str) -> Result<(), ConnectorError> {
        self.session()?.batch_execute(command).await.map_err(classed("marking a place in a transaction"))
    }

    async fn attempt(&mut self, name: &str, steps: &[Step]) -> Result<(), ConnectorError> {
        let sql =
            self.session.as_ref().ok_or_else(|| ConnectorError::fatal("writing before the sink is open"))?;
        let Some(target) = self.targets.get_mut(name) else { return Ok(()) };
        let attempt = format!("writing to {name}");
        let is_truncate = |step: &Step| matches!(step.action, Action::Truncate);
        for run in steps.split_inclusive(is_truncate) {
            let (rows, ends_in_truncate) = match run.split_last() {
                Some((last, rows)) if is_truncate(last) => (rows, true),
                _ => (run, false),
            };
            write_run(sql, target, self.options.mode, rows).await.map_err(classed(&attempt))?;
            if ends_in_truncate {
                let command = format!("TRUNCATE {}", target.info.quoted());
                sql.batch_execute(&command).await.map_err(classed(&attempt))?;
            }
        }
        Ok(())
    }

    async fn store(&mut self, position: &SinkPosition) -> Result<(), ConnectorError> {
        let SinkPosition { partition, next_offset } = position;
        let before = self.held.get(partition).copied();
        let topic_id = hex(&partition.topic_id);
        let values = format!(
            "{}, {}, {}, '{topic_id}', {}, {next_offset}",
            quoted_text(&self.pipeline),
            quoted_text(&self.node),
            quoted_text(&partition.topic),
            partition.partition
        );
        // A partition that the target does not know yet is another's business if it knows it by now.
        let known = before.map_or("false".to_owned(), |before| format!("p.next_offset = {before}"));
        let command = format!(
            "INSERT INTO millstream_positions AS p (pipeline, sink, topic, topic_id, partition, next_offset) VALUES ({values}) \
             ON CONFLICT (pipeline, sink, topic, topic_id, partition) DO UPDATE SET next_offset = EXCLUDED.next_offset WHERE {known}"
        );
        let changed = self.session()?.execute(&command, &[]).await.map_err(classed("storing a position"))?;
        if changed == 0 {
            return Err(ConnectorError::retryable(format!(
                "storing the position of {}-{}: another task of this sink has moved it",
                partition.topic, partition.partition
            )));
        }
        self.held.insert(partition.clone(), *next_offset);
        Ok(())
    }
}

/// Writes steps without a truncation among them; of each key only what is left at the end.
async fn write_run(
    sql: &Client,
    target: &mut Target,
    mode: Mode,
    steps: &[Step],
) -> Result<(), tokio_postgres::Error> {
    if mode == Mode::Append {
        let rows = steps.iter().filter_map(|step| match &step.action {
            Action::Put(row) => Some(row),
            _ => None,
        });
        return target.put(sql, mode, &rows.collect::<Vec<_>>()).await;
    }
    let mut order: Vec<Fate<'_>> = Vec::new();
    let mut places: HashMap<&[Text], usize> = HashMap::new();
    for step in steps {
        let (key, fate) = match &step.action {
            Action::Put(row) => (row.key.as_slice(), Fate::Put(row.clone())),
            Action::Delete(key) => (key.as_slice(), Fate::Delete(key)),
            Action::Truncate => continue,
        };
        match places.get(key).copied() {
            None => {
                places.insert(key, order.len());
                order.push(fate);
            }
            Some(place) => merge(&mut order[place], fate, mode),
        }
    }
    let deleted: Vec<&[Text]> = order
        .iter()
        .filter_map(|fate| match fate {
            Fate::Delete(key) => Some(*key),
            Fate::Put(row) if row.is_new => Some(row.key.as_slice()),
            Fate::Put(_) => None,
        })
        .collect();
    target.delete(sql, &deleted).await?;
    let put: Vec<&TargetRow> = order
        .iter()
        .filter_map(|fate| match fate {
            Fate::Put(row) => Some(row),
            Fate::Delete(_) => None,
        })
        .collect();
    target.put(sql, mode, &put).await
}

/// What comes of a key when another step follows.
fn merge<'a>(known: &mut Fate<'a>, next: Fate<'a>, mode: Mode) {
    match (&mut *known, next) {
        // A row that is there stays.
        (Fate::Put(_), Fate::Put(_)) if mode == Mode::Insert => {}
        (Fate::Put(before), Fate::Put(after)) => {
            for (cell, new) in before.cells.iter_mut().zip(after.cells) {
                if new.is_some() {
                    *cell = new;
                }
            }
        }
        (Fate::Delete(_), Fate::Put(after)) => *known = Fate::Put(TargetRow { is_new: true, ..after }),
        (_, gone @ Fate::Delete(_)) => *known = gone,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[async_trait]
impl Sink for Tables {
    fn delivery(&self) -> Delivery {
        Delivery::Transactional
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<Vec<SinkPosition>, ConnectorError> {
        let sql = session::connect(&self.address, "millstream").await?;
        let create = "CREATE TABLE IF NOT EXISTS millstream_positions (pipeline text, sink text, topic text, topic_id text, \
             partition integer, next_offset bigint NOT NULL, PRIMARY KEY (pipeline, sink, topic, topic_id, partition))";
        sql.batch_execute(create).await.map_err(classed("creating table millstream_positions"))?;
        let query = format!(
            "SELECT topic, topic_id, partition, next_offset FROM millstream_positions WHERE pipeline = {} AND sink = {}",
            quoted_text(&self.pipeline),
            quoted_text(&self.node)
        );
        for row in catalog::rows(&sql, &query, "reading the stored positions").await? {
            let (topic, topic_id): (Arc<str>, &str) = (text(&row, 0).into(), text(&row, 1));
            let number = |column| text(&row, column).parse::<i64>().unwrap_or_default();
            let known = partitions.iter().find(|partition| {
                partition.topic == topic
                    && hex(&partition.topic_id) == topic_id
                    && i64::from(partition.partition) == number(2)
            });
            if let Some(partition) = known {
                self.held.insert(partition.clone(), number(3));
            }
        }
        self.session = Some(sql);
        let held = |(partition, next_offset): (&TopicPartition, &i64)| SinkPosition {
            partition: partition.clone(),
            next_offset: *next_offset,
        };
        Ok(self.held.iter().map(held).collect())
    }

    async fn write(&mut self, batch: SinkBatch) -> Result<Written, ConnectorError> {
        self.begin().await?;
        let name = self.options.table.clone().unwrap_or_else(|| batch.topic.to_string());
        let (steps, mut rejected) = self.steps(&name, &batch).await?;
        self.carry_out(&name, &steps, &mut rejected).await?;
        rejected.sort_by_key(|rejection| rejection.row);
        Ok(Written { durable: false, rejected })
    }

    async fn commit(&mut self, positions: &[SinkPosition]) -> Result<(), ConnectorError> {
        if positions.is_empty() && !self.in_transaction {
            return Ok(());
        }
        self.begin().await?;
        for position in positions {
            self.store(position).await?;
        }
        self.session()?.batch_execute("COMMIT").await.map_err(classed("committing"))?;
        self.in_transaction = false;
        Ok(())
    }
}
