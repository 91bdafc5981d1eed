//! Random rows in random partitions, against a plain pass over them that knows nothing of batches, commits or state.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::{DateTime, SecondsFormat};

use super::model::Disturbance;
use super::scenario::Scenario;

const SECOND_MS: i64 = 1_000;
const SIZE_MS: i64 = 60 * SECOND_MS;
const DELAY_MS: i64 = 20 * SECOND_MS;
const GRACE_MS: i64 = 10 * SECOND_MS;
const PARTITIONS: usize = 3;

const PROGRAM: &str = "program
CREATE STREAM r (k TEXT, at TIMESTAMP, n BIGINT, x DOUBLE, WATERMARK FOR at AS at - INTERVAL '20' SECOND);
CREATE TABLE w AS SELECT k, count(*) AS c, sum(n) AS n, min(n) AS least, sum(x) AS x, max(x) AS most FROM r
  WINDOW HOPPING (SIZE 60 SECONDS, ADVANCE BY 20 SECONDS, GRACE PERIOD 10 SECONDS) WHERE n <> 7 GROUP BY k EMIT FINAL;
";

struct Row {
    key: Option<char>,
    at_ms: i64,
    n: i64,
    x: f64,
}

struct Seeded(u64);

impl Seeded {
    fn next(&mut self, below: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as i64 % below
    }

    fn rows(&mut self) -> Vec<Row> {
        let count = self.next(40);
        let row = |number| Row {
            key: Some(self.next(4)).filter(|key| *key < 3).map(|key| char::from(b'a' + key as u8)),
            at_ms: number * 5 * SECOND_MS + self.next(90) * SECOND_MS - 45 * SECOND_MS + self.next(3),
            n: self.next(12),
            x: self.next(1_000_000) as f64 / 1024.0 - 1e12 * self.next(2) as f64,
        };
        (0..count).map(row).collect()
    }
}

#[derive(Default)]
struct Group {
    count: u64,
    n: i64,
    least: Option<i64>,
    xs: Vec<f64>,
}

/// Per window end and key, in that order.
fn expected(partitions: &[Vec<Row>]) -> (BTreeMap<(i64, Option<char>), Group>, u64) {
    let mut groups: BTreeMap<(i64, Option<char>), Group> = BTreeMap::new();
    let mut late = 0;
    for rows in partitions {
        let mut watermark_ms = i64::MIN;
        for row in rows {
            let last = row.at_ms.div_euclid(20 * SECOND_MS) * 20 * SECOND_MS;
            for start in [last - 40 * SECOND_MS, last - 20 * SECOND_MS, last] {
                let end = start + SIZE_MS;
                if row.n == 7 {
                    continue;
                }
                if end + GRACE_MS <= watermark_ms {
                    late += 1;
                    continue;
                }
                let group = groups.entry((end, row.key)).or_default();
                group.count += 1;
                group.n += row.n;
                group.least = Some(group.least.map_or(row.n, |least| least.min(row.n)));
                group.xs.push(row.x);
            }
            watermark_ms = watermark_ms.max(row.at_ms - DELAY_MS);
        }
    }
    (groups, late)
}

fn text(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .expect("a time in range")
        .to_rfc3339_opts(if ms % SECOND_MS == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis }, true)
}

/// The exact sum, rounded once: these values are whole numbers of 1/1024.
fn exact(xs: &[f64]) -> f64 {
    let parts: i128 = xs.iter().map(|x| (x * 1024.0) as i128).sum();
    parts as f64 / 1024.0
}

fn scenario(seed: u64) -> Scenario {
    let mut seeded = Seeded(seed * 0x9E37_79B9 + 1);
    let partitions: Vec<Vec<Row>> = (0..PARTITIONS).map(|_| seeded.rows()).collect();
    let mut script = PROGRAM.to_owned();
    for (partition, rows) in partitions.iter().enumerate() {
        writeln!(script, "\ninput r {partition}").expect("text grows");
        for row in rows {
            let key = row.key.map_or("null".to_owned(), |key| format!("\"{key}\""));
            let (at, n, x) = (text(row.at_ms), row.n, row.x);
            writeln!(script, "- {{\"k\":{key},\"at\":\"{at}\",\"n\":{n},\"x\":{x}}}").expect("text grows");
        }
    }
    let (groups, late) = expected(&partitions);
    script.push_str("\nfinish\n\noutput w\n");
    for ((end, key), group) in groups {
        let key = key.map_or("null".to_owned(), |key| format!("\"{key}\""));
        let (start, end) = (text(end - SIZE_MS), text(end));
        let most = serde_json::Value::from(group.xs.iter().copied().fold(f64::MIN, f64::max));
        let (count, n, least) = (group.count, group.n, group.least.unwrap_or_default());
        writeln!(
            script,
            "[{key},\"{start}\"] {{\"k\":{key},\"c\":{count},\"n\":{n},\"least\":{least},\"x\":{},\"most\":{most},\
             \"window_start\":\"{start}\",\"window_end\":\"{end}\"}}",
            serde_json::Value::from(exact(&group.xs))
        )
        .expect("text grows");
    }
    writeln!(script, "\nlate w {late}\n\nstate w 0").expect("text grows");
    Scenario::parse(format!("seed {seed}"), &script)
}

#[tokio::test]
async fn random_rows_give_what_a_plain_pass_gives() {
    for seed in 1..30 {
        let scenario = scenario(seed);
        for shake in 1..5 {
            scenario.run(&Disturbance::shaken(shake + seed)).await;
        }
        let steps = scenario.run(&Disturbance::none()).await;
        scenario.run(&Disturbance::shaken(seed).scaling(&[3, 2])).await;
        scenario.run(&Disturbance::none().crashing_at(steps / 2, None)).await;
        scenario
            .run(&Disturbance::shaken(seed).crashing_at(seed as usize % 40, Some(seed as usize % 40 + 9)))
            .await;
    }
}
