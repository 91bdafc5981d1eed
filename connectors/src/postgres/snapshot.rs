//! Reading the rows that a table has, a chunk of its key at a time beside the running stream, without gap or duplicate.
//!
//! A chunk is read between two messages put into the log, in a transaction whose snapshot says which changes it sees. Rows
//! that no chunk has covered yet have not been given out, so changes of them before the first message are left out: the
//! chunk will see them. Between the messages, changes of the chunk's own range wait; behind the chunk's rows come those that
//! it did not see. So every row is given once and every change behind it once, a chunk needs no long transaction, and a
//! restart goes on behind the last chunk. (The two messages are an idea of Andreakis and Papapanagiotou, DBLog, 2019.)
//!
//! One trap is closed here: a commit is in the log before it is visible to others. A chunk therefore waits until
//! everything that the stream had committed before the first message is visible to its own snapshot.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, pin_mut};
use millstream_sdk::error::ConnectorError;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_util::task::AbortOnDropHandle;

use super::catalog::{self, RowKey, TableInfo, Types};
use super::copy;
use super::pgoutput::{Cell, Tuple};
use super::piece::Piece;
use super::position::{Lsn, TableProgress};
use super::session::{self, classed, quoted_name, quoted_text};
use super::source::Setup;
use super::table::Table;

/// What our messages in the log begin with.
pub(super) const PREFIX: &str = "millstream";

/// How much of a table one chunk holds in memory, about.
const CHUNK_BYTES: u64 = 16 << 20;

/// Changes that wait for one chunk hold at most this much.
const DEFERRED_BYTES_MAX: usize = 64 << 20;

/// Transactions whose visibility is asked for: commits become visible within moments, in the order of some microseconds.
const RECENT_MAX: usize = 4_096;

/// Between two looks whether a commit is visible.
const VISIBLE_LOOK: Duration = Duration::from_millis(1);

/// Our messages go into the log at once, and wait for no standby.
const MARKS_AT_ONCE: &str = "SET synchronous_commit = local";

/// The newest transactions that the stream has brought, oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent {
    xids: VecDeque<u32>,
}

impl Recent {
    pub fn note(&mut self, xid: u32) {
        if self.xids.len() == RECENT_MAX {
            self.xids.pop_front();
        }
        self.xids.push_back(xid);
    }
}

/// Every table that is not read to its end.
pub(super) struct Snapshots {
    setup: Arc<Setup>,
    waiting: VecDeque<(String, Option<Vec<String>>)>,
    running: Vec<Running>,
    next_number: u64,
}

/// A chunk on its way.
struct Running {
    table: String,
    number: u64,
    /// Takes the transactions seen so far when the first message comes by.
    opened: Option<oneshot::Sender<Vec<u32>>>,
    /// The last key of the chunk, known before the first message; `None` inside if it reaches to the table's end.
    bound: Arc<OnceLock<Option<Vec<String>>>>,
    /// Changes of the chunk's range since the first message, in order.
    deferred: Vec<Deferred>,
    deferred_bytes: usize,
    /// Transactions that emptied the table since then, and how many changes had been deferred before.
    truncated: Vec<(u32, usize)>,
    task: AbortOnDropHandle<Result<Chunk, ConnectorError>>,
    /// What the task gave, once it has ended.
    chunk: Option<Chunk>,
}

/// Rows of one table in the order of their key, and the changes that follow them.
pub(super) struct Chunk {
    pub table: Arc<Table>,
    pub rows: Vec<Tuple>,
    pub changes: Vec<Deferred>,
    /// Where the next chunk begins; `None` if nothing is behind these rows.
    pub bound: Option<Vec<String>>,
    unseen: Unseen,
}

/// A change that waits for the chunk it belongs behind.
#[derive(Debug)]
pub(super) struct Deferred {
    pub xid: u32,
    pub commit: Lsn,
    pub time_ms: i64,
    pub table: Arc<Table>,
    pub piece: Piece,
}

/// Where a change of a key stands to the snapshot of its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The row has been given: the change follows it.
    Covered,
    /// A chunk that is being read may or may not see it.
    InChunk,
    /// A later chunk will see it.
    Ahead,
}

/// Which message of which chunk came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Opens(u64),
    Closes(u64),
}

impl Snapshots {
    pub fn new(setup: Arc<Setup>, tables: &BTreeMap<String, TableProgress>) -> Snapshots {
        let unfinished = tables.iter().filter_map(|(name, progress)| match progress {
            TableProgress::Done => None,
            TableProgress::After(key) => Some((name.clone(), key.clone())),
        });
        // Numbers must differ from those of an earlier run whose messages are still in the log.
        let next_number = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(1, |since| since.as_micros() as u64);
        Snapshots { waiting: unfinished.collect(), setup, running: Vec::new(), next_number }
    }

