//! Topics into tables of a SQLite file: rows and the positions behind them in one transaction, so that each record takes
//! effect once whatever is cut off when.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use millstream_sdk::error::{ConnectorError, ErrorClass};
use millstream_sdk::plugin::Surroundings;
use millstream_sdk::record::Row;
use millstream_sdk::sink::{Delivery, Rejection, Sink, SinkBatch, SinkPosition, TopicPartition, Written};
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::database::{open_sqlite, quoted, sqlite_failed};
use super::options::{Mode, SinkOptions};
use crate::blocking::Blocking;
use crate::postgres::{Field, Shape, Wanted, key_parts, wanted};

pub(super) struct Tables {
    options: Arc<SinkOptions>,
    path: PathBuf,
    owner: Owner,
    open: Option<Blocking<Open, Result<Written, ConnectorError>>>,
}

/// Whose positions they are.
#[derive(Clone)]
struct Owner {
    pipeline: String,
    node: String,
}

impl Tables {
    pub fn new(options: SinkOptions, path: PathBuf, at: &Surroundings) -> Tables {
        let owner = Owner { pipeline: at.pipeline.clone(), node: at.node.clone() };
        Tables { options: Arc::new(options), path, owner, open: None }
    }

    async fn run<Work>(&mut self, work: Work) -> Result<Written, ConnectorError>
    where
        Work: FnOnce(&mut Open) -> Result<Written, ConnectorError> + Send + 'static,
    {
        match self.open.as_mut() {
            Some(open) => open.run(work).await?,
            None => Err(ConnectorError::fatal("writing before the sink is open")),
        }
    }
}

#[async_trait]
impl Sink for Tables {
    fn delivery(&self) -> Delivery {
        Delivery::Transactional
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<Vec<SinkPosition>, ConnectorError> {
        self.open = None;
        let (options, path, owner) = (Arc::clone(&self.options), self.path.clone(), self.owner.clone());
        let partitions = partitions.to_vec();
        let opened = tokio::task::spawn_blocking(move || Open::new(options, path, owner, &partitions)).await;
        let open = opened.map_err(|error| ConnectorError::fatal("opening a database").caused_by(error))??;
        let held = open.held.iter().map(|(partition, next_offset)| SinkPosition {
            partition: partition.clone(),
            next_offset: *next_offset,
        });
        let held = held.collect();
        self.open = Some(Blocking::new(open));
        Ok(held)
    }

    async fn write(&mut self, batch: SinkBatch) -> Result<Written, ConnectorError> {
        self.run(move |open| open.write(&batch)).await
    }

    async fn commit(&mut self, positions: &[SinkPosition]) -> Result<(), ConnectorError> {
        let positions = positions.to_vec();
        self.run(move |open| open.commit(&positions)).await.map(|_| ())
    }

    async fn close(&mut self) -> Result<(), ConnectorError> {
        self.open = None;
        Ok(())
    }
}

struct Open {
    connection: Connection,
    options: Arc<SinkOptions>,
    owner: Owner,
    in_transaction: bool,
    held: HashMap<TopicPartition, i64>,
    targets: HashMap<String, Target>,
}

/// A table that is written to.
struct Target {
    name: String,
    columns: Vec<String>,
    key: Vec<String>,
}

impl Open {
    fn new(
        options: Arc<SinkOptions>,
        path: PathBuf,
        owner: Owner,
        partitions: &[TopicPartition],
    ) -> Result<Open, ConnectorError> {
        let connection = open_sqlite(&path, true)?;
        let failed = sqlite_failed("creating table millstream_positions");
        connection
            .execute_batch(
                "CREATE TABLE IF NOT EXISTS millstream_positions (pipeline TEXT, sink TEXT, topic TEXT, topic_id TEXT, \
                 partition INTEGER, next_offset INTEGER NOT NULL, PRIMARY KEY (pipeline, sink, topic, topic_id, partition))",
            )
            .map_err(failed)?;
        let mut held = HashMap::new();
        for partition in partitions {
            if let Some(next_offset) = stored(&connection, &owner, partition)? {
                held.insert(partition.clone(), next_offset);
            }
        }
        Ok(Open { connection, options, owner, in_transaction: false, held, targets: HashMap::new() })
    }

