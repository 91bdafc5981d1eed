//! The databases behind one question: rows as JSON objects, each with its cursor.

use std::path::{Path, PathBuf};
use std::time::Duration;

use millstream_sdk::error::{ConnectorError, ErrorClass};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::mysql;
use crate::blocking::Blocking;
use crate::json::push_escaped;
use crate::postgres::{Address, classed, connect, quoted_text};

/// How long a database that another writer holds is waited for.
const BUSY_PATIENCE: Duration = Duration::from_secs(10);

/// Which database a URL means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Postgres,
    Sqlite(PathBuf),
    Mysql(mysql::Address),
}

impl Place {
    pub fn parse(url: &str) -> Result<Place, String> {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        match scheme {
            "postgres" | "postgresql" => Address::parse(url).map(|_| Place::Postgres),
            "sqlite" => {
                let path = url.trim_start_matches("sqlite:");
                let path = path.strip_prefix("//").unwrap_or(path);
                match path.is_empty() || path.contains('?') {
                    true => Err("name the file, as in sqlite:orders.db".to_owned()),
                    false => Ok(Place::Sqlite(PathBuf::from(path))),
                }
            }
            "mysql" | "mariadb" => mysql::Address::parse(url).map(Place::Mysql),
            _ if Address::parse(url).is_ok() => Ok(Place::Postgres),
            _ => Err("it is neither postgres://…, mysql://… nor sqlite:FILE".to_owned()),
        }
    }

    /// A name as SQL reads it back exactly.
    pub fn quoted(&self, name: &str) -> String {
        match self {
            Place::Mysql(_) => mysql::quoted(name),
            _ => quoted(name),
        }
    }

    /// `schema.name` with each part in quotes.
    pub fn quoted_table(&self, table: &str) -> String {
        table.split('.').map(|part| self.quoted(part)).collect::<Vec<_>>().join(".")
    }
}

/// A value of a cursor, as text and with what it takes to compare it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    pub value: String,
    /// Whether it stands in SQL as it is.
    pub is_number: bool,
}

/// A row as JSON, and its cursor.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub json: Vec<u8>,
    pub cursor: Cursor,
    /// Where the database alone can tell which cursors are the same: rows of one have one number.
    pub group: Option<i64>,
    /// Why it is no record.
    pub bad: Option<String>,
}

impl Found {
    fn new(json: Vec<u8>, cursor: Cursor) -> Found {
        Found { json, cursor, group: None, bad: None }
    }

    pub fn shares_cursor(&self, other: &Found) -> bool {
        match (self.group, other.group) {
            (Some(one), Some(another)) => one == another,
            _ => self.cursor == other.cursor,
        }
    }
}

/// A session that reads.
pub(super) enum Database {
    Postgres(Client),
    Sqlite(Blocking<Connection, Result<Vec<Found>, ConnectorError>>),
    Mysql(Box<mysql::Session>),
}

impl Database {
    pub async fn open(
        place: &Place,
        url: &str,
        base: &Path,
        reads_zero_dates: bool,
    ) -> Result<Database, ConnectorError> {
        match place {
            Place::Postgres => {
                let address = Address::parse(url).map_err(ConnectorError::config)?;
                connect(&address, "millstream").await.map(Database::Postgres)
            }
            Place::Sqlite(path) => {
                let connection = open_sqlite(&base.join(path), false)?;
                Ok(Database::Sqlite(Blocking::new(connection)))
            }
            Place::Mysql(address) => {
                let session = mysql::Session::open(&address.clone().within(base), reads_zero_dates).await?;
                Ok(Database::Mysql(Box::new(session)))
            }
        }
    }

    /// The rows of `relation` (a table or a query in parentheses) that fit `condition`, in the order of the cursor.
    pub async fn rows(
        &mut self,
        relation: &str,
        cursor: &str,
        condition: &str,
        limit: Option<usize>,
    ) -> Result<Vec<Found>, ConnectorError> {
        if let Database::Mysql(session) = self {
            return session.rows(relation, cursor, condition, limit).await;
        }
        let limit = limit.map_or(String::new(), |limit| format!(" LIMIT {limit}"));
        let tail = format!("FROM {relation} AS q WHERE {condition} ORDER BY q.{cursor}{limit}");
        match self {
            Database::Postgres(client) => {
                let query = format!("SELECT row_to_json(q)::text, q.{cursor}::text {tail}");
                let messages = client.simple_query(&query).await.map_err(classed("reading rows"))?;
                let row = |message| match message {
                    SimpleQueryMessage::Row(row) => Some(Found::new(
                        row.get(0)?.as_bytes().to_vec(),
                        Cursor { value: row.get(1)?.to_owned(), is_number: false },
                    )),
                    _ => None,
                };
                Ok(messages.into_iter().filter_map(row).collect())
            }
            Database::Sqlite(connection) => {
                let query = format!("SELECT q.{cursor}, q.* {tail}");
                connection.run(move |connection| read_sqlite(connection, &query)).await?
            }
            Database::Mysql(_) => Ok(Vec::new()),
        }
    }

    /// A cursor as SQL has it.
    pub fn literal(&self, cursor: &Cursor) -> String {
        match (self, cursor.is_number) {
            (_, true) => cursor.value.clone(),
            (Database::Mysql(_), false) => mysql::text_literal(&cursor.value),
            (Database::Postgres(_), false) => quoted_text(&cursor.value),
            (Database::Sqlite(_), false) => sqlite_text(&cursor.value),
        }
    }

