//! Generated queries over generated changelogs, against batch DataFusion over the same input: what a query has given when
//! its input ends, and what is not taken back of it, is what the same SQL gives over the whole input at once.
//!
//! `MILLSTREAM_QUERIES=1000` asks for that many, `MILLSTREAM_SEED=7` begins with that one: a failure says its seed.

use std::fmt::Write;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::prelude::SessionContext;

use super::model::Disturbance;
use super::scenario::Scenario;
use crate::format::{EncodedRows, Encoder, Format};

/// Queries of a run that nobody asked for more.
const QUERIES: u64 = 60;

const PARTITIONS: i64 = 3;

/// How far out of order rows are, and the watermark's delay.
const DELAY_MS: i64 = 8_000;

const DECLARED: &str = "\
CREATE STREAM s1 (k BIGINT, at TIMESTAMP, n BIGINT, x TEXT, WATERMARK FOR at AS at - INTERVAL '8' SECOND);
CREATE STREAM s2 (k BIGINT, at TIMESTAMP, n BIGINT, x TEXT, WATERMARK FOR at AS at - INTERVAL '8' SECOND);";

#[tokio::test]
async fn generated_queries_give_what_batch_gives() {
    for seed in seeds() {
        check(seed).await;
    }
}

/// Those that are asked for, or the usual ones.
pub(super) fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let first = number("MILLSTREAM_SEED", 1);
    first..first + number("MILLSTREAM_QUERIES", QUERIES)
}

async fn check(seed: u64) {
    let mut seeded = Seeded::new(seed);
    let relations = [("s1", seeded.rows()), ("s2", seeded.rows())];
    let query = seeded.query();
    let expected = batch(&relations, &query.batch).await;
    let mut script = format!("program\n{DECLARED}\nCREATE {} q AS {};\n", query.kind, query.streaming);
    for (name, rows) in &relations {
        write_input(name, rows, &mut script);
    }
    script.push_str("\nfinish\n");
    let scenario = Scenario::parse(format!("seed {seed}"), &script);
    let how = if seed.is_multiple_of(3) { Disturbance::none() } else { Disturbance::shaken(seed) };
    let crash = seeded.next(200) as usize;
    let how = if seed % 3 == 1 { how.crashing_at(crash, None) } else { how };
    let mut found = scenario.values(&how, "q", query.kind == "TABLE").await;
    found.sort();
    assert!(
        found == expected,
        "MILLSTREAM_SEED={seed}: {}\nstreaming gives:\n{}\nbatch gives:\n{}\nscript:\n{script}",
        query.streaming,
        found.join("\n"),
        expected.join("\n")
    );
}

/// Key, milliseconds, number, text.
type Row = (Option<i64>, i64, i64, String);

fn write_input(name: &str, rows: &[Row], script: &mut String) {
    for partition in 0..PARTITIONS {
        writeln!(script, "\ninput {name} {partition}").expect("text grows");
        let number = |index: usize| index as i64 % PARTITIONS;
        for (_, row) in rows.iter().enumerate().filter(|(index, _)| number(*index) == partition) {
            let key = row.0.map_or("null".to_owned(), |key| key.to_string());
            writeln!(script, "- {{\"k\":{key},\"at\":{},\"n\":{},\"x\":\"{}\"}}", row.1, row.2, row.3)
                .expect("text grows");
        }
    }
}

async fn batch(relations: &[(&str, Vec<Row>)], query: &str) -> Vec<String> {
    let context = SessionContext::new();
    for (name, rows) in relations {
        context.register_batch(*name, record_batch(rows)).expect("a table is registered");
    }
    answer(&context, query).await
}

/// Every row of the result as JSON, sorted.
pub(super) async fn answer(context: &SessionContext, query: &str) -> Vec<String> {
    let planned = context.sql(query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    let batches = planned.collect().await.unwrap_or_else(|error| panic!("{query}: {error}"));
    let mut lines = Vec::new();
    for batch in batches {
        let schema = batch.schema();
        let columns: Vec<(usize, &str)> =
            schema.fields().iter().enumerate().map(|(place, field)| (place, field.name().as_str())).collect();
        let mut rows = EncodedRows::default();
        let encoder = Encoder::new(Format::Json, &columns).expect("every type has a JSON form");
        encoder.encode(&batch, &mut rows).expect("rows are written");
        lines.extend((0..rows.len()).map(|row| String::from_utf8_lossy(rows.row(row)).into_owned()));
    }
    lines.sort();
    lines
}

fn record_batch(rows: &[Row]) -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        Field::new("n", DataType::Int64, true),
        Field::new("x", DataType::Utf8, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.0))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.1 * 1_000))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.3.as_str()))),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).expect("the columns fit the schema")
}

/// One question in both forms.
struct Query {
    kind: &'static str,
    streaming: String,
    batch: String,
}

pub(super) struct Seeded(u64);

