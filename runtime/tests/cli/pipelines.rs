//! `run`: files through topics, SQL and sinks, to the end and after a crash.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Running, get, millstream, server, wait_until};

const FREE_PORTS: [&str; 4] = ["--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"];

const PIPELINE: &str = "\
name: shop
topics:
  orders: { partitions: 3 }
sources:
  in:
    use: file
    with: { path: in.jsonl }
    to: orders
    key: country
    transforms:
      - filter: \"amount > 0\"
      - map: { cents: amount * 100 }
streams:
  - sql: |
      CREATE STREAM orders (country TEXT, amount BIGINT, cents BIGINT, at TIMESTAMP,
        WATERMARK FOR at AS at - INTERVAL '1' SECOND) WITH (topic = 'orders', format = 'json');
      CREATE TABLE totals AS
        SELECT country, window_start, sum(cents) AS total
        FROM TUMBLE(orders, at, INTERVAL '1' MINUTE)
        GROUP BY country, window_start, window_end EMIT FINAL;
sinks:
  all:
    from: orders
    use: file
    with: { path: out/orders.jsonl }
  totals:
    from: totals
    use: file
    with: { path: out/totals.jsonl }
";

fn run_until_done(directory: &Path, file: &str) -> super::Finished {
    let mut arguments = vec!["run", file, "--until-done"];
    arguments.extend(FREE_PORTS);
    millstream(directory, &arguments)
}

fn sorted_lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Orders over ten minutes, one in eleven without an amount.
fn orders(count: u64) -> String {
    let line = |number: u64| {
        let (minute, second) = (number * 10 / count, number % 60);
        let country = ["NO", "DE", "FR", "PE"][usize::try_from(number % 4).unwrap()];
        let amount = number % 11;
        format!(
            "{{\"country\":\"{country}\",\"amount\":{amount},\"at\":\"2026-01-01T00:{minute:02}:{second:02}Z\"}}\n"
        )
    };
    (0..count).map(line).collect()
}

/// What the SQL of [`PIPELINE`] must give: total by country and minute.
fn expected_totals(count: u64) -> BTreeMap<(String, String), i64> {
    let mut totals = BTreeMap::new();
    for line in orders(count).lines() {
        let order: serde_json::Value = serde_json::from_str(line).unwrap();
        let amount = order["amount"].as_i64().unwrap();
        if amount > 0 {
            let at = order["at"].as_str().unwrap();
            let key = (order["country"].as_str().unwrap().to_owned(), format!("{}:00Z", &at[..16]));
            *totals.entry(key).or_default() += amount * 100;
        }
    }
    totals
}

fn found_totals(path: &Path) -> BTreeMap<(String, String), i64> {
    let mut totals = BTreeMap::new();
    for line in sorted_lines(path) {
        let row: serde_json::Value = serde_json::from_str(&line).unwrap();
        let text =
            |field: &str| row[field].as_str().unwrap_or_else(|| panic!("{field} in {line}")).to_owned();
        let key = (text("country"), text("window_start"));
        assert!(totals.insert(key, row["total"].as_i64().unwrap()).is_none(), "{line} is there twice");
    }
    totals
}

#[test]
fn a_file_goes_through_sql_into_files() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("p.yaml"), PIPELINE).unwrap();
    std::fs::write(directory.path().join("in.jsonl"), orders(2_000)).unwrap();
    let told = run_until_done(directory.path(), "p.yaml").succeeded();
    assert!(told.starts_with("shop: done in "), "{told}");
    assert!(told.contains("head ./out/orders.jsonl") || told.contains("head out/orders.jsonl"), "{told}");
    let kept = orders(2_000).lines().filter(|line| !line.contains("\"amount\":0,")).count();
    assert_eq!(sorted_lines(&directory.path().join("out/orders.jsonl")).len(), kept);
    assert_eq!(found_totals(&directory.path().join("out/totals.jsonl")), expected_totals(2_000));
    // A second run finds nothing new, and changes nothing.
    let before = std::fs::read(directory.path().join("out/orders.jsonl")).unwrap();
    run_until_done(directory.path(), "p.yaml").succeeded();
    assert_eq!(std::fs::read(directory.path().join("out/orders.jsonl")).unwrap(), before);
}

