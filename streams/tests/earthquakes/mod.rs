//! The earthquakes example: out-of-order event time, on several numbers of partitions, killed and started again.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use chrono::{DateTime, Utc};
use millstream_client::partition_for_key;
use millstream_streams::Plan;

use crate::cluster::{PATIENCE, TestCluster, plan};

const HOUR_MS: i64 = 3_600_000;

struct Quake {
    network: String,
    line: String,
    time_ms: i64,
    magnitude: f64,
}

fn quakes() -> Vec<Quake> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/earthquakes");
    let text = std::fs::read_to_string(folder.join("earthquakes.jsonl")).unwrap();
    text.lines()
        .map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            let time = value["time"].as_str().unwrap();
            Quake {
                network: value["network"].as_str().unwrap().to_owned(),
                line: line.to_owned(),
                time_ms: DateTime::parse_from_rfc3339(time).unwrap().timestamp_millis(),
                magnitude: value["magnitude"].as_f64().unwrap(),
            }
        })
        .collect()
}

/// The example's SQL, on topics of its own.
fn example(cluster: &TestCluster, quakes_topic: &str) -> Plan {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/earthquakes");
    let text = std::fs::read_to_string(folder.join("hourly.sql")).unwrap();
    let text = text
        .replace("topic = 'quakes'", &format!("topic = '{quakes_topic}'"))
        .replace("CREATE TABLE hourly AS", "CREATE TABLE hourly WITH (topic = '@hourly', partitions = 1) AS");
    assert!(text.contains("'@hourly'"), "the example has changed");
    plan(cluster, &text)
}

/// What the query must give, computed in one plain pass: one line per network and hour, in that order.
fn expected(quakes: &[Quake], partitions: usize) -> Vec<String> {
    let mut watermarks = BTreeMap::new();
    let mut windows: BTreeMap<(i64, &str), Vec<f64>> = BTreeMap::new();
    for quake in quakes {
        let watermark =
            watermarks.entry(partition_for_key(quake.network.as_bytes(), partitions)).or_insert(i64::MIN);
        let start = quake.time_ms.div_euclid(HOUR_MS) * HOUR_MS;
        let late = start + HOUR_MS <= *watermark;
        *watermark = (*watermark).max(quake.time_ms - 6 * HOUR_MS);
        if quake.magnitude >= 2.5 && !late {
            windows.entry((start, &quake.network)).or_default().push(quake.magnitude);
        }
    }
    let text =
        |ms| DateTime::<Utc>::from_timestamp_millis(ms).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    windows
        .into_iter()
        .map(|((start, network), magnitudes)| {
            let strongest = magnitudes.iter().copied().fold(f64::MIN, f64::max);
            // Hundredths are whole numbers: their sum is exact.
            let hundredths: f64 = magnitudes.iter().map(|magnitude| (magnitude * 100.0).round()).sum();
            let average = hundredths / 100.0 / magnitudes.len() as f64;
            let count = magnitudes.len();
            format!("{network} {} {} {count} {strongest} {average:.9}", text(start), text(start + HOUR_MS))
        })
        .collect()
}

fn found(cluster: &TestCluster, topic: &str) -> Vec<String> {
    let read = cluster.read(topic).into_iter();
    read.map(|(_, key, value)| {
        let value: serde_json::Value = serde_json::from_str(&value).unwrap();
        let text = |name: &str| value[name].as_str().unwrap().to_owned();
        assert_eq!(key, format!("[\"{}\",\"{}\"]", text("network"), text("window_start")));
        format!(
            "{} {} {} {} {} {:.9}",
            text("network"),
            text("window_start"),
            text("window_end"),
            value["quakes"],
            value["strongest"].as_f64().unwrap(),
            value["average"].as_f64().unwrap()
        )
    })
    .collect()
}

/// What is only in one of them. Workers give the results of a window side by side, so that their order says nothing.
fn differences(mut found: Vec<String>, mut expected: Vec<String>) -> Vec<String> {
    assert!(!expected.is_empty());
    found.sort();
    expected.sort();
    let only = |rows: &[String], others: &[String], sign: &str| -> Vec<String> {
        rows.iter().filter(|row| !others.contains(row)).map(|row| format!("{sign} {row}")).collect()
    };
    let mut found_twice: Vec<String> =
        found.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| format!("twice {}", pair[0])).collect();
    found_twice.extend(only(&expected, &found, "-"));
    found_twice.extend(only(&found, &expected, "+"));
    found_twice
}

#[test]
fn the_example_gives_what_a_plain_pass_gives_on_any_number_of_partitions() {
    let mut cluster = TestCluster::start();
    let quakes = quakes();
    let prefix = cluster.prefix.clone();
    for partitions in [1, 2, 4] {
        cluster = cluster.named(format!("{prefix}-{partitions}"));
        let topic = cluster.name("quakes");
        cluster.create_topic(&topic, partitions);
        cluster.produce(&topic, quakes.iter().map(|quake| (quake.network.as_str(), quake.line.as_str())));
        let running = cluster.run(&example(&cluster, &topic));
        running.finish(&cluster);
        let found = found(&cluster, &cluster.name("hourly"));
        assert_eq!(differences(found, expected(&quakes, partitions as usize)), Vec::<String>::new());
        running.stop();
    }
}

#[test]
fn the_example_loses_and_doubles_nothing_when_it_is_killed() {
    let cluster = TestCluster::start();
    let quakes = quakes();
    let topic = cluster.name("quakes");
    cluster.create_topic(&topic, 4);
    let plan = example(&cluster, &topic);
    let pieces: Vec<&[Quake]> = quakes.chunks(quakes.len() / 6).collect();
    for (round, piece) in pieces.iter().enumerate() {
        cluster.produce(&topic, piece.iter().map(|quake| (quake.network.as_str(), quake.line.as_str())));
        let running = cluster.run(&plan);
        let deadline = Instant::now() + PATIENCE;
        // In the middle of it: something was read, perhaps committed, perhaps not.
        while running.queries.status()[0].rows_in == 0
            || (round % 2 == 0 && running.queries.status()[0].commits == 0)
        {
            assert!(Instant::now() < deadline, "nothing happens: {:?}", running.queries.status());
            std::thread::yield_now();
        }
        running.kill();
    }
    let running = cluster.run(&plan);
    running.finish(&cluster);
    let found = found(&cluster, &cluster.name("hourly"));
    assert_eq!(differences(found, expected(&quakes, 4)), Vec::<String>::new());
    running.stop();
}
