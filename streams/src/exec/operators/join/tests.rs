//! Random rows in random order, with restarts in between, against a plain pass over all pairs.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::logical_expr::Operator as Comparison;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};

use super::operator;
use crate::exec::event_time::END;
use crate::exec::operator::{Operator, Output};
use crate::exec::rows::{RowKind, Rows};
use crate::plan::{
    JoinKind, JoinMethod, JoinPlan, JoinSide, Residual, TimeBounds, TimeColumn, VersionedPlan,
};

const KINDS: [JoinKind; 6] =
    [JoinKind::Inner, JoinKind::Left, JoinKind::Right, JoinKind::Full, JoinKind::Semi, JoinKind::Anti];

/// Key, time, number.
type Row = (Option<i64>, Option<i64>, i64);

fn schema() -> SchemaRef {
    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("t", timestamp, true),
        Field::new("n", DataType::Int64, true),
    ]))
}

fn batch(rows: &[Row]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.0))),
        Arc::new(TimestampMicrosecondArray::from_iter(rows.iter().map(|row| row.1))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2))),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns fit the schema")
}

fn column(name: &str, index: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(name, index))
}

fn plan(kind: JoinKind, method: JoinMethod, with_residual: bool) -> Arc<JoinPlan> {
    let side = |name: &str| JoinSide { name: name.to_owned(), schema: schema(), keys: vec![column("k", 0)] };
    let both: Vec<_> = schema().fields().iter().chain(schema().fields()).cloned().collect();
    let pair = Arc::new(Schema::new(both));
    let residual = with_residual.then(|| Residual {
        expression: Arc::new(BinaryExpr::new(column("n", 2), Comparison::LtEq, column("n", 5))),
        schema: pair.clone(),
    });
    let schema = if kind.gives_pairs() { pair } else { schema() };
    Arc::new(JoinPlan { kind, sides: [side("l"), side("r")], residual, schema, method })
}

fn text(row: &Row) -> String {
    let number = |value: Option<i64>| value.map_or("-".to_owned(), |value| value.to_string());
    format!("{} {} {}", number(row.0), number(row.1), row.2)
}

/// The rows that a batch adds to the result, each with how often.
fn add_up(out: &Output, result: &mut BTreeMap<String, i64>) {
    for rows in &out.rows {
        let options = FormatOptions::default().with_null("-");
        let columns: Vec<ArrayRef> =
            rows.batch
                .columns()
                .iter()
                .map(|column| match column.data_type() {
                    DataType::Timestamp(..) => datafusion::arrow::compute::cast(column, &DataType::Int64)
                        .expect("a time is a number"),
                    _ => column.clone(),
                })
                .collect();
        let formatters: Vec<ArrayFormatter<'_>> = columns
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).expect("a column has a text"))
            .collect();
        for row in 0..rows.len() {
            let values: Vec<String> =
                formatters.iter().map(|formatter| formatter.value(row).to_string()).collect();
            let weight = if rows.kind(row).adds() { 1 } else { -1 };
            *result.entry(values.join(" ")).or_default() += weight;
        }
    }
    result.retain(|_, weight| *weight != 0);
}

/// All pairs, then what is given alone.
fn expected(
    kind: JoinKind,
    sides: &[Vec<Row>; 2],
    matches: impl Fn(&Row, &Row) -> bool,
) -> BTreeMap<String, i64> {
    let mut result: BTreeMap<String, i64> = BTreeMap::new();
    let mut add = |row: String| *result.entry(row).or_default() += 1;
    let is_pair = |left: &Row, right: &Row| left.0.is_some() && left.0 == right.0 && matches(left, right);
    for left in &sides[0] {
        let found: Vec<&Row> = sides[1].iter().filter(|right| is_pair(left, right)).collect();
        match kind {
            JoinKind::Semi if !found.is_empty() => add(text(left)),
            JoinKind::Anti if found.is_empty() => add(text(left)),
            JoinKind::Semi | JoinKind::Anti => {}
            _ => found.iter().for_each(|right| add(format!("{} {}", text(left), text(right)))),
        }
        if found.is_empty() && matches!(kind, JoinKind::Left | JoinKind::Full) {
            add(format!("{} - - -", text(left)));
        }
    }
    if matches!(kind, JoinKind::Right | JoinKind::Full) {
        let alone = sides[1].iter().filter(|right| !sides[0].iter().any(|left| is_pair(left, right)));
        alone.for_each(|right| add(format!("- - - {}", text(right))));
    }
    result
}

