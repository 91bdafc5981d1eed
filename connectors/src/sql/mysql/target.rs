//! One table that a sink writes: its columns, what is missing of them, and the statements for runs of rows.

use std::collections::HashSet;

use millstream_sdk::error::ConnectorError;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Params, Value};

use super::bind::Holds;
use super::rows::json_column;
use super::{classed, quoted, text_literal};
use crate::postgres::{Field, Shape};
use crate::sql::options::{Mode, SinkOptions};

/// Rows of one statement, and its parameters, of which the protocol counts 65,535.
const RUN_ROWS_MAX: usize = 256;
const PARAMETERS_MAX: usize = 60_000;

pub(super) struct Target {
    schema: String,
    name: String,
    columns: Vec<Column>,
    /// Columns that tell rows apart, in the order of the record's key; empty where rows are only added.
    pub key: Vec<String>,
    /// Another unique index than the key's: a row that collides there must be refused, not replace what it hits.
    has_other_unique: bool,
}

struct Column {
    name: String,
    holds: Holds,
}

/// A row: the columns that it has a value for, by place, and the values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TargetRow {
    places: Vec<usize>,
    values: Vec<Value>,
    key: Vec<Value>,
}

impl TargetRow {
    fn byte_len(&self) -> usize {
        self.values
            .iter()
            .map(|value| if let Value::Bytes(bytes) = value { bytes.len() + 9 } else { 16 })
            .sum()
    }
}

impl Target {
    /// Looks the table up; nothing where it is not there.
    pub async fn find(
        sql: &mut Conn,
        options: &SinkOptions,
        name: &str,
    ) -> Result<Option<Target>, ConnectorError> {
        let attempt = classed("reading a table's columns");
        let (schema, table) = match name.split_once('.') {
            Some((schema, table)) => (schema.to_owned(), table.to_owned()),
            None => {
                let schema: Option<String> = sql.query_first("SELECT DATABASE()").await.map_err(&attempt)?;
                (schema.unwrap_or_default(), name.to_owned())
            }
        };
        let at =
            format!("TABLE_SCHEMA = {} AND TABLE_NAME = {}", text_literal(&schema), text_literal(&table));
        let engine: Option<Option<String>> = sql
            .query_first(format!("SELECT ENGINE FROM information_schema.TABLES WHERE {at}"))
            .await
            .map_err(&attempt)?;
        let Some(engine) = engine else { return Ok(None) };
        if let Some(engine) = engine.filter(|engine| !engine.eq_ignore_ascii_case("InnoDB")) {
            return Err(ConnectorError::config(format!(
                "table `{name}` is kept by {engine}, which has no transactions; ALTER TABLE {} ENGINE=InnoDB",
                quoted(&table)
            )));
        }
        let query = format!(
            "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE {at} ORDER BY ORDINAL_POSITION"
        );
        let found: Vec<(String, String)> = sql.query(query).await.map_err(&attempt)?;
        let json = json_columns(sql, &schema, &table).await?;
        let columns = found.into_iter().map(|(name, data_type)| {
            let holds = Holds::of(&data_type, json.contains(&name));
            Column { name, holds }
        });
        let columns = columns.collect();
        let mut target = Target { schema, name: table, columns, key: Vec::new(), has_other_unique: false };
        target.choose_key(sql, options).await?;
        Ok(Some(target))
    }

    /// What rows are written by: the columns of `key`, or of the primary key.
    async fn choose_key(&mut self, sql: &mut Conn, options: &SinkOptions) -> Result<(), ConnectorError> {
        let query = format!(
            "SELECT INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} \
             AND NON_UNIQUE = 0 ORDER BY INDEX_NAME, SEQ_IN_INDEX",
            text_literal(&self.schema),
            text_literal(&self.name)
        );
        let rows: Vec<(String, Option<String>)> =
            sql.query(query).await.map_err(classed("reading a table's keys"))?;
        let mut unique: Vec<(String, Vec<String>)> = Vec::new();
        for (index, column) in rows {
            let column = column.unwrap_or_default();
            match unique.last_mut().filter(|(known, _)| *known == index) {
                Some((_, columns)) => columns.push(column),
                None => unique.push((index, vec![column])),
            }
        }
        if options.mode == Mode::Append {
            return Ok(());
        }
        let primary = unique.iter().find(|(index, _)| index == "PRIMARY").map(|(_, columns)| columns.clone());
        self.key = options.key.clone().or(primary).unwrap_or_default();
        let name = &self.name;
        if self.key.is_empty() && options.mode == Mode::Upsert {
            return Err(ConnectorError::config(format!(
                "table `{name}` has no primary key; name the columns that tell rows apart with `key`, or set `mode: append`"
            )));
        }
        let same = |columns: &[String]| {
            let names = |columns: &[String]| {
                let mut names: Vec<String> = columns.iter().map(|column| column.to_lowercase()).collect();
                names.sort();
                names
            };
            names(columns) == names(&self.key)
        };
        if !self.key.is_empty() && !unique.iter().any(|(_, columns)| same(columns)) {
            return Err(ConnectorError::config(format!(
                "table `{name}` has no unique index of the columns {}, by which rows are found; add one",
                self.key.join(", ")
            )));
        }
        self.has_other_unique = unique.iter().any(|(_, columns)| !same(columns));
        Ok(())
    }

