//! One reader of the change stream: events in, records and a position out, the rows of snapshots in their places.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use millstream_sdk::error::ConnectorError;
use millstream_sdk::record::BatchBuilder;
use millstream_sdk::source::{PollLimits, Polled, Position, SourceReader};
use tokio_postgres::Client;

use super::catalog::{self, RowKey, TableInfo, Types};
use super::options::{Snapshot, Truncate};
use super::pgoutput::{self, Change, Relation};
use super::piece::Piece;
use super::position::{Lsn, Progress, TableProgress, Within};
use super::replication::{Event, Replication};
use super::snapshot::{Chunk, Deferred, PREFIX, Recent, Snapshots, Standing};
use super::source::Setup;
use super::table::{Context, Op, Table};

/// How often a quiet stream's place is stored, so that the server need not keep its log.
const IDLE_POSITION_EVERY: Duration = Duration::from_secs(10);

/// How long a wait for events may take before the chunks under way are looked at.
const CHUNK_LOOK: Duration = Duration::from_millis(50);

/// How long a few records wait for others before they are given out. A server sends each change alone: woken for each, we would do
/// little else, and so would the server.
const COMPANY_WAIT: Duration = Duration::from_millis(1);

/// More than these bytes wait for no others.
const FEW_BYTES: usize = 32 << 10;

/// Between two warnings of a server that keeps much of its log for us.
const LAG_WARNING_EVERY: Duration = Duration::from_secs(60);

/// What a start found.
pub(super) struct Opened {
    pub setup: Arc<Setup>,
    pub sql: Client,
    pub stream: Replication,
    pub types: Types,
    pub progress: Progress,
    /// The progress is not stored yet.
    pub is_new: bool,
}

pub(super) struct Reader {
    setup: Arc<Setup>,
    sql: Client,
    stream: Replication,
    types: Types,
    tables: HashMap<u32, Captured>,
    snapshots: Snapshots,
    recent: Recent,
    /// Behind everything that `building` holds.
    progress: Progress,
    /// The progress has moved since it was last given out.
    has_moved: bool,
    building: BatchBuilder,
    transaction: Option<Transaction>,
    /// An event that is being handled: taken up again if the handling was cancelled.
    held: Option<Event>,
    given_at: Instant,
    warned_at: Option<Instant>,
}

/// A table that the stream has spoken of; `None` for one that is not captured.
type Captured = Option<Arc<Known>>;

#[derive(Debug)]
struct Known {
    relation: Relation,
    table: Arc<Table>,
    /// `None` if it is gone by now.
    info: Option<Arc<TableInfo>>,
}

#[derive(Debug, Clone, Copy)]
struct Transaction {
    commit: Lsn,
    xid: u32,
    time_ms: i64,
    changes: u64,
    /// Changes that went out before.
    skipped: u64,
}

impl Reader {
    pub fn new(opened: Opened) -> Reader {
        let Opened { setup, sql, stream, types, progress, is_new } = opened;
        Reader {
            snapshots: Snapshots::new(Arc::clone(&setup), &progress.tables),
            setup,
            sql,
            stream,
            types,
            tables: HashMap::new(),
            recent: Recent::default(),
            progress,
            has_moved: is_new,
            building: BatchBuilder::new(),
            transaction: None,
            held: None,
            given_at: Instant::now(),
            warned_at: None,
        }
    }

    async fn gather(&mut self, limits: PollLimits) -> Result<(), ConnectorError> {
        let deadline = tokio::time::Instant::now() + limits.wait;
        let mut has_waited = false;
        while !self.is_full(limits) {
            self.snapshots.start();
            let event = match self.held.take() {
                Some(event) => event,
                None if self.has_work() => match self.stream.buffered()? {
                    Some(event) => event,
                    // One look at the socket: what has arrived belongs to this batch.
                    None => match self.stream.next().now_or_never().transpose()? {
                        Some(event) => event,
                        None if has_waited || self.building.is_empty() => return Ok(()),
                        None if self.building.byte_len() >= FEW_BYTES => return Ok(()),
                        None => {
                            has_waited = true;
                            let until = tokio::time::Instant::now() + COMPANY_WAIT;
                            tokio::time::sleep_until(until.min(deadline)).await;
                            continue;
                        }
                    },
                },
                None => match self.wait(deadline).await? {
                    Some(event) => event,
                    None => return Ok(()),
                },
            };
            self.handle(event).await?;
        }
        Ok(())
    }