struct Seeded(u64);

impl Seeded {
    fn next(&mut self, below: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as i64 % below
    }
}

/// Commits, and starts anew from what was committed.
fn restarted(
    plan: &Arc<JoinPlan>,
    mut old: Box<dyn Operator>,
    stored: &mut BTreeMap<(u8, Vec<u8>), Vec<u8>>,
    watermarks_us: &[i64],
) -> Box<dyn Operator> {
    for (table, state) in old.tables() {
        let mut change = |key: &[u8], value: Option<&[u8]>| {
            match value {
                Some(value) => stored.insert((table, key.to_vec()), value.to_vec()),
                None => stored.remove(&(table, key.to_vec())),
            };
        };
        state.drain_changes(&mut change).expect("changes are written");
    }
    let mut new = operator(plan).expect("the join is built");
    for (table, state) in new.tables() {
        let entries = stored.iter().filter(|((of, _), _)| *of == table);
        let mut entries = entries.map(|((_, key), value)| (key.as_slice(), value.as_slice()));
        state.restore(&mut entries).expect("state is read");
    }
    let mut out = Output::default();
    new.on_watermark(watermarks_us, &mut out).expect("the watermark is told");
    assert!(out.rows.is_empty(), "a start gives nothing");
    new
}

/// Rows of one side in the order they come; those that are late are not among what is expected.
fn timed_side(seeded: &mut Seeded, delay_us: i64) -> (Vec<Row>, Vec<i64>, Vec<Row>) {
    let (mut rows, mut watermarks, mut in_time) = (Vec::new(), Vec::new(), Vec::new());
    let mut watermark_us = i64::MIN;
    for number in 0..seeded.next(40) {
        let time_us = number * 2 + seeded.next(24) - 12;
        let row = (
            Some(seeded.next(4)).filter(|key| *key > 0),
            Some(time_us).filter(|_| seeded.next(20) > 0),
            seeded.next(3),
        );
        watermarks.push(watermark_us);
        if row.1.is_none_or(|time_us| time_us >= watermark_us) {
            in_time.push(row);
        }
        watermark_us = watermark_us.max(row.1.map_or(i64::MIN, |time_us| time_us - delay_us));
        rows.push(row);
    }
    watermarks.push(watermark_us);
    (rows, watermarks, in_time)
}

