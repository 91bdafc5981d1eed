//! Pipelines on a running node: planned, applied, changed part by part, paused, deleted; and the same by Kafka Connect's
//! interface.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::{Value, json};

use super::{Running, millstream, server, wait_until};

fn write_pipeline(folder: &Path, output: &str, extra: &str) {
    let text = format!(
        "name: shop\n\
         topics: {{ big: {{}} }}\n\
         sources:\n  \
           in:\n    use: file\n    with: {{ path: in.jsonl, follow: true }}\n    to: lines\n    \
           transforms:\n      - drop: [secret]\n      - route: {{ field: kind, pattern: \"^b\", to: big }}\n\
         sinks:\n  \
           out: {{ from: lines, use: file, with: {{ path: {output} }} }}\n{extra}"
    );
    fs::write(folder.join("p.yaml"), text).unwrap();
}

fn append(folder: &Path, lines: &str) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(folder.join("in.jsonl")).unwrap();
    file.write_all(lines.as_bytes()).unwrap();
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_default()
}

fn cli(folder: &Path, node: &Running, arguments: &[&str]) -> String {
    millstream(folder, &[arguments, &["--node", node.part("http")]].concat()).succeeded()
}

fn part(node: &Running, name: &str) -> Value {
    let (status, shown) = http(node.part("http"), "GET", "/v1/pipelines/shop", None);
    assert_eq!(status, 200, "{shown}");
    shown["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|task| task["node"] == name)
        .cloned()
        .unwrap_or(Value::Null)
}

#[test]
fn only_what_changed_restarts_and_everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    append(folder, "{\"n\":1,\"secret\":\"x\"}\n{\"n\":2,\"kind\":\"big\"}\n");
    write_pipeline(folder, "out.jsonl", "");
    let node = server(folder);
    assert_eq!(
        cli(folder, &node, &["plan", "p.yaml"]),
        "shop:\n  + topic big\n  + source in\n  + sink out\n"
    );
    assert_eq!(http(node.part("http"), "GET", "/v1/pipelines/shop", None).0, 404);
    cli(folder, &node, &["apply", "p.yaml"]);
    wait_until("the first line", || read(folder, "out.jsonl") == "{\"n\":1}\n");
    assert_eq!(cli(folder, &node, &["plan", "p.yaml"]), "shop: nothing changes\n");
    // Another sink joins and the old one writes elsewhere; the source goes on as it is.
    write_pipeline(folder, "out2.jsonl", "  large: { from: big, use: file, with: { path: large.jsonl } }\n");
    let plan = "shop:\n  + sink large\n  ~ sink out\n      with.path: \"out.jsonl\" → \"out2.jsonl\"\n";
    assert_eq!(cli(folder, &node, &["plan", "p.yaml"]), plan);
    assert_eq!(cli(folder, &node, &["apply", "p.yaml"]), plan);
    assert_eq!(part(&node, "in")["records"], 2, "the source's counters go on");
    wait_until("the routed record", || read(folder, "large.jsonl") == "{\"n\":2,\"kind\":\"big\"}\n");
    wait_until("another file from its beginning", || read(folder, "out2.jsonl") == "{\"n\":1}\n");
    // Paused, it stands still; the node remembers.
    let (status, _) = http(node.part("http"), "POST", "/v1/pipelines/shop/nodes/out/pause", None);
    assert_eq!((status, part(&node, "out")["state"].clone()), (204, json!("paused")));
    append(folder, "{\"n\":3}\n");
    wait_until("the source", || part(&node, "in")["records"] == 3);
    let paused = part(&node, "out");
    let lags: Vec<&Value> = paused["parts"].as_object().unwrap().values().map(|part| &part["lag"]).collect();
    assert!(
        !lags.is_empty() && lags.iter().all(|lag| lag.is_null()),
        "what nobody looks at is not told: {paused}"
    );
    node.kill();
    let node = server(folder);
    wait_until("the pipeline", || part(&node, "out")["state"] == "paused");
    assert_eq!(read(folder, "out2.jsonl"), "{\"n\":1}\n");
    let (status, _) = http(node.part("http"), "POST", "/v1/pipelines/shop/nodes/out/resume", None);
    assert_eq!(status, 204);
    wait_until("the rest", || read(folder, "out2.jsonl") == "{\"n\":1}\n{\"n\":3}\n");
    let status = cli(folder, &node, &["status"]);
    assert!(status.contains("shop      in     source file") && status.contains("exactly-once"), "{status}");
    // A version that cannot work changes nothing.
    write_pipeline(folder, "out2.jsonl", "  bad: { from: lines, use: fille }\n");
    let refused = millstream(folder, &["apply", "p.yaml", "--node", node.part("http")]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("did you mean \"file\"?"), "{refused:?}");
    assert_eq!(part(&node, "in")["state"], "running");
    write_pipeline(folder, "out2.jsonl", "");
    assert_eq!(cli(folder, &node, &["apply", "p.yaml"]), "shop:\n  - sink large\n");
    assert_eq!(cli(folder, &node, &["delete", "p.yaml"]), "shop: deleted; its topics and positions stay\n");
    assert_eq!(cli(folder, &node, &["status"]), "no pipelines\n");
    assert_eq!(node.stop(), Some(0));
}

