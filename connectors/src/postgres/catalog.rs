//! What the server says of its tables and types.

use std::cmp::Ordering;
use std::collections::HashMap;

use millstream_sdk::error::ConnectorError;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::session::{classed, quoted_name, quoted_text};
use super::value::Kind;

/// How deep a domain may rest on domains, or an array on its elements.
const TYPE_DEPTH_MAX: usize = 8;

/// A table as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableInfo {
    pub schema: String,
    pub name: String,
    /// Of the primary key, in its order; empty without one.
    pub primary_key: Vec<String>,
    pub columns: Vec<ColumnInfo>,
    /// A guess from the statistics; 0 if there are none yet.
    pub row_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ColumnInfo {
    pub name: String,
    pub type_oid: u32,
    /// As SQL names it in a cast.
    pub type_name: String,
    pub order: Order,
}

/// How the server orders a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Integer,
    /// By the bytes of the text.
    Bytes,
    /// In a way that only the server knows: a language's collation, for one.
    Server,
}

impl Order {
    fn of(type_oid: u32, collation: &str) -> Order {
        match type_oid {
            20 | 21 | 23 | 26 => Order::Integer,
            // uuid, bytea as hex digits, boolean, date-like texts aside.
            2950 | 17 | 16 => Order::Bytes,
            25 | 1043 if ["C", "POSIX", "C.UTF-8", "C.utf8"].contains(&collation) => Order::Bytes,
            _ => Order::Server,
        }
    }

    pub fn compare(self, left: &str, right: &str) -> Option<Ordering> {
        match self {
            Order::Integer => Some(left.parse::<i64>().ok()?.cmp(&right.parse::<i64>().ok()?)),
            Order::Bytes => Some(left.as_bytes().cmp(right.as_bytes())),
            Order::Server => None,
        }
    }
}

impl TableInfo {
    pub fn quoted(&self) -> String {
        format!("{}.{}", quoted_name(&self.schema), quoted_name(&self.name))
    }

    /// The columns of the primary key, for SQL.
    pub fn key_list(&self) -> String {
        let names: Vec<String> = self.primary_key.iter().map(|name| quoted_name(name)).collect();
        names.join(", ")
    }

    /// A key as a row of SQL.
    pub fn key_literal(&self, key: &[String]) -> String {
        let literal = |(name, text): (&String, &String)| {
            let column = self.columns.iter().find(|column| column.name == *name);
            format!("{}::{}", quoted_text(text), column.map_or("text", |column| column.type_name.as_str()))
        };
        let literals: Vec<String> = self.primary_key.iter().zip(key).map(literal).collect();
        format!("({})", literals.join(", "))
    }
}

/// The key of one row, and whom to ask how it compares.
pub(super) struct RowKey<'a> {
    pub sql: &'a Client,
    pub table: &'a str,
    pub info: &'a TableInfo,
    pub key: &'a [String],
}

impl RowKey<'_> {
    /// Whether it lies behind another in the server's order; the server is asked where only it knows.
    pub async fn is_behind(&self, other: &[String]) -> Result<bool, ConnectorError> {
        let info = self.info;
        let order = |name: &String| {
            info.columns.iter().find(|column| column.name == *name).map(|column| column.order)
        };
        for ((name, left), right) in info.primary_key.iter().zip(self.key).zip(other) {
            match order(name).and_then(|order| order.compare(left, right)) {
                Some(Ordering::Equal) => {}
                Some(decided) => return Ok(decided == Ordering::Greater),
                None => {
                    let query =
                        format!("SELECT {} > {}", info.key_literal(self.key), info.key_literal(other));
                    let answer = value(self.sql, &query, "comparing keys").await?;
                    return Ok(answer.as_deref() == Some("t"));
                }
            }
        }
        Ok(false)
    }
}

/// The types of one database.
#[derive(Debug, Default)]
pub(super) struct Types {
    known: HashMap<u32, Type>,
}

#[derive(Debug)]
struct Type {
    kind: u8,
    base: u32,
    element: u32,
    is_array: bool,
    delimiter: u8,
}

impl Types {
    pub async fn load(client: &Client) -> Result<Types, ConnectorError> {
        const TYPES: &str =
            "SELECT oid, typtype, typbasetype, typelem, typcategory = 'A', typdelim FROM pg_catalog.pg_type";
        let mut known = HashMap::new();
        for row in rows(client, TYPES, "reading the types").await? {
            let number = |column| text(&row, column).parse().unwrap_or(0);
            let byte = |column| text(&row, column).bytes().next().unwrap_or(0);
            let found = Type {
                kind: byte(1),
                base: number(2),
                element: number(3),
                is_array: text(&row, 4) == "t",
                delimiter: byte(5),
            };
            known.insert(number(0), found);
        }
        Ok(Types { known })
    }

