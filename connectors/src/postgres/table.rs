//! A captured table, and its rows as records: plain rows, or Debezium's envelope.
//!
//! A plain record's value is the row as a JSON object and its key the primary key: plain text for one column, a JSON
//! array for several. A deleted row is a record without a value. Headers say what happened: `op` (`r` read by the
//! snapshot, `c` created, `u` updated, `d` deleted, `t` truncated), `schema`, `table`, `lsn`, `ts_ms`.

use std::io::Write;

use millstream_sdk::record::BatchBuilder;

use super::catalog::{TableInfo, Types};
use super::pgoutput::{Cell, Relation};
use super::position::Lsn;
use super::value::{Kind, push_text};

/// What stands for a value that did not change and was not sent (Debezium's word, which its users' tools know).
pub(super) const UNCHANGED: &str = "__debezium_unavailable_value";

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Envelope {
    Plain,
    Debezium,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Read,
    Create,
    Update,
    Delete,
    Truncate,
}

impl Op {
    fn code(self) -> &'static str {
        match self {
            Op::Read => "r",
            Op::Create => "c",
            Op::Update => "u",
            Op::Delete => "d",
            Op::Truncate => "t",
        }
    }
}

/// What is known of a change beside its rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub database: &'a str,
    pub pipeline: &'a str,
    pub lsn: Lsn,
    pub xid: Option<u32>,
    /// Of the commit, or of the read; milliseconds since 1970.
    pub time_ms: i64,
    pub envelope: Envelope,
    pub tombstones: bool,
}

#[derive(Debug)]
pub(super) struct Table {
    pub schema: String,
    pub name: String,
    full_name: String,
    columns: Vec<Column>,
    key: Vec<usize>,
}

#[derive(Debug)]
struct Column {
    name: String,
    /// `"name":`
    member: Vec<u8>,
    kind: Kind,
}

impl Table {
    /// As the changes of the stream see it; `primary_key` is what the catalogue says now.
    pub fn of_relation(relation: &Relation, primary_key: &[String], types: &Types) -> Table {
        let columns: Vec<Column> = relation
            .columns
            .iter()
            .map(|column| Column::new(&column.name, types.kind(column.type_oid)))
            .collect();
        let place = |name: &String| columns.iter().position(|column| column.name == *name);
        let key = primary_key.iter().map(place).collect::<Option<Vec<_>>>().filter(|key| !key.is_empty());
        let identity = || {
            let marked = relation.columns.iter().enumerate().filter(|(_, column)| column.is_identity);
            marked.map(|(place, _)| place).collect()
        };
        let key = key.unwrap_or_else(identity);
        Table::new(&relation.schema, &relation.name, columns, key)
    }

    /// As a read of the table sees it.
    pub fn of_info(info: &TableInfo, types: &Types) -> Table {
        let columns: Vec<Column> = info
            .columns
            .iter()
            .map(|column| Column::new(&column.name, types.kind(column.type_oid)))
            .collect();
        let place = |name: &String| columns.iter().position(|column| column.name == *name);
        let key = info.primary_key.iter().filter_map(place).collect();
        Table::new(&info.schema, &info.name, columns, key)
    }

    fn new(schema: &str, name: &str, columns: Vec<Column>, key: Vec<usize>) -> Table {
        Table {
            full_name: format!("{schema}.{name}"),
            schema: schema.to_owned(),
            name: name.to_owned(),
            columns,
            key,
        }
    }

    pub fn full_name(&self) -> &str {
        &self.full_name
    }

    /// The key's texts: equal for equal keys, whichever session wrote them.
    pub fn key_texts(&self, row: &[Cell]) -> Vec<String> {
        let text = |place: &usize| match row.get(*place) {
            Some(Cell::Text(text)) => String::from_utf8_lossy(text).into_owned(),
            _ => String::new(),
        };
        self.key.iter().map(text).collect()
    }

    /// Appends the record, or records, of one change.
    pub fn push(
        &self,
        op: Op,
        before: Option<&[Cell]>,
        after: Option<&[Cell]>,
        at: Context<'_>,
        to: &mut BatchBuilder,
    ) {
        let row = after.or(before).unwrap_or_default();
        let key = (op != Op::Truncate && !self.key.is_empty()).then(|| self.key(row, at.envelope));
        let value = match (at.envelope, op) {
            (Envelope::Plain, Op::Delete | Op::Truncate) => None,
            (Envelope::Plain, _) => {
                let mut value = Vec::with_capacity(self.object_bytes(row));
                self.object(row, &mut value);
                Some(value)
            }
            (Envelope::Debezium, _) => Some(self.enveloped(op, before, after, at)),
        };
        self.push_headers(op, at, to);
        to.push(key.as_deref(), value.as_deref(), Some(at.time_ms.max(0)));
        if op == Op::Delete && at.envelope == Envelope::Debezium && at.tombstones {
            self.push_headers(op, at, to);
            to.push(key.as_deref(), None, Some(at.time_ms.max(0)));
        }
    }