/// A node with a file of two lines, a connector that reads it and one that writes it.
struct Connectors {
    node: Running,
    folder: tempfile::TempDir,
}

impl Connectors {
    fn start() -> Connectors {
        let folder = tempfile::tempdir().unwrap();
        append(folder.path(), "one\ntwo\n");
        let connectors = Connectors { node: server(folder.path()), folder };
        let config = connectors.reader();
        let (status, made) =
            connectors.call("POST", "/connectors", json!({ "name": "reader", "config": config }));
        assert_eq!((status, made["type"].clone()), (201, json!("source")), "{made}");
        let output = connectors.folder.path().join("out.txt").display().to_string();
        let sink =
            json!({ "connector.class": "file-sink", "topics": "lines", "path": output, "format": "lines" });
        let (status, made) = connectors.call("PUT", "/connectors/writer/config", sink);
        assert_eq!((status, made["type"].clone()), (201, json!("sink")), "{made}");
        connectors.wait_for("one\ntwo\n");
        connectors
    }

    fn reader(&self) -> Value {
        let input = self.folder.path().join("in.jsonl").display().to_string();
        json!({ "connector.class": "FileStreamSource", "tasks.max": "1", "file": input, "topic": "lines" })
    }

    fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        http(self.node.part("http"), method, path, (!body.is_null()).then_some(&body))
    }

    fn get(&self, path: &str) -> (u16, Value) {
        self.call("GET", path, Value::Null)
    }

    fn status(&self, method: &str, path: &str) -> u16 {
        self.call(method, path, Value::Null).0
    }

    fn wait_for(&self, output: &str) {
        wait_until("the output", || read(self.folder.path(), "out.txt") == output);
    }
}

#[test]
fn connectors_are_shown_in_kafka_connects_way_and_are_pipelines_like_any_other() {
    let kafka = Connectors::start();
    assert!(kafka.get("/").1["kafka_cluster_id"].as_str().is_some_and(|id| id.len() == 22));
    let again = kafka.call("POST", "/connectors", json!({ "name": "reader", "config": kafka.reader() }));
    assert_eq!(again, (409, json!({ "error_code": 409, "message": "Connector reader already exists" })));
    let (status, state) = kafka.get("/connectors/writer/status");
    assert_eq!((status, state["connector"]["state"].clone()), (200, json!("RUNNING")), "{state}");
    assert_eq!(state["tasks"][0]["id"], 0);
    assert_eq!(kafka.get("/connectors/writer/topics").1, json!({ "writer": { "topics": ["lines"] } }));
    let (_, all) = kafka.get("/connectors?expand=status&expand=info");
    assert_eq!(all["reader"]["info"]["config"]["topic"], "lines");
    assert_eq!(all["writer"]["status"]["type"], "sink");
    let (_, pipelines) = kafka.get("/v1/pipelines");
    let names: Vec<_> = pipelines.as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["reader", "writer"]);
    // What is wrong is said in Kafka Connect's way.
    let bad = json!({ "connector.class": "file-sink", "topics": "lines", "pth": "x" });
    let (status, refused) = kafka.call("PUT", "/connectors/bad/config", bad.clone());
    assert_eq!(status, 400);
    let said = refused["message"].as_str().unwrap_or_default();
    assert!(said.contains("pth: unknown option; did you mean \"path\"?"), "{refused}");
    let (status, found) = kafka.call("PUT", "/connector-plugins/file-sink/config/validate", bad);
    assert_eq!((status, found["error_count"].clone()), (200, json!(3)), "{found}");
    assert_eq!(
        kafka.get("/connectors/none").1,
        json!({ "error_code": 404, "message": "Connector none not found" })
    );
    let (_, plugins) = kafka.get("/connector-plugins");
    assert!(plugins.as_array().unwrap().iter().any(|plugin| plugin["class"] == "generator-source"));
    let (_, options) = kafka.get("/connector-plugins/file-source/config");
    let follow = options.as_array().unwrap().iter().find(|option| option["name"] == "follow").cloned();
    assert_eq!(follow.unwrap()["default_value"], "false");
    assert_eq!(kafka.node.stop(), Some(0));
}