    fn is_full(&self, limits: PollLimits) -> bool {
        self.building.len() >= limits.max_records || self.building.byte_len() >= limits.max_bytes
    }

    /// Whether there is something to give out now.
    fn has_work(&self) -> bool {
        !self.building.is_empty() || (self.has_moved && self.is_due())
    }

    fn is_due(&self) -> bool {
        self.snapshots_are_done() || self.given_at.elapsed() >= IDLE_POSITION_EVERY
    }

    fn snapshots_are_done(&self) -> bool {
        self.snapshots.is_done()
    }

    /// The next event before the deadline; looks at the chunks meanwhile, since a failed one would be waited for in vain.
    async fn wait(&mut self, deadline: tokio::time::Instant) -> Result<Option<Event>, ConnectorError> {
        loop {
            self.snapshots.check().await?;
            let now = tokio::time::Instant::now();
            let until = if self.snapshots.is_done() { deadline } else { deadline.min(now + CHUNK_LOOK) };
            match tokio::time::timeout_at(until, self.stream.next()).await {
                Ok(event) => return event.map(Some),
                Err(_) if until >= deadline => return Ok(None),
                Err(_) => {}
            }
        }
    }

    /// Handles one event. Cancelled while it waits, it is handled again from its start.
    async fn handle(&mut self, event: Event) -> Result<(), ConnectorError> {
        match event {
            Event::Begin { commit, xid, time_ms } => {
                let skipped = match self.progress.within {
                    _ if commit < self.progress.lsn => u64::MAX,
                    Some(within) if within.commit == commit => within.changes,
                    _ => 0,
                };
                self.transaction = Some(Transaction { commit, xid, time_ms, changes: 0, skipped });
            }
            Event::Commit { end } => {
                if let Some(transaction) = self.transaction.take() {
                    self.recent.note(transaction.xid);
                }
                self.reached(end);
                self.progress.within = None;
            }
            Event::Idle { reached } => {
                // Inside a transaction the server speaks of what it has read, not of what it has sent.
                if self.transaction.is_none() {
                    self.reached(reached);
                    self.warn_of_lag();
                }
            }
            Event::Message { prefix, content } if prefix == PREFIX => {
                self.held = Some(Event::Message { prefix, content: content.clone() });
                let closed = self.snapshots.message(&content, &self.recent).await?;
                self.held = None;
                if let Some(chunk) = closed {
                    self.give_chunk(chunk);
                }
            }
            Event::Message { .. } => {}
            Event::Change(message) => self.change(message).await?,
        }
        Ok(())
    }

    fn reached(&mut self, lsn: Lsn) {
        if lsn > self.progress.lsn {
            self.progress.lsn = lsn;
            self.has_moved = true;
        }
    }

    async fn change(&mut self, message: Bytes) -> Result<(), ConnectorError> {
        let wrong = |error| ConnectorError::fatal("reading a change").caused_by(error);
        let change = pgoutput::decode(message.clone()).map_err(wrong)?;
        match change {
            Change::Other => return Ok(()),
            Change::Relation(relation) => {
                self.held = Some(Event::Change(message));
                self.learn(relation).await?;
                self.held = None;
                return Ok(());
            }
            _ => {}
        }
        let Some(transaction) = self.transaction else {
            return Err(ConnectorError::fatal("reading a change: it stands outside any transaction"));
        };
        let changes = transaction.changes + 1;
        if changes > transaction.skipped {
            self.held = Some(Event::Change(message));
            let pieces = self.pieces(change);
            let standings = self.standings(&pieces).await?;
            self.held = None;
            self.progress.within = Some(Within { commit: transaction.commit, changes });
            self.has_moved = true;
            for ((known, piece), standing) in pieces.into_iter().zip(standings) {
                self.apply(known, piece, standing, transaction)?;
            }
        }
        self.transaction = Some(Transaction { changes, ..transaction });
        Ok(())
    }

