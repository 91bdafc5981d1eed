//! A session that reads pages of rows as JSON, by the binary protocol: the text one rounds floating-point numbers.

use std::collections::HashSet;

use millstream_sdk::error::ConnectorError;
use mysql_async::prelude::Queryable;
use mysql_async::{Column, Conn, Params, Row, Value};

use super::value::{Kind, is_zero_date};
use super::{Address, classed, connect, quoted, text_literal};
use crate::json::push_escaped;
use crate::sql::database::{Cursor, Found};

pub(in crate::sql) struct Session {
    connection: Conn,
    is_mariadb: bool,
    reads_zero_dates: bool,
    shape: Option<Shape>,
}

/// What the rows of a relation look like.
struct Shape {
    relation: String,
    names: Vec<String>,
    kinds: Vec<Kind>,
    /// Where the cursor is among them.
    cursor: usize,
}

impl Session {
    pub async fn open(address: &Address, reads_zero_dates: bool) -> Result<Session, ConnectorError> {
        let mut connection = connect(address).await?;
        let version: Option<String> =
            connection.query_first("SELECT VERSION()").await.map_err(classed("asking for the version"))?;
        let is_mariadb = version.is_some_and(|version| version.contains("MariaDB"));
        Ok(Session { connection, is_mariadb, reads_zero_dates, shape: None })
    }

    /// The rows of `relation` (a table or a query in parentheses) that fit `condition`, in the order of the cursor.
    pub async fn rows(
        &mut self,
        relation: &str,
        cursor: &str,
        condition: &str,
        limit: Option<usize>,
    ) -> Result<Vec<Found>, ConnectorError> {
        if self.shape.as_ref().is_none_or(|shape| shape.relation != relation) {
            self.shape = Some(self.describe(relation, cursor).await?);
        }
        let Some(shape) = &self.shape else { return Ok(Vec::new()) };
        let limit = limit.map_or(String::new(), |limit| format!(" LIMIT {limit}"));
        let page = format!("SELECT q.* FROM {relation} AS q WHERE {condition} ORDER BY q.{cursor}{limit}");
        // Texts that differ may be the same to a collation: the server says which rows have one cursor.
        let query = match shape.kinds.get(shape.cursor) {
            Some(Kind::Text) => {
                format!(
                    "SELECT p.*, DENSE_RANK() OVER (ORDER BY p.{cursor}) FROM ({page}) AS p ORDER BY p.{cursor}"
                )
            }
            _ => page,
        };
        let statement = self.connection.prep(query).await.map_err(classed("reading rows"))?;
        let rows: Result<Vec<Row>, _> = self.connection.exec(&statement, Params::Empty).await;
        let rows = rows.map_err(classed("reading rows"))?;
        self.connection.close(statement).await.map_err(classed("reading rows"))?;
        rows.into_iter().map(|row| shape.found(row, self.reads_zero_dates)).collect()
    }

    /// The columns of a table's primary key.
    pub async fn primary_key(&mut self, table: &str) -> Result<Vec<String>, ConnectorError> {
        let (schema, name) = match table.split_once('.') {
            Some((schema, name)) => (text_literal(schema), name),
            None => ("DATABASE()".to_owned(), table),
        };
        let query = format!(
            "SELECT COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {} \
             AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX",
            text_literal(name)
        );
        self.connection.query(query).await.map_err(classed("reading a primary key"))
    }

    async fn describe(&mut self, relation: &str, cursor: &str) -> Result<Shape, ConnectorError> {
        let attempt = classed("looking at the rows");
        let inner = relation.strip_prefix('(').and_then(|query| query.strip_suffix(')'));
        let query = inner.map_or_else(|| format!("SELECT * FROM {relation}"), str::to_owned);
        let statement = self.connection.prep(query).await.map_err(&attempt)?;
        let columns = statement.columns();
        self.connection.close(statement).await.map_err(&attempt)?;
        let json = match self.is_mariadb {
            true => self.checked_as_json(&columns).await?,
            false => HashSet::new(),
        };
        let kinds: Vec<Kind> =
            columns.iter().map(|column| Kind::of(column, json.contains(&origin(column)))).collect();
        let names: Vec<String> = columns.iter().map(|column| column.name_str().into_owned()).collect();
        let found = names.iter().position(|name| quoted(name).eq_ignore_ascii_case(cursor));
        let missing = || ConnectorError::config(format!("there is no column {cursor}, which `cursor` names"));
        let place = found.ok_or_else(missing)?;
        match (columns.get(place), kinds.get(place)) {
            (Some(column), Some(kind)) if !kind.is_cursor(column) => Err(ConnectorError::config(format!(
                "column {cursor} is no cursor: its values are not compared in the order in which they are sorted"
            ))),
            _ => Ok(Shape { relation: relation.to_owned(), names, kinds, cursor: place }),
        }
    }

    /// MariaDB's JSON is text that must pass a check.
    async fn checked_as_json(
        &mut self,
        columns: &[Column],
    ) -> Result<HashSet<(String, String, String)>, ConnectorError> {
        let tables: HashSet<(String, String)> = columns
            .iter()
            .filter(|column| !column.org_table_ref().is_empty())
            .map(|column| (column.schema_str().into_owned(), column.org_table_str().into_owned()))
            .collect();
        let mut found = HashSet::new();
        for (schema, table) in tables {
            let query = format!(
                "SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = {} AND TABLE_NAME = {}",
                text_literal(&schema),
                text_literal(&table)
            );
            let clauses: Vec<String> =
                self.connection.query(query).await.map_err(classed("looking for JSON columns"))?;
            let names = clauses.iter().filter_map(|clause| json_column(clause));
            found.extend(names.map(|name| (schema.clone(), table.clone(), name)));
        }
        Ok(found)
    }
}

fn origin(column: &Column) -> (String, String, String) {
    (
        column.schema_str().into_owned(),
        column.org_table_str().into_owned(),
        column.org_name_str().into_owned(),
    )
}

/// The column of a check such as ``json_valid(`c`)``.
pub(super) fn json_column(clause: &str) -> Option<String> {
    let name = clause.trim().strip_prefix("json_valid(`")?.strip_suffix("`)")?;
    Some(name.replace("``", "`"))
}

impl Shape {
    fn found(&self, row: Row, reads_zero_dates: bool) -> Result<Found, ConnectorError> {
        let values = row.unwrap_raw();
        let value = |place: usize| values.get(place).and_then(Option::as_ref).unwrap_or(&Value::NULL);
        let mut json = vec![b'{'];
        let mut bad = None;
        for (place, (name, kind)) in self.names.iter().zip(&self.kinds).enumerate() {
            if place > 0 {
                json.push(b',');
            }
            push_escaped(name.as_bytes(), &mut json);
            json.push(b':');
            let value = value(place);
            let outcome = match reads_zero_dates && is_zero_date(value) {
                true => kind.push(&Value::NULL, &mut json),
                false => kind.push(value, &mut json),
            };
            if let Err(reason) = outcome {
                json.extend_from_slice(b"null");
                bad.get_or_insert_with(|| format!("column {name}: {reason}"));
            }
        }
        json.push(b'}');
        let group = match value(self.names.len()) {
            Value::Int(rank) => Some(*rank),
            _ => None,
        };
        let kind = self.kinds.get(self.cursor).copied().unwrap_or(Kind::Text);
        let literal = kind.literal(value(self.cursor));
        let literal =
            literal.map_err(|reason| ConnectorError::fatal(format!("reading a cursor: {reason}")))?;
        // Quotes and all: it is SQL already.
        Ok(Found { json, cursor: Cursor { value: literal, is_number: true }, group, bad })
    }
}
