//! Topics into tables: rows and the positions behind them in one transaction of the target, so that each record takes effect
//! once whatever is cut off when.
//!
//! Making and widening tables ends a transaction in MySQL, so a session of its own does it. The positions move from the value
//! that was read to the next: a sink that was overtaken by its successor finds another value and stops. A record that the
//! server refuses is found by halving its batch, each half under a savepoint.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use millstream_sdk::error::{ConnectorError, ErrorClass};
use millstream_sdk::plugin::Surroundings;
use millstream_sdk::sink::{Delivery, Rejection, Sink, SinkBatch, SinkPosition, TopicPartition, Written};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Value};

use super::target::{Target, TargetRow, creation};
use super::{Address, classed, connect, text_literal};
use crate::postgres::{Field, Wanted, key_parts, wanted};
use crate::sql::options::{Mode, SinkOptions};

/// Rows whose fields decide what columns a new table gets.
const SAMPLE_ROWS: usize = 1_000;

/// What a packet needs beside the values.
const PACKET_OVERHEAD: usize = 64 << 10;

/// Another index of the same kind is there: a position that another task has stored.
const DUPLICATE: u16 = 1062;

const POSITIONS: &str = "CREATE TABLE IF NOT EXISTS millstream_positions (pipeline VARCHAR(190) NOT NULL, sink VARCHAR(190) NOT NULL, \
     topic VARCHAR(249) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, topic_id CHAR(32) CHARACTER SET ascii NOT NULL, \
     `partition` INT NOT NULL, next_offset BIGINT NOT NULL, PRIMARY KEY (pipeline, sink, topic, topic_id, `partition`)) \
     ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

pub(in crate::sql) struct Tables {
    options: SinkOptions,
    address: Address,
    pipeline: String,
    node: String,
    open: Option<Open>,
}

struct Open {
    sql: Conn,
    is_mariadb: bool,
    /// Most bytes of values in one statement.
    budget: usize,
    in_transaction: bool,
    targets: HashMap<String, Target>,
    /// Tables that the transaction holds.
    touched: HashSet<String>,
    held: HashMap<TopicPartition, i64>,
}

/// One record that is a row, or asks for one to go.
struct Step {
    row: usize,
    action: Action,
}

enum Action {
    Put(TargetRow),
    Delete(Vec<Value>),
    Clear,
}

impl Tables {
    pub fn new(options: SinkOptions, address: Address, at: &Surroundings) -> Tables {
        let (pipeline, node) = (at.pipeline.clone(), at.node.clone());
        Tables { options, address, pipeline, node, open: None }
    }

    fn opened(&mut self) -> Result<&mut Open, ConnectorError> {
        self.open.as_mut().ok_or_else(|| ConnectorError::fatal("writing before the sink is open"))
    }

    /// Runs what would end the transaction in another session.
    async fn define(&self, command: &str, attempt: &str) -> Result<(), ConnectorError> {
        let mut session = connect(&self.address).await?;
        session.query_drop(command).await.map_err(classed(attempt))?;
        session.disconnect().await.map_err(classed(attempt))
    }