#[test]
fn connectors_are_moved_changed_paused_and_deleted_by_kafka_connects_interface() {
    let kafka = Connectors::start();
    // Offsets: shown, refused while it runs, moved while it is stopped.
    let (_, offsets) = kafka.get("/connectors/reader/offsets");
    assert_eq!(offsets["offsets"][0]["offset"]["position"]["offset"], 8, "{offsets}");
    assert_eq!(kafka.status("DELETE", "/connectors/reader/offsets"), 400);
    assert_eq!(kafka.status("PUT", "/connectors/reader/stop"), 204);
    assert_eq!(kafka.get("/connectors/reader/status").1["connector"]["state"], "STOPPED");
    assert_eq!(kafka.get("/connectors/reader/tasks").1, json!([]));
    let (status, answer) = kafka.call("DELETE", "/connectors/reader/offsets", Value::Null);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(kafka.get("/connectors/reader/offsets").1, json!({ "offsets": [] }));
    assert_eq!(kafka.status("PUT", "/connectors/reader/resume"), 202);
    kafka.wait_for("one\ntwo\none\ntwo\n");
    let (status, patched) =
        kafka.call("PATCH", "/connectors/writer/config", json!({ "tombstones": "write" }));
    assert_eq!((status, patched["config"]["tombstones"].clone()), (200, json!("write")), "{patched}");
    assert_eq!(kafka.status("PUT", "/connectors/writer/pause"), 202);
    assert_eq!(kafka.get("/connectors/writer/status").1["connector"]["state"], "PAUSED");
    assert_eq!(kafka.status("POST", "/connectors/writer/restart"), 409);
    assert_eq!(kafka.status("PUT", "/connectors/writer/resume"), 202);
    assert_eq!(kafka.status("POST", "/connectors/writer/restart?includeTasks=true"), 202);
    assert_eq!(kafka.status("DELETE", "/connectors/writer"), 204);
    assert_eq!(kafka.get("/connectors"), (200, json!(["reader"])));
    assert_eq!(kafka.node.stop(), Some(0));
}

/// Status and JSON body of an HTTP exchange; null for an empty body.
fn http(
    address: &str,
    method: &str,
    path: &str,
    body: Option<&serde_json::Value>,
) -> (u16, serde_json::Value) {
    let body = body.map(ToString::to_string).unwrap_or_default();
    let mut stream = TcpStream::connect(address).unwrap();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json");
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = match body.is_empty() {
        true => serde_json::Value::Null,
        false => serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}")),
    };
    (status, body)
}

#[test]
fn pipelines_whose_nodes_would_share_positions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let write = |file: &str, pipeline: &str, sink: &str| {
        let sinks = format!("sinks: {{ {sink}: {{ from: lines, use: blackhole }} }}");
        std::fs::write(folder.join(file), format!("name: {pipeline}\ntopics: {{ lines: {{}} }}\n{sinks}\n"))
            .unwrap();
    };
    write("a.yaml", "a-b", "c");
    write("b.yaml", "a", "b-c");
    write("c.yaml", "a", "bc");
    let node = server(folder);
    cli(folder, &node, &["apply", "a.yaml"]);
    let refused = millstream(folder, &["apply", "b.yaml", "--node", node.part("http")]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("sink \"b-c\" of pipeline \"a\" and sink \"c\" of pipeline \"a-b\" would both keep"),
        "{refused:?}"
    );
    cli(folder, &node, &["apply", "c.yaml"]);
    // A pipeline is no neighbour of itself.
    cli(folder, &node, &["apply", "a.yaml"]);
    assert_eq!(node.stop(), Some(0));
}