fn run_timed(seed: u64, kind: JoinKind, least_us: i64, most_us: i64) {
    let mut seeded = Seeded(seed * 0x9E37_79B9 + 1);
    let times = [(); 2].map(|()| TimeColumn { expression: column("t", 1), add_us: 0 });
    let bounds = TimeBounds { times, least_us, most_us, slack_us: 0, is_windows: false };
    let with_residual = seeded.next(2) == 0;
    let plan = plan(kind, JoinMethod::Timed(bounds), with_residual);
    let sides = [timed_side(&mut seeded, 8), timed_side(&mut seeded, 8)];
    let mut join = operator(&plan).expect("the join is built");
    let (mut stored, mut result, mut places) = (BTreeMap::new(), BTreeMap::new(), [0, 0]);
    let mut told = [i64::MIN; 2];
    while places[0] < sides[0].0.len() || places[1] < sides[1].0.len() {
        let input = seeded.next(2) as usize;
        let (rows, watermarks, _) = &sides[input];
        let end = (places[input] + 1 + seeded.next(4) as usize).min(rows.len());
        let arrived = Rows {
            watermarks: Some(Int64Array::from(watermarks[places[input]..end].to_vec())),
            ..Rows::inserts(batch(&rows[places[input]..end]))
        };
        places[input] = end;
        let mut out = Output::default();
        join.on_rows(input, arrived, &mut out).expect("rows are joined");
        if seeded.next(2) == 0 {
            told = [0, 1].map(|input| sides[input].1[places[input]]);
            join.on_watermark(&told, &mut out).expect("the watermark is told");
        }
        add_up(&out, &mut result);
        if seeded.next(5) == 0 {
            join = restarted(&plan, join, &mut stored, &told);
        }
    }
    let mut out = Output::default();
    join.on_watermark(&[END, END], &mut out).expect("the end is told");
    add_up(&out, &mut result);
    let in_time = sides.map(|side| side.2);
    let near = |left: &Row, right: &Row| match (left.1, right.1) {
        (Some(left_us), Some(right_us)) => {
            (least_us..=most_us).contains(&(left_us - right_us)) && (!with_residual || left.2 <= right.2)
        }
        _ => false,
    };
    assert_eq!(result, expected(kind, &in_time, near), "seed {seed}, {kind:?}, {least_us} to {most_us}");
    restarted(&plan, join, &mut stored, &[i64::MIN; 2]);
    assert!(stored.is_empty(), "seed {seed}, {kind:?}: state is left");
}

#[test]
fn facts_meet_facts_that_are_near_in_time_in_any_order() {
    for seed in 1..40 {
        for kind in KINDS {
            run_timed(seed, kind, -5, 5);
            run_timed(seed, kind, 0, 10);
            run_timed(seed, kind, -9, -3);
            run_timed(seed, kind, 0, 0);
        }
    }
}

#[test]
fn tables_meet_tables_in_any_order_of_changes() {
    for seed in 1..100 {
        for kind in KINDS {
            run_changes(seed, kind);
        }
    }
}

fn run_changes(seed: u64, kind: JoinKind) {
    let mut seeded = Seeded(seed * 0x9E37_79B9 + 1);
    let with_residual = seeded.next(2) == 0;
    let plan = plan(kind, JoinMethod::Changes, with_residual);
    let mut join = operator(&plan).expect("the join is built");
    let mut tables: [BTreeMap<i64, Row>; 2] = Default::default();
    let (mut stored, mut result) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..seeded.next(40) {
        let input = seeded.next(2) as usize;
        let (mut rows, mut kinds) = (Vec::new(), Vec::new());
        for _ in 0..=seeded.next(4) {
            let id = seeded.next(5);
            let row = (Some(seeded.next(4)).filter(|key| *key > 0), Some(id), seeded.next(3));
            match tables[input].remove(&id) {
                Some(old) if seeded.next(3) == 0 => {
                    rows.push(old);
                    kinds.push(RowKind::Delete);
                }
                Some(old) => {
                    rows.extend([old, row]);
                    kinds.extend([RowKind::UpdateBefore, RowKind::UpdateAfter]);
                    tables[input].insert(id, row);
                }
                None => {
                    rows.push(row);
                    kinds.push(RowKind::Insert);
                    tables[input].insert(id, row);
                }
            }
        }
        // Changes may come in any order: what is added may be there before what it replaces is gone.
        if seeded.next(2) == 0 {
            rows.reverse();
            kinds.reverse();
        }
        let mut out = Output::default();
        join.on_rows(input, Rows::changes(batch(&rows), &kinds), &mut out).expect("rows are joined");
        add_up(&out, &mut result);
        if seeded.next(5) == 0 {
            join = restarted(&plan, join, &mut stored, &[i64::MIN; 2]);
        }
    }
    let sides = tables.map(|table| table.into_values().collect::<Vec<Row>>());
    let agrees = |left: &Row, right: &Row| !with_residual || left.2 <= right.2;
    assert_eq!(result, expected(kind, &sides, agrees), "seed {seed}, {kind:?}");
}