    /// Whether a field has no column.
    pub fn lacks<'a>(&self, fields: &'a [Field]) -> Option<&'a Field> {
        fields.iter().find(|field| self.place(&field.name).is_none())
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }

    fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    /// The command that adds columns for fields.
    pub fn widening(&self, options: &SinkOptions, fields: &[&Field]) -> String {
        let added = fields.iter().map(|field| {
            let kind = ColumnType::of(field).name(options, &field.name, None);
            format!("ADD COLUMN {} {kind}", quoted(&field.name))
        });
        format!("ALTER TABLE {} {}", self.quoted(), added.collect::<Vec<_>>().join(", "))
    }

    /// The row as the table has it; the record's own key fills key columns that the value lacks.
    pub fn row(
        &self,
        fields: &[Field],
        key: &dyn Fn() -> Result<Vec<Option<String>>, String>,
    ) -> Result<TargetRow, String> {
        let mut cells: Vec<Option<Value>> = vec![None; self.columns.len()];
        for field in fields {
            let Some(place) = self.place(&field.name) else { continue };
            if let (Some(cell), Some(column)) = (cells.get_mut(place), self.columns.get(place)) {
                *cell = Some(column.holds.value(field)?);
            }
        }
        let places: Vec<usize> = self.key.iter().filter_map(|name| self.place(name)).collect();
        if places.iter().any(|place| cells.get(*place).is_none_or(Option::is_none)) {
            for (place, value) in places.iter().zip(self.key_values(key()?)?) {
                if let Some(cell @ None) = cells.get_mut(*place) {
                    *cell = Some(value);
                }
            }
        }
        let part = |place: &usize| cells.get(*place).cloned().flatten().unwrap_or(Value::NULL);
        let key: Vec<Value> = places.iter().map(part).collect();
        if let Some(at) = key.iter().position(|value| *value == Value::NULL) {
            return Err(format!("key column `{}` is null", self.key.get(at).map_or("", String::as_str)));
        }
        let present = cells.into_iter().enumerate().filter_map(|(place, cell)| Some((place, cell?)));
        let (places, values): (Vec<usize>, Vec<Value>) = present.unzip();
        match places.is_empty() {
            true => Err("the record has no fields".to_owned()),
            false => Ok(TargetRow { places, values, key }),
        }
    }

    /// The parts of a record's key as values of the key's columns.
    pub fn key_values(&self, parts: Vec<Option<String>>) -> Result<Vec<Value>, String> {
        let value = |(name, part): (&String, Option<String>)| {
            let holds =
                self.place(name).and_then(|place| self.columns.get(place)).map_or(Holds::Other, |c| c.holds);
            holds.value(&Field { name: name.clone(), value: part, shape: Shape::Text })
        };
        self.key.iter().zip(parts).map(value).collect()
    }

    /// Writes rows in their order, those with the same columns in one statement. `budget` is how many bytes one may have.
    pub async fn put(
        &self,
        sql: &mut Conn,
        mode: Mode,
        rows: &[TargetRow],
        budget: usize,
    ) -> Result<(), Error> {
        if self.has_other_unique && mode == Mode::Upsert {
            return self.put_singly(sql, rows).await;
        }
        let mut rest = rows;
        while let Some(first) = rest.first() {
            let alike = rest.iter().take_while(|row| row.places == first.places).count();
            let fitting = PARAMETERS_MAX / first.places.len().max(1);
            let mut bytes = 0;
            let within = rest.iter().take_while(|row| {
                bytes += row.byte_len();
                bytes <= budget
            });
            let count = alike.min(fitting).min(RUN_ROWS_MAX).min(within.count()).max(1);
            // Powers of two, so that few statements are prepared.
            let count = 1 << count.ilog2();
            let (now, later) = rest.split_at(count.min(rest.len()));
            let values: Vec<Value> = now.iter().flat_map(|row| row.values.iter().cloned()).collect();
            sql.exec_drop(self.insertion(mode, &first.places, now.len()), Params::Positional(values)).await?;
            rest = later;
        }
        Ok(())
    }

    /// Finds each row by its key alone: another unique index that it breaks is an error.
    async fn put_singly(&self, sql: &mut Conn, rows: &[TargetRow]) -> Result<(), Error> {
        for row in rows {
            let others: Vec<usize> =
                (0..row.places.len()).filter(|at| !self.is_key(row.places[*at])).collect();
            let key: Vec<String> = self.key.iter().map(|name| format!("{} = ?", quoted(name))).collect();
            let key = key.join(" AND ");
            let mut values: Vec<Value> = others.iter().map(|at| row.values[*at].clone()).collect();
            values.extend(row.key.iter().cloned());
            let found = match others.is_empty() {
                true => {
                    let query = format!("SELECT 1 FROM {} WHERE {key}", self.quoted());
                    sql.exec_first::<u8, _, _>(query, Params::Positional(values)).await?.is_some()
                }
                false => {
                    let sets = others.iter().map(|at| format!("{} = ?", self.quoted_column(row.places[*at])));
                    let sets = sets.collect::<Vec<_>>().join(", ");
                    let command = format!("UPDATE {} SET {sets} WHERE {key}", self.quoted());
                    sql.exec_drop(command, Params::Positional(values)).await?;
                    sql.affected_rows() > 0
                }
            };
            if !found {
                let command = self.insertion(Mode::Append, &row.places, 1);
                sql.exec_drop(command, Params::Positional(row.values.clone())).await?;
            }
        }
        Ok(())
    }

    /// Deletes rows by their keys.
    pub async fn delete(&self, sql: &mut Conn, keys: &[Vec<Value>]) -> Result<(), Error> {
        let names: Vec<String> = self.key.iter().map(|name| quoted(name)).collect();
        let mut rest = keys;
        while !rest.is_empty() {
            let count = 1 << rest.len().min(RUN_ROWS_MAX).ilog2();
            let (now, later) = rest.split_at(count.min(rest.len()));
            let one = format!("({})", vec!["?"; self.key.len()].join(", "));
            let command = format!(
                "DELETE FROM {} WHERE ({}) IN ({})",
                self.quoted(),
                names.join(", "),
                vec![one; now.len()].join(", ")
            );
            let values: Vec<Value> = now.iter().flatten().cloned().collect();
            sql.exec_drop(command, Params::Positional(values)).await?;
            rest = later;
        }
        Ok(())
    }

    /// Deletes all rows; TRUNCATE would commit what came before.
    pub async fn clear(&self, sql: &mut Conn) -> Result<(), Error> {
        sql.query_drop(format!("DELETE FROM {}", self.quoted())).await
    }

    fn is_key(&self, place: usize) -> bool {
        let name = self.columns.get(place).map_or("", |column| column.name.as_str());
        self.key.iter().any(|key| key.eq_ignore_ascii_case(name))
    }

    fn quoted_column(&self, place: usize) -> String {
        quoted(self.columns.get(place).map_or("", |column| column.name.as_str()))
    }

    fn insertion(&self, mode: Mode, places: &[usize], rows: usize) -> String {
        let names: Vec<String> = places.iter().map(|place| self.quoted_column(*place)).collect();
        let one = format!("({})", vec!["?"; places.len()].join(", "));
        let unchanged =
            || names.first().map(|name| format!("{name} = {}.{name}", self.quoted())).unwrap_or_default();
        let on_duplicate = match mode {
            Mode::Append => String::new(),
            Mode::Insert => format!(" ON DUPLICATE KEY UPDATE {}", unchanged()),
            Mode::Upsert => {
                let others = places.iter().filter(|place| !self.is_key(**place));
                let sets: Vec<String> = others
                    .map(|place| {
                        let name = self.quoted_column(*place);
                        format!("{name} = VALUES({name})")
                    })
                    .collect();
                let sets = if sets.is_empty() { unchanged() } else { sets.join(", ") };
                format!(" ON DUPLICATE KEY UPDATE {sets}")
            }
        };
        format!(
            "INSERT INTO {} ({}) VALUES {}{on_duplicate}",
            self.quoted(),
            names.join(", "),
            vec![one; rows].join(", ")
        )
    }
}