impl Seeded {
    pub fn new(seed: u64) -> Seeded {
        Seeded(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self, below: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as i64 % below
    }

    pub fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.next(from.len() as i64) as usize]
    }

    /// In no partition is a row later than the watermark's delay.
    fn rows(&mut self) -> Vec<Row> {
        let count = self.next(60);
        let row = |number| {
            let key = Some(self.next(5)).filter(|key| *key > 0);
            let at = 1_000_000 + number * 700 + self.next(DELAY_MS);
            (key, at, self.next(20) - 5, char::from(b'a' + self.next(3) as u8).to_string())
        };
        (0..count).map(row).collect()
    }

    pub fn condition(&mut self, of: &str) -> String {
        let number = self.next(12) - 2;
        match self.next(6) {
            0 => format!("{of}n > {number}"),
            1 => format!("{of}n % 3 = 1 OR {of}k IS NULL"),
            2 => format!("{of}x <> 'b'"),
            3 => format!("{of}k IN (1, 3) AND {of}n <= {number}"),
            4 => format!("NOT ({of}n BETWEEN 0 AND {number})"),
            _ => "true".to_owned(),
        }
    }

    fn query(&mut self) -> Query {
        match self.next(10) {
            0 => self.projection(),
            1 => self.grouped(),
            2 => self.windowed(),
            6 => self.sessions(),
            7 => self.cumulative(),
            8 => self.united(),
            9 => self.existing(),
            3 | 4 => self.interval_join(),
            _ => self.window_join(),
        }
    }

    fn same(kind: &'static str, text: String) -> Query {
        Query { kind, batch: text.clone(), streaming: text }
    }

    fn projection(&mut self) -> Query {
        let (condition, factor) = (self.condition(""), self.next(7));
        Seeded::same(
            "STREAM",
            format!(
                "SELECT k, n * {factor} + 1 AS y, upper(x) AS x, coalesce(k, -n) AS z FROM s1 WHERE {condition}"
            ),
        )
    }

    fn calls(&mut self) -> &'static str {
        self.pick(&[
            "count(*) AS c, sum(n) AS s",
            "min(n) AS a, max(x) AS b, count(k) AS c",
            "sum(n) FILTER (WHERE n > 3) AS s, max(n) AS m",
        ])
    }

    fn grouped(&mut self) -> Query {
        let (condition, calls) = (self.condition(""), self.calls());
        let group = self.pick(&["k", "x", "k, x", "n % 2 AS h"]);
        let by = if group.starts_with('n') { "n % 2" } else { group };
        Seeded::same("TABLE", format!("SELECT {group}, {calls} FROM s1 WHERE {condition} GROUP BY {by}"))
    }

    /// Rows with their windows: a call here, a subquery there.
    fn windows(&mut self, relation: &str) -> (i64, i64) {
        let advance = 1 + self.next(10);
        let overlap = if relation.is_empty() { 1 } else { 1 + self.next(3) };
        (advance, advance * overlap)
    }

    fn windowed(&mut self) -> Query {
        let (advance, size) = self.windows("s1");
        let (condition, calls) = (self.condition(""), self.calls());
        let (here, there) = window_sources("s1", advance, size);
        let text = |source: &str| {
            format!(
                "SELECT k, window_start, {calls} FROM {source} WHERE {condition} GROUP BY k, window_start, window_end"
            )
        };
        Query { kind: "TABLE", streaming: format!("{} EMIT FINAL", text(&here)), batch: text(&there) }
    }

    fn sessions(&mut self) -> Query {
        let (gap, calls, condition) = (1 + self.next(6), self.calls(), self.condition(""));
        let (key, keys) = self.pick_pair(&[("k, ", "k"), ("k, x, ", "k, x"), ("", "1")]);
        let streaming = format!(
            "SELECT {key}window_start, window_end, {calls} FROM SESSION(s1, at, INTERVAL '{gap}' SECOND) WHERE {condition} \
             GROUP BY {key}window_start, window_end EMIT {}",
            self.pick(&["FINAL", "CHANGES"])
        );
        // A row that is more than the gap behind the one before it begins an island.
        let over = format!("OVER (PARTITION BY {keys} ORDER BY at");
        let begins = format!(
            "SELECT *, CASE WHEN lag(at) {over}) + INTERVAL '{gap}' SECOND >= at THEN 0 ELSE 1 END AS begins FROM s1 WHERE {condition}"
        );
        let islands = format!(
            "SELECT *, sum(begins) {over} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS island FROM ({begins})"
        );
        let batch = format!(
            "SELECT {key}min(at) AS window_start, max(at) + INTERVAL '{gap}' SECOND AS window_end, {calls} FROM ({islands}) \
             GROUP BY {key}island"
        );
        Query { kind: "TABLE", streaming, batch }
    }

    fn cumulative(&mut self) -> Query {
        let (step, steps) = (1 + self.next(6), 1 + self.next(4));
        let (condition, calls) = (self.condition(""), self.calls());
        let size = step * steps;
        let copies: Vec<String> = (1..=steps)
            .map(|copy| {
                let start =
                    format!("date_bin(INTERVAL '{size}' SECOND, at, TIMESTAMP '1970-01-01T00:00:00')");
                let end = format!("{start} + INTERVAL '{}' SECOND", copy * step);
                format!("SELECT *, {start} AS window_start, {end} AS window_end FROM s1 WHERE at < {end}")
            })
            .collect();
        let text = |source: &str| {
            format!(
                "SELECT k, window_start, window_end, {calls} FROM {source} WHERE {condition} GROUP BY k, window_start, window_end"
            )
        };
        let here = format!("CUMULATE(s1, at, INTERVAL '{step}' SECOND, INTERVAL '{size}' SECOND)");
        let streaming = format!("{} EMIT FINAL", text(&here));
        Query { kind: "TABLE", streaming, batch: text(&format!("({})", copies.join(" UNION ALL "))) }
    }

    fn united(&mut self) -> Query {
        let (first, second) = (self.condition(""), self.condition(""));
        let branches = format!(
            "SELECT k, n, x FROM s1 WHERE {first} UNION ALL SELECT n, k, x FROM s2 WHERE {second} UNION ALL SELECT k, 1, 'b' FROM s2"
        );
        if self.next(2) == 0 {
            return Seeded::same("STREAM", branches);
        }
        let (condition, calls) = (self.condition(""), self.calls());
        Seeded::same(
            "TABLE",
            format!("SELECT k, {calls} FROM ({branches}) AS u WHERE {condition} GROUP BY k"),
        )
    }

    /// Rows that something near them in the other stream has, or has not.
    fn existing(&mut self) -> Query {
        let (least, most) = (self.next(20) - 12, self.next(12) + 8);
        let (not, rest) = (self.pick(&["", "NOT "]), self.pick(&["", " AND r.n > l.n", " AND r.x = 'a'"]));
        let condition = self.condition("l.");
        Seeded::same(
            "STREAM",
            format!(
                "SELECT l.k, l.n, l.x FROM s1 AS l WHERE ({condition}) AND {not}EXISTS (SELECT 1 FROM s2 AS r WHERE l.k = r.k \
                 AND l.at >= r.at + INTERVAL '{least}' SECOND AND l.at <= r.at + INTERVAL '{most}' SECOND{rest})"
            ),
        )
    }

    fn pick_pair<'a>(&mut self, from: &[(&'a str, &'a str)]) -> (&'a str, &'a str) {
        from[self.next(from.len() as i64) as usize]
    }

    fn interval_join(&mut self) -> Query {
        let join = self.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
        let (least, most) = (self.next(20) - 12, self.next(12) + 8);
        let rest = match self.next(3) {
            0 => " AND l.n < r.n".to_owned(),
            1 => " AND l.x = r.x".to_owned(),
            _ => String::new(),
        };
        let (above, below) = (self.pick(&[">=", ">"]), self.pick(&["<=", "<"]));
        Seeded::same(
            "STREAM",
            format!(
                "SELECT l.k, l.n AS a, r.k AS other, r.n AS b, l.at FROM s1 l {join} s2 r ON l.k = r.k AND l.at {above} r.at \
                 + INTERVAL '{least}' SECOND AND l.at {below} r.at + INTERVAL '{most}' SECOND{rest}"
            ),
        )
    }

    fn window_join(&mut self) -> Query {
        let join = self.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
        let (advance, size) = self.windows("s1");
        let rest = self.pick(&["", " AND l.n < r.n"]);
        let ((left, left_there), (right, right_there)) =
            (window_sources("s1", advance, size), window_sources("s2", advance, size));
        let text = |left: &str, right: &str| {
            format!(
                "SELECT l.k, l.n AS a, r.k AS other, r.n AS b, l.window_start FROM {left} l {join} {right} r ON l.k = r.k AND \
                 l.window_start = r.window_start AND l.window_end = r.window_end{rest}"
            )
        };
        Query { kind: "STREAM", streaming: text(&left, &right), batch: text(&left_there, &right_there) }
    }
}

/// Windows in seconds, as a table function and as a query that gives the same.
fn window_sources(relation: &str, advance: i64, size: i64) -> (String, String) {
    let here = if advance == size {
        format!("TUMBLE({relation}, at, INTERVAL '{size}' SECOND)")
    } else {
        format!("HOP({relation}, at, INTERVAL '{advance}' SECOND, INTERVAL '{size}' SECOND)")
    };
    let copies: Vec<String> = (0..size / advance)
        .map(|copy| {
            let start = format!(
                "date_bin(INTERVAL '{advance}' SECOND, at, TIMESTAMP '1970-01-01T00:00:00') - INTERVAL '{}' SECOND",
                copy * advance
            );
            format!("SELECT *, {start} AS window_start, {start} + INTERVAL '{size}' SECOND AS window_end FROM {relation}")
        })
        .collect();
    (here, format!("({})", copies.join(" UNION ALL ")))
}