#[test]
fn facts_see_the_table_as_it_is_when_they_come() {
    let plan = plan(JoinKind::Left, JoinMethod::Lookup { table: 1 }, false);
    let mut join = operator(&plan).expect("the join is built");
    let mut result = BTreeMap::new();
    let mut give = |join: &mut Box<dyn Operator>, input: usize, rows: Rows| {
        let mut out = Output::default();
        join.on_rows(input, rows, &mut out).expect("rows are joined");
        add_up(&out, &mut result);
    };
    give(&mut join, 1, Rows::changes(batch(&[(Some(1), None, 10)]), &[RowKind::Insert]));
    give(&mut join, 0, Rows::inserts(batch(&[(Some(1), None, 1), (Some(2), None, 2), (None, None, 3)])));
    let update = [RowKind::UpdateBefore, RowKind::UpdateAfter];
    give(&mut join, 1, Rows::changes(batch(&[(Some(1), None, 10), (Some(1), None, 11)]), &update));
    let mut stored = BTreeMap::new();
    let mut join = restarted(&plan, join, &mut stored, &[0, 0]);
    give(&mut join, 0, Rows::inserts(batch(&[(Some(1), None, 4)])));
    give(&mut join, 1, Rows::changes(batch(&[(Some(1), None, 11)]), &[RowKind::Delete]));
    give(&mut join, 0, Rows::inserts(batch(&[(Some(1), None, 5)])));
    let found: Vec<&str> = result.keys().map(String::as_str).collect();
    assert_eq!(found, ["- - 3 - - -", "1 - 1 1 - 10", "1 - 4 1 - 11", "1 - 5 - - -", "2 - 2 - - -"]);
}

#[test]
fn facts_see_the_version_of_their_time() {
    let method = JoinMethod::Versioned(VersionedPlan { as_of: column("t", 1), since: column("t", 1) });
    let plan = plan(JoinKind::Left, method, false);
    let mut join = operator(&plan).expect("the join is built");
    let fact = |time_us: i64| Rows::inserts(batch(&[(Some(1), Some(time_us), 0)]));
    let mut results = Vec::new();
    let mut step = |join: &mut Box<dyn Operator>, rows: Option<(usize, Rows)>, watermarks_us: [i64; 2]| {
        let mut out = Output::default();
        if let Some((input, rows)) = rows {
            join.on_rows(input, rows, &mut out).expect("rows are joined");
        }
        join.on_watermark(&watermarks_us, &mut out).expect("the watermark is told");
        let mut result = BTreeMap::new();
        add_up(&out, &mut result);
        results.push(result.into_keys().collect::<Vec<_>>().join(", "));
    };
    let version = |time_us: i64, number: i64, kind: RowKind| {
        (1, Rows::changes(batch(&[(Some(1), Some(time_us), number)]), &[kind]))
    };
    step(&mut join, Some((0, fact(15))), [5, i64::MIN]);
    step(&mut join, Some(version(10, 1, RowKind::Insert)), [5, 10]);
    step(&mut join, Some(version(20, 2, RowKind::UpdateAfter)), [5, 20]);
    step(&mut join, Some((0, fact(9))), [5, 20]);
    let mut stored = BTreeMap::new();
    let mut join = restarted(&plan, join, &mut stored, &[5, 20]);
    step(&mut join, Some((0, fact(20))), [5, 20]);
    step(&mut join, Some(version(30, 2, RowKind::Delete)), [20, 31]);
    step(&mut join, Some((0, fact(30))), [30, 31]);
    step(&mut join, None, [40, 40]);
    step(&mut join, Some((0, fact(39))), [40, 40]);
    assert_eq!(
        results,
        ["", "", "1 15 0 1 10 1", "1 9 0 - - -", "", "1 20 0 1 20 2", "1 30 0 - - -", "", ""]
    );
    assert_eq!(join.late_rows(), 1);
    restarted(&plan, join, &mut stored, &[40, 40]);
    assert!(stored.is_empty(), "the key is gone");
}