    /// What a change means for each row, or table, that is captured.
    fn pieces(&self, change: Change) -> Vec<(Arc<Known>, Piece)> {
        let known = |relation: u32| self.tables.get(&relation).cloned().flatten();
        let (relation, pieces) = match change {
            Change::Insert { relation, new } => (relation, vec![Piece::insert(new)]),
            Change::Delete { relation, old, .. } => (relation, vec![Piece::delete(old)]),
            Change::Update { relation, old, old_is_key, new } => match known(relation) {
                Some(known) => (relation, Piece::update(&known.table, old, old_is_key, new)),
                None => return Vec::new(),
            },
            Change::Truncate { relations } => {
                let truncated = || Piece { op: Some(Op::Truncate), ..Piece::default() };
                return relations.into_iter().filter_map(known).map(|known| (known, truncated())).collect();
            }
            Change::Relation(_) | Change::Other => return Vec::new(),
        };
        let Some(known) = known(relation) else { return Vec::new() };
        pieces.into_iter().map(|piece| (Arc::clone(&known), piece)).collect()
    }

    async fn standings(&self, pieces: &[(Arc<Known>, Piece)]) -> Result<Vec<Standing>, ConnectorError> {
        let mut standings = Vec::with_capacity(pieces.len());
        for (known, piece) in pieces {
            let name = known.table.full_name();
            let after = match self.progress.tables.get(name) {
                Some(TableProgress::After(after)) if piece.op != Some(Op::Truncate) => after.as_deref(),
                _ => {
                    standings.push(Standing::Covered);
                    continue;
                }
            };
            let Some(info) = &known.info else {
                standings.push(Standing::Covered);
                continue;
            };
            let key = known.table.key_texts(piece.row());
            let key = RowKey { sql: &self.sql, table: name, info, key: &key };
            standings.push(self.snapshots.standing(&key, after).await?);
        }
        Ok(standings)
    }

    fn apply(
        &mut self,
        known: Arc<Known>,
        piece: Piece,
        standing: Standing,
        of: Transaction,
    ) -> Result<(), ConnectorError> {
        let Some(op) = piece.op else { return Ok(()) };
        let table = &known.table;
        if op == Op::Truncate {
            self.snapshots.truncated(table.full_name(), of.xid);
            match self.setup.options.truncate {
                Truncate::Emit => {}
                Truncate::Skip => {
                    tracing::warn!(table = table.full_name(), "TRUNCATE is not passed on");
                    return Ok(());
                }
                Truncate::Fail => {
                    return Err(ConnectorError::fatal(format!(
                        "table `{}` was truncated, and the source is told to fail then (`truncate: fail`)",
                        table.full_name()
                    )));
                }
            }
        }
        match standing {
            Standing::Ahead => Ok(()),
            Standing::InChunk => {
                let of_table = Arc::clone(table);
                let change =
                    Deferred { xid: of.xid, commit: of.commit, time_ms: of.time_ms, table: of_table, piece };
                self.snapshots.defer(table.full_name(), change)
            }
            Standing::Covered => {
                let at = context(&self.setup, of.commit, Some(of.xid), of.time_ms);
                table.push(op, piece.before.as_deref(), piece.after.as_deref(), at, &mut self.building);
                Ok(())
            }
        }
    }