    /// Looks the table up, or makes it as the batch's records need it.
    async fn find(&mut self, name: &str, read: &[(usize, Wanted)]) -> Result<(), ConnectorError> {
        if self.opened()?.targets.contains_key(name) {
            return Ok(());
        }
        let options = self.options.clone();
        let mut target = Target::find(&mut self.opened()?.sql, &options, name).await?;
        if target.is_none() {
            if !options.create {
                return Err(ConnectorError::config(format!(
                    "there is no table `{name}`; make it, or set `create: true`"
                )));
            }
            let fields = |(_, wanted): &'_ (usize, Wanted)| match wanted {
                Wanted::Put(fields) => Some(fields.clone()),
                _ => None,
            };
            let sample: Vec<Vec<Field>> = read.iter().filter_map(fields).take(SAMPLE_ROWS).collect();
            let sample: Vec<&[Field]> = sample.iter().map(Vec::as_slice).collect();
            let command = creation(&options, name, &sample, self.opened()?.is_mariadb)?;
            self.define(&command, &format!("making table {name}")).await?;
            target = Target::find(&mut self.opened()?.sql, &options, name).await?;
        }
        let missing = || ConnectorError::fatal(format!("making table {name}: it is not there afterwards"));
        let target = target.ok_or_else(missing)?;
        self.opened()?.targets.insert(name.to_owned(), target);
        Ok(())
    }

    /// Adds columns for fields that the table lacks. While the transaction holds the table nobody can: then it is given
    /// up, and everything since the last commit is written again.
    async fn widen(&mut self, name: &str, read: &[(usize, Wanted)]) -> Result<(), ConnectorError> {
        if !self.options.evolve {
            return Ok(());
        }
        let options = self.options.clone();
        let open = self.opened()?;
        let Some(target) = open.targets.get(name) else { return Ok(()) };
        let mut missing: Vec<&Field> = Vec::new();
        for (_, wanted) in read {
            let Wanted::Put(fields) = wanted else { continue };
            let known =
                |field: &&Field| missing.iter().all(|known| !known.name.eq_ignore_ascii_case(&field.name));
            let lacking: Vec<&Field> = fields
                .iter()
                .filter(|field| target.lacks(std::slice::from_ref(field)).is_some())
                .filter(known)
                .collect();
            missing.extend(lacking);
        }
        if missing.is_empty() {
            return Ok(());
        }
        let command = target.widening(&options, &missing);
        let attempt = format!("adding columns to {name}");
        let is_held = open.touched.contains(name);
        if is_held {
            open.sql.query_drop("ROLLBACK").await.map_err(classed(&attempt))?;
        }
        self.define(&command, &attempt).await?;
        if is_held {
            return Err(ConnectorError::retryable(format!(
                "table `{name}` got new columns: what was not committed is written again"
            )));
        }
        let open = self.opened()?;
        if let Some(target) = Target::find(&mut open.sql, &options, name).await? {
            open.targets.insert(name.to_owned(), target);
        }
        Ok(())
    }

    fn steps(
        &self,
        target: &Target,
        batch: &SinkBatch,
        read: Vec<(usize, Wanted)>,
        budget: usize,
        rejected: &mut Vec<Rejection>,
    ) -> Vec<Step> {
        let mut steps = Vec::with_capacity(read.len());
        for (row, wanted) in read {
            let record_key = batch.batch.row(row).and_then(|record| record.key);
            let key = || key_parts(record_key, target.key.len());
            let action = match wanted {
                Wanted::Put(fields) => match target.lacks(&fields) {
                    Some(field) => Err(format!(
                        "table `{}` has no column `{}`; add it, or set `evolve: true`",
                        self.options.table.as_deref().unwrap_or(&batch.topic),
                        field.name
                    )),
                    None => target.row(&fields, &key).map(Action::Put),
                },
                _ if self.options.mode != Mode::Upsert => {
                    Err("a record without a value deletes a row, which only `mode: upsert` does".to_owned())
                }
                Wanted::Truncate => Ok(Action::Clear),
                Wanted::Delete => key().and_then(|parts| target.key_values(parts)).map(Action::Delete),
            };
            let size = batch.batch.row(row).and_then(|record| record.value).map_or(0, <[u8]>::len);
            match action {
                Ok(_) if size > budget => {
                    let reason =
                        format!("the row of {size} bytes is larger than the server's max_allowed_packet");
                    rejected.push(Rejection { row, reason });
                }
                Ok(action) => steps.push(Step { row, action }),
                Err(reason) => rejected.push(Rejection { row, reason }),
            }
        }
        steps
    }
}

impl Open {
    async fn begin(&mut self) -> Result<(), ConnectorError> {
        if !self.in_transaction {
            self.sql.query_drop("START TRANSACTION").await.map_err(classed("beginning a transaction"))?;
            self.in_transaction = true;
        }
        Ok(())
    }