    pub fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// Starts as many chunks as may be read at once.
    pub fn start(&mut self) {
        while self.running.len() < self.setup.options.snapshot_tables
            && let Some((table, after)) = self.waiting.pop_front()
        {
            self.next_number += 1;
            let number = self.next_number;
            let (opened, opens) = oneshot::channel();
            let bound = Arc::new(OnceLock::new());
            let chunk = ChunkToRead { full_name: table.clone(), after, number, bound: Arc::clone(&bound) };
            let read = chunk.read(Arc::clone(&self.setup), opens);
            let task: JoinHandle<_> = tokio::spawn(read);
            self.running.push(Running {
                table,
                number,
                opened: Some(opened),
                bound,
                deferred: Vec::new(),
                deferred_bytes: 0,
                truncated: Vec::new(),
                task: AbortOnDropHandle::new(task),
                chunk: None,
            });
        }
    }

    /// Goes on with a table behind this key.
    pub fn again(&mut self, table: String, after: Option<Vec<String>>) {
        self.waiting.push_back((table, after));
    }

    /// Where a key stands whose table is covered up to `after`.
    pub async fn standing(
        &self,
        key: &RowKey<'_>,
        after: Option<&[String]>,
    ) -> Result<Standing, ConnectorError> {
        if let Some(after) = after
            && !key.is_behind(after).await?
        {
            return Ok(Standing::Covered);
        }
        let Some(running) = self.open_chunk(key.table) else { return Ok(Standing::Ahead) };
        match running.bound.get() {
            Some(Some(bound)) if key.is_behind(bound).await? => Ok(Standing::Ahead),
            _ => Ok(Standing::InChunk),
        }
    }

    fn open_chunk(&self, table: &str) -> Option<&Running> {
        self.running.iter().find(|running| running.opened.is_none() && running.table == table)
    }

    /// Keeps a change until the chunk of its table that is being read is there.
    pub fn defer(&mut self, table: &str, change: Deferred) -> Result<(), ConnectorError> {
        let Some(running) =
            self.running.iter_mut().find(|running| running.opened.is_none() && running.table == table)
        else {
            return Err(ConnectorError::fatal(format!(
                "reading rows of {table}: a change waits for no chunk"
            )));
        };
        running.deferred_bytes += change.piece.byte_len();
        running.deferred.push(change);
        if running.deferred_bytes > DEFERRED_BYTES_MAX {
            return Err(ConnectorError::retryable(format!(
                "reading rows of {table}: too much of it changes meanwhile; set a smaller `chunk_rows`"
            )));
        }
        Ok(())
    }

    pub fn truncated(&mut self, table: &str, xid: u32) {
        for running in
            self.running.iter_mut().filter(|running| running.opened.is_none() && running.table == table)
        {
            running.truncated.push((xid, running.deferred.len()));
        }
    }

    /// One of our messages came by; gives the rows of the chunk that it closes.
    pub async fn message(
        &mut self,
        content: &[u8],
        recent: &Recent,
    ) -> Result<Option<Chunk>, ConnectorError> {
        match self.mark(content) {
            Some(Mark::Opens(number)) => {
                if let Some(running) = self.running.iter_mut().find(|running| running.number == number)
                    && let Some(opened) = running.opened.take()
                    && opened.send(recent.xids.iter().copied().collect()).is_err()
                {
                    tracing::debug!(table = running.table, "the chunk ended before it began");
                }
                Ok(None)
            }
            Some(Mark::Closes(number)) => {
                let Some(at) = self.running.iter().position(|running| running.number == number) else {
                    return Ok(None);
                };
                self.running[at].finish().await?;
                let running = self.running.remove(at);
                let Some(mut chunk) = running.chunk else { return Ok(None) };
                chunk.changes = running.deferred;
                for (xid, before) in running.truncated {
                    if chunk.unseen.hides(xid) {
                        chunk.rows.clear();
                        chunk
                            .changes
                            .iter_mut()
                            .take(before)
                            .for_each(|change| change.piece = Piece::default());
                    }
                }
                let Chunk { changes, unseen, .. } = &mut chunk;
                changes.retain(|change| unseen.hides(change.xid) && !change.piece.is_empty());
                Ok(Some(chunk))
            }
            None => Ok(None),
        }
    }

    /// Looks whether a chunk has failed: then nothing will close it.
    pub async fn check(&mut self) -> Result<(), ConnectorError> {
        for running in self.running.iter_mut().filter(|running| running.task.is_finished()) {
            running.finish().await?;
        }
        Ok(())
    }

    fn mark(&self, content: &[u8]) -> Option<Mark> {
        let text = std::str::from_utf8(content).ok()?;
        let (slot, rest) = text.rsplit_once(' ').and_then(|(rest, number)| {
            let (slot, word) = rest.rsplit_once(' ')?;
            Some((slot, (word, number)))
        })?;
        let number = rest.1.parse().ok()?;
        match (slot == self.setup.slot, rest.0) {
            (true, "opens") => Some(Mark::Opens(number)),
            (true, "closes") => Some(Mark::Closes(number)),
            _ => None,
        }
    }
}