    /// A table that changes follow of: its columns and key from now on.
    async fn learn(&mut self, relation: Relation) -> Result<(), ConnectorError> {
        let full_name = format!("{}.{}", relation.schema, relation.name);
        if !self.progress.tables.contains_key(&full_name) {
            self.tables.insert(relation.id, None);
            return Ok(());
        }
        let known = self.tables.get(&relation.id).and_then(Option::as_deref);
        if known.is_some_and(|known| known.relation == relation) {
            return Ok(());
        }
        if relation.columns.iter().any(|column| !self.types.has(column.type_oid)) {
            self.types = Types::load(&self.sql).await?;
        }
        let info = catalog::table(&self.sql, &relation.schema, &relation.name).await?;
        let key = info.as_ref().map(|info| info.primary_key.clone()).unwrap_or_default();
        let table = Arc::new(Table::of_relation(&relation, &key, &self.types));
        let known = Known { relation, table, info: info.map(Arc::new) };
        self.tables.insert(known.relation.id, Some(Arc::new(known)));
        Ok(())
    }

    /// Gives out a chunk: all of it in one batch, so that it is committed with the place behind it.
    fn give_chunk(&mut self, chunk: Chunk) {
        let at = context(&self.setup, self.progress.lsn, None, now_ms());
        for row in &chunk.rows {
            chunk.table.push(Op::Read, None, Some(row), at, &mut self.building);
        }
        for Deferred { xid, commit, time_ms, table, piece } in chunk.changes {
            let at = context(&self.setup, commit, Some(xid), time_ms);
            if let Some(op) = piece.op {
                table.push(op, piece.before.as_deref(), piece.after.as_deref(), at, &mut self.building);
            }
        }
        self.has_moved = true;
        let name = chunk.table.full_name().to_owned();
        let progress = match chunk.bound {
            None => TableProgress::Done,
            Some(bound) => {
                self.snapshots.again(name.clone(), Some(bound.clone()));
                TableProgress::After(Some(bound))
            }
        };
        self.progress.tables.insert(name, progress);
    }

    fn warn_of_lag(&mut self) {
        let (lag, limit) = (self.stream.lag_bytes(), self.setup.options.max_slot_lag);
        let is_new = self.warned_at.is_none_or(|warned| warned.elapsed() >= LAG_WARNING_EVERY);
        if lag > limit && is_new {
            self.warned_at = Some(Instant::now());
            tracing::warn!(
                slot = self.setup.slot,
                lag,
                limit,
                "the server keeps much of its log for this slot"
            );
        }
    }
}

fn context(setup: &Setup, lsn: Lsn, xid: Option<u32>, time_ms: i64) -> Context<'_> {
    Context {
        database: setup.address.database(),
        pipeline: &setup.pipeline,
        lsn,
        xid,
        time_ms,
        envelope: setup.options.envelope,
        tombstones: setup.options.tombstones,
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[async_trait]
impl SourceReader for Reader {
    async fn poll(&mut self, limits: PollLimits) -> Result<Polled, ConnectorError> {
        self.gather(limits).await?;
        let is_only = self.setup.options.snapshot == Snapshot::Only;
        let end_of_split = is_only && self.snapshots_are_done() && self.transaction.is_none();
        let gives = !self.building.is_empty() || (self.has_moved && (self.is_due() || end_of_split));
        let mut polled =
            Polled { end_of_split, lag_bytes: Some(self.stream.lag_bytes()), ..Polled::default() };
        if gives {
            polled.batch = std::mem::take(&mut self.building).finish();
            polled.position = self.has_moved.then(|| self.progress.write()).transpose()?;
            self.has_moved = false;
            self.given_at = Instant::now();
            // The next chunk is read while this batch is on its way.
            self.snapshots.start();
        }
        Ok(polled)
    }

    async fn committed(&mut self, position: &Position) -> Result<(), ConnectorError> {
        self.stream.confirm(Progress::read(position)?.lsn);
        self.stream.flush().await
    }
}
