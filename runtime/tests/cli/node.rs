//! Pipelines on a running node: planned, applied, changed part by part, paused, deleted; and the same by Kafka Connect's
//! interface.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Running, http, millstream, server, wait_until};

fn write_pipeline(folder: &Path, output: &str, extra: &str) {
    let text = format!(
        "name: shop\n\
         sources:\n  \
           in:\n    use: file\n    with: {{ path: in.jsonl, follow: true }}\n    to: lines\n    \
           transforms:\n      - drop: [secret]\n      - route: {{ field: kind, pattern: \"^b\", to: big }}\n\
         sinks:\n  \
           out: {{ from: lines, use: file, with: {{ path: {output} }} }}\n{extra}"
    );
    fs::write(folder.join("p.yaml"), text).unwrap();
}

fn append(folder: &Path, lines: &str) {
    use std::io::Write;
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
    assert_eq!(cli(folder, &node, &["plan", "p.yaml"]), "shop:\n  + source in\n  + sink out\n");
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

#[test]
fn connectors_are_made_changed_and_moved_by_kafka_connects_interface() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    append(folder, "one\ntwo\n");
    let node = server(folder);
    let address = node.part("http").to_owned();
    let call = |method: &str, path: &str, body: Value| {
        http(&address, method, path, (!body.is_null()).then_some(&body))
    };
    let get = |path: &str| call("GET", path, Value::Null);
    assert_eq!(get("/connectors"), (200, json!([])));
    assert!(get("/").1["kafka_cluster_id"].as_str().is_some_and(|id| id.len() == 22));
    let input = folder.join("in.jsonl").display().to_string();
    let config =
        json!({ "connector.class": "FileStreamSource", "tasks.max": "1", "file": input, "topic": "lines" });
    let (status, made) = call("POST", "/connectors", json!({ "name": "reader", "config": config }));
    assert_eq!((status, made["type"].clone()), (201, json!("source")), "{made}");
    let (status, again) = call("POST", "/connectors", json!({ "name": "reader", "config": config }));
    assert_eq!(
        (status, again),
        (409, json!({ "error_code": 409, "message": "Connector reader already exists" }))
    );
    let output = folder.join("out.txt").display().to_string();
    let sink =
        json!({ "connector.class": "file-sink", "topics": "lines", "path": output, "format": "lines" });
    let (status, made) = call("PUT", "/connectors/writer/config", sink.clone());
    assert_eq!((status, made["type"].clone()), (201, json!("sink")), "{made}");
    wait_until("the lines", || read(folder, "out.txt") == "one\ntwo\n");
    let (status, state) = get("/connectors/writer/status");
    assert_eq!((status, state["connector"]["state"].clone()), (200, json!("RUNNING")), "{state}");
    assert_eq!(state["tasks"][0]["id"], 0);
    assert_eq!(get("/connectors/writer/topics").1, json!({ "writer": { "topics": ["lines"] } }));
    let (_, all) = get("/connectors?expand=status&expand=info");
    assert_eq!(all["reader"]["info"]["config"]["topic"], "lines");
    assert_eq!(all["writer"]["status"]["type"], "sink");
    // It is a pipeline like any other.
    let (_, pipelines) = get("/v1/pipelines");
    assert_eq!(
        pipelines.as_array().unwrap().iter().map(|one| one["name"].clone()).collect::<Vec<_>>(),
        ["reader", "writer"]
    );
    // Offsets: shown, refused while it runs, moved while it is stopped.
    let (_, offsets) = get("/connectors/reader/offsets");
    assert_eq!(offsets["offsets"][0]["offset"]["position"]["offset"], 8, "{offsets}");
    assert_eq!(call("DELETE", "/connectors/reader/offsets", Value::Null).0, 400);
    assert_eq!(call("PUT", "/connectors/reader/stop", Value::Null).0, 204);
    assert_eq!(get("/connectors/reader/status").1["connector"]["state"], "STOPPED");
    assert_eq!(get("/connectors/reader/tasks").1, json!([]));
    let (status, answer) = call("DELETE", "/connectors/reader/offsets", Value::Null);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(get("/connectors/reader/offsets").1, json!({ "offsets": [] }));
    assert_eq!(call("PUT", "/connectors/reader/resume", Value::Null).0, 202);
    wait_until("the lines once more", || read(folder, "out.txt") == "one\ntwo\none\ntwo\n");
    // What is wrong is said in Kafka Connect's way.
    let bad = json!({ "connector.class": "file-sink", "topics": "lines", "pth": "x" });
    let (status, refused) = call("PUT", "/connectors/bad/config", bad.clone());
    assert_eq!(status, 400);
    assert!(
        refused["message"]
            .as_str()
            .is_some_and(|text| text.contains("pth: unknown option; did you mean \"path\"?")),
        "{refused}"
    );
    let (status, found) = call("PUT", "/connector-plugins/file-sink/config/validate", bad);
    assert_eq!((status, found["error_count"].clone()), (200, json!(3)), "{found}");
    assert_eq!(
        get("/connectors/none").1,
        json!({ "error_code": 404, "message": "Connector none not found" })
    );
    assert!(
        get("/connector-plugins")
            .1
            .as_array()
            .unwrap()
            .iter()
            .any(|plugin| plugin["class"] == "generator-source")
    );
    let (_, options) = get("/connector-plugins/file-source/config");
    assert!(
        options
            .as_array()
            .unwrap()
            .iter()
            .any(|option| option["name"] == "follow" && option["default_value"] == "false")
    );
    // Changed, paused, restarted, deleted.
    let (status, patched) = call("PATCH", "/connectors/writer/config", json!({ "tombstones": "write" }));
    assert_eq!((status, patched["config"]["tombstones"].clone()), (200, json!("write")), "{patched}");
    assert_eq!(call("PUT", "/connectors/writer/pause", Value::Null).0, 202);
    assert_eq!(get("/connectors/writer/status").1["connector"]["state"], "PAUSED");
    assert_eq!(call("POST", "/connectors/writer/restart", Value::Null).0, 409);
    assert_eq!(call("PUT", "/connectors/writer/resume", Value::Null).0, 202);
    assert_eq!(call("POST", "/connectors/writer/restart?includeTasks=true", Value::Null).0, 202);
    assert_eq!(call("DELETE", "/connectors/writer", Value::Null).0, 204);
    assert_eq!(get("/connectors"), (200, json!(["reader"])));
    assert_eq!(node.stop(), Some(0));
}