impl Running {
    async fn finish(&mut self) -> Result<(), ConnectorError> {
        if self.chunk.is_none() {
            let ended = (&mut self.task).await;
            let read = ended.map_err(|error| ConnectorError::fatal("reading rows").caused_by(error))?;
            self.chunk = Some(read?);
        }
        Ok(())
    }
}

/// Puts one of our messages into the log. The transaction around it gets a number, so that its commit sends the log on its way:
/// without one the message lies until the server's log writer next wakes up, up to 200 ms.
async fn emit(sql: &Client, slot: &str, word: &str, number: u64) -> Result<(), ConnectorError> {
    let content = quoted_text(&format!("{slot} {word} {number}"));
    let query = format!(
        "SELECT pg_catalog.pg_logical_emit_message(false, '{PREFIX}', {content}), pg_catalog.pg_current_xact_id()"
    );
    catalog::value(sql, &query, "marking a chunk in the log").await.map(drop)
}

/// What one chunk's task knows.
struct ChunkToRead {
    full_name: String,
    after: Option<Vec<String>>,
    number: u64,
    bound: Arc<OnceLock<Option<Vec<String>>>>,
}

impl ChunkToRead {
    async fn read(
        self,
        setup: Arc<Setup>,
        opens: oneshot::Receiver<Vec<u32>>,
    ) -> Result<Chunk, ConnectorError> {
        let full_name = &self.full_name;
        let sql = session::connect(&setup.address, &setup.slot).await?;
        sql.batch_execute(MARKS_AT_ONCE).await.map_err(classed("preparing to read rows"))?;
        let (schema, name) = full_name.split_once('.').unwrap_or(("public", full_name));
        let Some(info) = catalog::table(&sql, schema, name).await? else {
            return Err(ConnectorError::config(format!(
                "table `{full_name}` is gone before its rows were read"
            )));
        };
        if info.primary_key.is_empty() {
            return Err(ConnectorError::config(format!(
                "table `{full_name}` has no primary key, so its rows cannot be read in parts; add one, or set `snapshot: never`"
            )));
        }
        let table = Arc::new(Table::of_info(&info, &Types::load(&sql).await?));
        let limit = (CHUNK_BYTES / info.row_bytes.max(1)).clamp(1, setup.options.chunk_rows);
        let range = Range { info: &info, after: self.after.as_deref() };
        let bound = range.bound(&sql, limit).await?;
        if self.bound.set(bound.clone()).is_err() {
            return Err(ConnectorError::fatal(format!("reading rows of {full_name}: a chunk ran twice")));
        }
        emit(&sql, &setup.slot, "opens", self.number).await?;
        let Ok(recent) = opens.await else {
            return Err(ConnectorError::retryable("reading rows: the stream ended"));
        };
        let unseen = wait_until_visible(&sql, &recent).await?;
        let rows = range.rows(&sql, bound.as_deref()).await?;
        sql.batch_execute("COMMIT").await.map_err(classed("ending the read of a chunk"))?;
        emit(&sql, &setup.slot, "closes", self.number).await?;
        Ok(Chunk { table, rows, changes: Vec::new(), bound, unseen })
    }
}

/// Opens a transaction that sees every one of these transactions.
async fn wait_until_visible(sql: &Client, recent: &[u32]) -> Result<Unseen, ConnectorError> {
    const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    loop {
        sql.batch_execute(BEGIN).await.map_err(classed("beginning the read of a chunk"))?;
        let snapshot =
            catalog::value(sql, "SELECT pg_catalog.pg_current_snapshot()", "taking a snapshot").await?;
        let unseen = unseen(&snapshot.unwrap_or_default())?;
        if !recent.iter().any(|xid| unseen.hides(*xid)) {
            return Ok(unseen);
        }
        sql.batch_execute("ROLLBACK").await.map_err(classed("ending a transaction"))?;
        tokio::time::sleep(VISIBLE_LOOK).await;
    }
}

/// What a snapshot does not see: transactions from `end` on, and those under way.
struct Unseen {
    end: u32,
    running: HashSet<u32>,
}

impl Unseen {
    fn hides(&self, xid: u32) -> bool {
        // Numbers go round: behind the end is what is less than half the circle away.
        self.running.contains(&xid) || xid.wrapping_sub(self.end) < u32::MAX / 2
    }
}