    /// The column that is a table's primary key alone.
    pub async fn primary_key(&mut self, table: &str) -> Result<Option<String>, ConnectorError> {
        let query = match self {
            Database::Postgres(_) => format!(
                "(SELECT a.attname AS name, a.attnum AS at FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND \
                 a.attnum = ANY (i.indkey) WHERE i.indisprimary AND i.indrelid = {}::regclass)",
                quoted_text(&quoted_table(table))
            ),
            Database::Sqlite(_) => {
                let name = table.rsplit_once('.').map_or(table, |(_, name)| name);
                format!("(SELECT name, pk AS at FROM pragma_table_info({}) WHERE pk > 0)", sqlite_text(name))
            }
            Database::Mysql(session) => {
                let mut columns = session.primary_key(table).await?;
                return Ok(columns.pop().filter(|_| columns.is_empty()));
            }
        };
        let found = self.rows(&query, "\"at\"", "true", None).await?;
        let [only] = found.as_slice() else { return Ok(None) };
        let row: serde_json::Value = serde_json::from_slice(&only.json)
            .map_err(|error| ConnectorError::fatal("reading a primary key").caused_by(error))?;
        Ok(row["name"].as_str().map(str::to_owned))
    }
}

/// `schema.name` with each part in quotes.
fn quoted_table(table: &str) -> String {
    table.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

/// A name as SQL reads it back exactly.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A backslash stands for itself there.
fn sqlite_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Opens a file; a sink makes it.
pub(super) fn open_sqlite(path: &Path, writes: bool) -> Result<Connection, ConnectorError> {
    let flags = match writes {
        true => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        // Read-write without creating: a write-ahead log wants its shared memory even of readers.
        false => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let attempt = format!("opening {}", path.display());
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite_failed(&attempt))?;
    connection.busy_timeout(BUSY_PATIENCE).map_err(sqlite_failed(&attempt))?;
    Ok(connection)
}

pub(super) fn sqlite_failed(attempt: &str) -> impl Fn(rusqlite::Error) -> ConnectorError {
    move |error| {
        let class = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull) => {
                ErrorClass::Retryable
            }
            Some(ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory) => ErrorClass::Retryable,
            Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => ErrorClass::Auth,
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
                ErrorClass::Record
            }
            Some(ErrorCode::CannotOpen | ErrorCode::NotADatabase | ErrorCode::Unknown) => ErrorClass::Config,
            _ => ErrorClass::Fatal,
        };
        ConnectorError::new(class, attempt.to_owned()).caused_by(error)
    }
}

/// Rows whose first column is the cursor.
fn read_sqlite(connection: &mut Connection, query: &str) -> Result<Vec<Found>, ConnectorError> {
    let failed = sqlite_failed("reading rows");
    let mut statement = connection.prepare(query).map_err(&failed)?;
    let names: Vec<String> = statement.column_names().iter().map(|name| (*name).to_owned()).collect();
    let mut rows = statement.query([]).map_err(&failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        let cursor = match row.get_ref(0).map_err(&failed)? {
            ValueRef::Integer(value) => Cursor { value: value.to_string(), is_number: true },
            ValueRef::Real(value) => Cursor { value: format!("{value:?}"), is_number: true },
            ValueRef::Text(text) => {
                Cursor { value: String::from_utf8_lossy(text).into_owned(), is_number: false }
            }
            ValueRef::Null | ValueRef::Blob(_) => {
                return Err(ConnectorError::config("`cursor` must be a number or a text in every row"));
            }
        };
        let mut json = vec![b'{'];
        for (place, name) in names.iter().enumerate().skip(1) {
            if place > 1 {
                json.push(b',');
            }
            push_text(name.as_bytes(), &mut json);
            json.push(b':');
            push_value(row.get_ref(place).map_err(&failed)?, &mut json);
        }
        json.push(b'}');
        found.push(Found::new(json, cursor));
    }
    Ok(found)
}

fn push_text(text: &[u8], to: &mut Vec<u8>) {
    push_escaped(String::from_utf8_lossy(text).as_bytes(), to);
}

/// Bytes are hexadecimal digits, as PostgreSQL shows them.
fn push_value(value: ValueRef<'_>, to: &mut Vec<u8>) {
    match value {
        ValueRef::Null => to.extend_from_slice(b"null"),
        ValueRef::Integer(value) => to.extend_from_slice(value.to_string().as_bytes()),
        ValueRef::Real(value) if value.is_finite() => to.extend_from_slice(format!("{value:?}").as_bytes()),
        // JSON has no infinity.
        ValueRef::Real(value) => push_text(value.to_string().as_bytes(), to),
        ValueRef::Text(text) => push_text(text, to),
        ValueRef::Blob(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            push_text(format!("\\x{digits}").as_bytes(), to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_which_database_is_meant() {
        assert_eq!(Place::parse("sqlite:a/b.db"), Ok(Place::Sqlite("a/b.db".into())));
        assert_eq!(Place::parse("sqlite:///a.db"), Ok(Place::Sqlite("/a.db".into())));
        assert_eq!(Place::parse("postgres://me@h/d"), Ok(Place::Postgres));
        assert_eq!(Place::parse("host=/run user=me"), Ok(Place::Postgres));
        for (url, reason) in [
            ("sqlite:", "name the file"),
            ("mysql://h/d", "names no user"),
            ("oracle://h", "neither postgres://"),
            ("postgres://h/d", "no user"),
        ] {
            assert!(Place::parse(url).unwrap_err().contains(reason), "{url}");
        }
    }
}
