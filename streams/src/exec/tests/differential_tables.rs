//! Generated queries over generated changelogs of tables, against batch DataFusion over what the tables hold in the end:
//! rows come, change, and go; what a query has given and not taken back is what the same SQL gives over the rest.
//!
//! Seeds and counts are asked for as in `differential.rs`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::prelude::SessionContext;

use super::differential::{Seeded, answer, seeds};
use super::model::Disturbance;
use super::scenario::Scenario;

const PARTITIONS: i64 = 3;

const DECLARED: &str = "\
CREATE TABLE t1 (id BIGINT PRIMARY KEY, k BIGINT, n BIGINT, x TEXT);
CREATE TABLE t2 (id BIGINT PRIMARY KEY, k BIGINT, n BIGINT, x TEXT);";

/// Everything of a row but its key.
type Row = (Option<i64>, i64, String);

/// In the order they are written; `None` takes the row back.
type Changes = Vec<(i64, Option<Row>)>;

#[tokio::test]
async fn generated_queries_over_tables_give_what_batch_gives() {
    for seed in seeds() {
        check(seed).await;
    }
}

async fn check(seed: u64) {
    let mut seeded = Seeded::new(seed);
    let tables = [("t1", changes(&mut seeded)), ("t2", changes(&mut seeded))];
    let query = query(&mut seeded);
    let context = SessionContext::new();
    for (name, changes) in &tables {
        context.register_batch(*name, left(changes)).expect("a table is registered");
    }
    let expected = answer(&context, &query).await;
    let mut script = format!("program\n{DECLARED}\nCREATE TABLE q AS {query};\n");
    // What is given half-way must be taken back as far as it is not so any more.
    for half in [0, 1] {
        for (name, changes) in &tables {
            let middle = changes.len() / 2;
            let part = if half == 0 { &changes[..middle] } else { &changes[middle..] };
            write_input(name, part, &mut script);
        }
        script.push_str("\nfinish\n");
    }
    let scenario = Scenario::parse(format!("seed {seed}"), &script);
    let how = if seed.is_multiple_of(3) { Disturbance::none() } else { Disturbance::shaken(seed) };
    let crash = seeded.next(200) as usize;
    let how = match seed % 4 {
        1 => how.crashing_at(crash, None),
        2 => how.scaling(&[1, 3, 2]).crashing_at(crash, Some(crash + 5)),
        3 => how.scaling(&[3]),
        _ => how,
    };
    let mut found = scenario.values(&how, "q", true).await;
    found.sort();
    assert!(
        found == expected,
        "MILLSTREAM_SEED={seed}: {query}\nstreaming gives:\n{}\nbatch gives:\n{}\nscript:\n{script}",
        found.join("\n"),
        expected.join("\n")
    );
}

fn changes(seeded: &mut Seeded) -> Changes {
    let count = seeded.next(60);
    let change = |_| {
        let id = 1 + seeded.next(9);
        let key = Some(seeded.next(9)).filter(|key| *key > 0);
        let text = char::from(b'a' + seeded.next(3) as u8).to_string();
        let row = (key, seeded.next(8) - 3, text);
        (id, Some(row).filter(|_| seeded.next(4) > 0))
    };
    (0..count).map(change).collect()
}

/// All changes of a row are in one partition.
fn write_input(name: &str, changes: &[(i64, Option<Row>)], script: &mut String) {
    for partition in 0..PARTITIONS {
        writeln!(script, "\ninput {name} {partition}").expect("text grows");
        for (id, row) in changes.iter().filter(|(id, _)| id % PARTITIONS == partition) {
            match row {
                None => writeln!(script, "{id} -"),
                Some((key, number, text)) => {
                    let key = key.map_or("null".to_owned(), |key| key.to_string());
                    writeln!(script, "{id} {{\"id\":{id},\"k\":{key},\"n\":{number},\"x\":\"{text}\"}}")
                }
            }
            .expect("text grows");
        }
    }
}

/// What the table holds in the end.
fn left(changes: &Changes) -> RecordBatch {
    let last: BTreeMap<i64, &Option<Row>> = changes.iter().map(|(id, row)| (*id, row)).collect();
    let rows: Vec<(i64, &Row)> = last.into_iter().filter_map(|(id, row)| Some((id, row.as_ref()?))).collect();
    let field = |name: &str, data_type: DataType| Field::new(name, data_type, true);
    let schema = Schema::new(vec![
        field("id", DataType::Int64),
        field("k", DataType::Int64),
        field("n", DataType::Int64),
        field("x", DataType::Utf8),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|(id, _)| *id))),
        Arc::new(Int64Array::from_iter(rows.iter().map(|(_, row)| row.0))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, row)| row.1))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, row)| row.2.as_str()))),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).expect("the columns fit the schema")
}