/// Reads `xmin:xmax:xip,xip`; of each number the lower half is what the log carries.
fn unseen(snapshot: &str) -> Result<Unseen, ConnectorError> {
    let number = |text: &str| text.parse::<u64>().ok().map(|number| number as u32);
    let mut parts = snapshot.split(':').skip(1);
    let end = parts.next().and_then(number);
    let running = parts.next().map(|list| list.split(',').filter_map(number).collect());
    match (end, running) {
        (Some(end), Some(running)) => Ok(Unseen { end, running }),
        _ => Err(ConnectorError::fatal(format!("taking a snapshot: `{snapshot}` makes no sense"))),
    }
}

/// A part of a table by its key.
struct Range<'a> {
    info: &'a TableInfo,
    after: Option<&'a [String]>,
}

impl Range<'_> {
    /// The key of the row `limit` rows from the start; `None` if there are fewer.
    async fn bound(&self, sql: &Client, limit: u64) -> Result<Option<Vec<String>>, ConnectorError> {
        let key = self.info.key_list();
        let query = format!(
            "SELECT {key} FROM {}{} ORDER BY {key} OFFSET {} LIMIT 1",
            self.info.quoted(),
            self.condition(None),
            limit - 1
        );
        let attempt = format!("dividing the rows of {}.{}", self.info.schema, self.info.name);
        let rows = catalog::rows(sql, &query, &attempt).await?;
        Ok(rows
            .first()
            .map(|row| (0..row.len()).map(|column| catalog::text(row, column).to_owned()).collect()))
    }

    async fn rows(&self, sql: &Client, bound: Option<&[String]>) -> Result<Vec<Tuple>, ConnectorError> {
        let attempt = format!("reading rows of {}.{}", self.info.schema, self.info.name);
        let stream = sql.copy_out(&self.query(bound)).await.map_err(classed(&attempt))?;
        pin_mut!(stream);
        let mut rows = Vec::new();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(classed(&attempt))?;
            let whole = piece.strip_suffix(b"\n").unwrap_or(&piece);
            for row in whole.split(|byte| *byte == b'\n') {
                rows.push(copy::fields(row).map(cell).collect());
            }
        }
        Ok(rows)
    }

    fn query(&self, bound: Option<&[String]>) -> String {
        let columns: Vec<String> = self.info.columns.iter().map(|column| quoted_name(&column.name)).collect();
        let key = self.info.key_list();
        let (columns, table, condition) = (columns.join(", "), self.info.quoted(), self.condition(bound));
        format!("COPY (SELECT {columns} FROM {table}{condition} ORDER BY {key}) TO STDOUT")
    }

    fn condition(&self, bound: Option<&[String]>) -> String {
        let key = self.info.key_list();
        let after = self.after.map(|after| format!("({key}) > {}", self.info.key_literal(after)));
        let bound = bound.map(|bound| format!("({key}) <= {}", self.info.key_literal(bound)));
        let conditions: Vec<String> = after.into_iter().chain(bound).collect();
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
    }
}

fn cell(field: Option<Vec<u8>>) -> Cell {
    field.map_or(Cell::Null, |text| Cell::Text(Bytes::from(text)))
}

#[cfg(test)]
mod tests {
    use super::super::catalog::{ColumnInfo, Order};
    use super::*;

    #[test]
    fn a_snapshot_hides_what_runs_and_what_comes_later() {
        let found = unseen("4294967300:4294967310:4294967302,4294967305").unwrap();
        let hidden: Vec<u32> = (0..20).filter(|xid| found.hides(*xid)).collect();
        assert_eq!(hidden, [[6, 9].as_slice(), &(14..20).collect::<Vec<_>>()].concat());
        assert!(!found.hides(u32::MAX), "long before the circle closed");
        assert!(!unseen("10:10:").unwrap().hides(9) && unseen("10:10:").unwrap().hides(10));
        assert!(unseen("what").is_err());
    }

    #[test]
    fn chunks_follow_the_whole_key() {
        let column = |name: &str, type_name: &str| ColumnInfo {
            name: name.into(),
            type_oid: 0,
            type_name: type_name.into(),
            order: Order::Server,
        };
        let info = TableInfo {
            schema: "public".into(),
            name: "a\"b".into(),
            primary_key: vec!["b".into(), "a".into()],
            columns: vec![column("a", "integer"), column("b", "text"), column("c", "text")],
            row_bytes: 0,
        };
        let (after, bound) = (["it's".to_owned(), "4".to_owned()], ["x".to_owned(), "5".to_owned()]);
        let range = Range { info: &info, after: Some(&after) };
        let expected = concat!(
            r#"COPY (SELECT "a", "b", "c" FROM "public"."a""b" WHERE ("b", "a") > ('it''s'::text, '4'::integer)"#,
            r#" AND ("b", "a") <= ('x'::text, '5'::integer) ORDER BY "b", "a") TO STDOUT"#
        );
        assert_eq!(range.query(Some(&bound)), expected);
        assert!(!Range { info: &info, after: None }.query(None).contains("WHERE"));
    }
}