    fn push_headers(&self, op: Op, at: Context<'_>, to: &mut BatchBuilder) {
        to.push_header("op", Some(op.code().as_bytes()));
        to.push_header("schema", Some(self.schema.as_bytes()));
        to.push_header("table", Some(self.name.as_bytes()));
        let mut number = Vec::with_capacity(20);
        push_number(at.lsn.0, &mut number);
        to.push_header("lsn", Some(&number));
        number.clear();
        push_number(at.time_ms, &mut number);
        to.push_header("ts_ms", Some(&number));
    }

    fn key(&self, row: &[Cell], envelope: Envelope) -> Vec<u8> {
        let mut key = Vec::new();
        match (envelope, self.key.as_slice()) {
            (Envelope::Plain, [only]) => self.plain_text(*only, row, &mut key),
            (Envelope::Plain, several) => {
                key.push(b'[');
                for (number, place) in several.iter().enumerate() {
                    if number > 0 {
                        key.push(b',');
                    }
                    self.value(*place, row, &mut key);
                }
                key.push(b']');
            }
            (Envelope::Debezium, places) => {
                key.push(b'{');
                for (number, place) in places.iter().enumerate() {
                    if number > 0 {
                        key.push(b',');
                    }
                    self.member(*place, row, &mut key);
                }
                key.push(b'}');
            }
        }
        key
    }

    /// The value as the text that stands in the JSON, without quotes.
    fn plain_text(&self, place: usize, row: &[Cell], out: &mut Vec<u8>) {
        match (row.get(place), self.columns.get(place).map(|column| &column.kind)) {
            (Some(Cell::Text(text)), Some(Kind::Text)) => out.extend_from_slice(text),
            _ => {
                self.value(place, row, out);
                if out.first() == Some(&b'"') && out.len() > 1 {
                    out.pop();
                    out.remove(0);
                }
            }
        }
    }

    fn object(&self, row: &[Cell], out: &mut Vec<u8>) {
        out.push(b'{');
        for place in 0..self.columns.len().min(row.len()) {
            if place > 0 {
                out.push(b',');
            }
            self.member(place, row, out);
        }
        out.push(b'}');
    }

    /// About how long the object is: longer only where texts are escaped.
    fn object_bytes(&self, row: &[Cell]) -> usize {
        let cells = row.iter().map(|cell| if let Cell::Text(text) = cell { text.len() } else { 4 });
        cells.sum::<usize>() + self.columns.iter().map(|column| column.member.len() + 3).sum::<usize>() + 2
    }

    fn member(&self, place: usize, row: &[Cell], out: &mut Vec<u8>) {
        if let Some(column) = self.columns.get(place) {
            out.extend_from_slice(&column.member);
        }
        self.value(place, row, out);
    }

    fn value(&self, place: usize, row: &[Cell], out: &mut Vec<u8>) {
        match (row.get(place), self.columns.get(place)) {
            (Some(Cell::Text(text)), Some(column)) => column.kind.write(text, out),
            (Some(Cell::Unchanged), _) => push_text(UNCHANGED.as_bytes(), out),
            _ => out.extend_from_slice(b"null"),
        }
    }

    fn enveloped(&self, op: Op, before: Option<&[Cell]>, after: Option<&[Cell]>, at: Context<'_>) -> Vec<u8> {
        let mut value = Vec::new();
        for (name, row) in [(&b"{\"before\":"[..], before), (b",\"after\":", after)] {
            value.extend_from_slice(name);
            match row {
                Some(row) => self.object(row, &mut value),
                None => value.extend_from_slice(b"null"),
            }
        }
        value.extend_from_slice(b",\"source\":{\"connector\":\"postgresql\",\"name\":");
        push_text(at.pipeline.as_bytes(), &mut value);
        for (name, text) in
            [("db", at.database), ("schema", self.schema.as_str()), ("table", self.name.as_str())]
        {
            value.extend_from_slice(format!(",\"{name}\":").as_bytes());
            push_text(text.as_bytes(), &mut value);
        }
        let snapshot = if op == Op::Read { "true" } else { "false" };
        let xid = at.xid.map_or("null".to_owned(), |xid| xid.to_string());
        let rest = format!(
            ",\"snapshot\":\"{snapshot}\",\"txId\":{xid},\"lsn\":{},\"ts_ms\":{}}},\"op\":\"{}\",\"ts_ms\":{}}}",
            at.lsn.0,
            at.time_ms,
            op.code(),
            at.time_ms
        );
        value.extend_from_slice(rest.as_bytes());
        value
    }
}

impl Column {
    fn new(name: &str, kind: Kind) -> Column {
        let mut member = Vec::new();
        push_text(name.as_bytes(), &mut member);
        member.push(b':');
        Column { name: name.to_owned(), member, kind }
    }
}