    /// Carries out steps; those that the server refuses are rejected alone.
    async fn carry_out(
        &mut self,
        name: &str,
        mode: Mode,
        steps: &[Step],
        rejected: &mut Vec<Rejection>,
    ) -> Result<(), ConnectorError> {
        let mut waiting: Vec<&[Step]> = vec![steps];
        let attempt = format!("writing to {name}");
        while let Some(part) = waiting.pop() {
            if part.is_empty() {
                continue;
            }
            self.control("SAVEPOINT part").await?;
            match self.attempt(name, mode, part).await.map_err(classed(&attempt)) {
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

    async fn control(&mut self, command: &str) -> Result<(), ConnectorError> {
        self.sql.query_drop(command).await.map_err(classed("marking a place in a transaction"))
    }

    /// In the order of the records: neighbours of one kind together.
    async fn attempt(&mut self, name: &str, mode: Mode, steps: &[Step]) -> Result<(), Error> {
        let Some(target) = self.targets.get(name) else { return Ok(()) };
        for run in steps.chunk_by(|one, next| {
            matches!(
                (&one.action, &next.action),
                (Action::Put(_), Action::Put(_)) | (Action::Delete(_), Action::Delete(_))
            )
        }) {
            let mut rows = Vec::new();
            let mut keys = Vec::new();
            for step in run {
                match &step.action {
                    Action::Put(row) => rows.push(row.clone()),
                    Action::Delete(key) => keys.push(key.clone()),
                    Action::Clear => target.clear(&mut self.sql).await?,
                }
            }
            target.put(&mut self.sql, mode, &rows, self.budget).await?;
            target.delete(&mut self.sql, &keys).await?;
        }
        Ok(())
    }

    async fn store(&mut self, owner: (&str, &str), position: &SinkPosition) -> Result<(), ConnectorError> {
        let SinkPosition { partition, next_offset } = position;
        let attempt = "storing a position";
        let (pipeline, node) = (text_literal(owner.0), text_literal(owner.1));
        let (topic, topic_id, number) =
            (text_literal(&partition.topic), hex(&partition.topic_id), partition.partition);
        let moved = || {
            ConnectorError::retryable(format!(
                "storing the position of {}-{number}: another task of this sink has moved it",
                partition.topic
            ))
        };
        match self.held.get(partition) {
            None => {
                let command = format!(
                    "INSERT INTO millstream_positions VALUES ({pipeline}, {node}, {topic}, '{topic_id}', {number}, {next_offset})"
                );
                self.sql.query_drop(command).await.map_err(|error| match error {
                    Error::Server(server) if server.code == DUPLICATE => moved(),
                    other => classed(attempt)(other),
                })?;
            }
            Some(before) => {
                let command = format!(
                    "UPDATE millstream_positions SET next_offset = {next_offset} WHERE pipeline = {pipeline} AND sink = {node} \
                     AND topic = {topic} AND topic_id = '{topic_id}' AND `partition` = {number} AND next_offset = {before}"
                );
                self.sql.query_drop(command).await.map_err(classed(attempt))?;
                if self.sql.affected_rows() == 0 {
                    return Err(moved());
                }
            }
        }
        self.held.insert(partition.clone(), *next_offset);
        Ok(())
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
        self.open = None;
        let mut sql = connect(&self.address).await?;
        sql.query_drop(POSITIONS).await.map_err(classed("making table millstream_positions"))?;
        let attempt = classed("reading the stored positions");
        let server: Option<(String, usize)> =
            sql.query_first("SELECT VERSION(), @@max_allowed_packet").await.map_err(&attempt)?;
        let (version, packet) = server.unwrap_or_default();
        let query = format!(
            "SELECT topic, topic_id, `partition`, next_offset FROM millstream_positions WHERE pipeline = {} AND sink = {}",
            text_literal(&self.pipeline),
            text_literal(&self.node)
        );
        let rows: Vec<(String, String, i32, i64)> = sql.query(query).await.map_err(&attempt)?;
        let mut held = HashMap::new();
        for (topic, topic_id, number, next_offset) in rows {
            let known = partitions.iter().find(|partition| {
                *partition.topic == *topic
                    && hex(&partition.topic_id) == topic_id
                    && partition.partition == number
            });
            if let Some(partition) = known {
                held.insert(partition.clone(), next_offset);
            }
        }
        let positions = held
            .iter()
            .map(|(partition, next_offset): (&TopicPartition, &i64)| SinkPosition {
                partition: partition.clone(),
                next_offset: *next_offset,
            })
            .collect();
        self.open = Some(Open {
            sql,
            is_mariadb: version.contains("MariaDB"),
            budget: packet.saturating_sub(PACKET_OVERHEAD).max(1),
            in_transaction: false,
            targets: HashMap::new(),
            touched: HashSet::new(),
            held,
        });
        Ok(positions)
    }

    async fn write(&mut self, batch: SinkBatch) -> Result<Written, ConnectorError> {
        let name = self.options.table.clone().unwrap_or_else(|| batch.topic.to_string());
        let mut rejected = Vec::new();
        let mut read = Vec::new();
        for (row, record) in batch.batch.rows().enumerate() {
            match wanted(record) {
                Ok(wanted) => read.push((row, wanted)),
                Err(reason) => rejected.push(Rejection { row, reason }),
            }
        }
        self.find(&name, &read).await?;
        self.widen(&name, &read).await?;
        let budget = self.opened()?.budget;
        let steps = match self.opened()?.targets.remove(&name) {
            Some(target) => {
                let steps = self.steps(&target, &batch, read, budget, &mut rejected);
                self.opened()?.targets.insert(name.clone(), target);
                steps
            }
            None => Vec::new(),
        };
        let mode = self.options.mode;
        let open = self.opened()?;
        open.begin().await?;
        open.touched.insert(name.clone());
        open.carry_out(&name, mode, &steps, &mut rejected).await?;
        rejected.sort_by_key(|rejection| rejection.row);
        Ok(Written { durable: false, rejected })
    }

    async fn commit(&mut self, positions: &[SinkPosition]) -> Result<(), ConnectorError> {
        let owner = (self.pipeline.clone(), self.node.clone());
        let open = self.opened()?;
        if positions.is_empty() && !open.in_transaction {
            return Ok(());
        }
        open.begin().await?;
        for position in positions {
            open.store((&owner.0, &owner.1), position).await?;
        }
        open.sql.query_drop("COMMIT").await.map_err(classed("committing"))?;
        open.in_transaction = false;
        open.touched.clear();
        Ok(())
    }

    async fn close(&mut self) -> Result<(), ConnectorError> {
        match self.open.take() {
            Some(open) => open.sql.disconnect().await.map_err(classed("closing the session")),
            None => Ok(()),
        }
    }
}