    fn begin(&mut self) -> Result<(), ConnectorError> {
        if !self.in_transaction {
            self.connection
                .execute_batch("BEGIN IMMEDIATE")
                .map_err(sqlite_failed("beginning a transaction"))?;
            self.in_transaction = true;
        }
        Ok(())
    }

    fn write(&mut self, batch: &SinkBatch) -> Result<Written, ConnectorError> {
        self.begin()?;
        let name = self.options.table.clone().unwrap_or_else(|| batch.topic.to_string());
        let mut rejected = Vec::new();
        let mut read = Vec::new();
        for (row, record) in batch.batch.rows().enumerate() {
            match wanted(record) {
                Ok(wanted) => read.push((row, record, wanted)),
                Err(reason) => rejected.push(Rejection { row, reason }),
            }
        }
        if !self.targets.contains_key(&name) {
            let fields = read.iter().filter_map(|(.., wanted)| match wanted {
                Wanted::Put(fields) => Some(fields.as_slice()),
                _ => None,
            });
            let target = Target::open(&self.connection, &self.options, &name, fields)?;
            self.targets.insert(name.clone(), target);
        }
        let Some(target) = self.targets.get_mut(&name) else { return Ok(Written::default()) };
        for (row, record, wanted) in read {
            match target.take(&self.connection, &self.options, record, wanted) {
                Ok(()) => {}
                Err(error) if error.class() == ErrorClass::Record => {
                    rejected.push(Rejection { row, reason: error.to_string() });
                }
                Err(error) => return Err(error),
            }
        }
        rejected.sort_by_key(|rejection| rejection.row);
        Ok(Written { durable: false, rejected })
    }

    fn commit(&mut self, positions: &[SinkPosition]) -> Result<Written, ConnectorError> {
        if positions.is_empty() && !self.in_transaction {
            return Ok(Written::default());
        }
        self.begin()?;
        for position in positions {
            self.store(position)?;
        }
        self.connection.execute_batch("COMMIT").map_err(sqlite_failed("committing"))?;
        self.in_transaction = false;
        Ok(Written { durable: true, rejected: Vec::new() })
    }

    /// Moves a position from the value that was read to the next; another value there is another task's.
    fn store(&mut self, position: &SinkPosition) -> Result<(), ConnectorError> {
        let SinkPosition { partition, next_offset } = position;
        let failed = sqlite_failed("storing a position");
        let before = self.held.get(partition).copied();
        if stored(&self.connection, &self.owner, partition)? != before {
            return Err(ConnectorError::retryable(format!(
                "storing the position of {}-{}: another task of this sink has moved it",
                partition.topic, partition.partition
            )));
        }
        let command = "INSERT INTO millstream_positions VALUES (?, ?, ?, ?, ?, ?) \
                       ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset";
        let mut statement = self.connection.prepare(command).map_err(&failed)?;
        let Owner { pipeline, node } = &self.owner;
        let (topic, id) = (&*partition.topic, hex(&partition.topic_id));
        statement
            .execute(params![pipeline, node, topic, id, partition.partition, next_offset])
            .map_err(&failed)?;
        self.held.insert(partition.clone(), *next_offset);
        Ok(())
    }
}

impl Target {
    /// The table as it is, or made as its first records need it.
    fn open<'a>(
        connection: &Connection,
        options: &SinkOptions,
        name: &str,
        records: impl Iterator<Item = &'a [Field]>,
    ) -> Result<Target, ConnectorError> {
        let mut columns = columns(connection, name)?;
        if columns.is_empty() {
            if !options.create {
                return Err(ConnectorError::config(format!(
                    "there is no table `{name}`; make it, or set `create: true`"
                )));
            }
            create(connection, options, name, records)?;
            columns = self::columns(connection, name)?;
        }
        let mut primary: Vec<_> = columns.iter().filter(|(_, place)| *place > 0).collect();
        primary.sort_by_key(|(_, place)| *place);
        let primary: Vec<String> = primary.into_iter().map(|(name, _)| name.clone()).collect();
        let key = options.key.clone().unwrap_or(primary);
        if key.is_empty() && options.mode == Mode::Upsert {
            return Err(ConnectorError::config(format!(
                "table `{name}` has no primary key; name the columns that tell rows apart with `key`, or set `mode: append`"
            )));
        }
        let columns = columns.into_iter().map(|(name, _)| name).collect();
        Ok(Target { name: name.to_owned(), columns, key })
    }