#[test]
fn a_run_that_is_killed_goes_on_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("p.yaml"), PIPELINE).unwrap();
    std::fs::write(directory.path().join("in.jsonl"), orders(30_000)).unwrap();
    for _ in 0..3 {
        let mut arguments = vec!["run", "p.yaml"];
        arguments.extend(FREE_PORTS);
        let running = Running::start(directory.path(), &arguments);
        wait_until("tasks run", || get(running.part("http"), "/v1/pipelines").contains("\"tasks\""));
        running.kill();
    }
    run_until_done(directory.path(), "p.yaml").succeeded();
    let kept = orders(30_000).lines().filter(|line| !line.contains("\"amount\":0,")).count();
    assert_eq!(sorted_lines(&directory.path().join("out/orders.jsonl")).len(), kept);
    assert_eq!(found_totals(&directory.path().join("out/totals.jsonl")), expected_totals(30_000));
}

#[test]
fn other_clients_can_look_in_while_it_runs() {
    let directory = tempfile::tempdir().unwrap();
    let file = "name: h\nsources: { in: { use: file, with: { path: in.jsonl }, to: t } }\n";
    std::fs::write(directory.path().join("p.yaml"), file).unwrap();
    std::fs::write(directory.path().join("in.jsonl"), "{\"a\":1}\n{\"a\":2}\n").unwrap();
    let mut arguments = vec!["run", "p.yaml"];
    arguments.extend(FREE_PORTS);
    let running = Running::start(directory.path(), &arguments);
    let consume = ["consume", "t", "--from-beginning", "-n", "2", "--bootstrap", running.part("kafka")];
    // The topic comes after the ready line.
    wait_until("the topic is there", || {
        let describe = ["topic", "describe", "t", "--bootstrap", running.part("kafka")];
        millstream(directory.path(), &describe).code == Some(0)
    });
    assert_eq!(millstream(directory.path(), &consume).succeeded(), "{\"a\":1}\n{\"a\":2}\n");
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn the_same_file_runs_on_another_cluster() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = server(directory.path());
    let on_cluster = format!("cluster: {{ bootstrap: \"{}\" }}\n{PIPELINE}", cluster.part("kafka"));
    std::fs::write(directory.path().join("p.yaml"), on_cluster).unwrap();
    std::fs::write(directory.path().join("in.jsonl"), orders(2_000)).unwrap();
    let arguments = ["run", "p.yaml", "--until-done", "--http", "127.0.0.1:0"];
    let finished = millstream(directory.path(), &arguments);
    assert!(finished.stderr.contains("node=- data=-"), "{finished:?}");
    finished.succeeded();
    assert_eq!(found_totals(&directory.path().join("out/totals.jsonl")), expected_totals(2_000));
    assert!(!directory.path().join(".millstream").exists(), "no node was started here");
    let groups = ["group", "list", "--bootstrap", cluster.part("kafka")];
    assert!(millstream(directory.path(), &groups).succeeded().contains("shop"));
}

#[test]
fn values_come_from_set() {
    let directory = tempfile::tempdir().unwrap();
    let file = "name: h\nsources: { in: { use: file, with: { path: \"${INPUT}\" }, to: t } }\n\
                sinks: { out: { from: t, use: file, with: { path: \"${OUTPUT:-out.jsonl}\" } } }\n";
    std::fs::write(directory.path().join("p.yaml"), file).unwrap();
    std::fs::write(directory.path().join("in.jsonl"), "{\"a\":1}\n").unwrap();
    let missing = run_until_done(directory.path(), "p.yaml");
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("INPUT is not set"), "{}", missing.stderr);
    let mut arguments = vec!["run", "p.yaml", "--until-done", "--set", "INPUT=in.jsonl"];
    arguments.extend(FREE_PORTS);
    millstream(directory.path(), &arguments).succeeded();
    assert_eq!(std::fs::read_to_string(directory.path().join("out.jsonl")).unwrap(), "{\"a\":1}\n");
}

#[test]
fn what_cannot_work_fails_with_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let file = "name: h\nsources: { in: { use: file, with: { path: none.jsonl }, to: t } }\n";
    std::fs::write(directory.path().join("p.yaml"), file).unwrap();
    let finished = run_until_done(directory.path(), "p.yaml");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("none.jsonl"), "{}", finished.stderr);
    let endless =
        "name: e\nsources: { in: { use: stdin, to: t } }\ncluster: { bootstrap: \"127.0.0.1:1\" }\n";
    std::fs::write(directory.path().join("e.yaml"), endless).unwrap();
    let both =
        millstream(directory.path(), &["run", "e.yaml", "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    assert_eq!(both.code, Some(2), "{both:?}");
}

#[test]
fn a_topic_with_other_partitions_is_no_silent_change() {
    let directory = tempfile::tempdir().unwrap();
    let file = |partitions: u32| {
        format!(
            "name: h\ntopics: {{ t: {{ partitions: {partitions} }} }}\n\
             sources: {{ in: {{ use: file, with: {{ path: in.jsonl }}, to: t }} }}\n"
        )
    };
    std::fs::write(directory.path().join("in.jsonl"), "{\"a\":1}\n").unwrap();
    std::fs::write(directory.path().join("p.yaml"), file(2)).unwrap();
    run_until_done(directory.path(), "p.yaml").succeeded();
    std::fs::write(directory.path().join("p.yaml"), file(3)).unwrap();
    let finished = run_until_done(directory.path(), "p.yaml");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("topic t has 2 partitions, the file says 3"), "{}", finished.stderr);
}