/// Appends the decimal text; a buffer takes every number.
fn push_number(number: impl std::fmt::Display, out: &mut Vec<u8>) {
    if let Err(error) = write!(out, "{number}") {
        tracing::debug!(%error, "a buffer in memory refused bytes");
    }
}

#[cfg(test)]
mod tests {
    use super::super::pgoutput::RelationColumn;
    use super::*;
    use bytes::Bytes;

    fn table(identity: &[&str], primary_key: &[&str]) -> Table {
        let column = |name: &str, type_oid| RelationColumn {
            name: name.to_owned(),
            type_oid,
            is_identity: identity.contains(&name),
        };
        let relation = Relation {
            id: 1,
            schema: "public".into(),
            name: "t".into(),
            replica_identity: b'd',
            columns: vec![column("id", 23), column("at", 1184), column("note", 25)],
        };
        let primary_key: Vec<String> = primary_key.iter().map(|name| (*name).to_owned()).collect();
        Table::of_relation(&relation, &primary_key, &Types::default())
    }

    fn cells(texts: &[&str]) -> Vec<Cell> {
        texts.iter().map(|text| Cell::Text(Bytes::copy_from_slice(text.as_bytes()))).collect()
    }

    fn records(
        table: &Table,
        op: Op,
        before: Option<&[Cell]>,
        after: Option<&[Cell]>,
        envelope: Envelope,
    ) -> Vec<String> {
        let at = Context {
            database: "shop",
            pipeline: "p",
            lsn: Lsn(7),
            xid: Some(9),
            time_ms: 1000,
            envelope,
            tombstones: true,
        };
        let mut builder = BatchBuilder::new();
        table.push(op, before, after, at, &mut builder);
        let batch = builder.finish();
        let show =
            |part: Option<&[u8]>| part.map_or("-".into(), |part| String::from_utf8_lossy(part).into_owned());
        batch
            .rows()
            .map(|row| format!("{} {} {}", show(row.headers.find("op")), show(row.key), show(row.value)))
            .collect()
    }

    const AT: &str = "2026-01-02 03:04:05+00";

    #[test]
    fn a_plain_row_is_an_object_under_its_key() {
        let mut row = cells(&["1", AT, "a"]);
        let one = table(&["id"], &["id"]);
        let expected = r#"c 1 {"id":1,"at":"2026-01-02T03:04:05Z","note":"a"}"#;
        assert_eq!(records(&one, Op::Create, None, Some(&row), Envelope::Plain), [expected]);
        row[2] = Cell::Unchanged;
        let expected = r#"u 1 {"id":1,"at":"2026-01-02T03:04:05Z","note":"__debezium_unavailable_value"}"#;
        assert_eq!(records(&one, Op::Update, None, Some(&row), Envelope::Plain), [expected]);
        assert_eq!(records(&one, Op::Delete, Some(&row), None, Envelope::Plain), ["d 1 -"]);
        assert_eq!(records(&one, Op::Truncate, None, None, Envelope::Plain), ["t - -"]);
    }

    #[test]
    fn keys_follow_the_primary_key_and_else_the_identity() {
        let row = cells(&["1", AT, "a"]);
        let keys = |table: Table| records(&table, Op::Delete, Some(&row), None, Envelope::Plain);
        assert_eq!(keys(table(&["id"], &["note", "id"])), [r#"d ["a",1] -"#]);
        assert_eq!(keys(table(&["note"], &[])), ["d a -"]);
        assert_eq!(keys(table(&["at"], &[])), ["d 2026-01-02T03:04:05Z -"]);
        assert_eq!(keys(table(&[], &[])), ["d - -"]);
    }

    #[test]
    fn debezium_wraps_both_rows_and_says_where_from() {
        let (before, after) = (cells(&["1", AT, "a"]), cells(&["1", AT, "b"]));
        let found =
            records(&table(&["id"], &["id"]), Op::Update, Some(&before), Some(&after), Envelope::Debezium);
        let [record] = found.as_slice() else { panic!("{found:?}") };
        let value: serde_json::Value =
            serde_json::from_str(record.strip_prefix("u {\"id\":1} ").unwrap()).unwrap();
        assert_eq!(
            (value["before"]["note"].as_str(), value["after"]["note"].as_str()),
            (Some("a"), Some("b"))
        );
        assert_eq!((value["op"].as_str(), value["source"]["txId"].as_i64()), (Some("u"), Some(9)));
        assert_eq!((value["source"]["db"].as_str(), value["ts_ms"].as_i64()), (Some("shop"), Some(1000)));
        let found = records(&table(&["id"], &["id"]), Op::Delete, Some(&before), None, Envelope::Debezium);
        assert_eq!((found.len(), found[1].as_str()), (2, "d {\"id\":1} -"));
    }
}
