use super::*;

const QUAKES: &str = "CREATE STREAM quakes (id TEXT, time TIMESTAMP, magnitude DOUBLE, place TEXT, network TEXT, \
     WATERMARK FOR time AS time - INTERVAL '6' HOUR) WITH (topic = 'quakes', format = 'json', key = 'network');\n\
     CREATE TABLE latest (id TEXT PRIMARY KEY, n BIGINT);\n";

fn plan(text: &str) -> Result<Plan, String> {
    let joined = |diagnostics: Vec<crate::Diagnostic>| {
        diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let mut program = Program::parse(QUAKES, "declared.sql").map_err(joined)?;
    program.extend(text, "x.sql").map_err(joined)?;
    let context = PlanContext { pipeline: "p".to_owned(), ..PlanContext::default() };
    program.plan(&context).map_err(joined)
}

fn explained(text: &str) -> String {
    plan(text).unwrap_or_else(|error| panic!("{text}: {error}")).explain()
}

fn refused(text: &str) -> String {
    match plan(text) {
        Ok(plan) => panic!("{text} is planned:\n{}", plan.explain()),
        Err(error) => error,
    }
}

#[test]
fn a_windowed_aggregate_reads_only_what_it_needs() {
    let text = explained(
        "CREATE TABLE hourly AS SELECT network, window_start, window_end, count(*) AS quakes, \
         max(magnitude) AS strongest, avg(magnitude) AS average FROM TUMBLE(quakes, time, INTERVAL '1' HOUR) \
         WHERE magnitude >= 2.5 GROUP BY network, window_start, window_end EMIT FINAL",
    );
    same_text(
        &text,
        "query hourly
  1 read topic quakes as json: time, magnitude, network; watermark time - INTERVAL '6' HOUR per partition
      gives append; key network; event time time; spread by input partition
  2 filter magnitude@1 >= 2.5
      gives append; key network; event time time; spread by input partition
  3 window tumble 1h over time@0
      gives append; key network; event time time; spread by input partition
  4 project magnitude@1 as magnitude, network@2 as network, window_start@3 as window_start, window_end@4 as window_end
      gives append; key network; spread by input partition
  5 aggregate by network, window_start, window_end: count(Int64(1)), max(quakes.magnitude), avg(quakes.magnitude); once per closed window; state is bounded by open windows; late rows are counted and dropped; changelog topic __p-hourly-changelog; from 4, exchanged by network@1, window_start@2, window_end@3
      gives append; unique key network, window_start; event time window_start; spread by network, window_start, window_end
  6 project network@0 as network, window_start@1 as window_start, window_end@2 as window_end, count(Int64(1))@3 as quakes, max(quakes.magnitude)@4 as strongest, avg(quakes.magnitude)@5 as average
      gives append; unique key network, window_start; event time window_start; spread by network, window_start, window_end
  7 write topic hourly as json: network, window_start, window_end, quakes, strongest, average; key network, window_start; append
",
    );
}

#[test]
fn a_projection_keeps_key_and_watermark_if_their_columns_stay() {
    let plan = plan(
        "CREATE STREAM big AS SELECT id, network AS net, time AS at FROM quakes WHERE magnitude > 5;\n\
         CREATE TABLE t AS SELECT net, window_start, count(*) n FROM TUMBLE(big, at, INTERVAL '1' DAY) \
         GROUP BY net, window_start, window_end EMIT FINAL;\n\
         CREATE STREAM busy AS SELECT * FROM t WHERE n > 10",
    )
    .expect("planned");
    let big = &plan.queries[0].sink().expect("a sink").relation;
    assert_eq!(big.key, ["net"]);
    assert_eq!(
        big.watermark.as_ref().map(|watermark| watermark.expression.to_string()),
        Some("\"at\" - INTERVAL '6' HOUR".to_owned())
    );
    let topics: Vec<_> = plan.queries().map(|query| (query.input_topics(), query.output_topic())).collect();
    assert_eq!(topics, [(vec!["quakes"], "big"), (vec!["big"], "t"), (vec!["t"], "busy")]);
    assert_eq!(plan.queries[1].internal_topics(), ["__p-t-changelog"]);
    assert_eq!(plan.topic_of("busy"), Some("busy"));
}

#[test]
fn the_ksql_window_clause_means_the_same() {
    let text = explained(
        "CREATE TABLE h AS SELECT network, count(*) AS n FROM quakes WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 5 MINUTES) \
         GROUP BY network EMIT FINAL",
    );
    assert!(text.contains("window tumble 1h, open 5min longer over"), "{text}");
    assert!(text.contains("network, n, window_start, window_end; key network, window_start"), "{text}");
}

#[test]
fn an_insert_is_cast_to_the_columns_of_its_target() {
    let text = explained(
        "CREATE STREAM small (id TEXT, m BIGINT) WITH (key = 'id'); INSERT INTO small SELECT id, magnitude FROM quakes",
    );
    assert!(text.contains("CAST(magnitude@1 AS Int64)"), "{text}");
    assert!(text.contains("query small-1"), "{text}");
}

/// A program, and what is said about it.
const REFUSALS: &[(&str, &str)] = &[
    (
        "CREATE STREAM x AS SELECT *\nFROM quaks",
        "x.sql:2:6: no stream or table `quaks` is declared before this statement (did you mean `quakes`?)",
    ),
    (
        "CREATE STREAM x AS SELECT magnitud FROM quakes",
        "x.sql:1:27: no column `magnitud` (did you mean `magnitude`?)",
    ),
    (
        "CREATE STREAM x AS SELECT uper(id) FROM quakes",
        "x.sql:1:27: no function `uper` (did you mean `upper`?)",
    ),
    (
        "CREATE STREAM x AS SELECT id FROM quakes ORDER BY id",
        "x.sql:1:42: ORDER BY would wait for the end of a stream that has none \
             (leave it out, or keep the first rows: ROW_NUMBER() OVER (ORDER BY …) AS rn, and WHERE rn <= 10)",
    ),
    (
        "CREATE TABLE x AS SELECT id FROM quakes",
        "x.sql:1:14: table `x` has no key: its rows would never replace each other (write CREATE STREAM, or GROUP \
             BY the columns that identify a row; of a Top-N, select the row number too)",
    ),
    (
        "CREATE TABLE x AS SELECT network, count(*) FROM quakes GROUP BY network EMIT FINAL",
        "x.sql:1:19: EMIT FINAL needs windows: without them no result is ever final (read FROM TUMBLE(…) and GROUP \
             BY window_start, window_end, or write EMIT CHANGES)",
    ),
    (
        "CREATE STREAM x AS SELECT n FROM latest",
        "x.sql:1:15: the result changes as rows arrive, so it is not a stream of facts (write CREATE TABLE, or end the \
             query in EMIT FINAL over windows)",
    ),
    (
        "CREATE TABLE x AS SELECT n FROM latest",
        "x.sql:1:14: the key of the result needs `id` (select every column of GROUP BY; a table's rows are told apart by \
             them)",
    ),
    (
        "CREATE TABLE x AS SELECT count(*) FROM TUMBLE(quakes, time, INTERVAL '1' MONTH) GROUP BY window_start",
        "x.sql:1:19: months and years have no fixed length: write the window in days, hours, minutes or seconds",
    ),
    (
        "CREATE TABLE x AS SELECT window_start, corr(magnitude, magnitude) FROM TUMBLE(quakes, time, INTERVAL '1' DAY) \
             GROUP BY window_start EMIT FINAL",
        "x.sql:1:19: the aggregate `corr` is not supported yet (count, sum, avg, min, max, var_samp, var_pop, stddev, \
             stddev_pop, bool_and, bool_or, median, array_agg, string_agg and approx_distinct are)",
    ),
    (
        "CREATE STREAM s (a TEXT, t TIMESTAMP); CREATE TABLE x AS SELECT window_start, count(*) FROM TUMBLE(s, t, \
             INTERVAL '1' DAY) GROUP BY window_start EMIT FINAL",
        "x.sql:1:58: `s` has no watermark, so its windows would never close (declare WATERMARK FOR s.t AS s.t - \
             INTERVAL '5' SECOND)",
    ),
    (
        "CREATE STREAM quakes (a TEXT)",
        "x.sql:1:15: STREAM `quakes` is declared already (choose another name, or write CREATE OR REPLACE)",
    ),
    (
        "CREATE STREAM s (a TEXT) WITH (retention = 'long')",
        "x.sql:1:44: `long` is not a length of time (milliseconds, or for example '7 days', '12 hours', 'forever')",
    ),
    (
        "CREATE TABLE x AS SELECT window_start, count(*) FROM CUMULATE(quakes, time, INTERVAL '7' MINUTES, INTERVAL '1' HOUR) \
             GROUP BY window_start, window_end",
        "x.sql:1:19: the longest cumulative window is not a whole number of steps: write CUMULATE(relation, column, step, \
             size)",
    ),
    (
        "CREATE TABLE x AS SELECT window_start, count(*) FROM CUMULATE(quakes, time, INTERVAL '1' HOUR, INTERVAL '1' DAY) \
             GROUP BY window_start",
        "x.sql:1:19: cumulative windows of one start are told apart by their end (add window_end to GROUP BY)",
    ),
    (
        "CREATE TABLE x AS SELECT network, count(*) FROM SESSION(quakes, time, INTERVAL '1' HOUR) WHERE window_start > time \
             GROUP BY network, window_start, window_end",
        "x.sql:1:19: `window_start` of a session is not known before the session ends (GROUP BY window_start, window_end \
             first, and ask for it in HAVING or around that query)",
    ),
    (
        "CREATE STREAM x AS SELECT * FROM SESSION(quakes, time, INTERVAL '1' HOUR)",
        "x.sql:1:20: which session a row is in is not known before the session ends (GROUP BY the key, window_start and \
             window_end; array_agg keeps the rows' values)",
    ),
    (
        "CREATE TABLE x AS SELECT network, count(*) FROM SESSION(TABLE quakes PARTITION BY id, DESCRIPTOR(time), INTERVAL \
             '1' HOUR) GROUP BY network, window_start, window_end",
        "x.sql:1:19: sessions are told apart by the columns of PARTITION BY, and the groups are not the same (GROUP BY \
             those columns, window_start and window_end; group the result again in a second query)",
    ),
    (
        "CREATE TABLE x AS SELECT network, count(*) FROM SESSION(quakes, time) GROUP BY network, window_start",
        "x.sql:1:19: expected SESSION(relation, column, INTERVAL 'gap'), or SESSION(TABLE relation PARTITION BY key, \
             DESCRIPTOR(column), INTERVAL 'gap')",
    ),
    (
        "CREATE TABLE x AS SELECT network, count(*) FROM quakes WINDOW TUMBLING (SIZE 1 HOUR, RETENTION 1 MINUTE) GROUP BY \
             network",
        "x.sql:1:86: RETENTION is shorter than a window takes rows, so results would go before they are final (at least \
             3600000 MILLISECONDS: the window's length and its GRACE PERIOD)",
    ),
    (
        "CREATE TABLE x AS SELECT window_start, count(*) FROM TUMBLE((SELECT time AS t FROM quakes UNION ALL SELECT \
             _timestamp FROM quakes), t, INTERVAL '1' DAY) GROUP BY window_start",
        "x.sql:1:19: t is not the column of the watermark in every branch of UNION ALL (select the columns of event time \
             at the same place in each branch)",
    ),
    (
        "CREATE STREAM x AS SELECT id FROM quakes WHERE magnitude > (SELECT avg(magnitude) FROM quakes)",
        "x.sql:1:20: the value of a subquery changes with every row of what it reads (write it as a table of its own and \
             join it: FROM stream JOIN table ON …)",
    ),
    (
        "CREATE STREAM x AS SELECT id IN (SELECT id FROM quakes) AS known FROM quakes",
        "x.sql:1:30: EXISTS and IN (SELECT …) are conditions of WHERE, not values (write them in WHERE, joined to the \
             others by AND)",
    ),
    (
        "CREATE STREAM x AS SELECT id FROM quakes WHERE id NOT IN (SELECT id FROM latest)",
        "x.sql:1:20: NOT IN (SELECT …) gives nothing as soon as the subquery has one NULL (write NOT EXISTS (SELECT … \
             WHERE a = b))",
    ),
    (
        "CREATE STREAM s (a TEXT) WITH (delimiter = ';')",
        "x.sql:1:32: `delimiter` is for format 'csv' (add format = 'csv')",
    ),
    (
        "CREATE STREAM s (a TEXT) WITH (format = 'csv', delimiter = '::')",
        "x.sql:1:60: `::` cannot stand between fields (one ASCII character, TAB or SPACE)",
    ),
    (
        "CREATE STREAM s (a TEXT) WITH (replicas = 0)",
        "x.sql:1:43: `0` is not a number of replicas (a whole number from 1 to the number of nodes)",
    ),
    (
        "CREATE STREAM s (a TEXT) WITH (formt = 'json')",
        "x.sql:1:32: no option `formt` (did you mean `format`?)",
    ),
    (
        "CREATE STREAM s (a TEXT, WATERMARK FOR a AS a)",
        "x.sql:1:40: `a` is not a TIMESTAMP (declare it as TIMESTAMP: RFC 3339 text and milliseconds since 1970 \
             are both read)",
    ),
    (
        "CREATE STREAM s (a TIMESTAMP, WATERMARK FOR a AS b - INTERVAL '1' DAY)",
        "x.sql:1:50: no column `b` (columns here: a)",
    ),
    (
        "CREATE TABLE x AS SELECT network, count(*) AS n FROM quakes GROUP BY ROLLUP (network)",
        "x.sql:1:19: the groups of several sets have no key in common, so results that change cannot replace each \
             other (read FROM TUMBLE(…), name window_start and window_end in every set, and end the query in EMIT FINAL)",
    ),
    (
        "CREATE STREAM x AS SELECT network, count(*) AS n FROM TUMBLE(quakes, time, INTERVAL '1' HOUR) \
             GROUP BY ROLLUP (window_start, network) EMIT FINAL",
        "x.sql:1:20: the query reads windows but does not group by them, so no window would ever close (add \
             window_start, window_end to GROUP BY)",
    ),
    (
        "CREATE STREAM x AS SELECT network, count(*) AS n FROM TUMBLE(quakes, time, INTERVAL '1' HOUR) \
             GROUP BY GROUPING SETS ((window_start, network), (network, window_start)) EMIT FINAL",
        "x.sql:1:20: GROUP BY names a set twice (leave one of them out)",
    ),
    ("CREATE STREAM x AS SELECT 1", "x.sql:1:20: the query reads no stream or table (name one in FROM)"),
    (
        "CREATE STREAM x WITH (topic = 'quakes') AS SELECT id FROM quakes",
        "x.sql:1:44: the query would read what it writes: topic `quakes`, for ever (write into another topic: WITH \
             (topic = '…'))",
    ),
    (
        "CREATE TABLE \"große\" WITH (topic = 'g') AS SELECT network, count(*) AS n FROM quakes GROUP BY network",
        "x.sql:1:44: `__p-große-changelog` cannot be a topic's name (give pipeline and query short names of letters, \
             digits, `.`, `_` and `-`)",
    ),
];

#[test]
fn explain_says_where_late_and_unreadable_rows_go() {
    let text = explained(
        "CREATE TABLE x WITH (late.topic = 'l', error.topic = 'd') AS SELECT network, window_end, count(*) AS n \
         FROM SESSION(quakes, time, INTERVAL '1' HOUR) GROUP BY network, window_end EMIT FINAL",
    );
    assert!(text.contains("late rows go to topic l\n"), "{text}");
    assert!(text.contains("records of topic quakes that cannot be read go to topic d\n"), "{text}");
    assert!(text.contains("sessions that end after 1h without a row"), "{text}");
    assert!(text.contains("exchanged by network@"), "{text}");
}

#[test]
fn what_cannot_run_is_refused_with_the_reason_and_a_way_out() {
    for (text, expected) in REFUSALS {
        same_text(&refused(text), expected);
    }
}

#[test]
fn expressions_of_any_depth_are_planned_or_refused() {
    for terms in [10, 70, 250, 3_000] {
        let condition = vec!["magnitude > 1"; terms].join(" OR id <> 'x' AND ");
        let text = format!("CREATE STREAM x AS SELECT id FROM quakes WHERE {condition}");
        match plan(&text) {
            Ok(_) => assert!(terms <= 70),
            Err(reason) => {
                assert!(reason.contains("levels deep") || reason.contains("words and signs"), "{reason}")
            }
        }
    }
}

#[test]
fn all_bad_statements_are_reported_in_one_go() {
    let text =
        refused("CREATE STREAM x AS SELECT nope FROM quakes;\nCREATE STREAM y AS SELECT id FROM nowhere;");
    assert_eq!(text.lines().count(), 2, "{text}");
}

/// Compares texts so that a failure shows what was found in full.
#[track_caller]
fn same_text(found: &str, expected: &str) {
    assert!(found == expected, "found:\n{found}\nexpected:\n{expected}");
}