fn query(seeded: &mut Seeded) -> String {
    match seeded.next(9) {
        0 => projection(seeded),
        1 | 2 => grouped(seeded),
        3 => format!("SELECT DISTINCT k, x FROM t1 WHERE {}", seeded.condition("")),
        4 => first_rows(seeded),
        5 => joined_and_grouped(seeded),
        6 => groups_of_groups(seeded),
        _ => joined(seeded),
    }
}

fn projection(seeded: &mut Seeded) -> String {
    let (condition, factor) = (seeded.condition(""), seeded.next(7));
    format!("SELECT id, n * {factor} + 1 AS y, upper(x) AS x, coalesce(k, -n) AS z FROM t1 WHERE {condition}")
}

fn calls(seeded: &mut Seeded, of: &str) -> String {
    let calls = seeded.pick(&[
        "count(*) AS c, sum(#n) AS s",
        "min(#n) AS a, max(#x) AS b, count(#k) AS c",
        "sum(#n) FILTER (WHERE #n > 1) AS s, max(#n) AS m, avg(#n) AS g",
        "count(DISTINCT #x) AS d, sum(DISTINCT #n) AS s",
        "bool_and(#n > 0) AS every, bool_or(#n > 3) AS any, string_agg(DISTINCT #x, '+' ORDER BY #x) AS xs",
    ]);
    calls.replace('#', of)
}

fn grouped(seeded: &mut Seeded) -> String {
    let (condition, calls) = (seeded.condition(""), calls(seeded, ""));
    let having = seeded.pick(&["", "", " HAVING count(*) > 1", " HAVING max(n) < 3"]);
    let (group, by) = match seeded.next(4) {
        0 => ("k", "k"),
        1 => ("x", "x"),
        2 => ("k, x", "k, x"),
        _ => ("n % 2 AS h", "n % 2"),
    };
    format!("SELECT {group}, {calls} FROM t1 WHERE {condition} GROUP BY {by}{having}")
}

fn groups_of_groups(seeded: &mut Seeded) -> String {
    let condition = seeded.condition("");
    format!(
        "SELECT c, count(*) AS groups, max(s) AS most FROM (SELECT k, count(*) AS c, sum(n) AS s FROM t1 WHERE {condition} \
         GROUP BY k) AS g GROUP BY c"
    )
}

fn first_rows(seeded: &mut Seeded) -> String {
    let (condition, limit) = (seeded.condition(""), 1 + seeded.next(3));
    let partition = seeded.pick(&["PARTITION BY k ", "PARTITION BY x ", "PARTITION BY k, x ", ""]);
    let order = seeded.pick(&["n DESC, id", "x, n, id DESC", "k NULLS FIRST, id"]);
    let (number, bound) = match seeded.next(3) {
        0 => ("rn, ", format!("rn <= {limit}")),
        1 => ("", format!("rn <= {limit}")),
        _ => ("rn, ", format!("rn = {limit} AND n > -2")),
    };
    format!(
        "SELECT k, x, {number}id, n FROM (SELECT *, ROW_NUMBER() OVER ({partition}ORDER BY {order}) AS rn FROM t1 WHERE \
         {condition}) AS r WHERE {bound}"
    )
}

fn join(seeded: &mut Seeded) -> String {
    let kind = seeded.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
    let keys = seeded.pick(&["l.id = r.id", "l.k = r.id", "l.k = r.k", "l.n = r.n AND l.x = r.x"]);
    let rest = seeded.pick(&["", " AND l.n < r.n", " AND l.x <> 'b'"]);
    format!("t1 l {kind} t2 r ON {keys}{rest}")
}

fn joined(seeded: &mut Seeded) -> String {
    let (join, condition) = (join(seeded), seeded.condition("l."));
    format!("SELECT l.id, r.id AS other, l.n AS a, r.n AS b, r.x FROM {join} WHERE {condition}")
}

fn joined_and_grouped(seeded: &mut Seeded) -> String {
    let (join, calls) = (join(seeded), calls(seeded, "r."));
    format!("SELECT l.x, {calls} FROM {join} GROUP BY l.x")
}