    fn take(
        &mut self,
        connection: &Connection,
        options: &SinkOptions,
        record: Row<'_>,
        wanted: Wanted,
    ) -> Result<(), ConnectorError> {
        match wanted {
            Wanted::Put(fields) => self.put(connection, options, record, fields),
            _ if options.mode != Mode::Upsert => {
                Err(refused("a record without a value deletes a row, which only `mode: upsert` does"))
            }
            Wanted::Truncate => {
                let command = format!("DELETE FROM {}", quoted(&self.name));
                connection.execute_batch(&command).map_err(sqlite_failed(&self.attempt()))
            }
            Wanted::Delete => {
                let parts = key_parts(record.key, self.key.len()).map_err(refused)?;
                let equal: Vec<String> =
                    self.key.iter().map(|column| format!("{} = ?", quoted(column))).collect();
                let command = format!("DELETE FROM {} WHERE {}", quoted(&self.name), equal.join(" AND "));
                self.execute(
                    connection,
                    &command,
                    parts.into_iter().map(|part| part.map_or(Value::Null, Value::Text)),
                )
            }
        }
    }

    fn put(
        &mut self,
        connection: &Connection,
        options: &SinkOptions,
        record: Row<'_>,
        mut fields: Vec<Field>,
    ) -> Result<(), ConnectorError> {
        for field in &fields {
            if self.has(&field.name) {
                continue;
            }
            if !options.evolve {
                return Err(refused(format!(
                    "table `{}` has no column `{}`; add it, or set `evolve: true`",
                    self.name, field.name
                )));
            }
            let kind = column_type(options, &field.name, field.shape);
            let command =
                format!("ALTER TABLE {} ADD COLUMN {} {kind}", quoted(&self.name), quoted(&field.name));
            connection.execute_batch(&command).map_err(sqlite_failed("adding a column"))?;
            self.columns.push(field.name.clone());
        }
        let lacks = |fields: &[Field], column: &String| {
            !fields.iter().any(|field| field.name.eq_ignore_ascii_case(column))
        };
        if options.mode != Mode::Append && self.key.iter().any(|column| lacks(&fields, column)) {
            let parts = key_parts(record.key, self.key.len()).map_err(refused)?;
            for (column, value) in self.key.iter().zip(parts) {
                if lacks(&fields, column) {
                    fields.push(Field { name: column.clone(), value, shape: Shape::Text });
                }
            }
        }
        if fields.is_empty() {
            return Err(refused("the record has no fields"));
        }
        let names: Vec<String> = fields.iter().map(|field| quoted(&field.name)).collect();
        let command = format!(
            "INSERT INTO {} ({}) VALUES ({}){}",
            quoted(&self.name),
            names.join(", "),
            vec!["?"; names.len()].join(", "),
            self.on_conflict(options.mode, &fields)
        );
        self.execute(connection, &command, fields.into_iter().map(bound))
    }

    fn on_conflict(&self, mode: Mode, fields: &[Field]) -> String {
        match mode {
            Mode::Append => String::new(),
            Mode::Insert => " ON CONFLICT DO NOTHING".to_owned(),
            Mode::Upsert => {
                let key: Vec<String> = self.key.iter().map(|column| quoted(column)).collect();
                let is_key =
                    |field: &&Field| self.key.iter().any(|column| column.eq_ignore_ascii_case(&field.name));
                let set = fields.iter().filter(|field| !is_key(field)).map(|field| {
                    let name = quoted(&field.name);
                    format!("{name} = excluded.{name}")
                });
                let set: Vec<String> = set.collect();
                match set.is_empty() {
                    true => format!(" ON CONFLICT ({}) DO NOTHING", key.join(", ")),
                    false => format!(" ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), set.join(", ")),
                }
            }
        }
    }

    fn execute(
        &self,
        connection: &Connection,
        command: &str,
        values: impl Iterator<Item = Value>,
    ) -> Result<(), ConnectorError> {
        let attempt = self.attempt();
        let failed = sqlite_failed(&attempt);
        let mut statement = connection.prepare(command).map_err(&failed)?;
        statement.execute(params_from_iter(values)).map(|_| ()).map_err(&failed)
    }

    fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|known| known.eq_ignore_ascii_case(column))
    }

    fn attempt(&self) -> String {
        format!("writing to {}", self.name)
    }
}