#[test]
fn a_query_that_has_changed_does_not_go_on_with_the_state_of_what_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let write = |query: &str| {
        let pipeline = format!(
            "name: changed
topics: {{ e: {{ partitions: 2 }}, other: {{}} }}
sources: {{ in: {{ use: file, with: {{ path: 'in/*.jsonl' }}, to: e, key: k }} }}
streams:
  - sql: |
      CREATE STREAM e (k TEXT, u TEXT, v BIGINT) WITH (topic = 'e');
      CREATE STREAM other (k TEXT, u TEXT, v BIGINT) WITH (topic = 'other');
      CREATE TABLE t AS {query};
sinks: {{ out: {{ from: t, use: file, with: {{ path: out.jsonl }} }} }}
"
        );
        std::fs::write(directory.path().join("p.yaml"), pipeline).unwrap();
    };
    let add = |file: &str, line: &str| {
        std::fs::create_dir_all(directory.path().join("in")).unwrap();
        std::fs::write(directory.path().join("in").join(file), line).unwrap();
    };
    write("SELECT k, max(v) AS m FROM e GROUP BY k");
    add("1.jsonl", "{\"k\":\"a\",\"u\":\"x\",\"v\":5}\n{\"k\":\"a\",\"u\":\"y\",\"v\":3}\n");
    run_until_done(directory.path(), "p.yaml").succeeded();
    for changed in [
        "SELECT k, min(v) AS m FROM e GROUP BY k",
        "SELECT u AS k, max(v) AS m FROM e GROUP BY u",
        "SELECT k, max(v) AS m FROM other GROUP BY k",
        "SELECT k, max(v) AS m, count(*) AS n FROM e GROUP BY k",
    ] {
        write(changed);
        let refused = run_until_done(directory.path(), "p.yaml");
        assert_eq!(refused.code, Some(1), "{changed}: {}", refused.stderr);
        let says = refused.stderr.contains("query `t` has changed")
            && refused.stderr.contains("delet")
            && refused.stderr.contains("group `millstream-changed-t`");
        assert!(says, "{changed}: {}", refused.stderr);
    }
    // What has no state may change.
    write("SELECT k, max(v) AS m FROM e WHERE v < 100 GROUP BY k");
    add("2.jsonl", "{\"k\":\"a\",\"u\":\"x\",\"v\":50}\n{\"k\":\"a\",\"u\":\"x\",\"v\":500}\n");
    run_until_done(directory.path(), "p.yaml").succeeded();
    let last = std::fs::read_to_string(directory.path().join("out.jsonl")).unwrap();
    assert!(last.ends_with("{\"k\":\"a\",\"m\":50}\n"), "{last}");
}

#[test]
fn a_group_without_a_name_is_a_row_of_its_table() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("in.jsonl"),
        "{\"c\":\"NO\",\"v\":5}\n{\"c\":null,\"v\":6}\n{\"v\":1}\n{\"c\":\"null\",\"v\":8}\n{\"c\":\"\",\"v\":9}\n",
    )
    .unwrap();
    let pipeline = "name: nulls
topics: { e: {} }
sources: { in: { use: file, with: { path: in.jsonl }, to: e } }
streams:
  - sql: |
      CREATE STREAM e (c TEXT, v BIGINT) WITH (topic = 'e');
      CREATE TABLE totals AS SELECT c, sum(v) AS s FROM e GROUP BY c;
      CREATE TABLE above AS SELECT c, s + 1 AS s FROM totals;
sinks: { out: { from: above, use: file, with: { path: out.jsonl } } }
";
    std::fs::write(directory.path().join("p.yaml"), pipeline).unwrap();
    run_until_done(directory.path(), "p.yaml").succeeded();
    let last: BTreeMap<String, i64> = rows_of(&directory.path().join("out.jsonl"))
        .into_iter()
        .map(|row| (row["c"].to_string(), row["s"].as_i64().unwrap()))
        .collect();
    let expected = [("\"NO\"", 6), ("null", 8), ("\"null\"", 9), ("\"\"", 10)];
    assert_eq!(last, expected.map(|(name, sum)| (name.to_owned(), sum)).into());
}

/// The rows of a file as they were written.
fn rows_of(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