    pub fn has(&self, oid: u32) -> bool {
        self.known.contains_key(&oid)
    }

    /// How a type's text becomes JSON; of an unknown one it stays text.
    pub fn kind(&self, oid: u32) -> Kind {
        self.kind_within(oid, TYPE_DEPTH_MAX)
    }

    fn kind_within(&self, oid: u32, depth: usize) -> Kind {
        if let Some(kind) = Kind::of_builtin(oid) {
            return kind;
        }
        let (Some(found), Some(depth)) = (self.known.get(&oid), depth.checked_sub(1)) else {
            return Kind::Text;
        };
        if found.kind == b'd' {
            return self.kind_within(found.base, depth);
        }
        if found.is_array && found.element != 0 {
            let delimiter = self.known.get(&found.element).map_or(b',', |element| element.delimiter);
            return Kind::array_of(self.kind_within(found.element, depth), delimiter);
        }
        Kind::Text
    }
}

/// Every table that can be captured, as `schema.name`.
pub(super) async fn table_names(client: &Client) -> Result<Vec<(String, String)>, ConnectorError> {
    const NAMES: &str = "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT c.relispartition \
         AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' ORDER BY 1, 2";
    let found = rows(client, NAMES, "listing the tables").await?;
    Ok(found.iter().map(|row| (text(row, 0).to_owned(), text(row, 1).to_owned())).collect())
}

pub(super) async fn table(
    client: &Client,
    schema: &str,
    name: &str,
) -> Result<Option<TableInfo>, ConnectorError> {
    let query = format!(
        "SELECT a.attname, a.atttypid, pg_catalog.format_type(a.atttypid, a.atttypmod), \
                coalesce(array_position(i.indkey::int2[], a.attnum), -1), \
                CASE WHEN c.reltuples > 0 THEN (c.relpages::float8 * 8192 / c.reltuples)::int8 ELSE 0 END, \
                (SELECT CASE WHEN co.collprovider = 'c' THEN co.collcollate WHEN co.collprovider = 'd' AND d.datlocprovider = 'c' THEN d.datcollate END \
                 FROM pg_catalog.pg_collation co, pg_catalog.pg_database d WHERE co.oid = a.attcollation AND d.datname = current_database()) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' \
         LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary \
         WHERE n.nspname = {} AND c.relname = {} AND c.relkind IN ('r', 'p') ORDER BY a.attnum",
        quoted_text(schema),
        quoted_text(name)
    );
    let mut info = TableInfo {
        schema: schema.to_owned(),
        name: name.to_owned(),
        primary_key: Vec::new(),
        columns: Vec::new(),
        row_bytes: 0,
    };
    let mut key: Vec<(i64, String)> = Vec::new();
    for row in rows(client, &query, &format!("reading the columns of {schema}.{name}")).await? {
        let column = text(&row, 0).to_owned();
        let place: i64 = text(&row, 3).parse().unwrap_or(-1);
        if place >= 0 {
            key.push((place, column.clone()));
        }
        info.row_bytes = text(&row, 4).parse().unwrap_or(0);
        let type_oid = text(&row, 1).parse().unwrap_or(0);
        let (type_name, order) = (text(&row, 2).to_owned(), Order::of(type_oid, text(&row, 5)));
        info.columns.push(ColumnInfo { name: column, type_oid, type_name, order });
    }
    key.sort();
    info.primary_key = key.into_iter().map(|(_, column)| column).collect();
    Ok((!info.columns.is_empty()).then_some(info))
}

/// Runs a query and gives its rows in text.
pub(super) async fn rows(
    client: &Client,
    query: &str,
    attempt: &str,
) -> Result<Vec<SimpleQueryRow>, ConnectorError> {
    let messages = client.simple_query(query).await.map_err(classed(attempt))?;
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    };
    Ok(messages.into_iter().filter_map(row).collect())
}

/// The one value of the one row that a query gives; `None` if it is NULL or there is no row.
pub(super) async fn value(
    client: &Client,
    query: &str,
    attempt: &str,
) -> Result<Option<String>, ConnectorError> {
    let rows = rows(client, query, attempt).await?;
    Ok(rows.first().and_then(|row| row.get(0)).map(str::to_owned))
}

/// A column of a row; empty for NULL.
pub(super) fn text(row: &SimpleQueryRow, column: usize) -> &str {
    row.get(column).unwrap_or_default()
}