fn create<'a>(
    connection: &Connection,
    options: &SinkOptions,
    name: &str,
    records: impl Iterator<Item = &'a [Field]>,
) -> Result<(), ConnectorError> {
    let mut columns: Vec<(String, Shape)> = Vec::new();
    for field in records.flatten() {
        match columns.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(&field.name)) {
            None => columns.push((field.name.clone(), field.shape)),
            Some((_, shape)) => *shape = wider(*shape, field.shape),
        }
    }
    let key = options.key.clone().unwrap_or_default();
    if key.is_empty() && options.mode != Mode::Append {
        return Err(ConnectorError::config(format!(
            "there is no table `{name}`, and to make it, its key must be known; name its columns with `key`, or set `mode: append`"
        )));
    }
    let missing =
        key.iter().filter(|column| !columns.iter().any(|(name, _)| name.eq_ignore_ascii_case(column)));
    let missing: Vec<_> = missing.map(|column| (column.clone(), Shape::Text)).collect();
    columns.extend(missing);
    let mut parts: Vec<String> = columns
        .iter()
        .map(|(name, shape)| format!("{} {}", quoted(name), column_type(options, name, *shape)))
        .collect();
    if options.mode != Mode::Append {
        let key: Vec<String> = key.iter().map(|column| quoted(column)).collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    if parts.is_empty() {
        return Err(ConnectorError::retryable(format!(
            "there is no table `{name}` and no record to make it from"
        )));
    }
    let command = format!("CREATE TABLE {} ({})", quoted(name), parts.join(", "));
    connection.execute_batch(&command).map_err(sqlite_failed(&format!("making table {name}")))
}

/// What holds both.
fn wider(one: Shape, other: Shape) -> Shape {
    match (one, other) {
        (Shape::Unknown, known) | (known, Shape::Unknown) => known,
        (same, again) if same == again => same,
        (Shape::Integer, Shape::Float) | (Shape::Float, Shape::Integer) => Shape::Float,
        _ => Shape::Text,
    }
}

fn column_type(options: &SinkOptions, name: &str, shape: Shape) -> String {
    let usual = match shape {
        Shape::Boolean => "BOOLEAN",
        Shape::Integer => "INTEGER",
        Shape::Float => "REAL",
        Shape::Text | Shape::Json | Shape::Unknown => "TEXT",
    };
    options.columns.get(name).cloned().unwrap_or_else(|| usual.to_owned())
}

fn bound(field: Field) -> Value {
    let Some(text) = field.value else { return Value::Null };
    match field.shape {
        Shape::Boolean => Value::Integer(i64::from(text == "true")),
        Shape::Integer => text.parse().map_or(Value::Text(text), Value::Integer),
        // Only what a double holds exactly enough; the column decides about the rest.
        Shape::Float if text.bytes().filter(u8::is_ascii_digit).count() <= 15 => {
            text.parse().map_or(Value::Text(text), Value::Real)
        }
        _ => Value::Text(text),
    }
}

/// Names and places in the primary key, from 1; nothing where there is no such table.
fn columns(connection: &Connection, table: &str) -> Result<Vec<(String, i64)>, ConnectorError> {
    let failed = sqlite_failed("reading a table's columns");
    let mut statement = connection.prepare("SELECT name, pk FROM pragma_table_info(?)").map_err(&failed)?;
    let rows = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?))).map_err(&failed)?;
    rows.collect::<Result<_, _>>().map_err(&failed)
}

fn stored(
    connection: &Connection,
    owner: &Owner,
    partition: &TopicPartition,
) -> Result<Option<i64>, ConnectorError> {
    let failed = sqlite_failed("reading a stored position");
    let query = "SELECT next_offset FROM millstream_positions WHERE pipeline = ? AND sink = ? AND topic = ? AND topic_id = ? AND partition = ?";
    let mut statement = connection.prepare(query).map_err(&failed)?;
    let wanted =
        params![owner.pipeline, owner.node, &*partition.topic, hex(&partition.topic_id), partition.partition];
    let mut rows = statement.query(wanted).map_err(&failed)?;
    let row = rows.next().map_err(&failed)?;
    row.map(|row| row.get(0)).transpose().map_err(&failed)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn refused(reason: impl Into<String>) -> ConnectorError {
    ConnectorError::new(ErrorClass::Record, reason.into())
}
