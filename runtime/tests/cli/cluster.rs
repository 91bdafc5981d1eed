//! Commands that talk to a cluster: topics, records, groups, settings.

use std::path::Path;

use super::{Finished, Running, millstream, server};

struct Cluster {
    directory: tempfile::TempDir,
    server: Running,
}

impl Cluster {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = server(directory.path());
        Self { directory, server }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let mut all = arguments.to_vec();
        all.extend(["--bootstrap", self.server.part("kafka")]);
        millstream(self.path(), &all)
    }

    fn tell(&self, arguments: &[&str]) -> String {
        self.run(arguments).succeeded()
    }
}

#[test]
fn topics_are_created_listed_changed_and_deleted() {
    let cluster = Cluster::start();
    let created = cluster.tell(&["topic", "create", "orders", "-p", "3", "-c", "retention.ms=60000"]);
    assert_eq!(created, "created orders with 3 partitions\n");
    let again = cluster.run(&["topic", "create", "orders"]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("TOPIC_ALREADY_EXISTS"), "{}", again.stderr);
    cluster.tell(&["topic", "create", "orders", "--if-not-exists"]);
    assert_eq!(cluster.tell(&["topic", "list"]), "TOPIC   PARTITIONS\norders           3\n");
    cluster.tell(&["topic", "alter", "orders", "--partitions", "4", "--config", "retention.ms=1000"]);
    let described = cluster.tell(&["topic", "describe", "orders", "--json"]);
    let described: serde_json::Value = serde_json::from_str(&described).unwrap();
    assert_eq!(described["partitions"].as_array().map(Vec::len), Some(4));
    assert_eq!(described["configs"]["retention.ms"], "1000");
    let shown = cluster.tell(&["config", "describe", "--topic", "orders"]);
    assert!(shown.contains("retention.ms   1000  topic"), "{shown}");
    let missing = cluster.run(&["topic", "describe", "none"]);
    assert_eq!(missing.code, Some(1), "{missing:?}");
    cluster.tell(&["topic", "delete", "orders"]);
    assert_eq!(cluster.tell(&["topic", "list"]), "TOPIC  PARTITIONS\n");
}

#[test]
fn lines_become_records_and_records_become_lines() {
    let cluster = Cluster::start();
    std::fs::write(cluster.path().join("in.txt"), "k1:v1\nk2:NULL\nk3:{\"a\": 1}\n").unwrap();
    for compression in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = format!("t-{compression}");
        cluster.tell(&["topic", "create", &topic, "-p", "1"]);
        let produce =
            ["produce", &topic, "in.txt", "-K", ":", "--null-value", "NULL", "-z", compression, "-H", "h=x"];
        cluster.tell(&produce);
        let plain = cluster.tell(&["consume", &topic, "--from-beginning", "--until-end"]);
        assert_eq!(plain, "v1\n\n{\"a\": 1}\n", "{compression}");
    }
    let template = "%t/%p@%o %k=%s [%h]\\n";
    let shown = cluster.tell(&["consume", "t-zstd", "--from-offset", "1", "-e", "-n", "1", "-f", template]);
    assert_eq!(shown, "t-zstd/0@1 k2= [h=x]\n");
    let json = cluster.tell(&["consume", "t-none", "--from-offset", "2", "-e", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["key"], &json["value"]["a"]), (&"k3".into(), &1.into()));
    assert_eq!(json["headers"][0]["key"], "h");
    let no_key = cluster.run(&["produce", "t-none", "in.txt", "-K", "::"]);
    assert_eq!(no_key.code, Some(1));
    assert!(no_key.stderr.contains("in.txt:1: no key separator"), "{}", no_key.stderr);
}

#[test]
fn a_place_in_time_is_found() {
    let cluster = Cluster::start();
    for (time, line) in [("2026-01-01T00:00:00Z", "old"), ("2026-01-02T00:00:00Z", "new")] {
        std::fs::write(cluster.path().join("in.txt"), line).unwrap();
        cluster.tell(&["produce", "t", "in.txt", "--timestamp", time]);
    }
    let found = cluster.tell(&["consume", "t", "--from-time", "2026-01-01T12:00:00Z", "--until-end"]);
    assert_eq!(found, "new\n");
}

#[test]
fn a_group_goes_on_where_it_was_and_can_be_reset() {
    let cluster = Cluster::start();
    let lines: String = (0..10).map(|number| format!("{number}\n")).collect();
    std::fs::write(cluster.path().join("in.txt"), lines).unwrap();
    cluster.tell(&["topic", "create", "t", "-p", "1"]);
    cluster.tell(&["produce", "t", "in.txt"]);
    let read = |count: &str| {
        cluster.tell(&["consume", "t", "--group", "g", "--from-beginning", "--until-end", "-n", count])
    };
    assert_eq!(read("4"), "0\n1\n2\n3\n");
    assert_eq!(read("10"), "4\n5\n6\n7\n8\n9\n", "what was fetched and not printed is not committed");
    assert_eq!(read("10"), "", "everything is committed");
    let described = cluster.tell(&["group", "describe", "g", "--json"]);
    let described: serde_json::Value = serde_json::from_str(&described).unwrap();
    assert_eq!(
        (&described["partitions"][0]["offset"], &described["partitions"][0]["lag"]),
        (&10.into(), &0.into())
    );
    let plan = cluster.run(&["group", "reset-offsets", "g", "--to-offset", "7"]);
    assert!(plan.stderr.contains("nothing was changed"), "{plan:?}");
    assert_eq!(read("10"), "");
    cluster.tell(&["group", "reset-offsets", "g", "--to-offset", "7", "--execute"]);
    assert_eq!(read("10"), "7\n8\n9\n");
    cluster.tell(&["group", "delete", "g"]);
    assert!(!cluster.tell(&["group", "list"]).contains("g  "));
}

#[test]
fn a_cluster_that_is_not_there_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let finished = millstream(directory.path(), &["topic", "list", "--bootstrap", &unused]);
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains(&unused), "{}", finished.stderr);
}