async fn json_columns(sql: &mut Conn, schema: &str, table: &str) -> Result<HashSet<String>, ConnectorError> {
    let attempt = classed("looking for JSON columns");
    let version: Option<String> = sql.query_first("SELECT VERSION()").await.map_err(&attempt)?;
    if !version.is_some_and(|version| version.contains("MariaDB")) {
        return Ok(HashSet::new());
    }
    let query = format!(
        "SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = {} AND TABLE_NAME = {}",
        text_literal(schema),
        text_literal(table)
    );
    let clauses: Vec<String> = sql.query(query).await.map_err(&attempt)?;
    Ok(clauses.iter().filter_map(|clause| json_column(clause)).collect())
}

/// What a column made for a value would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ColumnType {
    Unknown,
    Boolean,
    Integer,
    /// Whole numbers of more than 64 bits with a sign.
    BigInteger,
    Float,
    Text,
    Json,
}

impl ColumnType {
    fn of(field: &Field) -> ColumnType {
        let is_whole = |text: &String| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        match field.shape {
            Shape::Boolean => ColumnType::Boolean,
            Shape::Integer => ColumnType::Integer,
            Shape::Float if field.value.as_ref().is_some_and(is_whole) => ColumnType::BigInteger,
            Shape::Float => ColumnType::Float,
            Shape::Json => ColumnType::Json,
            Shape::Text => ColumnType::Text,
            Shape::Unknown => ColumnType::Unknown,
        }
    }

