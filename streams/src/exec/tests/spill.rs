//! Windows of many groups give the same, in the same order, wherever their groups are.

use std::fmt::Write;

use super::model::Disturbance;
use super::scenario::Scenario;
use crate::state::store::StateDatabase;

const PROGRAM: &str = "program
CREATE STREAM s (k BIGINT, n BIGINT, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL '5' SECOND);
CREATE TABLE q AS SELECT k, window_start, count(*) AS c, sum(n) AS n, max(n) AS m
  FROM HOP(s, at, INTERVAL '10' SECOND, INTERVAL '20' SECOND) GROUP BY k, window_start, window_end EMIT FINAL;
CREATE TABLE c AS SELECT k, window_end, count(*) AS c, avg(n) AS n
  FROM TUMBLE(s, at, INTERVAL '10' SECOND) GROUP BY k, window_end EMIT CHANGES;
CREATE TABLE visits AS SELECT k, count(*) AS c FROM s WINDOW SESSION (8 SECONDS) GROUP BY k EMIT FINAL;
";

/// So many keys that windows of a minute's rows are sorted whole, and those of the next are not.
fn scenario() -> Scenario {
    let mut script = PROGRAM.to_owned();
    for partition in 0..2 {
        writeln!(script, "\ninput s {partition}").expect("text grows");
        for row in 0..240_i64 {
            let keys = if row < 120 { 20 } else { 150 };
            let (key, second) = ((row * 7 + partition) % keys, row / 6 + (row * 5 + partition) % 4);
            writeln!(script, "- {{\"k\":{key},\"n\":{row},\"at\":{}}}", 1_000_000 + second * 1_000)
                .expect("text grows");
        }
    }
    script.push_str("\nfinish\n");
    Scenario::parse("spill".to_owned(), &script)
}

#[tokio::test]
async fn closed_windows_do_not_depend_on_what_was_in_memory() {
    let scenario = scenario();
    for (topic, latest) in [("q", false), ("c", true), ("visits", false)] {
        let expected = scenario.values(&Disturbance::none(), topic, latest).await;
        assert!(expected.len() > 100, "{topic}: {}", expected.len());
        for seed in 1..5 {
            for crash in [usize::MAX, 30 * seed as usize] {
                let directory = tempfile::tempdir().expect("a directory");
                let database = StateDatabase::without_memory(directory.path());
                let how = Disturbance::shaken(seed).with_database(database).crashing_at(crash, None);
                let found = scenario.values(&how, topic, latest).await;
                assert!(found == expected, "{topic} with {how:?}:\n{}", found.join("\n"));
            }
        }
    }
}