    /// What holds both.
    fn wider(self, other: ColumnType) -> ColumnType {
        use ColumnType::{BigInteger, Float, Integer, Text, Unknown};
        match (self, other) {
            (Unknown, known) | (known, Unknown) => known,
            (same, again) if same == again => same,
            (Integer, BigInteger) | (BigInteger, Integer) => BigInteger,
            (Integer | BigInteger | Float, Integer | BigInteger | Float) => Float,
            _ => Text,
        }
    }

    /// `collation` is that of key columns, in which texts that differ are different keys.
    fn name(self, options: &SinkOptions, column: &str, collation: Option<&str>) -> String {
        if let Some(declared) = options.columns.get(column) {
            return declared.clone();
        }
        match (self, collation) {
            (ColumnType::Boolean, _) => "BOOLEAN".to_owned(),
            (ColumnType::Integer, _) => "BIGINT".to_owned(),
            (ColumnType::BigInteger, _) => "DECIMAL(65, 0)".to_owned(),
            (ColumnType::Float, _) => "DOUBLE".to_owned(),
            (_, Some(collation)) => format!("VARCHAR(255) CHARACTER SET utf8mb4 COLLATE {collation}"),
            (ColumnType::Json, None) => "JSON".to_owned(),
            (ColumnType::Text | ColumnType::Unknown, None) => "LONGTEXT CHARACTER SET utf8mb4".to_owned(),
        }
    }
}

/// The command that makes a table for rows such as these.
pub(super) fn creation(
    options: &SinkOptions,
    name: &str,
    records: &[&[Field]],
    is_mariadb: bool,
) -> Result<String, ConnectorError> {
    let mut columns: Vec<(String, ColumnType)> = Vec::new();
    for field in records.iter().copied().flatten() {
        match columns.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(&field.name)) {
            None => columns.push((field.name.clone(), ColumnType::of(field))),
            Some((_, known)) => *known = known.wider(ColumnType::of(field)),
        }
    }
    let key = options.key.clone().filter(|_| options.mode != Mode::Append).unwrap_or_default();
    if key.is_empty() && options.mode != Mode::Append {
        return Err(ConnectorError::config(format!(
            "there is no table `{name}`, and to make it, its key must be known; name its columns with `key`, or set `mode: append`"
        )));
    }
    for column in &key {
        if !columns.iter().any(|(name, _)| name.eq_ignore_ascii_case(column)) {
            columns.push((column.clone(), ColumnType::Text));
        }
    }
    if columns.is_empty() {
        return Err(ConnectorError::retryable(format!(
            "there is no table `{name}` and no record to make it from"
        )));
    }
    let collation = if is_mariadb { "utf8mb4_nopad_bin" } else { "utf8mb4_0900_bin" };
    let is_key = |name: &String| key.iter().any(|column| column.eq_ignore_ascii_case(name));
    let mut parts: Vec<String> = columns
        .iter()
        .map(|(name, kind)| {
            let kind = kind.name(options, name, Some(collation).filter(|_| is_key(name)));
            format!("{} {kind}", quoted(name))
        })
        .collect();
    if !key.is_empty() {
        let names: Vec<String> = key.iter().map(|name| quoted(name)).collect();
        parts.push(format!("PRIMARY KEY ({})", names.join(", ")));
    }
    let table = name.split('.').map(quoted).collect::<Vec<_>>().join(".");
    Ok(format!("CREATE TABLE IF NOT EXISTS {table} ({}) ENGINE=InnoDB", parts.join(", ")))
}
